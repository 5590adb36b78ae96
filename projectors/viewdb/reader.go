package viewdb

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"
)

// Reader reads rows. The store's own rows are never seen.
type Reader interface {
	// Get gives a copy of the value of a key; ok is false when there is none.
	Get(key []byte) (value []byte, ok bool, err error)
	// Scan calls fn for the rows from lower (inclusive) to upper (exclusive)
	// in key order; nil means no bound. Key and value are valid during the
	// call only. A scan sees the rows as they were when it began. It ends at
	// fn's first error and returns it, or nil for ErrStop.
	Scan(lower, upper []byte, fn func(key, value []byte) error) error
	// ScanReverse is Scan from the last row to the first.
	ScanReverse(lower, upper []byte, fn func(key, value []byte) error) error
}

// rows is the Reader over anything of Pebble that reads.
type rows struct {
	db   *DB
	from pebble.Reader
	at   int64 // what is kept decoded is held against it: live, or records.commits then
}

func (r rows) base() rows { return r }

// Get gives a copy of the value of a key.
func (r rows) Get(key []byte) (value []byte, ok bool, err error) {
	if err := checkKey(key); err != nil {
		return nil, false, err
	}
	if err := r.db.use(); err != nil {
		return nil, false, err
	}
	defer r.db.release()
	value, ok, err = get(r.from, key)
	if err != nil {
		return nil, false, fmt.Errorf("get %x from view %s: %w", key, r.db.cfg.Name, r.db.noted(err))
	}
	return value, ok, nil
}

func get(from pebble.Reader, key []byte) (value []byte, ok bool, err error) {
	v, closer, ok, err := borrow(from, key)
	if err != nil || !ok {
		return nil, false, err
	}
	value = append(make([]byte, 0, len(v)), v...)
	return value, true, closer.Close()
}

// borrow gives the value of a key as it is, until closer is closed.
func borrow(from pebble.Reader, key []byte) (value []byte, closer io.Closer, ok bool, err error) {
	value, closer, err = from.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil, false, nil
	}
	if err != nil {
		return nil, nil, false, classify(err)
	}
	return value, closer, true, nil
}

// Scan calls fn for the rows from lower to upper in key order.
func (r rows) Scan(lower, upper []byte, fn func(key, value []byte) error) error {
	return r.scan(lower, upper, (*pebble.Iterator).First, (*pebble.Iterator).Next, fn)
}

// ScanReverse calls fn for the rows from upper down to lower.
func (r rows) ScanReverse(lower, upper []byte, fn func(key, value []byte) error) error {
	return r.scan(lower, upper, (*pebble.Iterator).Last, (*pebble.Iterator).Prev, fn)
}

type step func(*pebble.Iterator) bool

func (r rows) scan(lower, upper []byte, first, next step, fn func(key, value []byte) error) error {
	if err := r.db.use(); err != nil {
		return err
	}
	defer r.db.release()
	if bytes.Compare(lower, firstKey) < 0 {
		lower = firstKey
	}
	if upper != nil && bytes.Compare(lower, upper) >= 0 {
		return nil
	}
	it, err := r.from.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return fmt.Errorf("scan view %s: %w", r.db.cfg.Name, r.db.noted(err))
	}
	err = walk(it, first, next, fn)
	// A damaged table ends the iteration like the last row does; only Close
	// tells the two apart.
	if damage := it.Close(); damage != nil {
		return fmt.Errorf("scan view %s: %w", r.db.cfg.Name, r.db.noted(damage))
	}
	if errors.Is(err, ErrStop) {
		return nil
	}
	return err
}

func walk(it *pebble.Iterator, first, next step, fn func(key, value []byte) error) error {
	for ok := first(it); ok; ok = next(it) {
		value, err := it.ValueAndErr()
		if err != nil {
			return nil //nolint:nilerr // the iterator's Close reports it again
		}
		if err := fn(it.Key(), value); err != nil {
			return err
		}
	}
	return nil
}

// Leap calls fn for the first row from lower (inclusive) on, then for the first
// from what fn returned on, which must be greater than the key before, and so on up
// to upper (exclusive). It ends as a Scan does.
func Leap(r Reader, lower, upper []byte, fn func(key, value []byte) (next []byte, err error)) error {
	if from, ok := r.(interface{ base() rows }); ok {
		return from.base().leap(lower, upper, fn)
	}
	for {
		var next []byte
		err := r.Scan(lower, upper, func(key, value []byte) (err error) {
			if next, err = fn(key, value); err == nil {
				err = ErrStop
			} else if errors.Is(err, ErrStop) {
				next = nil
			}
			return err
		})
		if err != nil || next == nil {
			return err
		}
		lower = next
	}
}

func (r rows) leap(lower, upper []byte, fn func(key, value []byte) (next []byte, err error)) error {
	var next []byte
	step := func(it *pebble.Iterator) bool { return it.SeekGE(next) }
	return r.scan(lower, upper, (*pebble.Iterator).First, step, func(key, value []byte) (err error) {
		next, err = fn(key, value)
		return err
	})
}

// Snapshot is a view as of one commit. It stands still while commits go on; it
// keeps deleted rows on disk, so close it soon.
type Snapshot struct {
	rows
	from       *pebble.Snapshot
	checkpoint Checkpoint
}

// Snapshot takes a snapshot of the last commit.
func (db *DB) Snapshot() (*Snapshot, error) {
	if err := db.use(); err != nil {
		return nil, err
	}
	defer db.release()
	at := db.records.commits.Load()
	from := db.pebble.NewSnapshot()
	if at%2 != 0 || db.records.commits.Load() != at {
		at = unknown
	}
	cp, err := readCheckpoint(from)
	if err != nil {
		_ = from.Close() // reports nothing
		return nil, fmt.Errorf("snapshot of view %s: %w", db.cfg.Name, db.noted(err))
	}
	s := &Snapshot{rows: rows{db: db, from: from, at: at}, from: from, checkpoint: cp}
	db.mu.Lock()
	defer db.mu.Unlock()
	db.snapshots[s] = struct{}{}
	return s, nil
}

// Checkpoint is the place the snapshot stands at.
func (s *Snapshot) Checkpoint() Checkpoint { return s.checkpoint }

// Dir is the directory of the generation it is of, which is never used for another.
func (s *Snapshot) Dir() string { return s.db.cfg.Dir }

// Close ends the snapshot; it must not be used afterwards. Closing twice, or
// after the DB, does nothing.
func (s *Snapshot) Close() error {
	db := s.db
	db.mu.Lock()
	_, open := db.snapshots[s]
	delete(db.snapshots, s)
	if open {
		db.users++ // Pebble stays open until the snapshot is closed
	}
	db.mu.Unlock()
	if !open {
		return nil
	}
	defer db.release()
	return s.from.Close()
}
