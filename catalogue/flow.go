package catalogue

import (
	"cmp"
	"context"
	"time"

	"tenantcatalogue/events"
)

const (
	// batchEvents is how many events a round takes: what the log appends at once.
	batchEvents = events.MaxUnitEvents
	// enoughEvents is a round that is worth an append whoever may yet join it: the
	// fixed cost of an atomic batch, some four milliseconds of syncs, is then less
	// than that of its events.
	enoughEvents = 256
	// linger is how long a smaller round waits for the callers that are likely to
	// come again, having just been answered.
	linger = time.Millisecond
)

// flow is the Service's goroutine: it decides one round while the one before is
// on its way to the log, and has a full one staged meanwhile.
type flow struct {
	w      *writer
	urgent <-chan *job // go ahead of all others; nil: there are no more
	open   *round      // being decided; nil: nothing waits
	staged *round      // full, and to be appended behind the flying one
	flying *round      // being appended
	landed chan struct{}

	callers int         // how many calls may be expected to come together
	patient bool        // they are waited for ...
	timer   *time.Timer // ... until this fires
}

func newFlow(w *writer, urgent <-chan *job) *flow {
	f := &flow{w: w, urgent: urgent, landed: make(chan struct{}, 1), timer: time.NewTimer(0)}
	f.timer.Stop()
	return f
}

// run answers jobs until there are no more, and then flushes the store.
func (f *flow) run(ctx context.Context, jobs <-chan *job) error {
	defer f.timer.Stop()
	for f.urgent != nil || jobs != nil || f.open != nil || f.flying != nil {
		urgent, from := f.urgent, jobs
		if !f.passable() {
			urgent = nil
		}
		if f.full() {
			from = nil
		}
		select {
		case j, ok := <-urgent:
			if !ok {
				f.urgent = nil
				break
			}
			f.overtake(ctx, j)
		case j, ok := <-from:
			if !ok {
				jobs = nil
				break
			}
			if err := f.take(ctx, j); err != nil {
				f.refuseWaiting(jobs, err)
			}
		case <-f.landed:
			f.land(ctx)
		case <-f.timer.C:
			f.patient = false
		}
		f.send(ctx)
	}
	return f.w.store.Flush()
}

// passable tells whether an urgent job may overtake now. One that is staged is never
// dropped for it: the server keeps what was sent ahead for some seconds, and takes no more
// after some dozens. Behind a round of urgent jobs whoever is not urgent has a turn.
func (f *flow) passable() bool {
	return f.staged == nil && (f.flying == nil || !f.flying.urgent)
}

// overtake decides an urgent job, and those that wait with it, in a round of their own
// ahead of the open one, which is decided again on what they lead to.
func (f *flow) overtake(ctx context.Context, j *job) {
	later := f.ground()
	err := f.take(ctx, j)
	for n := len(f.urgent); n > 0 && err == nil; n-- {
		err = f.take(ctx, <-f.urgent)
	}
	if f.open != nil {
		f.open.urgent = true
		f.depart(ctx)
	}
	f.retake(ctx, later, err)
}

func (f *flow) full() bool {
	return f.open != nil && (f.open.next-f.open.base >= batchEvents || f.open.bytes >= events.MaxUnitBytes)
}

// refuseWaiting answers all jobs that wait now: to find out for each of them that
// the log does not answer would take as long again.
func (f *flow) refuseWaiting(jobs <-chan *job, err error) {
	for {
		select {
		case j, ok := <-jobs:
			if !ok {
				return
			}
			f.refuse(j, err)
		default:
			return
		}
	}
}

// take decides a job in the open round. The error is why it was refused without a
// decision.
func (f *flow) take(ctx context.Context, j *job) error {
	if f.open == nil {
		if f.flying == nil {
			if err := f.w.upToDate(ctx); err != nil {
				f.refuse(j, err)
				return err
			}
		}
		f.open = f.w.begin(cmp.Or(f.staged, f.flying))
	}
	f.w.take(f.open, j)
	return nil
}

// refuse answers a job that cannot be decided.
func (f *flow) refuse(j *job, err error) {
	for i := range j.requests {
		unavailable([]*ask{{request: j.requests[i], verdict: &j.verdicts[i]}}, err)
	}
	f.answer([]*job{j})
}

// send sends the open round off. While another is on its way it is staged once it
// is full; and a small one waits for callers that are likely to join it.
func (f *flow) send(ctx context.Context) {
	switch {
	case f.open == nil || f.passable() && len(f.urgent) > 0:
		return
	case f.flying != nil:
		if f.staged != nil || !f.full() {
			return
		}
	case f.patient && f.open.next-f.open.base < enoughEvents && len(f.open.jobs) < f.callers:
		return
	}
	f.depart(ctx)
}

// depart sends the open round off: at once, or behind the one that is on its way.
func (f *flow) depart(ctx context.Context) {
	r := f.open
	f.open = nil
	if f.flying != nil {
		f.staged = r
	} else {
		f.flying = r
		r.ahead <- true
	}
	go func() {
		if r.send(ctx, f.w.log) {
			f.landed <- struct{}{}
		}
	}()
}

// land settles the round that was on its way, answers its callers, and sends the
// staged one after it; or puts right what was decided behind it, if it did not
// land as expected.
func (f *flow) land(ctx context.Context) {
	r := f.flying
	again := f.w.settle(r)
	var void []*job
	if f.w.behind {
		void = f.ground()
	}
	f.w.redo(ctx, again)
	f.flying, f.staged = f.staged, nil
	if f.flying != nil {
		f.flying.ahead <- true
	}
	f.callers = len(r.jobs)
	for _, waiting := range []*round{f.flying, f.open} {
		if waiting != nil {
			f.callers += len(waiting.jobs)
		}
	}
	f.patient = true
	f.timer.Reset(linger)
	f.answer(r.jobs)
	f.retake(ctx, void, nil)
}

// retake takes again what was decided in rounds that were dropped. err is why nothing can
// be.
func (f *flow) retake(ctx context.Context, jobs []*job, err error) {
	for _, j := range jobs {
		if err != nil {
			f.refuse(j, err)
		} else {
			err = f.take(ctx, j)
		}
	}
}

// ground drops the rounds behind one that did not land as expected, and returns
// their jobs.
func (f *flow) ground() (jobs []*job) {
	if f.staged != nil {
		f.staged.ahead <- false
		jobs = f.staged.jobs
	}
	if f.open != nil {
		jobs = append(jobs, f.open.jobs...)
	}
	f.staged, f.open = nil, nil
	return jobs
}

func (f *flow) answer(jobs []*job) {
	for _, j := range jobs {
		if j.flush {
			if j.flushed = f.w.store.Flush(); j.flushed != nil {
				f.w.broken, f.w.behind = j.flushed, true
			}
		}
		close(j.done)
	}
}
