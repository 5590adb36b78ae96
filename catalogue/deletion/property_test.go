package deletion_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/deletiontest"
	"tenantcatalogue/events"
	"tenantcatalogue/events/wire"
)

// TestWrongListsDeleteNothing spoils lists in every way a list goes wrong. Run it with
// -rapid.checks=1000000 for as many of them.
func TestWrongListsDeleteNothing(t *testing.T) {
	t.Parallel()
	w := governed(t, 60)
	before := w.tombstones()
	rapid.Check(t, func(t *rapid.T) {
		w.t = t
		apps := rapid.Bool().Draw(t, "apps")
		numbers := rapid.SliceOfNDistinct(rapid.IntRange(1, 60), 1, 12, rapid.ID[int]).Draw(t, "tenants")
		a := w.ask(numbers...)
		if apps {
			a = w.askApps(numbers...)
		}
		spoilList(t, w, &a)
		planned, err := w.engine.Plan(t.Context(), a)
		if err == nil {
			t.Fatalf("taken as %s: %+v", planned.ID, a)
		}
		w.log = w.log[:0:0] // what was refused is of no further use
	})
	w.t = t
	if n := w.tombstones(); n != before {
		t.Errorf("%d tombstones", n)
	}
}

// spoilList makes one of the list's lines wrong, or the whole of it.
func spoilList(t *rapid.T, w *world, a *deletion.Ask) {
	i := rapid.IntRange(0, len(a.Targets)-1).Draw(t, "line")
	line := &a.Targets[i]
	other := rapid.IntRange(61, 1000).Draw(t, "other") // in another environment
	switch rapid.SampledFrom([]string{
		"kind", "kind of one", "object", "shifted", "parent", "name", "twice", "count", "environment", "text", "stale",
	}).Draw(t, "fault") {
	case "kind":
		if a.Kind = events.DeletionOfTenants; a.Targets[0].Parent[0] == 'a' {
			a.Kind = events.DeletionOfApps
		}
	case "kind of one":
		if a.Kind == events.DeletionOfApps {
			line.ID = line.Parent
		} else {
			line.ID = appID(1, 0).String()
		}
	case "object": // of the right kind, and not the one that is meant
		if a.Kind == events.DeletionOfApps {
			line.ID = appID(rapid.IntRange(1, 60).Draw(t, "of"), 1).String()
		} else {
			line.ID = tenantID(other).String()
		}
	case "shifted":
		line.ID, line.Parent, line.Name = line.Parent, line.Name, line.ID
	case "parent":
		line.Parent = events.DeriveID[events.AccountID]("nobody").String()
	case "name":
		line.Name += "x"
	case "twice":
		a.Targets = append(a.Targets, *line)
		a.Expected++
	case "count":
		a.Expected += rapid.SampledFrom([]int{-1, 1, 850}).Draw(t, "off")
	case "environment":
		if a.Kind == events.DeletionOfApps {
			line.ID, line.Parent = appID(other, 0).String(), tenantID(other).String()
		} else {
			line.ID, line.Name = tenantID(other).String(), url(other)
		}
	case "text":
		line.ID = rapid.StringN(0, 40, 80).Filter(func(s string) bool { return s != line.ID }).Draw(t, "id")
	case "stale": // the tenant got another URL, the app was replaced
		line.Name = "old-" + line.Name
	}
	_ = w
}

// TestChangedPlansAndApprovalsCountForNothing changes one bit of what stands behind a
// wave: the plan, or an approval.
func TestChangedPlansAndApprovalsCountForNothing(t *testing.T) {
	t.Parallel()
	w := governed(t, 30)
	p := w.plan(w.ask(upTo(30)...))
	approval := w.keys.ApprovePlan("ana", p.ID, p.Deletion, w.now, 1)
	plan, err := w.engine.Deletion(t.Context(), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	rawPlan, err := events.Marshal(&p.Deletion)
	if err != nil {
		t.Fatal(err)
	}
	rawApproval, err := events.Marshal(&approval)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		w.t = t
		e := w.event(events.OfDeletion(p.ID), events.DeletionApproved{Approval: approval})
		e.Seq, e.RecordedTime = w.seq+1, w.now
		if rapid.Bool().Draw(t, "plan") {
			changed := events.Deletion{Planned: plan.Planned}
			if !flip(t, rawPlan, &changed.Plan) {
				return
			}
			if changed.Hash, err = changed.Plan.Hash(p.ID); err != nil {
				t.Fatal(err)
			}
			if err := deletion.Vouch(instead{w, changed}, e); err == nil {
				t.Fatalf("the approval of one plan counts for another: %+v", changed.Plan)
			}
			return
		}
		var changed events.Approval
		if !flip(t, rawApproval, &changed) {
			return
		}
		e.Payload = events.DeletionApproved{Approval: changed}
		if err := deletion.Vouch(w, e); err == nil {
			t.Fatalf("an approval that was changed is taken: %+v", changed)
		}
	})
	e := w.event(events.OfDeletion(p.ID), events.DeletionApproved{Approval: approval})
	e.Seq, e.RecordedTime = w.seq+1, w.now
	if err := deletion.Vouch(w, e); err != nil {
		t.Errorf("the approval as it is: %v", err)
	}
}

// instead is a world with another plan in place of one.
type instead struct {
	*world

	d events.Deletion
}

func (i instead) State(about events.Aggregate) catalogue.State {
	if about.Kind == events.AggregateDeletion {
		return catalogue.MapState{i.d.EntityKey(): i.d}
	}
	return i.world.State(about)
}

// flip changes one bit of a stored form and reads it; false if it can be read no more,
// or says the same.
func flip(t *rapid.T, raw []byte, into wire.Fields) bool {
	changed := slices.Clone(raw)
	changed[rapid.IntRange(0, len(raw)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	if events.Unmarshal(changed, into) != nil {
		return false
	}
	again, err := events.Marshal(into)
	return err == nil && !bytes.Equal(again, raw)
}

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
	f := &follower{Register: deletion.NewRegister(), seq: w.seq, now: w.recorded}
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
		Environment: environment, Kind: events.DeletionOfTenants, Author: "eve", Submitter: "eve", Supplier: "eve", Reason: "none", Expected: 1, Policy: 1,
		Expires: w.recorded.Add(time.Hour), Waves: []uint32{1},
		Targets: []events.DeletionTarget{{Tenant: tenantID(n), Account: accountID(n), Name: url(n), Pinned: 1, Digest: []byte{1}}},
	}
	if rapid.Bool().Draw(t, "owner") {
		plan.Owner = accountID(n)
	}
	hash, err := plan.Hash(id)
	if err != nil {
		t.Fatal(err)
	}
	mine := deletiontest.NewKeys("eve")["eve"]
	theirs := rapid.SampledFrom([]string{"ana", deletiontest.Portal}).Draw(t, "name")
	fake := deletiontest.Keys{theirs: mine}.ApprovePlan(theirs, id, plan, w.recorded, 1)
	roster := w.quick()
	roster.Roster = deletiontest.NewKeys("eve", "eva", "evi").Roster(w.now.Add(1000 * time.Hour))
	switch rapid.IntRange(0, 9).Draw(t, "what") {
	case 0:
		return []events.Event{
			w.event(door, events.DoorAdmitted{Plan: id, Kind: plan.Kind, Expires: plan.Expires, Owners: !plan.Owner.IsZero()}),
			w.event(about, plan),
		}
	case 1:
		return []events.Event{w.event(about, events.DeletionApproved{Approval: fake})}
	case 2:
		return []events.Event{w.event(about, events.DeletionConfirmed{Owner: plan.Owner, By: "user_1", Approval: fake})}
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
			w.event(policy, events.PolicyProposed{Version: 2, Author: "eve", Reason: "none", Policy: roster}),
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
		register := deletion.NewRegister()
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
