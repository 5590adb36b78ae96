package bench

import (
	"context"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
)

// inFlight is how many events are on their way when the write side is saturated.
const inFlight = 2000

func publishRows() []Row {
	return []Row{
		{
			Name: "publish-saturated", What: "durable publish through the Service, 2,000 in flight, views paused",
			Figures: []Figure{
				{Unit: "events/s", Baseline: "bare fsynced atomic batches of 1,000, two at once", Target: ratioAtLeast(0.8)},
				{Name: "postgres", Unit: "events/s", Baseline: "PostgreSQL, 1,000 rows a commit", Rival: "insert_1000", Target: ratioAtLeast(1)},
				{Name: "postgres-copy", Unit: "events/s", Baseline: "PostgreSQL, COPY of 1,000 rows a commit", Rival: "copy_1000"},
			},
			Run: publishSaturated,
		},
		{
			Name: "publish-64", What: "64 callers, one event at a time each, views paused",
			Figures: []Figure{
				{Unit: "events/s", Baseline: "64 callers publishing bare, one by one, with fsync", Target: ratioAtLeast(2)},
				{Name: "postgres", Unit: "events/s", Baseline: "PostgreSQL, 64 connections", Rival: "insert_64", Target: ratioAtLeast(1.5)},
			},
			Run: publish64,
		},
		{
			Name: "publish-one", What: "one caller, one event at a time, views paused: p50",
			Figures: []Figure{
				{Unit: "µs", Baseline: "one bare fsynced publish", Target: ratioAtMost(1.5)},
				{Name: "postgres", Unit: "µs", Baseline: "one PostgreSQL commit", Rival: "commit_p50_us", Target: ratioAtMost(1.5)},
			},
			Run: publishOne,
		},
	}
}

// duel publishes through the Service and bare in turns, so that both meet the
// same weather. The bare side gets the bytes that the Service has just stored.
type duel struct {
	sys     *daemon.System
	raw     *rawStream
	traffic *traffic
}

func (e *Env) duel(ctx context.Context) (*duel, error) {
	sys, err := e.WriteSide(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := e.Scratch()
	if err != nil {
		return nil, err
	}
	raw, err := openRaw(ctx, dir)
	return &duel{sys: sys, raw: raw, traffic: e.traffic()}, err
}

// rounds runs both sides n times and adds up how long each has taken.
func (d *duel) rounds(ctx context.Context, n, size int, ours func([]catalogue.Request) error, bare func([]events.Stored) (time.Duration, error)) (v Value, err error) {
	defer d.raw.close()
	var inService, inRaw time.Duration
	for range n {
		requests := d.traffic.some(size)
		before, err := d.sys.Log.Head(ctx)
		if err != nil {
			return v, err
		}
		began := time.Now()
		if err := ours(requests); err != nil {
			return v, err
		}
		inService += time.Since(began)
		stored, err := written(ctx, d.sys, before)
		if err != nil {
			return v, err
		}
		took, err := bare(stored)
		if err != nil {
			return v, err
		}
		inRaw += took
	}
	return Value{rate(n*size, inService), rate(n*size, inRaw)}, nil
}

// written is what has been appended after a Seq.
func written(ctx context.Context, sys *daemon.System, after events.Seq) (out []events.Stored, err error) {
	head, err := sys.Log.Head(ctx)
	if err != nil {
		return nil, err
	}
	err = sys.Log.Read(ctx, after, head, func(stored []events.Stored) error {
		out = append(out, stored...)
		return nil
	})
	return out, err
}

func publishSaturated(ctx context.Context, e *Env) ([]Value, error) {
	d, err := e.duel(ctx)
	if err != nil {
		return nil, err
	}
	const rounds, each = 5, 5 // events a caller publishes in a round
	v, err := d.rounds(ctx, rounds, each*inFlight, func(requests []catalogue.Request) error {
		_, err := closedLoop(ctx, d.sys.Service, inFlight, requests)
		return err
	}, func(stored []events.Stored) (time.Duration, error) {
		list := batches(stored, inFlight/2)
		began := time.Now()
		err := d.raw.publishBatches(ctx, 2, list)
		return time.Since(began), err
	})
	return []Value{v, {Value: v.Value}, {Value: v.Value}}, err
}

func publish64(ctx context.Context, e *Env) ([]Value, error) {
	const callers, rounds, each = 64, 5, 40
	d, err := e.duel(ctx)
	if err != nil {
		return nil, err
	}
	v, err := d.rounds(ctx, rounds, each*callers, func(requests []catalogue.Request) error {
		_, err := closedLoop(ctx, d.sys.Service, callers, requests)
		return err
	}, func(stored []events.Stored) (time.Duration, error) {
		began := time.Now()
		_, err := d.raw.publishEach(ctx, callers, stored)
		return time.Since(began), err
	})
	return []Value{v, {Value: v.Value}}, err
}

func publishOne(ctx context.Context, e *Env) ([]Value, error) {
	const rounds, each = 5, 200
	d, err := e.duel(ctx)
	if err != nil {
		return nil, err
	}
	var ours, bare samples
	_, err = d.rounds(ctx, rounds, each, func(requests []catalogue.Request) error {
		took, err := closedLoop(ctx, d.sys.Service, 1, requests)
		ours = append(ours, took...)
		return err
	}, func(stored []events.Stored) (time.Duration, error) {
		took, err := d.raw.publishEach(ctx, 1, stored)
		bare = append(bare, took...)
		return time.Second, err
	})
	v := Value{micros(ours.percentile(50)), micros(bare.percentile(50))}
	return []Value{v, {Value: v.Value}}, err
}
