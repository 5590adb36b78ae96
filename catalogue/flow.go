package catalogue

import (
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
// on its way to the log.
type flow struct {
	w      *writer
	open   *round // being decided; nil: nothing waits
	flying *round // being appended
	landed chan struct{}

	callers int         // how many calls may be expected to come together
	patient bool        // they are waited for ...
	timer   *time.Timer // ... until this fires
}

func newFlow(w *writer) *flow {
	f := &flow{w: w, landed: make(chan struct{}, 1), timer: time.NewTimer(0)}
	f.timer.Stop()
	return f
}

// run answers jobs until there are no more, and then flushes the store.
func (f *flow) run(ctx context.Context, jobs <-chan *job) error {
	defer f.timer.Stop()
	for jobs != nil || f.open != nil || f.flying != nil {
		from := jobs
		if f.full() {
			from = nil
		}
		select {
		case j, ok := <-from:
			if !ok {
				jobs = nil
				break
			}
			f.take(ctx, j)
		case <-f.landed:
			f.land(ctx)
		case <-f.timer.C:
			f.patient = false
		}
		f.send(ctx)
	}
	return f.w.store.Flush()
}

func (f *flow) full() bool {
	return f.open != nil && f.open.next-f.open.base >= batchEvents
}

// take decides a job in the open round.
func (f *flow) take(ctx context.Context, j *job) {
	if f.open == nil {
		if f.flying == nil {
			if err := f.w.upToDate(ctx); err != nil {
				f.w.refuse(j, err)
				f.answer([]*job{j})
				return
			}
		}
		f.open = f.w.begin(f.flying)
	}
	f.w.take(f.open, j)
}

// refuse answers a job that cannot be decided.
func (w *writer) refuse(j *job, err error) {
	for i := range j.requests {
		unavailable([]*ask{{request: j.requests[i], verdict: &j.verdicts[i]}}, err)
	}
}

// send sends the open round off, unless another is on its way or callers are
// waited for.
func (f *flow) send(ctx context.Context) {
	if f.open == nil || f.flying != nil {
		return
	}
	if f.patient && f.open.next-f.open.base < enoughEvents && len(f.open.jobs) < f.callers {
		return
	}
	r := f.open
	f.open, f.flying = nil, r
	go func() {
		r.send(ctx, f.w.log)
		f.landed <- struct{}{}
	}()
}

// land settles the round that was on its way, answers its callers, and puts right
// what was decided behind it if it did not land as expected.
func (f *flow) land(ctx context.Context) {
	r := f.flying
	f.flying = nil
	again := f.w.settle(r)
	void := f.open
	if !f.w.behind {
		void = nil
	} else {
		f.open = nil
	}
	f.w.redo(ctx, again)
	f.callers = len(r.jobs)
	if f.open != nil {
		f.callers += len(f.open.jobs)
	}
	f.patient = true
	f.timer.Reset(linger)
	f.answer(r.jobs)
	if void != nil {
		for _, j := range void.jobs {
			f.take(ctx, j)
		}
	}
}

func (f *flow) answer(jobs []*job) {
	for _, j := range jobs {
		if j.flush {
			j.flushed = f.w.store.Flush()
		}
		close(j.done)
	}
}
