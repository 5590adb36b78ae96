package history

import (
	"encoding/binary"
	"fmt"
	"sort"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

// place is what is known of an event without reading it.
type place struct {
	about  events.Aggregate
	latest events.Time // of the recorded times up to it
	more   uint16      // how many events of its unit follow
}

const (
	placeBytes = 17 + 8 + 2
	// placesPerRow events share a row: one key less for each of them, and still
	// less than 2 KiB to read for one.
	placesPerRow = 64
)

// placeRow is the row that has the place of an event, among others.
func placeRow(seq events.Seq) []byte {
	return viewdb.AppendSeq([]byte{rowPlaces}, (seq-1)/placesPerRow)
}

func (p place) append(dst []byte) []byte {
	dst = p.about.AppendKey(dst)
	dst = append(dst, timeBytes(p.latest)...)
	return binary.BigEndian.AppendUint16(dst, p.more)
}

func parsePlace(raw []byte) (p place, err error) {
	if len(raw) != placeBytes {
		return p, fmt.Errorf("%w: a place of %d bytes", viewdb.ErrCorrupt, len(raw))
	}
	p.about, _ = events.AggregateFromKey(raw[:17]) // zero: an event of none of ours
	p.latest = events.Time(binary.BigEndian.Uint64(raw[17:]))
	p.more = binary.BigEndian.Uint16(raw[25:])
	return p, nil
}

// places reads places one after the other, each row once. It is for one
// goroutine.
type places struct {
	rows viewdb.Reader
	row  events.Seq // number of the row that is read, from 1; 0: none
	raw  []byte
}

// of is the place of an event; found is false when there is none.
func (p *places) of(seq events.Seq) (at place, found bool, err error) {
	if seq == 0 {
		return at, false, nil
	}
	if row := (seq-1)/placesPerRow + 1; row != p.row {
		if p.raw, _, err = p.rows.Get(placeRow(seq)); err != nil {
			return at, false, err
		}
		p.row = row
	}
	if len(p.raw)%placeBytes != 0 {
		return at, false, fmt.Errorf("%w: places of %d bytes", viewdb.ErrCorrupt, len(p.raw))
	}
	from := int((seq-1)%placesPerRow) * placeBytes
	if len(p.raw) <= from {
		return at, false, nil
	}
	at, err = parsePlace(p.raw[from : from+placeBytes])
	return at, err == nil, err
}

// postingBits is how many bits of a Seq stand in a posting; the rest stand in its
// key.
const postingBits = 16

// errNoPlace says that the view lacks an event that it must have.
func errNoPlace(seq events.Seq) error {
	return fmt.Errorf("%w: event %d has no place", viewdb.ErrCorrupt, seq)
}

// appendPostingRow completes a term to the row of its postings that an event
// belongs to.
func appendPostingRow(term []byte, seq events.Seq) []byte {
	return viewdb.AppendSeq(term, seq>>postingBits)
}

func appendPosting(dst []byte, seq events.Seq) []byte {
	return binary.BigEndian.AppendUint16(dst, uint16(seq&(1<<postingBits-1)))
}

// eachPosting calls fn for the Seqs of a row of postings from one on, in order.
func eachPosting(row, raw []byte, from events.Seq, fn func(events.Seq) error) error {
	block, _, err := viewdb.CutSeq(row[len(row)-8:])
	if err != nil {
		return err
	}
	if len(raw)%2 != 0 {
		return fmt.Errorf("%w: postings of %d bytes", viewdb.ErrCorrupt, len(raw))
	}
	at := func(i int) events.Seq {
		return block<<postingBits | events.Seq(binary.BigEndian.Uint16(raw[2*i:]))
	}
	n := len(raw) / 2
	for i := sort.Search(n, func(i int) bool { return at(i) >= from }); i < n; i++ {
		if err := fn(at(i)); err != nil {
			return err
		}
	}
	return nil
}
