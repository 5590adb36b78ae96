package eventtest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"tenantcatalogue/events"
	"tenantcatalogue/events/eventlog"
)

// MemoryLog is a log in memory with the semantics of eventlog.Log, and faults
// on demand. It is safe for concurrent use.
type MemoryLog struct {
	mu       sync.Mutex
	identity string
	stored   []events.Stored
	heads    map[events.Aggregate]events.Seq
	appended chan struct{} // closed and replaced by every append
	fail     error
	loseAck  bool
}

// NewMemoryLog makes an empty log. Two logs of the same name have the same
// identity, so that a checkpoint of the one fits the other.
func NewMemoryLog(name string) *MemoryLog {
	return &MemoryLog{
		identity: name + "@memory",
		heads:    make(map[events.Aggregate]events.Seq),
		appended: make(chan struct{}),
	}
}

// FailNext makes the next Append write nothing and answer every unit with err.
func (l *MemoryLog) FailNext(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

// LoseNextAck makes the next Append write what it would have written and
// answer those units events.ErrUnavailable, as a log does that could not find
// out what became of them.
func (l *MemoryLog) LoseNextAck() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loseAck = true
}

// Truncate takes away every event after seq, as a damaged log does.
func (l *MemoryLog) Truncate(seq events.Seq) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stored = l.stored[:seq]
	clear(l.heads)
	for _, s := range l.stored {
		l.heads[s.About] = s.Seq
	}
}

// Replace puts other content in the place of an event, as a damaged log does.
func (l *MemoryLog) Replace(s events.Stored) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stored[s.Seq-1] = s
}

// Identity names the log.
func (l *MemoryLog) Identity() string { return l.identity }

// Append appends units in order and answers each.
func (l *MemoryLog) Append(ctx context.Context, units []events.Unit) []events.Appended {
	l.mu.Lock()
	defer l.mu.Unlock()
	answers := make([]events.Appended, len(units))
	fail, loseAck := l.fail, l.loseAck
	l.fail, l.loseAck = nil, false
	if fail == nil && ctx.Err() != nil {
		fail = fmt.Errorf("append: %w: %w", events.ErrUnavailable, context.Cause(ctx))
	}
	touched, refused := map[events.Aggregate]bool{}, map[events.Aggregate]bool{}
	for i, u := range units {
		err := eventlog.ValidateUnit(u)
		if err == nil {
			err = fail
		}
		if err == nil {
			err = l.check(u, touched, refused)
		}
		for _, e := range u.Events {
			refused[e.About] = err != nil
			touched[e.About] = touched[e.About] || err == nil
		}
		if err != nil {
			answers[i].Err = err
			continue
		}
		answers[i] = l.add(u)
		if loseAck {
			answers[i] = events.Appended{Err: fmt.Errorf("append: %w: the acknowledgment was lost", events.ErrUnavailable)}
		}
	}
	close(l.appended)
	l.appended = make(chan struct{})
	return answers
}

// check holds the expectations of a unit against the log.
func (l *MemoryLog) check(u events.Unit, touched, refused map[events.Aggregate]bool) error {
	seen := map[events.Aggregate]bool{}
	for i, e := range u.Events {
		if seen[e.About] {
			continue
		}
		seen[e.About] = true
		expected, actual := u.Expected[i], l.heads[e.About]
		switch {
		case expected == events.Follows && !refused[e.About] && !touched[e.About]:
			return fmt.Errorf("%w: event %s follows an earlier unit about %s, of which there is none", events.ErrMalformed, e.ID, e.About)
		case expected == events.Follows && refused[e.About], expected != events.Follows && expected != actual:
			return &events.ConflictError{About: e.About, Expected: expected, Actual: actual}
		}
	}
	return nil
}

func (l *MemoryLog) add(u events.Unit) events.Appended {
	first := events.Seq(len(l.stored)) + 1
	for i, e := range u.Events {
		e.Seq = first + events.Seq(i)
		e.Data = slices.Clone(e.Data)
		l.stored = append(l.stored, e)
		l.heads[e.About] = e.Seq
	}
	return events.Appended{First: first, Last: events.Seq(len(l.stored))}
}

// Stage is Append in two steps. A log on a stream takes the caller's word for what
// holds at base; this one panics when it is not true.
func (l *MemoryLog) Stage(base events.Seq, units []events.Unit) (commit func(context.Context) []events.Appended) {
	return func(ctx context.Context) []events.Appended {
		l.hold(base, units)
		return l.Append(ctx, units)
	}
}

// hold holds against the log what was vouched for, if the log ends there.
func (l *MemoryLog) hold(base events.Seq, units []events.Unit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if events.Seq(len(l.stored)) != base {
		return
	}
	seen := map[events.Aggregate]bool{}
	for _, u := range units {
		for i, e := range u.Events {
			if !seen[e.About] && u.Expected[i] != events.Follows && u.Expected[i] != l.heads[e.About] {
				panic(fmt.Sprintf("%s: vouched for %d at %d, where its last event is %d", e.About, u.Expected[i], base, l.heads[e.About]))
			}
			seen[e.About] = true
		}
	}
}

// Head is the Seq of the last event.
func (l *MemoryLog) Head(ctx context.Context) (events.Seq, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return events.Seq(len(l.stored)), context.Cause(ctx)
}

// readAtOnce is how many events Read and Tail hand out at a time: few, so that
// tests see more than one portion.
const readAtOnce = 100

// portion copies the next events after a Seq, and gives the channel that is
// closed when there are more.
func (l *MemoryLog) portion(after events.Seq, limit int) ([]events.Stored, events.Seq, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	head := events.Seq(len(l.stored))
	if after >= head {
		return nil, head, l.appended
	}
	return slices.Clone(l.stored[after:min(head, after+events.Seq(limit))]), head, l.appended
}

// Read hands the events after one Seq up to another to fn.
func (l *MemoryLog) Read(ctx context.Context, after, upTo events.Seq, fn func([]events.Stored) error) error {
	for after < upTo {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		got, head, _ := l.portion(after, int(min(upTo-after, readAtOnce)))
		if head < upTo {
			return fmt.Errorf("read up to event %d: %w: its last event is %d", upTo, events.ErrShort, head)
		}
		if err := fn(got); err != nil {
			return err
		}
		after += events.Seq(len(got))
	}
	return nil
}

// Tail hands every event after a Seq to fn until the context ends.
func (l *MemoryLog) Tail(ctx context.Context, after events.Seq, fn func([]events.Stored) error) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		got, head, more := l.portion(after, readAtOnce)
		switch {
		case head < after:
			return fmt.Errorf("read on from event %d: %w: its last event is %d", after, events.ErrShort, head)
		case len(got) > 0:
			if err := fn(got); err != nil {
				return err
			}
			after += events.Seq(len(got))
			continue
		}
		select {
		case <-more:
		case <-ctx.Done():
		}
	}
}

// Get reads one event.
func (l *MemoryLog) Get(_ context.Context, seq events.Seq) (events.Stored, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case seq > events.Seq(len(l.stored)):
		return events.Stored{}, fmt.Errorf("get event %d: %w: its last event is %d", seq, events.ErrShort, len(l.stored))
	case seq == 0:
		return events.Stored{}, fmt.Errorf("get event %d: %w", seq, events.ErrGap)
	}
	return l.stored[seq-1], nil
}

// LastOf is the last event about an aggregate, false if there is none.
func (l *MemoryLog) LastOf(_ context.Context, about events.Aggregate) (events.Stored, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seq := l.heads[about]
	if seq == 0 {
		return events.Stored{}, false, nil
	}
	return l.stored[seq-1], true, nil
}
