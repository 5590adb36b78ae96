package bench

import (
	"context"
	"sort"
	"time"

	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
)

// livePerSecond is the live traffic of an open loop.
const livePerSecond = 5000

func visibleRows() []Row {
	return []Row{
		{
			Name: "publish-with-views", What: "durable publish, 2,000 in flight, until every view shows the last event",
			Figures: []Figure{
				{Unit: "events/s", Target: atLeast(20_000)},
				{Name: "acked", Unit: "events/s"},
				{Name: "lag", Unit: "events"},
			},
			Run: publishWithViews,
		},
		{
			Name: "ack-to-visible", What: "from the ack until every view shows the event, 5,000 events/s open loop",
			Figures: []Figure{
				{Name: "p50", Unit: "ms", Target: atMost(5)},
				{Name: "p99", Unit: "ms", Target: atMost(25)},
				{Name: "ack-p50", Unit: "ms"},
				{Name: "ack-p99", Unit: "ms"},
			},
			Run: ackToVisible,
		},
	}
}

// publishWithViews counts the time until the views have followed, so that a lag
// that grows is paid for.
func publishWithViews(ctx context.Context, e *Env) ([]Value, error) {
	const each = 25
	sys, err := e.Writing(ctx)
	if err != nil {
		return nil, err
	}
	requests := e.traffic().some(each * inFlight)
	greatest := watchLag(ctx, sys)
	began := time.Now()
	_, err = closedLoop(ctx, sys.Service, inFlight, requests)
	lag := greatest()
	if err != nil {
		return nil, err
	}
	acked := time.Since(began)
	head, err := sys.Log.Head(ctx)
	if err != nil {
		return nil, err
	}
	if err := sys.Runner.WaitFor(ctx, head); err != nil {
		return nil, err
	}
	shown := time.Since(began)
	return []Value{{Value: rate(len(requests), shown)}, {Value: rate(len(requests), acked)}, {Value: float64(lag)}}, nil
}

// watchLag looks now and then how far the slowest view is behind the log; stop
// gives the most that was seen.
func watchLag(ctx context.Context, sys *daemon.System) (stop func() events.Seq) {
	ctx, cancel := context.WithCancel(ctx)
	most := make(chan events.Seq)
	go func() {
		var lag events.Seq
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				at := sys.Seq() // before the head, so that it is never ahead of it
				if head, err := sys.Log.Head(ctx); err == nil {
					lag = max(lag, head-at)
				}
			case <-ctx.Done():
				most <- lag
				return
			}
		}
	}()
	return func() events.Seq {
		cancel()
		return <-most
	}
}

func ackToVisible(ctx context.Context, e *Env) ([]Value, error) {
	const seconds = 10
	sys, err := e.Writing(ctx)
	if err != nil {
		return nil, err
	}
	watched := watch(ctx, sys)
	list, err := e.openLoop(ctx, sys.Service, livePerSecond, func(i int) bool { return i < seconds*livePerSecond })
	if err != nil {
		_, _ = watched(0) // the first error says more
		return nil, err
	}
	last := events.Seq(0)
	for _, s := range list {
		last = max(last, s.seq)
	}
	shown, err := watched(last)
	if err != nil {
		return nil, err
	}
	var visible, acked samples
	for _, s := range list {
		acked = append(acked, s.acked.Sub(s.due))
		visible = append(visible, max(0, shown.when(s.seq).Sub(s.acked)))
	}
	return []Value{
		{Value: millis(visible.percentile(50))},
		{Value: millis(visible.percentile(99))},
		{Value: millis(acked.percentile(50))},
		{Value: millis(acked.percentile(99))},
	}, nil
}

// sighting is a Seq that every view was seen to have reached.
type sighting struct {
	seq events.Seq
	at  time.Time
}

// sightings ascend.
type sightings []sighting

// when is the moment at which every view showed seq.
func (s sightings) when(seq events.Seq) time.Time {
	return s[sort.Search(len(s), func(i int) bool { return s[i].seq >= seq })].at
}

// watch notes how the views come on, until stop's Seq has been reached.
func watch(ctx context.Context, sys *daemon.System) (stop func(events.Seq) (sightings, error)) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan sightings)
	go func() {
		var out sightings
		for sys.Runner.WaitFor(ctx, sys.Seq()+1) == nil {
			out = append(out, sighting{sys.Seq(), time.Now()})
		}
		done <- out
	}()
	return func(last events.Seq) (sightings, error) {
		err := sys.Runner.WaitFor(ctx, last)
		at := time.Now()
		cancel()
		// The watcher may have been told to stop before it saw the last one.
		return append(<-done, sighting{last, at}), err
	}
}
