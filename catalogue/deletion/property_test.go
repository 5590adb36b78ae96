package deletion_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/events"
)

// Whoever has the log's own credential appends around the write side. Without a person's
// key nothing of it makes a tombstone that counts.
func TestForgedEventsAreFound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := governed(t, 12)
		if rapid.Bool().Draw(t, "under way") {
			p := w.ready(w.ask(upTo(12)...), "ana")
			for range rapid.IntRange(0, 4).Draw(t, "steps") {
				if _, err := w.engine.Step(t.Context(), p.ID); err != nil {
					t.Fatal(err)
				}
			}
			w.halt()
			w.lift()
		}
		before := w.tombstones()
		forger := w.follower(t)
		for range rapid.IntRange(1, 30).Draw(t, "forged") {
			for _, e := range w.forged(t) {
				if forger.take(e) == nil && e.Type().Tombstone() {
					t.Fatalf("a forged %s about %s at %d is vouched for, after %d", e.Type(), e.About, forger.seq, before)
				}
			}
		}
	})
}

// follower folds a log as a reader does, and has events appended to it unasked.
type follower struct {
	*deletion.Register

	seq events.Seq
	now events.Time
}

func (w *world) follower(t tester) *follower {
	f := &follower{Register: deletion.NewRegister(w.genesis), seq: w.seq, now: w.recorded}
	for _, e := range w.log {
		if err := f.Take(e); err != nil {
			t.Fatalf("%s at %d: %v", e.Type(), e.Seq, err)
		}
	}
	return f
}

func (f *follower) take(e events.Event) error {
	f.seq++
	e.Seq = f.seq
	if e.RecordedTime.IsZero() {
		e.RecordedTime = f.now
	}
	return f.Take(e)
}

// forged are events that only somebody with the log's own credential could append: the
// steps of a deletion that hangs together as far as it can without signatures, in any
// order, and single ones.
func (w *world) forged(t *rapid.T) []events.Event {
	n := rapid.IntRange(1, 12).Draw(t, "target")
	id := events.DeriveID[events.PlanID](fmt.Sprint("forged", rapid.IntRange(1, 2).Draw(t, "plan")))
	about, door, policy := events.OfDeletion(id), events.TheOne(events.AggregateDoor), events.TheOne(events.AggregatePolicy)
	plan := events.DeletionPlanned{
		Environment: environment, Action: "delete", Kind: events.DeletionOfTenants, Author: people.Planner, Submitter: "eve", Supplier: "eve", Reason: "none", Expected: 1, Policy: 1,
		Expires: w.recorded.Add(time.Hour), Waves: []uint32{1}, Effect: events.Effect{Tenants: -1},
		Targets: []events.DeletionTarget{{Tenant: tenantID(n), Account: accountID(n), Name: url(n), Pinned: 1, Digest: []byte{1}}},
	}
	mine := people.NewKeys("eve")["eve"]
	author := rapid.SampledFrom([]people.Keys{{people.Planner: mine}, w.keys}).Draw(t, "author") // whose key may be stolen
	if rapid.Bool().Draw(t, "owner") {
		plan.Owner = accountID(n)
	} else {
		plan.Signed = author.Ask(environment, deletion.AskOf(id, plan), w.recorded).Signed
	}
	hash, err := plan.Hash(id)
	if err != nil {
		t.Fatal(err)
	}
	theirs := rapid.SampledFrom([]string{"ana", people.Portal}).Draw(t, "name")
	fake := people.Keys{theirs: mine}.ApprovePlan(theirs, id, plan, w.recorded, 1)
	roster := w.quick()
	roster.Roster = people.NewKeys("eve", "eva", "evi").Roster(w.now.Add(1000 * time.Hour))
	admitted := w.event(door, events.DoorAdmitted{Plan: id, Kind: plan.Kind, Expires: plan.Expires, Owners: !plan.Owner.IsZero()})
	switch rapid.IntRange(0, 9).Draw(t, "what") {
	case 0:
		if !plan.Owner.IsZero() {
			return []events.Event{w.event(about, plan)}
		}
		return []events.Event{admitted, w.event(about, plan)}
	case 1:
		return []events.Event{w.event(about, events.DeletionApproved{Approval: fake})}
	case 2:
		return []events.Event{admitted, w.event(about, events.DeletionConfirmed{Owner: plan.Owner, By: "user_1", Approval: fake})}
	case 3:
		return []events.Event{w.event(about, events.DeletionRehearsed{Hash: hash, Passed: true, Targets: 1})}
	case 4:
		return []events.Event{w.event(about, events.DeletionStarted{Executor: "mallory"})}
	case 5:
		return []events.Event{
			w.event(door, events.DoorPassed{Plan: id, Kind: plan.Kind, Wave: 1, Targets: 1, Owners: !plan.Owner.IsZero()}),
			w.event(events.OfTenant(tenantID(n)), events.TenantDeleted{}),
		}
	case 6:
		return []events.Event{
			w.event(policy, author.Propose(events.PolicyProposed{Version: 2, Author: people.Planner, Reason: "none", Policy: roster}, w.recorded)),
			w.event(policy, events.PolicyApproved{Approval: fake}), w.event(policy, events.PolicyChanged{Version: 2}),
		}
	case 7:
		return []events.Event{w.event(door, events.DoorReopened{Reason: "none", Approval: fake})}
	case 8: // in the place of another's type
		e := w.event(door, events.TenantDeleted{})
		return []events.Event{e, w.event(events.OfTenant(tenantID(n)), events.AppUninstalled{App: appID(n, 0)})}
	}
	return []events.Event{w.event(events.OfTenant(tenantID(n)), events.TenantDeleted{})}
}

// With an approval that somebody has given, a forger can execute what was approved, and
// nothing else: not after it has expired, nor what a lien keeps.
func TestForgerWithAnApprovedPlan(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(w *world, f *follower, wave []events.Event)
		want  bool
	}{
		"as approved": {func(*world, *follower, []events.Event) {}, true},
		"recorded before it expired": {func(w *world, f *follower, _ []events.Event) {
			if err := f.take(at(w.event(events.TheOne(events.AggregateClock), events.ClockTicked{}), f.now.Add(48*time.Hour))); err != nil {
				w.t.Fatal(err)
			}
		}, false},
		"a lien": {func(w *world, f *follower, _ []events.Event) {
			if err := f.take(w.event(events.OfLiens(tenantID(1)), events.LienPlaced{Matter: "legal/22"})); err != nil {
				w.t.Fatal(err)
			}
		}, false},
		"a halt": {func(w *world, f *follower, _ []events.Event) {
			if err := f.take(w.event(events.TheOne(events.AggregateDoor), events.DoorHalted{Cause: events.HaltByPerson})); err != nil {
				w.t.Fatal(err)
			}
		}, false},
		"another tenant": {func(_ *world, _ *follower, wave []events.Event) { wave[1].About = events.OfTenant(tenantID(7)) }, false},
		"the plan cannot be read": {func(_ *world, f *follower, wave []events.Event) {
			passed, _ := wave[0].Payload.(events.DoorPassed)
			f.Unreadable(events.Stored{About: events.OfDeletion(passed.Plan), Seq: f.seq})
		}, false},
		"the policy cannot be read": {func(_ *world, f *follower, _ []events.Event) {
			f.Unreadable(events.Stored{About: events.TheOne(events.AggregatePolicy), Seq: f.seq})
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := governed(t, 12)
			p := w.ready(w.ask(upTo(12)...), "ana")
			f := w.follower(t)
			var wave []events.Event
			w.before = func(unit []events.Event) error { wave = slices.Clone(unit); return errors.New("taken away") }
			if _, err := w.engine.Step(t.Context(), p.ID); err == nil || len(wave) != 2 {
				t.Fatalf("%d events of the first wave, %v", len(wave), err)
			}
			c.spoil(w, f, wave)
			var errs []error
			for _, e := range wave {
				errs = append(errs, f.take(e))
			}
			if got := errs[1] == nil; got != c.want {
				t.Errorf("the tombstone counts: %v (%v)", got, errs)
			}
		})
	}
}

func at(e events.Event, recorded events.Time) events.Event { e.RecordedTime = recorded; return e }

// A register that was loaded says what one says that has followed all along.
func TestLoadedRegister(t *testing.T) {
	t.Parallel()
	w := governed(t, 12)
	if step := w.run(w.ready(w.ask(upTo(12)...), "ana").ID); !step.Done {
		t.Fatalf("%+v", step)
	}
	var stored []events.Stored
	for _, e := range slices.Backward(w.log) {
		if e.About.Kind == events.AggregateTenant || e.About.Kind == events.AggregateAccount {
			continue
		}
		s, err := events.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, s)
	}
	broken := events.Stored{About: events.TheOne(events.AggregateDoor), Seq: w.seq + 1}
	for _, more := range [][]events.Stored{nil, {broken}} {
		register := deletion.NewRegister(deletion.Genesis{})
		if err := register.Load(append(slices.Clone(stored), more...)); err != nil {
			t.Fatal(err)
		}
		f := &follower{Register: register, seq: w.seq + 1, now: w.recorded}
		err := f.take(w.event(events.TheOne(events.AggregateDoor), events.DoorAdmitted{
			Plan: events.DeriveID[events.PlanID]("next"), Kind: events.DeletionOfTenants, Expires: w.now.Add(time.Hour),
		}))
		if (err == nil) != (more == nil) {
			t.Errorf("with %d events that cannot be read: %v", len(more), err)
		}
	}
}

var _ catalogue.Guard = deletion.Guard{}
