package gate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/apps"
	"tenantcatalogue/projectors/commerce"
	"tenantcatalogue/projectors/contacts"
	"tenantcatalogue/projectors/deletions"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/identity"
	"tenantcatalogue/projectors/pages"
	"tenantcatalogue/projectors/placement"
	"tenantcatalogue/projectors/sidecar"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
)

// beside runs every view that needs no keys beside a daemon.
func beside(t *testing.T, c *client.Client, dir string) *sidecar.Sidecar {
	t.Helper()
	s, err := sidecar.Open(t.Context(), c, sidecar.Config{Dir: dir, Views: []projectors.Projector{
		tenants.New(), commerce.New(), identity.New(), placement.New(), apps.New(), history.New(), pages.New(), deletions.New(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func tell(t *testing.T, c *client.Client, from, to int) (last events.Seq) {
	t.Helper()
	var list []events.Event
	for i := from; i < to; i++ {
		list = append(list, fixture(fmt.Sprint("tenant-", i)).story()...)
	}
	verdicts, err := c.PublishBatch(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range verdicts {
		if v.Error != nil {
			t.Fatal(v.Error)
		}
		last = max(last, v.Seq)
	}
	return last
}

func reach(t *testing.T, s *sidecar.Sidecar, seq events.Seq) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.WaitFor(ctx, seq); err != nil {
		t.Fatalf("%v: %+v", err, s.Status())
	}
}

func digests(t *testing.T, pin func() (*projectors.Pinned, error)) (events.Seq, []string) {
	t.Helper()
	p, err := pin()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, v := range p.Views {
		sum, err := viewdb.SumOf(v.Snapshot)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s %s", v.Projector.Name(), sum))
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	return p.Seq, out
}

// TestSidecar catches up with a daemon, follows it, outlives its restart, and has
// the daemon's own views in the end. It stops when another log takes its place.
func TestSidecar(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := start(t, daemon.Config{DataDir: dir})
	address := strings.TrimPrefix(r.Bus.URL(), "nats://")
	c := dial(t, client.Options{URL: r.Bus.URL(), Name: "sidecar"})
	reached := tell(t, c, 0, 150)
	s := beside(t, c, t.TempDir())
	reach(t, s, reached)
	equal := func() {
		t.Helper()
		if err := r.Runner.WaitFor(t.Context(), reached); err != nil {
			t.Fatal(err)
		}
		seq, got := digests(t, s.Pin)
		at, want := digests(t, r.Runner.Pin)
		want = slices.DeleteFunc(want, func(d string) bool { return strings.HasPrefix(d, contacts.Name) })
		if seq != at || !slices.Equal(got, want) {
			t.Errorf("at %d and %d:\n%s\n%s", seq, at, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	equal()
	reached = tell(t, c, 150, 160)
	reach(t, s, reached)
	record, found := tenants.Record{}, false
	err := s.View(tenants.Name, func(v *viewdb.Snapshot) (err error) {
		record, found, err = tenants.Get(v, fixture("tenant-155").tenant())
		return err
	})
	if err != nil || !found || record.URL != "tenant-155-renamed.example.net" {
		t.Errorf("%v, %+v, %v", found, record, err)
	}

	// The daemon is started again, at the same place.
	r.stop(t)
	for s.Status().Live {
		time.Sleep(10 * time.Millisecond)
	}
	r = start(t, daemon.Config{DataDir: dir, NATSListen: address})
	reached = tell(t, c, 160, 200)
	reach(t, s, reached)
	equal()
	if at := s.Status(); !at.Live || at.Err != nil || at.Lag() != 0 {
		t.Errorf("%+v", at)
	}

	// Another one takes its place.
	r.stop(t)
	r = start(t, daemon.Config{NATSListen: address})
	tell(t, c, 0, 210)
	select {
	case <-s.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
	if err := s.Err(); !errors.Is(err, client.ErrOtherLog) && !errors.Is(err, client.ErrAhead) {
		t.Error(err)
	}
	if at, _ := digests(t, s.Pin); at != reached {
		t.Errorf("its views stand at %d, not at %d", at, reached)
	}
}

// TestBulkRead asks for the log in bulk in ways that are not to be had.
func TestBulkRead(t *testing.T) {
	t.Parallel()
	r := start(t, daemon.Config{})
	nc := r.connect(t)
	for name, req := range map[string]client.ReadRequest{
		"more than there is":  {MinSeq: 1},
		"too many":            {Limit: 1 << 20},
		"less than none":      {Limit: -1},
		"a part by aggregate": {Filter: client.Filter{About: fixture("acme").about()}},
		"a part by kind":      {Filter: client.Filter{Kinds: []string{"tenant"}}},
	} {
		req.Format = client.FormatPages
		var none any
		if p := ask(t, nc, "catalogue.v1.read", req, &none); p == nil || p.Code != client.ErrMalformed {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// TestLargeEvents reads events of which few fit into an answer, and no page is
// made.
func TestLargeEvents(t *testing.T) {
	t.Parallel()
	r := start(t, daemon.Config{})
	c := dial(t, client.Options{URL: r.Bus.URL()})
	last := events.Seq(0)
	for i := range pages.Size + 10 {
		e := events.Stored{About: fixture(fmt.Sprint(i)).about(), ID: events.DeriveID[events.EventID](fmt.Sprint(i)), Type: "large", Source: "/test", Data: []byte("small")}
		if i%40 == 0 {
			e.Data = bytes.Repeat([]byte("large"), 60_000)
		}
		a := r.Log.Append(t.Context(), []events.Unit{{Events: []events.Stored{e}, Expected: []events.Seq{0}}})[0]
		if a.Err != nil {
			t.Fatal(a.Err)
		}
		last = a.Last
	}
	log, err := c.Log(t.Context(), last)
	if err != nil {
		t.Fatal(err)
	}
	var rolling events.Rolling
	err = log.Read(t.Context(), 0, last, func(list []events.Stored) error {
		for _, s := range list {
			rolling = rolling.Add(s)
		}
		return nil
	})
	if err != nil || rolling != log.Proof().Rolling || log.Proof().Seq != last {
		t.Errorf("%v; the hash at %d is not that of the events read", err, log.Proof().Seq)
	}
}
