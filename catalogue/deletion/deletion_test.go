package deletion_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/events"
)

func TestDeletionGoesInWaves(t *testing.T) {
	t.Parallel()
	w := governed(t, 66)
	p := w.ready(w.ask(upTo(65)...), "ana")
	if want := []uint32{1, 1, 10, 50, 3}; !slices.Equal(p.Deletion.Waves, want) {
		t.Errorf("waves %v, want %v", p.Deletion.Waves, want)
	}
	if first := p.Deletion.Targets[0]; first.Tenant != tenantID(1) || !first.Internal {
		t.Errorf("%s is the first to go, not the vendor's own", first.Tenant)
	}
	if step := w.run(p.ID); !step.Done || step.Why != "" || step.Wave != 5 {
		t.Errorf("it ended with %+v", step)
	}
	if n := w.tombstones(); n != 65 {
		t.Errorf("%d tombstones, want 65", n)
	}
	d, err := w.engine.Deletion(t.Context(), p.ID)
	if err != nil || !d.Finished.Done {
		t.Errorf("the plan is not finished: %+v, %v", d.Finished, err)
	}
	// What goes is what the tombstones say, with who and why.
	last := w.log[len(w.log)-1]
	for _, e := range w.log {
		if e.Type().Tombstone() && (e.Correlation != p.ID.String() || e.Causation.IsZero()) {
			t.Errorf("the tombstone at %d names plan %q and cause %s", e.Seq, e.Correlation, e.Causation)
		}
	}
	if _, ok := last.Payload.(events.DeletionFinished); !ok {
		t.Errorf("the last event is %s", last.Type())
	}
	// A deleted tenant cannot be deleted again.
	if _, err := w.tryPlan(w.ask(2)); !errors.Is(err, deletion.ErrPlan) {
		t.Errorf("a deleted tenant is planned again: %v", err)
	}
}

func TestAppsOfOneTenantGoInOnePlan(t *testing.T) {
	t.Parallel()
	w := governed(t, 20)
	a := w.askApps(upTo(20)...)
	for i := range 15 { // the second app of most: some in the same wave as the first, some in another
		a.Targets = append(a.Targets, deletion.Asked{ID: appID(i+1, 1).String(), Parent: tenantID(i + 1).String(), Name: "app-1"})
	}
	a.Expected = len(a.Targets)
	p := w.ready(a, "ana")
	if step := w.run(p.ID); !step.Done || step.Why != "" {
		t.Errorf("it ended with %+v", step)
	}
	if n := w.tombstones(); n != 35 {
		t.Errorf("%d tombstones, want 35", n)
	}
}

// liftLien lifts the lien on a tenant, with the approval of ana.
func (w *world) liftLien(n int, actor string) error {
	liens, _, err := catalogue.Get[events.Liens](w.State(events.OfLiens(tenantID(n))), events.Liens{}.EntityKey())
	if err != nil || len(liens.Liens) == 0 {
		w.t.Fatalf("no lien: %v", err)
	}
	lien := liens.Liens[0]
	w.ids++
	e := w.event(events.OfLiens(tenantID(n)), events.LienLifted{Matter: lien.Matter, Approval: w.keys.Approve(people.Consent{
		Person: "ana", Action: deletion.ActionLien, Environment: environment, Hash: deletion.LienHash(tenantID(n), lien),
		Sentence: deletion.LienSentence(tenantID(n), lien), Now: w.now, N: w.ids,
	})})
	e.Actor = actor
	return w.append(e)
}

func TestRehearsalMustBeFreshAndPassed(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(w *world, p deletion.Planned){
		"none": func(*world, deletion.Planned) {},
		"stale": func(w *world, p deletion.Planned) {
			w.rehearse(p)
			w.pass(61 * time.Minute)
		},
		"failed": func(w *world, p deletion.Planned) {
			w.rehearsal.Passed, w.rehearsal.Why = false, "a digest differs"
			w.rehearse(p)
		},
		"failed later": func(w *world, p deletion.Planned) {
			w.rehearse(p)
			w.rehearsal.Passed = false
			w.rehearse(p)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := governed(t, 5)
			p := w.plan(w.ask(2, 3))
			spoil(w, p)
			if err := w.approve(p, "ana"); err != nil {
				t.Fatal(err)
			}
			if err := w.engine.Start(t.Context(), p.ID, "author"); !errors.Is(err, deletion.ErrRehearsal) {
				t.Errorf("it starts: %v", err)
			}
			w.rehearsal.Passed = true
			w.rehearseAndStart(p)
			w.pass(61 * time.Minute)
			if err := w.approve(p, "ben"); err != nil {
				t.Fatal(err)
			}
			if step := w.run(p.ID); step.Wave != 0 || step.Wait == 0 {
				t.Errorf("the rehearsal was stale when the first wave began: %+v", step)
			}
			w.rehearse(p)
			if step := w.run(p.ID); !step.Done || step.Why != "" {
				t.Errorf("rehearsed again: %+v", step)
			}
		})
	}
}

// 883 plans of one meet the same budget as one of 883.
func TestOneByOneMeetsTheBudget(t *testing.T) {
	t.Parallel()
	w := begin(t)
	policy := deletion.DefaultPolicy(environment)
	policy.DeactivatedFor, policy.Bakes = 0, []events.Seconds{0}
	policy.Roster, policy.Checks = w.quick().Roster, w.quick().Checks
	w.adopt(policy)
	w.people(200)
	if _, err := w.tryPlan(w.ask(upTo(200)...)); !errors.Is(err, deletion.ErrBudget) {
		t.Errorf("200 at once: %v", err)
	}
	refused := 0
	for n := 1; n <= 200; n++ {
		p, err := w.tryPlan(w.ask(n))
		if errors.Is(err, deletion.ErrBudget) {
			refused++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := w.approve(p, "ana"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.engine.Rehearse(t.Context(), p.ID, "author"); err != nil {
			t.Fatal(err)
		}
		if err := w.engine.Start(t.Context(), p.ID, "author"); err != nil {
			t.Fatal(err)
		}
		if step := w.run(p.ID); !step.Done || step.Why != "" {
			t.Fatalf("%d ended with %+v", n, step)
		}
		w.pass(5 * time.Second)
	}
	if n := w.tombstones(); n != 100 || refused != 100 {
		t.Errorf("%d tombstones on one day and %d refused, the budget is 100", n, refused)
	}
}

func TestNothingIsDeletedDuringARestoration(t *testing.T) {
	t.Parallel()
	w := governed(t, 10)
	p := w.ready(w.ask(2, 3, 4), "ana")
	id := events.DeriveID[events.RestoreID]("r")
	if err := w.engine.Hold(t.Context(), "oncall", id); err != nil {
		t.Fatal(err)
	}
	if _, err := w.tryPlan(w.askApps(5)); !errors.Is(err, deletion.ErrHeld) {
		t.Errorf("planned during a restoration: %v", err)
	}
	if step := w.run(p.ID); step.Done || step.Wait == 0 || w.tombstones() != 0 {
		t.Errorf("a wave passed during a restoration: %+v", step)
	}
	if err := w.engine.Release(t.Context(), "oncall", id); !errors.Is(err, deletion.ErrHeld) {
		t.Errorf("released before the restoration is finished: %v", err)
	}
	w.must(w.event(events.OfRestoration(id), events.RestorationPlanned{Mode: events.Rewind, Part: 1, Parts: 1}),
		w.event(events.OfRestoration(id), events.RestorationFinished{}))
	if err := w.engine.Release(t.Context(), "oncall", id); err != nil {
		t.Fatal(err)
	}
	if step := w.run(p.ID); !step.Done || step.Why != "" || w.tombstones() != 3 {
		t.Errorf("it ended with %+v after the restoration", step)
	}
	w.plan(w.askApps(5))
}

// Whoever lifts a halt lets go of no restorations but those that are named, and signed for.
func TestLiftingLetsGoOfWhatIsNamed(t *testing.T) {
	t.Parallel()
	w := governed(t, 10)
	one, two, other := events.DeriveID[events.RestoreID]("one"), events.DeriveID[events.RestoreID]("two"), events.DeriveID[events.RestoreID]("other")
	w.hold(one)
	w.hold(two)
	w.halt()
	signedFor := func(letGo ...events.RestoreID) func(*people.Consent) {
		return func(c *people.Consent) {
			door := w.door()
			c.Hash, c.Sentence = deletion.HaltHash(door.Halted, letGo), deletion.ReopenSentence(environment, door.Halted, letGo)
		}
	}
	for name, spoil := range map[string]func(*people.Consent){
		"signed for letting go of nothing":    signedFor(),
		"signed for letting go of one of two": signedFor(one),
		"signed for another":                  signedFor(one, other),
		"signed for more":                     signedFor(one, two, other),
		"another sentence": func(c *people.Consent) {
			c.Sentence = deletion.ReopenSentence(environment, w.door().Halted, nil)
		},
		"another hash": func(c *people.Consent) { c.Hash = deletion.HaltHash(w.door().Halted, nil) },
	} {
		if err := w.reopenAndLetGo([]events.RestoreID{one, two}, "ana", "oncall", spoil); !errors.Is(err, deletion.ErrApproval) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, letGo := range [][]events.RestoreID{{other}, {one, other}, {{}}} {
		mustSay(t, fmt.Sprint(letGo), w.reopenAndLetGo(letGo, "ana", "oncall", nil), "does not hold the door")
	}
	w.lift()
	if held := w.door().Held; !slices.Equal(held, []events.RestoreID{one, two}) {
		t.Errorf("held by %v after a halt was lifted", held)
	}
	if _, err := w.tryPlan(w.ask(2)); !errors.Is(err, deletion.ErrHeld) {
		t.Errorf("planned while a restoration is being applied: %v", err)
	}
	w.hold(other)
	w.halt()
	sentence := deletion.ReopenSentence(environment, w.door().Halted, []events.RestoreID{one, other})
	if want := fmt.Sprintf(", LET GO OF %s, %s", one, other); !strings.HasSuffix(sentence, want) {
		t.Errorf("to be typed: %q", sentence)
	}
	if err := w.reopenAndLetGo([]events.RestoreID{one, other}, "ana", "oncall", nil); err != nil {
		t.Fatal(err)
	}
	if held := w.door().Held; !slices.Equal(held, []events.RestoreID{two}) {
		t.Errorf("held by %v after the others were let go of", held)
	}
}
