package watch

import (
	"context"
	"errors"
	"sync"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// Probe looks at something that deletions must not go on without.
type Probe struct {
	Cause events.HaltCause
	// Look says what is wrong; nil: nothing. That it does not answer in time is wrong,
	// too.
	Look func(ctx context.Context) error
	For  time.Duration // how long it must be wrong; 0: not at all
}

// Conditions halts deletions while a plan is open and something is wrong.
type Conditions struct {
	Pen

	Open     func() events.Seq // the last plan that was let in and is open; 0: none is: Watcher.Open
	Probes   []Probe
	Every    time.Duration // between two looks; 1 s if zero
	Listener Listener
}

// lookWait bounds one look.
const lookWait = 5 * time.Second

// Run looks until ctx ends. No probe waits for another.
func (c Conditions) Run(ctx context.Context) {
	if c.Every == 0 {
		c.Every = time.Second
	}
	var wg sync.WaitGroup
	for _, p := range c.Probes {
		wg.Go(func() { c.follow(ctx, p) })
	}
	wg.Wait()
}

// follow looks with one probe.
func (c Conditions) follow(ctx context.Context, p Probe) {
	t := time.NewTicker(c.Every)
	defer t.Stop()
	var l looker
	var o occurrence
	for {
		wrong := l.look(ctx, p)
		if ctx.Err() != nil {
			return
		}
		open := c.Open()
		if o.halts(wrong != nil, open, p.For, c.Clock()) && c.halt(ctx, events.DoorHalted{Cause: p.Cause, Detail: events.OneLine(wrong.Error())}) {
			o.halted = open
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// errSilent is what is wrong when a probe does not answer.
var errSilent = errors.New("there was no answer when it was looked at")

// looker asks a probe.
type looker struct {
	answer chan error // of a look that is still waited for; nil: none is
}

// look asks, or goes on to wait for what was asked before: a probe that hangs is not asked
// again and again.
func (l *looker) look(ctx context.Context, p Probe) error {
	if l.answer == nil {
		answer := make(chan error, 1)
		l.answer = answer
		go func() {
			ctx, cancel := context.WithTimeout(ctx, lookWait)
			defer cancel()
			answer <- p.Look(ctx)
		}()
	}
	t := time.NewTimer(lookWait + time.Second) // for what comes at its end
	defer t.Stop()
	select {
	case err := <-l.answer:
		l.answer = nil
		return err
	case <-t.C:
		return errSilent
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// occurrence is something that is wrong, from when it was first seen.
type occurrence struct {
	since  time.Time  // zero: nothing is wrong
	halted events.Seq // the last plan that was halted because of it
}

// halts tells whether to halt now. That is once while it lasts, and again for a plan that
// was let in since.
func (o *occurrence) halts(wrong bool, open events.Seq, after time.Duration, now time.Time) bool {
	if !wrong {
		*o = occurrence{}
		return false
	}
	if o.since.IsZero() {
		o.since = now
	}
	return open > o.halted && now.Sub(o.since) >= after
}

// halt halts, and tells whether that is settled; if not, the next look tries again.
func (c Conditions) halt(ctx context.Context, p events.DoorHalted) bool {
	e, err := c.event(p)
	if err == nil {
		err = c.publish(ctx, e)
	}
	if err == nil {
		tell(c.Listener.Halted, p)
		return true
	}
	tell(c.Listener.Failed, err)
	_, refused := errors.AsType[*catalogue.RefusedError](err)
	return refused
}

// Fault is a probe's memory of what somebody else looks for now and then, as a verification
// does. It may be used from many goroutines.
type Fault struct {
	mu  sync.Mutex
	err error
}

// Set says what is wrong now; nil: nothing.
func (f *Fault) Set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// Look is a Probe's.
func (f *Fault) Look(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}
