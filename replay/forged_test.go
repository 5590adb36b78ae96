package replay_test

import (
	"errors"
	"strings"
	"testing"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/deletiontest"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/deletions"
	"tenantcatalogue/projectors/heads"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/pages"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/replaytest"
)

// forged is a log in which tenant 1 is deleted as planned, tenant 2 by a tombstone of
// nobody's plan, and somebody has tried to change the policy and to lift a halt.
func forged(t testing.TB) (w *deletiontest.World, log *eventtest.MemoryLog, tombstone events.Seq) {
	t.Helper()
	log = eventtest.NewMemoryLog("forged")
	w = deletiontest.NewWorld(t, log)
	w.People(1, 2, 3)
	w.Govern()
	w.Run(w.Plan(1))
	tombstone = w.Forge(w.Event(deletiontest.Tenant(2), events.TenantDeleted{Reason: "forged"}))
	w.Forge(w.Event(events.TheOne(events.AggregatePolicy), events.PolicyChanged{Version: 2}))
	door := events.TheOne(events.AggregateDoor)
	w.Do(door, events.DoorHalted{Cause: events.HaltByPerson, Detail: "look"})
	w.Forge(w.Event(door, events.DoorReopened{Reason: "forged"}))
	w.Do(deletiontest.Tenant(3), events.TenantReactivated{})
	if len(w.Refused) != 3 {
		t.Fatalf("refused are %v", w.Refused)
	}
	return w, log, tombstone
}

// TestAsOfForged reads what was before a tombstone that may not stand where it does, and
// nothing after it; what else is forged is passed over.
func TestAsOfForged(t *testing.T) {
	t.Parallel()
	w, log, tombstone := forged(t)
	views, closeViews := filled(t, log, history.New())
	defer closeViews()
	err := history.View(views[0].Home, func(r *history.Reader) error {
		snapshots := replay.NewSnapshots(1 << 20)
		for range 2 {
			before, err := snapshots.AsOf(r, deletiontest.Tenant(2), tombstone-1)
			if record, _ := before.State.Tenant(); err != nil || record.Status != events.TenantStatusDeactivated {
				t.Errorf("before the tombstone it is %q, %v", record.Status, err)
			}
			_, err = snapshots.AsOf(r, deletiontest.Tenant(2), r.Head())
			bad, quarantined := errors.AsType[*replay.QuarantinedError](err)
			if _, refused := errors.AsType[*projectors.RefusedError](err); !quarantined || bad.Seq != tombstone || !refused {
				t.Errorf("after the tombstone: %v", err)
			}
		}
		for _, kind := range events.AggregateKinds {
			err := replay.AsOfAll(r, kind, r.Head(), func(p replay.Past, err error) (struct{}, error) {
				head, _ := w.Facts.Head(p.About) // never fails
				if (err != nil) != (head.Quarantined != 0) {
					t.Errorf("%s: %v", p.About, err)
				}
				state, _ := w.Facts.State(p.About).(catalogue.MapState)
				want, err1 := state.Digest()
				got, err2 := p.State.Digest()
				if err == nil && (want != got || p.Head.Seq != head.Seq || p.Head.Version != head.Version) || err1 != nil || err2 != nil {
					t.Errorf("%s is %v, not %v", p.About, p, state)
				}
				return struct{}{}, nil
			}, func(struct{}) error { return nil })
			if err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestVerifyTellsOfForged says which events are refused, and nothing of the views, which
// have refused them too.
func TestVerifyTellsOfForged(t *testing.T) {
	t.Parallel()
	w, log, _ := forged(t)
	views, closeViews := filled(t, log, append(replaytest.All(), pages.New(), deletions.New(), heads.Projector{})...)
	defer closeViews()
	report := verify(t, log, views)
	if !report.Told() || len(report.Faults) != 1 || report.Faults[0].About != deletiontest.Tenant(2) {
		t.Errorf("faults: %v", report.Faults)
	}
	if len(report.PassedOver)+1 != len(w.Refused) {
		t.Errorf("passed over: %v", report.PassedOver)
	}
	for _, f := range append(report.PassedOver, report.Faults...) {
		if w.Refused[f.Seq] == nil || f.View != "" || !strings.HasPrefix(f.What, "refused: ") {
			t.Errorf("a fault: %v", f)
		}
	}
}

// TestVerifyFindsWhoBelieved finds views that have folded what may not stand in the log.
func TestVerifyFindsWhoBelieved(t *testing.T) {
	t.Parallel()
	_, log, _ := forged(t)
	for _, p := range []projectors.Projector{tenants.New(), history.New(), heads.Projector{}} {
		kept := []projectors.Projector{history.New(), p}
		if p.Name() == history.Name {
			kept = kept[:1]
		}
		views, closeViews := empty(t, kept...)
		for _, v := range views {
			believe(t, log, v, v.Projector.Name() == p.Name())
		}
		report := verify(t, log, views)
		found := false
		for _, f := range report.Faults {
			found = found || f.View == p.Name() && f.About == deletiontest.Tenant(2)
		}
		if !found || !report.Wrong(deletiontest.Tenant(2)) || report.Wrong(deletiontest.Tenant(1)) {
			t.Errorf("view %s: %v", p.Name(), report.Faults)
		}
		closeViews()
	}
}

// believe folds a log into a view, and what is refused with it if it believes everything.
func believe(t testing.TB, log *eventtest.MemoryLog, v projectors.View, everything bool) {
	t.Helper()
	stored := catalogtest.Read(t, log)
	recorded := projectors.NewVoucher(deletion.Genesis{}).Record(nil, stored)
	rolling := events.Rolling{}
	for i, s := range stored {
		rolling = rolling.Add(s)
		if everything {
			recorded[i].Event, recorded[i].Err = events.Decode(s)
		}
	}
	if err := projectors.Apply(v.Home.Current(), v.Projector, log.Identity(), recorded, rolling); err != nil {
		t.Fatal(err)
	}
}

// TestVerifySinceKnowsTheRules goes on from a proof with what governed deletions then, and
// verifies everything once something is refused.
func TestVerifySinceKnowsTheRules(t *testing.T) {
	t.Parallel()
	log := eventtest.NewMemoryLog("since")
	w := deletiontest.NewWorld(t, log)
	w.People(1, 2)
	w.Govern()
	id := w.Plan(1)
	views, closeViews := filled(t, log, append(replaytest.All(), pages.New(), deletions.New(), heads.Projector{})...)
	defer closeViews()
	first := verify(t, log, views)
	if !first.OK() {
		t.Fatal(first.Faults)
	}
	w.Run(id)
	follow(t, log, views)
	if r := since(t, log, views, first.Proof); !r.OK() || r.Since != first.Proof.Seq {
		t.Errorf("from %d on: %+v", first.Proof.Seq, r)
	}
	passed := w.Forge(w.Event(events.TheOne(events.AggregateDoor), events.DoorReopened{Reason: "forged"}))
	follow(t, log, views)
	if r := since(t, log, views, first.Proof); !r.OK() || r.Since != first.Proof.Seq || len(r.PassedOver) != 1 || r.PassedOver[0].Seq != passed {
		t.Errorf("with what is passed over: %+v", r)
	}
	seq := w.Forge(w.Event(deletiontest.Tenant(2), events.TenantDeleted{Reason: "forged"}))
	follow(t, log, views)
	if r := since(t, log, views, first.Proof); len(r.Faults) != 1 || r.Faults[0].Seq != seq || r.Since != 0 {
		t.Errorf("with a forged tombstone: %+v", r)
	}
}
