// Package replay answers what was: the state of an aggregate, or of all of them,
// as of a Seq; what differs between two; which Seq a restore point such as
// "5m before run_…" stands for. It reads the history and folds with
// catalogue.Evolve, the fold that serves decisions and views too.
//
// [AsOf] folds from an aggregate's first event on and rests on nothing else:
// restorations and whatever proves something use it. Whoever reads to show keeps
// [Snapshots] of long histories, so that a tenant of a million events is read as
// fast as one of a few hundred.
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
	"tenantcatalogue/projectors"
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
	// or folded, or is a tombstone that may not stand where it does.
	ErrQuarantined = errors.New("quarantined")
	// ErrPoint is returned when a text is no restore point.
	ErrPoint = errors.New("not a restore point")
	// ErrNoRun is returned when a run has no event.
	ErrNoRun = errors.New("no event of that run")
)

// QuarantinedError says which event cannot be read or folded. It matches
// ErrQuarantined.
type QuarantinedError struct {
	About events.Aggregate
	Seq   events.Seq
	Err   error // why
}

// Error says so.
func (q *QuarantinedError) Error() string {
	return fmt.Sprintf("%s: %v by event %d: %v", q.About, ErrQuarantined, q.Seq, q.Err)
}

// Unwrap gives ErrQuarantined and the reason.
func (q *QuarantinedError) Unwrap() []error { return []error{ErrQuarantined, q.Err} }

// Reader is the history as of one Seq.
type Reader interface {
	// Head is the last Seq it shows.
	Head() events.Seq
	// Get reads one event.
	Get(seq events.Seq) (events.Stored, bool, error)
	// Decode decodes an event that was read; why says that it counts for nothing.
	Decode(s events.Stored) (e events.Event, why, err error)
	// Origin is the log, and the copy of it, that is read; empty: unknown.
	Origin() string
	// Lend hands over the events about one aggregate in order, LendAll those
	// about all of a kind by aggregate and then by Seq. Their data is valid during
	// the call of fn only.
	Lend(about events.Aggregate, after, upTo events.Seq, fn func(events.Stored) error) error
	LendAll(kind events.AggregateKind, upTo events.Seq, fn func(events.Stored) error) error
	// Read hands over all events in order.
	Read(after, upTo events.Seq, fn func(events.Stored) error) error
	// Find hands over the events a query selects, in order.
	Find(q history.Query, fn func(events.Event) error) error
	// Resolve finds the Seq that stands for a recorded time.
	Resolve(t events.Time) (history.Resolved, error)
	Units
}

// Units tells where units end, in whose middle no state ever was.
type Units interface {
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
	err := r.Lend(about, 0, seq, func(s events.Stored) error { return p.fold(r, s) })
	return p, p.found(r, seq, err)
}

func (p *Past) fold(r Reader, s events.Stored) error {
	e, why, err := r.Decode(s)
	if err != nil {
		return err
	}
	if projectors.PassedOver(s.About, why) {
		p.Head.Seq = s.Seq
		p.Head.Version++
		return nil
	}
	if why == nil {
		why = catalogue.Evolve(p.State, e)
	}
	if why != nil {
		return &QuarantinedError{About: p.About, Seq: s.Seq, Err: why}
	}
	p.Head = p.Head.Advance(e)
	return nil
}

// found is the error of a fold, or why nothing was folded.
func (p *Past) found(r Reader, seq events.Seq, err error) error {
	if err != nil || p.Head.Seq != 0 {
		return err
	}
	var first events.Seq
	err = r.Lend(p.About, 0, r.Head(), func(s events.Stored) error {
		first = s.Seq
		return viewdb.ErrStop
	})
	switch {
	case err != nil:
		return err
	case first == 0:
		return fmt.Errorf("%s: %w; check the id", p.About, ErrUnknown)
	}
	return fmt.Errorf("%s at %d: %w; its first event is %d", p.About, seq, ErrBefore, first)
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
