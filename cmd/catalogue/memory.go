package main

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The garbage collector runs when the heap has grown to four times what is in use, a
// third as often as by default, and near the limit as often as it takes to stay below.
// Where that would take it too much of the processors' time, because most of the heap
// is in use, the limit is raised step by step, up to half more than what is in use, and taken
// back when the collector has little to do. GOGC and GOMEMLIMIT are heeded when they
// are set.
const (
	heapGrowth = 300 // percent
	heapLimit  = 1 << 30

	memoryEvery = 2 * time.Second
	// busyCollector and idleCollector are shares of the processors' time.
	busyCollector = 0.2
	idleCollector = 0.02
)

// tuneMemory sets what the collector goes by, until ctx ends.
func tuneMemory(ctx context.Context) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit(heapLimit)
	go func() {
		c := newCollector()
		tick := time.NewTicker(memoryEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				share, live := c.read()
				if now := debug.SetMemoryLimit(-1); now != math.MaxInt64 { // no limit was wanted
					debug.SetMemoryLimit(nextLimit(now, share, live))
				}
			case <-ctx.Done():
				return
			}
		}
	}()
}

// nextLimit is the limit after the collector has taken a share of the processors with
// so much in use.
func nextLimit(limit int64, share float64, live uint64) int64 {
	switch {
	case share > busyCollector:
		limit += limit / 4
	case share < idleCollector:
		limit -= limit / 8
	}
	return max(heapLimit, min(limit, int64(live)*3/2)) //nolint:gosec // a heap has no 2^63 bytes
}

// collector tells what the garbage collector has done since the last time.
type collector struct {
	samples []metrics.Sample
	took    float64 // seconds of processors
	all     float64
}

func newCollector() *collector {
	c := &collector{samples: []metrics.Sample{
		// What it does with processors that are idle takes nothing from anybody.
		{Name: "/cpu/classes/gc/mark/dedicated:cpu-seconds"},
		{Name: "/cpu/classes/gc/mark/assist:cpu-seconds"},
		{Name: "/cpu/classes/total:cpu-seconds"},
		{Name: "/gc/heap/live:bytes"},
	}}
	c.read()
	return c
}

func (c *collector) read() (share float64, live uint64) {
	metrics.Read(c.samples)
	took := c.samples[0].Value.Float64() + c.samples[1].Value.Float64()
	all := c.samples[2].Value.Float64()
	if all > c.all { // it is counted at the end of a collection
		share = (took - c.took) / (all - c.all)
	}
	c.took, c.all = took, all
	return share, c.samples[3].Value.Uint64()
}
