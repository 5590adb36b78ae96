package viewdb

import (
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// appender is Pebble's own merge operator, under its name because it makes the
// same values, without its cost: that one copies what it has for every piece it
// meets, and a row of 20,000 pieces would take seconds.
var appender = &pebble.Merger{
	Name: pebble.DefaultMerger.Name,
	Merge: func(_, value []byte) (pebble.ValueMerger, error) {
		m := &pieces{}
		return m, m.MergeNewer(value)
	},
}

// pieces are the pieces of one value.
type pieces struct {
	older []byte // what stands before the first piece, back to front
	newer []byte
}

// MergeNewer puts a piece at the end.
func (p *pieces) MergeNewer(value []byte) error {
	p.newer = append(p.newer, value...)
	return nil
}

// MergeOlder puts a piece at the front.
func (p *pieces) MergeOlder(value []byte) error {
	at := len(p.older)
	p.older = append(p.older, value...)
	slices.Reverse(p.older[at:])
	return nil
}

// Finish joins the pieces.
func (p *pieces) Finish(bool) ([]byte, io.Closer, error) {
	if len(p.older) == 0 {
		return p.newer, nil, nil
	}
	slices.Reverse(p.older)
	return append(p.older, p.newer...), nil, nil
}
