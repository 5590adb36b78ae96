package restore_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tenantcatalogue/events"
	"tenantcatalogue/replay/replaytest"
	"tenantcatalogue/replay/restore"
)

// restoredWrongly is the review's 57: tenant 1 was restored to a point that was
// too early, and lived on before anybody noticed.
func restoredWrongly(t testing.TB) (w *replaytest.World, cut events.Seq, wrong events.RestoreID) {
	t.Helper()
	w = replaytest.New(t, replaytest.All())
	w.Begin(3)
	early := w.Head()
	w.Do(owner, replaytest.Tenant(1), replaytest.Configured("of", "the last month"))
	cut = w.Head()
	w.Do(script, replaytest.Tenant(1), replaytest.Deleted())
	p, _ := carryOut(t, w, restore.Ask{
		Mode: events.Rewind, Point: fmt.Sprint("seq:", early), Cause: bad(), Actor: "operator",
	})
	if p.Lost != 1 {
		t.Fatalf("the wrong restoration loses %d events", p.Lost)
	}
	w.Do(owner, replaytest.Tenant(1), replaytest.Configured("since", "the wrong restoration"))
	return w, cut, p.ID
}

func metadata(w *replaytest.World, n int) map[string]string {
	record, _ := w.Fold(replaytest.Tenant(n), w.Head()).Tenant()
	return record.Metadata
}

func TestRestoredWronglyThenRewound(t *testing.T) {
	t.Parallel()
	w, cut, _ := restoredWrongly(t)
	e := w.Engine(nil)
	w.Settle()
	a := ask(events.Rewind)
	a.DryRun = true
	p, err := e.Plan(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	want := []restore.ConflictKind{restore.ConflictNotDeleted, restore.ConflictChanged}
	if got := conflicts(p)[replaytest.TenantID(1)]; !slices.Equal(got, want) {
		t.Fatalf("conflicts %v, not %v", got, want)
	}
	a.DryRun, a.Accept = false, want
	p, c := carryOut(t, w, a)
	if p.Lost != 1 || c.EventsLost != 1 || c.EventsKept != 0 {
		t.Errorf("plan %+v, certificate %+v", p, c)
	}
	mustEqual(t, "tenant 1", w.Fold(replaytest.Tenant(1), w.Head()), w.Fold(replaytest.Tenant(1), cut))
}

// TestRestoredWronglyThenUndone takes the wrong restoration out with the run:
// both what it lost and what has come since are there.
func TestRestoredWronglyThenUndone(t *testing.T) {
	t.Parallel()
	w, _, wrong := restoredWrongly(t)
	a := ask(events.Undo)
	a.Cause.Runs = append(a.Cause.Runs, restore.RunOf(wrong))
	a.Point = "before " + replaytest.Run("bad").String()
	a.Accept = []restore.ConflictKind{restore.ConflictNotDeleted}
	p, c := carryOut(t, w, a)
	if p.Lost != 0 || c.EventsLost != 0 || c.EventsKept != 1 || c.EventsUndone != 2 {
		t.Errorf("plan %+v, certificate %+v", p, c)
	}
	if m := metadata(w, 1); len(m) != 2 {
		t.Errorf("metadata %v", m)
	}
}

// TestWrongRestorationDerivedAgain leaves the wrong restoration in: it is a
// decision that somebody took, and what it led to stays as it is.
func TestWrongRestorationDerivedAgain(t *testing.T) {
	t.Parallel()
	w, _, _ := restoredWrongly(t)
	a := ask(events.Undo)
	a.Accept, a.DryRun = []restore.ConflictKind{restore.ConflictNotDeleted}, true
	w.Settle()
	p, err := w.Engine(nil).Plan(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if got := conflicts(p)[replaytest.TenantID(1)]; !slices.Equal(got, []restore.ConflictKind{restore.ConflictSame}) {
		t.Fatalf("conflicts %v", got)
	}
}

// TestWrongPointWithinTheRun restores to a point in the middle of the bad run.
// An undo derives that restoration again, without the run's event before it.
func TestWrongPointWithinTheRun(t *testing.T) {
	t.Parallel()
	w := replaytest.New(t, replaytest.All())
	w.Begin(2)
	within := w.Do(script, replaytest.Tenant(1), replaytest.Configured("by", "the run"))
	superseded := w.Do(owner, replaytest.Tenant(1), replaytest.Configured("undone", "by the first restoration"))
	w.Do(script, replaytest.Tenant(1), replaytest.Deleted())
	carryOut(t, w, restore.Ask{Mode: events.Rewind, Point: fmt.Sprint("seq:", within), Cause: bad(), Actor: "operator"})
	w.Do(owner, replaytest.Tenant(1), replaytest.Configured("since", "then"))
	a := ask(events.Undo)
	a.Accept = []restore.ConflictKind{restore.ConflictNotDeleted}
	p, c := carryOut(t, w, a)
	if m := metadata(w, 1); len(m) != 1 || m["since"] != "then" {
		t.Errorf("metadata %v", m)
	}
	// The event that the first restoration undid is neither kept nor lost now.
	if p.Targets[0].Kept != 1 || p.Lost != 0 || c.EventsKept != 1 || c.EventsLost != 0 {
		t.Errorf("event %d is counted: plan %+v, certificate %+v", superseded, p, c)
	}
}

// TestRestoreOfARestore goes to one point and back: the state is the one it was.
func TestRestoreOfARestore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w, stop := replaytest.Start(t, replaytest.Few())
		defer stop()
		w.Begin(1)
		tenant := replaytest.Tenant(1)
		for i := range rapid.IntRange(1, 6).Draw(rt, "events") {
			switch rapid.IntRange(0, 3).Draw(rt, "what") {
			case 0:
				w.Try(owner, tenant, replaytest.Deleted())
			case 1:
				w.Try(owner, tenant, events.TenantRenamed{URL: fmt.Sprintf("u%d.example.net", rapid.IntRange(0, 2).Draw(rt, "url"))})
			default:
				w.Try(owner, tenant, replaytest.Configured("n", fmt.Sprint(i)))
			}
		}
		s0 := w.Head()
		for _, seq := range []events.Seq{events.Seq(rapid.IntRange(4, int(s0)).Draw(rt, "first point")), s0} {
			p, err := func() (restore.Plan, error) {
				w.Settle()
				return w.Engine(nil).Plan(t.Context(), restore.Ask{
					Mode: events.Rewind, Point: fmt.Sprint("seq:", seq), Tenants: []events.TenantID{tenant.Tenant()}, Actor: "operator",
				})
			}()
			if err != nil {
				got := conflicts(p)[tenant.Tenant()]
				if then, _ := w.Fold(tenant, seq).Tenant(); slices.Contains(got, restore.ConflictDeleted) && then.Status == events.TenantStatusDeleted {
					return // a restoration deletes nothing
				}
				if !slices.Equal(got, []restore.ConflictKind{restore.ConflictSame}) {
					rt.Fatalf("plan to %d: %v", seq, err)
				}
				continue
			}
			apply(t, w, w.Engine(nil), p.ID)
			certificate(t, w, w.Engine(nil), p.ID, true)
			if digest(t, w.Fold(tenant, w.Head())) != digest(t, w.Fold(tenant, p.Cut)) {
				rt.Fatalf("restored to %d it is not what it was", seq)
			}
		}
		if digest(t, w.Fold(tenant, w.Head())) != digest(t, w.Fold(tenant, s0)) {
			rt.Fatal("there and back, it is not what it was")
		}
	})
}
