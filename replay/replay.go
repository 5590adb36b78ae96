// Package replay answers what was: the state of an aggregate, or of all of them,
// as of a Seq; what differs between two; which Seq a restore point such as
// "5m before run_…" stands for. It reads the history and folds with
// catalogue.Evolve, the fold that serves decisions and views too.
//
// The sequence of the stream is the only order. A time that a person asks for is
// resolved to a Seq, by recorded time, and shown with the events on both sides.
package replay

import (
	"errors"
	"fmt"
	"maps"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/viewdb"
)

// The faults of this package. Match with errors.Is.
var (
	// ErrBefore is returned when the point lies before the aggregate's first
	// event.
	ErrBefore = errors.New("not yet in the catalogue at that point")
	// ErrUnknown is returned when the aggregate never had an event.
	ErrUnknown = errors.New("not in the catalogue")
	// ErrQuarantined is returned when an event up to the point cannot be read
	// or folded.
	ErrQuarantined = errors.New("quarantined")
	// ErrPoint is returned when a text is no restore point.
	ErrPoint = errors.New("not a restore point")
	// ErrNoRun is returned when a run has no event.
	ErrNoRun = errors.New("no event of that run")
)

// Reader is the history as of one Seq.
type Reader interface {
	// Head is the last Seq it shows.
	Head() events.Seq
	// Get reads one event.
	Get(seq events.Seq) (events.Stored, bool, error)
	// Of hands over the events about one aggregate in order.
	Of(about events.Aggregate, after, upTo events.Seq, fn func(events.Stored) error) error
	// Read hands over all events in order.
	Read(after, upTo events.Seq, fn func(events.Stored) error) error
	// Aggregates hands over every aggregate of a kind that has events.
	Aggregates(kind events.AggregateKind, fn func(events.Aggregate) error) error
	// Find hands over the events a query selects, in order.
	Find(q history.Query, fn func(events.Event) error) error
	// Resolve finds the Seq that stands for a recorded time.
	Resolve(t events.Time) (history.Resolved, error)
	// UnitStart and UnitEdge are the first and the last Seq of seq's unit.
	UnitStart(seq events.Seq) (events.Seq, error)
	UnitEdge(seq events.Seq) (events.Seq, error)
}

// Past is an aggregate as it was after an event.
type Past struct {
	About events.Aggregate
	Head  catalogue.Head
	State catalogue.MapState
}

// AsOf folds one aggregate up to a Seq. The error matches ErrUnknown when it
// has no event at all, ErrBefore when its first one comes later, and
// ErrQuarantined when one of them cannot be read or folded.
func AsOf(r Reader, about events.Aggregate, seq events.Seq) (Past, error) {
	p := Past{About: about, State: catalogue.MapState{}}
	if err := r.Of(about, 0, seq, p.fold); err != nil {
		return p, err
	}
	if p.Head.Seq != 0 {
		return p, nil
	}
	first, err := firstOf(r, about)
	switch {
	case err != nil:
		return p, err
	case first == 0:
		return p, fmt.Errorf("%s: %w; check the id", about, ErrUnknown)
	}
	return p, fmt.Errorf("%s at %d: %w; its first event is %d", about, seq, ErrBefore, first)
}

func (p *Past) fold(s events.Stored) error {
	e, err := events.Decode(s)
	if err == nil {
		err = catalogue.Evolve(p.State, e)
	}
	if err != nil {
		return fmt.Errorf("%s: %w by event %d: %w", p.About, ErrQuarantined, s.Seq, err)
	}
	p.Head = p.Head.Advance(e)
	return nil
}

func firstOf(r Reader, about events.Aggregate) (first events.Seq, err error) {
	err = r.Of(about, 0, r.Head(), func(s events.Stored) error {
		first = s.Seq
		return viewdb.ErrStop
	})
	return first, err
}

// AsOfAll folds every aggregate of a kind up to a Seq and hands each over, in
// key order; those that were not there yet are left out. An aggregate that
// cannot be folded comes with its error.
func AsOfAll(r Reader, kind events.AggregateKind, seq events.Seq, fn func(Past, error) error) error {
	return r.Aggregates(kind, func(about events.Aggregate) error {
		p, err := AsOf(r, about, seq)
		if errors.Is(err, ErrBefore) {
			return nil
		}
		return fn(p, err)
	})
}

// Change is an entity that differs between two states.
type Change struct {
	Key    events.EntityKey
	Before events.Entity // nil: it was not there
	After  events.Entity // nil: it is gone
}

// Diff lists what differs between two states of an aggregate, in key order.
func Diff(before, after catalogue.MapState) ([]Change, error) {
	var out []Change
	both := before.Clone()
	maps.Copy(both, after)
	for _, e := range both.Entities() {
		k := e.EntityKey()
		c := Change{Key: k, Before: before[k], After: after[k]}
		same, err := equal(c.Before, c.After)
		if err != nil {
			return nil, err
		}
		if !same {
			out = append(out, c)
		}
	}
	return out, nil
}

// equal compares stored forms: the form in which equal entities have equal
// bytes.
func equal(a, b events.Entity) (bool, error) {
	if a == nil || b == nil {
		return a == nil && b == nil, nil
	}
	x, err := events.EncodeEntity(a)
	if err != nil {
		return false, err
	}
	y, err := events.EncodeEntity(b)
	return string(x) == string(y), err
}
