package history

import (
	"bytes"
	"fmt"
	"sort"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
)

// Reader reads the history as of one Seq: what comes later does not show.
type Reader struct {
	rows   viewdb.Reader
	head   events.Seq
	origin string
}

// NewReader reads rows that stand at head.
func NewReader(rows viewdb.Reader, head events.Seq) *Reader { return &Reader{rows: rows, head: head} }

// View runs f on a reader that stands still.
func View(home *viewdb.Home, f func(*Reader) error) error {
	return home.View(func(s *viewdb.Snapshot) error { return f(Of(s)) })
}

// Of reads a snapshot.
func Of(s *viewdb.Snapshot) *Reader {
	at := s.Checkpoint()
	return &Reader{rows: s, head: at.Seq, origin: at.Stream + " in " + s.Dir()}
}

// Origin says which log in which generation of the view is read: what was read
// of one says nothing of another. It is empty for a reader that does not know.
func (r *Reader) Origin() string { return r.origin }

// Head is the last Seq it shows.
func (r *Reader) Head() events.Seq { return r.head }

// At is the same history as of an earlier Seq.
func (r *Reader) At(seq events.Seq) *Reader {
	return &Reader{rows: r.rows, head: min(seq, r.head), origin: r.origin}
}

// Get reads the event at seq.
func (r *Reader) Get(seq events.Seq) (s events.Stored, found bool, err error) {
	return r.get(r.places(), seq)
}

// Decode decodes an event that was read. why says that it counts for nothing: it cannot be
// decoded, or may not stand where it does (*projectors.RefusedError). err is the view's.
func (r *Reader) Decode(s events.Stored) (e events.Event, why, err error) {
	if e, why = events.Decode(s); why != nil || !e.Governed() {
		return e, why, nil
	}
	refused, marked, err := r.rows.Get(unreadableRow(s.About, s.Seq))
	if err != nil || !marked {
		return e, nil, err
	}
	p := projectors.Archived{Stored: s, Unreadable: len(refused) == 0, Refused: string(refused)}
	e, why = p.Decode()
	return e, why, nil
}

func (r *Reader) places() *places { return &places{rows: r.rows} }

func (r *Reader) get(at *places, seq events.Seq) (s events.Stored, found bool, err error) {
	if seq > r.head {
		return s, false, nil
	}
	p, found, err := at.of(seq)
	if err != nil || !found {
		return s, false, err
	}
	raw, found, err := r.rows.Get(bodyRow(p.about, seq))
	if err != nil {
		return s, false, err
	}
	if !found {
		return s, false, fmt.Errorf("%w: event %d of %s has a place and no body", viewdb.ErrCorrupt, seq, p.about)
	}
	s, err = parseBody(p.about, seq, raw)
	return s, err == nil, err
}

// Read calls fn for every event after one Seq up to another, in order. fn ends
// it with viewdb.ErrStop.
func (r *Reader) Read(after, upTo events.Seq, fn func(events.Stored) error) error {
	at := r.places()
	for seq := after + 1; seq <= min(upTo, r.head); seq++ {
		if err := r.lookAt(at, seq, fn); err != nil {
			return stopped(err)
		}
	}
	return nil
}

// lookAt calls fn for an event that must be there.
func (r *Reader) lookAt(at *places, seq events.Seq, fn func(events.Stored) error) error {
	s, found, err := r.get(at, seq)
	switch {
	case err != nil:
		return err
	case !found:
		return errNoPlace(seq)
	}
	return fn(s)
}

// Of calls fn for every event about one aggregate after one Seq up to another,
// in order. fn ends it with viewdb.ErrStop.
func (r *Reader) Of(about events.Aggregate, after, upTo events.Seq, fn func(events.Stored) error) error {
	return r.Lend(about, after, upTo, func(s events.Stored) error {
		s.Data = bytes.Clone(s.Data)
		return fn(s)
	})
}

// Lend is Of with data that is valid during the call of fn only.
func (r *Reader) Lend(about events.Aggregate, after, upTo events.Seq, fn func(events.Stored) error) error {
	upTo = min(upTo, r.head)
	if upTo <= after {
		return nil
	}
	return r.lend(bodyRow(about, after+1), bodyRow(about, upTo+1), upTo, fn)
}

// LendAll calls fn for every event about the aggregates of a kind up to a Seq, by
// aggregate in key order and then by Seq, with data that is valid during the call
// only. fn ends it with viewdb.ErrStop.
func (r *Reader) LendAll(kind events.AggregateKind, upTo events.Seq, fn func(events.Stored) error) error {
	lower := []byte{rowBody, byte(kind)}
	return r.lend(lower, viewdb.PrefixEnd(lower), min(upTo, r.head), fn)
}

func (r *Reader) lend(lower, upper []byte, upTo events.Seq, fn func(events.Stored) error) error {
	names := names{}
	return r.rows.Scan(lower, upper, func(key, value []byte) error {
		about, seq, err := parseBodyRow(key)
		if err != nil || seq > upTo {
			return err
		}
		s, err := names.parseBody(about, seq, value)
		if err != nil {
			return err
		}
		return fn(s)
	})
}

// Aggregates calls fn for every aggregate of a kind that has events, in key
// order. fn ends it with viewdb.ErrStop.
func (r *Reader) Aggregates(kind events.AggregateKind, fn func(events.Aggregate) error) error {
	lower := []byte{rowBody, byte(kind)}
	return viewdb.Leap(r.rows, lower, viewdb.PrefixEnd(lower), func(key, _ []byte) ([]byte, error) {
		about, first, err := parseBodyRow(key)
		if err == nil && first <= r.head {
			err = fn(about)
		}
		if err != nil {
			return nil, err
		}
		return viewdb.PrefixEnd(key[:1+17]), nil
	})
}

// UnitEdge is the last Seq of the unit that seq is in: a state in the middle of
// a unit never was.
func (r *Reader) UnitEdge(seq events.Seq) (last events.Seq, err error) {
	p, found, err := r.places().of(seq)
	if err != nil || !found {
		return seq, err
	}
	return seq + events.Seq(p.more), nil
}

// UnitStart is the first Seq of the unit that seq is in.
func (r *Reader) UnitStart(seq events.Seq) (first events.Seq, err error) {
	at := r.places()
	for first = seq; first > 1; first-- {
		p, found, err := at.of(first - 1)
		if err != nil {
			return seq, err
		}
		if !found || p.more == 0 {
			break
		}
	}
	return first, nil
}

// Resolved is a time as a place in the log.
type Resolved struct {
	// Seq is the last one before the first event recorded after the time.
	Seq events.Seq
	// Ambiguous lists events beyond Seq that were recorded at the time or
	// before it nevertheless: a clock ran backwards.
	Ambiguous []events.Seq
}

// maxAmbiguous bounds the candidates that are listed.
const maxAmbiguous = 20

// Resolve finds the Seq that stands for a recorded time.
func (r *Reader) Resolve(t events.Time) (Resolved, error) {
	var failed error
	at := r.places()
	n := sort.Search(int(r.head), func(i int) bool {
		p, found, err := at.of(events.Seq(i + 1))
		if err == nil && !found {
			err = errNoPlace(events.Seq(i + 1))
		}
		if err != nil && failed == nil {
			failed = err
		}
		return err != nil || p.latest > t
	})
	if failed != nil {
		return Resolved{}, failed
	}
	out := Resolved{Seq: events.Seq(n)}
	err := r.rows.Scan(regressedRow(out.Seq+1), regressedRow(r.head+1), func(key, value []byte) error {
		seq, _, err := viewdb.CutSeq(key[1:])
		if err != nil {
			return err
		}
		recorded, _, err := viewdb.CutSeq(value)
		if err != nil {
			return err
		}
		if events.Time(recorded) <= t {
			out.Ambiguous = append(out.Ambiguous, seq)
		}
		if len(out.Ambiguous) == maxAmbiguous {
			return viewdb.ErrStop
		}
		return nil
	})
	return out, err
}
