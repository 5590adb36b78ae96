package restore_test

import (
	"slices"
	"testing"

	"tenantcatalogue/events"
	"tenantcatalogue/replay/replaytest"
	"tenantcatalogue/replay/restore"
)

// TestURL moves URLs back with the tenants, and never takes one from a new owner.
func TestURL(t *testing.T) {
	t.Parallel()
	w := replaytest.New(t, replaytest.All())
	w.Begin(3)
	w.Do(script, replaytest.Tenant(1), events.TenantRenamed{URL: "moved1.example.net"}, replaytest.Deleted())
	w.Do(script, replaytest.Tenant(2), events.TenantRenamed{URL: "moved2.example.net"}, replaytest.Deleted())
	w.Do(owner, replaytest.Tenant(3), events.TenantRenamed{URL: replaytest.URL(2)})
	e := w.Engine(nil)
	p := plan(t, w, e, ask(events.Rewind))
	if got := conflicts(p)[replaytest.TenantID(2)]; !slices.Equal(got, []restore.ConflictKind{restore.ConflictURLTaken}) || p.Restore != 1 {
		t.Fatalf("conflicts %v of %+v", got, p)
	}
	// Between plan and apply the other URL is taken as well.
	if v := w.Try(owner, replaytest.Tenant(3), events.TenantRenamed{URL: replaytest.URL(1)}); v.Err != nil {
		t.Fatal(v.Err)
	}
	s := apply(t, w, e, p.ID)
	if s.Restored != 0 || len(s.Failed) != 1 || s.Failed[0].Tenant != replaytest.TenantID(1) || len(s.Waiting) != 1 {
		t.Fatalf("status %+v", s)
	}
	holder := func(url string) events.TenantID {
		claim, _ := w.Fold(events.OfClaim(events.ClaimURL, url), w.Head())[events.Claim{}.EntityKey()].(events.Claim)
		return claim.Tenant
	}
	if holder(replaytest.URL(1)) != replaytest.TenantID(3) {
		t.Error("the URL was taken from its new owner")
	}
	certificate(t, w, e, p.ID, false)
	// The new owner gives both up: now they go back.
	w.Do(owner, replaytest.Tenant(3), events.TenantRenamed{URL: replaytest.URL(3)})
	p, _ = carryOut(t, w, ask(events.Rewind))
	if p.Restore != 2 {
		t.Fatalf("plan %+v", p)
	}
	for n := 1; n <= 3; n++ {
		if got := holder(replaytest.URL(n)); got != replaytest.TenantID(n) {
			t.Errorf("URL %d belongs to %s", n, got)
		}
	}
	if got := holder("moved1.example.net"); !got.IsZero() {
		t.Errorf("the URL of the bad run still belongs to %s", got)
	}
}

// TestURLShared undoes two renames away from one URL, which the tenants had one
// after the other.
func TestURLShared(t *testing.T) {
	t.Parallel()
	w := replaytest.New(t, replaytest.All())
	w.Begin(3)
	shared := replaytest.URL(1)
	w.Do(script, replaytest.Tenant(1), events.TenantRenamed{URL: "moved1.example.net"})
	w.Do(owner, replaytest.Tenant(2), events.TenantRenamed{URL: shared})
	w.Do(script, replaytest.Tenant(2), events.TenantRenamed{URL: "moved2.example.net"})
	w.Do(script, replaytest.Tenant(3), events.TenantRenamed{URL: "moved3.example.net"})
	p := plan(t, w, w.Engine(nil), ask(events.Undo))
	for _, n := range []int{1, 2} {
		if got := conflicts(p)[replaytest.TenantID(n)]; !slices.Equal(got, []restore.ConflictKind{restore.ConflictURLShared}) {
			t.Errorf("tenant %d: conflicts %v", n, got)
		}
	}
	if p.Restore != 1 || p.Waiting != 2 || p.Accounts != 1 || len(targetOf(t, p, 3).Conflicts) > 0 {
		t.Fatalf("plan %+v", p)
	}
	chosen := ask(events.Undo)
	chosen.Tenants = []events.TenantID{replaytest.TenantID(2), replaytest.TenantID(3)}
	carryOut(t, w, chosen)
	if record, _ := w.Fold(replaytest.Tenant(2), w.Head()).Tenant(); record.URL != shared {
		t.Errorf("the chosen one has %s, not %s", record.URL, shared)
	}
	other := ask(events.Undo)
	other.Tenants, other.DryRun = []events.TenantID{replaytest.TenantID(1)}, true
	if p := plan(t, w, w.Engine(nil), other); !slices.Equal(conflicts(p)[replaytest.TenantID(1)], []restore.ConflictKind{restore.ConflictURLTaken}) {
		t.Errorf("the other one: %v", conflicts(p))
	}
}
