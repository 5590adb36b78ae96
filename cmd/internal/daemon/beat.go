package daemon

import (
	"context"
	"sync"
	"time"
)

// startBeat has the views synced now and then, so that a crash leaves them not far
// behind, and has them verified.
func (s *System) startBeat(ctx context.Context, cfg Config) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { every(ctx, syncEvery, s.syncViews) })
	if cfg.VerifyEvery > 0 {
		wg.Go(func() { s.proveEvery(ctx, cfg.VerifyEvery) })
	}
	s.close.add("the beat", func(context.Context) error {
		cancel()
		wg.Wait()
		return nil
	})
	return nil
}

// syncEvery bounds what the views fold again after a crash.
const syncEvery = 5 * time.Second

func every(ctx context.Context, d time.Duration, do func(context.Context)) {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			do(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (s *System) syncViews(context.Context) {
	for _, home := range s.Homes {
		db, release, err := home.Acquire()
		if err != nil {
			return // closed
		}
		_ = db.Sync() // a fault takes the view out of service, and the Runner says so
		release()
	}
}
