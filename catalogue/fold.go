package catalogue

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"tenantcatalogue/events"
	"tenantcatalogue/events/wire"
)

// Head is what the write side knows of an aggregate beside its state. It is no
// part of the state: a restored tenant has an old state and a new head.
type Head struct {
	Seq         events.Seq    `json:"seq"`                  // its last event; 0: there was none
	Version     uint64        `json:"version"`              // how many events it has had
	Epoch       uint64        `json:"epoch"`                // raised by every delete and restore
	Quarantined events.Seq    `json:"quarantined,omitzero"` // the event that could not be read or folded
	Restores    []RestoreMark `json:"restores,omitzero"`    // oldest first
}

// RestoreMark is one restoration of a tenant.
type RestoreMark struct {
	Restoration events.RestoreID   `json:"restoration"`
	Mode        events.RestoreMode `json:"mode"`
	Cut         events.Seq         `json:"cut"`
	AsOf        events.Seq         `json:"as_of"`
	Seq         events.Seq         `json:"seq"` // where it was restored
}

// Fields lists the fields in the order of the wire.
func (h *Head) Fields(w *wire.Coder) {
	wire.Uint(w, &h.Seq)
	wire.Uint(w, &h.Version)
	wire.Uint(w, &h.Epoch)
	wire.Uint(w, &h.Quarantined)
	wire.Structs(w, &h.Restores)
}

// Fields lists the fields in the order of the wire.
func (r *RestoreMark) Fields(w *wire.Coder) {
	r.Restoration.Wire(w)
	wire.String(w, &r.Mode)
	wire.Uint(w, &r.Cut)
	wire.Uint(w, &r.AsOf)
	wire.Uint(w, &r.Seq)
}

// Advance is the head after e.
func (h Head) Advance(e events.Event) Head {
	h.Seq = e.Seq
	h.Version++
	switch p := e.Payload.(type) {
	case events.TenantDeleted:
		h.Epoch++
	case events.TenantRestored:
		if p.Part == 1 {
			h.Epoch = p.Epoch
			h.Restores = append(slices.Clip(h.Restores), RestoreMark{
				Restoration: p.Restoration, Mode: p.Mode, Cut: p.Cut, AsOf: p.AsOf, Seq: e.Seq,
			})
		}
	}
	return h
}

// Answer is the first answer to an event id, kept for ever.
type Answer struct {
	Seq      events.Seq
	Version  uint64
	Recorded events.Time
	Content  Content // of the event
}

// Fields lists the fields in the order of the wire.
func (a *Answer) Fields(w *wire.Coder) {
	wire.Uint(w, &a.Seq)
	wire.Uint(w, &a.Version)
	wire.Int(w, &a.Recorded)
	wire.Fixed(w, a.Content[:])
}

// Facts is the write-side store as decisions read it and the fold changes it.
// Implementations need not be safe for concurrent use.
type Facts interface {
	// State is the entities of an aggregate, all kinds.
	State(a events.Aggregate) State
	// Head is the aggregate's head; the zero Head when it has had no event.
	Head(a events.Aggregate) (Head, error)
	// PutHead sets the head.
	PutHead(a events.Aggregate, h Head) error
	// Answer is the first answer to an event id, if there was one.
	Answer(id events.EventID) (Answer, bool, error)
	// PutAnswer sets the first answer.
	PutAnswer(id events.EventID, a Answer) error
	// Issued tells whom a product's or app's id was issued to, if it was.
	Issued(id uuid.UUID) (events.Aggregate, bool, error)
	// PutIssued records that the id was issued.
	PutIssued(id uuid.UUID, a events.Aggregate) error
}

// Fold applies one event of the log to the facts: its state by Evolve, the
// aggregate's head, the answer to its id, the ids it issues. An event that does
// not fit quarantines its aggregate and is not an error; errors are the store's.
func Fold(f Facts, e events.Event) error {
	content, err := ContentHash(e)
	if err != nil {
		return err
	}
	return fold(f, e, content)
}

func fold(f Facts, e events.Event, content Content) error {
	h, err := f.Head(e.About)
	if err != nil {
		return err
	}
	if h.Quarantined == 0 {
		switch err := Evolve(f.State(e.About), e); {
		case errors.Is(err, ErrFold):
			h.Quarantined = e.Seq
		case err != nil:
			return err
		}
	}
	h = h.Advance(e)
	if err := f.PutHead(e.About, h); err != nil {
		return err
	}
	answer := Answer{Seq: e.Seq, Version: h.Version, Recorded: e.RecordedTime, Content: content}
	if err := f.PutAnswer(e.ID, answer); err != nil {
		return err
	}
	if id, ok := issues(e.Payload); ok {
		return f.PutIssued(id, e.About)
	}
	return nil
}

// Quarantine marks the aggregate of an event that cannot be read.
func Quarantine(f Facts, s events.Stored) error {
	if s.About.IsZero() {
		return nil // belongs to nobody we know; the runner reports it
	}
	if s.About.Kind == events.AggregateAlarm {
		return Pass(f, s) // an alarm changes nothing: one that cannot be read keeps none from being raised
	}
	return past(f, s, func(h *Head) { h.Quarantined = cmp.Or(h.Quarantined, s.Seq) })
}

// Pass moves the head of an aggregate past an event that may not stand there and is not
// folded.
func Pass(f Facts, s events.Stored) error { return past(f, s, func(*Head) {}) }

// past moves the head of an aggregate past an event that is not folded.
func past(f Facts, s events.Stored, mark func(*Head)) error {
	h, err := f.Head(s.About)
	if err != nil {
		return err
	}
	mark(&h)
	h.Seq = s.Seq
	h.Version++
	return f.PutHead(s.About, h)
}

// issues is the id a payload brings into being, unless it had been before.
func issues(p events.Payload) (uuid.UUID, bool) {
	switch p := p.(type) {
	case events.ProductActivated:
		return p.Product.UUID(), true
	case events.AppInstalled:
		return p.App.UUID(), true
	}
	return uuid.UUID{}, false
}

// Content tells what a producer said from anything else under the same event id.
// One is kept for every event there ever was: it is the first half of a hash.
type Content [sha256.Size / 2]byte

// ContentHash is SHA-256 over what the producer said: all of the event, whom it is
// about included, but the epoch, which is a condition of the write and may be
// refreshed in a retry, and what the gate and the log add. A payload counts in its
// newest version.
func ContentHash(e events.Event) (sum Content, err error) {
	payload, err := events.Upcast(e.Payload)
	if err != nil {
		return sum, err
	}
	e.Payload = payload
	e.Epoch, e.RecordedTime, e.Via, e.More, e.Seq = 0, 0, "", 0, 0
	hash, err := events.Rolling{}.AddEvent(e)
	if err != nil {
		return sum, fmt.Errorf("hash the content of %s: %w", e.ID, err)
	}
	return Content(hash[:len(sum)]), nil
}
