package daemon_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/drill"
	"tenantcatalogue/replay/restore"
)

// benchTenants is how large a catalogue the figures are taken on.
var benchTenants = flag.Int("tenants", 1200, "how many tenants the benchmarks' catalogue has")

// BenchmarkFigures takes the first figures of the catalogue on one that a drill
// has left behind.
func BenchmarkFigures(b *testing.B) {
	s := drilled(b)
	ids := tenantIDs(b, s)
	for name, figure := range map[string]func(*testing.B, *daemon.System, []events.TenantID){
		"current state": currentState, "as-of": asOf, "ack to visible": ackToVisible, "rebuild": rebuild, "read the log": readLog,
	} {
		b.Run(name, func(b *testing.B) { figure(b, s, ids) })
	}
}

// drilled is a catalogue after a drill.
func drilled(b *testing.B) *daemon.System {
	b.Helper()
	clock := drill.NewClock(drill.Begins, time.Now)
	s, err := daemon.Open(b.Context(), daemon.Config{DataDir: b.TempDir(), Clock: clock.Now})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	_, err = drill.Run(b.Context(), drill.System{
		Service: s.Service, Runner: s.Runner, Log: s.Log, Identity: s.Identity, Clock: clock, Tenants: s.Homes[tenants.Name],
		Engine: restore.New(restore.Config{
			History: func(f func(*history.Reader) error) error { return history.View(s.History, f) },
			Service: s.Service, Views: s.Runner, Log: s.Log, Clock: clock.Now, NewID: uuid.NewV7,
		}),
		Scratch: func(p projectors.Projector) (*viewdb.DB, error) {
			return viewdb.Open(viewdb.Config{Dir: filepath.Join(s.Dir, "scratch", p.Name()), Name: p.Name(), Format: p.Format()})
		},
	}, drill.Config{Tenants: *benchTenants, Deleted: min(883, *benchTenants/2), Seed: 1, Mode: events.Undo}, drill.Tell{})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func tenantIDs(b *testing.B, s *daemon.System) (ids []events.TenantID) {
	b.Helper()
	err := history.View(s.History, func(r *history.Reader) error {
		return r.Aggregates(events.AggregateTenant, func(a events.Aggregate) error {
			ids = append(ids, a.Tenant())
			return nil
		})
	})
	if err != nil {
		b.Fatal(err)
	}
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids
}

// percentiles reports what each round took.
func percentiles(b *testing.B, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-µs")
}

// currentState reads tenants, chosen at random, from the tenants view.
func currentState(b *testing.B, s *daemon.System, ids []events.TenantID) {
	b.Helper()
	db, release, err := s.Homes[tenants.Name].Acquire()
	if err != nil {
		b.Fatal(err)
	}
	defer release()
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		began := time.Now()
		_, found, err := tenants.Get(db, ids[i%len(ids)])
		took = append(took, time.Since(began))
		if err != nil || !found {
			b.Fatal(found, err)
		}
	}
	percentiles(b, took)
}

// asOf folds tenants, chosen at random, up to the middle of the log.
func asOf(b *testing.B, s *daemon.System, ids []events.TenantID) {
	b.Helper()
	var took []time.Duration
	err := history.View(s.History, func(r *history.Reader) error {
		cut := r.Head() * 9 / 10
		for i := 0; b.Loop(); i++ {
			began := time.Now()
			_, err := replay.AsOf(r, events.OfTenant(ids[i%len(ids)]), cut)
			took = append(took, time.Since(began))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	percentiles(b, took)
}

// ackToVisible publishes one event at a time and waits, from its ack,
// until every view shows it.
func ackToVisible(b *testing.B, s *daemon.System, ids []events.TenantID) {
	b.Helper()
	var took, acked []time.Duration
	ctx := context.Background()
	for i := 0; b.Loop(); i++ {
		rec, err := record(s, ids[i%len(ids)])
		if err != nil {
			b.Fatal(err)
		}
		e := events.Event{
			ID: events.IDFromUUID[events.EventID](uuid.Must(uuid.NewV7())), Source: "/bench", About: events.OfTenant(rec.ID),
			Time: s.Now(), Actor: "user_bench", Epoch: rec.Epoch,
			Payload: events.TenantUsageReported{ActiveUsers: uint64(i), LastActivity: s.Now()},
		}
		if rec.Status == events.TenantStatusDeleted {
			continue
		}
		sent := time.Now()
		v := s.Service.Publish(ctx, catalogue.Credential{Via: "bench"}, catalogue.Request{Events: []events.Event{e}})[0]
		if v.Err != nil {
			b.Fatal(v.Err)
		}
		ack := time.Now()
		if err := s.Runner.WaitFor(ctx, v.Seq); err != nil {
			b.Fatal(err)
		}
		acked, took = append(acked, ack.Sub(sent)), append(took, time.Since(ack))
	}
	percentiles(b, took)
	slices.Sort(acked)
	b.ReportMetric(float64(acked[len(acked)/2].Nanoseconds())/1e3, "ack-p50-µs")
}

func record(s *daemon.System, id events.TenantID) (rec tenants.Record, err error) {
	err = s.Homes[tenants.Name].View(func(snapshot *viewdb.Snapshot) error {
		rec, _, err = tenants.Get(snapshot, id)
		return err
	})
	return rec, err
}

// rebuild folds every view anew from the log, one after the other.
func rebuild(b *testing.B, s *daemon.System, _ []events.TenantID) {
	b.Helper()
	ctx := context.Background()
	head, err := s.Log.Head(ctx)
	if err != nil {
		b.Fatal(err)
	}
	for _, v := range s.Views {
		b.Run(v.Projector.Name(), func(b *testing.B) {
			for b.Loop() {
				if err := s.Runner.Rebuild(ctx, v.Projector.Name(), nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(head)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// readLog reads the whole log and decodes it, for comparison.
func readLog(b *testing.B, s *daemon.System, _ []events.TenantID) {
	b.Helper()
	ctx := context.Background()
	head, err := s.Log.Head(ctx)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var recorded []projectors.Recorded
		err := s.Log.Read(ctx, 0, head, func(stored []events.Stored) error {
			recorded = projectors.Decode(recorded, stored)
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(head)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
