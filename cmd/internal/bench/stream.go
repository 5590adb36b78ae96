package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/sidecar"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/replay"
)

// rebuilt are the views whose rebuild is measured, the first with a target of
// its own.
func rebuilt() []string {
	return []string{"tenants", "commerce", "identity", "placement", "apps", "contacts"}
}

func streamRows() []Row {
	const bareRead = "the fastest bare read of the stream"
	rebuild := []Figure{
		{Name: "tenants", Unit: "events/s", Target: atLeast(1_000_000)},
		{Name: "slowest-other", Unit: "events/s", Target: atLeast(500_000)},
		{Name: "postgres", Unit: "events/s", Baseline: "PostgreSQL folding into one document a tenant", Rival: "fold", Target: ratioAtLeast(4)},
	}
	for _, view := range rebuilt()[1:] {
		rebuild = append(rebuild, Figure{Name: view, Unit: "events/s"})
	}
	return []Row{
		{
			Name: "catch-up", What: "a follower through the gate from empty: delivered, decoded and checked",
			Figures: []Figure{{Unit: "events/s", Baseline: bareRead, Target: ratioAtLeast(0.7)}},
			Run:     catchUp,
		},
		{
			Name: "sidecar", What: "a sidecar of the tenants view, from empty until it shows the last event; then lookups in it",
			Figures: []Figure{{Unit: "events/s", Baseline: bareRead}, {Name: "lookup-p50", Unit: "µs"}},
			Run:     sidecarFromEmpty,
		},
		{
			Name: "verify", What: "an independent fold of everything",
			Figures: []Figure{{Unit: "events/s", Baseline: bareRead, Target: ratioAtLeast(0.6)}},
			Run:     verify,
		},
		{
			Name: "as-of-all", What: "the state of all tenants as of a cut, written to disk",
			Figures: []Figure{{Unit: "s", Baseline: "PostgreSQL history triggers", Rival: "history_asof_all_s", Target: ratioAtMost(1).at(100_000)}},
			Run:     asOfAll,
		},
		{Name: "rebuild-views", What: "rebuild of a view while the others serve", Figures: rebuild, Run: rebuildViews},
		{
			Name: "rebuild-all", What: "everything from the log alone: history, views and heads, until ready",
			Figures: []Figure{
				{Unit: "events/s", Baseline: bareRead, Target: atLeast(150_000)},
				{Name: "postgres", Unit: "events/s", Baseline: "PostgreSQL, COPY and fold", Rival: "copy_fold", Target: ratioAtLeast(1)},
			},
			Run: rebuildAll,
		},
	}
}

// besideBare measures something that goes over the whole stream between two bare
// reads of it, and holds it against the faster of them: the first may find the
// files cold.
func besideBare(ctx context.Context, sys *daemon.System, ours func(head events.Seq) (time.Duration, error)) (v Value, err error) {
	head, err := sys.Log.Head(ctx)
	if err != nil {
		return v, err
	}
	nc, err := sys.Bus.LogConn()
	if err != nil {
		return v, err
	}
	defer nc.Close()
	before, err := readRaw(ctx, nc, head)
	if err != nil {
		return v, err
	}
	took, err := ours(head)
	if err != nil {
		return v, err
	}
	after, err := readRaw(ctx, nc, head)
	return Value{rate(int(head), took), rate(int(head), min(before, after))}, err
}

func catchUp(ctx context.Context, e *Env) ([]Value, error) {
	sys, err := e.Serving(ctx)
	if err != nil {
		return nil, err
	}
	var v Value
	err = withGate(ctx, sys, func(*nats.Conn) error {
		v, err = besideBare(ctx, sys, func(head events.Seq) (time.Duration, error) {
			began := time.Now()
			err := follow(ctx, sys.Bus.URL(), head)
			return time.Since(began), err
		})
		return err
	})
	return []Value{v}, err
}

// follow reads up to head as a sidecar does that has nothing yet, and checks what
// it was given against the catalogue's own hash.
func follow(ctx context.Context, url string, head events.Seq) error {
	return withClient(url, func(c *client.Client) error {
		log, err := c.Log(ctx, head)
		if err != nil {
			return err
		}
		var rolling events.Rolling
		var recorded []projectors.Recorded
		voucher := projectors.NewVoucher(deletion.Genesis{})
		err = log.Read(ctx, 0, head, func(stored []events.Stored) error {
			for _, s := range stored {
				rolling = rolling.Add(s)
			}
			recorded = voucher.Record(recorded, stored)
			for _, r := range recorded {
				if r.Err != nil {
					return r.Err
				}
			}
			return nil
		})
		if proof := log.Proof(); err == nil && (proof.Seq != head || proof.Rolling != rolling) {
			err = fmt.Errorf("what came does not have the catalogue's hash at %d", head)
		}
		return err
	})
}

func withClient(url string, f func(*client.Client) error) error {
	c, err := client.Connect(client.Options{URL: url, Name: "bench"})
	if err != nil {
		return err
	}
	defer c.Close()
	return f(c)
}

// sidecarFromEmpty lets a sidecar catch up and reads from it.
func sidecarFromEmpty(ctx context.Context, e *Env) ([]Value, error) {
	sys, err := e.Serving(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := e.Scratch()
	if err != nil {
		return nil, err
	}
	var v Value
	var took samples
	err = withGate(ctx, sys, func(*nats.Conn) error {
		return withClient(sys.Bus.URL(), func(c *client.Client) (err error) {
			var s *sidecar.Sidecar
			v, err = besideBare(ctx, sys, func(head events.Seq) (time.Duration, error) {
				began := time.Now()
				s, err = sidecar.Open(ctx, c, sidecar.Config{Dir: dir, Views: []projectors.Projector{tenants.New()}})
				if err != nil {
					return 0, err
				}
				err := s.WaitFor(ctx, head)
				return time.Since(began), err
			})
			if s == nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close(), os.RemoveAll(dir)) }()
			if err != nil {
				return err
			}
			view, release, err := s.Acquire(tenants.Name)
			if err != nil {
				return err
			}
			defer release()
			took, err = e.lookups(view, e.Tenants)
			return err
		})
	})
	return []Value{v, {Value: micros(took.percentile(50))}}, err
}

func verify(ctx context.Context, e *Env) ([]Value, error) {
	sys, err := e.Serving(ctx)
	if err != nil {
		return nil, err
	}
	v, err := besideBare(ctx, sys, func(events.Seq) (time.Duration, error) {
		began := time.Now()
		report, err := sys.Verify(ctx, func(at, of events.Seq) { e.progress(int(at), int(of)) })
		if err == nil && !report.OK() {
			err = fmt.Errorf("verify finds %d faults, the first: %s", len(report.Faults), report.Faults[0])
		}
		return time.Since(began), err
	})
	return []Value{v}, err
}

func asOfAll(ctx context.Context, e *Env) (_ []Value, err error) {
	sys, err := e.Serving(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := e.Scratch()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	out, err := os.Create(filepath.Join(dir, "states"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := bufio.NewWriterSize(out, 1<<20)
	written := 0
	err = history.View(sys.History, func(r *history.Reader) error {
		return replay.AsOfAll(r, events.AggregateTenant, r.Head()*9/10, encoded, func(state []byte) error {
			written++
			_, err := w.Write(state)
			return err
		})
	})
	if err = errors.Join(err, w.Flush(), out.Sync()); err == nil && written != e.Tenants {
		err = fmt.Errorf("%d tenants of %d are there as of the cut", written, e.Tenants)
	}
	return []Value{{Value: time.Since(began).Seconds()}}, err
}

// encoded is a tenant's id and its entities in stored form.
func encoded(p replay.Past, err error) ([]byte, error) {
	const most = 2 << 10 // bytes that nearly every state takes
	state := p.About.AppendKey(make([]byte, 0, most))
	for _, entity := range p.State.Entities() {
		if err == nil {
			state, err = events.AppendEntity(state, entity)
		}
	}
	return state, err
}

func rebuildViews(ctx context.Context, e *Env) ([]Value, error) {
	sys, err := e.Writing(ctx)
	if err != nil {
		return nil, err
	}
	rates := make([]Value, len(rebuilt()))
	for i, view := range rebuilt() {
		if rates[i].Value, err = e.rebuild(ctx, sys, view); err != nil {
			return nil, err
		}
	}
	slowest := rates[1]
	for _, r := range rates[2:] {
		slowest.Value = min(slowest.Value, r.Value)
	}
	return append([]Value{rates[0], slowest, rates[0]}, rates[1:]...), nil
}

// rebuild makes a view anew and tells how many events a second it took.
func (e *Env) rebuild(ctx context.Context, sys *daemon.System, view string) (perSecond float64, err error) {
	head, err := sys.Log.Head(ctx)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	err = sys.Runner.Rebuild(ctx, view, func(at, of events.Seq) { e.progress(int(at), int(of)) })
	return rate(int(head), time.Since(began)), err
}

// rebuildAll leaves of a catalogue what cannot be made again, and starts it.
func rebuildAll(ctx context.Context, e *Env) ([]Value, error) {
	if err := e.stop(ctx); err != nil {
		return nil, err
	}
	dir, err := e.Scratch()
	if err != nil {
		return nil, err
	}
	for _, kept := range []string{"nats", "keys"} {
		if err := copyTree(ctx, filepath.Join(e.Data(), kept), filepath.Join(dir, kept)); err != nil {
			return nil, err
		}
	}
	if err := copyFile(filepath.Join(e.Data(), "log.json"), filepath.Join(dir, "log.json")); err != nil {
		return nil, err
	}
	began := time.Now()
	sys, err := open(ctx, daemon.Config{DataDir: dir, NATSListen: listen}, e.tell)
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	v, err := besideBare(ctx, sys, func(events.Seq) (time.Duration, error) { return took, nil })
	err = errors.Join(err, sys.Close(context.WithoutCancel(ctx)), os.RemoveAll(dir))
	return []Value{v, {Value: v.Value}}, err
}
