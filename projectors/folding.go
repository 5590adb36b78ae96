package projectors

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

// folding is one aggregate of an EntityView while events are folded into it. It
// is the catalogue.State that they are folded into: rows are read when an event
// asks for them and written once, by flush, so that what many events do to an
// aggregate costs what it comes to.
type folding struct {
	view  *EntityView
	about events.Aggregate
	store viewdb.Reader // the rows before; nil: there are none

	entries    map[events.EntityKey]entry
	whole      wholeRow // of a view that keeps aggregates whole: the row before, with the head now
	unpacked   bool     // the entities of whole are among the entries
	lasting    [][]byte
	quarantine *Quarantine
	touched    bool  // there is something to flush
	failed     error // the store's own failure, as against an event's
	key        []byte
}

// entry is an entity of the folding.
type entry struct {
	before  events.Entity // as its row has it; nil: it has none
	read    bool          // before is known
	now     events.Entity // when changed; nil: it is gone
	changed bool
}

func (e entry) current() events.Entity {
	if e.changed {
		return e.now
	}
	return e.before
}

// start makes the folding that of an aggregate, without changes.
func (f *folding) start(about events.Aggregate) {
	clear(f.entries)
	f.about, f.lasting, f.quarantine = about, nil, nil
	f.whole, f.unpacked, f.touched = wholeRow{}, false, false
}

// load reads the aggregate's only row.
func (f *folding) load() error {
	raw, found, err := f.store.Get(f.row())
	if err != nil || !found {
		return err
	}
	if f.whole, err = readWhole(f.about, raw); err == nil && f.whole.quarantine.Seq > 0 {
		f.quarantine = &f.whole.quarantine
	}
	return err
}

// unpack makes entries of the entities of the aggregate's only row.
func (f *folding) unpack() error {
	if !f.view.Whole || f.unpacked {
		return nil
	}
	list, err := f.whole.unpack(f.about)
	for _, e := range list {
		f.entries[e.EntityKey()] = entry{before: e, read: true}
	}
	f.unpacked = err == nil
	return err
}

// fold applies an event that concerns the view. One that does not fit
// quarantines the aggregate; errors are the store's.
func (f *folding) fold(e events.Event, c concern) error {
	if c == concernsState {
		if err := f.unpack(); err != nil {
			return err
		}
		if why := catalogue.Evolve(f, e); f.failed != nil {
			return f.failed
		} else if why != nil {
			f.putOut(e.Seq, why)
			return nil
		}
		if f.view.Lasting != nil {
			f.lasting = append(f.lasting, f.view.Lasting(e)...)
		}
	}
	f.advance(e)
	return nil
}

// advance moves the head past an event. Of one that does not concern the state,
// the Seq is enough.
func (f *folding) advance(e events.Event) {
	f.touched = true
	if f.view.Whole {
		f.whole.head = f.whole.head.Advance(e)
	}
}

// putOut quarantines the aggregate because of an event.
func (f *folding) putOut(seq events.Seq, why error) {
	f.quarantine, f.touched = &Quarantine{Seq: seq, Why: why.Error()}, true
}

// Keeps tells whether the view is about this kind.
func (f *folding) Keeps(kind events.EntityKind) bool { return f.view.Keeps(kind) }

// Get returns the entity at key, or nil.
func (f *folding) Get(key events.EntityKey) (events.Entity, error) {
	e, known := f.entries[key]
	if !known || !e.changed && !e.read {
		if err := f.read(key, &e); err != nil {
			return nil, err
		}
		f.entries[key] = e
	}
	return e.current(), nil
}

func (f *folding) read(key events.EntityKey, e *entry) (err error) {
	e.read = true
	if f.view.Whole || f.store == nil {
		return nil // what there was is known
	}
	e.before, err = getEntity(f.store, f.about, key)
	return f.note(err)
}

// Put sets an entity, provided that it can be indexed.
func (f *folding) Put(entity events.Entity) error {
	key := entity.EntityKey()
	if !f.Keeps(key.Kind) {
		return nil
	}
	if f.view.Check != nil {
		if err := f.view.Check(f.about, entity); err != nil {
			return fmt.Errorf("index a %s of %s: %w", key.Kind, f.about, err)
		}
	}
	f.change(key, entity)
	return nil
}

// Delete removes an entity.
func (f *folding) Delete(key events.EntityKey) error {
	if f.Keeps(key.Kind) {
		f.change(key, nil)
	}
	return nil
}

func (f *folding) change(key events.EntityKey, now events.Entity) {
	e := f.entries[key]
	e.now, e.changed = now, true
	f.entries[key] = e
}

// Clear removes every entity of a kind.
func (f *folding) Clear(kind events.EntityKind) error {
	for key := range f.entries {
		if key.Kind == kind {
			f.change(key, nil)
		}
	}
	if f.view.Whole || f.store == nil {
		return nil
	}
	prefix := entityRow(f.about, events.EntityKey{Kind: kind})
	return f.note(f.store.Scan(prefix, viewdb.PrefixEnd(prefix), func(row, _ []byte) error {
		f.change(events.EntityKey{Kind: kind, ID: string(row[len(prefix):])}, nil)
		return nil
	}))
}

func (f *folding) note(err error) error {
	if err != nil && f.failed == nil {
		f.failed = err
	}
	return err
}

// rowSink takes rows: a batch over those before, or a load.
type rowSink interface {
	Set(key, value []byte) error
	Delete(key []byte) error
}

// flush writes what has changed: of each kind of row in the order of the keys,
// an index entry only where it comes or goes.
func (f *folding) flush(out rowSink) error {
	if !f.touched {
		return nil
	}
	keys := f.keys()
	for _, key := range keys {
		if err := f.flushEntity(out, key); err != nil {
			return err
		}
	}
	slices.SortFunc(f.lasting, bytes.Compare)
	for _, key := range slices.CompactFunc(f.lasting, bytes.Equal) {
		if err := f.setIndex(out, key); err != nil {
			return err
		}
	}
	if f.view.Whole {
		if err := f.flushWhole(out, keys); err != nil {
			return err
		}
	}
	if f.quarantine != nil {
		return SetQuarantine(out, f.about, *f.quarantine)
	}
	return nil
}

// keys lists the entries in key order.
func (f *folding) keys() []events.EntityKey {
	if len(f.entries) == 0 {
		return nil
	}
	keys := slices.AppendSeq(make([]events.EntityKey, 0, len(f.entries)), maps.Keys(f.entries))
	slices.SortFunc(keys, func(a, b events.EntityKey) int {
		if a.Kind != b.Kind {
			return int(a.Kind) - int(b.Kind)
		}
		return strings.Compare(a.ID, b.ID)
	})
	return keys
}

// flushWhole writes the aggregate's only row.
func (f *folding) flushWhole(out rowSink, keys []events.EntityKey) error {
	if f.unpacked || f.whole.entities == nil {
		var list events.Entities
		for _, key := range keys {
			if e := f.entries[key].current(); e != nil {
				list = append(list, e)
			}
		}
		if err := f.whole.pack(list); err != nil {
			return err
		}
	}
	if f.quarantine != nil {
		f.whole.quarantine = *f.quarantine
	}
	raw, err := events.Marshal(&f.whole)
	if err != nil {
		return err
	}
	return out.Set(f.row(), raw)
}

func (f *folding) flushEntity(out rowSink, key events.EntityKey) error {
	e := f.entries[key]
	if !e.changed {
		return nil
	}
	if !e.read && f.view.Index != nil {
		if err := f.read(key, &e); err != nil {
			return err
		}
	}
	if err := f.flushIndex(out, e.before, e.now); err != nil {
		return err
	}
	switch {
	case f.view.Whole:
		return nil
	case e.now == nil && f.store == nil:
		return nil
	case e.now == nil:
		return out.Delete(key.Append(f.row()))
	}
	raw, err := events.EncodeEntity(e.now)
	if err != nil {
		return err
	}
	return out.Set(key.Append(f.row()), raw)
}

// flushIndex writes the index entries that come and takes away those that go.
func (f *folding) flushIndex(out rowSink, was, is events.Entity) (err error) {
	if f.view.Index == nil {
		return nil
	}
	var before, now [][]byte
	if was != nil {
		// What cannot be indexed any more has entries that nobody can name.
		before, _ = f.view.Index(f.about, was)
	}
	if is != nil {
		if now, err = f.view.Index(f.about, is); err != nil {
			return fmt.Errorf("index a %s of %s: %w", is.EntityKey().Kind, f.about, err)
		}
	}
	for _, k := range before {
		if !contains(now, k) {
			f.key = append(append(f.key[:0], rowIndex), k...)
			if err := out.Delete(f.key); err != nil {
				return err
			}
		}
	}
	for _, k := range now {
		if !contains(before, k) {
			if err := f.setIndex(out, k); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *folding) setIndex(out rowSink, key []byte) error {
	f.key = append(append(f.key[:0], rowIndex), key...)
	return out.Set(f.key, nil)
}

// row is the aggregate's only row, or the beginning of its entities' rows; valid
// until the next key.
func (f *folding) row() []byte {
	f.key = f.about.AppendKey(append(f.key[:0], rowEntity))
	return f.key
}

func contains(keys [][]byte, key []byte) bool {
	return slices.ContainsFunc(keys, func(k []byte) bool { return string(k) == string(key) })
}
