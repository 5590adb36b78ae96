package projectors

import (
	"fmt"
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/events/wire"
	"tenantcatalogue/projectors/viewdb"
)

// EntityView is the projector of a view that keeps some kinds of entity. Its
// rows:
//
//	e <aggregate 17> <kind 1> <entity id>   an entity, as events.EncodeEntity writes it
//	h <aggregate 17>                        a catalogue.Head, if Heads is set
//	q <aggregate 17>                        a Quarantine
//	x <index key>                           an index entry, without a value
type EntityView struct {
	ViewName   string
	ViewFormat uint32
	Kinds      []events.EntityKind
	Heads      bool // keep the heads of the aggregates that have such entities
	// Index, when set, gives the index keys of an entity; they come and go with
	// it. Each names the entity's aggregate, so that no two entities share one
	// (see IndexEntry). An error quarantines the aggregate.
	Index func(a events.Aggregate, e events.Entity) ([][]byte, error)
	// Lasting, when set, gives index keys that an event adds for good.
	Lasting func(e events.Event) [][]byte
}

// The prefixes of the rows.
const (
	rowEntity     = 'e'
	rowHead       = 'h'
	rowQuarantine = 'q'
	rowIndex      = 'x'
)

// Quarantine is why an aggregate's rows are not to be trusted.
type Quarantine struct {
	Seq events.Seq `json:"seq"` // the event that could not be read or folded
	Why string     `json:"why"`
}

// Fields lists the fields in the order of the wire.
func (q *Quarantine) Fields(w *wire.Coder) {
	wire.Uint(w, &q.Seq)
	wire.String(w, &q.Why)
}

// Name is the view's name.
func (v *EntityView) Name() string { return v.ViewName }

// Format is the version of the rows.
func (v *EntityView) Format() uint32 { return v.ViewFormat }

// Keeps tells whether the view is about this kind of entity.
func (v *EntityView) Keeps(kind events.EntityKind) bool { return slices.Contains(v.Kinds, kind) }

// Project folds events into rows.
func (v *EntityView) Project(b *viewdb.Batch, recorded []Recorded) error {
	quarantined, err := Quarantined(b)
	if err != nil {
		return err
	}
	for _, r := range recorded {
		if _, out := quarantined[r.About]; out {
			continue
		}
		why := r.Err
		if why == nil {
			why, err = v.project(b, r.Event)
			if err != nil {
				return err
			}
		}
		if why == nil {
			continue
		}
		q := Quarantine{Seq: r.Seq, Why: why.Error()}
		quarantined[r.About] = q
		if err := SetQuarantine(b, r.About, q); err != nil {
			return err
		}
	}
	return nil
}

// project folds one event. why is a fault of the event, err one of the store.
func (v *EntityView) project(b *viewdb.Batch, e events.Event) (why, err error) {
	if !v.touches(e.Payload) {
		return nil, nil
	}
	s := &rowState{view: v, batch: b, about: e.About}
	if why := catalogue.Evolve(s, e); why != nil {
		return why, s.failed
	}
	if v.Lasting != nil {
		for _, key := range v.Lasting(e) {
			if err := b.Set(indexRow(key), nil); err != nil {
				return nil, err
			}
		}
	}
	if !v.Heads {
		return nil, nil
	}
	head, err := HeadOf(b, e.About)
	if err != nil {
		return nil, err
	}
	head = head.Advance(e)
	raw, err := events.Marshal(&head)
	if err != nil {
		return nil, err
	}
	return nil, b.Set(headRow(e.About), raw)
}

// touches tells whether an event can change the view at all. Keeping heads, it
// follows every event of its aggregates.
func (v *EntityView) touches(p events.Payload) bool {
	return slices.ContainsFunc(v.Kinds, func(kind events.EntityKind) bool {
		return v.Heads && kind.Of() == p.EventType().About() || catalogue.Touches(p, kind)
	})
}

// rowState is the entities of one aggregate in a view's batch.
type rowState struct {
	view   *EntityView
	batch  *viewdb.Batch
	about  events.Aggregate
	failed error // the store's own failure, as against the event's
}

// Keeps tells whether the view is about this kind.
func (s *rowState) Keeps(kind events.EntityKind) bool { return s.view.Keeps(kind) }

// Get returns the entity at key, or nil.
func (s *rowState) Get(key events.EntityKey) (events.Entity, error) {
	e, err := getEntity(s.batch, s.about, key)
	return e, s.note(err)
}

// Put sets an entity and its index entries.
func (s *rowState) Put(e events.Entity) error {
	key := e.EntityKey()
	if !s.Keeps(key.Kind) {
		return nil
	}
	if err := s.unindex(key); err != nil {
		return err
	}
	raw, err := events.EncodeEntity(e)
	if err != nil {
		return err
	}
	if err := s.batch.Set(entityRow(s.about, key), raw); err != nil {
		return s.note(err)
	}
	return s.index(e, func(row []byte) error { return s.batch.Set(row, nil) })
}

// Delete removes an entity and its index entries.
func (s *rowState) Delete(key events.EntityKey) error {
	if !s.Keeps(key.Kind) {
		return nil
	}
	if err := s.unindex(key); err != nil {
		return err
	}
	return s.note(s.batch.Delete(entityRow(s.about, key)))
}

// Clear removes every entity of a kind.
func (s *rowState) Clear(kind events.EntityKind) error {
	prefix := entityRow(s.about, events.EntityKey{Kind: kind})
	var keys []events.EntityKey
	err := s.batch.Scan(prefix, viewdb.PrefixEnd(prefix), func(row, _ []byte) error {
		keys = append(keys, events.EntityKey{Kind: kind, ID: string(row[len(prefix):])})
		return nil
	})
	if err != nil {
		return s.note(err)
	}
	for _, key := range keys {
		if err := s.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

func (s *rowState) unindex(key events.EntityKey) error {
	if s.view.Index == nil {
		return nil
	}
	old, err := s.Get(key)
	if err != nil || old == nil {
		return err
	}
	return s.index(old, s.batch.Delete)
}

func (s *rowState) index(e events.Entity, each func(row []byte) error) error {
	if s.view.Index == nil {
		return nil
	}
	keys, err := s.view.Index(s.about, e)
	if err != nil {
		return fmt.Errorf("index a %s of %s: %w", e.EntityKey().Kind, s.about, err)
	}
	for _, key := range keys {
		if err := each(indexRow(key)); err != nil {
			return s.note(err)
		}
	}
	return nil
}

func (s *rowState) note(err error) error {
	if err != nil && s.failed == nil {
		s.failed = err
	}
	return err
}

func entityRow(a events.Aggregate, key events.EntityKey) []byte {
	return key.Append(a.AppendKey([]byte{rowEntity}))
}

func headRow(a events.Aggregate) []byte { return a.AppendKey([]byte{rowHead}) }

func indexRow(key []byte) []byte { return append([]byte{rowIndex}, key...) }
