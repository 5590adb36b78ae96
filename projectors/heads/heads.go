// Package heads is the write side's own store: for every aggregate its head and
// its entities, for every event id its first answer, for every product's and
// app's id whom it was issued to. The Service decides from it and from nothing
// else.
//
// It is folded from the log in Seq order like any view, and can be thrown away
// like one. What is appended and not yet written to disk stands in an overlay,
// so that a decision always sees everything before it; a crash loses the
// overlay and the log gives it back.
//
// # Rows
//
//	a <aggregate 17>                               a catalogue.Head
//	a <aggregate 17> <entity kind 1> <entity id>   an entity, as events.EncodeEntity writes it
//	i <uuid 16>                                    the aggregate an id was issued to
//	v <event uuid 16>                              a catalogue.Answer
//
// A decision asks for a head and an entity or two of one aggregate: they stand next to
// each other, so that it reads one block.
package heads

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/events/wire"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
)

// Name and Format are those of the view.
const (
	Name   = "heads"
	Format = 7
)

// flushAnswers is how many events may stand in the overlay before they are
// written to disk: what a start after a crash must fold again.
const flushAnswers = 4096

// Store is a catalogue.Store. It is for one goroutine.
type Store struct {
	db      *viewdb.DB
	at      viewdb.Checkpoint
	cache   *cache
	overlay *overlay
	sunk    *overlay   // beneath it, being written to disk
	written chan error // what comes of that; nil: nothing is being written
	failed  error      // a flush failed: what it should have written is in no other
}

// Open makes a Store on an open view. stream is the identity of the log it is
// folded from; about items heads and entities, and up to as many again, are kept in
// memory.
func Open(db *viewdb.DB, stream string, items int) (*Store, error) {
	at := db.Checkpoint()
	if at.IsZero() {
		at.Stream = stream
	}
	if at.Stream != stream {
		return nil, fmt.Errorf("open heads: %w: they were folded from %s, the log is %s", projectors.ErrOtherLog, at.Stream, stream)
	}
	cache := newCache(rows{db}, items)
	return &Store{db: db, at: at, cache: cache, overlay: newOverlay(cache)}, nil
}

// Seq is the last event folded.
func (s *Store) Seq() events.Seq { return s.at.Seq }

// Checkpoint is where the store stands, overlay included.
func (s *Store) Checkpoint() viewdb.Checkpoint { return s.at }

// Begin opens a layer over the facts.
func (s *Store) Begin() catalogue.Layer { return s.overlay.Begin() }

// Advance moves the store past events whose layer was kept.
func (s *Store) Advance(folded []events.Stored) error {
	if s.failed != nil {
		return s.failed
	}
	for _, e := range folded {
		if e.Seq != s.at.Seq+1 {
			return fmt.Errorf("advance heads: %w: event %d after %d", events.ErrGap, e.Seq, s.at.Seq)
		}
		s.at.Seq, s.at.Event, s.at.Rolling = e.Seq, e.ID, s.at.Rolling.Add(e)
	}
	if len(s.overlay.answers) < flushAnswers {
		return nil
	}
	return s.startFlush()
}

// Flush writes the overlay to disk.
func (s *Store) Flush() error {
	if err := s.endFlush(); err != nil || s.db.Checkpoint().Seq == s.at.Seq {
		return err
	}
	if err := s.startFlush(); err != nil {
		return err
	}
	return s.endFlush()
}

// startFlush begins to write the overlay to disk, beside the decisions that go
// on over it. What is written is asked for next: it stays in memory until the
// next flush.
func (s *Store) startFlush() error {
	if err := s.endFlush(); err != nil {
		return err
	}
	s.sunk, s.written = s.overlay.sink(s.cache), make(chan error, 1)
	go func(at viewdb.Checkpoint, sunk *overlay, written chan<- error) {
		b := s.db.NewBatch()
		err := sunk.write(b)
		if err == nil {
			err = b.Commit(at)
		}
		written <- err
	}(s.at, s.sunk, s.written)
	return nil
}

// endFlush waits until nothing is being written.
func (s *Store) endFlush() error {
	if s.written == nil {
		return s.failed
	}
	err := <-s.written
	if s.written = nil; err != nil {
		s.failed = fmt.Errorf("flush heads: %w", err)
		return s.failed
	}
	s.cache.wrote(s.sunk)
	s.sunk = nil
	return nil
}

// Projector folds the same rows as any view's projector does, for rebuilding
// and verifying.
type Projector struct{}

// Name is the view's.
func (Projector) Name() string { return Name }

// Format is the view's.
func (Projector) Format() uint32 { return Format }

// Project folds events into rows.
func (Projector) Project(b *viewdb.Batch, recorded []projectors.Recorded) error {
	o := newOverlay(rows{b})
	for _, r := range recorded {
		if err := fold(o, r.Stored, r.Event, r.Err); err != nil {
			return err
		}
	}
	return o.write(b)
}

// fold folds an event, unless it counts for nothing.
func fold(f catalogue.Facts, s events.Stored, e events.Event, why error) error {
	switch {
	case projectors.PassedOver(s.About, why):
		return catalogue.Pass(f, s)
	case why != nil:
		return catalogue.Quarantine(f, s)
	}
	return catalogue.Fold(f, e)
}

// The prefixes of the rows.
const (
	rowAbout  = 'a'
	rowIssued = 'i'
	rowAnswer = 'v'
)

func headRow(a events.Aggregate) []byte { return a.AppendKey([]byte{rowAbout}) }

func entityRow(a events.Aggregate, key events.EntityKey) []byte { return key.Append(headRow(a)) }

func issuedRow(id uuid.UUID) []byte { return append([]byte{rowIssued}, id[:]...) }

func answerRow(id events.EventID) []byte {
	u := id.UUID()
	return append([]byte{rowAnswer}, u[:]...)
}

// rowSink takes rows: a batch over those before, or a load.
type rowSink interface {
	Set(key, value []byte) error
	Delete(key []byte) error
}

// write puts everything that changed into rows; those of one aggregate go in the
// order of their keys.
func (o *overlay) write(out rowSink) error {
	for a, h := range o.heads {
		if err := set(out, headRow(a), &h); err != nil {
			return err
		}
	}
	for a, entities := range o.entities {
		if err := writeEntities(out, a, entities); err != nil {
			return err
		}
	}
	for id, answer := range o.answers {
		if err := set(out, answerRow(id), &answer); err != nil {
			return err
		}
	}
	for id, a := range o.issued {
		if err := out.Set(issuedRow(id), a.Key()); err != nil {
			return err
		}
	}
	return nil
}

func writeEntities(out rowSink, a events.Aggregate, entities map[events.EntityKey]events.Entity) error {
	keys := slices.SortedFunc(maps.Keys(entities), func(x, y events.EntityKey) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), strings.Compare(x.ID, y.ID))
	})
	for _, key := range keys {
		e := entities[key]
		if e == nil {
			if err := out.Delete(entityRow(a, key)); err != nil {
				return err
			}
			continue
		}
		raw, err := events.EncodeEntity(e)
		if err != nil {
			return err
		}
		if err := out.Set(entityRow(a, key), raw); err != nil {
			return err
		}
	}
	return nil
}

func set(out rowSink, key []byte, v wire.Fields) error {
	raw, err := events.Marshal(v)
	if err != nil {
		return err
	}
	return out.Set(key, raw)
}

// rows is the facts on disk.
type rows struct{ r viewdb.Reader }

func (s rows) entity(a events.Aggregate, key events.EntityKey) (events.Entity, error) {
	raw, found, err := s.r.Get(entityRow(a, key))
	if err != nil || !found {
		return nil, err
	}
	return events.DecodeEntity(key.Kind, raw)
}

func (s rows) entityKeys(a events.Aggregate, kind events.EntityKind) ([]events.EntityKey, error) {
	prefix := entityRow(a, events.EntityKey{Kind: kind})
	var keys []events.EntityKey
	err := s.r.Scan(prefix, viewdb.PrefixEnd(prefix), func(key, _ []byte) error {
		keys = append(keys, events.EntityKey{Kind: kind, ID: string(key[len(prefix):])})
		return nil
	})
	return keys, err
}

// Head is the aggregate's head on disk.
func (s rows) Head(a events.Aggregate) (h catalogue.Head, err error) {
	raw, found, err := s.r.Get(headRow(a))
	if err == nil && found {
		err = events.Unmarshal(raw, &h)
	}
	return h, err
}

// Answer is the first answer on disk.
func (s rows) Answer(id events.EventID) (a catalogue.Answer, found bool, err error) {
	raw, found, err := s.r.Get(answerRow(id))
	if err == nil && found {
		err = events.Unmarshal(raw, &a)
	}
	return a, found, err
}

// Issued is whom an id was issued to, on disk.
func (s rows) Issued(id uuid.UUID) (events.Aggregate, bool, error) {
	raw, found, err := s.r.Get(issuedRow(id))
	if err != nil || !found {
		return events.Aggregate{}, false, err
	}
	a, ok := events.AggregateFromKey(raw)
	if !ok {
		return a, false, fmt.Errorf("%w: %s was issued to %x", viewdb.ErrCorrupt, id, raw)
	}
	return a, true, nil
}
