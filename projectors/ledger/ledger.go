// Package ledger is the view of the events that a projectors.Voucher must have seen: what
// deletions are governed by. Whoever keeps no history keeps this, so that a start does not
// read the whole log again to know what may stand in it.
//
// # Rows
//
//	s <kind 1> <seq 8>     an event about an aggregate of the kind (see events.AppendPage)
package ledger

import (
	"fmt"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
)

// Name and Format are those of the view.
const (
	Name   = "ledger"
	Format = 1
)

// Projector keeps the events, those that cannot be decoded and those that are refused too.
type Projector struct{}

// New makes the projector.
func New() Projector { return Projector{} }

// Name is the view's name.
func (Projector) Name() string { return Name }

// Format is the version of the rows.
func (Projector) Format() uint32 { return Format }

// Project keeps events.
func (Projector) Project(b *viewdb.Batch, recorded []projectors.Recorded) error {
	for _, r := range recorded {
		if !deletion.Keeps(r.About.Kind) {
			continue
		}
		if err := b.Set(rowOf(r.Stored)); err != nil {
			return err
		}
	}
	return nil
}

// Since is where collecting begins: each event has a row of its own.
func (Projector) Since(seq events.Seq) (after events.Seq) { return seq }

// Collect begins to keep the events after a Seq.
func (Projector) Collect(rows projectors.Rows, _ events.Seq, _ viewdb.Reader) (projectors.Collector, error) {
	return collector{rows}, nil
}

type collector struct{ rows projectors.Rows }

// Add keeps the next event.
func (c collector) Add(r projectors.Recorded) error {
	if !deletion.Keeps(r.About.Kind) {
		return nil
	}
	key, page := rowOf(r.Stored)
	return c.rows.Add(key, page, 0)
}

// Close has nothing left to write.
func (collector) Close() error { return nil }

var (
	_ projectors.Ledger    = Projector{}
	_ projectors.Collected = Projector{}
)

// Kind reads the events about the aggregates of a kind.
func (Projector) Kind(r viewdb.Reader, kind events.AggregateKind, upTo events.Seq, fn func(events.Stored) error) error {
	return r.Scan(row(kind, 0), row(kind, upTo+1), func(key, page []byte) error {
		list, err := events.ParsePage(nil, page)
		if err != nil {
			return fmt.Errorf("%w: the event at %x: %w", viewdb.ErrCorrupt, key, err)
		}
		for _, s := range list {
			if err := fn(s); err != nil {
				return err
			}
		}
		return nil
	})
}

func rowOf(s events.Stored) (key, page []byte) {
	return row(s.About.Kind, s.Seq), events.AppendPage(nil, []events.Stored{s})
}

func row(kind events.AggregateKind, seq events.Seq) []byte {
	return viewdb.AppendSeq([]byte{'s', byte(kind)}, seq)
}
