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
)

const (
	// executeEvery is how often it is looked what deletions are to be gone on with.
	executeEvery = time.Second
	// tickEvery is how often time is marked, often enough that a tick may fail.
	tickEvery = catalogue.TickEvery / 2
)

// executor goes on with what was started, and marks that time passes. All it goes by
// stands in the log, so that it goes on after a crash as it would have.
type executor struct {
	*System
	engine  *deletion.Engine
	pending map[events.PlanID]bool // plans that have not ended; nil: not looked for yet
}

func (s *System) startDeletions(ctx context.Context, cfg Config) error {
	if cfg.Stepped || cfg.Paused {
		return nil
	}
	x := &executor{System: s, engine: s.Deletions()}
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

// goOn marks the time and does what comes next of every plan. What fails is tried again
// at the next call.
func (x *executor) goOn(ctx context.Context) {
	if !x.executing.TryLock() {
		return
	}
	defer x.executing.Unlock()
	due, err := x.look(ctx)
	if err == nil && due {
		err = x.engine.Tick(ctx)
	}
	if err != nil {
		x.complain(ctx, err, "deletions cannot be looked after")
		return
	}
	for id := range x.pending {
		if done, err := x.finish(ctx, id); err != nil {
			x.complain(ctx, err, "a deletion does not go on")
		} else if done {
			delete(x.pending, id)
		}
	}
}

func (x *executor) complain(ctx context.Context, err error, what string) {
	if ctx.Err() == nil {
		x.Logger.Warn().Err(err).Msg(what)
	}
}

// look finds what is to be gone on with, and tells whether time is to be marked: before
// there is a policy nothing is counted by it.
func (x *executor) look(ctx context.Context) (tick bool, err error) {
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
			x.pending[open.Plan] = true
		}
		policy, err := deletion.PolicyOf(look)
		if err != nil {
			return err
		}
		clock, _, err := catalogue.Get[events.Clock](look.State(events.TheOne(events.AggregateClock)), events.Clock{}.EntityKey())
		tick = policy.Version > 0 && x.Now() >= clock.Last.Add(tickEvery)
		return err
	})
	return tick, err
}

// find lists the plans that had not ended when the catalogue was started.
func (x *executor) find(look deletion.Lookup) error {
	pending := map[events.PlanID]bool{}
	err := history.View(x.History, func(r *history.Reader) error {
		return r.At(look.AsOf()).Aggregates(events.AggregateDeletion, func(about events.Aggregate) error {
			d, found, err := catalogue.Get[events.Deletion](look.State(about), events.Deletion{}.EntityKey())
			if found && d.Ended.IsZero() {
				pending[about.Plan()] = true
			}
			return err
		})
	})
	if err == nil {
		x.pending = pending
	}
	return err
}

// finish goes as far with a plan as it goes now, and tells whether there is nothing left
// to do.
func (x *executor) finish(ctx context.Context, id events.PlanID) (done bool, err error) {
	for {
		step, err := x.engine.Step(ctx, id)
		switch {
		case errors.Is(err, deletion.ErrNotStarted):
			return true, nil // it is found again as long as it is open
		case err != nil || step.Done:
			return step.Done, err
		case step.Wait > 0:
			return false, nil
		}
	}
}
