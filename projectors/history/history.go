// Package history is the view of every event: the local replica of the log that
// replays, as-of reads, audits and rebuilds read, because Pebble gives the
// events of one tenant in one seek where the log would have to be searched. It
// is verified against the log like any view.
//
// # Rows
//
//	b <aggregate 17> <seq 8>      the event: id, type, source, data (see body)
//	s <seq 8>                     its aggregate, the latest recorded time so far, what follows in its unit
//	g <seq 8>                     recorded time of an event recorded before one that precedes it
//	a <actor> <seq 8>             index by actor
//	r <run 16> <seq 8>            index by run
//	y <type> <seq 8>              index by type
//
// Recorded times hardly ever run backwards, so there is no index by time: the
// latest recorded time so far, in the s rows, never decreases and is searched by
// halving; the few exceptions stand in g rows.
package history

import (
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
)

// Name and Format are those of the view.
const (
	Name   = "history"
	Format = 1
)

const (
	rowBody      = 'b'
	rowSeq       = 's'
	rowRegressed = 'g'
	rowActor     = 'a'
	rowRun       = 'r'
	rowType      = 'y'
)

// Projector keeps every event, those that cannot be decoded too.
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
			if err := b.Set(seqRow(rowRegressed, r.Seq), timeBytes(r.Event.RecordedTime)); err != nil {
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
	place := r.About.AppendKey(nil)
	place = append(place, timeBytes(latest)...)
	place = binary.BigEndian.AppendUint16(place, r.Event.More)
	if err := b.Set(seqRow(rowSeq, r.Seq), place); err != nil {
		return err
	}
	if err := b.Set(viewdb.AppendSeq(typePrefix(r.Type), r.Seq), nil); err != nil {
		return err
	}
	if r.Err != nil {
		return nil //nolint:nilerr // who and which run stand in what could not be decoded
	}
	if err := b.Set(viewdb.AppendSeq(actorPrefix(r.Event.Actor), r.Seq), nil); err != nil {
		return err
	}
	if r.Event.Run.IsZero() {
		return nil
	}
	return b.Set(viewdb.AppendSeq(runPrefix(r.Event.Run), r.Seq), nil)
}

// latestRecorded is the latest recorded time before the batch.
func latestRecorded(r viewdb.Reader) (latest events.Time, err error) {
	err = r.ScanReverse([]byte{rowSeq}, []byte{rowSeq + 1}, func(_, value []byte) error {
		p, err := parsePlace(value)
		if err != nil {
			return err
		}
		latest = p.latest
		return viewdb.ErrStop
	})
	return latest, err
}

// place is what an s row says.
type place struct {
	about  events.Aggregate
	latest events.Time
	more   uint16
}

func parsePlace(value []byte) (p place, err error) {
	const length = 17 + 8 + 2
	if len(value) != length {
		return p, fmt.Errorf("%w: a place of %d bytes", viewdb.ErrCorrupt, len(value))
	}
	p.about, _ = events.AggregateFromKey(value[:17]) // zero: an event of none of ours
	p.latest = events.Time(binary.BigEndian.Uint64(value[17:]))
	p.more = binary.BigEndian.Uint16(value[25:])
	return p, nil
}

func timeBytes(t events.Time) []byte { return binary.BigEndian.AppendUint64(nil, uint64(t)) }

func seqRow(kind byte, seq events.Seq) []byte { return viewdb.AppendSeq([]byte{kind}, seq) }

func bodyPrefix(a events.Aggregate) []byte { return a.AppendKey([]byte{rowBody}) }

func bodyRow(a events.Aggregate, seq events.Seq) []byte { return viewdb.AppendSeq(bodyPrefix(a), seq) }

func actorPrefix(actor string) []byte { return viewdb.AppendString([]byte{rowActor}, actor) }

func runPrefix(run events.RunID) []byte { u := run.UUID(); return append([]byte{rowRun}, u[:]...) }

func typePrefix(t events.Type) []byte { return viewdb.AppendString([]byte{rowType}, string(t)) }

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
func parseBody(about events.Aggregate, seq events.Seq, raw []byte) (s events.Stored, err error) {
	corrupt := fmt.Errorf("%w: the body of event %d ends early", viewdb.ErrCorrupt, seq)
	if len(raw) < 16 {
		return s, corrupt
	}
	s = events.Stored{Seq: seq, About: about, ID: events.IDFromUUID[events.EventID](uuid.UUID(raw[:16]))}
	raw = raw[16:]
	for _, field := range []func(string){
		func(v string) { s.Type = events.Type(v) },
		func(v string) { s.Source = v },
	} {
		n, width := binary.Uvarint(raw)
		if width <= 0 || uint64(len(raw)-width) < n {
			return s, corrupt
		}
		field(string(raw[width : width+int(n)]))
		raw = raw[width+int(n):]
	}
	s.Data = append([]byte(nil), raw...)
	return s, nil
}
