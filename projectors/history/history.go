// Package history is the view of every event: the local replica of the log that
// replays, as-of reads, audits and rebuilds read, because Pebble gives the
// events of one tenant in one seek where the log would have to be searched. It
// is verified against the log like any view.
//
// # Rows
//
//	b <aggregate 17> <seq 8>      the event: id, type, source, data (see appendBody)
//	s <block 8>                   places: of each event its aggregate, the latest recorded time so far, what follows in its unit
//	g <seq 8>                     recorded time of an event recorded before one that precedes it
//	a <actor> <block 8>           postings by actor
//	r <run 16> <block 8>          postings by run
//	u <aggregate 17> <seq 8>      an event that counts for nothing: why it may not stand there; empty: it could not be decoded
//	y <type> <block 8>            postings by type
//
// An event has one row of its own, its body. What else is kept of it is appended
// to rows that it shares: its place to a row of 64 events that follow each other,
// two bytes to the posting of its actor, its run and its type within a block of
// 65,536. Appending reads nothing, and the rows are the same however the events
// were batched.
//
// Recorded times hardly ever run backwards, so there is no index by time: the
// latest recorded time so far, in the places, never decreases and is searched by
// halving; the few exceptions stand in g rows.
package history

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
)

// Name and Format are those of the view.
const (
	Name   = "history"
	Format = 3
)

const (
	rowBody       = 'b'
	rowPlaces     = 's'
	rowRegressed  = 'g'
	rowActor      = 'a'
	rowRun        = 'r'
	rowUnreadable = 'u'
	rowType       = 'y'
)

// Projector keeps every event, those too that cannot be decoded or are refused.
type Projector struct{}

// New makes the projector.
func New() Projector { return Projector{} }

// Name is the view's name.
func (Projector) Name() string { return Name }

// Format is the version of the rows.
func (Projector) Format() uint32 { return Format }

// Project keeps events.
func (Projector) Project(b *viewdb.Batch, recorded []projectors.Recorded) error {
	latest, err := latestRecorded(b)
	if err != nil {
		return err
	}
	for _, r := range recorded {
		if r.Err == nil && r.Event.RecordedTime < latest {
			if err := b.Set(regressedRow(r.Seq), timeBytes(r.Event.RecordedTime)); err != nil {
				return err
			}
		}
		latest = max(latest, r.Event.RecordedTime)
		if err := keep(b, r, latest); err != nil {
			return fmt.Errorf("keep event %d: %w", r.Seq, err)
		}
	}
	return nil
}

func keep(b *viewdb.Batch, r projectors.Recorded, latest events.Time) error {
	if err := b.Set(bodyRow(r.About, r.Seq), appendBody(nil, r.Stored)); err != nil {
		return err
	}
	e := said(r)
	p := place{about: r.About, latest: latest, more: e.More}
	if err := b.Append(placeRow(r.Seq), p.append(nil)); err != nil {
		return err
	}
	if r.Err != nil {
		if err := b.Set(unreadableRow(r.About, r.Seq), whyNot(r.Err)); err != nil {
			return err
		}
	}
	return eachTerm(nil, r.Type, e, func(term []byte) error {
		return b.Append(appendPostingRow(term, r.Seq), appendPosting(nil, r.Seq))
	})
}

// said is what an event says, be it refused: whoever looks for what somebody did finds
// that, too. It is zero when it cannot be decoded.
func said(r projectors.Recorded) events.Event {
	if _, refused := errors.AsType[*projectors.RefusedError](r.Err); !refused {
		return r.Event
	}
	e, _ := events.Decode(r.Stored) // was decoded once
	return e
}

// whyNot is the value of a row that says that an event counts for nothing.
func whyNot(why error) []byte {
	if refused, ok := errors.AsType[*projectors.RefusedError](why); ok {
		return []byte(refused.Why)
	}
	return nil
}

// eachTerm calls fn for what an event is found by: the prefixes of its postings,
// written into scratch.
func eachTerm(scratch []byte, t events.Type, e events.Event, fn func(term []byte) error) error {
	if err := fn(appendType(scratch[:0], t)); err != nil {
		return err
	}
	if e.ID.IsZero() {
		return nil // who and which run stand in what could not be decoded
	}
	if err := fn(appendActor(scratch[:0], e.Actor)); err != nil || e.Run.IsZero() {
		return err
	}
	return fn(appendRun(scratch[:0], e.Run))
}

// latestRecorded is the latest recorded time before the batch.
func latestRecorded(r viewdb.Reader) (latest events.Time, err error) {
	err = r.ScanReverse([]byte{rowPlaces}, []byte{rowPlaces + 1}, func(_, value []byte) error {
		p, err := parsePlace(value[max(0, len(value)-placeBytes):])
		if err != nil {
			return err
		}
		latest = p.latest
		return viewdb.ErrStop
	})
	return latest, err
}

// SeqOf is the Seq of the event that a row is about, where it is about one.
func SeqOf(row []byte) (seq events.Seq, ok bool) {
	if len(row) < 9 || row[0] != rowBody && row[0] != rowRegressed && row[0] != rowUnreadable {
		return 0, false
	}
	seq, _, _ = viewdb.CutSeq(row[len(row)-8:]) // 8 bytes are there
	return seq, true
}

func timeBytes(t events.Time) []byte { return binary.BigEndian.AppendUint64(nil, uint64(t)) }

func regressedRow(seq events.Seq) []byte { return viewdb.AppendSeq([]byte{rowRegressed}, seq) }

func bodyPrefix(a events.Aggregate) []byte { return a.AppendKey([]byte{rowBody}) }

func bodyRow(a events.Aggregate, seq events.Seq) []byte { return appendBodyRow(nil, a, seq) }

func appendBodyRow(dst []byte, a events.Aggregate, seq events.Seq) []byte {
	return viewdb.AppendSeq(a.AppendKey(append(dst, rowBody)), seq)
}

func unreadableRow(a events.Aggregate, seq events.Seq) []byte {
	return viewdb.AppendSeq(a.AppendKey([]byte{rowUnreadable}), seq)
}

// parseBodyRow reads the key of a body, or of an event that counts for nothing.
func parseBodyRow(key []byte) (about events.Aggregate, seq events.Seq, err error) {
	if len(key) != 1+17+8 {
		return about, 0, fmt.Errorf("%w: a key of %d bytes where one of 26 belongs", viewdb.ErrCorrupt, len(key))
	}
	about, _ = events.AggregateFromKey(key[1:18]) // zero: an event of none of ours
	return about, events.Seq(binary.BigEndian.Uint64(key[18:])), nil
}

func appendActor(dst []byte, actor string) []byte {
	return viewdb.AppendString(append(dst, rowActor), actor)
}

func appendRun(dst []byte, run events.RunID) []byte {
	u := run.UUID()
	return append(append(dst, rowRun), u[:]...)
}

func appendType(dst []byte, t events.Type) []byte {
	return viewdb.AppendString(append(dst, rowType), t)
}

// appendBody appends id, length and bytes of type and source, data.
func appendBody(dst []byte, s events.Stored) []byte {
	id := s.ID.UUID()
	dst = append(dst, id[:]...)
	dst = binary.AppendUvarint(dst, uint64(len(s.Type)))
	dst = append(dst, s.Type...)
	dst = binary.AppendUvarint(dst, uint64(len(s.Source)))
	dst = append(dst, s.Source...)
	return append(dst, s.Data...)
}

// parseBody reads what appendBody wrote; the result keeps no part of raw.
func parseBody(about events.Aggregate, seq events.Seq, raw []byte) (events.Stored, error) {
	s, err := names(nil).parseBody(about, seq, raw)
	s.Data = bytes.Clone(s.Data)
	return s, err
}

// names keeps one copy of each type and source that it has met.
type names map[string]string

// maxNames bounds how many it keeps.
const maxNames = 1000

func (n names) of(raw []byte) string {
	if s, ok := n[string(raw)]; ok {
		return s
	}
	s := string(raw)
	if n != nil && len(n) < maxNames {
		n[s] = s
	}
	return s
}

// parseBody reads what appendBody wrote; the result's data is part of raw.
func (n names) parseBody(about events.Aggregate, seq events.Seq, raw []byte) (s events.Stored, err error) {
	corrupt := func() error { return fmt.Errorf("%w: the body of event %d ends early", viewdb.ErrCorrupt, seq) }
	if len(raw) < 16 {
		return s, corrupt()
	}
	s = events.Stored{Seq: seq, About: about, ID: events.IDFromUUID[events.EventID](uuid.UUID(raw[:16]))}
	typ, raw, ok1 := cutText(raw[16:])
	source, raw, ok2 := cutText(raw)
	if !ok1 || !ok2 {
		return s, corrupt()
	}
	s.Type, s.Source, s.Data = events.Type(n.of(typ)), n.of(source), raw
	return s, nil
}

// cutText reads a length and that many bytes from the front of raw.
func cutText(raw []byte) (text, rest []byte, ok bool) {
	n, width := binary.Uvarint(raw)
	if width <= 0 || uint64(len(raw)-width) < n {
		return nil, nil, false
	}
	return raw[width : width+int(n)], raw[width+int(n):], true
}
