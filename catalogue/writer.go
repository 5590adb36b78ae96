package catalogue

import (
	"context"
	"errors"
	"fmt"

	"tenantcatalogue/events"
)

// maxRedecide bounds how often a request is decided again because another
// writer came first.
const maxRedecide = 100

// writer decides and appends. One goroutine owns it and its store.
type writer struct {
	log   Log
	store Store
	guard Guard
	times *times

	behind bool  // the log may hold events that the store has not folded
	broken error // the store failed: nothing can be decided any more
}

// catchUp folds what the log holds beyond the store.
func (w *writer) catchUp(ctx context.Context) error {
	if w.broken != nil {
		return w.broken
	}
	head, err := w.log.Head(ctx)
	if err != nil {
		return err
	}
	after := w.store.Seq()
	if after > 0 && !w.times.known() {
		// Recorded times go on from the last events, folded or not. One may be unreadable, or
		// recorded at a time of its own.
		if err := w.log.Read(ctx, after-min(after, lastRecorded), after, w.noteRecorded); err != nil {
			return err
		}
	}
	if err := w.log.Read(ctx, after, head, w.foldStored); err != nil {
		return err
	}
	w.behind = false
	return nil
}

// lastRecorded is of how many events the recorded times are looked at when it is opened.
const lastRecorded = 100

func (w *writer) noteRecorded(stored []events.Stored) error {
	for _, s := range stored {
		if e, err := events.Decode(s); err == nil {
			w.times.recorded(e.RecordedTime)
		}
	}
	return nil
}

func (w *writer) foldStored(stored []events.Stored) error {
	layer := w.store.Begin()
	for _, s := range stored {
		if err := w.foldOne(layer, s); err != nil {
			return err
		}
	}
	layer.Keep()
	if err := w.store.Advance(stored); err != nil {
		w.broken = err
		return err
	}
	return nil
}

// foldOne folds an event that somebody has appended, if it may stand there.
func (w *writer) foldOne(layer Layer, s events.Stored) error {
	e, err := events.Decode(s)
	if err != nil {
		return Quarantine(layer, s)
	}
	w.times.recorded(e.RecordedTime)
	if e.Governed() {
		err := w.guard.Vouch(layer, e)
		if _, refused := errors.AsType[*ReasonError](err); refused {
			return putOut(layer, s)
		}
		if err != nil {
			return err
		}
	}
	return Fold(layer, e)
}

// putOut deals with an event that may not stand where it does. A tenant is quarantined:
// somebody has to look. Of what governs deletions the event is passed over, so that the
// rules stay in force.
func putOut(layer Layer, s events.Stored) error {
	if s.About.Kind == events.AggregateTenant {
		return Quarantine(layer, s)
	}
	return Pass(layer, s)
}

// ask is one request in a batch, with where its answer goes.
type ask struct {
	credential Credential
	request    Request
	verdict    *Verdict
	tries      int
	outcome    outcome     // of this round
	unit       events.Unit // as decided in this round: claims first, then the request's own
	written    bool        // it was appended, at a Seq that is still to be found
}

type outcome int

const (
	answered outcome = iota // the verdict is set, if the facts hold
	decided                 // the unit is set
	repeated                // an event of this batch has the same id
	settled                 // the verdict is set, whatever the facts
)

func unavailable(asks []*ask, err error) {
	for _, a := range asks {
		a.outcome = settled
		*a.verdict = refusedVerdict(a.request, fmt.Errorf("%w: %w", events.ErrUnavailable, err))
	}
}

// decide settles one request against the layer. base is the last Seq before the
// batch; next the last one that the batch will have used.
func (w *writer) decide(layer Layer, a *ask, base, next events.Seq) outcome {
	own := a.request.Events
	last := own[len(own)-1]
	head, err := layer.Head(last.About)
	if err != nil {
		*a.verdict = refusedEvent(last, Head{}, err)
		return answered
	}
	if done, outcome := w.repeat(layer, a, head, base); done {
		return outcome
	}
	if err := pinned(a.request, last.About, head); err != nil {
		*a.verdict = refusedEvent(last, head, err)
		return answered
	}
	inner := layer.Begin()
	d := &decision{facts: inner, guard: w.guard, base: base, next: next}
	d.recorded, d.via = w.stamp(a)
	for i, e := range own {
		if err := d.take(e, a.request.content[i]); err != nil {
			*a.verdict = refusedEvent(e, head, err)
			return answered
		}
	}
	if err := copied(a.request, last.About, d.next); err != nil {
		*a.verdict = refusedEvent(last, head, err)
		return answered
	}
	if a.unit, err = d.unit(); err != nil {
		*a.verdict = refusedEvent(last, head, err)
		return answered
	}
	after, err := inner.Head(last.About)
	if err != nil {
		*a.verdict = refusedEvent(last, head, err)
		return answered
	}
	inner.Keep()
	*a.verdict = Verdict{ID: last.ID, Seq: after.Seq, Recorded: d.recorded, Version: after.Version, Epoch: after.Epoch}
	return decided
}

// repeat finds out whether the request was answered before. The id comes
// first: a retry of a stored event gets its first answer whatever has happened
// to the tenant since.
func (w *writer) repeat(layer Layer, a *ask, head Head, base events.Seq) (bool, outcome) {
	own := a.request.Events
	var answer Answer
	seen := 0
	for i, e := range own {
		first, found, err := layer.Answer(e.ID)
		if err != nil {
			*a.verdict = refusedEvent(e, head, err)
			return true, answered
		}
		if !found {
			continue
		}
		if first.Content != a.request.content[i] {
			err := Refuse(ErrIDReused, "make a new id for a new event", "%s stands at %d with other content", e.ID, first.Seq)
			*a.verdict = refusedEvent(e, head, err)
			return true, answered
		}
		seen++
		answer = first
	}
	switch {
	case seen == 0:
		return false, answered
	case seen < len(own):
		err := Refuse(ErrIDReused, "send the unit as it was", "%d of the unit's %d events are stored already", seen, len(own))
		*a.verdict = refusedEvent(own[len(own)-1], head, err)
		return true, answered
	case answer.Seq > base:
		return true, repeated
	}
	stored := own[len(own)-1]
	stored.RecordedTime = answer.Recorded
	superseded, err := Superseded(layer, head, stored, answer.Seq)
	if err != nil {
		*a.verdict = refusedEvent(own[len(own)-1], head, err)
		return true, answered
	}
	*a.verdict = Verdict{
		ID: own[len(own)-1].ID, Seq: answer.Seq, Recorded: answer.Recorded, Version: answer.Version, Epoch: head.Epoch,
		// Found after its own append went astray, it is no repeat.
		Duplicate: !a.written, Superseded: superseded,
	}
	return true, answered
}

// pinned holds the request against the Seq its caller expects.
func pinned(r Request, about events.Aggregate, head Head) error {
	if head.Quarantined != 0 {
		return Refuse(ErrQuarantined, "run verify and mend the log's reader first", "%s holds an event at %d that cannot be read", about, head.Quarantined)
	}
	if r.Expect != nil && *r.Expect != head.Seq {
		return &events.ConflictError{About: about, Expected: *r.Expect, Actual: head.Seq}
	}
	return nil
}

// copied holds a unit of another log to the place it has there.
func copied(r Request, about events.Aggregate, last events.Seq) error {
	if r.Recorded == nil || r.Recorded.Last == last {
		return nil
	}
	return fmt.Errorf("%w: the unit's last event about %s would stand at %d and not at %d, as in the log that is copied",
		events.ErrConflict, about, last, r.Recorded.Last)
}

// stamp is what an event gets from the catalogue: when it was taken, and who
// brought it.
func (w *writer) stamp(a *ask) (recorded events.Time, via string) {
	if r := a.request.Recorded; r != nil {
		w.times.recorded(r.Time)
		return r.Time, r.Via
	}
	return w.times.now(), a.credential.Via
}
