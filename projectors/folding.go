package projectors

import (
	"bytes"
	"fmt"
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
	head       *catalogue.Head // nil: not read
	lasting    [][]byte
	quarantine *Quarantine
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
	f.about, f.head, f.lasting, f.quarantine = about, nil, nil, nil
}

// fold applies an event that concerns the view. One that does not fit
// quarantines the aggregate; errors are the store's.
func (f *folding) fold(e events.Event, c concern) error {
	if c == concernsState {
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
	return f.advance(e)
}

// advance moves the head past an event. Of one that does not concern the state,
// the Seq is enough.
func (f *folding) advance(e events.Event) error {
	if !f.view.Heads {
		return nil
	}
	if f.head == nil {
		f.head = &catalogue.Head{}
		if f.store != nil {
			head, err := HeadOf(f.store, f.about)
			if err != nil {
				return err
			}
			*f.head = head
		}
	}
	*f.head = f.head.Advance(e)
	return nil
}

// putOut quarantines the aggregate because of an event.
func (f *folding) putOut(seq events.Seq, why error) {
	f.quarantine = &Quarantine{Seq: seq, Why: why.Error()}
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
	if f.store == nil {
		return nil
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
	if f.store == nil {
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
	keys := make([]events.EntityKey, 0, len(f.entries))
	for key, e := range f.entries {
		if e.changed {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b events.EntityKey) int {
		if a.Kind != b.Kind {
			return int(a.Kind) - int(b.Kind)
		}
		return strings.Compare(a.ID, b.ID)
	})
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
	if f.head != nil {
		raw, err := events.Marshal(f.head)
		if err != nil {
			return err
		}
		if err := out.Set(f.row(rowHead), raw); err != nil {
			return err
		}
	}
	if f.quarantine != nil {
		return SetQuarantine(out, f.about, *f.quarantine)
	}
	return nil
}

func (f *folding) flushEntity(out rowSink, key events.EntityKey) error {
	e := f.entries[key]
	if !e.read && f.view.Index != nil {
		if err := f.read(key, &e); err != nil {
			return err
		}
	}
	if err := f.flushIndex(out, e.before, e.now); err != nil {
		return err
	}
	if e.now == nil {
		if f.store == nil {
			return nil
		}
		return out.Delete(key.Append(f.row(rowEntity)))
	}
	raw, err := events.EncodeEntity(e.now)
	if err != nil {
		return err
	}
	return out.Set(key.Append(f.row(rowEntity)), raw)
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

// row is the aggregate's row of a kind, or the beginning of it; valid until the
// next one.
func (f *folding) row(kind byte) []byte {
	f.key = f.about.AppendKey(append(f.key[:0], kind))
	return f.key
}

func contains(keys [][]byte, key []byte) bool {
	return slices.ContainsFunc(keys, func(k []byte) bool { return string(k) == string(key) })
}
