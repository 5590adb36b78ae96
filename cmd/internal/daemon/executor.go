package daemon

import (
	"context"
	"errors"
	"sync"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/viewdb"
)

const (
	// executeEvery is how often it is looked what deletions are to be gone on with.
	executeEvery = time.Second
	// lookAgain is how long at most what has failed is left alone, and what nobody has
	// started yet.
	lookAgain = time.Minute
	// tickEvery is how often time is marked, often enough that a tick may fail.
	tickEvery = catalogue.TickEvery / 2
)

// executor goes on with what was started and with what owners have confirmed, and marks that
// time passes. All it goes by stands in the log, so that it goes on after a crash as it would
// have.
type executor struct {
	*System
	engine  *deletion.Engine
	pending map[events.PlanID]turn // plans that have not ended; nil: not looked for yet
	failed  pause                  // of looking for them
	ticked  time.Time              // when time was marked last
	watched func() bool            // whether what goes wrong would halt anything
}

// turn is when there may be something to do about a plan: when it has waited, or when
// something was appended that it is held against.
type turn struct {
	pause
	seen events.Seq // the last event when it was looked at
}

// pause is how long something is left alone. A clock that is put back does not make it longer.
type pause struct {
	since events.Time
	wait  time.Duration
}

func (p pause) over(now events.Time) bool {
	waited := now.Sub(p.since)
	return waited >= p.wait || waited < 0
}

// longer is the pause after a failure that follows this one.
func (p pause) longer(now events.Time) pause {
	return pause{now, min(max(2*p.wait, executeEvery), lookAgain)}
}

func (s *System) startDeletions(ctx context.Context, cfg Config) error {
	if cfg.Stepped || cfg.Paused {
		return nil
	}
	x := &executor{System: s, engine: s.Deletions(), watched: s.watching.watcher.Watching}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { every(ctx, executeEvery, x.goOn) })
	s.close.add("the deletions", func(context.Context) error {
		cancel()
		wg.Wait()
		return nil
	})
	return nil
}

// PauseDeletions keeps the catalogue from appending anything of its own accord, no wave, no
// tick and no halt, until release is called: a log that is being imported is to stay what
// it was.
func (s *System) PauseDeletions() (release func()) {
	s.executing.Lock()
	s.paused.Store(true)
	return func() {
		s.paused.Store(false)
		s.executing.Unlock()
	}
}

// goOn marks the time and does what comes next of every plan whose turn it is. What fails is
// tried again in a while.
func (x *executor) goOn(ctx context.Context) {
	if !x.executing.TryLock() {
		return
	}
	defer x.executing.Unlock()
	if !x.failed.over(x.Now()) {
		return
	}
	due, seen, err := x.look(ctx)
	if err != nil {
		x.failed = x.failed.longer(x.Now())
		x.complain(ctx, err, "deletions cannot be looked after")
		return
	}
	x.failed = pause{}
	if !x.watched() {
		return
	}
	for _, id := range due {
		wait, done, err := x.finish(ctx, id)
		switch {
		case err != nil:
			x.pending[id] = turn{x.pending[id].longer(x.Now()), seen}
			x.complain(ctx, err, "a deletion does not go on")
		case done:
			delete(x.pending, id)
		default:
			x.pending[id] = turn{pause{x.Now(), wait}, seen}
		}
	}
}

func (x *executor) complain(ctx context.Context, err error, what string) {
	if ctx.Err() == nil {
		x.Logger.Warn().Err(err).Msg(what)
	}
}

// look finds the plans whose turn it is, as of an event, and marks the time when it is due:
// before there is a policy nothing is counted by it.
func (x *executor) look(ctx context.Context) (due []events.PlanID, seen events.Seq, err error) {
	tick := false
	err = x.Look(ctx, func(look deletion.Lookup) error {
		if x.pending == nil {
			if err := x.find(look); err != nil {
				return err
			}
		}
		door, err := deletion.DoorOf(look)
		if err != nil {
			return err
		}
		for _, open := range door.Open {
			if _, known := x.pending[open.Plan]; !known {
				x.pending[open.Plan] = turn{}
			}
		}
		seen = look.AsOf()
		if due, err = x.due(seen); err != nil {
			return err
		}
		policy, err := deletion.PolicyOf(look)
		if err != nil {
			return err
		}
		clock, _, err := catalogue.Get[events.Clock](look.State(events.TheOne(events.AggregateClock)), events.Clock{}.EntityKey())
		tick = policy.Version > 0 && x.Now() >= clock.Last.Add(tickEvery)
		return err
	})
	// Of a clock that is set forward again and again no more counts than of one that is set
	// forward once: as much time must have passed here.
	if err == nil && tick && time.Since(x.ticked) >= tickEvery {
		if err = x.engine.Tick(ctx); err == nil {
			x.ticked = time.Now()
		}
	}
	return due, seen, err
}

// due lists the plans whose turn it is as of an event.
func (x *executor) due(upTo events.Seq) (list []events.PlanID, err error) {
	err = history.View(x.History, func(r *history.Reader) error {
		for id, turn := range x.pending {
			is := turn.over(x.Now())
			for _, about := range []events.Aggregate{
				events.TheOne(events.AggregateDoor), events.TheOne(events.AggregatePolicy), events.OfDeletion(id),
			} {
				if is {
					break
				}
				err := r.Lend(about, turn.seen, upTo, func(events.Stored) error {
					is = true
					return viewdb.ErrStop
				})
				if err != nil {
					return err
				}
			}
			if is {
				list = append(list, id)
			}
		}
		return nil
	})
	return list, err
}

// find lists the plans that had not ended when the catalogue was started, as the log has them:
// of a view one could be missing. What an owner has yet to confirm comes to the door first.
func (x *executor) find(look deletion.Lookup) error {
	pending := map[events.PlanID]turn{}
	err := history.View(x.History, func(r *history.Reader) error {
		return r.At(look.AsOf()).Aggregates(events.AggregateDeletion, func(about events.Aggregate) error {
			d, err := deletion.PlanOf(look, about.Plan())
			if errors.Is(err, catalogue.ErrNotFound) || errors.Is(err, catalogue.ErrQuarantined) {
				return nil // it was refused, or cannot be read
			}
			if err == nil && d.Ended.IsZero() && !deletion.Unconfirmed(d) {
				pending[about.Plan()] = turn{}
			}
			return err
		})
	})
	if err == nil {
		x.pending = pending
	}
	return err
}

// finish goes as far with a plan as it goes now, and tells how long there is nothing to do,
// or that there is nothing left.
func (x *executor) finish(ctx context.Context, id events.PlanID) (wait time.Duration, done bool, err error) {
	for {
		step, err := x.engine.Step(ctx, id)
		switch {
		case errors.Is(err, deletion.ErrNotStarted):
			return lookAgain, false, nil
		case err != nil || step.Done || step.Wait > 0:
			return step.Wait, step.Done, err
		}
	}
}
