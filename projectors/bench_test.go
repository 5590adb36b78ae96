package projectors_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/heads"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/viewdb"
)

// benchTenants is how large a catalogue the benchmarks work on: about 21 events
// a tenant.
var benchTenants = flag.Int("tenants", 1000, "how many tenants the benchmarks' catalogue has")

// lifeSteps is how many events a tenant has beside its two claims.
const lifeSteps = 18

// month is the log of a catalogue over a month: every tenant's life step by
// step, so that the events of one tenant stand far apart. It is made once.
var month = sync.OnceValue(func() *sliceLog {
	l := &sliceLog{rng: rand.New(rand.NewPCG(1, 2)), at: catalogtest.Start.UnixMilli()}
	n := *benchTenants
	lives := make([]life, n)
	for i := range lives {
		lives[i] = l.life(i)
		if i%3 == 0 {
			l.add(events.OfAccount(lives[i].account), 0, "user_sales", events.AccountCreated{Name: catalogtest.Sealed("Customer")})
			l.add(events.OfAccount(lives[i].account), 0, "user_sales", events.AccountContactsUpdated{Contacts: []events.ContactInfo{
				{Kind: events.ContactTechnical, Email: catalogtest.Sealed(events.Personal(fmt.Sprintf("ops@c%06d.example.org", i)))},
				{Kind: events.ContactBilling, Phone: catalogtest.Sealed("+1 555 0100")},
			}})
		}
	}
	for step := range lifeSteps {
		for i := range lives {
			l.step(&lives[i], i, step)
		}
	}
	return l
})

// life is what the events of a tenant name.
type life struct {
	tenant   events.TenantID
	account  events.AccountID
	products [2]events.ProductID
	apps     [2]events.AppID
	url      string
}

// sliceLog is a log in memory that costs nothing to read.
type sliceLog struct {
	rng    *rand.Rand
	at     int64 // milliseconds
	events []events.Stored
	owner  events.AccountID
	data   []byte
}

// uuid is a version 7 UUID from the log's own randomness.
func (l *sliceLog) uuid() (u uuid.UUID) {
	for i := range 8 {
		u[8+i] = byte(l.rng.Uint32())
	}
	for i := range 6 {
		u[i] = byte(l.at >> (40 - 8*i))
	}
	u[6], u[7], u[8] = 0x70|byte(l.rng.Uint32())&0x0f, byte(l.rng.Uint32()), u[8]&0x3f|0x80
	return u
}

func (l *sliceLog) life(i int) life {
	if i%3 == 0 {
		l.owner = events.IDFromUUID[events.AccountID](l.uuid())
	}
	return life{
		tenant: events.IDFromUUID[events.TenantID](l.uuid()), account: l.owner,
		products: [2]events.ProductID{events.IDFromUUID[events.ProductID](l.uuid()), events.IDFromUUID[events.ProductID](l.uuid())},
		apps:     [2]events.AppID{events.IDFromUUID[events.AppID](l.uuid()), events.IDFromUUID[events.AppID](l.uuid())},
		url:      fmt.Sprintf("t%06d.example.net", i),
	}
}

// step appends the step-th event of a tenant, and its claims with the first.
func (l *sliceLog) step(t *life, i, step int) {
	actor := fmt.Sprintf("user_%d", i)
	about := events.OfTenant(t.tenant)
	if step > 0 {
		l.add(about, 0, actor, l.inside(t, i, step))
		return
	}
	region := []string{"eu-central", "us-east", "us-west"}[i%3]
	cloud := l.uuid()
	l.add(about, 2, actor, events.TenantCreated{
		URL: t.url, CloudID: cloud, Account: t.account, Region: region, Shard: fmt.Sprintf("%s-%02d", region, i%40), Tier: "standard",
	})
	l.add(events.OfClaim(events.ClaimURL, t.url), 1, actor, events.ClaimTaken{Kind: events.ClaimURL, Value: t.url, Tenant: t.tenant})
	l.add(events.OfClaim(events.ClaimCloudID, cloud.String()), 0, actor, events.ClaimTaken{Kind: events.ClaimCloudID, Value: cloud.String(), Tenant: t.tenant})
}

func (l *sliceLog) inside(t *life, i, step int) events.Payload {
	name := func(s string) events.Personal { return catalogtest.Sealed(events.Personal(s + t.url)) }
	switch step {
	case 1:
		return events.TenantConfigured{Metadata: map[string]string{"language": "en", "timezone": "UTC"}, Flags: map[string]bool{"new-editor": i%2 == 0}}
	case 2, 3:
		return events.ProductActivated{Product: t.products[step-2], Name: []string{"issue-tracker", "wiki"}[step-2], Edition: "standard", Seats: 20}
	case 4, 5, 6, 7:
		return events.ResourceProvisioned{
			Service: []string{"issue-tracker", "media", "search", "wiki"}[step-4], Kind: events.ResourceDatabase,
			Name: fmt.Sprintf("db-%d", i), Region: "eu-central", Shard: fmt.Sprintf("eu-central-%02d", i%40),
		}
	case 8:
		return events.IdentityMemberGranted{
			User: fmt.Sprintf("user-%d-0", i), Name: name("Admin "), Email: name("admin@"),
			Roles: []string{events.RoleSiteAdmin}, Groups: []string{"administrators"},
		}
	case 9, 10:
		return events.IdentityMemberGranted{
			User: fmt.Sprintf("user-%d-%d", i, step), Name: name("User "), Email: name("user@"), Roles: []string{"user"}, Groups: []string{"everyone"},
		}
	case 11:
		return events.IdentityGroupSet{Group: "administrators", Name: "Administrators"}
	case 12:
		return events.IdentityPermissionsChanged{Group: "administrators", Permissions: []string{"administer", "browse", "manage-users"}}
	case 13, 14:
		return events.AppInstalled{App: t.apps[step-13], Name: []string{"asset-tracker", "time-sheets"}[step-13], Version: "4.2.0"}
	case 15:
		return events.ProductLicenseUpdated{Product: t.products[0], Edition: "premium", Seats: 25, Active: true}
	default:
		return events.TenantUsageReported{ActiveUsers: uint64(i % 400), LastActivity: events.Time(l.at * 1e6)}
	}
}

const source = "/services/commerce"

func (l *sliceLog) add(about events.Aggregate, more uint16, actor string, p events.Payload) {
	l.at += int64(l.rng.IntN(3))
	e := events.Event{
		ID: events.IDFromUUID[events.EventID](l.uuid()), Source: source, About: about, Time: events.Time(l.at * 1e6), Actor: actor, Payload: p,
		RecordedTime: events.Time(l.at * 1e6), Via: "service_commerce", More: more,
	}
	if l.rng.IntN(100) == 0 {
		e.Run = events.DeriveID[events.RunID](fmt.Sprint(l.at / 100_000))
	}
	s, err := events.Encode(e)
	if err != nil {
		panic(err) // a payload of this file
	}
	s.Seq = events.Seq(len(l.events) + 1)
	if len(s.Data) > cap(l.data)-len(l.data) {
		l.data = make([]byte, 0, 1<<20) // few large pieces: the collector must not be what is measured
	}
	l.data = append(l.data, s.Data...)
	s.Data = l.data[len(l.data)-len(s.Data) : len(l.data) : len(l.data)]
	s.Type, s.Source = p.EventType(), source
	l.events = append(l.events, s)
}

// traffic is the n-th event of what goes on after the month.
func (l *sliceLog) traffic(about events.Aggregate, n int) {
	var p events.Payload
	switch n % 4 {
	case 0:
		p = events.TenantConfigured{Metadata: map[string]string{"banner": fmt.Sprintf("notice %d", n)}}
	case 1:
		p = events.TenantUsageReported{ActiveUsers: uint64(n), LastActivity: events.Time(l.at * 1e6)}
	case 2:
		p = events.IdentityMemberGranted{User: fmt.Sprintf("user-new-%d", n), Roles: []string{"user"}}
	default:
		p = events.ResourceProvisioned{Service: "media", Kind: events.ResourceMediaBucket, Name: fmt.Sprintf("m-%d", n), Region: "eu", Shard: "eu-1"}
	}
	l.add(about, 0, "user_traffic", p)
}

func (*sliceLog) Identity() string { return "bench" }

func (l *sliceLog) Head(context.Context) (events.Seq, error) { return events.Seq(len(l.events)), nil }

func (l *sliceLog) Read(_ context.Context, after, upTo events.Seq, fn func([]events.Stored) error) error {
	for rest := l.events[after:max(after, upTo)]; len(rest) > 0; {
		n := min(1000, len(rest))
		if err := fn(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

func (l *sliceLog) Tail(ctx context.Context, after events.Seq, fn func([]events.Stored) error) error {
	if err := l.Read(ctx, after, events.Seq(len(l.events)), fn); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// everyView is a projector of every view, the history and the heads too.
func everyView() []projectors.Projector {
	all := []projectors.Projector{history.New()}
	for _, v := range allViews() {
		all = append(all, v)
	}
	return append(all, heads.Projector{})
}

// openOnDisk opens homes for views in a directory of the benchmark's.
func openOnDisk(b *testing.B, list ...projectors.Projector) []projectors.View {
	b.Helper()
	shared := viewdb.NewShared(256 << 20)
	b.Cleanup(shared.Close)
	dir := b.TempDir()
	var views []projectors.View
	for _, p := range list {
		home, err := viewdb.OpenHome(viewdb.Config{Dir: dir, Name: p.Name(), Format: p.Format(), Shared: shared})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = home.Close() })
		views = append(views, projectors.View{Projector: p, Home: home})
	}
	return views
}

// report gives events per second and what an event costs on all cores, which
// is what to compare on a machine that has other work too.
func report(b *testing.B, n int, before time.Duration) {
	b.Helper()
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(n), "cpu-ns/event")
	b.ReportMetric(0, "ns/op")
}

// cpu is how long the process has been running on all cores.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRebuild folds every view anew, one after the other, on a history
// that is there.
func BenchmarkRebuild(b *testing.B) {
	log := month()
	views := openOnDisk(b, everyView()...)
	r := projectors.NewRunner(log, views, projectors.Listener{})
	if err := r.Rebuild(b.Context(), history.Name, nil); err != nil {
		b.Fatal(err)
	}
	for _, v := range views {
		b.Run(v.Projector.Name(), func(b *testing.B) {
			before := cpu()
			for b.Loop() {
				if err := r.Rebuild(b.Context(), v.Projector.Name(), nil); err != nil {
					b.Fatal(err)
				}
			}
			report(b, len(log.events)*b.N, before)
			b.ReportMetric(float64(v.Home.Current().Metrics().DiskBytes)/float64(len(log.events)), "disk-B/event")
		})
	}
}

// BenchmarkFill makes every view from nothing but the log.
func BenchmarkFill(b *testing.B) {
	log := month()
	b.ResetTimer()
	var spent time.Duration
	for b.Loop() {
		b.StopTimer()
		views := openOnDisk(b, everyView()...)
		b.StartTimer()
		before := cpu()
		if err := projectors.Fill(b.Context(), log, views, deletion.Genesis{}, nil); err != nil {
			b.Fatal(err)
		}
		spent += cpu() - before
		disk := uint64(0)
		for _, v := range views {
			disk += v.Home.Current().Metrics().DiskBytes
			if err := v.Home.Close(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(disk)/float64(len(log.events)), "disk-B/event")
	}
	report(b, len(log.events)*b.N, cpu()-spent)
}

// BenchmarkApply applies batches of traffic to a catalogue that is there.
func BenchmarkApply(b *testing.B) {
	log := month()
	var tenants []events.Aggregate
	for _, s := range log.events {
		if s.Type == (events.TenantCreated{}).EventType() {
			tenants = append(tenants, s.About)
		}
	}
	for _, p := range everyView() {
		b.Run(p.Name(), func(b *testing.B) {
			v := openOnDisk(b, p)[0]
			if err := projectors.NewRunner(log, []projectors.View{v}, projectors.Listener{}).Rebuild(b.Context(), p.Name(), nil); err != nil {
				b.Fatal(err)
			}
			live := &sliceLog{rng: rand.New(rand.NewPCG(3, 4)), at: log.at, events: slices.Clip(log.events)}
			for _, size := range []int{1, 100, 1000} {
				b.Run(fmt.Sprint("batch=", size), func(b *testing.B) {
					n := 0
					var spent time.Duration
					for b.Loop() {
						b.StopTimer()
						for range size {
							live.traffic(tenants[live.rng.IntN(len(tenants))], n)
							n++
						}
						recorded := projectors.NewVoucher(deletion.Genesis{}).Record(nil, live.events[len(live.events)-size:])
						before := cpu()
						b.StartTimer()
						if err := projectors.Apply(v.Home.Current(), p, "bench", recorded, events.Rolling{}); err != nil {
							b.Fatal(err)
						}
						spent += cpu() - before
					}
					report(b, n, cpu()-spent)
				})
			}
		})
	}
}

// BenchmarkQuery reads the first page of queries of the history.
func BenchmarkQuery(b *testing.B) {
	log := month()
	v := openOnDisk(b, history.New())[0]
	if err := projectors.NewRunner(log, []projectors.View{v}, projectors.Listener{}).Rebuild(b.Context(), history.Name, nil); err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	for name, query := range map[string]func(events.Event) history.Query{
		"tenant": func(e events.Event) history.Query { return history.Query{About: e.About} },
		"actor":  func(e events.Event) history.Query { return history.Query{Actor: e.Actor} },
		"run":    func(e events.Event) history.Query { return history.Query{Run: e.Run} },
		"type":   func(e events.Event) history.Query { return history.Query{Type: e.Type(), After: e.Seq} },
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				var e events.Event
				for e.Payload == nil || name == "run" && e.Run.IsZero() {
					var err error
					if e, err = events.Decode(log.events[rng.IntN(len(log.events))]); err != nil {
						b.Fatal(err)
					}
				}
				began := time.Now()
				err := history.View(v.Home, func(r *history.Reader) error {
					n := 0
					return r.Find(query(e), func(events.Event) error {
						if n++; n == 100 {
							return viewdb.ErrStop
						}
						return nil
					})
				})
				if err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-µs")
		})
	}
}
