package web_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/web"
	"tenantcatalogue/events"
	"tenantcatalogue/events/bus"
)

// frame is one block of server-sent events.
type frame struct {
	id, name, data, comment string
}

// stream is a connection to the feed.
type stream struct {
	lines *bufio.Scanner
	end   context.CancelFunc // breaks off
}

// follow connects to the feed.
func (r *running) follow(t *testing.T, query string, header map[string]string, who ...*bus.Credential) *stream {
	t.Helper()
	a := ask{method: "GET", path: "/v1/feed" + query, header: header}
	if len(who) > 0 {
		a.who = who[0]
	}
	req := r.request(t, a)
	ctx, cancel := context.WithTimeout(req.Context(), time.Minute)
	t.Cleanup(cancel)
	answer := r.send(t, req.WithContext(ctx))
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", answer.StatusCode, answer.Header)
	}
	s := &stream{bufio.NewScanner(answer.Body), cancel}
	s.lines.Buffer(nil, 16<<20)
	return s
}

// frame reads the next block; false at the end of the feed.
func (s *stream) frame() (f frame, ok bool) {
	for s.lines.Scan() {
		field, value, _ := strings.Cut(s.lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case s.lines.Text() == "":
			return f, true
		case field == "":
			f.comment = value
		case field == "id":
			f.id = value
		case field == "event":
			f.name = value
		case field == "data":
			f.data = value
		}
	}
	return f, false
}

// event reads the next event, and wants it to be whole.
func (s *stream) event(t *testing.T) events.Event {
	t.Helper()
	for {
		f, ok := s.frame()
		if !ok {
			t.Fatalf("the feed has ended: %v", s.lines.Err())
		}
		if f.data == "" {
			continue
		}
		e, err := events.ParseRecorded([]byte(f.data))
		if err != nil || f.id != e.Seq.String() || f.name != "" {
			t.Fatalf("%+v: %v", f, err)
		}
		return e.Event
	}
}

// TestFeedResumes has several clients follow while others publish, each of them
// breaking off again and again: every event reaches each exactly once, in order.
func TestFeedResumes(t *testing.T) {
	t.Parallel()
	r := start(t)
	f := fixture("acme")
	r.publish(t, f.story()...)
	const publishers, rounds, each = 2, 20, 5
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range rounds {
				var list []events.Event
				for j := range each {
					list = append(list, f.used(1+p*rounds*each+i*each+j))
				}
				r.publish(t, list...)
			}
		})
	}
	total := int(events.Seq(len(f.story())+4)) + publishers*rounds*each // a creation and a renaming claim two names each
	for follower := range 3 {
		wg.Go(func() {
			last := 0
			for breaks := 0; last < total; breaks++ {
				query, header := "?after_seq="+strconv.Itoa(last), map[string]string(nil)
				if breaks > 0 && follower > 0 { // as a browser does: the address stays, the header tells
					query, header = "?after_seq=0", map[string]string{"Last-Event-ID": strconv.Itoa(last)}
				}
				s := r.follow(t, query, header)
				for n := 0; n < 7+follower*breaks && last < total; n++ {
					e := s.event(t)
					if int(e.Seq) != last+1 {
						t.Errorf("follower %d: %d comes after %d", follower, e.Seq, last)
						return
					}
					last++
				}
				s.end()
			}
		})
	}
	wg.Wait()
	if head := r.head(t); int(head) != total {
		t.Errorf("the log ends at %d, not %d", head, total)
	}
}

func TestFeedBeginsNow(t *testing.T) {
	t.Parallel()
	r := start(t)
	f := fixture("acme")
	r.publish(t, f.story()...)
	s := r.follow(t, "", nil)
	if first, _ := s.frame(); first != (frame{}) { // retry: is not an event
		t.Errorf("%+v", first)
	}
	v := r.publish(t, f.used(1))[0]
	if e := s.event(t); e.Seq != v.Seq || e.Via != "anonymous" {
		t.Errorf("%+v", e)
	}
}

func TestFeedFilters(t *testing.T) {
	t.Parallel()
	r := start(t)
	f, other := fixture("acme"), fixture("other")
	r.publish(t, f.story()...)
	r.publish(t, other.story()...)
	end := r.publish(t, f.used(1), other.used(1))
	for query, want := range map[string][]events.Type{
		"&subject=" + f.tenant().String(): {"tenant.created.v1", "identity.member_granted.v1", "product.activated.v1", "tenant.renamed.v1", "tenant.usage_reported.v1"},
		"&type=tenant.renamed.v1&type=tenant.created.v1&subject=" + other.tenant().String(): {"tenant.created.v1", "tenant.renamed.v1"},
		"&kind=account&type=account.created.v1":                                             {"account.created.v1", "account.created.v1"},
	} {
		s := r.follow(t, "?after_seq=0"+query, nil)
		for i, t2 := range want {
			if e := s.event(t); e.Type() != t2 {
				t.Errorf("%s: event %d is a %s, want %s", query, i, e.Type(), t2)
			}
		}
		s.end()
	}
	if e := r.follow(t, fmt.Sprintf("?after_seq=%d", end[0].Seq), nil).event(t); e.Seq != end[1].Seq {
		t.Errorf("%+v", e)
	}
}

// TestFeedHeartbeat wants a client with a narrow filter to hear that the feed
// lives, and how far it has come.
func TestFeedHeartbeat(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *web.Config, _ *net.Listener) { c.Heartbeat = 20 * time.Millisecond })
	verdicts := r.publish(t, fixture("acme").story()...)
	s := r.follow(t, "?after_seq=0&type=tenant.deleted.v1", nil)
	for {
		f, ok := s.frame()
		if !ok {
			t.Fatal("the feed has ended")
		}
		if f.comment != "" && f.id == verdicts[len(verdicts)-1].Seq.String() {
			return
		}
	}
}

// TestFeedPersonal wants personal fields to be read by operators only.
func TestFeedPersonal(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.publish(t, fixture("acme").story()...)
	const query = "?after_seq=0&type=account.created.v1"
	open := as[events.AccountCreated](t, r.follow(t, query, nil, r.admin()).event(t).Payload)
	sealed := as[events.AccountCreated](t, r.follow(t, query, nil).event(t).Payload)
	if open.Name != "Owner of acme" || !sealed.Name.Sealed() {
		t.Errorf("an operator reads %q, a service %q", open.Name, sealed.Name)
	}
}

func TestFeedRefusals(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *web.Config, _ *net.Listener) { c.MaxFeeds = 1 })
	for _, query := range []string{"after_seq=1", "after_seq=x", "after_seq=-1", "kind=plan", "kind=*", "type=tenant.*", "subject=tenant_*", "limit=1", "type="} {
		problem(t, r.do(t, ask{method: "GET", path: "/v1/feed?" + query}), 400, client.ErrMalformed)
	}
	for _, last := range []string{"1", "x", "-1", "1e3", "99999999999999999999"} {
		problem(t, r.do(t, ask{method: "GET", path: "/v1/feed", header: map[string]string{"Last-Event-ID": last}}), 400, client.ErrMalformed)
	}
	r.follow(t, "", nil)
	answer := r.do(t, ask{method: "GET", path: "/v1/feed"})
	if problem(t, answer, 503, client.ErrUnavailable); answer.Header.Get("Retry-After") == "" {
		t.Error("when to come again is not said")
	}
}

// TestFeedCutsOffTheSlow has a client that reads nothing: it is cut off, and
// finds everything when it comes again.
func TestFeedCutsOffTheSlow(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *web.Config, l *net.Listener) {
		c.WriteTime = 2 * time.Second
		*l = narrow{*l}
	})
	f := fixture("acme")
	r.publish(t, f.story()...)
	metadata := map[string]string{}
	for i := range 50 {
		metadata[fmt.Sprintf("key-%d", i)] = strings.Repeat("x", 200)
	}
	const many = 100
	var list []events.Event
	for i := range many {
		metadata["key-0"] = strconv.Itoa(i)
		e := f.event(i, events.TenantConfigured{Metadata: maps.Clone(metadata)})
		list = append(list, e)
	}
	r.publish(t, list...)

	conn := r.dial(t, "GET /v1/feed?after_seq=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if err := conn.SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(2 * time.Minute)
	for !strings.Contains(string(r.do(t, ask{method: "GET", path: "/metrics"}).raw), "\ncatalogue_feed_cut_total 1\n") {
		if time.Now().After(deadline) {
			t.Fatal("it is not cut off")
		}
		time.Sleep(20 * time.Millisecond)
	}
	// It may be cut off again; nothing is lost by that.
	last, head := 0, int(r.head(t))
	for last < head {
		s := r.follow(t, "?after_seq="+strconv.Itoa(last), nil)
		for last < head {
			block, whole := s.frame()
			if !whole {
				break
			}
			if block.data == "" {
				continue
			}
			if last++; block.id != strconv.Itoa(last) {
				t.Fatalf("%s instead of %d", block.id, last)
			}
		}
		s.end()
	}
}

// narrow makes connections that hold little on their way.
type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		err = errors.Join(err, tcp.SetWriteBuffer(4<<10))
	}
	return c, err
}
