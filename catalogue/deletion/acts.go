package deletion

import (
	"fmt"

	"tenantcatalogue/events"
)

// Source is the source of every event of this package.
const Source = "/catalogue/deletion"

// acts makes the events of what can be done, whole units of them. Ids derive from what
// is done, so that doing it again is doing nothing.
type acts struct {
	actor string
	now   events.Time
}

func (a acts) event(about events.Aggregate, p events.Payload, names ...string) events.Event {
	names = append([]string{"deletion", about.String(), string(p.EventType())}, names...)
	return events.Event{
		ID: events.DeriveID[events.EventID](names...), Source: Source, About: about,
		Time: a.now, Actor: a.actor, Payload: p,
	}
}

func theDoor() events.Aggregate { return events.TheOne(events.AggregateDoor) }

// plan admits a plan.
func (a acts) plan(id events.PlanID, p events.DeletionPlanned) []events.Event {
	about := events.OfDeletion(id)
	return []events.Event{
		a.event(theDoor(), events.DoorAdmitted{Plan: id, Kind: p.Kind, Expires: p.Expires}, id.String()),
		a.event(about, p),
	}
}

// refuse records that a plan was not taken.
func (a acts) refuse(id events.PlanID, author string, r *Refused) []events.Event {
	return []events.Event{a.event(events.OfDeletion(id), events.DeletionRefused{
		Kind: r.Kind, Author: author, Targets: uint32(r.Targets), Reasons: r.Reasons[:min(len(r.Reasons), 64)],
	})}
}

// wave is the unit of a wave: it passes the door, then come the tombstones of its
// targets, in their order.
func (a acts) wave(id events.PlanID, d events.Deletion, wave int) []events.Event {
	from, to := span(d.Plan, wave, wave)
	number := fmt.Sprint(wave)
	passed := a.event(theDoor(), events.DoorPassed{
		Plan: id, Kind: d.Plan.Kind, Wave: uint32(wave), Targets: uint32(to - from), Owners: !d.Plan.Owner.IsZero(),
	}, id.String(), number)
	unit := []events.Event{passed}
	for _, t := range d.Plan.Targets[from:to] {
		var p events.Payload = events.TenantDeleted{Reason: d.Plan.Reason}
		if d.Plan.Kind == events.DeletionOfApps {
			p = events.AppUninstalled{App: t.App, Reason: d.Plan.Reason}
		}
		e := a.event(events.OfTenant(t.Tenant), p, id.String(), number, targetID(d.Plan.Kind, t))
		e.Run, e.Causation, e.Correlation, e.Epoch = d.Plan.Run, passed.ID, id.String(), t.Epoch
		unit = append(unit, e)
	}
	return unit
}

// finish ends a plan, which leaves if it is open still.
func (a acts) finish(id events.PlanID, kind events.DeletionKind, open bool, p events.DeletionFinished) []events.Event {
	var unit []events.Event
	if open {
		unit = append(unit, a.event(theDoor(), events.DoorLeft{Plan: id, Kind: kind}, id.String()))
	}
	return append(unit, a.event(events.OfDeletion(id), p))
}
