// Package pages is the log as pages: the view for whoever reads all of it, in
// order, as fast as it goes. A sidecar that starts from nothing is sent these
// pages as they are; no event is looked up, decoded or encoded for it.
//
// # Rows
//
//	s <seq 8>     a page (see events.AppendPage): Size events from an aligned Seq on, or one
//
// Events stand by themselves until they fill a page, which then takes their
// place. Where a page begins depends on its Seq alone, so that the rows do not
// depend on how the events came. Events that are too large together stay single.
package pages

import (
	"fmt"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
)

// Name and Format are those of the view.
const (
	Name   = "pages"
	Format = 1
)

const (
	// Size is how many events make a page. Pages begin after multiples of it.
	Size = 256
	// MaxBytes is the largest page of more than one event.
	MaxBytes = 256 << 10
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
	for len(recorded) > 0 {
		first := pageOf(recorded[0].Seq)
		n := min(len(recorded), int(first+Size-recorded[0].Seq))
		fresh := make([]events.Stored, n)
		for i, r := range recorded[:n] {
			fresh[i] = r.Stored
		}
		whole, err := false, error(nil)
		if fresh[n-1].Seq == first+Size-1 {
			whole, err = fill(b, first, fresh)
		}
		if err == nil && !whole {
			err = keep(b, fresh)
		}
		if err != nil {
			return err
		}
		recorded = recorded[n:]
	}
	return nil
}

var _ projectors.Collected = Projector{}

// Since is where the page begins that the next event belongs to.
func (Projector) Since(seq events.Seq) (after events.Seq) { return pageOf(seq+1) - 1 }

// Collect begins to keep the events after a Seq.
func (Projector) Collect(rows projectors.Rows, _ events.Seq, _ viewdb.Reader) (projectors.Collector, error) {
	return &collector{rows: rows}, nil
}

// collector writes a page when its last event has come.
type collector struct {
	rows projectors.Rows
	page []events.Stored
}

// Add keeps the next event.
func (c *collector) Add(r projectors.Recorded) error {
	if len(c.page) > 0 && pageOf(r.Seq) != pageOf(c.page[0].Seq) {
		if err := c.Close(); err != nil {
			return err
		}
	}
	c.page = append(c.page, r.Stored)
	return nil
}

// Close writes what there is of the last page.
func (c *collector) Close() error {
	fresh := c.page
	c.page = c.page[:0]
	if len(fresh) == Size {
		if page := events.AppendPage(nil, fresh); len(page) <= MaxBytes {
			return c.rows.Set(row(fresh[0].Seq), page)
		}
	}
	return keep(c.rows, fresh)
}

// pageOf is where the page of a Seq begins.
func pageOf(seq events.Seq) events.Seq { return seq - (seq-1)%Size }

func row(seq events.Seq) []byte { return viewdb.AppendSeq([]byte{'s'}, seq) }

// fill puts a page in the place of its events, of which those before the fresh
// ones stand by themselves. It tells whether they were small enough.
func fill(b *viewdb.Batch, first events.Seq, fresh []events.Stored) (bool, error) {
	all := make([]events.Stored, 0, Size)
	err := Read(b, first-1, fresh[0].Seq-1, func(page []byte) (err error) {
		if all, err = events.ParsePage(all, append([]byte(nil), page...)); err != nil {
			return fmt.Errorf("%w: the page of event %d: %w", viewdb.ErrCorrupt, first, err)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	single := len(all)
	all = append(all, fresh...)
	if len(all) != Size {
		return false, fmt.Errorf("%w: %d events stand from %d on, %d should", viewdb.ErrCorrupt, len(all), first, Size)
	}
	page := events.AppendPage(nil, all)
	if len(page) > MaxBytes {
		return false, nil
	}
	for _, s := range all[:single] {
		if err := b.Delete(row(s.Seq)); err != nil {
			return false, err
		}
	}
	return true, b.Set(row(first), page)
}

// keep lets events stand by themselves.
func keep(rows interface{ Set(key, value []byte) error }, fresh []events.Stored) error {
	for i, s := range fresh {
		if err := rows.Set(row(s.Seq), events.AppendPage(nil, fresh[i:i+1])); err != nil {
			return err
		}
	}
	return nil
}

// Read calls fn with pages that hold every event after one Seq up to another, in
// order; the first may begin before them and the last end after them. A page is
// valid during the call only. fn ends it with viewdb.ErrStop.
func Read(r viewdb.Reader, after, upTo events.Seq, fn func(page []byte) error) error {
	if upTo <= after {
		return nil
	}
	from := row(pageOf(after + 1))
	return r.Scan(from, row(upTo+1), func(key, page []byte) error {
		seq, _, err := viewdb.CutSeq(key[1:])
		if err != nil {
			return err
		}
		if n := events.PageLen(page); seq+events.Seq(n) <= after+1 {
			return nil // single, and before
		}
		return fn(page)
	})
}
