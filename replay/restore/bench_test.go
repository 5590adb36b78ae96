package restore_test

import (
	"flag"
	"fmt"
	"testing"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/replaytest"
	"tenantcatalogue/replay/restore"
)

var (
	benchTenants = flag.Int("tenants", 2000, "how many tenants a benchmark's catalogue has")
	benchDeleted = flag.Int("deleted", 883, "how many of them the bad run deletes")
)

// populate makes n tenants with 18 events each and two claims, many requests at
// a time.
func populate(b *testing.B, w *replaytest.World, n int) {
	b.Helper()
	w.Do(owner, events.OfAccount(replaytest.AccountID(1)), events.AccountCreated{Name: "Example Ltd"})
	var requests []catalogue.Request
	put := func(tenant int, p events.Payload) {
		requests = append(requests, catalogue.Request{Events: []events.Event{w.Event(owner, replaytest.Tenant(tenant), p)}})
	}
	for i := 1; i <= n; i++ {
		put(i, replaytest.Created(i))
		put(i, events.ProductActivated{Product: replaytest.ProductID(i), Name: "tracker", Seats: 10})
		put(i, events.AppInstalled{App: replaytest.AppID(i), Name: "clock", Version: "1"})
		put(i, events.ResourceProvisioned{Service: "media", Kind: events.ResourceDatabase, Name: "db", Region: "eu"})
		for m := range 6 {
			put(i, events.IdentityMemberGranted{User: fmt.Sprint("user_", m), Name: "A", Email: "a@example.com", Roles: []string{"user"}})
		}
		for k := range 8 {
			put(i, replaytest.Configured(fmt.Sprint("key", k), "value"))
		}
		if i%50 == 0 || i == n {
			publish(b, w, requests)
			requests = nil
		}
	}
}

func publish(b *testing.B, w *replaytest.World, requests []catalogue.Request) {
	b.Helper()
	for _, v := range w.Service.Publish(b.Context(), catalogtest.Internal, requests...) {
		if v.Err != nil {
			b.Fatal(v.Err)
		}
	}
}

// BenchmarkRestore brings back what a bad run deleted. The figures: planning,
// applying and certifying, with log and views in memory.
func BenchmarkRestore(b *testing.B) {
	w := replaytest.New(b, replaytest.All())
	populate(b, w, *benchTenants)
	round := 0
	remove := func() events.RunID {
		round++
		by := replaytest.By{Actor: "script", Run: fmt.Sprint("bad", round)}
		w.Refresh()
		var requests []catalogue.Request
		for i := 1; i <= *benchDeleted; i++ {
			requests = append(requests, catalogue.Request{Events: []events.Event{w.Event(by, replaytest.Tenant(i), replaytest.Deleted())}})
		}
		publish(b, w, requests)
		w.Settle()
		return replaytest.Run(by.Run)
	}
	e := w.Engine(nil)
	ask := func(run events.RunID, dry bool) restore.Plan {
		p, err := e.Plan(b.Context(), restore.Ask{
			Mode: events.Undo, Point: "before " + run.String(), Cause: events.Cause{Runs: []events.RunID{run}}, Actor: "operator", DryRun: dry,
		})
		if err != nil || p.Restore != *benchDeleted {
			b.Fatalf("%d planned: %v", p.Restore, err)
		}
		return p
	}
	run := remove()
	b.Run("plan", func(b *testing.B) {
		for b.Loop() {
			ask(run, true)
		}
	})
	var last events.RestoreID
	b.Run("apply", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			if last != (events.RestoreID{}) {
				run = remove()
			}
			last = ask(run, false).ID
			b.StartTimer()
			if s, err := e.Apply(b.Context(), last, nil); err != nil || s.Restored != *benchDeleted {
				b.Fatalf("%+v, %v", s, err)
			}
		}
	})
	b.Run("certificate", func(b *testing.B) {
		for b.Loop() {
			if c, err := e.Certificate(b.Context(), last); err != nil || !c.OK {
				b.Fatalf("%+v, %v", c, err)
			}
		}
		b.ReportMetric(float64(w.Head()), "events")
	})
}
