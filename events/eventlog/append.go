package eventlog

import (
	"context"
	"errors"
	"fmt"

	"tenantcatalogue/events"
)

// Append appends units in order and answers each: it is stored whole, or not
// at all. The answers' errors match events.ErrConflict, events.ErrTooLarge,
// events.ErrNoSpace, events.ErrUnavailable or events.ErrMalformed. One unit's
// refusal does not touch the others, save those that Follow it.
//
// Stored means on disk. Concurrent calls do not wait for each other; a writer
// that wants few fsyncs collects its units into one call.
func (l *Log) Append(ctx context.Context, units []events.Unit) []events.Appended {
	return l.newAppender(units).run(ctx)
}

// Stage begins to append units to a log that ends at base: the server takes in as
// much of them as fits one batch, but the batch's end. They are appended, or refused,
// when commit is called, which is as Append but need not wait for the bytes to travel;
// a writer stages a batch while the one before it is being synced. When commit is
// never called nothing is appended, and the server forgets them.
//
// The caller has seen every event up to base, and vouches that up to there each
// expectation holds. The server is asked that the log ends at base; only if it does
// not is each expectation held against the log, as Append does.
func (l *Log) Stage(base events.Seq, units []events.Unit) (commit func(ctx context.Context) []events.Appended) {
	a := l.newAppender(units)
	a.vouched, a.base = true, base
	if b := a.next(); len(b.units) > 0 {
		b.staged, _ = l.stage(b) // what could not be sent is sent by commit
		a.staged = b
	}
	return a.run
}

func (l *Log) newAppender(units []events.Unit) *appender {
	a := &appender{
		log: l, units: units,
		answers: make([]events.Appended, len(units)),
		follows: predecessors(units),
		touched: make(map[events.Aggregate]events.Seq),
	}
	for i := range units {
		if a.answers[i].Err = ValidateUnit(units[i]); a.answers[i].Err == nil {
			a.pending = append(a.pending, i)
		}
	}
	return a
}

// run appends what is pending, and answers.
func (a *appender) run(ctx context.Context) []events.Appended {
	if a.staged != nil {
		a.commit(ctx, a.staged)
		a.staged = nil
	}
	for len(a.pending) > 0 {
		if b := a.next(); len(b.units) > 0 {
			a.commit(ctx, b)
		}
	}
	return a.answers
}

// ValidateUnit checks what any log asks of a unit before it looks at anything
// else. The error matches events.ErrMalformed or events.ErrTooLarge.
func ValidateUnit(u events.Unit) error {
	if len(u.Events) == 0 || len(u.Events) != len(u.Expected) {
		return fmt.Errorf("%w: a unit has %d events and %d expectations; it needs one for each", events.ErrMalformed, len(u.Events), len(u.Expected))
	}
	size := 0
	for _, e := range u.Events {
		if e.About.Kind.String() == "unknown" || e.ID.IsZero() || e.Type == "" || e.Source == "" {
			return fmt.Errorf("%w: event %s about %s lacks an attribute of the stored form", events.ErrMalformed, e.ID, e.About)
		}
		if len(e.Data) > events.MaxEventBytes {
			return fmt.Errorf("%w: event %s has %d bytes, at most %d are allowed", events.ErrTooLarge, e.ID, len(e.Data), events.MaxEventBytes)
		}
		size += len(e.Data)
	}
	if len(u.Events) > events.MaxUnitEvents || size > events.MaxUnitBytes {
		return fmt.Errorf("%w: a unit of %d events and %d bytes; at most %d and %d are allowed",
			events.ErrTooLarge, len(u.Events), size, events.MaxUnitEvents, events.MaxUnitBytes)
	}
	return nil
}

// appender is one call of Append.
type appender struct {
	log     *Log
	units   []events.Unit
	answers []events.Appended
	pending []int  // the units not answered, in order
	staged  *batch // taken from their front
	// follows holds, for a unit that Follows others, those others.
	follows map[int][]int
	// touched holds the last event of each aggregate that this call appended.
	touched map[events.Aggregate]events.Seq
	// vouched: every expectation holds if the log ends at base.
	vouched bool
	base    events.Seq
}

// none stands for the predecessor that a unit Follows and that is not there.
const none = -1

// predecessors finds the unit that each Follows means: the last one before it
// that is about the same aggregate.
func predecessors(units []events.Unit) map[int][]int {
	out := make(map[int][]int)
	latest := make(map[events.Aggregate]int, len(units))
	for i, u := range units {
		for first := range firsts(u) {
			if len(u.Expected) != len(u.Events) || u.Expected[first] != events.Follows {
				continue
			}
			before, ok := latest[u.Events[first].About]
			if !ok {
				before = none
			}
			out[i] = append(out[i], before)
		}
		for _, e := range u.Events {
			latest[e.About] = i
		}
	}
	return out
}

// message is one event on its way, with the expectation it carries if it is
// its aggregate's first in the batch.
type message struct {
	event    events.Stored
	guarded  bool
	expected events.Seq
}

// batch is what is committed at once.
type batch struct {
	units    []int
	messages []message
	bytes    int
	heads    map[events.Aggregate]int // the unit that touched it first
	staged   string                   // the id under which the server has all but the end; empty: it has nothing
	vouched  bool                     // one expectation, that the log ends at base, stands for all
	base     events.Seq
}

// expectation is what the i-th message expects.
func (b *batch) expectation(i int) (header string, seq events.Seq) {
	m := b.messages[i]
	switch {
	case b.vouched && i == 0:
		return headerExpectedLast, b.base
	case !b.vouched && m.guarded:
		return headerExpected, m.expected
	}
	return "", 0
}

// next takes whole units from the front of pending until the batch is full.
// Units that can be refused without asking the server are.
func (a *appender) next() *batch {
	b := &batch{heads: make(map[events.Aggregate]int), vouched: a.vouched, base: a.base}
	for len(a.pending) > 0 {
		i := a.pending[0]
		u := a.units[i]
		size := 0
		for _, e := range u.Events {
			size += len(e.Data)
		}
		full := len(b.messages)+len(u.Events) > events.MaxUnitEvents || b.bytes+size > events.MaxUnitBytes
		if full || a.mustWait(b, u) {
			break
		}
		a.pending = a.pending[1:]
		if a.answers[i].Err = a.precheck(i); a.answers[i].Err != nil {
			continue
		}
		b.units = append(b.units, i)
		b.bytes += size
		a.add(b, i)
	}
	return b
}

// mustWait tells whether the unit states an expectation about an aggregate
// that the batch touches already: the server could not check it.
func (a *appender) mustWait(b *batch, u events.Unit) bool {
	for first := range firsts(u) {
		if _, in := b.heads[u.Events[first].About]; in && u.Expected[first] != events.Follows {
			return true
		}
	}
	return false
}

// precheck refuses what this call itself has made impossible.
func (a *appender) precheck(unit int) error {
	u := a.units[unit]
	follows := a.follows[unit]
	for first := range firsts(u) {
		about, expected := u.Events[first].About, u.Expected[first]
		seq, appended := a.touched[about]
		if expected != events.Follows {
			if appended && expected != seq {
				return &events.ConflictError{About: about, Expected: expected, Actual: seq}
			}
			continue
		}
		if follows[0] == none {
			return fmt.Errorf("%w: event %s follows an earlier unit about %s, of which there is none", events.ErrMalformed, u.Events[first].ID, about)
		}
		if a.answers[follows[0]].Err != nil {
			return &events.ConflictError{About: about, Expected: events.Follows, Actual: seq}
		}
		follows = follows[1:]
	}
	return nil
}

// firsts yields the place of each aggregate's first event in the unit.
func firsts(u events.Unit) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		if len(u.Events) == 1 {
			yield(0)
			return
		}
		seen := make(map[events.Aggregate]bool, len(u.Events))
		for i, e := range u.Events {
			if !seen[e.About] {
				seen[e.About] = true
				if !yield(i) {
					return
				}
			}
		}
	}
}

func (a *appender) add(b *batch, unit int) {
	u := a.units[unit]
	for i, e := range u.Events {
		m := message{event: e}
		if _, in := b.heads[e.About]; !in {
			b.heads[e.About] = unit
			m.guarded, m.expected = true, u.Expected[i]
			if m.expected == events.Follows {
				m.expected = a.touched[e.About]
			}
		}
		b.messages = append(b.messages, m)
	}
}

// commit publishes the batch and answers its units, or puts those that may yet
// succeed back in front of pending.
func (a *appender) commit(ctx context.Context, b *batch) {
	first, err := a.log.commit(ctx, b)
	a.vouched = b.vouched
	if errors.Is(err, events.ErrConflict) {
		if err = a.sift(ctx, b); err == nil {
			return
		}
	}
	if errors.Is(err, events.ErrUnavailable) || errors.Is(err, events.ErrNoSpace) {
		// The next batch would fare no better, and take as long to find out.
		b.units, a.pending = append(b.units, a.pending...), nil
	}
	if err != nil {
		for _, i := range b.units {
			a.answers[i].Err = err
		}
		return
	}
	a.log.keep(b, first)
	for _, i := range b.units {
		n := events.Seq(len(a.units[i].Events))
		a.answers[i] = events.Appended{First: first, Last: first + n - 1}
		for k, e := range a.units[i].Events {
			a.touched[e.About] = first + events.Seq(k)
		}
		first += n
	}
	a.base = first - 1
}
