package replay

import (
	"context"
	"encoding/hex"
	"fmt"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// Log is the log itself, for what must not rest on any view.
type Log interface {
	Read(ctx context.Context, after, upTo events.Seq, fn func([]events.Stored) error) error
}

// logCheck holds the log against itself: no gap, no event id twice, nothing that
// cannot be read.
type logCheck struct {
	at     events.Seq
	hash   events.Rolling
	ids    map[events.EventID]events.Seq
	faults []Fault
}

func newLogCheck() *logCheck { return &logCheck{ids: map[events.EventID]events.Seq{}} }

// add checks the next event; unreadable is why it could not be decoded.
func (c *logCheck) add(s events.Stored, unreadable error) {
	if s.Seq != c.at+1 {
		c.fault(s, fmt.Sprintf("follows %d: there is a gap", c.at))
	}
	c.at, c.hash = s.Seq, c.hash.Add(s)
	if unreadable != nil {
		c.fault(s, unreadable.Error())
		return
	}
	if first, twice := c.ids[s.ID]; twice {
		c.fault(s, fmt.Sprintf("%s stands at %d already", s.ID, first))
	}
	c.ids[s.ID] = s.Seq
}

// end checks that the log reaches as far as it should.
func (c *logCheck) end(upTo events.Seq) {
	if c.at != upTo {
		c.faults = append(c.faults, Fault{Seq: upTo, What: fmt.Sprintf("a checkpoint says so, but the log ends at %d", c.at)})
	}
}

func (c *logCheck) fault(s events.Stored, what string) {
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

// Independent is a fold of the log in memory that reads no view and no
// checkpoint: what a certificate holds the views against.
type Independent struct {
	States map[events.Aggregate]*Past
	check  *logCheck
}

// At is the last Seq folded.
func (f *Independent) At() events.Seq { return f.check.at }

// HashHex is the rolling hash of the log up to there, in hex.
func (f *Independent) HashHex() string { return hex.EncodeToString(f.check.hash[:]) }

// Faults lists what is wrong with the log itself: a gap, an event id that comes
// twice, an event that cannot be read or folded.
func (f *Independent) Faults() []Fault { return f.check.faults }

// FoldLog folds the log from its first event up to a Seq. each, when set, sees
// every event before it is folded.
func FoldLog(ctx context.Context, log Log, upTo events.Seq, each func(events.Event)) (*Independent, error) {
	f := &Independent{States: map[events.Aggregate]*Past{}, check: newLogCheck()}
	err := log.Read(ctx, 0, upTo, func(stored []events.Stored) error {
		for _, s := range stored {
			e, err := events.Decode(s)
			f.check.add(s, err)
			if err != nil {
				continue
			}
			if each != nil {
				each(e)
			}
			f.fold(s, e)
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("fold the log: %w", err)
	}
	f.check.end(upTo)
	return f, nil
}

func (f *Independent) fold(s events.Stored, e events.Event) {
	p := f.States[e.About]
	if p == nil {
		p = &Past{About: e.About, State: catalogue.MapState{}}
		f.States[e.About] = p
	}
	if err := catalogue.Evolve(p.State, e); err != nil {
		f.check.fault(s, err.Error())
	}
	p.Head = p.Head.Advance(e)
}
