package daemon

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/events"
)

// headEvery is how often the head of the log is told: a follower of the feed
// that missed the last event hears of it then.
const headEvery = time.Second

// feed repeats the log for those who follow it, and tells its head.
type feed struct {
	sys  *System
	conn *nats.Conn    // its own: the server holds up who publishes to somebody who does not read
	fed  atomic.Uint64 // the last event that was repeated
	told uint64        // where fed stood when the head was last told
}

func (s *System) startFeed(ctx context.Context, _ Config) error {
	head, err := s.Log.Head(ctx)
	if err != nil {
		return err
	}
	f := &feed{sys: s}
	if f.conn, err = s.Bus.LogConn(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() {
		f.run(ctx, head)
		every(ctx, headEvery, f.goOn)
	})
	wg.Go(func() { every(ctx, headEvery, f.beat) })
	s.close.add("the feed", func(context.Context) error {
		cancel()
		wg.Wait()
		f.conn.Close()
		return nil
	})
	return nil
}

// run repeats the log until it cannot.
func (f *feed) run(ctx context.Context, after events.Seq) {
	err := f.sys.Log.Feed(ctx, f.conn, after, func(seq events.Seq) { f.fed.Store(uint64(seq)) })
	if ctx.Err() == nil {
		f.sys.Logger.Warn().Err(err).Msg("the feed is interrupted; whoever follows it reads on from the log")
	}
}

// goOn begins again after an interruption.
func (f *feed) goOn(ctx context.Context) {
	if head, err := f.sys.Log.Head(ctx); err == nil { // else a second later
		f.run(ctx, head)
	}
}

// beat tells the head. What fails is told a second later.
func (f *feed) beat(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, headEvery)
	defer cancel()
	head, err := f.sys.Log.Head(ctx)
	if err == nil {
		err = f.tell(head)
	}
	if err != nil && ctx.Err() == nil {
		f.sys.Logger.Warn().Err(err).Msg("the head of the log could not be told")
	}
}

// tell tells no more than was repeated, as long as that goes on: whoever hears of an
// event before it comes reads it from the log.
func (f *feed) tell(head events.Seq) error {
	fed := f.fed.Load()
	if fed != f.told {
		f.told, head = fed, min(head, events.Seq(fed))
	}
	raw, err := json.Marshal(client.Head{Seq: head, Log: f.sys.Identity})
	if err != nil {
		return err
	}
	return f.conn.Publish(client.HeadSubject, raw)
}
