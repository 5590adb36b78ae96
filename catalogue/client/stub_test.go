package client_test

import (
	"context"
	"encoding/json"
	"os"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/events"
	"tenantcatalogue/events/bus"
	"tenantcatalogue/events/eventlog"
	"tenantcatalogue/events/wire"
)

// stub is a catalogue that takes every event as it comes, on a real bus and a
// real log; what a real one decides is tested with the gate.
type stub struct {
	url  string
	log  *eventlog.Log
	bus  *bus.Bus
	dir  string
	seen map[events.EventID]events.Seq
	asks atomic.Int64 // how many publishes have come

	// refuse, when set, answers a publish instead: with a verdict each, or with
	// nothing.
	refuse func(ask int64, stored []events.Stored) (verdicts []client.Verdict, silent bool)
}

func newStub(ctx context.Context) (*stub, error) {
	dir, err := os.MkdirTemp("", "client-")
	if err != nil {
		return nil, err
	}
	s := &stub{dir: dir, seen: map[events.EventID]events.Seq{}}
	if s.bus, err = bus.Open(ctx, bus.Config{StoreDir: dir, Listen: bus.Listen{On: true}}); err != nil {
		return nil, err
	}
	s.url = s.bus.URL()
	conn, err := s.bus.LogConn()
	if err != nil {
		return nil, err
	}
	if s.log, err = eventlog.Open(ctx, conn, eventlog.Config{Create: true}); err != nil {
		return nil, err
	}
	go func() { _ = s.log.Feed(ctx, conn, 0, func(events.Seq) {}) }() // until the bus is closed
	gate, err := s.bus.GateConn()
	if err != nil {
		return nil, err
	}
	if _, err := gate.Subscribe("catalogue.v1.publish", func(m *nats.Msg) { s.publish(ctx, m) }); err != nil {
		return nil, err
	}
	if _, err := gate.Subscribe("catalogue.v1.read", func(m *nats.Msg) { s.read(ctx, m) }); err != nil {
		return nil, err
	}
	return s, gate.Flush()
}

func (s *stub) close() {
	s.bus.Close()
	_ = os.RemoveAll(s.dir)
}

func start(t *testing.T) *stub {
	t.Helper()
	s, err := newStub(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

func (s *stub) publish(ctx context.Context, m *nats.Msg) {
	var stored []events.Stored
	w := wire.NewReader(m.Data)
	defer w.Release()
	wire.Structs(w, &stored)
	if err := w.End(); err != nil {
		panic(err)
	}
	ask := s.asks.Add(1)
	if s.refuse != nil {
		verdicts, silent := s.refuse(ask, stored)
		if silent {
			return
		}
		if verdicts != nil {
			respond(m, verdicts)
			return
		}
	}
	verdicts := make([]client.Verdict, len(stored))
	for i, e := range stored {
		verdicts[i] = s.take(ctx, e)
	}
	respond(m, verdicts)
}

func (s *stub) take(ctx context.Context, e events.Stored) client.Verdict {
	if seq, known := s.seen[e.ID]; known {
		return client.Verdict{ID: e.ID, Seq: seq, Duplicate: true}
	}
	last, _, err := s.log.LastOf(ctx, e.About)
	if err != nil {
		panic(err)
	}
	got := s.log.Append(ctx, []events.Unit{{Events: []events.Stored{e}, Expected: []events.Seq{last.Seq}}})[0]
	if got.Err != nil {
		panic(got.Err)
	}
	s.seen[e.ID] = got.Last
	return client.Verdict{ID: e.ID, Seq: got.Last}
}

func (s *stub) read(ctx context.Context, m *nats.Msg) {
	var req client.ReadRequest
	if err := json.Unmarshal(m.Data, &req); err != nil {
		panic(err)
	}
	head, err := s.log.Head(ctx)
	if err != nil {
		panic(err)
	}
	if req.Format == client.FormatPages {
		s.readPages(ctx, m, req, head)
		return
	}
	out := client.ReadResponse{Head: head, Through: head}
	if err := s.log.Read(ctx, req.After, head, func(some []events.Stored) error {
		out.Events = append(out.Events, some...)
		return nil
	}); err != nil {
		panic(err)
	}
	raw, err := events.Marshal(&out)
	if err == nil {
		err = m.Respond(raw)
	}
	if err != nil {
		panic(err)
	}
}

// readPages answers with one page of at most ten events.
func (s *stub) readPages(ctx context.Context, m *nats.Msg, req client.ReadRequest, head events.Seq) {
	out := client.Pages{Log: s.log.Identity(), Head: head}
	var all []events.Stored
	if err := s.log.Read(ctx, 0, head, func(some []events.Stored) error {
		all = append(all, some...)
		for _, e := range some {
			out.Rolling = out.Rolling.Add(e)
		}
		return nil
	}); err != nil {
		panic(err)
	}
	if req.After < head {
		out.Pages = [][]byte{events.AppendPage(nil, all[req.After:min(req.After+10, head)])}
	}
	raw, err := out.MarshalBinary()
	if err == nil {
		err = m.Respond(raw)
	}
	if err != nil {
		panic(err)
	}
}

func respond(m *nats.Msg, v any) {
	raw, err := json.Marshal(v)
	if err == nil {
		err = m.Respond(raw)
	}
	if err != nil {
		panic(err)
	}
}

// deactivated makes the n-th event of a test.
func deactivated(n string) events.Event {
	return events.Event{
		ID: events.DeriveID[events.EventID](n), Source: "/services/provisioning", Actor: "system:provisioning", Time: 1,
		About: events.OfTenant(events.DeriveID[events.TenantID]("acme")), Payload: events.TenantDeactivated{Reason: n},
	}
}
