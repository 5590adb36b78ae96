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

// Work that can wait gets every processor while nobody is served, and all but one
// while somebody is.
func TestSpareLeavesAProcessor(t *testing.T) {
	t.Parallel()
	const workers, chunks, chunk = 8, 50, 2 * time.Millisecond
	for name, tc := range map[string]struct {
		busy        bool
		least, most time.Duration
	}{
		"nobody is served": {least: chunks * chunk, most: chunks * chunk},
		"somebody is served": {
			busy:  true,
			least: workers * (chunks - 2) * chunk / time.Duration(max(1, runtime.GOMAXPROCS(0)-1)),
			most:  3 * workers * chunks * chunk,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				spare := projectors.NewSpare(func() bool { return tc.busy }, time.Now)
				began := time.Now()
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
				if took := time.Since(began); took < tc.least || took > tc.most {
					t.Errorf("it took %s; %s to %s were to be expected", took, tc.least, tc.most)
				}
			})
		})
	}
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
