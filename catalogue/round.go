package catalogue

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"tenantcatalogue/events"
)

// round is what is decided together and appended as one batch. It may be decided
// while the round before it is on its way to the log, on the facts that one leads
// to.
type round struct {
	jobs  []*job
	asks  []*ask
	layer Layer
	base  events.Seq // the last event before the round
	next  events.Seq // the last event of the round
	units []events.Unit
	bytes int // of their events

	urgent bool // it has overtaken others

	ahead   chan bool         // whether to go on, once staged
	results []events.Appended // of the units
	head    events.Seq        // of the log, if there was nothing to append
	err     error             // why the head is not known
}

// begin begins a round behind another that is on its way, or behind everything
// that was kept.
func (w *writer) begin(before *round) *round {
	if before != nil {
		return newRound(before.layer.Begin(), before.next)
	}
	return newRound(w.store.Begin(), w.store.Seq())
}

func newRound(on Layer, base events.Seq) *round {
	return &round{layer: on, base: base, next: base, ahead: make(chan bool, 1)}
}

// take decides a job's requests in the round.
func (w *writer) take(r *round, j *job) {
	r.jobs = append(r.jobs, j)
	for i := range j.requests {
		w.settleIn(r, &ask{credential: j.credential, request: j.requests[i], verdict: &j.verdicts[i]})
	}
}

// settleIn decides one request in the round.
func (w *writer) settleIn(r *round, a *ask) {
	r.asks = append(r.asks, a)
	a.tries++
	a.outcome = w.decide(r.layer, a, r.base, r.next)
	if a.outcome == decided {
		r.next += events.Seq(len(a.unit.Events))
		r.units = append(r.units, a.unit)
		for _, e := range a.unit.Events {
			r.bytes += len(e.Data)
		}
	}
}

// those lists the round's asks of an outcome, in order.
func (r *round) those(is func(*ask) bool) (out []*ask) {
	for _, a := range r.asks {
		if is(a) {
			out = append(out, a)
		}
	}
	return out
}

func accepted(a *ask) bool { return a.outcome == decided }

func refused(a *ask) bool { return a.outcome == answered && a.verdict.Err != nil }

// send stages the round, and appends it once it is told to go ahead; it tells
// whether it was. With nothing but refusals to give it asks for the head of the
// log: they stand if nobody else has written. It touches nothing of the writer but
// its log.
func (r *round) send(ctx context.Context, log Log) bool {
	commit := log.Stage(r.base, r.units)
	if !<-r.ahead {
		return false
	}
	switch {
	case len(r.units) > 0:
		r.results = commit(ctx)
	case slices.ContainsFunc(r.asks, refused):
		r.head, r.err = log.Head(ctx)
	}
	return true
}

// settle takes over a round that was sent, if the log stands as the round
// expected it to, and returns what is to be decided again. If the log does not,
// the writer is behind it, and whatever was decided on the round's facts is void.
func (w *writer) settle(r *round) (again []*ask) {
	switch {
	case len(r.units) > 0:
		if !r.asPredicted() {
			w.behind = true
			return unsettled(r.asks, r.those(accepted), r.results)
		}
	case r.err != nil:
		unavailable(r.those(refused), r.err)
	case slices.ContainsFunc(r.asks, refused) && r.head != r.base:
		w.behind = true
		return unsettled(r.those(refused), nil, nil)
	}
	w.keep(r)
	// What repeats an event of this round is answered like any retry: from the
	// store, now that it holds that event.
	return r.those(func(a *ask) bool { return a.outcome == repeated })
}

func (r *round) asPredicted() bool {
	next := r.base + 1
	for i, result := range r.results {
		if result.Err != nil || result.First != next {
			return false
		}
		next += events.Seq(len(r.units[i].Events))
	}
	return true
}

// keep takes over the layer: everything stands in the log where it was
// expected to.
func (w *writer) keep(r *round) {
	r.layer.Keep() // an empty one too: the next round may stand on it
	if len(r.units) == 0 {
		return
	}
	folded := make([]events.Stored, 0, r.next-r.base)
	for _, u := range r.units {
		folded = append(folded, u.Events...)
	}
	if err := w.store.Advance(folded); err != nil {
		// The events are durable and their callers get their answers; whoever
		// comes next hears that the store failed.
		w.broken, w.behind = err, true
	}
}

// redo decides asks again, and again, until each is settled.
func (w *writer) redo(ctx context.Context, asks []*ask) {
	for len(asks) > 0 {
		if err := w.upToDate(ctx); err != nil {
			unavailable(asks, err)
			return
		}
		r := w.begin(nil)
		for _, a := range asks {
			w.settleIn(r, a)
		}
		r.ahead <- true
		r.send(ctx, w.log)
		asks = w.settle(r)
	}
}

// upToDate catches up with the log if the writer is behind it.
func (w *writer) upToDate(ctx context.Context) error {
	if !w.behind {
		return nil
	}
	return w.catchUp(ctx)
}

// errOutrun is returned when no answer stood, since another writer was always
// first.
var errOutrun = fmt.Errorf("another writer was first, %d times", maxRedecide)

// unsettled answers what the log refused for good and returns, in order, what
// is to be decided again once the store has caught up: the units that another
// writer's events made stale, those that were written, whose Seqs are to be
// found, and every answer that came of facts that may not hold.
func unsettled(asks, accepted []*ask, results []events.Appended) (again []*ask) {
	for i, a := range accepted {
		switch err := results[i].Err; {
		case err == nil:
			a.written = true
		case !errors.Is(err, events.ErrConflict) || a.tries >= maxRedecide:
			a.outcome = settled
			*a.verdict = refusedVerdict(a.request, err)
		}
	}
	for _, a := range asks {
		if a.outcome == answered && a.tries >= maxRedecide {
			unavailable([]*ask{a}, errOutrun)
		}
		if a.outcome != settled {
			again = append(again, a)
		}
	}
	return again
}
