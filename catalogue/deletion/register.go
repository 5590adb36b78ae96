package deletion

import (
	"errors"
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// Register follows the log and vouches for what is governed in it: the views' own check,
// beside the write side's. It takes every event in the order of the log and keeps the
// states of what is governed in memory. It is for one goroutine.
type Register struct {
	states map[events.Aggregate]catalogue.MapState
	out    map[events.Aggregate]events.Seq // quarantined, by which event
}

// NewRegister makes one that stands before the first event.
func NewRegister() *Register {
	return &Register{states: map[events.Aggregate]catalogue.MapState{}, out: map[events.Aggregate]events.Seq{}}
}

// State is as in States.
func (r *Register) State(about events.Aggregate) catalogue.State {
	if s, found := r.states[about]; found {
		return s
	}
	return catalogue.MapState{}
}

// Take takes the next event. An error says why it may not stand there; whoever folds the
// log then puts its aggregate out.
func (r *Register) Take(e events.Event) error {
	if !e.Governed() {
		return nil
	}
	if by, out := r.out[e.About]; out {
		return catalogue.Refuse(catalogue.ErrQuarantined, "run verify", "%s holds an event at %d that cannot stand there", e.About, by)
	}
	err := Vouch(r, e)
	if err == nil && e.About.Kind != events.AggregateTenant {
		err = r.fold(e)
	}
	if err != nil && e.About.Kind != events.AggregateTenant {
		r.out[e.About] = e.Seq
	}
	return err
}

func (r *Register) fold(e events.Event) error {
	s, found := r.states[e.About]
	if !found {
		s = catalogue.MapState{}
	}
	if err := catalogue.Evolve(s, e); err != nil {
		return err
	}
	if len(s) > 0 {
		r.states[e.About] = s
	}
	return nil
}

// Unreadable takes note of an event that could not be decoded.
func (r *Register) Unreadable(s events.Stored) {
	switch s.About.Kind {
	case events.AggregateDeletion, events.AggregateDoor, events.AggregatePolicy, events.AggregateClock, events.AggregateAlarm, events.AggregateLien:
		r.out[s.About] = s.Seq
	case events.AggregateTenant, events.AggregateAccount, events.AggregateClaim, events.AggregateRestoration:
	}
}

// Load takes the governed events of a log up to where its follower stands, in any order.
func (r *Register) Load(list []events.Event) error {
	slices.SortFunc(list, func(a, b events.Event) int { return int(int64(a.Seq) - int64(b.Seq)) })
	var errs []error
	for _, e := range list {
		if err := r.Take(e); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
