package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/restore"
)

func restoreRows() []Row {
	const triggers, table = "PostgreSQL history triggers, unverified", "PostgreSQL events table"
	return []Row{
		{
			Name: "restore", What: "883 tenants that a run has deleted: planned, applied until every view shows them, certified",
			Figures: []Figure{
				{Name: "apply", Unit: "s", Baseline: triggers, Rival: "history_restore_s", Target: ratioAtMost(1)},
				{Name: "apply-events-table", Unit: "s", Baseline: table, Rival: "events_restore_s", Target: ratioAtMost(0.5)},
				{Name: "total", Unit: "s", Target: atMost(2).at(100_000)},
				{Name: "plan", Unit: "s"},
				{Name: "certificate", Unit: "s"},
				{Name: "certificate-whole", Unit: "s"},
			},
			Run: restoreMany,
		},
		{
			Name: "as-of-long",
			What: "a tenant of 1,000,000 events (ten for each tenant of a smaller data set) as of any Seq, from the snapshots that the first read after a start lays down",
			Figures: []Figure{
				{Name: "p50", Unit: "µs", Target: atMost(400).at(100_000)},
				{Name: "first", Unit: "µs"},
				{Name: "snapshots", Unit: "MiB"},
				{Name: "events", Unit: "events"},
			},
			Run: asOfLong,
		},
		{
			Name: "restore-live", What: "live p99 at 5,000 events/s open loop while 883 tenants are planned and applied",
			Figures: []Figure{
				{Unit: "ms", Baseline: "the same without a restoration", Target: ratioAtMost(1.5)},
				{Name: "certificate", Unit: "ms", Baseline: "the same without a restoration"},
			},
			Run: restoreLive,
		},
	}
}

// wrongRun deletes the tenants that a wrong run deletes, and waits for the views.
func (e *Env) wrongRun(ctx context.Context, sys *daemon.System) (run events.RunID, err error) {
	run = events.IDFromUUID[events.RunID](uuid.Must(uuid.NewV7()))
	list := make([]deletion.Asked, e.Deleted)
	err = sys.Homes[tenants.Name].View(func(s *viewdb.Snapshot) error {
		for i := range list {
			rec, found, err := tenants.Get(s, e.cast.Tenant(i))
			if err != nil || !found {
				return fmt.Errorf("%s is not in the tenants view: %w", e.cast.Tenant(i), err)
			}
			list[i] = deletion.Asked{ID: rec.ID.String(), Parent: rec.Account.String(), Name: rec.URL}
		}
		return nil
	})
	if err != nil {
		return run, err
	}
	crew := people.NewCrew(sys.Deletions(), sys.Clock)
	if err := crew.DeleteTenants(ctx, sys.Service, run, list...); err != nil {
		return run, err
	}
	head, err := sys.Log.Head(ctx)
	if err != nil {
		return run, err
	}
	return run, sys.Runner.WaitFor(ctx, head)
}

// restored is how long the parts of a restoration took, and when they ended.
type restored struct {
	id                       events.RestoreID
	began                    time.Time
	plan, apply, certificate time.Duration
}

func (r restored) applied() time.Time { return r.began.Add(r.plan + r.apply) }
func (r restored) ended() time.Time   { return r.applied().Add(r.certificate) }

func (e *Env) restore(ctx context.Context, sys *daemon.System, run events.RunID) (r restored, err error) {
	engine := sys.Restorer()
	r.began = time.Now()
	plan, err := engine.Plan(ctx, restore.Ask{
		Mode: events.Rewind, Point: "before " + run.String(), Cause: events.Cause{Runs: []events.RunID{run}},
		Reason: "measured", Actor: "user_bench",
	})
	if err != nil {
		return r, err
	}
	r.id, r.plan = plan.ID, time.Since(r.began)
	status, err := engine.Apply(ctx, plan.ID, nil)
	if err != nil {
		return r, err
	}
	r.apply = time.Since(r.began) - r.plan
	proof, err := engine.Certificate(ctx, plan.ID)
	if err != nil {
		return r, err
	}
	r.certificate = time.Since(r.began) - r.plan - r.apply
	if status.Restored != e.Deleted || !proof.OK {
		err = fmt.Errorf("%d of %d tenants came back, %d faults in the certificate", status.Restored, e.Deleted, len(proof.Faults))
	}
	return r, err
}

func restoreMany(ctx context.Context, e *Env) ([]Value, error) {
	sys, err := e.Writing(ctx)
	if err != nil {
		return nil, err
	}
	run, err := e.wrongRunProven(ctx, sys)
	if err != nil {
		return nil, err
	}
	r, err := e.restore(ctx, sys, run)
	if err != nil {
		return nil, err
	}
	// The same certificate by somebody who trusts no proof.
	if err := os.Remove(filepath.Join(sys.Dir, daemon.ProofFile)); err != nil {
		return nil, err
	}
	began := time.Now()
	if proof, err := sys.Restorer().Certificate(ctx, r.id); err != nil || !proof.OK || proof.ProvenTo != 0 {
		return nil, fmt.Errorf("the whole certificate: %+v: %w", proof.Faults, err)
	}
	apply := Value{Value: r.apply.Seconds()}
	return []Value{
		apply, apply,
		{Value: (r.plan + r.apply + r.certificate).Seconds()},
		{Value: r.plan.Seconds()},
		{Value: r.certificate.Seconds()},
		{Value: time.Since(began).Seconds()},
	}, nil
}

// wrongRunProven is wrongRun in a catalogue whose views have just been verified,
// as serve does by itself.
func (e *Env) wrongRunProven(ctx context.Context, sys *daemon.System) (events.RunID, error) {
	report, err := sys.Prove(ctx)
	if err == nil && !report.OK() {
		err = fmt.Errorf("the views of the data set: %s", report.Faults[0])
	}
	if err != nil {
		return events.RunID{}, err
	}
	return e.wrongRun(ctx, sys)
}

// restoreLive measures the same open loop before a restoration and during one.
func restoreLive(ctx context.Context, e *Env) ([]Value, error) {
	const seconds, longest = 8, 60 // before the restoration; of the loop, however long that takes
	sys, err := e.Writing(ctx)
	if err != nil {
		return nil, err
	}
	run, err := e.wrongRunProven(ctx, sys)
	if err != nil {
		return nil, err
	}
	var over atomic.Bool
	var list []sent
	loop := make(chan error, 1)
	began := time.Now()
	go func() {
		var err error
		list, err = e.openLoop(ctx, sys.Service, livePerSecond, func(i int) bool {
			return !over.Load() && i < longest*livePerSecond
		})
		loop <- err
	}()
	if err := sleepUntil(ctx, began.Add(seconds*time.Second)); err != nil {
		return nil, err
	}
	r, err := e.restore(ctx, sys, run)
	over.Store(true)
	if lost := <-loop; err == nil {
		err = lost
	}
	if err != nil {
		return nil, err
	}
	// The first second is for the loop to settle.
	if len(between(list, r.began, r.applied())) == 0 {
		return nil, fmt.Errorf("%d requests a second are more than it takes even without a restoration", livePerSecond)
	}
	without := between(list, began.Add(time.Second), r.began).p99()
	return []Value{
		{between(list, r.began, r.applied()).p99(), without},
		{between(list, r.applied(), r.ended()).p99(), without},
	}, nil
}

// between is how long the requests took that were due in a span of time.
func between(list []sent, from, to time.Time) (out samples) {
	for _, s := range list {
		if !s.due.Before(from) && s.due.Before(to) {
			out = append(out, s.acked.Sub(s.due))
		}
	}
	return out
}

// asOfLong gives one tenant a long history, once for all runs, and reads it as of
// its last event and then as of random places, as a daemon does that has just been
// started: the first read folds everything and lays the snapshots down that the
// others begin at.
func asOfLong(ctx context.Context, e *Env) ([]Value, error) {
	sys, err := e.Writing(ctx)
	if err != nil {
		return nil, err
	}
	about := events.OfTenant(e.cast.Tenant(e.Tenants - 1))
	want := min(1_000_000, 10*e.Tenants)
	if err := lengthen(ctx, e, sys, about, want); err != nil {
		return nil, err
	}
	const atMostReads, atMostTime = 1000, 20 * time.Second
	snapshots := replay.NewSnapshots(daemon.DefaultSnapshotBytes)
	var first, took samples
	err = history.View(sys.History, func(r *history.Reader) error {
		seqs, err := seqsOf(r, about)
		if err != nil {
			return err
		}
		read := func(at events.Seq) (samples, error) {
			return each(1, func(int) error {
				_, err := snapshots.AsOf(r, about, at)
				return err
			})
		}
		if first, err = read(seqs[len(seqs)-1]); err != nil {
			return err
		}
		for began := time.Now(); len(took) < atMostReads && time.Since(began) < atMostTime; {
			at := seqs[len(took)*7919%len(seqs)]
			one, err := read(at)
			if err != nil {
				return err
			}
			took = append(took, one...)
		}
		want = len(seqs)
		return nil
	})
	return []Value{
		{Value: micros(took.percentile(50))},
		{Value: micros(first.percentile(50))},
		{Value: float64(snapshots.Bytes()) / (1 << 20)},
		{Value: float64(want)},
	}, err
}

func seqsOf(r *history.Reader, about events.Aggregate) (seqs []events.Seq, err error) {
	err = r.Of(about, 0, r.Head(), func(s events.Stored) error {
		seqs = append(seqs, s.Seq)
		return nil
	})
	return seqs, err
}

// lengthen appends to a tenant until it has had n events.
func lengthen(ctx context.Context, e *Env, sys *daemon.System, about events.Aggregate, n int) error {
	var rec tenants.Record
	err := sys.Homes[tenants.Name].View(func(s *viewdb.Snapshot) (err error) {
		rec, _, err = tenants.Get(s, about.Tenant())
		return err
	})
	if err != nil {
		return err
	}
	for have := int(rec.Version); have < n; {
		unit := catalogue.Request{Events: make([]events.Event, min(n-have, 900))}
		for i := range unit.Events {
			unit.Events[i] = event(about, e.cast.Change(e.Tenants-1, (have+i)%1000))
		}
		if err := allStored(sys.Service.Publish(ctx, caller, unit)); err != nil {
			return err
		}
		have += len(unit.Events)
		e.progress(have, n)
	}
	head, err := sys.Log.Head(ctx)
	if err != nil {
		return err
	}
	return sys.Runner.WaitFor(ctx, head)
}
