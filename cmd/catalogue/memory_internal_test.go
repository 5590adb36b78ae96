package main

import (
	"runtime"
	"testing"
)

func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for name, c := range map[string]struct {
		limit int64
		share float64
		live  uint64
		want  int64
	}{
		"as it begins":              {heapLimit, 0.1, 300 * mib, heapLimit},
		"nothing to do":             {heapLimit, 0, 300 * mib, heapLimit},
		"too much for a small heap": {heapLimit, 0.5, 300 * mib, heapLimit},
		"too much for a large one":  {heapLimit, 0.5, 1000 * mib, heapLimit + heapLimit/4},
		"no more than half more":    {1400 * mib, 0.5, 1000 * mib, 1500 * mib},
		"enough":                    {1400 * mib, 0.1, 1000 * mib, 1400 * mib},
		"back":                      {1600 * mib, 0.01, 1000 * mib, 1400 * mib},
		"much less is in use":       {4000 * mib, 0.1, 1000 * mib, 1500 * mib},
		"never less than it began":  {1100 * mib, 0, 1000 * mib, heapLimit},
	} {
		if got := nextLimit(c.limit, c.share, c.live); got != c.want {
			t.Errorf("%s: %d MiB after %d, want %d", name, got/mib, c.limit/mib, c.want/mib)
		}
	}
	c := newCollector()
	runtime.GC()
	if share, live := c.read(); share < 0 || share > 1 || live == 0 {
		t.Errorf("a share of %v, %d bytes", share, live)
	}
}
