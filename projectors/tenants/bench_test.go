package tenants_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
)

// benchTenants is how many tenants the benchmark's view has: more than are kept
// at hand.
const benchTenants = 150_001

// BenchmarkGet reads tenants at random, from few and from all there are, beside
// the same row as it is.
func BenchmarkGet(b *testing.B) {
	shared := viewdb.NewShared(256 << 20)
	defer shared.Close()
	db, err := viewdb.Open(viewdb.Config{Dir: b.TempDir(), Name: tenants.Name, Format: tenants.Format, Shared: shared})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	fold := projectors.Folder(db, tenants.New(), "bench", projectors.NewVoucher(deletion.Genesis{}))
	var ids []events.TenantID
	var batch []events.Stored
	var seq events.Seq
	for i := range benchTenants {
		id := events.DeriveID[events.TenantID](fmt.Sprint(i))
		ids = append(ids, id)
		for _, p := range aLife(i) {
			seq++
			batch = append(batch, stored(b, seq, events.OfTenant(id), p))
		}
		if len(batch) >= 3000 {
			if err := fold(batch); err != nil {
				b.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	if err := fold(batch); err != nil {
		b.Fatal(err)
	}
	if err := db.Flush(); err != nil {
		b.Fatal(err)
	}
	each := func(among int, read func(events.TenantID) (bool, error)) func(b *testing.B) {
		return func(b *testing.B) {
			b.Helper()
			b.ReportAllocs()
			var took []time.Duration
			for b.Loop() {
				id := ids[rand.IntN(among)]
				began := time.Now()
				found, err := read(id)
				took = append(took, time.Since(began))
				if err != nil || !found {
					b.Fatal(found, err)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
			b.ReportMetric(float64(took[len(took)/10].Nanoseconds()), "p10-ns")
		}
	}
	get := func(r viewdb.Reader) func(events.TenantID) (bool, error) {
		return func(id events.TenantID) (bool, error) {
			_, found, err := tenants.Get(r, id)
			return found, err
		}
	}
	b.Run("row", each(benchTenants, func(id events.TenantID) (bool, error) {
		_, found, err := db.Get(projectors.WholeRow(events.OfTenant(id)))
		return found, err
	}))
	b.Run("not kept", each(benchTenants, get(struct{ viewdb.Reader }{db})))
	b.Run("all", each(benchTenants, get(db)))
	b.Run("1000", each(1000, get(db)))
}

// aLife is what happens to the i-th tenant.
func aLife(i int) []events.Payload {
	return []events.Payload{
		events.TenantCreated{
			URL: fmt.Sprintf("t%06d.example.net", i), CloudID: events.DeriveID[events.PlanID](fmt.Sprint(i)).UUID(),
			Account: events.DeriveID[events.AccountID](fmt.Sprint(i / 3)), Region: "eu-central", Shard: fmt.Sprintf("eu-central-%02d", i%40), Tier: "standard",
		},
		events.TenantConfigured{Metadata: map[string]string{"language": "en", "timezone": "UTC"}, Flags: map[string]bool{"new-editor": i%2 == 0}},
		events.TenantUsageReported{ActiveUsers: uint64(i % 400), LastActivity: events.TimeOf(catalogtest.Start)},
	}
}

// stored is an event in its stored form.
func stored(t testing.TB, seq events.Seq, about events.Aggregate, p events.Payload) events.Stored {
	t.Helper()
	s, err := events.Encode(events.Event{
		ID: events.DeriveID[events.EventID](seq.String(), about.String()), Source: "/services/test", About: about,
		Time: events.TimeOf(catalogtest.Start), Actor: "user_1", Payload: p, Seq: seq,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
