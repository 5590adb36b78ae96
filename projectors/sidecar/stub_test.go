package sidecar_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"sync"

	"github.com/nats-io/nats.go"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/events"
	"tenantcatalogue/events/bus"
)

// stub answers reads as a catalogue does, on a real bus, from a log in memory
// that a test may spoil. The real one is tested with the gate.
type stub struct {
	dir  string
	bus  *bus.Bus
	feed *nats.Conn

	mu    sync.Mutex
	name  string // of the log
	log   []events.Stored
	mute  bool                // it does not answer
	spoil func(*client.Pages) // when set, changes an answer
}

func newStub(ctx context.Context, name string, log []events.Stored) (s *stub, err error) {
	s = &stub{name: name, log: log}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "sidecar-"); err != nil {
		return nil, err
	}
	if s.bus, err = bus.Open(ctx, bus.Config{StoreDir: s.dir, Listen: bus.Listen{On: true}}); err != nil {
		return nil, err
	}
	if s.feed, err = s.bus.LogConn(); err != nil {
		return nil, err
	}
	gate, err := s.bus.GateConn()
	if err != nil {
		return nil, err
	}
	if _, err := gate.Subscribe("catalogue.v1.read", s.read); err != nil {
		return nil, err
	}
	return s, gate.Flush()
}

func (s *stub) close() {
	if s.bus != nil {
		s.bus.Close()
	}
	_ = os.RemoveAll(s.dir)
}

// be makes the stub another catalogue.
func (s *stub) be(name string, log []events.Stored) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.name, s.log = name, log
}

func (s *stub) silent(mute bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mute = mute
}

func (s *stub) spoiled(how func(*client.Pages)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spoil = how
}

// publish puts events at the end of the log and on the feed.
func (s *stub) publish(list ...events.Stored) error {
	s.mu.Lock()
	s.log = append(s.log, list...)
	s.mu.Unlock()
	var errs []error
	for _, e := range list {
		m := nats.NewMsg(events.FeedPrefix + e.About.Kind.String() + "." + e.About.String())
		m.Data = e.Data
		for k, v := range map[string]string{
			events.HeaderID: e.ID.String(), events.HeaderType: string(e.Type), events.HeaderSource: e.Source, "Nats-Sequence": e.Seq.String(),
		} {
			m.Header.Set(k, v)
		}
		errs = append(errs, s.feed.PublishMsg(m))
	}
	return errors.Join(append(errs, s.feed.Flush())...)
}

// tell tells the head of the log on the feed.
func (s *stub) tell(head client.Head) error {
	raw, err := json.Marshal(head)
	if err != nil {
		return err
	}
	return errors.Join(s.feed.Publish(client.HeadSubject, raw), s.feed.Flush())
}

func (s *stub) read(m *nats.Msg) {
	var req client.ReadRequest
	if err := json.Unmarshal(m.Data, &req); err != nil || req.Format != client.FormatPages {
		panic("not a read in bulk")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mute {
		return
	}
	head := events.Seq(len(s.log))
	if req.MinSeq > head {
		answer := nats.NewMsg(m.Reply)
		answer.Header.Set("Nats-Service-Error-Code", "400")
		answer.Data = []byte(`{"code":"malformed","detail":"min_seq: the log is not that long"}`)
		_ = m.RespondMsg(answer)
		return
	}
	out := client.Pages{Log: s.name, Head: head}
	for _, e := range s.log {
		out.Rolling = out.Rolling.Add(e)
	}
	if req.After < head {
		upTo := min(req.After+min(events.Seq(req.Limit), 100), head)
		out.Pages = [][]byte{events.AppendPage(nil, s.log[req.After:upTo])}
	}
	if s.spoil != nil {
		s.spoil(&out)
	}
	raw, err := out.MarshalBinary()
	if err != nil {
		panic(err)
	}
	_ = m.Respond(raw) // whoever gets no answer, because the bus stops, asks again
}
