package history

import (
	"errors"
	"slices"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

// Query selects events: all conditions that are set must hold.
type Query struct {
	About events.Aggregate // one aggregate
	Run   events.RunID
	Actor string
	Type  events.Type
	After events.Seq  // exclusive
	UpTo  events.Seq  // inclusive; 0: no bound
	Since events.Time // recorded at or after
	Until events.Time // recorded before
}

// Find calls fn for the events a query selects, in order, also those that may not stand
// where they do: that somebody has tried is part of the history. It reads the index of
// the most selective condition and tests the others. fn ends it with
// viewdb.ErrStop.
func (r *Reader) Find(q Query, fn func(events.Event) error) error {
	upTo := r.head
	if q.UpTo != 0 {
		upTo = min(upTo, q.UpTo)
	}
	if q.Since != 0 {
		// Everything up to there was recorded before, for every clock.
		first, err := r.Resolve(q.Since - 1)
		if err != nil {
			return err
		}
		q.After = max(q.After, first.Seq)
	}
	test := func(s events.Stored) error {
		e, err := events.Decode(s)
		if err != nil {
			return nil //nolint:nilerr // an event that cannot be read matches no condition; verify reports it
		}
		if q.Type != "" && s.Type != q.Type || !q.matches(e) {
			return nil
		}
		return fn(e)
	}
	switch {
	case !q.About.IsZero():
		return r.Of(q.About, q.After, upTo, test)
	case !q.Run.IsZero():
		return r.indexed(appendRun(nil, q.Run), q.After, upTo, test)
	case q.Actor != "":
		return r.indexed(appendActor(nil, q.Actor), q.After, upTo, test)
	case q.Type != "":
		return r.indexed(appendType(nil, q.Type), q.After, upTo, test)
	default:
		return r.Read(q.After, upTo, test)
	}
}

func (q Query) matches(e events.Event) bool {
	switch {
	case !q.About.IsZero() && e.About != q.About,
		!q.Run.IsZero() && e.Run != q.Run,
		q.Actor != "" && e.Actor != q.Actor,
		q.Since != 0 && e.RecordedTime < q.Since,
		q.Until != 0 && e.RecordedTime >= q.Until:
		return false
	}
	return true
}

// Gather calls fn for the events of some types, and for all about the aggregates of some
// kinds, after one Seq up to another, in order, those that cannot be decoded too. It holds
// the Seqs of all of them in memory, and one event. fn ends it with viewdb.ErrStop.
func (r *Reader) Gather(kinds []events.AggregateKind, types []events.Type, after, upTo events.Seq, fn func(events.Stored) error) error {
	var seqs []events.Seq
	upTo = min(upTo, r.head)
	for _, t := range types {
		err := r.postings(appendType(nil, t), after, upTo, func(seq events.Seq) error {
			seqs = append(seqs, seq)
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, kind := range kinds {
		lower := []byte{rowBody, byte(kind)}
		err := r.rows.Scan(lower, viewdb.PrefixEnd(lower), func(key, _ []byte) error {
			_, seq, err := parseBodyRow(key)
			if err == nil && seq > after && seq <= upTo {
				seqs = append(seqs, seq)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	slices.Sort(seqs)
	at := r.places()
	for _, seq := range slices.Compact(seqs) {
		if err := r.lookAt(at, seq, fn); err != nil {
			return stopped(err)
		}
	}
	return nil
}

// indexed calls fn for the events after one Seq up to another that have a term.
func (r *Reader) indexed(term []byte, after, upTo events.Seq, fn func(events.Stored) error) error {
	at := r.places()
	return r.postings(term, after, upTo, func(seq events.Seq) error {
		s, found, err := r.get(at, seq)
		if err != nil || !found {
			return err
		}
		return fn(s)
	})
}

// postings calls fn for the Seqs after one up to another of the events that have a term.
func (r *Reader) postings(term []byte, after, upTo events.Seq, fn func(events.Seq) error) error {
	if upTo <= after {
		return nil
	}
	lower, upper := appendPostingRow(slices.Clip(term), after+1), appendPostingRow(slices.Clip(term), upTo)
	return r.rows.Scan(lower, viewdb.PrefixEnd(upper), func(key, value []byte) error {
		return eachPosting(key, value, after+1, func(seq events.Seq) error {
			if seq > upTo {
				return viewdb.ErrStop
			}
			return fn(seq)
		})
	})
}

func stopped(err error) error {
	if errors.Is(err, viewdb.ErrStop) {
		return nil
	}
	return err
}
