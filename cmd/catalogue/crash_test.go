package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/restore"
)

// fixtureTenant is the n-th tenant of the tests of crashes.
func fixtureTenant(n int) events.TenantID {
	return events.DeriveID[events.TenantID]("crash", fmt.Sprint(n))
}

func fixtureEvent(name string, about events.Aggregate, p events.Payload) events.Event {
	return events.Event{
		ID: events.DeriveID[events.EventID]("crash", name), Source: "/services/provisioning", About: about,
		Time: events.TimeOf(time.Unix(1649144280, 0)), Actor: "user:provisioning", Payload: p,
	}
}

// writeFixture writes a file of tenants, with a product and a member each.
func writeFixture(t *testing.T, tenants int) string {
	t.Helper()
	var out bytes.Buffer
	write := func(name string, about events.Aggregate, p events.Payload) {
		t.Helper()
		if err := events.WriteNDJSON(&out, fixtureEvent(name, about, p)); err != nil {
			t.Fatal(err)
		}
	}
	account := events.DeriveID[events.AccountID]("crash")
	write("account", events.OfAccount(account), events.AccountCreated{Name: "Crash Inc"})
	for n := range tenants {
		id := fixtureTenant(n)
		write(fmt.Sprintf("tenant %d", n), events.OfTenant(id), events.TenantCreated{
			URL: fmt.Sprintf("t%d.example.net", n), CloudID: uuid.NewSHA1(id.UUID(), nil), Account: account, Region: "eu-west", Tier: "standard",
		})
		write(fmt.Sprintf("product %d", n), events.OfTenant(id), events.ProductActivated{
			Product: events.DeriveID[events.ProductID](id.String()), Name: "wiki", Seats: uint64(n + 1),
		})
		write(fmt.Sprintf("member %d", n), events.OfTenant(id), events.IdentityMemberGranted{User: "user:one", Name: "Some One"})
	}
	path := filepath.Join(t.TempDir(), "fixture.ndjson")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustStart(t *testing.T, data string) *child {
	t.Helper()
	c, err := startChild(data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	return c
}

// publisher publishes to a daemon that is killed and started again, and keeps
// what was acknowledged.
type publisher struct {
	n     int
	sent  int // events sent so far; the last one may be unanswered
	acked map[events.EventID]events.Seq
}

// event is the publisher's n-th event.
func (p *publisher) event(n int) events.Event {
	return fixtureEvent(fmt.Sprintf("writer %d event %d", p.n, n), events.OfTenant(fixtureTenant(p.n)), events.TenantConfigured{
		Metadata: map[string]string{"count": fmt.Sprint(n)},
	})
}

// run publishes until the daemon is gone, and tells once it is answered, or will not be.
// What was not answered is sent again the next time, as it was.
func (p *publisher) run(ctx context.Context, url string, answered func()) error {
	answered = sync.OnceFunc(answered)
	defer answered()
	r, err := (&where{server: url}).dial()
	if err != nil {
		return nil // it was killed before this one got through
	}
	defer r.conn.Close()
	for {
		e := p.event(p.sent)
		raw, err := events.MarshalCloudEvent(e)
		if err != nil {
			return err
		}
		v, err := p.publish(ctx, r, raw)
		var refused *client.Error
		switch {
		case errors.As(err, &refused) && !errors.Is(err, client.ErrStopping):
			return fmt.Errorf("%s: %w", e.ID, err)
		case err != nil:
			return nil // it is dead
		}
		p.acked[e.ID] = v.Seq
		p.sent++
		answered()
	}
}

func (p *publisher) publish(ctx context.Context, r *remote, raw []byte) (v client.Verdict, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	go func() {
		select {
		case <-r.gone:
			cancel()
		case <-ctx.Done():
		}
	}()
	m, err := r.conn.RequestWithContext(ctx, services+"publish", raw)
	switch {
	case err != nil:
		return v, err
	case len(m.Header) > 0:
		return v, problemIn(m)
	}
	return v, json.Unmarshal(m.Data, &v)
}

// The daemon is killed at random moments while several publish: what was
// acknowledged is in the log, where the answer said, and nothing is in it twice.
func TestKilledWhilePublishing(t *testing.T) {
	t.Parallel()
	const writers = 4
	data := filepath.Join(t.TempDir(), "data")
	c := mustStart(t, data)
	run(t, exitOK, "import", writeFixture(t, writers), "--data", data)
	all := make([]*publisher, writers)
	for n := range all {
		all[n] = &publisher{n: n, acked: map[events.EventID]events.Seq{}}
	}
	for range *kills {
		var wg, answered sync.WaitGroup
		answered.Add(writers)
		for _, p := range all {
			wg.Go(func() {
				if err := p.run(t.Context(), c.NATS, answered.Done); err != nil {
					t.Error(err)
				}
			})
		}
		answered.Wait()
		time.Sleep(rand.N(300 * time.Millisecond)) // the moment of the crash
		c.kill()
		wg.Wait()
		c = mustStart(t, data)
	}
	run(t, exitOK, "verify", "--data", data) // no gap, no id twice, every view as the log
	counts := map[events.EventID]int{}
	at := map[events.EventID]events.Seq{}
	log := run(t, exitOK, "export", "--data", data)
	if err := events.ReadNDJSON(bytes.NewReader(log), func(_ int, e events.CloudEvent, err error) error {
		counts[e.ID]++
		at[e.ID] = e.Seq
		return err
	}); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, p := range all {
		total += len(p.acked)
		for id, seq := range p.acked {
			if counts[id] != 1 || at[id] != seq {
				t.Errorf("%s was acknowledged at %d; it stands in the log %d times, at %d", id, seq, counts[id], at[id])
			}
		}
		for n := range p.sent + 1 {
			if id := p.event(n).ID; counts[id] > 1 {
				t.Errorf("%s stands in the log %d times", id, counts[id])
			}
		}
	}
	if total < writers**kills {
		t.Errorf("the harness is blind: %d events were acknowledged in all", total)
	}
	t.Logf("%d kills, %d events acknowledged, all there once", *kills, total)
	if err := c.stop(); err != nil {
		t.Error(err)
	}
}

// The daemon is killed at random moments while it applies a restoration. Started
// again and asked again, it comes to the certificate of a run that nothing
// interrupted.
func TestKilledWhileRestoring(t *testing.T) {
	t.Parallel()
	const tenants = 1000 // of which a restoration does 400 at once
	planned := filepath.Join(t.TempDir(), "planned")
	id := planFixture(t, planned, tenants)

	calm := copyOf(t, planned)
	c := mustStart(t, calm)
	began := time.Now()
	run(t, exitOK, "restore", "apply", id, "--data", calm)
	took := time.Since(began)
	want := certificateOf(t, calm, id)
	c.kill()

	midway := 0
	for i := range *kills {
		data := copyOf(t, planned)
		c := mustStart(t, data)
		moment := momentOf(t, c, i, took, tenants)
		applying := make(chan struct{})
		go func() {
			defer close(applying)
			Main(t.Context(), []string{"restore", "apply", id, "--data", data}, Streams{Out: io.Discard, Err: io.Discard})
		}()
		moment()
		c.kill()
		<-applying
		c = mustStart(t, data)
		var s restore.Status
		if err := json.Unmarshal(run(t, exitOK, "restore", "status", id, "--data", data, "-o", "json"), &s); err != nil {
			t.Fatal(err)
		}
		if s.Restored > 0 && s.Finished == 0 {
			midway++
		}
		run(t, exitOK, "restore", "apply", id, "--data", data)
		if got := certificateOf(t, data, id); got.Same != want.Same || !got.OK {
			t.Errorf("killed when %d of %d were back, the certificate is %+v, and uninterrupted it is %+v", s.Restored, tenants, got, want)
		}
		c.kill()
		if err := os.RemoveAll(data); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills, %d of them half-way, within %s", *kills, midway, took)
}

// momentOf waits for the moment to kill a daemon that restores: some time, or
// when so many tenants are back, by turns.
func momentOf(t *testing.T, c *child, turn int, took time.Duration, tenants int) func() {
	t.Helper()
	if turn%2 == 0 {
		return func() { time.Sleep(rand.N(took)) }
	}
	r, err := (&where{server: c.NATS}).dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.conn.Close)
	back, enough := 0, rand.IntN(tenants-1)
	seen := make(chan struct{})
	if _, err := r.conn.Subscribe(events.FeedPrefix+"tenant.>", func(m *nats.Msg) {
		if m.Header.Get(events.HeaderType) == string(events.TenantRestored{}.EventType()) {
			if back++; back == enough+1 {
				close(seen)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := r.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	return func() { <-seen }
}

// planFixture makes a catalogue in which a run has deleted every tenant but one
// and the restoration of them is planned, and gives the plan's id.
func planFixture(t *testing.T, data string, tenants int) string {
	t.Helper()
	c := mustStart(t, data)
	run(t, exitOK, "import", writeFixture(t, tenants), "--data", data)
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	bad := events.DeriveID[events.RunID]("crash")
	inside(t, data, func(ctx context.Context, sys *daemon.System, crew *people.Crew) error {
		return crew.DeleteTenants(ctx, sys.Service, bad, fixtureList(tenants-1)...)
	})
	c = mustStart(t, data)
	raw := run(t, exitOK, "restore", "plan", "--run", bad.String(), "--point", "before "+bad.String(), "--data", data, "-o", "json")
	var plan struct {
		ID events.RestoreID `json:"restoration"`
	}
	if err := json.Unmarshal(raw, &plan); err != nil {
		t.Fatal(err)
	}
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	return plan.ID.String()
}

func copyOf(t *testing.T, data string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(dir, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	// CopyFS keeps whether a file can be executed and no more of its mode.
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func certificateOf(t *testing.T, data, id string) (c restore.Certificate) {
	t.Helper()
	if err := json.Unmarshal(run(t, exitOK, "restore", "certificate", id, "--data", data, "-o", "json"), &c); err != nil {
		t.Fatal(err)
	}
	return c
}
