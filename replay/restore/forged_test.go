package restore_test

import (
	"slices"
	"testing"

	"tenantcatalogue/catalogue/deletion/deletiontest"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/replaytest"
	"tenantcatalogue/replay/restore"
)

// TestForgedTombstoneIsNotRestored leaves a tenant alone whose tombstone may not stand
// where it does: somebody has to look first. What else the cause did is brought back.
func TestForgedTombstoneIsNotRestored(t *testing.T) {
	t.Parallel()
	w := replaytest.New(t, replaytest.All())
	w.Begin(3)
	w.Do(replaytest.Script, replaytest.Tenant(1), replaytest.Configured("a", "bad"))
	d := deletiontest.NewWorld(t, w.Log)
	d.Govern()
	tombstone := d.Event(replaytest.Tenant(2), replaytest.Deleted())
	tombstone.Run = replaytest.Run("bad")
	d.Forge(tombstone)
	w.Settle()
	for _, mode := range []events.RestoreMode{events.Rewind, events.Undo} {
		p, _ := w.Engine(nil).Plan(t.Context(), ask(mode)) // the error says that one has to wait
		for n, want := range map[int]bool{1: false, 2: true} {
			i := slices.IndexFunc(p.Targets, func(target restore.Target) bool { return target.Tenant == replaytest.TenantID(n) })
			if i < 0 {
				t.Fatalf("tenant %d is no target of %+v", n, p.Targets)
			}
			waits := slices.ContainsFunc(p.Targets[i].Conflicts, func(c restore.Conflict) bool { return c.Kind == restore.ConflictQuarantined })
			if waits != want {
				t.Errorf("tenant %d: %+v", n, p.Targets[i].Conflicts)
			}
		}
	}
}
