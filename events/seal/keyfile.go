package seal

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"golang.org/x/crypto/chacha20poly1305"

	"tenantcatalogue/events"
)

// The key file is a header and then records of one size, in the order in which
// they were written. All numbers are big endian.
//
//	header  magic "TCKEYS1\n" (8) | check value of the master key (32)
//	record  kind (1) | owner, events.Aggregate.Key (17) | base (8)
//	        | nonce (24) | wrapped key and tag (48) | CRC-32C of all before (4)
//
// base is how many records were durable when this one was written. A record
// that cannot be read is thus known to be damaged, if some record was written
// on top of it, or else the torn end of a write that nobody was told about.
const (
	keyMagic   = "TCKEYS1\n"
	headerSize = len(keyMagic) + len(Key{})

	ownerAt    = 1
	baseAt     = ownerAt + 17
	nonceAt    = baseAt + 8
	wrappedAt  = nonceAt + chacha20poly1305.NonceSizeX
	crcAt      = wrappedAt + len(Key{}) + chacha20poly1305.Overhead
	recordSize = crcAt + 4
)

type recordKind byte

const (
	recordKey       recordKind = 'K' // the owner's key
	recordDestroyed recordKind = 'D' // the owner has no key and gets none
	recordClosed    recordKind = 'C' // written last, when all before it was durable
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// record is one record as it stands in the file.
type record [recordSize]byte

// newRecord makes a record without a key.
func newRecord(kind recordKind, owner events.Aggregate, base int64) *record {
	r := new(record)
	r[0] = byte(kind)
	copy(r[ownerAt:], owner.Key())
	binary.BigEndian.PutUint64(r[baseAt:], uint64(base))
	r.sum()
	return r
}

// sum puts the checksum right.
func (r *record) sum() {
	binary.BigEndian.PutUint32(r[crcAt:], crc32.Checksum(r[:crcAt], castagnoli))
}

func (r *record) kind() recordKind { return recordKind(r[0]) }
func (r *record) base() int64      { return int64(binary.BigEndian.Uint64(r[baseAt:])) }
func (r *record) nonce() []byte    { return r[nonceAt:wrappedAt] }
func (r *record) owner() (events.Aggregate, bool) {
	return events.AggregateFromKey(r[ownerAt:baseAt])
}

func (r *record) valid() bool {
	if binary.BigEndian.Uint32(r[crcAt:]) != crc32.Checksum(r[:crcAt], castagnoli) {
		return false
	}
	_, known := r.owner()
	switch r.kind() {
	case recordKey, recordDestroyed:
		return known
	case recordClosed:
		return true
	}
	return false
}

// recordOffset is where a record begins in the file.
func recordOffset(at int64) int64 { return int64(headerSize) + at*int64(recordSize) }

// recordsIn is how many whole records a file of that size holds.
func recordsIn(size int64) int64 { return max(0, size-int64(headerSize)) / int64(recordSize) }

// keyTable is what a key file says.
type keyTable struct {
	at      map[events.Aggregate]int64 // where the owner's key is, or destroyed
	records int64                      // records to keep; what follows is a torn end
	scrub   []int64                    // where keys of destroyed owners still are
	closed  bool                       // the last record says that all was durable
}

// destroyed stands for the place of a key that is gone.
const destroyed int64 = -1

// readKeyTable reads the records of a key file, which is size bytes long. The
// error matches ErrCorrupt if a record is damaged that was durable.
func readKeyTable(file io.ReaderAt, size int64) (keyTable, error) {
	t := keyTable{at: make(map[events.Aggregate]int64, recordsIn(size))}
	if err := t.findEnd(file, size); err != nil {
		return t, err
	}
	err := eachRecord(file, t.records, func(at int64, r *record) error {
		owner, _ := r.owner()
		before, known := t.at[owner]
		switch {
		case !r.valid(): // findEnd has seen to it
		case r.kind() == recordDestroyed:
			if known && before != destroyed {
				t.scrub = append(t.scrub, before)
			}
			t.at[owner] = destroyed
		case r.kind() == recordKey && known:
			return fmt.Errorf("%w: record %d of %s is a second key of %s", ErrCorrupt, at, keysName, owner)
		case r.kind() == recordKey:
			t.at[owner] = at
		}
		t.closed = r.kind() == recordClosed
		return nil
	})
	return t, err
}

// findEnd finds where the torn end begins, if there is one, and lists the keys
// that a crash left half overwritten: their owners are destroyed further on.
func (t *keyTable) findEnd(file io.ReaderAt, size int64) error {
	type place struct {
		at    int64
		owner events.Aggregate
	}
	var bad []place
	var durable int64
	gone := map[events.Aggregate]bool{}
	t.records = recordsIn(size)
	err := eachRecord(file, t.records, func(at int64, r *record) error {
		owner, _ := r.owner()
		if !r.valid() {
			bad = append(bad, place{at, owner})
			return nil
		}
		durable = max(durable, min(r.base(), at))
		if r.kind() == recordDestroyed {
			gone[owner] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, b := range bad {
		switch {
		case gone[b.owner]:
			t.scrub, t.at[b.owner] = append(t.scrub, b.at), destroyed
		case b.at < durable:
			return fmt.Errorf("%w: record %d of %s cannot be read", ErrCorrupt, b.at, keysName)
		default:
			t.records = b.at
			return nil
		}
	}
	return nil
}

// eachRecord calls f with the first n records.
func eachRecord(file io.ReaderAt, n int64, f func(at int64, r *record) error) error {
	in := bufio.NewReaderSize(io.NewSectionReader(file, int64(headerSize), n*int64(recordSize)), 1<<16)
	var r record
	for at := range n {
		if _, err := io.ReadFull(in, r[:]); err != nil {
			return fmt.Errorf("read %s: %w", keysName, err)
		}
		if err := f(at, &r); err != nil {
			return err
		}
	}
	return nil
}

// readHeader tells whether the file begins as a key file under that master key.
func readHeader(file io.Reader, check Key) error {
	var header [headerSize]byte
	if _, err := io.ReadFull(file, header[:]); err != nil || !bytes.HasPrefix(header[:], []byte(keyMagic)) {
		return fmt.Errorf("%w: %s does not begin as a key file", ErrCorrupt, keysName)
	}
	if !bytes.Equal(header[len(keyMagic):], check[:]) {
		return fmt.Errorf("%w: %s was written under another master key than %s", ErrCorrupt, keysName, masterName)
	}
	return nil
}
