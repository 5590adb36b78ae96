package deletion_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
)

const aDay = 24 * time.Hour

// A deleted tenant is kept for the retention, in time that has really passed, and for
// longer if a lien says so.
func TestKeeping(t *testing.T) {
	t.Parallel()
	w := governed(t, 5)
	retention := w.quick().Retention.Duration()
	keeping := func(wantCounted time.Duration, over bool) {
		t.Helper()
		k, err := deletion.KeepingOf(w, tenantID(2), w.now)
		if err != nil {
			t.Fatal(err)
		}
		if k.Counted != wantCounted || k.Left != max(0, retention-wantCounted) || k.Over() != over {
			t.Errorf("%s have passed and %s are left, over: %v; want %s", k.Counted, k.Left, k.Over(), wantCounted)
		}
	}
	for id, want := range map[events.TenantID]error{tenantID(2): catalogue.ErrIllegal, tenantID(99): catalogue.ErrNotFound} {
		if _, err := deletion.KeepingOf(w, id, w.now); !errors.Is(err, want) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if step := w.run(w.ready(w.ask(2), "ana").ID); !step.Done || step.Why != "" {
		t.Fatalf("%+v", step)
	}
	keeping(0, false)
	w.pass(aDay)
	keeping(aDay, false)
	w.now = w.now.Add(30 * time.Minute) // counts before the tick
	keeping(aDay+30*time.Minute, false)
	w.now = w.now.Add(-30 * time.Minute)

	before := w.now
	w.now = before.Add(40 * aDay) // the clock jumps ...
	keeping(aDay+time.Hour, false)
	w.tick()
	w.now = w.now.Add(40 * aDay)
	w.tick()
	keeping(aDay+2*time.Hour, false)
	w.now = before // ... and is put back
	keeping(aDay, false)
	w.tick()
	w.now = before.Add(80 * aDay)
	w.pass(retention - aDay - 2*time.Hour - time.Minute)
	keeping(retention-time.Minute, false)

	w.must(w.event(events.OfLiens(tenantID(2)), events.LienPlaced{Matter: "legal/22"}))
	w.pass(time.Hour)
	keeping(retention+59*time.Minute, false)
	if err := w.liftLien(2, "oncall"); err != nil {
		t.Fatal(err)
	}
	keeping(retention+59*time.Minute, true)
	if _, err := deletion.KeepingOf(begin(t), tenantID(2), w.now); !errors.Is(err, catalogue.ErrNotFound) {
		t.Error(err)
	}
}

// What is counted is what passed within an hour after each tick: exactly so for the last
// 30 days, and never more than that for what is older, however often time was skipped.
func TestCountedTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed"))) //nolint:gosec // of a test
		clock := catalogue.MapState{}
		w := states{
			events.TheOne(events.AggregateClock):  clock,
			events.TheOne(events.AggregatePolicy): policyState(),
		}
		ticks := []events.Time{events.TimeOf(time.Unix(1e9, 0))}
		if r.IntN(2) == 0 { // a clock that was never set
			ticks = append(ticks, ticks[0].Add(10_000*aDay))
		}
		for range rapid.SampledFrom([]int{3, 30, 300, 2 * catalogue.RecentSkips}).Draw(t, "ticks") {
			gap := time.Duration(r.Int64N(int64(3 * time.Hour)))
			if r.IntN(20) == 0 {
				gap = time.Duration(r.Int64N(int64(60 * aDay)))
			}
			ticks = append(ticks, ticks[len(ticks)-1].Add(gap))
		}
		tick := func(at events.Time) {
			if err := catalogue.Evolve(clock, events.Event{About: events.TheOne(events.AggregateClock), Payload: events.ClockTicked{}, RecordedTime: at}); err != nil {
				t.Fatal(err)
			}
		}
		for _, at := range ticks {
			tick(at)
			if r.IntN(50) == 0 {
				tick(at - events.Time(r.Int64N(int64(60*aDay)))) // one that runs backwards is none
			}
		}
		last := ticks[len(ticks)-1]
		now := last.Add(time.Duration(r.Int64N(int64(2 * time.Hour))))
		if c, _ := clock[events.Clock{}.EntityKey()].(events.Clock); len(c.Skips) > catalogue.RecentSkips {
			t.Fatalf("%d skips are kept", len(c.Skips))
		}
		for range 50 {
			then := ticks[0] + events.Time(r.Int64N(int64(now-ticks[0])+1))
			if r.IntN(2) == 0 {
				then = max(ticks[0], now-events.Time(r.Int64N(int64(30*aDay))))
			}
			w[events.OfTenant(tenantID(1))] = deletedSince(then)
			k, err := deletion.KeepingOf(w, tenantID(1), now)
			if err != nil {
				t.Fatal(err)
			}
			want := really(ticks, then, now)
			if k.Counted > want || k.Counted != want && now.Sub(then) <= 30*aDay {
				t.Fatalf("of %s since %s, %s are counted, not %s", now.Sub(then), then, k.Counted, want)
			}
		}
	})
}

// really is the time between two times that lies within an hour after a tick.
func really(ticks []events.Time, then, now events.Time) (sum time.Duration) {
	for i, tick := range ticks {
		end := tick.Add(catalogue.TickEvery)
		if i+1 < len(ticks) {
			end = min(end, ticks[i+1])
		}
		sum += max(0, min(end, now).Sub(max(tick, then)))
	}
	return sum
}

// states are some aggregates' alone.
type states map[events.Aggregate]catalogue.MapState

// State is as in Heads.
func (s states) State(about events.Aggregate) catalogue.State { return s[about] }

// Head is as in Heads.
func (states) Head(events.Aggregate) (catalogue.Head, error) { return catalogue.Head{}, nil }

func policyState() catalogue.MapState {
	p := events.InForce{Version: 1, Policy: deletion.DefaultPolicy(environment)}
	return catalogue.MapState{p.EntityKey(): p}
}

func deletedSince(then events.Time) catalogue.MapState {
	record, gone := events.Tenant{Status: events.TenantStatusDeleted}, events.Deactivation{Since: then}
	return catalogue.MapState{record.EntityKey(): record, gone.EntityKey(): gone}
}

// A recorded time that lies before another that is known may not be, whoever knows it.
func TestTimesDoNotRunBackwards(t *testing.T) {
	t.Parallel()
	const later = 10 * time.Second
	for name, what := range map[string]func(w *world){
		"tick": func(w *world) { w.tick() },
		"halt": func(w *world) { w.halt() },
		"halt, which is not turned back by another": func(w *world) {
			w.halt()
			recorded, now := w.recorded, w.now
			w.recorded, w.now = 0, now.Add(-time.Hour)
			w.must(w.event(events.TheOne(events.AggregateDoor), events.DoorHalted{Cause: events.HaltByPerson}))
			w.recorded, w.now = recorded, now
		},
		"policy": func(w *world) { w.adopt(w.quick()) },
		"plan":   func(w *world) { w.plan(w.ask(1)) },
	} {
		w := governed(t, 3)
		w.now = w.now.Add(later)
		what(w)
		for ago, want := range map[time.Duration]bool{0: true, time.Second: false} {
			e := w.event(events.TheOne(events.AggregateClock), events.ClockTicked{})
			e.Seq, e.RecordedTime = w.seq+1, w.now.Add(-ago)
			if err := deletion.Vouch(w, e); (err == nil) != want {
				t.Errorf("%s before the last %s: %v", ago, name, err)
			}
		}
	}
	w := governed(t, 3)
	p := w.ready(w.ask(1, 2, 3), "ana")
	w.now = w.now.Add(later)
	if step, err := w.engine.Step(t.Context(), p.ID); err != nil || step.Wave != 1 {
		t.Fatalf("%+v, %v", step, err)
	}
	e := w.event(events.TheOne(events.AggregateClock), events.ClockTicked{})
	e.Seq, e.RecordedTime = w.seq+1, w.now.Add(-time.Second)
	if err := deletion.Vouch(w, e); err == nil {
		t.Error("before the last wave")
	}
}

// Nobody becomes inactive by a clock that jumps.
func TestInactiveInCountedTime(t *testing.T) {
	t.Parallel()
	w := governed(t, 12)
	a := w.ask(10, 12) // used 10 and 12 days ago
	a.InactiveDays = 30
	w.now = w.now.Add(40 * 24 * time.Hour)
	w.tick()
	if _, err := w.tryPlan(a); err == nil || !strings.Contains(err.Error(), "2 of 2 is said to be inactive for 30 days") {
		t.Errorf("after a jump: %v", err)
	}
	w.pass(20 * 24 * time.Hour)
	w.plan(a)
}
