package restore_test

import (
	"testing"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/replaytest"
	"tenantcatalogue/replay/restore"
)

// bad is the cause of everything that went wrong.
func bad() events.Cause { return events.Cause{Runs: []events.RunID{replaytest.Run("bad")}} }

// beforeBad is the restore point right before it.
func beforeBad() string { return "before " + replaytest.Run("bad").String() }

func ask(mode events.RestoreMode) restore.Ask {
	return restore.Ask{Mode: mode, Point: beforeBad(), Cause: bad(), Actor: "operator"}
}

// plan records a plan that must be possible.
func plan(t testing.TB, w *replaytest.World, e *restore.Engine, a restore.Ask) restore.Plan {
	t.Helper()
	w.Settle()
	p, err := e.Plan(t.Context(), a)
	if err != nil {
		t.Fatalf("plan: %v\n%+v", err, conflicts(p))
	}
	return p
}

// apply applies a plan that must come to its end.
func apply(t testing.TB, w *replaytest.World, e *restore.Engine, id events.RestoreID) restore.Status {
	t.Helper()
	s, err := e.Apply(t.Context(), id, nil)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	w.Refresh()
	return s
}

// certificate computes a certificate and fails if it is not what is wanted.
func certificate(t testing.TB, w *replaytest.World, e *restore.Engine, id events.RestoreID, wantOK bool) restore.Certificate {
	t.Helper()
	w.Settle()
	c, err := e.Certificate(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if c.OK != wantOK {
		t.Fatalf("OK is %v, not %v: %+v", c.OK, wantOK, c)
	}
	return c
}

// carryOut plans, applies and certifies.
func carryOut(t testing.TB, w *replaytest.World, a restore.Ask) (restore.Plan, restore.Certificate) {
	t.Helper()
	e := w.Engine(nil)
	p := plan(t, w, e, a)
	s := apply(t, w, e, p.ID)
	if s.Restored != p.Restore || len(s.Failed) > 0 {
		t.Fatalf("%d of %d restored, failed: %v", s.Restored, p.Restore, s.Failed)
	}
	return p, certificate(t, w, e, p.ID, true)
}

func digest(t testing.TB, s catalogue.MapState) [32]byte {
	t.Helper()
	sum, err := s.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// mustEqual fails when two states differ.
func mustEqual(t testing.TB, what string, got, want catalogue.MapState) {
	t.Helper()
	if digest(t, got) != digest(t, want) {
		t.Fatalf("%s\ngot  %+v\nwant %+v", what, got, want)
	}
}

func conflicts(p restore.Plan) map[events.TenantID][]restore.ConflictKind {
	out := map[events.TenantID][]restore.ConflictKind{}
	for _, t := range p.Targets {
		for _, c := range t.Conflicts {
			out[t.Tenant] = append(out[t.Tenant], c.Kind)
		}
	}
	return out
}

func targetOf(t testing.TB, p restore.Plan, n int) restore.Target {
	t.Helper()
	for _, target := range p.Targets {
		if target.Tenant == replaytest.TenantID(n) {
			return target
		}
	}
	t.Fatalf("the plan has no tenant %d: %+v", n, p.Targets)
	return restore.Target{}
}

func status(t testing.TB, w *replaytest.World, n int) events.TenantStatus {
	t.Helper()
	record, _ := w.Fold(replaytest.Tenant(n), w.Head()).Tenant()
	return record.Status
}
