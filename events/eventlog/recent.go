package eventlog

import (
	"slices"
	"sync"

	"tenantcatalogue/events"
)

// The bounds of recent: a few batches, for whoever tails the log is rarely further
// behind.
const (
	recentEvents = 4 * events.MaxUnitEvents
	recentBytes  = 16 << 20
)

// recent is the end of the log as this process has appended it, for Tail: what was
// acknowledged need not be asked for.
type recent struct {
	mu     sync.Mutex
	events []events.Stored // without a gap
	bytes  int             // of their data
}

// add takes events that were appended next to each other.
func (r *recent) add(appended []events.Stored) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch next := r.end() + 1; {
	case appended[0].Seq < next:
		return // whoever appended what comes after them was quicker
	case appended[0].Seq > next:
		r.events, r.bytes = nil, 0
	}
	for _, e := range appended {
		r.bytes += len(e.Data)
	}
	r.events = append(r.events, appended...)
	drop := 0
	for left := len(r.events); left-drop > recentEvents || r.bytes > recentBytes; drop++ {
		r.bytes -= len(r.events[drop].Data)
	}
	clear(r.events[:drop]) // readers have copies
	r.events = r.events[drop:]
}

// end is the Seq of the last event, 0 without any; r.mu is held.
func (r *recent) end() events.Seq {
	if len(r.events) == 0 {
		return 0
	}
	return r.events[len(r.events)-1].Seq
}

// after gives the events behind a Seq, and tells whether there are none because
// the Seq is the last that was appended here.
func (r *recent) after(seq events.Seq, limit int) (got []events.Stored, last bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	end := r.end()
	if len(r.events) == 0 || seq >= end || seq+1 < r.events[0].Seq {
		return nil, end != 0 && seq == end
	}
	rest := r.events[seq+1-r.events[0].Seq:]
	return slices.Clone(rest[:min(limit, len(rest))]), false
}
