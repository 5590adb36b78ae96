package deletion_test

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
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
	approval := w.keys.ApprovePlan("ana", p.Deletion, w.now, 1)
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
		if rapid.Bool().Draw(t, "plan") {
			var changed events.DeletionPlanned
			if !flip(t, rawPlan, &changed) {
				return
			}
			hash, err := changed.Hash()
			if err != nil || bytes.Equal(hash, p.Hash) {
				t.Fatalf("another plan has the hash of this one, or none: %v", err)
			}
			return
		}
		var changed events.Approval
		if !flip(t, rawApproval, &changed) {
			return
		}
		e := w.event(events.OfDeletion(p.ID), events.DeletionApproved{Approval: changed})
		e.Seq, e.RecordedTime = w.seq+1, w.now
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

// TestForgedEventsAreFound appends events around the write side, with and without a
// deletion under way: whoever folds the log puts their aggregates out, and no tombstone
// among them counts.
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
		}
		register := deletion.NewRegister()
		for _, e := range w.log {
			if err := register.Take(e); err != nil {
				t.Fatalf("%s at %d: %v", e.Type(), e.Seq, err)
			}
		}
		seq := w.seq
		for range rapid.IntRange(1, 6).Draw(t, "forged") {
			e := w.forged(t)
			seq++
			e.Seq, e.RecordedTime = seq, w.now
			if err := register.Take(e); err == nil && e.Type().Tombstone() {
				t.Fatalf("a forged %s about %s at %d is vouched for", e.Type(), e.About, e.Seq)
			}
		}
	})
}

// forged is an event that only somebody with the log's own credential could append.
func (w *world) forged(t *rapid.T) events.Event {
	n := rapid.IntRange(1, 12).Draw(t, "target")
	plan := events.DeriveID[events.PlanID]("forged")
	policy := w.quick()
	policy.Roster = nil
	door := events.TheOne(events.AggregateDoor)
	switch rapid.IntRange(0, 7).Draw(t, "what") {
	case 0:
		return w.event(door, events.DoorPassed{Plan: plan, Kind: events.DeletionOfTenants, Wave: 1, Targets: 1})
	case 1:
		return w.event(events.TheOne(events.AggregatePolicy), events.PolicyChanged{Version: 2})
	case 2:
		return w.event(events.OfDeletion(plan), events.DeletionStarted{Executor: "eve"})
	case 3:
		return w.event(events.OfDeletion(plan), events.DeletionPlanned{Environment: environment, Kind: events.DeletionOfTenants})
	case 4:
		return w.event(door, events.DoorReopened{Reason: "none"})
	case 5:
		return w.event(events.OfTenant(tenantID(n)), events.AppUninstalled{App: appID(n, 0)})
	}
	return w.event(events.OfTenant(tenantID(n)), events.TenantDeleted{})
}

var _ catalogue.Guard = deletion.Guard{}
