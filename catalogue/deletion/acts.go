package deletion

import (
	"context"
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// Source is the source of every event of this package.
const Source = "/catalogue/deletion"

// acts makes the events of what is done, and publishes them in one unit. Their ids are
// new: what must not be done twice is refused by the rules, and an id that derived from what
// is done could be used for something else beforehand.
type acts struct {
	*Engine
	actor string
	now   events.Time
	unit  []events.Event
	err   error
}

func (e *Engine) by(actor string) *acts { return &acts{Engine: e, actor: actor, now: e.cfg.Now()} }

// add adds an event to the unit.
func (a *acts) add(about events.Aggregate, p events.Payload) *events.Event {
	id, err := events.NewID[events.EventID](a.cfg.NewID)
	if a.err == nil {
		a.err = err
	}
	a.unit = append(a.unit, events.Event{ID: id, Source: Source, About: about, Time: a.now, Actor: a.actor, Payload: p})
	return &a.unit[len(a.unit)-1]
}

// publish appends the unit.
func (a *acts) publish(ctx context.Context) error {
	if a.err != nil {
		return a.err
	}
	return a.cfg.Service.Publish(ctx, executor, catalogue.Request{Events: a.unit})[0].Err
}

// do publishes one event.
func (e *Engine) do(ctx context.Context, actor string, about events.Aggregate, p events.Payload) error {
	a := e.by(actor)
	a.add(about, p)
	return a.publish(ctx)
}

func theDoor() events.Aggregate { return events.TheOne(events.AggregateDoor) }

func thePolicy() events.Aggregate { return events.TheOne(events.AggregatePolicy) }

// plan makes a plan, which is admitted, unless its owner has yet to confirm it.
func (a *acts) plan(id events.PlanID, p events.DeletionPlanned) {
	if p.Owner.IsZero() {
		a.admit(id, p)
	}
	a.add(events.OfDeletion(id), p)
}

// admit begins the unit that a plan goes to the door with.
func (a *acts) admit(id events.PlanID, p events.DeletionPlanned) {
	a.add(theDoor(), events.DoorAdmitted{Plan: id, Kind: p.Kind, Expires: p.Expires, Owners: !p.Owner.IsZero()})
}

// wave passes the door with a wave; the tombstones of its targets follow, in their order.
func (a *acts) wave(id events.PlanID, d events.Deletion, wave int) {
	from, to := span(d.Plan, wave, wave)
	passed := a.add(theDoor(), events.DoorPassed{
		Plan: id, Kind: d.Plan.Kind, Wave: uint32(wave), Targets: uint32(to - from), Owners: !d.Plan.Owner.IsZero(),
	}).ID
	for _, tombstone := range Tombstones(d.Plan)[from:to] {
		e := a.add(tombstone.About, tombstone.Payload)
		e.Run, e.Causation, e.Correlation, e.Epoch = tombstone.Run, passed, id.String(), tombstone.Epoch
	}
}

// Tombstones are what a plan appends, one for each target, without what names the
// single event: about what, with what payload, in which epoch and run.
func Tombstones(p events.DeletionPlanned) []events.Event {
	out := make([]events.Event, len(p.Targets))
	for i, t := range p.Targets {
		var payload events.Payload = events.TenantDeleted{Reason: p.Reason}
		if p.Kind == events.DeletionOfApps {
			payload = events.AppUninstalled{App: t.App, Reason: p.Reason}
		}
		out[i] = events.Event{Source: Source, About: events.OfTenant(t.Tenant), Payload: payload, Run: p.Run, Epoch: t.Epoch}
	}
	return out
}

// finish ends a plan, which leaves if it is open still.
func (a *acts) finish(id events.PlanID, kind events.DeletionKind, door events.Door, p events.DeletionFinished) {
	if slices.ContainsFunc(door.Open, func(o events.Admitted) bool { return o.Plan == id }) {
		a.add(theDoor(), events.DoorLeft{Plan: id, Kind: kind})
	}
	a.add(events.OfDeletion(id), p)
}
