package projectors_test

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/deletiontest"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/deletions"
	"tenantcatalogue/projectors/heads"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/ledger"
	logpages "tenantcatalogue/projectors/pages"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
)

// everyProjector is every projector there is.
func everyProjector() []projectors.Projector {
	out := []projectors.Projector{history.New(), ledger.New(), deletions.New(), heads.Projector{}, logpages.New()}
	for _, v := range allViews() {
		out = append(out, v)
	}
	return out
}

func openAll(t tester) (views []projectors.View) {
	t.Helper()
	fs := vfs.NewMem()
	for _, p := range everyProjector() {
		views = append(views, projectors.View{Projector: p, Home: openHome(t, p, fs)})
	}
	return views
}

func dbOf(views []projectors.View, name string) *viewdb.DB {
	i := slices.IndexFunc(views, func(v projectors.View) bool { return v.Projector.Name() == name })
	return views[i].Home.Current()
}

func tombstone(w *deletiontest.World, n int) events.Event {
	return w.Event(deletiontest.Tenant(n), events.TenantDeleted{Reason: "forged"})
}

func theDoor() events.Aggregate { return events.TheOne(events.AggregateDoor) }

func mustRun(w *deletiontest.World, id events.PlanID) {
	w.T.Helper()
	if why := w.Run(id); why != "" {
		w.T.Fatalf("%s ended: %s", id, why)
	}
}

// forgeTombstones appends tombstones that may not stand where they do, about tenants 3 and
// 5 to 8; 1 and 2 are deleted as planned.
func forgeTombstones(w *deletiontest.World) {
	w.Forge(tombstone(w, 3)) // without any plan
	mustRun(w, w.Plan(1, 2))
	w.Forge(tombstone(w, 8)) // after the wave, and the plan, are through
	id := w.Plan(4)
	w.Forge(
		w.Event(theDoor(), events.DoorPassed{Plan: id, Kind: events.DeletionOfTenants, Wave: 1, Targets: 1}),
		tombstone(w, 5), tombstone(w, 6), // 5 is no target, 6 too late
	)
	w.Forge(w.Event(deletiontest.Tenant(7), events.AppUninstalled{App: deletiontest.App(7), Reason: "forged"}))
	w.Do(deletiontest.Tenant(8), events.TenantRenamed{URL: "later.example.net"})
	w.Do(deletiontest.Tenant(10), events.TenantReactivated{})
}

// checkRefused holds what is quarantined in every view against what the rules say of the
// log, and what the views hold against its facts.
func checkRefused(t testing.TB, w *deletiontest.World, views []projectors.View) {
	t.Helper()
	want := map[events.Aggregate]projectors.Quarantine{}
	for _, s := range catalogtest.Read(t, w.Log) {
		_, why := events.Decode(s)
		if refusal := w.Refused[s.Seq]; refusal != nil && s.About.Kind == events.AggregateTenant {
			why = &projectors.RefusedError{Why: refusal.Error()}
		}
		if _, out := want[s.About]; !out && why != nil {
			want[s.About] = projectors.Quarantine{Seq: s.Seq, Why: why.Error()}
		}
	}
	for _, v := range views {
		db := v.Home.Current()
		ev, ok := v.Projector.(*projectors.EntityView)
		if !ok {
			continue
		}
		got, err := projectors.Quarantined(db)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("view %s quarantines (-want +got)\n%s", ev.Name(), d)
		}
		for about, state := range w.Facts.States {
			if _, out := want[about]; out {
				if _, err := projectors.ReadState(db, about); !errors.Is(err, projectors.ErrQuarantined) {
					t.Errorf("view %s shows %s: %v", ev.Name(), about, err)
				}
				continue
			}
			kept := state.Clone()
			maps.DeleteFunc(kept, func(k events.EntityKey, _ events.Entity) bool { return !ev.Keeps(k.Kind) })
			got, err := projectors.ReadState(db, about)
			if err != nil {
				t.Fatal(err)
			}
			wantSum, err := kept.Digest()
			gotSum, err2 := got.Digest()
			if wantSum != gotSum || err != nil || err2 != nil {
				t.Errorf("view %s has of %s %v, not %v", ev.Name(), about, got, kept)
			}
		}
	}
	at := dbOf(views, heads.Name)
	store, err := heads.Open(at, at.Checkpoint().Stream, 100)
	if err != nil {
		t.Fatal(err)
	}
	for about, head := range w.Facts.Heads {
		if got, err := store.Begin().Head(about); err != nil || cmp.Diff(head, got) != "" {
			t.Errorf("the head of %s is %+v, not %+v: %v", about, got, head, err)
		}
	}
	r := history.NewReader(dbOf(views, history.Name), w.AsOf())
	err = r.Read(0, w.AsOf(), func(s events.Stored) error {
		_, why, err := r.Decode(s)
		wanted := w.Refused[s.Seq]
		if refused, ok := errors.AsType[*projectors.RefusedError](why); ok != (wanted != nil) || ok && refused.Why != wanted.Error() {
			t.Errorf("the history says of event %d: %v, not %v", s.Seq, why, wanted)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// alike fails when two lots of views differ in a row.
func alike(t testing.TB, how string, want, got []projectors.View) {
	t.Helper()
	for i, v := range want {
		a, b := gotRows(t, v.Home.Current()), gotRows(t, got[i].Home.Current())
		if d := cmp.Diff(hexed(a), hexed(b)); d != "" {
			t.Errorf("view %s %s (-want +got)\n%s", v.Projector.Name(), how, d)
		}
	}
}

// TestForgedTombstones follows a log on JetStream, with a start in the middle of it, and
// makes the views anew in every way there is.
func TestForgedTombstones(t *testing.T) {
	t.Parallel()
	log, _ := eventtest.NewLog(t)
	w := deletiontest.NewWorld(t, log)
	live := openAll(t)
	heard := map[events.Seq]error{}
	begin := func() (stop func() error) {
		return run(t, projectors.NewRunner(log, live, projectors.Listener{
			Quarantined: func(_ events.Aggregate, seq events.Seq, why error) { heard[seq] = why },
		}))
	}
	stop := begin()
	w.People(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	w.Govern()
	w.Forge(tombstone(w, 3))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	r := projectors.NewRunner(log, live, projectors.Listener{
		Quarantined: func(_ events.Aggregate, seq events.Seq, why error) { heard[seq] = why },
	})
	stop = run(t, r)
	forgeTombstones(w)
	waitFor(t, r, w.AsOf())
	if len(w.Refused) != 6 {
		t.Fatalf("%d events are refused: %v", len(w.Refused), w.Refused)
	}
	checkRefused(t, w, live)

	filled := openAll(t)
	if err := projectors.Fill(t.Context(), log, filled, deletion.Genesis{}, nil); err != nil {
		t.Fatal(err)
	}
	alike(t, "filled from nothing", live, filled)
	for _, v := range live {
		if err := r.Rebuild(t.Context(), v.Projector.Name(), nil); err != nil {
			t.Fatal(err)
		}
	}
	alike(t, "rebuilt", filled, live)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for seq := range w.Refused {
		if _, refused := errors.AsType[*projectors.RefusedError](heard[seq]); !refused {
			t.Errorf("the listener heard of event %d: %v", seq, heard[seq])
		}
	}
}

// TestForgedRule passes over what is forged about the door, a plan and the policy: what
// stands after it counts.
func TestForgedRule(t *testing.T) {
	t.Parallel()
	log := eventtest.NewMemoryLog("rules")
	w := deletiontest.NewWorld(t, log)
	w.Govern()
	w.People(1, 2)
	policy := events.TheOne(events.AggregatePolicy)
	looser := people.QuickPolicy(w.Keys.Roster(events.TimeOf(time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC))))
	looser.DeactivatedFor, looser.Budget.Day = 0, 1<<30
	w.Forge(w.Event(policy, events.PolicyProposed{Version: 2, Author: "eve", Reason: "forged", Policy: looser}))
	w.Forge(w.Event(policy, events.PolicyChanged{Version: 2}))
	id := w.Plan(1)
	w.Forge(w.Event(events.OfDeletion(id), events.DeletionApproved{Approval: events.Approval{Person: "ben", Signature: make([]byte, 64)}}))
	w.Forge(w.Event(theDoor(), events.DoorPassed{Plan: id, Kind: events.DeletionOfTenants, Wave: 2, Targets: 1}), tombstone(w, 2))
	mustRun(w, id)
	w.Do(theDoor(), events.DoorHalted{Cause: events.HaltByPerson, Detail: "look"})
	w.Forge(w.Event(theDoor(), events.DoorReopened{Reason: "forged"}))
	w.Do(events.OfLiens(deletiontest.Tenant(2).Tenant()), events.LienPlaced{Matter: "m-1"})
	if len(w.Refused) != 6 {
		t.Fatalf("%d events are refused: %v", len(w.Refused), w.Refused)
	}
	views := openAll(t)
	r := projectors.NewRunner(log, views, projectors.Listener{})
	run(t, r)
	waitFor(t, r, w.AsOf())
	checkRefused(t, w, views)
	db := dbOf(views, deletions.Name)
	for about := range w.Facts.Heads {
		if seq, err := deletions.Quarantined(db, about); err != nil || (seq != 0) != (about == deletiontest.Tenant(2)) {
			t.Errorf("%s is quarantined at %d, %v", about, seq, err)
		}
	}
}

// TestTombstonesWithoutPolicy stand, as they do in a log from before there was one.
func TestTombstonesWithoutPolicy(t *testing.T) {
	t.Parallel()
	log := eventtest.NewMemoryLog("without")
	w := deletiontest.NewWorld(t, log)
	w.People(1, 2)
	w.Forge(tombstone(w, 1))
	w.Govern()
	w.Forge(tombstone(w, 2))
	views := openAll(t)
	if err := projectors.Fill(t.Context(), log, views, deletion.Genesis{}, nil); err != nil {
		t.Fatal(err)
	}
	if len(w.Refused) != 1 {
		t.Errorf("refused are %v", w.Refused)
	}
	checkRefused(t, w, views)
}

// TestForeignFirstPolicy passes over a first policy that is not the one expected, however
// the views come to be, and what was deleted under it and before it.
func TestForeignFirstPolicy(t *testing.T) {
	t.Parallel()
	log := eventtest.NewMemoryLog("foreign")
	w := deletiontest.NewWorld(t, log)
	w.People(1, 2, 3)
	w.Forge(tombstone(w, 1))
	w.Govern()
	w.Run(w.Plan(2))
	expected := deletion.Genesis{Environment: people.Environment, Keys: []string{"0123456789abcdef"}}
	live, filled := openAll(t), openAll(t)
	r := projectors.NewRunner(log, live, projectors.Listener{})
	r.Genesis = expected
	run(t, r)
	waitFor(t, r, w.AsOf())
	if err := projectors.Fill(t.Context(), log, filled, expected, nil); err != nil {
		t.Fatal(err)
	}
	alike(t, "filled", live, filled)
	for _, v := range live {
		if err := r.Rebuild(t.Context(), v.Projector.Name(), nil); err != nil {
			t.Fatal(err)
		}
	}
	alike(t, "rebuilt", filled, live)
	for n, want := range map[int]bool{1: true, 2: true, 3: false} {
		if seq, err := deletions.Quarantined(dbOf(live, deletions.Name), deletiontest.Tenant(n)); err != nil || (seq != 0) != want {
			t.Errorf("tenant %d is quarantined at %d, %v", n, seq, err)
		}
	}
}

// TestRefusedAlike has the same rows however they came: folded live, in batches and with
// starts in between, collected from the log, or gathered from the history.
func TestRefusedAlike(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		log := eventtest.NewMemoryLog("alike")
		w := deletiontest.NewWorld(t, log)
		someForgery(rt, w)
		live, filled := openAll(rt), openAll(rt)
		for _, v := range live {
			foldWithStarts(t, rt, log, v, live)
		}
		checkRefused(t, w, live)
		if err := projectors.Fill(t.Context(), log, filled, deletion.Genesis{}, nil); err != nil {
			rt.Fatal(err)
		}
		alike(t, "filled", live, filled)
		r := projectors.NewRunner(log, live, projectors.Listener{})
		name := rapid.SampledFrom(everyProjector()).Draw(rt, "rebuilt").Name()
		if err := r.Rebuild(t.Context(), name, nil); err != nil {
			rt.Fatal(err)
		}
		alike(t, "rebuilt", filled, live)
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// foldWithStarts folds a log in batches; before some of them the past has to be found
// again, from the history, the ledger or the log.
func foldWithStarts(t testing.TB, rt *rapid.T, log *eventtest.MemoryLog, v projectors.View, views []projectors.View) {
	t.Helper()
	all := eventtest.All(t, log)
	db, voucher := v.Home.Current(), projectors.NewVoucher(deletion.Genesis{})
	fold := projectors.Folder(db, v.Projector, log.Identity(), voucher)
	for rest := all; len(rest) > 0; {
		n := rapid.IntRange(1, len(rest)).Draw(rt, "batch")
		if err := fold(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
		at := db.Checkpoint().Seq
		var err error
		from := rapid.SampledFrom([]string{"nowhere", "log", history.Name, ledger.Name}).Draw(rt, "start")
		switch i := slices.IndexFunc(views, func(v projectors.View) bool { return v.Projector.Name() == from }); {
		case from == "nowhere":
			continue
		case i >= 0 && views[i].Home.Current().Checkpoint().Seq >= at:
			past, _ := views[i].Projector.(projectors.Ledger)
			voucher, err = projectors.VoucherFrom(deletion.Genesis{}, past, views[i].Home.Current(), at)
		default:
			voucher, err = projectors.VoucherAt(t.Context(), deletion.Genesis{}, log, at)
		}
		if err != nil || voucher.Seq() != at {
			t.Fatalf("at %d: %v", voucher.Seq(), err)
		}
		fold = projectors.Folder(db, v.Projector, log.Identity(), voucher)
	}
}

// someForgery appends some of what is allowed and some of what is not.
func someForgery(rt *rapid.T, w *deletiontest.World) {
	people, open := 1, []events.PlanID{}
	w.People(people)
	some := func() int { return rapid.IntRange(1, people).Draw(rt, "tenant") }
	governed := false
	steps := map[string]func(){
		"people":    func() { people++; w.People(people) },
		"tick":      func() { w.Pass(time.Minute) },
		"tombstone": func() { w.Forge(tombstone(w, some())) },
		"app": func() {
			n := some()
			if _, has := w.Facts.States[deletiontest.Tenant(n)][events.AppKey(deletiontest.App(n))]; has {
				w.Forge(w.Event(deletiontest.Tenant(n), events.AppUninstalled{App: deletiontest.App(n), Reason: "forged"}))
			}
		},
		"garbage":           func() { w.Garbage(deletiontest.Tenant(some())) },
		"garbage of a lien": func() { w.Garbage(events.OfLiens(deletiontest.Tenant(some()).Tenant())) },
		"policy": func() {
			w.Forge(w.Event(events.TheOne(events.AggregatePolicy), events.PolicyChanged{Version: 2}))
		},
		"reopen": func() { w.Forge(w.Event(theDoor(), events.DoorReopened{Reason: "forged"})) },
		"lift": func() {
			w.Forge(w.Event(events.OfLiens(deletiontest.Tenant(some()).Tenant()), events.LienLifted{Matter: "m"}))
		},
		"approve": func() {
			if len(open) > 0 {
				w.Forge(w.Event(events.OfDeletion(open[0]), events.DeletionApproved{Approval: events.Approval{Person: "ben"}}))
			}
		},
		"wave": func() {
			if len(open) > 0 {
				w.Forge(w.Event(theDoor(), events.DoorPassed{Plan: open[0], Kind: events.DeletionOfTenants, Wave: 1, Targets: 1}), tombstone(w, some()))
			}
		},
		"plan": func() {
			people++
			w.People(people)
			if governed && len(open) == 0 {
				open = append(open, w.Plan(people))
			}
		},
		"run": func() {
			if len(open) > 0 {
				w.Run(open[0])
				open = open[1:]
			}
		},
		"govern": func() {
			if !governed {
				w.Govern()
				governed = true
			}
		},
	}
	names := slices.Sorted(maps.Keys(steps))
	for range rapid.IntRange(1, 25).Draw(rt, "steps") {
		steps[rapid.SampledFrom(names).Draw(rt, "step")]()
	}
}

// TestReadableOnlyNow takes a tombstone that could not be read when it was archived, and
// can be now, for one that nobody has vouched for: its tenant stays quarantined until the
// history is made anew.
func TestReadableOnlyNow(t *testing.T) {
	t.Parallel()
	log := eventtest.NewMemoryLog("now")
	w := deletiontest.NewWorld(t, log)
	w.People(1, 2)
	seq := w.Forge(tombstone(w, 1)) // there is no policy: it may stand there
	views := openAll(t)
	archive := views[0]
	recorded := projectors.NewVoucher(deletion.Genesis{}).Record(nil, eventtest.All(t, log))
	rolling := events.Rolling{}
	for _, r := range recorded {
		rolling = rolling.Add(r.Stored)
	}
	recorded[seq-1].Event, recorded[seq-1].Err = events.Event{}, events.ErrUnknownType
	if err := projectors.Apply(archive.Home.Current(), archive.Projector, log.Identity(), recorded, rolling); err != nil {
		t.Fatal(err)
	}
	_, why, err := history.NewReader(archive.Home.Current(), seq).Decode(recorded[seq-1].Stored)
	if why == nil || err != nil || projectors.PassedOver(recorded[seq-1].About, why) {
		t.Errorf("the history says of it: %v, %v", why, err)
	}
	quarantined := func() bool {
		out, err := projectors.Quarantined(dbOf(views, tenants.Name))
		if err != nil || len(out) > 1 {
			t.Fatal(out, err)
		}
		return out[deletiontest.Tenant(1)].Seq == seq
	}
	r := projectors.NewRunner(log, views, projectors.Listener{})
	for _, want := range []bool{true, false} {
		if err := r.Rebuild(t.Context(), tenants.Name, nil); err != nil {
			t.Fatal(err)
		}
		if quarantined() != want {
			t.Errorf("it is not %v that the tenant is quarantined", want)
		}
		if err := r.Rebuild(t.Context(), history.Name, nil); err != nil {
			t.Fatal(err)
		}
	}
}
