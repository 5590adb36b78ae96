package catalogue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tenantcatalogue/events"
)

// maxRedecide bounds how often a request is decided again because another
// writer came first.
const maxRedecide = 16

// writer decides and appends. One goroutine owns it and its store.
type writer struct {
	log   Log
	store Store
	clock func() time.Time

	recorded events.Time // of the last event: recorded times never run backwards
	behind   bool        // the log may hold events that the store has not folded
	broken   error       // the store failed: nothing can be decided any more
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
	if w.recorded == 0 && after > 0 {
		// Recorded times go on from the last event, folded or not.
		if err := w.log.Read(ctx, after-1, after, w.noteRecorded); err != nil {
			return err
		}
	}
	if err := w.log.Read(ctx, after, head, w.foldStored); err != nil {
		return err
	}
	w.behind = false
	return nil
}

func (w *writer) noteRecorded(stored []events.Stored) error {
	for _, s := range stored {
		if e, err := events.Decode(s); err == nil {
			w.recorded = max(w.recorded, e.RecordedTime)
		}
	}
	return nil
}

func (w *writer) foldStored(stored []events.Stored) error {
	layer := w.store.Begin()
	for _, s := range stored {
		e, err := events.Decode(s)
		if err != nil {
			err = Quarantine(layer, s)
		} else {
			w.recorded = max(w.recorded, e.RecordedTime)
			err = Fold(layer, e)
		}
		if err != nil {
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

// ask is one request in a batch, with where its answer goes.
type ask struct {
	credential Credential
	request    Request
	verdict    *Verdict
	tries      int
	unit       events.Unit // as decided in this round: claims first, then the request's own
}

// commit decides the jobs' requests in order and appends what may happen.
func (w *writer) commit(ctx context.Context, jobs []*job) {
	var asks []*ask
	for _, j := range jobs {
		for i := range j.requests {
			asks = append(asks, &ask{credential: j.credential, request: j.requests[i], verdict: &j.verdicts[i]})
		}
	}
	for len(asks) > 0 {
		if w.behind {
			if err := w.catchUp(ctx); err != nil {
				answerAll(asks, fmt.Errorf("%w: %w", events.ErrUnavailable, err))
				return
			}
		}
		asks = w.round(ctx, asks)
	}
}

func answerAll(asks []*ask, err error) {
	for _, a := range asks {
		*a.verdict = refusedVerdict(a.request, err)
	}
}

// round decides every ask once and appends the accepted ones as one batch. It
// returns those to be decided again.
func (w *writer) round(ctx context.Context, asks []*ask) (again []*ask) {
	layer := w.store.Begin()
	base := w.store.Seq()
	next := base
	accepted := asks[:0:0]
	units := make([]events.Unit, 0, len(asks))
	repeats := asks[:0:0] // of events accepted in this very batch
	for _, a := range asks {
		a.tries++
		switch outcome := w.decide(layer, a, base, next); outcome {
		case decided:
			next += events.Seq(len(a.unit.Events))
			accepted = append(accepted, a)
			units = append(units, a.unit)
		case repeated:
			repeats = append(repeats, a)
		case answered:
		}
	}
	if len(accepted) == 0 {
		return repeats // none: a repeat needs an accepted first
	}
	results := w.log.Append(ctx, units)
	if w.asPredicted(base, units, results) {
		w.keep(layer, accepted)
	} else {
		w.behind = true
		again = resolve(accepted, results)
	}
	// What repeats an event of this batch is answered like any retry: from the
	// store, once that holds it.
	return append(again, repeats...)
}

func (w *writer) asPredicted(base events.Seq, units []events.Unit, results []events.Appended) bool {
	next := base + 1
	for i, r := range results {
		if r.Err != nil || r.First != next {
			return false
		}
		next += events.Seq(len(units[i].Events))
	}
	return true
}

// keep takes over the layer: everything stands in the log where it was
// expected to.
func (w *writer) keep(layer Layer, accepted []*ask) {
	layer.Keep()
	var folded []events.Stored
	for _, a := range accepted {
		folded = append(folded, a.unit.Events...)
	}
	if err := w.store.Advance(folded); err != nil {
		// The events are durable and their callers get their answers; whoever
		// comes next hears that the store failed.
		w.broken, w.behind = err, true
	}
}

// resolve answers what failed for good and returns what is to be decided
// again: the units that another writer's events made stale, and those that
// were written, whose answers come from the store once it has caught up.
func resolve(accepted []*ask, results []events.Appended) (again []*ask) {
	for i, a := range accepted {
		err := results[i].Err
		switch {
		case err == nil:
			again = append(again, a)
		case errors.Is(err, events.ErrConflict) && a.tries < maxRedecide:
			again = append(again, a)
		default:
			*a.verdict = refusedVerdict(a.request, err)
		}
	}
	return again
}

type outcome int

const (
	answered outcome = iota // the verdict is set
	decided                 // the unit is set
	repeated                // an event of this batch has the same id
)

// decide settles one request against the layer. base is the last Seq in the
// log; next the last one that this batch will have used.
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
	d := &decision{facts: inner, base: base, next: next, recorded: w.now(), via: a.credential.Via}
	for _, e := range own {
		if err := d.take(e); err != nil {
			*a.verdict = refusedEvent(e, head, err)
			return answered
		}
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
	*a.verdict = Verdict{ID: last.ID, Seq: after.Seq, Version: after.Version, Epoch: after.Epoch}
	return decided
}

// repeat finds out whether the request was answered before. The id comes
// first: a retry of a stored event gets its first answer whatever has happened
// to the tenant since.
func (w *writer) repeat(layer Layer, a *ask, head Head, base events.Seq) (bool, outcome) {
	own := a.request.Events
	var answer Answer
	seen := 0
	for _, e := range own {
		first, found, err := layer.Answer(e.ID)
		if err != nil {
			*a.verdict = refusedEvent(e, head, err)
			return true, answered
		}
		if !found {
			continue
		}
		content, err := ContentHash(e)
		if err == nil && (first.About != e.About || first.Content != content) {
			err = refuse(ErrIDReused, "make a new id for a new event", "%s stands at %d with other content", e.ID, first.Seq)
		}
		if err != nil {
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
		err := refuse(ErrIDReused, "send the unit as it was", "%d of the unit's %d events are stored already", seen, len(own))
		*a.verdict = refusedEvent(own[len(own)-1], head, err)
		return true, answered
	case answer.Seq > base:
		return true, repeated
	}
	superseded, err := Superseded(layer, head, own[len(own)-1], answer.Seq)
	if err != nil {
		*a.verdict = refusedEvent(own[len(own)-1], head, err)
		return true, answered
	}
	*a.verdict = Verdict{
		ID: own[len(own)-1].ID, Seq: answer.Seq, Version: answer.Version, Epoch: head.Epoch,
		// Decided again after its own append went astray, it is no repeat.
		Duplicate: a.tries == 1, Superseded: superseded,
	}
	return true, answered
}

// pinned holds the request against the Seq its caller expects.
func pinned(r Request, about events.Aggregate, head Head) error {
	if head.Quarantined != 0 {
		return refuse(ErrQuarantined, "run verify and mend the log's reader first", "%s holds an event at %d that cannot be read", about, head.Quarantined)
	}
	if r.Expect != nil && *r.Expect != head.Seq {
		return &events.ConflictError{About: about, Expected: *r.Expect, Actual: head.Seq}
	}
	return nil
}

// now is the recorded time of the next event.
func (w *writer) now() events.Time {
	w.recorded = max(w.recorded, events.TimeOf(w.clock()))
	return w.recorded
}

// decision builds one unit on a layer of its own.
type decision struct {
	facts      Layer
	base, next events.Seq
	recorded   events.Time
	via        string

	events   []events.Event
	expected []events.Seq
}

// take decides one event of the request, with the claims that go with it.
func (d *decision) take(e events.Event) error {
	head, err := d.facts.Head(e.About)
	if err != nil {
		return err
	}
	if err := epoch(e, head); err != nil {
		return err
	}
	up, err := events.Upcast(e.Payload)
	if err != nil {
		return err
	}
	newest := e
	newest.Payload = up
	state := d.facts.State(e.About)
	if err := Decide(world{d.facts}, state, newest); err != nil {
		return err
	}
	claims, err := claimsOf(d.facts, state, newest)
	if err != nil {
		return err
	}
	for _, claim := range claims {
		if err := d.add(claim, claim); err != nil {
			return err
		}
	}
	return d.add(e, newest)
}

// add folds an event into the layer and puts it into the unit. stored is the
// event as it will be stored, newest the same in its newest version.
func (d *decision) add(stored, newest events.Event) error {
	head, err := d.facts.Head(stored.About)
	if err != nil {
		return err
	}
	expected := head.Seq
	if expected > d.base {
		expected = events.Follows
	}
	d.next++
	stored.Seq, newest.Seq = d.next, d.next
	stored.RecordedTime, stored.Via = d.recorded, d.via
	d.events = append(d.events, stored)
	d.expected = append(d.expected, expected)
	if err := Fold(d.facts, newest); err != nil {
		return err
	}
	after, err := d.facts.Head(stored.About)
	if err == nil && after.Quarantined != 0 {
		err = fmt.Errorf("%w: %s %s was decided and does not fold", ErrFold, stored.Type(), stored.ID)
	}
	return err
}

// unit is the stored form of what was taken.
func (d *decision) unit() (events.Unit, error) {
	u := events.Unit{Expected: d.expected, Events: make([]events.Stored, len(d.events))}
	if len(d.events) > events.MaxUnitEvents {
		return u, fmt.Errorf("%w: the unit has %d events, at most %d are allowed", events.ErrTooLarge, len(d.events), events.MaxUnitEvents)
	}
	for i, e := range d.events {
		e.More = uint16(len(d.events) - 1 - i)
		s, err := events.Encode(e)
		if err != nil {
			return u, err
		}
		u.Events[i] = s
	}
	return u, nil
}

// epoch fences writers that do not know of a delete or a restore.
func epoch(e events.Event, head Head) error {
	if e.About.Kind != events.AggregateTenant {
		return nil
	}
	if p, ok := e.Payload.(events.TenantRestored); ok {
		want := head.Epoch + 1
		if p.Part > 1 {
			want = head.Epoch
		}
		if p.Epoch != want {
			return refuse(ErrEpoch, "plan the restoration again", "%s is in epoch %d, the plan leads to %d", e.About, head.Epoch, p.Epoch)
		}
		return nil
	}
	if e.Epoch == head.Epoch {
		return nil
	}
	named := "the event names none"
	if e.Epoch != 0 {
		named = fmt.Sprintf("the event names %d", e.Epoch)
	}
	return refuse(ErrEpoch, "read the tenant again and name its epoch", "%s is in epoch %d, %s", e.About, head.Epoch, named)
}

// world answers a decision's questions from the facts.
type world struct{ facts Facts }

func (w world) Exists(a events.Aggregate) (bool, error) {
	h, err := w.facts.Head(a)
	return h.Seq != 0, err
}

func (w world) Claimed(claim events.Aggregate) (events.TenantID, error) {
	c, _, err := get[events.Claim](w.facts.State(claim), events.Claim{}.EntityKey())
	return c.Tenant, err
}

func (w world) Used(id uuid.UUID) (bool, error) {
	_, used, err := w.facts.Issued(id)
	return used, err
}
