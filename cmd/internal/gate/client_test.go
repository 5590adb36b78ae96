package gate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
)

// proxy stands between a client and the bus and cuts connections.
type proxy struct {
	listener net.Listener
	target   string
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	// mute, when set, is looked for in what a client sends: from there on it
	// hears nothing more on that connection.
	mute []byte
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: strings.TrimPrefix(target, "nats://"), conns: map[net.Conn]bool{}}
	p.wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.target)
			if err != nil {
				_ = in.Close()
				continue
			}
			p.join(in, out)
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) url() string { return "nats://" + p.listener.Addr().String() }

func (p *proxy) join(in, out net.Conn) {
	p.mu.Lock()
	p.conns[in], p.conns[out] = true, true
	p.mu.Unlock()
	var muted sync.Once
	deaf := make(chan struct{})
	p.wg.Go(func() {
		defer func() { _, _ = in.Close(), out.Close() }()
		p.copy(out, in, func(b []byte) bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.mute != nil && bytes.Contains(b, p.mute) {
				p.mute = nil
				muted.Do(func() { close(deaf) })
			}
			return true
		})
	})
	p.wg.Go(func() {
		defer func() { _, _ = in.Close(), out.Close() }()
		p.copy(in, out, func([]byte) bool {
			select {
			case <-deaf:
				return false
			default:
				return true
			}
		})
	})
}

func (p *proxy) copy(to io.Writer, from io.Reader, pass func([]byte) bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && pass(buf[:n]) {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}

func dial(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	c, err := client.Connect(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestClientPublishes(t *testing.T) {
	t.Parallel()
	r := start(t, daemon.Config{})
	who := writer()
	c := dial(t, client.Options{URL: r.Bus.URL(), User: who.User, Password: who.Password})
	f := fixture("acme")
	list := append(f.story(), f.event(0, events.TenantDeleted{}), f.event(0, events.TenantDeactivated{}))
	verdicts, err := c.PublishBatch(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range verdicts {
		want := error(nil)
		if list[i].Type().Tombstone() {
			want = client.ErrForbidden
		}
		if v.ID != list[i].ID || !errors.Is(v.Err(), want) {
			t.Errorf("%s: %+v", list[i].Type(), v)
		}
	}
	first := verdicts[len(verdicts)-1]
	again, err := c.Publish(t.Context(), list[len(list)-1])
	if err != nil || !again.Duplicate || again.Seq != first.Seq {
		t.Errorf("%+v, %v", again, err)
	}
	if _, err := c.Publish(t.Context(), f.event(1, events.TenantDeactivated{})); !errors.Is(err, client.ErrIllegal) {
		t.Errorf("deactivated twice: %v", err)
	}
	got, err := c.Read(t.Context(), client.ReadRequest{MinSeq: first.Seq, Filter: client.Filter{About: f.about()}})
	if err != nil || len(got.Events) != 5 || got.Through != got.Head {
		t.Fatalf("%d events, %v", len(got.Events), err)
	}
	// Whoever stands where the history has not got to yet is not sent back.
	if beyond, err := c.Read(t.Context(), client.ReadRequest{After: got.Head + 10}); err != nil || beyond.Through != got.Head+10 || len(beyond.Events) > 0 {
		t.Errorf("%+v, %v", beyond, err)
	}
	for _, s := range got.Events {
		if e, err := events.Decode(s); err != nil || e.Via != who.User {
			t.Errorf("%+v, %v", e, err)
		}
	}
}

func TestLimitsOfABatch(t *testing.T) {
	t.Parallel()
	r := start(t, daemon.Config{})
	f := fixture("acme")
	nc := r.connect(t)
	publish(t, nc, f.story()...)
	list := make([]events.Event, client.MaxBatch+1)
	for i := range list {
		list[i] = f.event(i, events.TenantUsageReported{ActiveUsers: uint64(i), LastActivity: 1})
	}
	if p := ask(t, nc, "catalogue.v1.publish", cloud(t, list...), nil); p == nil || p.Code != client.ErrTooLarge {
		t.Errorf("1,001 events at once: %+v", p)
	}
	head, err := r.Log.Head(t.Context())
	if err != nil || head != storyEnd {
		t.Errorf("the log is at %d, %v", head, err)
	}
	// The client sends as many requests as it takes.
	verdicts, err := dial(t, client.Options{URL: r.Bus.URL()}).PublishBatch(t.Context(), list)
	if err != nil || len(verdicts) != len(list) || verdicts[len(list)-1].Seq != storyEnd+events.Seq(len(list)) {
		t.Errorf("%d verdicts, %v", len(verdicts), err)
	}
}

// TestLostAnswer loses the answer to a publish: it is sent again, and is in the
// log once.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	r := start(t, daemon.Config{})
	p := newProxy(t, r.Bus.URL())
	c := dial(t, client.Options{URL: p.url(), Attempt: 300 * time.Millisecond})
	f := fixture("acme")
	if _, err := c.PublishBatch(t.Context(), f.story()); err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.mute = []byte("catalogue.v1.publish")
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for { // the connection is deaf: end it, and the client comes back
			if head, err := r.Log.Head(ctx); err != nil || head > storyEnd {
				p.cut()
				return
			}
		}
	}()
	v, err := c.Publish(ctx, f.event(0, events.TenantDeactivated{}))
	<-done
	if err != nil || !v.Duplicate || v.Seq != storyEnd+1 {
		t.Errorf("%+v, %v", v, err)
	}
	if head, err := r.Log.Head(t.Context()); err != nil || head != storyEnd+1 {
		t.Errorf("the log is at %d, %v", head, err)
	}
}

// collect follows from a Seq until it has n events, checking that each follows
// the one before.
func collect(t *testing.T, c *client.Client, after events.Seq, n int, each func(events.Stored)) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		ended := errors.New("enough")
		last := after
		err := c.Follow(t.Context(), after, func(s events.Stored) error {
			if s.Seq != last+1 {
				return fmt.Errorf("event %d after %d", s.Seq, last)
			}
			last = s.Seq
			if _, err := events.Decode(s); err != nil {
				return err
			}
			each(s)
			if last == after+events.Seq(n) {
				return ended
			}
			return nil
		})
		if errors.Is(err, ended) {
			err = nil
		}
		done <- err
	}()
	return done
}

func wait(t *testing.T, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the follower does not get there")
	}
}

// TestFollowThroughTrouble follows while connections are cut and somebody of the
// same account has the gate's answers delivered on the feed.
func TestFollowThroughTrouble(t *testing.T) {
	t.Parallel()
	const rounds, each = 20, 25
	r := start(t, daemon.Config{})
	p := newProxy(t, r.Bus.URL())
	nc := r.connect(t)
	f := fixture("acme")
	publish(t, nc, f.story()...)
	halfway := make(chan struct{})
	done := collect(t, dial(t, client.Options{URL: p.url(), Attempt: 500 * time.Millisecond}), 0, storyEnd+rounds*each, func(s events.Stored) {
		if s.Seq == storyEnd+each {
			close(halfway)
		}
	})
	for i := range rounds {
		list := make([]events.Event, each)
		for k := range list {
			list[k] = f.event(i*each+k, events.TenantUsageReported{ActiveUsers: uint64(k), LastActivity: 1})
		}
		for _, subject := range []string{"catalogue.feed.tenant." + f.tenant().String(), "catalogue.feed.head", "catalogue.feed.x"} {
			if err := nc.PublishRequest("catalogue.v1.schemas", subject, nil); err != nil {
				t.Fatal(err)
			}
		}
		publish(t, nc, list...)
		if i == 1 {
			<-halfway
		}
		if i%4 == 3 {
			p.cut()
		}
	}
	wait(t, done)
}

// TestSlowFollower is so slow that its buffer runs over.
func TestSlowFollower(t *testing.T) {
	t.Parallel()
	const n = 10_000
	r := start(t, daemon.Config{})
	f := fixture("acme")
	publish(t, r.connect(t), f.story()...)
	var once sync.Once
	begun, goOn := make(chan struct{}), make(chan struct{})
	done := collect(t, dial(t, client.Options{URL: r.Bus.URL()}), 0, storyEnd+n, func(events.Stored) {
		once.Do(func() {
			close(begun)
			<-goOn
		})
	})
	<-begun
	list := make([]events.Event, n)
	for i := range list {
		list[i] = f.event(i, events.TenantUsageReported{ActiveUsers: uint64(i), LastActivity: 1})
	}
	if _, err := dial(t, client.Options{URL: r.Bus.URL()}).PublishBatch(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	wait(t, done)
}

// reserved is an address to listen on, twice: its port is none that anybody is given who
// asks for any.
func reserved(t *testing.T) string {
	t.Helper()
	for {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", fmt.Sprint("127.0.0.1:", 10_000+rand.N(20_000)))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return l.Addr().String()
	}
}

// TestFollowThroughARestart stops the daemon and starts it again.
func TestFollowThroughARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	listen := reserved(t)
	r := start(t, daemon.Config{DataDir: dir, NATSListen: listen})
	f := fixture("acme")
	c := dial(t, client.Options{URL: r.Bus.URL(), Attempt: 500 * time.Millisecond})
	if _, err := c.PublishBatch(t.Context(), f.story()); err != nil {
		t.Fatal(err)
	}
	seen := make(chan events.Seq, 100)
	done := collect(t, c, 0, storyEnd+1, func(s events.Stored) { seen <- s.Seq })
	for s := range seen {
		if s == storyEnd {
			break
		}
	}
	r.stop(t)
	r.gate = nil
	published := make(chan error, 1)
	go func() { // it waits for the catalogue to come back
		_, err := c.Publish(t.Context(), f.event(0, events.TenantDeactivated{}))
		published <- err
	}()
	start(t, daemon.Config{DataDir: dir, NATSListen: listen})
	wait(t, published)
	wait(t, done)
}

func TestFollowAheadOfTheLog(t *testing.T) {
	t.Parallel()
	r := start(t, daemon.Config{})
	c := dial(t, client.Options{URL: r.Bus.URL()})
	err := c.Follow(t.Context(), 1000, func(events.Stored) error { return nil })
	if !errors.Is(err, client.ErrAhead) {
		t.Errorf("%v", err)
	}
}

func TestFollowEnds(t *testing.T) {
	t.Parallel()
	r := start(t, daemon.Config{})
	c := dial(t, client.Options{URL: r.Bus.URL()})
	ctx, cancel := context.WithCancel(t.Context())
	publish(t, r.connect(t), fixture("acme").story()...)
	err := c.Follow(ctx, 0, func(s events.Stored) error {
		if s.Seq == storyEnd {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
