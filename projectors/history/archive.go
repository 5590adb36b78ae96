package history

import (
	"bytes"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
)

var _ projectors.Archive = Projector{}

// Collect begins to keep the events after a Seq.
func (Projector) Collect(rows projectors.Rows, after events.Seq, before viewdb.Reader) (projectors.Collector, error) {
	c := &collector{rows: rows, postings: map[string]*posting{}}
	if after == 0 {
		return c, nil
	}
	at := places{rows: before}
	p, found, err := at.of(after)
	if err == nil && !found {
		err = errNoPlace(after)
	}
	c.latest = p.latest
	return c, err
}

// Since is where the row of places or the postings begin that the next event
// belongs to.
func (Projector) Since(seq events.Seq) (after events.Seq) {
	postings := (seq + 1) >> postingBits << postingBits
	return min(seq-seq%placesPerRow, max(postings, 1)-1)
}

// collector writes each row once, whole: places and postings when their last
// event has come.
type collector struct {
	rows     projectors.Rows
	at       events.Seq
	latest   events.Time
	places   []byte
	postings map[string]*posting // by term
	key      []byte
	body     []byte
}

// posting is the value of a row of postings.
type posting struct{ raw []byte }

// Add keeps the next event.
func (c *collector) Add(r projectors.Recorded) error {
	if err := c.turn(r.Seq); err != nil {
		return err
	}
	c.body = appendBody(c.body[:0], r.Stored)
	c.key = appendBodyRow(c.key[:0], r.About, r.Seq)
	if err := c.rows.Add(c.key, c.body, 0); err != nil {
		return err
	}
	if r.Err != nil {
		if err := c.rows.Add(unreadableRow(r.About, r.Seq), whyNot(r.Err), 0); err != nil {
			return err
		}
	} else if r.Event.RecordedTime < c.latest {
		if err := c.rows.Set(regressedRow(r.Seq), timeBytes(r.Event.RecordedTime)); err != nil {
			return err
		}
	}
	c.latest = max(c.latest, r.Event.RecordedTime)
	e := said(r)
	c.places = place{about: r.About, latest: c.latest, more: e.More}.append(c.places)
	c.at = r.Seq
	return eachTerm(c.key, r.Type, e, func(term []byte) error {
		p := c.postings[string(term)]
		if p == nil {
			p = &posting{}
			c.postings[string(term)] = p
		}
		p.raw = appendPosting(p.raw, r.Seq)
		return nil
	})
}

// turn writes the rows that an event no longer belongs to.
func (c *collector) turn(seq events.Seq) error {
	if c.at == 0 {
		return nil
	}
	if row := placeRow(c.at); !bytes.Equal(row, placeRow(seq)) {
		if err := c.rows.Set(row, c.places); err != nil {
			return err
		}
		c.places = c.places[:0]
	}
	if c.at>>postingBits == seq>>postingBits {
		return nil
	}
	for term, p := range c.postings {
		c.key = appendPostingRow(append(c.key[:0], term...), c.at)
		if err := c.rows.Add(c.key, p.raw, 0); err != nil {
			return err
		}
	}
	clear(c.postings)
	return nil
}

// Close writes the rows that are not full.
func (c *collector) Close() error {
	const never = ^events.Seq(0) // in nobody's row
	return c.turn(never)
}

// Split cuts the bodies between aggregates.
func (Projector) Split(s *viewdb.Snapshot, n int) ([][]byte, error) {
	lower, upper := []byte{rowBody}, []byte{rowBody + 1}
	cuts, err := s.Split(lower, upper, n)
	if err != nil {
		return nil, err
	}
	bounds := [][]byte{lower}
	for _, cut := range cuts {
		const aggregate = 1 + 17
		if len(cut) >= aggregate && !bytes.Equal(cut[:aggregate], bounds[len(bounds)-1]) {
			bounds = append(bounds, cut[:aggregate])
		}
	}
	return append(bounds, upper), nil
}

// Bounds are those of the bodies of an aggregate.
func (Projector) Bounds(about events.Aggregate) (lower, upper []byte) {
	lower = bodyPrefix(about)
	return lower, viewdb.PrefixEnd(lower)
}

// Scan reads the events between two bounds of Split.
func (Projector) Scan(r viewdb.Reader, lower, upper []byte, fn func(*projectors.Archived) error) error {
	nothing, err := countNothing(r, lower, upper)
	if err != nil {
		return err
	}
	names := names{}
	var p projectors.Archived
	return r.Scan(lower, upper, func(key, value []byte) error {
		about, seq, err := parseBodyRow(key)
		if err != nil {
			return err
		}
		why, bad := nothing[seq]
		stored, err := names.parseBody(about, seq, value)
		if err != nil {
			return err
		}
		p = projectors.Archived{Stored: stored, Unreadable: bad && why == "", Refused: why}
		return fn(&p)
	})
}

// Kind reads the events about the aggregates of a kind.
func (Projector) Kind(r viewdb.Reader, kind events.AggregateKind, upTo events.Seq, fn func(events.Stored) error) error {
	return NewReader(r, upTo).LendAll(kind, upTo, fn)
}

// countNothing lists the events that count for nothing, of the aggregates between two
// bounds, each with why it may not stand there; empty: it could not be decoded.
func countNothing(r viewdb.Reader, lower, upper []byte) (map[events.Seq]string, error) {
	seqs := map[events.Seq]string{}
	within := func(bound []byte) []byte { return append([]byte{rowUnreadable + bound[0] - rowBody}, bound[1:]...) }
	err := r.Scan(within(lower), within(upper), func(key, why []byte) error {
		_, seq, err := parseBodyRow(key)
		seqs[seq] = string(why)
		return err
	})
	return seqs, err
}
