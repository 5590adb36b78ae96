package daemon

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/events"
)

// headEvery is how often the head of the log is told: a follower of the feed
// that missed the last event hears of it then.
const headEvery = time.Second

// startBeat feeds those who follow the log, tells its head, has the views synced now
// and then, so that a crash leaves them not far behind, and has them verified.
func (s *System) startBeat(ctx context.Context, cfg Config) error {
	head, err := s.Log.Head(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() {
		s.feed(ctx, head)
		every(ctx, headEvery, s.feedOn)
	})
	wg.Go(func() { every(ctx, headEvery, s.beat) })
	wg.Go(func() { every(ctx, syncEvery, s.syncViews) })
	if cfg.VerifyEvery > 0 {
		wg.Go(func() { s.proveEvery(ctx, cfg.VerifyEvery) })
	}
	s.close.add("the feed", func(context.Context) error {
		cancel()
		wg.Wait()
		return nil
	})
	return nil
}

// feed repeats the log on the feed until it cannot.
func (s *System) feed(ctx context.Context, after events.Seq) {
	if err := s.Log.Feed(ctx, after); err != nil && ctx.Err() == nil {
		s.Logger.Warn().Err(err).Msg("the feed is interrupted; whoever follows it reads on from the log")
	}
}

// feedOn begins again after an interruption.
func (s *System) feedOn(ctx context.Context) {
	if head, err := s.Log.Head(ctx); err == nil { // else a second later
		s.feed(ctx, head)
	}
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

// beat tells the head. What fails is told a second later.
func (s *System) beat(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, headEvery)
	defer cancel()
	head, err := s.Log.Head(ctx)
	if err == nil {
		err = s.tellHead(head)
	}
	if err != nil && ctx.Err() == nil {
		s.Logger.Warn().Err(err).Msg("the head of the log could not be told")
	}
}

func (s *System) tellHead(head events.Seq) error {
	raw, err := json.Marshal(client.Head{Seq: head, Log: s.Identity})
	if err != nil {
		return err
	}
	return s.logConn.Publish(client.HeadSubject, raw)
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
