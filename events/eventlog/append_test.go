package eventlog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tenantcatalogue/events"
	"tenantcatalogue/events/eventlog"
	"tenantcatalogue/events/eventtest"
)

// rig is a log whose connection passes through a proxy that can swallow what
// the server says.
type rig struct {
	log     *eventlog.Log
	conn    *nats.Conn             // the log's, through the proxy
	foreign *nats.Conn             // another's, past the proxy
	losing  atomic.Pointer[string] // what the next answer to be lost holds; nil: none is
}

// What answers of the server hold.
const (
	acknowledgment = `{"stream":"CATALOGUE"`
	refusal        = `"err_code":10071`
)

// lose loses the next answer that holds this.
func (r *rig) lose(answer string) { r.losing.Store(&answer) }

func newRig(t *testing.T, cfg eventlog.Config) *rig {
	t.Helper()
	// A server without accounts: the proxy needs a listener and a user.
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server is not ready")
	}
	r := &rig{}
	r.conn = connect(t, "nats://"+r.proxy(t, s.Addr().String()))
	r.foreign = connect(t, s.ClientURL())
	cfg.Create = true
	if r.log, err = eventlog.Open(t.Context(), r.conn, cfg); err != nil {
		t.Fatal(err)
	}
	return r
}

func connect(t *testing.T, url string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, nats.Timeout(time.Minute), nats.ReconnectWait(10*time.Millisecond), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// proxy forwards connections. It loses an answer of the server by breaking the
// connection when it comes.
func (r *rig) proxy(t *testing.T, to string) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			upstream, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", to)
			if err != nil {
				_ = client.Close()
				return
			}
			go func() { _, _ = io.Copy(upstream, client); _ = upstream.Close() }()
			go func() {
				defer client.Close() //nolint:errcheck // it is being broken on purpose
				buf := make([]byte, 64<<10)
				for {
					n, err := upstream.Read(buf)
					if err != nil {
						return
					}
					if lost := r.losing.Load(); lost != nil && bytes.Contains(buf[:n], []byte(*lost)) {
						r.losing.Store(nil)
						_ = upstream.Close()
						return
					}
					if _, err := client.Write(buf[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func TestLostAckIsSettled(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventlog.Config{AckWait: 500 * time.Millisecond})
	for _, size := range []int{1, 2, 300} {
		for name, appendTo := range map[string]func(base events.Seq, units []events.Unit) []events.Appended{
			"appended": func(_ events.Seq, units []events.Unit) []events.Appended { return r.log.Append(t.Context(), units) },
			"staged": func(base events.Seq, units []events.Unit) []events.Appended {
				return r.log.Stage(base, units)(t.Context())
			},
			"staged too late": func(base events.Seq, units []events.Unit) []events.Appended {
				return r.log.Stage(base-1, units)(t.Context())
			},
		} {
			eventtest.MustAppend(t, r.log, eventtest.One(eventtest.Event(fmt.Sprint(name, size), 0), 0))
			var units []events.Unit
			for i := range size {
				units = append(units, eventtest.One(eventtest.Event(fmt.Sprint(name, size, "/", i), 1), 0))
			}
			before, err := r.log.Head(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			r.lose(acknowledgment)
			answers := appendTo(before, units)
			if r.losing.Load() != nil {
				t.Fatal("no acknowledgment was lost")
			}
			if answers[0].First != before+1 || answers[size-1].Last != before+events.Seq(size) {
				t.Errorf("batch of %d %s after %d: %v", size, name, before, answers)
			}
			if head, err := r.log.Head(t.Context()); err != nil || head != before+events.Seq(size) {
				t.Errorf("batch of %d %s after %d: the head is %d, %v", size, name, before, head, err)
			}
		}
	}
}

func TestLostRefusalIsAConflict(t *testing.T) {
	t.Parallel()
	appended := func(l *eventlog.Log, units []events.Unit) []events.Appended { return l.Append(t.Context(), units) }
	staged := func(l *eventlog.Log, units []events.Unit) []events.Appended { return l.Stage(0, units)(t.Context()) }
	for name, c := range map[string]struct {
		stale    int
		appendTo func(*eventlog.Log, []events.Unit) []events.Appended
	}{
		"the first of a batch":        {0, appended},
		"the last of a batch":         {1, appended},
		"the first of a staged batch": {0, staged},
		"the last of a staged batch":  {1, staged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Whoever waits for the log to settle, waits for ever.
			r := newRig(t, eventlog.Config{AckWait: 500 * time.Millisecond, Settle: time.Hour})
			eventtest.MustAppend(t, r.log, eventtest.One(eventtest.Event("a", 1), 0))
			r.lose(refusal)
			units := []events.Unit{eventtest.One(eventtest.Event("a", 2), 0), eventtest.One(eventtest.Event("b", 1), 0)}
			units[0], units[c.stale] = units[c.stale], units[0]
			answers := c.appendTo(r.log, units)
			if !errors.Is(answers[c.stale].Err, events.ErrConflict) || answers[1-c.stale].Err != nil {
				t.Error(answers)
			}
			if r.losing.Load() != nil {
				t.Error("no refusal was lost")
			}
			if got := eventtest.All(t, r.log); len(got) != 2 {
				t.Error(got)
			}
		})
	}
}

func TestUnreachableLogIsUnavailable(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventlog.Config{Settle: 100 * time.Millisecond})
	r.conn.Close()
	answers := r.log.Append(t.Context(), []events.Unit{eventtest.One(eventtest.Event("a", 1), 0)})
	if !errors.Is(answers[0].Err, events.ErrUnavailable) {
		t.Error(answers)
	}
	if _, err := r.log.Head(t.Context()); !errors.Is(err, events.ErrUnavailable) {
		t.Error(err)
	}
}

func TestTailSurvivesItsConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventlog.Config{AckWait: 500 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	// It has nothing in memory of what the other appends.
	reader, err := eventlog.Open(t.Context(), r.conn, eventlog.Config{})
	if err != nil {
		t.Fatal(err)
	}
	const want = 10
	var seen events.Seq
	stop := errors.New("stop")
	done := make(chan error, 1)
	go func() {
		done <- reader.Tail(ctx, 0, func(got []events.Stored) error {
			seen += events.Seq(len(got))
			if seen == want {
				return stop
			}
			return nil
		})
	}()
	for i := range want {
		r.lose(acknowledgment) // breaks the connection that Tail reads over as well
		eventtest.MustAppend(t, r.log, eventtest.One(eventtest.Event("a", i), events.Seq(i)))
	}
	if err := <-done; !errors.Is(err, stop) {
		t.Error(err)
	}
}

// TestTailSeesOthers tails a log that stops appending and goes on elsewhere.
func TestTailSeesOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventlog.Config{Poll: 10 * time.Millisecond})
	elsewhere, err := eventlog.Open(t.Context(), r.foreign, eventlog.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	const want = 20
	came, done := make(chan events.Seq), make(chan error, 1)
	stop := errors.New("stop")
	go func() {
		done <- r.log.Tail(ctx, 0, func(got []events.Stored) error {
			for _, s := range got {
				came <- s.Seq
				if s.Seq == want {
					return stop
				}
			}
			return nil
		})
	}()
	for i := range want {
		by := r.log
		if i%4 > 1 {
			by = elsewhere // and nothing follows until it has come
		}
		eventtest.MustAppend(t, by, eventtest.One(eventtest.Event("a", i), events.Seq(i)))
		select {
		case seq := <-came:
			if seq != events.Seq(i+1) {
				t.Fatalf("event %d in place of %d", seq, i+1)
			}
		case err := <-done:
			t.Fatalf("event %d: %v", i+1, err)
		}
	}
	if err := <-done; !errors.Is(err, stop) {
		t.Error(err)
	}
}

// TestStagedExpectsOnce looks at what a staged batch has in its headers.
func TestStagedExpectsOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventlog.Config{})
	stream := eventtest.Stream(t, r.foreign)
	headers := func(seq uint64) (of []string) {
		m, err := stream.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range m.Header {
			if strings.Contains(name, "Expected") {
				of = append(of, name+" "+values[0])
			}
		}
		return of
	}
	units := func(name string) []events.Unit {
		return []events.Unit{eventtest.One(eventtest.Event(name, 1), 0), eventtest.One(eventtest.Event(name+"'", 1), 0)}
	}
	const last, ofSubject = "Nats-Expected-Last-Sequence ", "Nats-Expected-Last-Subject-Sequence "
	for i, c := range []struct {
		answers []events.Appended
		want    [2]string
	}{
		{r.log.Stage(0, units("staged"))(t.Context()), [2]string{last + "0", ""}},
		{r.log.Stage(1, units("too late"))(t.Context()), [2]string{ofSubject + "0", ofSubject + "0"}},
		{r.log.Append(t.Context(), units("appended")), [2]string{ofSubject + "0", ofSubject + "0"}},
	} {
		for k, want := range c.want {
			if got := strings.Join(headers(uint64(2*i+k+1)), ", "); got != want || c.answers[k].Err != nil {
				t.Errorf("event %d expects %q, want %q, %v", 2*i+k+1, got, want, c.answers[k].Err)
			}
		}
	}
}

// TestOtherDecisionIsNoAck loses the refusal of an event that somebody else has
// appended with the same id, decided at another time: it is not what was sent.
func TestOtherDecisionIsNoAck(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventlog.Config{AckWait: 500 * time.Millisecond, Settle: time.Hour})
	elsewhere, err := eventlog.Open(t.Context(), r.foreign, eventlog.Config{})
	if err != nil {
		t.Fatal(err)
	}
	other := eventtest.Event("a", 1)
	other.Data = []byte("recorded at another time")
	eventtest.MustAppend(t, elsewhere, eventtest.One(other, 0))
	r.lose(refusal)
	got := r.log.Stage(0, []events.Unit{eventtest.One(eventtest.Event("a", 1), 0)})(t.Context())
	if !errors.Is(got[0].Err, events.ErrConflict) {
		t.Errorf("it is taken for what was sent: %+v", got[0])
	}
	if r.losing.Load() != nil {
		t.Error("no refusal was lost")
	}
}

// TestFeed follows the feed while its events are appended here and elsewhere, and its
// connection breaks: what comes is in order, and what is lost is seen to be missing.
func TestFeed(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventlog.Config{AckWait: 500 * time.Millisecond})
	elsewhere, err := eventlog.Open(t.Context(), r.foreign, eventlog.Config{})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := r.foreign.SubscribeSync(events.FeedPrefix + ">")
	if err != nil {
		t.Fatal(err)
	}
	eventtest.MustAppend(t, r.log, eventtest.One(eventtest.Event("a", 0), 0))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	if err := r.foreign.Flush(); err != nil {
		t.Fatal(err)
	}
	const want = 31 // whose connection does not break
	fed := make(chan events.Seq, 10*want)
	go func() { ended <- r.log.Feed(ctx, r.conn, 1, func(seq events.Seq) { fed <- seq }) }()
	for i := 1; i < want; i++ {
		switch i % 3 {
		case 0:
			eventtest.MustAppend(t, elsewhere, eventtest.One(eventtest.Event("a", i), events.Seq(i)))
		case 1:
			eventtest.MustAppend(t, r.log, eventtest.One(eventtest.Event("a", i), events.Seq(i)))
		default:
			if i > want/2 {
				r.lose(acknowledgment)
			}
			eventtest.MustAppend(t, r.log, eventtest.One(eventtest.Event("a", i), events.Seq(i)))
		}
	}
	seen, last := 0, 1
	for last < want {
		m, err := sub.NextMsg(time.Minute)
		if err != nil {
			t.Fatalf("after event %d: %v", last, err)
		}
		seq, err := strconv.Atoi(m.Header.Get("Nats-Sequence"))
		if err != nil || seq <= last || seq > last+1 && seq <= want/2 {
			t.Fatalf("%d after %d, %v", seq, last, err)
		}
		e := eventtest.Event("a", seq-1)
		if m.Subject != "catalogue.feed.tenant."+e.About.String() || !bytes.Equal(m.Data, e.Data) ||
			m.Header.Get(events.HeaderID) != e.ID.String() || m.Header.Get(events.HeaderType) != string(e.Type) || m.Header.Get(events.HeaderSource) != e.Source {
			t.Errorf("event %d: %+v", seq, m)
		}
		seen, last = seen+1, seq
	}
	if seen < want/2 {
		t.Errorf("%d of %d events came", seen, want-1)
	}
	for seq := range fed {
		if seq > want {
			t.Errorf("%d was fed", seq)
		}
		if seq >= want {
			break
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestNoRoom(t *testing.T) {
	t.Parallel()
	full := false
	l, err := eventlog.Open(t.Context(), eventtest.Conn(t, eventtest.Start(t)), eventlog.Config{Create: true, Room: func() error {
		if full {
			return events.ErrNoSpace
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	unit := []events.Unit{eventtest.One(eventtest.Event("a", 1), 0)}
	full = true
	if got := l.Append(t.Context(), unit); !errors.Is(got[0].Err, events.ErrNoSpace) {
		t.Error(got)
	}
	full = false
	eventtest.MustAppend(t, l, unit...)
}

// TestServerExpectations holds facts about the server that Append
// is built on.
func TestServerExpectations(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventlog.Config{})
	subject := func(name string) string { return eventtest.Event(name, 1).About.Subject() }
	type member struct {
		subject, expected string
		last              string // of the stream: a Seq, or end for the one it has
	}
	for name, c := range map[string]struct {
		batch []member
		code  int
	}{
		"one expectation each":      {[]member{{subject("a"), "0", ""}, {subject("b"), "0", ""}}, 0},
		"a second without":          {[]member{{subject("c"), "0", ""}, {subject("c"), "", ""}}, 0},
		"a second on one subject":   {[]member{{subject("d"), "0", ""}, {subject("d"), "1", ""}}, 10164},
		"a stale one among correct": {[]member{{subject("e"), "0", ""}, {subject("f"), "7", ""}, {subject("g"), "0", ""}}, 10071},
		"the end of the stream":     {[]member{{subject("h"), "", "end"}, {subject("h"), "", ""}, {subject("i"), "", ""}}, 0},
		"not the end of the stream": {[]member{{subject("j"), "", "77"}, {subject("k"), "", ""}}, 10071},
	} {
		end, err := r.log.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var msg *nats.Msg
		for i, m := range c.batch {
			msg = &nats.Msg{Subject: m.subject, Header: nats.Header{"Nats-Batch-Id": {name}, "Nats-Batch-Sequence": {fmt.Sprint(i + 1)}}}
			if m.expected != "" {
				msg.Header.Set("Nats-Expected-Last-Subject-Sequence", m.expected)
			}
			if m.last != "" {
				msg.Header.Set("Nats-Expected-Last-Sequence", strings.ReplaceAll(m.last, "end", fmt.Sprint(end)))
			}
			if i < len(c.batch)-1 {
				if err := r.foreign.PublishMsg(msg); err != nil {
					t.Fatal(err)
				}
			}
		}
		msg.Header.Set("Nats-Batch-Commit", "1")
		answer, err := r.foreign.RequestMsg(msg, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		var ack struct {
			Error struct {
				Code int `json:"err_code"`
			} `json:"error"`
		}
		if err := json.Unmarshal(answer.Data, &ack); err != nil || ack.Error.Code != c.code {
			t.Errorf("%s: %s; want error %d", name, answer.Data, c.code)
		}
	}
	if head, err := r.log.Head(t.Context()); head != 7 || err != nil {
		t.Error("a refused batch has written something:", head, err)
	}
}

func TestOpenIsStrict(t *testing.T) {
	t.Parallel()
	nc := eventtest.Conn(t, eventtest.Start(t))
	if _, err := eventlog.Open(t.Context(), nc, eventlog.Config{}); !errors.Is(err, eventlog.ErrNoStream) {
		t.Error(err)
	}
	l, err := eventlog.Open(t.Context(), nc, eventlog.Config{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	again, err := eventlog.Open(t.Context(), nc, eventlog.Config{Create: true})
	if err != nil || again.Identity() != l.Identity() {
		t.Error(again, err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	changed := eventtest.Stream(t, nc).CachedInfo().Config
	changed.MaxAge, changed.MaxMsgs = time.Hour, 5
	if _, err := js.UpdateStream(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	_, err = eventlog.Open(t.Context(), nc, eventlog.Config{})
	if !errors.Is(err, eventlog.ErrDrift) || !strings.Contains(err.Error(), "max_age is 1h0m0s") || !strings.Contains(err.Error(), "max_msgs is 5") {
		t.Error(err)
	}
	if err := js.DeleteStream(t.Context(), eventlog.DefaultStream); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Head(t.Context()); !errors.Is(err, eventlog.ErrNoStream) {
		t.Error(err)
	}
	if _, err := eventlog.Open(t.Context(), nc, eventlog.Config{Create: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Head(t.Context()); !errors.Is(err, events.ErrShort) {
		t.Error("another stream of the same name is taken for the log:", err)
	}
}

// TestForeignMessagesAreKept publishes what no event looks like.
func TestForeignMessagesAreKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventlog.Config{})
	e := eventtest.Event("a", 1)
	good := nats.Header{
		events.HeaderSpecVersion: {"1.0"}, events.HeaderContentType: {events.ContentType},
		events.HeaderID: {e.ID.String()}, events.HeaderType: {string(e.Type)}, events.HeaderSource: {e.Source},
	}
	with := func(key string, values ...string) nats.Header {
		h := maps.Clone(good)
		h[key] = values
		return h
	}
	for i, c := range []struct {
		subject string
		header  nats.Header
		about   bool
		id      bool
	}{
		{e.About.Subject(), good, true, true},
		{e.About.Subject(), nil, true, false},
		{e.About.Subject(), with(events.HeaderID), true, false},
		{e.About.Subject(), with(events.HeaderID, "a", "b"), true, false},
		{e.About.Subject(), with(events.HeaderID, "tenant_00000000000000000000000001"), true, false},
		{e.About.Subject(), with(events.HeaderContentType, "text/plain"), true, false},
		{e.About.Subject(), with(events.HeaderSpecVersion, "0.3"), true, false},
		{e.About.Subject(), with("Nats-Sequence", "77"), true, true},
		{e.About.Subject(), with("Status", "404"), true, true},
		{"catalogue.tenant.nobody", good, false, false},
		{"catalogue.account." + e.About.String(), good, false, false},
	} {
		if _, err := r.foreign.RequestMsg(&nats.Msg{Subject: c.subject, Header: c.header, Data: []byte("x")}, 5*time.Second); err != nil {
			t.Fatal(err)
		}
		seq := events.Seq(i + 1)
		all := eventtest.All(t, r.log)
		got := all[len(all)-1]
		if got.Seq != seq || string(got.Data) != "x" || got.About.IsZero() == c.about || got.ID.IsZero() == c.id {
			t.Errorf("%d: %+v", i, got)
		}
		if one, err := r.log.Get(t.Context(), seq); err != nil || one.ID != got.ID || one.About != got.About {
			t.Errorf("%d: Get gives %+v, %v", i, one, err)
		}
	}
}

func TestGapIsFound(t *testing.T) {
	t.Parallel()
	nc := eventtest.Conn(t, eventtest.Start(t))
	writer, err := eventlog.Open(t.Context(), nc, eventlog.Config{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	l, err := eventlog.Open(t.Context(), nc, eventlog.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		eventtest.MustAppend(t, writer, eventtest.One(eventtest.Event("a", i), events.Seq(i)))
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	// The stream's own limits take what deny_purge protects.
	stream, err := js.Stream(t.Context(), eventlog.DefaultStream)
	if err != nil {
		t.Fatal(err)
	}
	limited := stream.CachedInfo().Config
	limited.MaxMsgs, limited.Discard = 2, jetstream.DiscardOld
	if _, err := js.UpdateStream(t.Context(), limited); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var gap *events.GapError
	none := func([]events.Stored) error { return nil }
	if err := l.Read(t.Context(), 0, 5, none); !errors.As(err, &gap) || gap.Want != 1 || gap.Got != 4 {
		t.Error("Read:", err)
	}
	if err := l.Tail(ctx, 1, none); !errors.As(err, &gap) || gap.Want != 2 {
		t.Error("Tail:", err)
	}
	if _, err := l.Get(t.Context(), 2); !errors.Is(err, events.ErrGap) {
		t.Error("Get:", err)
	}
}
