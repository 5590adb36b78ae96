package gate_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/cmd/internal/gate"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/history"
)

// benchTenants is how many tenants, of twenty events each, are caught up on.
var benchTenants = flag.Int("tenants", 10_000, "how many tenants the benchmarks' log has, twenty events each")

// BenchmarkCatchUp reads the whole log over loopback TCP: raw from JetStream as
// the fastest of its ways, and through the gate, checked.
func BenchmarkCatchUp(b *testing.B) {
	sys := filled(b)
	head, err := sys.Log.Head(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for _, way := range []struct {
		name string
		read func(*testing.B, *daemon.System, events.Seq)
	}{
		{"raw pull", pull},
		{"log", readLog},
		{"history", readHistory},
		{"gate/events", readGate},
		{"gate/decoded", readGateDecoded},
	} {
		b.Run(way.name, func(b *testing.B) {
			before := cpuTime(b)
			for b.Loop() {
				way.read(b, sys, head)
			}
			n := float64(head) * float64(b.N)
			b.ReportMetric(n/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/n, "cpu-ns/event")
		})
	}
}

// cpuTime is what the process has used of all processors, which other processes
// do not blur.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// filled is a daemon with a gate whose log has events of many tenants, in turn.
func filled(b *testing.B) *daemon.System {
	b.Helper()
	sys, err := daemon.Open(b.Context(), daemon.Config{DataDir: b.TempDir(), NATSListen: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = sys.Close(context.Background()) })
	conn, err := sys.Bus.GateConn()
	if err != nil {
		b.Fatal(err)
	}
	service, err := api.New(sys)
	if err != nil {
		b.Fatal(err)
	}
	door, err := gate.Open(b.Context(), gate.Config{Conn: conn, API: service, Version: "0.0.0"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = door.Close(context.Background()) })
	last := events.Seq(0)
	for round := range 20 {
		for from := 0; from < *benchTenants; from += 1000 {
			units := make([]events.Unit, 0, 1000)
			for i := from; i < min(from+1000, *benchTenants); i++ {
				units = append(units, unitOf(b, i, round))
			}
			for _, a := range sys.Log.Append(b.Context(), units) {
				if a.Err != nil {
					b.Fatal(a.Err)
				}
				last = a.Last
			}
		}
	}
	if err := sys.Runner.WaitFor(b.Context(), last); err != nil {
		b.Fatal(err)
	}
	return sys
}

// unitOf is the event of a tenant in a round.
func unitOf(b *testing.B, tenant, round int) events.Unit {
	b.Helper()
	f := fixture(fmt.Sprint("tenant-", tenant))
	p := events.Payload(events.TenantUsageReported{ActiveUsers: uint64(round), LastActivity: 1})
	switch {
	case round == 0:
		p = f.story()[2].Payload
	case round%4 == 1:
		p = events.ProductActivated{Product: events.DeriveID[events.ProductID](string(f), fmt.Sprint(round)), Name: "issue-tracker", Edition: "standard", Seats: 10}
	case round%4 == 2:
		p = events.IdentityMemberGranted{User: fmt.Sprint("user:", round), Name: "Some One", Email: events.Personal(f.contact()), Roles: []string{events.RoleSiteAdmin}}
	}
	e := f.event(round, p)
	e.RecordedTime, e.Correlation = events.TimeOf(time.Unix(1649144280, 0).Add(time.Duration(round)*time.Hour)), "3f8b7c"
	s, err := events.Encode(e)
	if err != nil {
		b.Fatal(err)
	}
	expected := events.Seq(0)
	if round > 0 {
		expected = events.Seq((round-1)**benchTenants + tenant + 1)
	}
	return events.Unit{Events: []events.Stored{s}, Expected: []events.Seq{expected}}
}

// pull reads with a consumer, two batches of 5,000 in flight, and parses nothing.
func pull(b *testing.B, sys *daemon.System, head events.Seq) {
	b.Helper()
	nc, err := sys.Bus.LogConn()
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	consumer, err := js.CreateConsumer(b.Context(), "CATALOGUE", jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true})
	if err != nil {
		b.Fatal(err)
	}
	const batch = 5000
	ch := make(chan *nats.Msg, 3*batch)
	inbox := nc.NewInbox()
	if _, err := nc.ChanSubscribe(inbox, ch); err != nil {
		b.Fatal(err)
	}
	ask := func() {
		raw, _ := json.Marshal(map[string]any{"batch": batch, "expires": 5 * time.Second})
		if err := nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT.CATALOGUE."+consumer.CachedInfo().Name, inbox, raw); err != nil {
			b.Fatal(err)
		}
	}
	ask()
	ask()
	for got := 1; got <= int(head); got++ {
		m := <-ch
		if !strings.HasPrefix(m.Reply, "$JS.ACK") {
			b.Fatal(m.Header)
		}
		if got%batch == 0 {
			ask()
		}
	}
	if err := js.DeleteConsumer(b.Context(), "CATALOGUE", consumer.CachedInfo().Name); err != nil {
		b.Fatal(err)
	}
}

func readLog(b *testing.B, sys *daemon.System, head events.Seq) {
	b.Helper()
	if err := sys.Log.Read(b.Context(), 0, head, func([]events.Stored) error { return nil }); err != nil {
		b.Fatal(err)
	}
}

func readHistory(b *testing.B, sys *daemon.System, head events.Seq) {
	b.Helper()
	err := history.View(sys.History, func(r *history.Reader) error {
		return r.Read(0, head, func(events.Stored) error { return nil })
	})
	if err != nil {
		b.Fatal(err)
	}
}

// readGate reads as a sidecar does.
func readGate(b *testing.B, sys *daemon.System, head events.Seq) {
	b.Helper()
	through(b, sys, head, func([]events.Stored) error { return nil })
}

// readGateDecoded hashes and decodes besides.
func readGateDecoded(b *testing.B, sys *daemon.System, head events.Seq) {
	b.Helper()
	var rolling events.Rolling
	var recorded []projectors.Recorded
	proof := through(b, sys, head, func(stored []events.Stored) error {
		for _, s := range stored {
			rolling = rolling.Add(s)
		}
		recorded = projectors.Decode(recorded, stored)
		for _, r := range recorded {
			if r.Err != nil {
				return r.Err
			}
		}
		return nil
	})
	if rolling != proof.Rolling {
		b.Fatal("the hash is not the catalogue's")
	}
}

func through(b *testing.B, sys *daemon.System, head events.Seq, fn func([]events.Stored) error) client.Standing {
	b.Helper()
	c, err := client.Connect(client.Options{URL: sys.Bus.URL()})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	log, err := c.Log(b.Context(), head)
	if err != nil {
		b.Fatal(err)
	}
	if err := log.Read(b.Context(), 0, head, fn); err != nil {
		b.Fatal(err)
	}
	return log.Proof()
}
