package heads

import (
	"maps"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// facts is what an overlay stands on: another overlay, or the rows on disk.
type facts interface {
	entity(a events.Aggregate, key events.EntityKey) (events.Entity, error)
	entityKeys(a events.Aggregate, kind events.EntityKind) ([]events.EntityKey, error)
	Head(a events.Aggregate) (catalogue.Head, error)
	Answer(id events.EventID) (catalogue.Answer, bool, error)
	Issued(id uuid.UUID) (events.Aggregate, bool, error)
}

// overlay is facts with changes over others. It is a catalogue.Layer.
type overlay struct {
	under facts
	kept  bool // its changes are in what it stands on, and may be changed on there

	entities map[events.Aggregate]map[events.EntityKey]events.Entity // nil: deleted
	heads    map[events.Aggregate]catalogue.Head
	answers  map[events.EventID]catalogue.Answer
	issued   map[uuid.UUID]events.Aggregate
}

func newOverlay(under facts) *overlay {
	return &overlay{
		under:    under,
		entities: map[events.Aggregate]map[events.EntityKey]events.Entity{},
		heads:    map[events.Aggregate]catalogue.Head{},
		answers:  map[events.EventID]catalogue.Answer{},
		issued:   map[uuid.UUID]events.Aggregate{},
	}
}

// Begin opens a layer over this one.
func (o *overlay) Begin() catalogue.Layer { return newOverlay(o) }

// below is what the overlay stands on: those that were kept count no more.
func (o *overlay) below() facts {
	for {
		under, ok := o.under.(*overlay)
		if !ok || !under.kept {
			return o.under
		}
		o.under = under.under
	}
}

// Keep moves the changes into the overlay beneath.
func (o *overlay) Keep() {
	below, ok := o.below().(*overlay)
	if !ok {
		return // the lowest overlay is written out by the store
	}
	o.kept = true
	for a, entities := range o.entities {
		if into := below.entities[a]; into != nil {
			maps.Copy(into, entities)
		} else {
			below.entities[a] = entities
		}
	}
	maps.Copy(below.heads, o.heads)
	maps.Copy(below.answers, o.answers)
	maps.Copy(below.issued, o.issued)
}

// sink moves the changes into an overlay of their own over under, puts that
// beneath this one and returns it. It is not changed any more.
func (o *overlay) sink(under facts) *overlay {
	sunk := *o
	sunk.under = under
	*o = *newOverlay(&sunk)
	return &sunk
}

// State is the entities of an aggregate.
func (o *overlay) State(a events.Aggregate) catalogue.State { return state{o, a} }

// Head is the aggregate's head.
func (o *overlay) Head(a events.Aggregate) (catalogue.Head, error) {
	if h, ok := o.heads[a]; ok {
		return h, nil
	}
	return o.below().Head(a)
}

// PutHead never fails.
func (o *overlay) PutHead(a events.Aggregate, h catalogue.Head) error { o.heads[a] = h; return nil }

// Answer is the first answer to an event id.
func (o *overlay) Answer(id events.EventID) (catalogue.Answer, bool, error) {
	if a, ok := o.answers[id]; ok {
		return a, true, nil
	}
	return o.below().Answer(id)
}

// PutAnswer never fails.
func (o *overlay) PutAnswer(id events.EventID, a catalogue.Answer) error {
	o.answers[id] = a
	return nil
}

// Issued tells whom an id was issued to.
func (o *overlay) Issued(id uuid.UUID) (events.Aggregate, bool, error) {
	if a, ok := o.issued[id]; ok {
		return a, true, nil
	}
	return o.below().Issued(id)
}

// PutIssued never fails.
func (o *overlay) PutIssued(id uuid.UUID, a events.Aggregate) error { o.issued[id] = a; return nil }

func (o *overlay) entity(a events.Aggregate, key events.EntityKey) (events.Entity, error) {
	if e, changed := o.entities[a][key]; changed {
		return e, nil
	}
	return o.below().entity(a, key)
}

func (o *overlay) entityKeys(a events.Aggregate, kind events.EntityKind) ([]events.EntityKey, error) {
	below, err := o.below().entityKeys(a, kind)
	if err != nil {
		return nil, err
	}
	changed := o.entities[a]
	keys := below[:0:0]
	for _, k := range below {
		if _, ok := changed[k]; !ok {
			keys = append(keys, k)
		}
	}
	for k, e := range changed {
		if k.Kind == kind && e != nil {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func (o *overlay) set(a events.Aggregate, key events.EntityKey, e events.Entity) {
	entities := o.entities[a]
	if entities == nil {
		entities = map[events.EntityKey]events.Entity{}
		o.entities[a] = entities
	}
	entities[key] = e
}

// state is the entities of one aggregate in an overlay.
type state struct {
	o *overlay
	a events.Aggregate
}

// Keeps is always true: decisions may ask for anything.
func (state) Keeps(events.EntityKind) bool { return true }

// Get returns the entity at key, or nil.
func (s state) Get(key events.EntityKey) (events.Entity, error) { return s.o.entity(s.a, key) }

// Put never fails.
func (s state) Put(e events.Entity) error { s.o.set(s.a, e.EntityKey(), e); return nil }

// Delete never fails.
func (s state) Delete(key events.EntityKey) error { s.o.set(s.a, key, nil); return nil }

// Clear removes every entity of a kind.
func (s state) Clear(kind events.EntityKind) error {
	keys, err := s.o.entityKeys(s.a, kind)
	if err != nil {
		return err
	}
	for _, k := range keys {
		s.o.set(s.a, k, nil)
	}
	return nil
}
