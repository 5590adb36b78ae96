package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"

	"github.com/nats-io/nats.go"

	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/cmd/internal/gate"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
)

const (
	reads      = 200_000 // lookups; as many come before, to warm both sides up
	hotTenants = 1000
	asOfReads  = 20_000
	requests   = 5_000
)

func readRows() []Row {
	return []Row{
		{
			Name: "read-current", What: "current state of a tenant from the local view",
			Figures: []Figure{
				{Name: "p50", Unit: "µs", Baseline: "a bare Pebble Get, p50", Target: ratioAtMost(1.3)},
				{Name: "p99", Unit: "µs", Baseline: "a bare Pebble Get, p99"},
				{Name: "hot-p50", Unit: "µs", Target: atMost(2)},
				{Name: "decoded-p50", Unit: "µs", Baseline: "a bare Pebble Get, p50"},
			},
			Run: readCurrent,
		},
		{
			Name: "read-gate", What: "what read-current reads, through the gate on loopback, one after the other; whole: with everything that a tenant has",
			Figures: []Figure{
				{Name: "p50", Unit: "µs", Baseline: "a bare NATS request with the same answer, p50", Target: ratioAtMost(2)},
				{Name: "p99", Unit: "µs", Baseline: "a bare NATS request with the same answer, p99"},
				{Name: "whole-p50", Unit: "µs", Baseline: "a bare NATS request with the same answer, p50"},
				{Name: "whole-p99", Unit: "µs", Baseline: "a bare NATS request with the same answer, p99"},
			},
			Run: readGate,
		},
		{
			Name: "as-of", What: "a tenant of 20 events as of a Seq",
			Figures: []Figure{
				{Name: "p50", Unit: "µs", Baseline: "a bare Pebble seek and 20 rows, p50", Target: atMost(40)},
				{Name: "p99", Unit: "µs", Baseline: "a bare Pebble seek and 20 rows, p99", Target: atMost(250)},
			},
			Run: asOf,
		},
		{
			Name: "history-query", What: "first page of the history",
			Figures: []Figure{
				{Name: "run", Unit: "ms", Target: atMost(1).at(1_000_000)},
				{Name: "actor", Unit: "ms", Target: atMost(1).at(1_000_000)},
				{Name: "tenant", Unit: "ms", Target: atMost(1).at(1_000_000)},
			},
			Run: historyQuery,
		},
	}
}

// each calls do n times and tells how long each call took.
func each(n int, do func(i int) error) (samples, error) { return inTurns(1, n, do) }

// anyone is a tenant chosen at random.
func (e *Env) anyone() events.TenantID { return e.cast.Tenant(rand.IntN(e.Tenants)) }

// lookups reads tenants chosen at random among the first so many, once to warm up
// and once to measure.
func (e *Env) lookups(view viewdb.Reader, among int) (took samples, err error) {
	for range 2 {
		took, err = each(reads, func(int) error {
			id := e.cast.Tenant(rand.IntN(among))
			if _, found, err := tenants.Get(view, id); err != nil || !found {
				return errors.Join(fmt.Errorf("%s is not to be had", id), err)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return took, nil
}

func readCurrent(ctx context.Context, e *Env) ([]Value, error) {
	sys, err := e.Serving(ctx)
	if err != nil {
		return nil, err
	}
	db, release, err := sys.Homes[tenants.Name].Acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	all, err := e.lookups(db, e.Tenants)
	if err != nil {
		return nil, err
	}
	hot, err := e.lookups(db, min(hotTenants, e.Tenants))
	if err != nil {
		return nil, err
	}
	decoded, err := e.lookups(struct{ viewdb.Reader }{db}, e.Tenants) // so wrapped, it keeps nothing
	if err != nil {
		return nil, err
	}
	scratch, err := e.Scratch()
	if err != nil {
		return nil, err
	}
	bare, err := openBare(sys.Homes[tenants.Name], filepath.Join(scratch, "tenants"), []byte{'e'}, e.Tenants)
	if err != nil {
		return nil, err
	}
	defer bare.close()
	if _, err := bare.get(reads); err != nil {
		return nil, err
	}
	raw, err := bare.get(reads)
	return []Value{
		{micros(all.percentile(50)), micros(raw.percentile(50))},
		{micros(all.percentile(99)), micros(raw.percentile(99))},
		{Value: micros(hot.percentile(50))},
		{micros(decoded.percentile(50)), micros(raw.percentile(50))},
	}, err
}

// withGate opens the gate of a system and a connection of a service.
func withGate(ctx context.Context, sys *daemon.System, f func(service *nats.Conn) error) (err error) {
	offered, err := api.New(sys)
	if err != nil {
		return err
	}
	conn, err := sys.Bus.GateConn()
	if err != nil {
		return err
	}
	door, err := gate.Open(ctx, gate.Config{Conn: conn, API: offered, Version: "0.0.0"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, door.Close(context.WithoutCancel(ctx))) }()
	service, err := nats.Connect(sys.Bus.URL())
	if err != nil {
		return err
	}
	defer service.Close()
	return f(service)
}

func readGate(ctx context.Context, e *Env) ([]Value, error) {
	sys, err := e.Serving(ctx)
	if err != nil {
		return nil, err
	}
	var out []Value
	for _, subject := range []string{"catalogue.v1.tenant.record", "catalogue.v1.tenant.get"} {
		ours, size, err := e.gateRequests(ctx, sys, subject)
		if err != nil {
			return nil, err
		}
		bare, err := bareRequests(ctx, sys, size)
		if err != nil {
			return nil, err
		}
		for _, p := range []float64{50, 99} {
			out = append(out, Value{micros(ours.percentile(p)), micros(bare.percentile(p))})
		}
	}
	return out, nil
}

// gateRequests asks the gate for tenants chosen at random, and tells how large an
// answer is.
func (e *Env) gateRequests(ctx context.Context, sys *daemon.System, subject string) (took samples, size int, err error) {
	err = withGate(ctx, sys, func(service *nats.Conn) error {
		took, err = each(requests, func(int) error {
			raw, err := json.Marshal(api.TenantGetRequest{Tenant: e.anyone()})
			if err != nil {
				return err
			}
			answer, err := service.RequestWithContext(ctx, subject, raw)
			if err == nil {
				size = len(answer.Data)
			}
			if err == nil && answer.Header.Get("Nats-Service-Error-Code") != "" {
				err = fmt.Errorf("the gate refuses: %s", answer.Data)
			}
			return err
		})
		return err
	})
	return took, size, err
}

// bareRequests asks a responder on the same server that does nothing.
func bareRequests(ctx context.Context, sys *daemon.System, size int) (samples, error) {
	var conns [2]*nats.Conn
	for i := range conns {
		nc, err := sys.Bus.GateConn()
		if err != nil {
			return nil, err
		}
		defer nc.Close()
		conns[i] = nc
	}
	answer := make([]byte, size)
	subject := conns[0].NewInbox()
	_, err := conns[0].Subscribe(subject, func(m *nats.Msg) { _ = m.Respond(answer) })
	if err == nil {
		err = conns[0].Flush()
	}
	if err != nil {
		return nil, err
	}
	question := make([]byte, 60)
	return each(requests, func(int) error {
		_, err := conns[1].RequestWithContext(ctx, subject, question)
		return err
	})
}

func asOf(ctx context.Context, e *Env) ([]Value, error) {
	sys, err := e.Serving(ctx)
	if err != nil {
		return nil, err
	}
	var ours samples
	err = history.View(sys.History, func(r *history.Reader) error {
		for range 2 { // the first to warm up
			ours, err = each(asOfReads, func(int) error {
				_, err := replay.AsOf(r, events.OfTenant(e.anyone()), r.Head()*9/10)
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	scratch, err := e.Scratch()
	if err != nil {
		return nil, err
	}
	bare, err := openBare(sys.History, filepath.Join(scratch, "history"), []byte{'b'}, e.Tenants)
	if err != nil {
		return nil, err
	}
	defer bare.close()
	if _, err := bare.scan(asOfReads, 20); err != nil {
		return nil, err
	}
	raw, err := bare.scan(asOfReads, 20)
	return []Value{
		{micros(ours.percentile(50)), micros(raw.percentile(50))},
		{micros(ours.percentile(99)), micros(raw.percentile(99))},
	}, err
}

func historyQuery(ctx context.Context, e *Env) ([]Value, error) {
	sys, err := e.Serving(ctx)
	if err != nil {
		return nil, err
	}
	offered, err := api.New(sys)
	if err != nil {
		return nil, err
	}
	var out []Value
	for _, ask := range []func() api.HistoryRequest{
		func() api.HistoryRequest { return api.HistoryRequest{Run: e.cast.RightRun()} },
		func() api.HistoryRequest {
			return api.HistoryRequest{Actor: fmt.Sprint("user_", rand.IntN(e.Tenants))}
		},
		func() api.HistoryRequest { return api.HistoryRequest{Subject: events.OfTenant(e.anyone())} },
	} {
		took, err := each(1000, func(int) error {
			answer, err := offered.History(ctx, auth.Anonymous(), ask())
			if err == nil && len(answer.Events) == 0 {
				err = errors.New("a query finds nothing")
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		out = append(out, Value{Value: millis(took.percentile(50))})
	}
	return out, nil
}
