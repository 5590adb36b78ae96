package sidecar_test

import (
	"errors"
	"slices"
	"testing"

	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/catalogue/deletion/deletiontest"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/deletions"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/ledger"
	"tenantcatalogue/projectors/sidecar"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
)

// TestForgedTombstone quarantines the tenant of a tombstone that may not stand where it
// does, and no other, also after a start behind what governs it; with the history and
// without.
func TestForgedTombstone(t *testing.T) {
	t.Parallel()
	for name, views := range map[string][]projectors.Projector{
		"with a history": {tenants.New(), deletions.New(), history.New()},
		"without":        {tenants.New(), deletions.New()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := deletiontest.NewWorld(t, eventtest.NewMemoryLog("forged"))
			w.People(1, 2, 3)
			w.Govern()
			id := w.Plan(1)
			before := w.AsOf()
			w.Run(id)
			w.Forge(w.Event(deletiontest.Tenant(2), events.TenantDeleted{Reason: "forged"}))
			log := catalogtest.Read(t, w.Log)

			catalogue, c := serve(t, log[:before])
			dir := t.TempDir()
			first := openWith(t, c, dir, views)
			reach(t, first, before)
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			if err := catalogue.publish(log[before:]...); err != nil {
				t.Fatal(err)
			}
			again := openWith(t, c, dir, views)
			reach(t, again, w.AsOf())
			err := again.View(tenants.Name, func(v *viewdb.Snapshot) error {
				_, _, forged := tenants.Get(v, deletiontest.Tenant(2).Tenant())
				if !errors.Is(forged, projectors.ErrQuarantined) {
					t.Errorf("a forged tombstone: %v", forged)
				}
				gone, _, err := tenants.Get(v, deletiontest.Tenant(1).Tenant())
				kept, _, err2 := tenants.Get(v, deletiontest.Tenant(3).Tenant())
				if gone.Status != events.TenantStatusDeleted || kept.Status != events.TenantStatusDeactivated {
					t.Errorf("one that was deleted is %s, its neighbour %s", gone.Status, kept.Status)
				}
				return errors.Join(err, err2)
			})
			if err != nil {
				t.Error(err)
			}
			anew := openWith(t, c, t.TempDir(), views)
			reach(t, anew, w.AsOf())
			_, want := digests(t, anew)
			_, got := digests(t, again)
			if !slices.Equal(want, got) {
				t.Errorf("from nothing %v, after a start %v", want, got)
			}
			hasLedger := slices.ContainsFunc(again.Views(), func(v projectors.View) bool { return v.Projector.Name() == ledger.Name })
			if hasLedger != (name == "without") {
				t.Errorf("it keeps a ledger: %v", hasLedger)
			}
		})
	}
}

func openWith(t *testing.T, c *client.Client, dir string, views []projectors.Projector) *sidecar.Sidecar {
	t.Helper()
	s, err := sidecar.Open(t.Context(), c, sidecar.Config{Dir: dir, Views: views})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
