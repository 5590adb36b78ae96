package deletion

import (
	"cmp"
	"errors"
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// Register follows the log and vouches for what is governed in it: the views' own check,
// beside the write side's. It takes every event in the order of the log and keeps the
// states of what is governed in memory. It is for one goroutine.
//
// It knows what the log says of authority: plans, approvals, waves, halts, liens. That a
// target was still what was planned, when its wave was appended, is what the write side
// looks at, and the expectations in the wave's unit.
type Register struct {
	states     map[events.Aggregate]catalogue.MapState
	unreadable map[events.Aggregate]events.Seq
}

// NewRegister makes one that stands before the first event.
func NewRegister() *Register {
	return &Register{states: map[events.Aggregate]catalogue.MapState{}, unreadable: map[events.Aggregate]events.Seq{}}
}

// State is as in States.
func (r *Register) State(about events.Aggregate) catalogue.State {
	if s, found := r.states[about]; found {
		return s
	}
	return catalogue.MapState{}
}

// Head tells whether an event about the aggregate could not be read, and no more.
func (r *Register) Head(about events.Aggregate) (catalogue.Head, error) {
	return catalogue.Head{Quarantined: r.unreadable[about]}, nil
}

// Take takes the next event. A *catalogue.ReasonError says why it may not stand there:
// whoever folds the log then puts a tombstone's tenant out, and passes anything else over.
// An error that matches catalogue.ErrFold says that it may stand there and does not fit.
func (r *Register) Take(e events.Event) error {
	if !Keeps(e.About.Kind) && !e.Governed() {
		return nil
	}
	if err := Vouch(r, e); err != nil || !Keeps(e.About.Kind) {
		return err
	}
	s, found := r.states[e.About]
	if !found {
		s = catalogue.MapState{}
		r.states[e.About] = s
	}
	if err := catalogue.Evolve(s, e); err != nil {
		r.unreadable[e.About] = cmp.Or(r.unreadable[e.About], e.Seq)
		return err
	}
	return nil
}

// Unreadable takes an event that could not be decoded.
func (r *Register) Unreadable(s events.Stored) {
	if Keeps(s.About.Kind) {
		r.unreadable[s.About] = cmp.Or(r.unreadable[s.About], s.Seq)
	}
}

// Keeps tells whether a Register keeps the states of aggregates of a kind: those whose
// events Load wants.
func Keeps(kind events.AggregateKind) bool {
	switch kind {
	case events.AggregateDeletion, events.AggregateDoor, events.AggregatePolicy, events.AggregateClock, events.AggregateLien, events.AggregateRestoration:
		return true
	case events.AggregateTenant, events.AggregateAccount, events.AggregateClaim, events.AggregateAlarm:
	}
	return false
}

// Load takes what a log holds of the kinds that are kept, up to where its follower
// stands, in any order.
func (r *Register) Load(list []events.Stored) error {
	slices.SortFunc(list, func(a, b events.Stored) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, s := range list {
		e, err := events.Decode(s)
		if err != nil {
			r.Unreadable(s)
			continue
		}
		err = r.Take(e)
		if _, refused := errors.AsType[*catalogue.ReasonError](err); err != nil && !refused && !errors.Is(err, catalogue.ErrFold) {
			return err
		}
	}
	return nil
}
