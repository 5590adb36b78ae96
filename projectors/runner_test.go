package projectors_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/heads"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
)

func TestRunnerKeepsEveryViewAtTheLog(t *testing.T) {
	t.Parallel()
	all := someHistory(t, 1, 600)
	log := newLog(t, all[:500]...)
	fs := vfs.NewMem()
	views := openViews(t, fs)
	r := projectors.NewRunner(log, views, projectors.Listener{})
	stop := run(t, r)
	waitFor(t, r, 500)
	appendTo(t, log, all[500:550]...)
	waitFor(t, r, 550)
	checkViews(t, views, log)
	for _, s := range r.Status() {
		if s.Lag != 0 || s.Fault != nil || s.Rebuilding || s.Checkpoint.Seq != 550 || s.Checkpoint.Stream != log.Identity() {
			t.Errorf("%+v", s)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	// A Runner that starts again goes on from the checkpoints.
	appendTo(t, log, all[550:]...)
	var mu sync.Mutex
	applied := map[string]int{}
	r = projectors.NewRunner(log, views, projectors.Listener{Applied: func(view string, _ events.Seq, n int) {
		mu.Lock()
		defer mu.Unlock()
		applied[view] += n
	}})
	stop = run(t, r)
	waitFor(t, r, events.Seq(len(all)))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	checkViews(t, views, log)
	for _, v := range views {
		if n := applied[v.Projector.Name()]; n != len(all)-550 {
			t.Errorf("view %s was applied %d events, %d were new", v.Projector.Name(), n, len(all)-550)
		}
	}
}

// Views that stand apart are brought together, each from where it stands.
func TestRunnerBringsViewsTogether(t *testing.T) {
	t.Parallel()
	all := someHistory(t, 2, 300)
	log := newLog(t, all...)
	views := openViews(t, vfs.NewMem())
	for i, v := range views {
		fill(t, v, all[:i*40])
	}
	r := projectors.NewRunner(log, views, projectors.Listener{})
	stop := run(t, r)
	waitFor(t, r, events.Seq(len(all)))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	checkViews(t, views, log)
}

// fill folds events into a view without a Runner.
func fill(t testing.TB, v projectors.View, stored []events.Stored) {
	t.Helper()
	if len(stored) == 0 {
		return
	}
	if err := projectors.Folder(v.Home.Current(), v.Projector, newLog(t).Identity(), projectors.NewVoucher(deletion.Genesis{}))(stored); err != nil {
		t.Fatal(err)
	}
}

func TestRunnerGoesOnAfterPoison(t *testing.T) {
	t.Parallel()
	all := someHistory(t, 3, 300)
	victim := all[len(all)/2].About
	all = slices.Insert(all, len(all)/2, poison(victim, "one"))
	log := newLog(t, all...)
	views := openViews(t, vfs.NewMem())
	var heard []events.Aggregate
	r := projectors.NewRunner(log, views, projectors.Listener{
		Quarantined: func(about events.Aggregate, seq events.Seq, why error) {
			if seq != events.Seq(len(all)/2) && !errors.Is(why, events.ErrMalformed) {
				t.Errorf("event %d: %v", seq, why)
			}
			heard = append(heard, about)
		},
	})
	stop := run(t, r)
	waitFor(t, r, events.Seq(len(all)))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(heard, []events.Aggregate{victim}) {
		t.Errorf("heard of %v", heard)
	}
	checkViews(t, views, log)
}

// What a checkpoint says and the log does not bear out stops the Runner, and
// the error says which it is.
func TestRunnerRefusesAnotherLog(t *testing.T) {
	t.Parallel()
	all := someHistory(t, 4, 100)
	forged := all[59]
	forged.Seq, forged.ID = 60, events.DeriveID[events.EventID]("forged")
	early := all[39]
	early.Seq, early.Source = 40, "/services/elsewhere"
	for name, c := range map[string]struct {
		damage func(*eventtest.MemoryLog) projectors.Source
		want   error
	}{
		"other stream": {func(*eventtest.MemoryLog) projectors.Source {
			other := eventtest.NewMemoryLog("other")
			appendTo(t, other, all...)
			return other
		}, projectors.ErrOtherLog},
		"shorter":            {func(l *eventtest.MemoryLog) projectors.Source { l.Truncate(59); return l }, projectors.ErrLogBehind},
		"other event there":  {func(l *eventtest.MemoryLog) projectors.Source { l.Replace(forged); return l }, projectors.ErrOtherLog},
		"other event before": {func(l *eventtest.MemoryLog) projectors.Source { l.Replace(early); return l }, projectors.ErrOtherLog},
		"gap":                {func(l *eventtest.MemoryLog) projectors.Source { return gapped{l} }, events.ErrGap},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			views := openViews(t, vfs.NewMem())
			fill(t, views[0], all[:60])
			fill(t, views[1], all[:20])
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // for a Runner that sees nothing wrong
			defer cancel()
			err := projectors.NewRunner(c.damage(newLog(t, all...)), views[:2], projectors.Listener{}).Run(ctx)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			for i, at := range []events.Seq{60, 20} {
				if got := views[i].Home.Current().Checkpoint().Seq; got < at || got > 60 {
					t.Errorf("view %d moved from %d to %d", i, at, got)
				}
			}
		})
	}
}

// gapped is a log that loses event 70 on the way.
type gapped struct{ *eventtest.MemoryLog }

func (g gapped) Tail(ctx context.Context, after events.Seq, fn func([]events.Stored) error) error {
	return g.MemoryLog.Tail(ctx, after, func(s []events.Stored) error {
		return fn(slices.DeleteFunc(s, func(s events.Stored) bool { return s.Seq == 70 }))
	})
}

// A checkpoint that holds is not refused, and neither is a new view.
func TestCheckLog(t *testing.T) {
	t.Parallel()
	all := someHistory(t, 4, 50)
	log := newLog(t, all...)
	v := openViews(t, vfs.NewMem())[0]
	if err := projectors.CheckLog(t.Context(), log, v.Home.Current().Checkpoint()); err != nil {
		t.Error(err)
	}
	fill(t, v, all)
	if err := projectors.CheckLog(t.Context(), log, v.Home.Current().Checkpoint()); err != nil {
		t.Error(err)
	}
}

// A view is rebuilt while events flow: nothing is lost, and the rows are those
// of a view that was never rebuilt.
func TestRebuildWhileEventsFlow(t *testing.T) {
	t.Parallel()
	all := someHistory(t, 5, 1500)
	log := newLog(t, all[:300]...)
	views := openViews(t, vfs.NewMem())
	var mu sync.Mutex
	rebuilt := map[string]int{}
	r := projectors.NewRunner(log, views, projectors.Listener{Rebuilt: func(view string, seq events.Seq) {
		mu.Lock()
		defer mu.Unlock()
		rebuilt[view]++
		if seq < 300 {
			t.Errorf("view %s was put in place at %d", view, seq)
		}
	}})
	stop := run(t, r)
	var wg sync.WaitGroup
	wg.Go(func() { appendTo(t, log, all[300:]...) })
	for _, v := range views {
		wg.Go(func() {
			for range 3 {
				if err := r.Rebuild(t.Context(), v.Projector.Name(), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	waitFor(t, r, events.Seq(len(all)))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	checkViews(t, views, log)
	for _, v := range views {
		if n := rebuilt[v.Projector.Name()]; n != 3 {
			t.Errorf("view %s was rebuilt %d times", v.Projector.Name(), n)
		}
	}
}

func TestRebuildIsForOneAtATime(t *testing.T) {
	t.Parallel()
	log := newLog(t, someHistory(t, 6, 50)...)
	views := openViews(t, vfs.NewMem())
	r := projectors.NewRunner(log, views, projectors.Listener{})
	if err := r.Rebuild(t.Context(), "nonesuch", nil); !errors.Is(err, projectors.ErrNoView) {
		t.Error(err)
	}
	calls := 0
	err := r.Rebuild(t.Context(), tenants.Name, func(at, head events.Seq) {
		if calls++; at == 0 || at > head {
			t.Errorf("progress %d of %d", at, head)
		}
		if !r.Status()[0].Rebuilding {
			t.Error("the status does not show it")
		}
		if r.Rebuild(t.Context(), tenants.Name, nil) == nil {
			t.Error("a view is rebuilt twice at a time")
		}
	})
	if err != nil || calls == 0 {
		t.Errorf("%d calls, %v", calls, err)
	}
	if r.Status()[0].Rebuilding {
		t.Error("the status still shows a rebuild")
	}
	checkViews(t, views[:1], log)
}

// A rebuild that fails leaves what was there.
func TestFailedRebuildChangesNothing(t *testing.T) {
	t.Parallel()
	all := someHistory(t, 7, 100)
	log := newLog(t, all...)
	views := openViews(t, vfs.NewMem())[:1]
	r := projectors.NewRunner(log, views, projectors.Listener{})
	run(t, r)
	waitFor(t, r, events.Seq(len(all)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Rebuild(ctx, tenants.Name, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	checkViews(t, views, log)
	if s := r.Status()[0]; s.Rebuilding || s.Fault != nil {
		t.Errorf("%+v", s)
	}
}

func TestWaitForEndsWithItsContext(t *testing.T) {
	t.Parallel()
	r := projectors.NewRunner(newLog(t), openViews(t, vfs.NewMem()), projectors.Listener{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.WaitFor(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	waitFor(t, r, 0)
}

// On the real log, written by the Service on the real store: every view is what
// the fold makes, and the write side's own store too.
func TestRunnerOnJetStream(t *testing.T) {
	t.Parallel()
	log, _ := eventtest.NewLog(t)
	db := openDB(t, heads.Projector{}, vfs.NewMem())
	store, err := heads.Open(db, log.Identity(), heads.DefaultItems)
	if err != nil {
		t.Fatal(err)
	}
	service, err := catalogue.Open(t.Context(), catalogue.Config{
		Log: log, Store: store, Seal: catalogtest.Seal{}, Clock: catalogtest.Ticking(), Guard: catalogtest.Unguarded{},
	})
	if err != nil {
		t.Fatal(err)
	}
	views := openViews(t, vfs.NewMem())
	r := projectors.NewRunner(log, views, projectors.Listener{})
	stop := run(t, r)
	g := catalogtest.NewGenerator(catalogtest.Seeded(8))
	var last events.Seq
	for range 200 {
		request := g.Next()
		v := service.Publish(t.Context(), catalogtest.Internal, request)[0]
		if v.Err != nil {
			t.Fatal(v.Err)
		}
		g.Took(request, v)
		last = v.Seq
	}
	if err := service.Close(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, r, last)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	checkViews(t, views, log)
	rebuilt := openDB(t, heads.Projector{}, vfs.NewMem())
	if err := projectors.Folder(rebuilt, heads.Projector{}, log.Identity(), projectors.NewVoucher(deletion.Genesis{}))(eventtest.All(t, log)); err != nil {
		t.Fatal(err)
	}
	want, err := viewdb.SumOf(rebuilt)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := viewdb.SumOf(db); err != nil || got != want || got.Rows < 200 {
		t.Errorf("the heads have %d rows, a rebuild %d, %v", got.Rows, want.Rows, err)
	}
}
