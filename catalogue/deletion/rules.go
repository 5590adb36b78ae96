package deletion

import (
	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// States gives the states that the rules are held against: those of the log before the
// event that is asked about.
type States interface {
	State(about events.Aggregate) catalogue.State
}

// Heads are States with the heads of aggregates.
type Heads interface {
	States
	Head(about events.Aggregate) (catalogue.Head, error)
}

// Vouch tells whether an event that the rules govern may stand where it stands: nil, or
// a *catalogue.ReasonError. The write side asks before an event is appended, and whoever folds
// the log asks again, on the states before the event: so that what was forged, be it a
// tombstone, an approval or a policy, counts for nothing wherever it is read. The event's
// Seq and recorded time must be set. Events that are not governed are vouched for.
func Vouch(w Heads, e events.Event) error {
	if !e.Governed() {
		return nil
	}
	if e.Type().About() != e.About.Kind {
		return catalogue.Refuse(ErrPlan, "", "%s is not about a %s", e.Type(), e.About.Kind)
	}
	switch p := e.Payload.(type) {
	case events.DoorHalted, events.AlarmRaised, events.DoorHeld, events.LienPlaced:
		return nil // they only ever make it stricter, whoever asks, and whatever cannot be read
	case events.DoorReleased:
		return released(w, p)
	case events.TenantRestored:
		return governed(w, restored(w, e, p))
	}
	r := rules{Heads: w, e: e, at: events.Mark{Seq: e.Seq, Time: e.RecordedTime}}
	if err := r.read(); err != nil {
		return err
	}
	if known := r.known(); r.at.Time < known {
		return catalogue.Refuse(ErrPlan, "look who writes to the log", "it was recorded at %s, and others before it at %s", r.at.Time, known)
	}
	switch p := e.Payload.(type) {
	case events.TenantDeleted:
		return r.tombstone(events.DeletionOfTenants, events.AppID{})
	case events.AppUninstalled:
		return r.tombstone(events.DeletionOfApps, p.App)
	case events.DoorAdmitted:
		return r.admitted(p)
	case events.DoorPassed:
		return r.passed(p)
	case events.DoorLeft:
		return r.left(p)
	case events.DoorReopened:
		return r.reopened(p)
	case events.PolicyProposed:
		return r.proposed(p)
	case events.PolicyApproved:
		return r.policyApproved(p)
	case events.PolicyChanged:
		return r.changed(p)
	case events.LienLifted:
		return r.lienLifted(p)
	case events.DeletionPlanned:
		return r.planned(p)
	case events.DeletionRefused:
		return r.listRefused(p)
	case events.DeletionApproved, events.DeletionConfirmed, events.DeletionRehearsed, events.DeletionStarted,
		events.DeletionWaveChecked, events.DeletionFinished:
		return r.ofPlan()
	}
	return nil // a tick
}

// rules are held against one event.
type rules struct {
	Heads
	e      events.Event
	at     events.Mark // of the event
	door   events.Door
	policy events.InForce
	clock  clock
}

// read reads what every rule looks at.
func (r *rules) read() (err error) {
	if r.door, err = readable[events.Door](r, events.TheOne(events.AggregateDoor)); err != nil {
		return err
	}
	if r.policy, err = readable[events.InForce](r, events.TheOne(events.AggregatePolicy)); err != nil {
		return err
	}
	r.clock, err = clockOf(r)
	return err
}

// known is the last recorded time there is. That of an event is what whoever has appended
// it says: it must not run backwards, or what has expired would count again.
func (r *rules) known() events.Time {
	known := max(r.clock.Last, r.door.Last.Time, r.policy.Since.Time)
	if n := len(r.door.Recent); n > 0 {
		known = max(known, r.door.Recent[n-1].Mark.Time)
	}
	for _, open := range r.door.Open {
		known = max(known, open.Mark.Time)
	}
	return known
}

// readable reads the entity of an aggregate that has one, unless an event about it
// could not be read: then what is known of it may be what it no longer is.
func readable[E events.Entity](w Heads, about events.Aggregate) (entity E, err error) {
	head, err := w.Head(about)
	if err != nil {
		return entity, err
	}
	if head.Quarantined != 0 {
		return entity, catalogue.Refuse(catalogue.ErrQuarantined, "run verify, and mend the log's reader first", "%s holds an event at %d that cannot be read", about, head.Quarantined)
	}
	entity, _, err = catalogue.Get[E](w.State(about), entity.EntityKey())
	return entity, err
}

// deletionOf reads a plan; its hash tells whether there is one.
func deletionOf(w Heads, id events.PlanID) (d events.Deletion, exists bool, err error) {
	d, err = readable[events.Deletion](w, events.OfDeletion(id))
	return d, len(d.Hash) > 0, err
}

// open is nil while plans may be admitted and waves may pass.
func (r *rules) open() error {
	switch {
	case !r.door.Halted.IsZero():
		return catalogue.Refuse(ErrHalted, "find out why, then have the halt lifted: catalogue halt --lift", "since %s, event %d: %s %s",
			r.door.Halted.Time, r.door.Halted.Seq, r.door.Halt.Cause, r.door.Halt.Detail)
	case len(r.door.Held) > 0:
		return catalogue.Refuse(ErrHeld, "wait until it is finished", "%s is not finished", r.door.Held[0])
	case r.policy.Version == 0:
		return noPolicy()
	}
	return nil
}

func noPolicy() error {
	return catalogue.Refuse(ErrPolicy, "set one: catalogue policy propose", "there is no policy yet, and nobody who could approve")
}
