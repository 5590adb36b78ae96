package viewdb

import (
	"fmt"
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
)

// Cloner is what can be kept decoded: a Clone shares nothing with what it is of
// that could be changed.
type Cloner[T any] interface{ Clone() T }

// Decode reads a row. It says whether there is anything in it; raw is valid during
// the call only.
type Decode[T any] func(key, raw []byte) (v T, found bool, err error)

// Decoded is Get with the row decoded. Of a DB and its snapshots, the records that
// are asked for again and again are kept decoded, as are the answers that there
// is none: a read after a commit never shows what was before it. What the caller
// gets is its own. One key must always be decoded by the same function.
func Decoded[T Cloner[T]](r Reader, key []byte, decode Decode[T]) (v T, found bool, err error) {
	if from, ok := r.(interface{ base() rows }); ok {
		return decoded(from.base(), key, decode)
	}
	raw, found, err := r.Get(key)
	if err != nil || !found {
		return v, false, err
	}
	return decode(key, raw)
}

func decoded[T Cloner[T]](r rows, key []byte, decode Decode[T]) (v T, found bool, err error) {
	if err := checkKey(key); err != nil {
		return v, false, err
	}
	if err := r.db.use(); err != nil {
		return v, false, err
	}
	defer r.db.release()
	kept := &r.db.records
	place := kept.place(key)
	if rec := place.find(key, r.at); rec != nil {
		if rec.value == nil {
			return v, false, nil
		}
		if v, ok := rec.value.(T); ok {
			return v.Clone(), true, nil
		}
	}
	at := kept.now(r.at)
	v, found, size, err := decodedRow(r, key, decode)
	if err == nil && size <= maxRecordBytes && place.worth() {
		rec := &record{key: string(key), hash: place.hash, at: at}
		if found {
			rec.value = v.Clone()
		}
		kept.keep(place, rec)
	}
	return v, found, err
}

// decodedRow decodes a row of so many bytes where it is.
func decodedRow[T any](r rows, key []byte, decode Decode[T]) (v T, found bool, size int, err error) {
	raw, closer, found, err := borrow(r.from, key)
	if found {
		size = len(raw)
		v, found, err = decode(key, raw)
		if closed := closer.Close(); err == nil {
			err = r.db.noted(closed)
		}
	} else if err != nil {
		err = fmt.Errorf("get %x from view %s: %w", key, r.db.cfg.Name, r.db.noted(err))
	}
	return v, found && err == nil, size, err
}

// defaultRecords is how many decoded records a view keeps.
const defaultRecords = 1 << 16

// maxRecordBytes is the largest row that is kept decoded. It bounds, with their
// number, the memory of the records.
const maxRecordBytes = 4 << 10

// live is the place of a reader that shows the newest commit, and unknown that of
// a snapshot that was taken while one was under way.
const (
	live    = math.MaxInt64
	unknown = -1
)

// records are rows that were decoded. A commit takes those that it changes away
// before it happens, and nothing is kept while one happens, nor what was read
// before the last: what is kept is the newest, and was so ever since it was read.
type records struct {
	limit   int
	seed    maphash.Seed
	commits atomic.Int64 // how many have begun and ended: odd while one is under way
	sets    atomic.Pointer[[]recordSet]
}

// recordSet is where the records of some keys stand. Which ones is chance, and few
// of the keys that are asked for often fall upon each other.
type recordSet struct {
	records [4]atomic.Pointer[record]
	missed  atomic.Uint64 // the hash of the last key that was asked for and not here

	mu     sync.Mutex // held to change the records
	oldest int
}

// record is a row as decoded.
type record struct {
	key   string
	hash  uint64
	at    int64 // records.commits when it was read
	value any   // nil: there is no such row
}

// place is where the record of a key stands, if any.
type place struct {
	set  *recordSet // nil: nowhere
	hash uint64
}

func newRecords(limit int) records {
	if limit == 0 {
		limit = defaultRecords
	}
	return records{limit: limit, seed: maphash.MakeSeed()}
}

// place finds the place of a key. The first one to ask makes them all: most views
// are never asked.
func (r *records) place(key []byte) place {
	if r.limit < 0 {
		return place{}
	}
	sets := r.sets.Load()
	if sets == nil {
		made := make([]recordSet, max(1, r.limit/len(recordSet{}.records)))
		r.sets.CompareAndSwap(nil, &made)
		sets = &made
	}
	hash := maphash.Bytes(r.seed, key)
	return place{&(*sets)[hash%uint64(len(*sets))], hash}
}

// find gives the record of a key as a reader at some place sees it, or nil.
func (p place) find(key []byte, at int64) *record {
	if p.set == nil {
		return nil
	}
	for i := range p.set.records {
		if rec := p.set.records[i].Load(); rec != nil && rec.hash == p.hash && rec.key == string(key) && rec.at <= at {
			return rec
		}
	}
	return nil
}

// worth tells whether the record of a key that was asked for is worth keeping: if
// there is room, or if the key was the last to be asked for, too, of those that
// share its place. One pass over many rows drives nothing out.
func (p place) worth() bool {
	if p.set == nil {
		return false
	}
	for i := range p.set.records {
		if p.set.records[i].Load() == nil {
			return true
		}
	}
	return p.set.missed.Swap(p.hash) == p.hash
}

// now is the place at which a read begins.
func (r *records) now(at int64) int64 {
	if at == live {
		return r.commits.Load()
	}
	return at
}

// keep keeps a record, unless a commit may have changed it since it was read.
func (r *records) keep(p place, rec *record) {
	p.set.mu.Lock()
	defer p.set.mu.Unlock()
	if now := r.commits.Load(); rec.at != now || now%2 != 0 {
		return
	}
	at := p.set.oldest
	for i := range p.set.records {
		switch there := p.set.records[i].Load(); {
		case there == nil:
			at = i
		case there.key == rec.key:
			return // somebody else was faster
		}
	}
	p.set.records[at].Store(rec)
	p.set.oldest = (at + 1) % len(p.set.records)
}

// begin begins a commit; end ends it. What it changes is forgotten in between.
func (r *records) begin() { r.commits.Add(1) }

func (r *records) end() { r.commits.Add(1) }

// forget takes away what is kept of a key that is about to change.
func (r *records) forget(key []byte) {
	if r.sets.Load() == nil {
		return
	}
	p := r.place(key)
	p.set.mu.Lock()
	defer p.set.mu.Unlock()
	for i := range p.set.records {
		if rec := p.set.records[i].Load(); rec != nil && rec.hash == p.hash {
			p.set.records[i].Store(nil)
		}
	}
}

// forgetAll takes everything away.
func (r *records) forgetAll() { r.sets.Store(nil) }
