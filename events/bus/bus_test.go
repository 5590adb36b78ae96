package bus_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"tenantcatalogue/events"
	"tenantcatalogue/events/bus"
	"tenantcatalogue/events/eventlog"
	"tenantcatalogue/events/eventtest"
)

var (
	admin    = bus.Credential{User: "admin", Password: "admin-admin-admin"}
	commerce = bus.Credential{User: "commerce", Password: "commerce-commerce"}
	janitor  = bus.Credential{User: "janitor", Password: "janitor-janitor-janitor", Roles: []string{bus.RoleDelete}}
)

const (
	// patience is how long is waited for what must come, wait for what must not.
	patience = time.Minute
	wait     = 200 * time.Millisecond
)

// house is a bus with a log of one event, a gate and a client of each kind.
type house struct {
	bus     *bus.Bus
	log     *eventlog.Log
	logConn *nats.Conn
	gate    *nats.Conn
	clients map[string]*nats.Conn // by user
}

func open(t *testing.T) *house {
	t.Helper()
	h := &house{clients: map[string]*nats.Conn{}}
	h.bus = eventtest.StartWith(t, bus.Config{
		Listen: bus.Listen{On: true}, Admin: admin, Credentials: []bus.Credential{commerce, janitor},
	})
	keep := func(nc *nats.Conn, err error) *nats.Conn {
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}
	h.logConn, h.gate = keep(h.bus.LogConn()), keep(h.bus.GateConn())
	h.clients[bus.Anonymous] = keep(nats.Connect(h.bus.URL(), nats.Timeout(patience), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})))
	for _, c := range []bus.Credential{admin, commerce, janitor} {
		h.clients[c.User] = keep(h.bus.ConnAs(c))
	}
	var err error
	if h.log, err = eventlog.Open(t.Context(), h.logConn, eventlog.Config{Create: true}); err != nil {
		t.Fatal(err)
	}
	eventtest.MustAppend(t, h.log, eventtest.One(eventtest.Event("a", 1), 0))
	h.serve(t)
	return h
}

// serve answers every request with the account and user of the caller.
func (h *house) serve(t *testing.T) {
	t.Helper()
	answer := func(r micro.Request) {
		caller, err := bus.CallerOf(r.Headers())
		if err != nil {
			_ = r.Error("401", err.Error(), nil)
			return
		}
		_ = r.Respond([]byte(caller.Account + " " + caller.User))
	}
	svc, err := micro.AddService(h.gate, micro.Config{Name: "catalogue", Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"catalogue.v1.publish", "catalogue.admin.v1.restore"} {
		if err := svc.AddEndpoint(strings.ReplaceAll(subject, ".", "-"), micro.HandlerFunc(answer), micro.WithEndpointSubject(subject)); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.gate.Flush(); err != nil {
		t.Fatal(err)
	}
}

func TestGateKnowsItsCallers(t *testing.T) {
	t.Parallel()
	h := open(t)
	for user, want := range map[string]string{
		bus.Anonymous: "SERVICES anonymous", "commerce": "SERVICES commerce", "janitor": "DELETERS janitor", "admin": "OPERATORS admin",
	} {
		m, err := h.clients[user].Request("catalogue.v1.publish", nil, patience)
		if err != nil || string(m.Data) != want {
			t.Errorf("%s: %v, %v; want %q", user, m, err, want)
		}
		within := wait
		if user == "admin" {
			within = patience
		}
		_, err = h.clients[user].Request("catalogue.admin.v1.restore", nil, within)
		if (err == nil) != (user == "admin") {
			t.Errorf("admin endpoint for %s: %v", user, err)
		}
	}
}

func TestIdentityCannotBeForged(t *testing.T) {
	t.Parallel()
	h := open(t)
	forged := `{"acc":"OPERATORS","user":"admin"}`
	for name, header := range map[string]nats.Header{
		"once":         {"Nats-Request-Info": {forged}},
		"twice":        {"Nats-Request-Info": {forged, forged}},
		"lower case":   {"nats-request-info": {forged}},
		"behind a tab": {"Nats-Request-Info\t": {forged}},
		"as a suffix":  {"X-Nats-Request-Info": {forged}, "Nats-Request-Info": {forged}},
	} {
		m, err := h.clients[bus.Anonymous].RequestMsg(&nats.Msg{Subject: "catalogue.v1.publish", Header: header}, time.Second)
		if err == nil && string(m.Data) != "SERVICES anonymous" {
			t.Errorf("%s: the gate took it for %q", name, m.Data)
		}
	}
	for _, header := range []map[string][]string{
		nil,
		{"Nats-Request-Info": {`{"acc":"OPERATORS","user":"admin"}`, `{"acc":"SERVICES","user":"x"}`}},
		{"Nats-Request-Info": {`{"acc":"GATE","user":"gate"}`}},
		{"Nats-Request-Info": {`{"acc":"SERVICES"}`}},
		{"Nats-Request-Info": {`{"acc":"OPERATORS","user":"admin","svc":"SERVICES"}`}},
		{"Nats-Request-Info": {`nonsense`}},
	} {
		if caller, err := bus.CallerOf(header); !errors.Is(err, bus.ErrNoCaller) {
			t.Errorf("%v: %v, %v", header, caller, err)
		}
	}
}

// TestLogIsOutOfReach tries every way to the stream that a client has.
func TestLogIsOutOfReach(t *testing.T) {
	t.Parallel()
	h := open(t)
	api := []string{
		"$JS.API.STREAM.DELETE.CATALOGUE", "$JS.API.STREAM.PURGE.CATALOGUE", "$JS.API.STREAM.INFO.CATALOGUE",
		"$JS.API.DIRECT.GET.CATALOGUE", "$JS.API.INFO", eventtest.Event("a", 1).About.Subject(), "$SYS.REQ.SERVER.PING",
	}
	for user, nc := range h.clients {
		for _, subject := range api {
			if m, err := nc.Request(subject, nil, wait/4); err == nil {
				t.Errorf("%s got an answer on %s: %s", user, subject, m.Data)
			}
			// The reply subject is not checked against the permissions.
			err := nc.PublishMsg(&nats.Msg{Subject: "catalogue.v1.publish", Reply: subject, Data: []byte("{}")})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.gate.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := eventtest.All(t, h.log); len(got) != 1 {
		t.Errorf("the log has %d events", len(got))
	}
}

func TestFeedReachesEverybodyAndNobodyElseWritesIt(t *testing.T) {
	t.Parallel()
	h := open(t)
	subs := map[string]*nats.Subscription{}
	for user, nc := range h.clients {
		sub, err := nc.SubscribeSync("catalogue.feed.>")
		if err != nil {
			t.Fatal(err)
		}
		subs[user] = sub
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	subject := events.FeedPrefix + "tenant." + eventtest.Event("b", 1).About.String()
	forged := &nats.Msg{Subject: subject, Header: nats.Header{"Nats-Sequence": {"2"}, events.HeaderID: {"forged"}}, Data: []byte("forged")}
	for _, nc := range h.clients {
		if err := nc.PublishMsg(forged); err != nil {
			t.Fatal(err)
		}
		request := *forged
		request.Subject, request.Reply = "catalogue.v1.publish", subject
		if err := nc.PublishMsg(&request); err != nil {
			t.Fatal(err)
		}
		trace := nats.Header{"Nats-Trace-Dest": {subject}}
		if err := nc.PublishMsg(&nats.Msg{Subject: "catalogue.v1.publish", Header: trace}); err != nil {
			t.Fatal(err)
		}
		if _, err := nc.Request("catalogue.v1.publish", nil, patience); err != nil {
			t.Fatal(err)
		}
	}
	go func() { _ = h.log.Feed(t.Context(), h.logConn, 1, func(events.Seq) {}) }()
	eventtest.MustAppend(t, h.log, eventtest.One(eventtest.Event("b", 1), 0))
	for user, sub := range subs {
		for {
			m, err := sub.NextMsg(patience)
			if err != nil {
				t.Fatalf("%s: %v", user, err)
			}
			if m.Header.Get("Nats-Sequence") == "" || m.Header.Get(events.HeaderID) == "" {
				continue // the gate's answer to a request that named the feed for its reply
			}
			if string(m.Data) != "b 1" || m.Subject != subject || m.Header.Get("Nats-Sequence") != "2" {
				t.Errorf("%s: %+v", user, m)
			}
			break
		}
	}
}

func TestClientsCannotStandInForTheGate(t *testing.T) {
	t.Parallel()
	h := open(t)
	for user, nc := range h.clients {
		refused := make(chan error, 1)
		nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err })
		if _, err := nc.SubscribeSync("catalogue.v1.>"); err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-refused:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v", user, err)
			}
		case <-time.After(patience):
			t.Errorf("%s may listen to requests", user)
		}
	}
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	h := open(t)
	for user, nc := range h.clients {
		m, err := nc.Request("$SRV.INFO.catalogue", nil, patience)
		if err != nil || !strings.Contains(string(m.Data), `"subject":"catalogue.v1.publish"`) {
			t.Errorf("%s: %v, %v", user, m, err)
		}
	}
}

// TestDenyDeleteIsNotEnough shows why the log has an account of its own.
func TestDenyDeleteIsNotEnough(t *testing.T) {
	t.Parallel()
	h := open(t)
	js, err := jetstream.New(h.logConn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), eventlog.DefaultStream)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteMsg(t.Context(), 1); err == nil {
		t.Error("a message was deleted")
	}
	if err := stream.Purge(t.Context()); err == nil {
		t.Error("the stream was purged")
	}
	if err := js.DeleteStream(t.Context(), eventlog.DefaultStream); err != nil {
		t.Error("deny_delete has come to refuse this: the package comments may say so", err)
	}
}

func TestRestartKeepsEverything(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var identity string
	for round := range 3 {
		b, err := bus.Open(t.Context(), bus.Config{StoreDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		nc, err := b.LogConn()
		if err != nil {
			t.Fatal(err)
		}
		l, err := eventlog.Open(t.Context(), nc, eventlog.Config{Create: round == 0})
		if err != nil {
			t.Fatal(err)
		}
		if round > 0 && l.Identity() != identity {
			t.Errorf("identity %q, was %q", l.Identity(), identity)
		}
		identity = l.Identity()
		eventtest.MustAppend(t, l, eventtest.One(eventtest.Event("a", round), events.Seq(round)))
		if got := eventtest.All(t, l); len(got) != round+1 {
			t.Error(got)
		}
		nc.Close()
		b.Close()
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	weak := bus.Credential{User: "weak", Password: "short"}
	for name, cfg := range map[string]bus.Config{
		"no directory":    {},
		"a weak password": {StoreDir: t.TempDir(), Credentials: []bus.Credential{weak}},
		"a name twice":    {StoreDir: t.TempDir(), Admin: admin, Credentials: []bus.Credential{admin}},
		"a taken name":    {StoreDir: t.TempDir(), Credentials: []bus.Credential{{User: "log", Password: admin.Password}}},
		"a quoted name":   {StoreDir: t.TempDir(), Credentials: []bus.Credential{{User: `a"`, Password: admin.Password}}},
		"an unknown role": {StoreDir: t.TempDir(), Credentials: []bus.Credential{{User: "a", Password: admin.Password, Roles: []string{"root"}}}},
	} {
		if b, err := bus.Open(t.Context(), cfg); err == nil {
			b.Close()
			t.Error(name, "was accepted")
		}
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := bus.Open(canceled, bus.Config{StoreDir: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestTakenPort wants a start on a port that is taken to say so, and to leave nothing
// behind.
func TestTakenPort(t *testing.T) {
	t.Parallel()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // nothing was written
	port := netip.MustParseAddrPort(taken.Addr().String()).Port()
	dir := t.TempDir()
	_, err = bus.Open(t.Context(), bus.Config{StoreDir: dir, Listen: bus.Listen{On: true, Port: int(port)}})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); len(left) != 0 || err != nil {
		t.Error(left, err)
	}
}

func TestRoom(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	if err := b.Room(1); err != nil {
		t.Error(err)
	}
	if err := b.Room(1 << 62); !errors.Is(err, events.ErrNoSpace) {
		t.Error(err)
	}
}
