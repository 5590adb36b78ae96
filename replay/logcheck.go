package replay

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
)

// Log is the log itself, for what must not rest on any view.
type Log = projectors.Log

// logCheck holds the log against itself: no gap, no event id twice, nothing that
// cannot be read.
type logCheck struct {
	at    events.Seq
	hash  events.Rolling
	rolls map[events.Seq]events.Rolling // hashes to remember
	torn  bool                          // it has a gap

	known   events.Seq     // up to there the hash is known already
	knownAs events.EventID // the event there

	prints []uint64 // of every event id
	faults []Fault
	passed []Fault // what is passed over, and is no fault of anything made of the log
	more   int     // faults beyond those listed
}

// maxLogFaults bounds how many faults of the log are listed, and what is passed over.
const maxLogFaults = 1000

// add checks the next event.
func (c *logCheck) add(r projectors.Recorded) {
	if r.Seq != c.at+1 && !c.torn {
		c.fault(r.Stored, fmt.Sprintf("follows %d: there is a gap", c.at))
		c.torn = true
	}
	c.at = r.Seq
	if r.Seq <= c.known {
		if r.Seq == c.known && r.ID != c.knownAs {
			c.fault(r.Stored, fmt.Sprintf("was %s when it was proven", c.knownAs))
		}
		return
	}
	c.hash = c.hash.Add(r.Stored)
	if _, ok := c.rolls[r.Seq]; ok {
		c.rolls[r.Seq] = c.hash
	}
	switch {
	case projectors.PassedOver(r.About, r.Err):
		if len(c.passed) < maxLogFaults {
			c.passed = append(c.passed, Fault{Seq: r.Seq, About: r.About, What: r.Err.Error()})
		}
	case r.Err != nil:
		c.fault(r.Stored, r.Err.Error())
		return
	}
	c.prints = append(c.prints, print64(r.ID))
}

// cut notes that the log cannot be read any further.
func (c *logCheck) cut(err error) {
	c.torn = true
	fault := Fault{Seq: c.at + 1, What: err.Error()}
	if gap, ok := errors.AsType[*events.GapError](err); ok {
		fault.Seq = gap.Got
	}
	c.faults = append(c.faults, fault)
}

// print64 folds an id to eight bytes: a set of them is small, and hardly ever do
// two ids have the same.
func print64(id events.EventID) uint64 {
	u := id.UUID()
	return binary.BigEndian.Uint64(u[:8]) ^ binary.BigEndian.Uint64(u[8:])
}

// end checks that the log reaches as far as it should, and that no id came twice:
// it reads the log again if two look alike.
func (c *logCheck) end(ctx context.Context, log Log, upTo events.Seq) error {
	if c.at != upTo && !c.torn {
		c.torn = true
		c.faults = append(c.faults, Fault{Seq: upTo, What: fmt.Sprintf("a checkpoint says so, but the log ends at %d", c.at)})
	}
	defer func() {
		if c.more > 0 {
			c.faults = append(c.faults, Fault{Seq: upTo, What: fmt.Sprintf("%d more faults of the log are not listed", c.more)})
		}
	}()
	slices.Sort(c.prints)
	alike := map[uint64]bool{}
	for i := 1; i < len(c.prints); i++ {
		if c.prints[i] == c.prints[i-1] {
			alike[c.prints[i]] = true
		}
	}
	c.prints = nil
	if len(alike) == 0 {
		return nil
	}
	first := map[events.EventID]events.Seq{}
	return log.Read(ctx, c.known, upTo, func(stored []events.Stored) error {
		for _, s := range stored {
			if !alike[print64(s.ID)] {
				continue
			}
			if seq, twice := first[s.ID]; twice {
				c.fault(s, fmt.Sprintf("%s stands at %d already", s.ID, seq))
			} else {
				first[s.ID] = s.Seq
			}
		}
		return ctx.Err()
	})
}

func (c *logCheck) fault(s events.Stored, what string) {
	if len(c.faults) >= maxLogFaults {
		c.more++
		return
	}
	c.faults = append(c.faults, Fault{Seq: s.Seq, About: s.About, What: what})
}

// Fault is one thing that is wrong, and where.
type Fault struct {
	View  string           `json:"view,omitzero"` // which view; empty: the log itself
	Seq   events.Seq       `json:"seq,omitzero"`
	About events.Aggregate `json:"subject,omitzero"`
	What  string           `json:"what"`
}

// String is the fault in one line.
func (f Fault) String() string {
	text := f.What
	if !f.About.IsZero() {
		text = f.About.String() + ": " + text
	}
	if f.Seq != 0 {
		text = fmt.Sprintf("event %d: %s", f.Seq, text)
	}
	if f.View != "" {
		text = "view " + f.View + ": " + text
	}
	return text
}
