package gate_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
)

// haltCallers is how many publish while a halt is asked for, each over a connection of its own.
const haltCallers = 1000

// crowd publishes as fast as it is answered.
type crowd struct {
	round    chan struct{} // whenever there were as many answers as there are callers
	failed   chan error    // what the first of them failed with
	answered atomic.Int64
	stopped  atomic.Bool
	working  sync.WaitGroup
}

// gather has a tenant for every caller, and sets them to work.
func gather(b *testing.B, r *running) *crowd {
	b.Helper()
	setup := r.connect(b, writer())
	var list []events.Event
	callers := make([]*nats.Conn, haltCallers)
	for i := range callers {
		list = append(list, caller(i).story()[:3]...) // an account, its contacts, a tenant
		callers[i] = r.connect(b, writer())
	}
	for batch := range slices.Chunk(list, 300) {
		publish(b, setup, batch...)
	}
	c := &crowd{round: make(chan struct{}, 1), failed: make(chan error, haltCallers)}
	for i, nc := range callers {
		c.working.Go(func() {
			for n := 0; !c.stopped.Load(); n++ {
				if err := use(nc, caller(i), n); err != nil {
					c.failed <- fmt.Errorf("caller %d: %w", i, err)
					return
				}
				if c.answered.Add(1)%haltCallers == 0 {
					select {
					case c.round <- struct{}{}:
					default:
					}
				}
			}
		})
	}
	return c
}

// turn waits until there were as many answers as there are callers, since it last did.
func (c *crowd) turn(b *testing.B) {
	b.Helper()
	select {
	case <-c.round:
	case err := <-c.failed:
		b.Fatal(err)
	}
}

// disperse waits until nobody publishes any more.
func (c *crowd) disperse() { c.stopped.Store(true); c.working.Wait() }

func caller(i int) fixture { return fixture(fmt.Sprint("caller-", i)) }

// use publishes one event, and waits for its answer.
func use(nc *nats.Conn, f fixture, n int) error {
	raw, err := events.MarshalCloudEvent(f.event(n, events.TenantUsageReported{ActiveUsers: uint64(n), LastActivity: events.TimeOf(time.Unix(1649144280, 0))}))
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	m, err := nc.Request("catalogue.v1.publish", raw, 20*time.Second)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if code := m.Header.Get("Nats-Service-Error-Code"); code != "" {
		return errors.New(code + ": " + string(m.Data))
	}
	return nil
}

// BenchmarkHalt is how long it takes from asking for a halt to its answer, over the network,
// while a thousand callers publish as fast as they can. Everybody shares one machine.
//
//	go test ./cmd/internal/gate -run '^$' -bench Halt -benchtime 120x
func BenchmarkHalt(b *testing.B) {
	r := start(b, daemon.Config{})
	crew := people.NewCrew(r.Deletions(), r.Clock)
	if _, err := crew.Propose(b.Context(), people.QuickPolicy(crew.Roster()), "begin"); err != nil {
		b.Fatal(err)
	}
	portal := r.connect(b, deleter())
	_, before := r.tombstones(b)
	c := gather(b, r)
	defer c.disperse()
	c.turn(b)
	var took []time.Duration
	began, answered := time.Now(), c.answered.Load()
	for b.Loop() {
		b.StopTimer()
		c.turn(b) // halts do not follow each other at once
		b.StartTimer()
		var out api.HaltResponse
		asked := time.Now()
		if p := ask(b, portal, "catalogue.v1.halt", api.HaltRequest{Detail: fmt.Sprint("halt ", len(took))}, &out); p != nil {
			b.Fatalf("%+v", p)
		}
		took = append(took, time.Since(asked))
	}
	published := float64(c.answered.Load()-answered) / time.Since(began).Seconds()
	c.disperse()
	select {
	case err := <-c.failed:
		b.Fatal(err)
	default:
	}
	if _, head := r.tombstones(b); int64(head-before) < c.answered.Load()+int64(len(took)) {
		b.Errorf("%d events for %d answers and %d halts", head-before, c.answered.Load(), len(took))
	}
	slices.Sort(took)
	var sum time.Duration
	for _, d := range took {
		sum += d
	}
	ms := func(d time.Duration) float64 { return d.Seconds() * 1000 }
	b.ReportMetric(ms(sum)/float64(len(took)), "ms-mean")
	b.ReportMetric(ms(took[(len(took)*99+99)/100-1]), "ms-p99")
	b.ReportMetric(ms(took[len(took)-1]), "ms-max")
	b.ReportMetric(published, "publishes/s")
}
