package projectors_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tenantcatalogue/projectors"
)

// Work that can wait gets every processor while nobody waits for an answer, and all
// but one while somebody does; but no longer than he does.
func TestSpareLeavesAProcessor(t *testing.T) {
	t.Parallel()
	const chunks, chunk = 50, 2 * time.Millisecond
	spared := max(0.5, float64(runtime.GOMAXPROCS(0)-1))
	workers := 4 * runtime.GOMAXPROCS(0)
	alone := chunks * chunk                                             // as many processors as goroutines
	shared := time.Duration(float64(workers) * float64(alone) / spared) // what is to spare, for all of them
	for name, tc := range map[string]struct {
		busy time.Duration // how long somebody waits
		want time.Duration
	}{
		"nobody waits":             {want: alone},
		"somebody waits":           {busy: time.Hour, want: shared},
		"somebody waits no longer": {busy: shared / 4, want: shared/4 + 3*alone/4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				spare := projectors.NewSpare(func() bool { return time.Since(began) < tc.busy }, time.Now)
				var wg sync.WaitGroup
				for range workers {
					wg.Go(func() {
						pace := spare.Pace()
						for range chunks {
							time.Sleep(chunk) // the work
							if err := pace.GiveWay(t.Context()); err != nil {
								t.Error(err)
							}
						}
					})
				}
				wg.Wait()
				if took := time.Since(began); took < tc.want*9/10 || took > tc.want*13/10 {
					t.Errorf("%d goroutines with %s of work each took %s, not %s", workers, alone, took, tc.want)
				}
			})
		})
	}
}

// Whoever was held up himself owes no more than a moment for it.
func TestSpareForgivesWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		spare := projectors.NewSpare(func() bool { return true }, time.Now)
		pace, other := spare.Pace(), spare.Pace()
		time.Sleep(time.Hour) // the log did not answer
		began := time.Now()
		for _, p := range []*projectors.Pace{pace, other, pace} {
			if err := p.GiveWay(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took > 200*time.Millisecond {
			t.Errorf("an hour of waiting holds others up for %s", took)
		}
	})
}

// Nobody waits for what nobody wants any more, and no Spare is as good as all.
func TestPaceEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, spare := range map[string]*projectors.Spare{
		"none": nil, "one": projectors.NewSpare(func() bool { return true }, time.Now),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			pace := spare.Pace()
			if err := pace.GiveWay(ctx); err != nil {
				t.Error(err)
			}
			cancel()
			var err error
			for i := 0; err == nil && i < 1000; i++ {
				err = pace.Step(ctx)
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("a step of cancelled work: %v", err)
			}
		})
	}
}
