package bench

import (
	"context"
	"runtime"
	"time"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/pages"
	"tenantcatalogue/projectors/tenants"
)

// beyondRows measure what the plan for more tenants than one stream and one machine
// hold rests on.
func beyondRows() []Row {
	return []Row{
		{
			Name: "partitions", OnlyNamed: true,
			What: "bare fsynced atomic batches of 1,000 on several streams at once, each on a server of its own, two under way on each",
			Figures: []Figure{
				{Name: "2", Unit: "events/s", Baseline: "one stream"},
				{Name: "4", Unit: "events/s", Baseline: "one stream"},
			},
			Run: partitions,
		},
		{
			Name: "view-shards", OnlyNamed: true,
			What:    "the tenants view made again by all processors, and by one: aggregates have nothing to say to each other",
			Figures: []Figure{{Unit: "events/s", Baseline: "one processor"}},
			Run:     viewShards,
		},
		{
			Name: "cold-history", OnlyNamed: true,
			What: "pages of the log that hold any event of 883 tenants chosen at random: what a restoration asks object storage for when their history has gone there",
			Figures: []Figure{
				{Name: "pages", Unit: "pages", Baseline: "all pages"},
				{Name: "bytes", Unit: "MiB", Baseline: "all pages"},
				{Name: "own", Unit: "MiB"}, // not packed
				{Name: "states", Unit: "B/tenant"},
			},
			Run: coldHistory,
		},
	}
}

// newest is the last events of the log.
func (e *Env) newest(ctx context.Context, n events.Seq) ([]events.Stored, error) {
	sys, err := e.Serving(ctx)
	if err != nil {
		return nil, err
	}
	return written(ctx, sys, e.Events-min(e.Events, n))
}

func partitions(ctx context.Context, e *Env) ([]Value, error) {
	const lanes, size, each = 2, 1000, 20_000 // events that a stream gets
	stored, err := e.newest(ctx, each)
	if err != nil {
		return nil, err
	}
	at := func(streams int) (perSecond float64, err error) {
		did := make([]func() error, streams)
		for i := range streams {
			dir, err := e.Scratch()
			if err != nil {
				return 0, err
			}
			raw, err := openRaw(ctx, dir)
			if err != nil {
				return 0, err
			}
			defer raw.close()
			list := batches(stored, size)
			did[i] = func() error { return raw.publishBatches(ctx, lanes, list) }
		}
		began := time.Now()
		_, err = inTurns(streams, streams, func(i int) error { return did[i]() })
		return rate(streams*len(stored), time.Since(began)), err
	}
	var rates [3]float64
	for i, streams := range []int{1, 2, 4} {
		if rates[i], err = at(streams); err != nil {
			return nil, err
		}
	}
	return []Value{{rates[1], rates[0]}, {rates[2], rates[0]}}, nil
}

func viewShards(ctx context.Context, e *Env) ([]Value, error) {
	sys, err := e.Writing(ctx)
	if err != nil {
		return nil, err
	}
	by := func(processors int) (float64, error) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
		return e.rebuild(ctx, sys, tenants.Name)
	}
	one, err := by(1)
	if err != nil {
		return nil, err
	}
	all, err := by(runtime.NumCPU())
	return []Value{{all, one}}, err
}

func coldHistory(ctx context.Context, e *Env) ([]Value, error) {
	sys, err := e.Serving(ctx)
	if err != nil {
		return nil, err
	}
	wanted, own := map[events.Seq]bool{}, 0
	err = history.View(sys.History, func(r *history.Reader) error {
		for range e.Deleted {
			err := r.Of(events.OfTenant(e.anyone()), 0, r.Head(), func(s events.Stored) error {
				wanted[(s.Seq-1)/pages.Size] = true
				own += len(s.Data)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	onDisk := sys.Homes[pages.Name].Current().Metrics().DiskBytes
	states := sys.Homes[tenants.Name].Current().Metrics().DiskBytes
	const mib = 1 << 20
	all := float64((e.Events + pages.Size - 1) / pages.Size)
	whole := float64(onDisk) / mib
	return []Value{
		{float64(len(wanted)), all},
		{whole * float64(len(wanted)) / all, whole},
		{Value: float64(own) / mib},
		{Value: float64(states) / float64(e.Tenants)},
	}, nil
}
