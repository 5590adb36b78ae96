package deletion_test

import (
	"context"
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
)

// under is a plan of 30 tenants in a world that knows what was done to it so far.
type under struct {
	*world

	p deletion.Planned
	d events.Deletion

	policy events.Policy
	states map[events.Aggregate]catalogue.MapState // in place of the real ones
}

// State is as in Heads.
func (u *under) State(about events.Aggregate) catalogue.State {
	if s, ok := u.states[about]; ok {
		return s
	}
	return u.world.State(about)
}

// put puts an entity in place of a real one.
func (u *under) put(about events.Aggregate, e events.Entity) {
	u.states[about] = catalogue.MapState{e.EntityKey(): e}
}

func (u *under) door() events.Door {
	door, err := deletion.DoorOf(u)
	if err != nil {
		u.t.Fatal(err)
	}
	return door
}

// next is an event as it would stand next.
func (u *under) next(about events.Aggregate, p events.Payload) events.Event {
	e := u.event(about, p)
	e.Seq, e.RecordedTime = u.seq+1, u.now
	return e
}

func (u *under) ofPlan(p events.Payload) events.Event { return u.next(events.OfDeletion(u.p.ID), p) }

func (u *under) atDoor(p events.Payload) events.Event {
	return u.next(events.TheOne(events.AggregateDoor), p)
}

func (u *under) ofPolicy(p events.Payload) events.Event {
	return u.next(events.TheOne(events.AggregatePolicy), p)
}

func (u *under) wave(n int) events.DoorPassed {
	return events.DoorPassed{Plan: u.p.ID, Kind: u.p.Deletion.Kind, Wave: uint32(n), Targets: u.p.Deletion.Waves[n-1]}
}

func (u *under) approval(person string) events.DeletionApproved {
	u.ids++
	return events.DeletionApproved{Approval: u.keys.ApprovePlan(person, u.p.ID, u.p.Deletion, u.now, u.ids)}
}

// pass lets a wave pass, with its tombstones.
func (u *under) passWave() {
	u.t.Helper()
	d, err := u.engine.Deletion(context.Background(), u.p.ID)
	if err != nil {
		u.t.Fatal(err)
	}
	if step, err := u.engine.Step(context.Background(), u.p.ID); err != nil || step.Wave != len(d.Checked)+1 {
		u.t.Fatalf("%+v, %v", step, err)
	}
}

// counted records what was counted after a wave.
func (u *under) counted(change func(*events.DeletionWaveChecked)) {
	u.t.Helper()
	c := events.DeletionWaveChecked{Wave: 1, Gone: 1, Kept: 29, Healthy: true}
	change(&c)
	u.must(u.event(events.OfDeletion(u.p.ID), c))
}

// limit has a budget in force that the plan was not held against.
func (u *under) limit(change func(*events.Budget)) {
	u.t.Helper()
	inForce, err := deletion.PolicyOf(u)
	if err != nil {
		u.t.Fatal(err)
	}
	change(&inForce.Policy.Budget)
	u.put(events.TheOne(events.AggregatePolicy), inForce)
}

// waveAlone lets the first wave pass without its tombstones.
func (u *under) waveAlone() { u.must(u.event(events.TheOne(events.AggregateDoor), u.wave(1))) }

// passage changes what the door remembers of the last wave.
func (u *under) passage(change func(*events.Passage)) {
	door := u.door()
	door.Recent = slices.Clone(door.Recent)
	change(&door.Recent[len(door.Recent)-1])
	u.put(events.TheOne(events.AggregateDoor), door)
}

// tombstone is that of a target of the plan.
func (u *under) tombstone(target int) events.Event {
	return u.next(events.OfTenant(u.p.Deletion.Targets[target].Tenant), events.TenantDeleted{})
}

// owners makes the plan an owner's request.
func (u *under) owners(change func(*events.Deletion)) {
	u.d.Plan.Owner = accountID(1)
	change(&u.d)
	u.put(events.OfDeletion(u.p.ID), u.d)
}

// ownersAdmitted is the admission of the plan as an owner's request.
func (u *under) ownersAdmitted() events.Event {
	return u.atDoor(events.DoorAdmitted{Plan: u.p.ID, Kind: events.DeletionOfTenants, Expires: u.p.Deletion.Expires, Owners: true})
}
