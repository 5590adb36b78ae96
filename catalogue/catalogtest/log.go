package catalogtest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"tenantcatalogue/events"
)

// Log is a log in memory. It is safe for concurrent use; the zero value is
// empty.
type Log struct {
	mu     sync.Mutex
	events []events.Stored
	last   map[events.Aggregate]events.Seq

	// OnAppend, when set, is called before each Append, without the lock held;
	// its error is the answer to every unit.
	OnAppend func(units []events.Unit) error
	// OnAppended, when set, is called after each Append and may change the
	// answers.
	OnAppended func(units []events.Unit, answers []events.Appended)
	// OnHead, when set, is called before each Head and may refuse it.
	OnHead func() error
}

// Append appends units, each whole or not at all.
func (l *Log) Append(_ context.Context, units []events.Unit) []events.Appended {
	out := make([]events.Appended, len(units))
	if l.OnAppend != nil {
		if err := l.OnAppend(units); err != nil {
			for i := range out {
				out[i].Err = err
			}
			return out
		}
	}
	l.mu.Lock()
	refused := map[events.Aggregate]bool{}
	for i, u := range units {
		out[i] = l.append(u, refused)
	}
	l.mu.Unlock()
	if l.OnAppended != nil {
		l.OnAppended(units, out)
	}
	return out
}

func (l *Log) append(u events.Unit, refused map[events.Aggregate]bool) events.Appended {
	if err := l.check(u, refused); err != nil {
		for _, e := range u.Events {
			refused[e.About] = true
		}
		return events.Appended{Err: err}
	}
	if l.last == nil {
		l.last = map[events.Aggregate]events.Seq{}
	}
	first := events.Seq(len(l.events)) + 1
	for _, e := range u.Events {
		delete(refused, e.About)
		e.Seq = events.Seq(len(l.events)) + 1
		e.Data = slices.Clone(e.Data)
		l.events = append(l.events, e)
		l.last[e.About] = e.Seq
	}
	return events.Appended{First: first, Last: events.Seq(len(l.events))}
}

func (l *Log) check(u events.Unit, refused map[events.Aggregate]bool) error {
	if len(u.Events) == 0 || len(u.Events) != len(u.Expected) {
		return fmt.Errorf("%w: %d events with %d expectations", events.ErrMalformed, len(u.Events), len(u.Expected))
	}
	size := 0
	seen := map[events.Aggregate]bool{}
	for i, e := range u.Events {
		size += len(e.Data)
		if seen[e.About] {
			continue
		}
		seen[e.About] = true
		switch expected, actual := u.Expected[i], l.last[e.About]; {
		case expected == events.Follows && !refused[e.About]:
		case expected != actual:
			return &events.ConflictError{About: e.About, Expected: expected, Actual: actual}
		}
	}
	if len(u.Events) > events.MaxUnitEvents || size > events.MaxUnitBytes {
		return fmt.Errorf("%w: a unit of %d events and %d bytes", events.ErrTooLarge, len(u.Events), size)
	}
	return nil
}

// Read hands over the events after one Seq up to another.
func (l *Log) Read(_ context.Context, after, upTo events.Seq, fn func([]events.Stored) error) error {
	all := l.Events()
	if upTo > events.Seq(len(all)) {
		return fmt.Errorf("the log ends at %d, before %d", len(all), upTo)
	}
	if after >= upTo {
		return nil
	}
	return fn(all[after:upTo])
}

// Head is the Seq of the last event.
func (l *Log) Head(context.Context) (events.Seq, error) {
	if l.OnHead != nil {
		if err := l.OnHead(); err != nil {
			return 0, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return events.Seq(len(l.events)), nil
}

// Events is a copy of what the log holds.
func (l *Log) Events() []events.Stored {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events)
}

// Put appends an event as it is, whatever it is: for a log that somebody else
// wrote.
func (l *Log) Put(s events.Stored) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil {
		l.last = map[events.Aggregate]events.Seq{}
	}
	s.Seq = events.Seq(len(l.events)) + 1
	l.events = append(l.events, s)
	l.last[s.About] = s.Seq
}
