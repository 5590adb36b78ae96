package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
)

const (
	// soakPerSecond is half of what two processors take one by one, with every view
	// keeping up, while nothing else is going on.
	soakPerSecond = 3000
	// What else is going on: a wrong run with its restoration and certificate, a
	// view rebuilt, queries.
	restoreEvery   = time.Minute
	rebuildEvery   = 30 * time.Second
	queryPerSecond = 50
)

func soakRows() []Row {
	return []Row{{
		Name: "soak", OnlyNamed: true,
		What: "3,000 events/s open loop, beside restorations, rebuilds and queries; the first third of the time beside the last",
		Figures: []Figure{
			{Unit: "events/s"},
			{Name: "errors", Unit: "errors", Target: atMost(0.5)},
			{Name: "p50", Unit: "ms", Baseline: "in the first third"},
			{Name: "p99", Unit: "ms", Baseline: "in the first third"},
			{Name: "lag", Unit: "events", Baseline: "in the first third"},
			{Name: "memory", Unit: "MiB", Baseline: "in the first third", Target: ratioAtMost(1.1)},
			{Name: "restorations", Unit: "times"},
			{Name: "rebuilds", Unit: "times"},
			{Name: "queries", Unit: "times"},
		},
		Run: soak,
	}}
}

// soaking is a soak under way.
type soaking struct {
	*Env

	sys    *daemon.System
	began  time.Time
	errors atomic.Int64
	first  error // guarded by once
	once   sync.Once

	// Samples of the first, the second and the last third of the time.
	acked       [3]samples
	lag, memory [3][]float64
}

func soak(ctx context.Context, e *Env) ([]Value, error) {
	sys, err := e.Writing(ctx)
	if err != nil {
		return nil, err
	}
	if report, err := sys.Prove(ctx); err != nil || !report.OK() {
		return nil, errors.Join(err, fmt.Errorf("the data set: %v", report.Faults))
	}
	s := &soaking{Env: e, sys: sys, began: time.Now()}
	aside, cancel := context.WithDeadline(ctx, s.began.Add(e.soak))
	defer cancel()
	offered, err := api.New(sys)
	if err != nil {
		return nil, err
	}
	var chores sync.WaitGroup
	var restorations, rebuilds, queries int
	chores.Go(func() { restorations = s.repeat(aside, restoreEvery, s.restoreOnce) })
	chores.Go(func() { rebuilds = s.repeat(aside, rebuildEvery, s.rebuildOne) })
	chores.Go(func() {
		queries = s.repeat(aside, time.Second/queryPerSecond, func(ctx context.Context, n int) error { return s.query(ctx, offered, n) })
	})
	chores.Go(func() { s.repeat(aside, time.Second, s.sample) })
	err = e.everyAnswer(ctx, sys.Service, soakPerSecond, func(int) bool { return time.Since(s.began) < e.soak }, func(a sent) {
		if a.err != nil {
			s.failed(a.err)
			return
		}
		third := s.third(a.due)
		s.acked[third] = append(s.acked[third], a.acked.Sub(a.due))
	})
	took := time.Since(s.began)
	cancel()
	chores.Wait()
	if err != nil {
		return nil, err
	}
	if len(s.acked[2]) == 0 || len(s.lag[0]) == 0 || len(s.lag[2]) == 0 {
		return nil, fmt.Errorf("it ended after %s of %s", took.Round(time.Second), s.soak)
	}
	if s.first != nil {
		e.say("the first error: %s", s.first)
	}
	total := len(s.acked[0]) + len(s.acked[1]) + len(s.acked[2])
	early, late := s.acked[0], s.acked[2]
	return []Value{
		{Value: rate(total, took)},
		{Value: float64(s.errors.Load())},
		{millis(late.percentile(50)), millis(early.percentile(50))},
		{late.p99(), early.p99()},
		{middle(s.lag[2]), middle(s.lag[0])},
		{middle(s.memory[2]), middle(s.memory[0])},
		{Value: float64(restorations)},
		{Value: float64(rebuilds)},
		{Value: float64(queries)},
	}, nil
}

func (s *soaking) since() time.Duration { return time.Since(s.began).Round(time.Second) }

// middle is the median of samples.
func middle(of []float64) float64 { return median(slices.Sorted(slices.Values(of))) }

func (s *soaking) third(t time.Time) int {
	return min(2, max(0, int(3*t.Sub(s.began)/s.soak)))
}

func (s *soaking) failed(err error) {
	s.errors.Add(1)
	s.once.Do(func() { s.first = err })
}

// repeat does something every so often, until ctx ends; do hears how often it was
// done before. What is under way then is brought to its end.
func (s *soaking) repeat(ctx context.Context, every time.Duration, do func(ctx context.Context, n int) error) (times int) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return times
		}
		if err := do(context.WithoutCancel(ctx), times); err != nil {
			s.failed(err)
		}
		times++
	}
}

func (s *soaking) restoreOnce(ctx context.Context, _ int) error {
	run, err := s.wrongRun(ctx, s.sys)
	if err != nil {
		return err
	}
	r, err := s.restore(ctx, s.sys, run)
	s.say("  after %s a restoration: plan %s, apply %s, certificate %s", s.since(), r.plan, r.apply, r.certificate)
	return err
}

func (s *soaking) rebuildOne(ctx context.Context, n int) error {
	view, began := rebuilt()[n%len(rebuilt())], time.Now()
	err := s.sys.Runner.Rebuild(ctx, view, nil)
	s.say("  after %s a rebuild of %s in %s", s.since(), view, time.Since(began))
	return err
}

// query asks what services and auditors ask.
func (s *soaking) query(ctx context.Context, offered *api.API, n int) (err error) {
	who := auth.Anonymous()
	switch n % 4 {
	case 0:
		_, err = offered.History(ctx, who, api.HistoryRequest{Actor: fmt.Sprint("user_", rand.IntN(s.Tenants))})
	case 1:
		_, err = offered.History(ctx, who, api.HistoryRequest{Subject: events.OfTenant(s.anyone())})
	case 2:
		_, err = offered.TenantAsOf(ctx, api.TenantAsOfRequest{Tenant: s.anyone(), At: "-1h"})
	case 3:
		_, err = offered.TenantGet(ctx, api.TenantGetRequest{Tenant: s.anyone()})
	}
	return err
}

// sample notes how far the views are behind and how much memory is in use.
func (s *soaking) sample(ctx context.Context, _ int) error {
	third := s.third(time.Now())
	at := s.sys.Seq() // before the head, so that it is never ahead of it
	head, err := s.sys.Log.Head(ctx)
	s.lag[third] = append(s.lag[third], float64(head-min(at, head)))
	s.memory[third] = append(s.memory[third], resident("self", "VmRSS"))
	return err
}
