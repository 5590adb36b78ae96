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
//	e <aggregate 17>                        instead, if Whole is set: its head, why it is quarantined, its entities
//	q <aggregate 17>                        a Quarantine
//	x <index key>                           an index entry, without a value
type EntityView struct {
	ViewName   string
	ViewFormat uint32
	Kinds      []events.EntityKind
	// Whole keeps an aggregate's entities in one row, and its head with them, so
	// that it is read and written at once. It is for aggregates that have few of
	// these entities.
	Whole bool
	// Index, when set, gives the index keys of an entity; they come and go with
	// it. Each names the entity's aggregate, so that no two entities share one
	// (see IndexEntry).
	Index func(a events.Aggregate, e events.Entity) ([][]byte, error)
	// Check, when set, tells whether Index can do its work; it is asked before an
	// entity is put. An error quarantines the aggregate. Without Check, Index must
	// not fail.
	Check func(a events.Aggregate, e events.Entity) error
	// Lasting, when set, gives index keys that an event adds for good.
	Lasting func(e events.Event) [][]byte
}

// The prefixes of the rows.
const (
	rowEntity     = 'e'
	rowQuarantine = 'q'
	rowIndex      = 'x'
)

// Quarantine is why an aggregate's rows are not to be trusted.
type Quarantine struct {
	Seq events.Seq `json:"seq"` // the event that could not be read or folded, or may not stand there
	Why string     `json:"why"`
}

// Clone is itself: it shares nothing.
func (q Quarantine) Clone() Quarantine { return q }

// of is the error that says so of an aggregate.
func (q Quarantine) of(a events.Aggregate) error {
	return fmt.Errorf("%w: %s since event %d: %s", ErrQuarantined, a, q.Seq, q.Why)
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

// State is the entities that the view keeps of an aggregate, each read when it is asked
// for, from a view that has a row for each. What is changed in it stays in memory. It
// does not ask whether the rows are to be trusted.
func (v *EntityView) State(r viewdb.Reader, a events.Aggregate) catalogue.State {
	return &folding{view: v, about: a, store: r, entries: map[events.EntityKey]entry{}}
}

// concern is what an event is to a view.
type concern byte

const (
	concernsNothing concern = iota
	concernsHead            // it counts and changes nothing else
	concernsState
)

// concern tells what an event is to the view: its type decides. Keeping aggregates
// whole, the view follows every event of theirs.
func (v *EntityView) concern(p events.Payload) concern {
	if slices.ContainsFunc(v.Kinds, func(kind events.EntityKind) bool { return catalogue.Touches(p, kind) }) {
		return concernsState
	}
	about := p.EventType().About()
	if v.Whole && slices.ContainsFunc(v.Kinds, func(kind events.EntityKind) bool { return kind.Of() == about }) {
		return concernsHead
	}
	return concernsNothing
}

// Project folds events into rows, those about one aggregate together.
func (v *EntityView) Project(b *viewdb.Batch, recorded []Recorded) error {
	p := projection{view: v, batch: b, of: map[events.Aggregate]*folding{}}
	for _, r := range recorded {
		if err := p.add(r); err != nil {
			return err
		}
	}
	for _, f := range p.of {
		if err := f.flush(b); err != nil {
			return err
		}
	}
	return nil
}

// projection is the aggregates of a batch.
type projection struct {
	view  *EntityView
	batch *viewdb.Batch
	of    map[events.Aggregate]*folding
	out   map[events.Aggregate]Quarantine // nil: not read
}

func (p *projection) add(r Recorded) error {
	if r.PassedOver() {
		return nil
	}
	c := concernsState
	if r.Err == nil {
		if c = p.view.concern(r.Event.Payload); c == concernsNothing {
			return nil
		}
	}
	f, err := p.folding(r.About)
	switch {
	case err != nil:
		return err
	case f.quarantine != nil:
		return nil
	case r.Err != nil:
		f.putOut(r.Seq, r.Err)
		return nil //nolint:nilerr // it is the event's
	}
	return f.fold(r.Event, c)
}

// folding is the folding of an aggregate, with what is known of it before.
func (p *projection) folding(about events.Aggregate) (*folding, error) {
	if f := p.of[about]; f != nil {
		return f, nil
	}
	f := &folding{view: p.view, about: about, store: p.batch, entries: map[events.EntityKey]entry{}}
	if p.view.Whole {
		if err := f.load(); err != nil {
			return nil, err
		}
	} else if err := p.readOut(); err != nil {
		return nil, err
	} else if q, out := p.out[about]; out {
		f.quarantine = &q
	}
	p.of[about] = f
	return f, nil
}

// readOut reads what is quarantined, once.
func (p *projection) readOut() (err error) {
	if p.out == nil {
		p.out, err = Quarantined(p.batch)
	}
	return err
}

// Gather begins to make the view's rows aggregate by aggregate.
func (v *EntityView) Gather(rows Rows) Gatherer {
	return &entityGatherer{
		folding: folding{view: v, entries: map[events.EntityKey]entry{}}, rows: rows, concerns: map[events.Type]concern{},
	}
}

type entityGatherer struct {
	folding
	rows     Rows
	concerns map[events.Type]concern // by what was seen of each type
}

// Add folds the next event. One that is known by its type not to matter is not
// decoded, unless it may be one that cannot be.
func (g *entityGatherer) Add(p *Archived) error {
	if p.About != g.about {
		if err := g.Close(); err != nil {
			return err
		}
		g.start(p.About)
	}
	if g.quarantine != nil {
		return nil
	}
	c, known := g.concerns[p.Type]
	if known && c != concernsState && !p.Unreadable && p.Refused == "" {
		if c == concernsHead {
			g.advance(events.Event{Seq: p.Seq})
		}
		return nil
	}
	e, err := p.Decode()
	if PassedOver(p.About, err) {
		return nil
	}
	if err != nil {
		g.putOut(p.Seq, err)
		return nil
	}
	if !known {
		c = g.view.concern(e.Payload)
		g.concerns[p.Type] = c
	}
	if c == concernsNothing {
		return nil
	}
	return g.fold(e, c)
}

// Close writes the last aggregate's rows.
func (g *entityGatherer) Close() error {
	err := g.flush(loadSink{g.rows})
	g.start(events.Aggregate{})
	return err
}

// loadSink puts the rows of an aggregate into a load. Aggregates come in the
// order of their keys; only index entries have to be sorted.
type loadSink struct{ rows Rows }

func (s loadSink) Set(key, value []byte) error {
	if key[0] == rowIndex {
		return s.rows.Add(key, value, 0)
	}
	return s.rows.Set(key, value)
}

// Delete has nothing to take away: the view was empty.
func (loadSink) Delete([]byte) error { return nil }

func entityRow(a events.Aggregate, key events.EntityKey) []byte {
	return key.Append(a.AppendKey([]byte{rowEntity}))
}

func indexRow(key []byte) []byte { return append([]byte{rowIndex}, key...) }
