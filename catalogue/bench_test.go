package catalogue_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventlog"
	"tenantcatalogue/events/eventtest"
	"tenantcatalogue/projectors/heads"
	"tenantcatalogue/projectors/viewdb"
)

const (
	benchTenants  = 2000 // one caller each, all in flight at once
	benchRounds   = 5    // events a caller publishes between two measurements of the raw log
	benchRawBatch = 1000
)

// BenchmarkPublish holds the Service, with 2,000 callers in flight, against the
// log alone, which appends the same bytes as batches of 1,000. Both sync every
// batch. The ratio is 1 when the Service costs nothing.
func BenchmarkPublish(b *testing.B) {
	log := benchLog(b)
	shared := viewdb.NewShared(64 << 20)
	defer shared.Close()
	db, err := viewdb.Open(viewdb.Config{Dir: b.TempDir(), Name: heads.Name, Format: heads.Format, Shared: shared})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	store, err := heads.Open(db, log.Identity())
	if err != nil {
		b.Fatal(err)
	}
	service, err := catalogue.Open(b.Context(), catalogue.Config{Log: log, Store: store, Seal: catalogtest.Seal{}, Clock: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	about := benchCreate(b, service)
	raw := &rawWriter{log: benchLog(b), last: map[events.Aggregate]events.Seq{}}
	var inService, inRaw time.Duration
	published := 0
	for round := 0; b.Loop(); round++ {
		start := time.Now()
		publishAll(b, service, about, round)
		inService += time.Since(start)
		published += len(about) * benchRounds

		units := raw.units(b, about, round)
		start = time.Now()
		raw.append(b, units)
		inRaw += time.Since(start)
	}
	b.ReportMetric(float64(published)/inService.Seconds(), "service-events/s")
	b.ReportMetric(float64(published)/inRaw.Seconds(), "raw-events/s")
	b.ReportMetric(inRaw.Seconds()/inService.Seconds(), "ratio")
	if err := service.Close(); err != nil {
		b.Fatal(err)
	}
}

func benchLog(b *testing.B) *eventlog.Log {
	b.Helper()
	nc, err := eventtest.Start(b).LogConn()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	log, err := eventlog.Open(b.Context(), nc, eventlog.Config{Create: true})
	if err != nil {
		b.Fatal(err)
	}
	return log
}

func benchCreate(b *testing.B, service *catalogue.Service) []events.Aggregate {
	b.Helper()
	requests := []catalogue.Request{one(anAccount(1))}
	about := make([]events.Aggregate, benchTenants)
	for i := range about {
		e := aTenant(i)
		about[i] = e.About
		requests = append(requests, one(e))
	}
	for _, v := range service.Publish(b.Context(), catalogtest.Internal, requests...) {
		if v.Err != nil {
			b.Fatal(v.Err)
		}
	}
	return about
}

func benchEvent(about events.Aggregate, round, n int) events.Event {
	return event(fmt.Sprint("bench", about, round, n), about, events.IdentityMemberGranted{
		User: fmt.Sprintf("user_%08d", round*benchRounds+n), Name: "Ada Lovelace", Email: "ada@example.com",
		Roles: []string{"site_admin", "developer"}, Groups: []string{"group_1", "group_2"},
	})
}

func publishAll(b *testing.B, service *catalogue.Service, about []events.Aggregate, round int) {
	b.Helper()
	var wg sync.WaitGroup
	for _, a := range about {
		wg.Go(func() {
			for n := range benchRounds {
				if v := service.Publish(context.Background(), catalogtest.Internal, one(benchEvent(a, round, n)))[0]; v.Err != nil {
					b.Error(v.Err)
				}
			}
		})
	}
	wg.Wait()
}

// rawWriter appends to subjects of its own.
type rawWriter struct {
	log  *eventlog.Log
	last map[events.Aggregate]events.Seq
}

func (r *rawWriter) units(b *testing.B, about []events.Aggregate, round int) (units []events.Unit) {
	b.Helper()
	for n := range benchRounds {
		for _, a := range about {
			e, _ := catalogtest.Seal{}.SealNew(benchEvent(a, round, n))
			e.About = events.OfTenant(events.DeriveID[events.TenantID]("raw", a.String()))
			e.ID = events.DeriveID[events.EventID]("raw", e.ID.String())
			e.RecordedTime, e.Via = events.TimeOf(time.Now()), catalogtest.Internal.Via
			s, err := events.Encode(e)
			if err != nil {
				b.Fatal(err)
			}
			units = append(units, events.Unit{Events: []events.Stored{s}, Expected: []events.Seq{0}})
		}
	}
	return units
}

func (r *rawWriter) append(b *testing.B, units []events.Unit) {
	b.Helper()
	for at := 0; at < len(units); at += benchRawBatch {
		batch := units[at : at+benchRawBatch]
		for i := range batch {
			batch[i].Expected[0] = r.last[batch[i].Events[0].About]
		}
		for i, a := range r.log.Append(context.Background(), batch) {
			if a.Err != nil {
				b.Fatal(a.Err)
			}
			r.last[batch[i].Events[0].About] = a.Last
		}
	}
}
