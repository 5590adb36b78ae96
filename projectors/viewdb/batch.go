package viewdb

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/RaduBerinde/btreemap"
	"github.com/cockroachdb/pebble/v2"
)

// Batch gathers changes to a view, in key order, over what the view shows.
// Reading it shows the view with the changes made. It is for one goroutine at a
// time.
type Batch struct {
	db      *DB
	changes *btreemap.BTreeMap[string, []byte] // nil: the row is taken away
	bytes   int
}

// degree is how wide a node of the changes is; 32 to 128 measured alike.
const degree = 64

// NewBatch begins a batch without changes.
func (db *DB) NewBatch() *Batch {
	return &Batch{db: db, changes: btreemap.New[string, []byte](degree, strings.Compare)}
}

// Set puts a row; both slices are copied.
func (b *Batch) Set(key, value []byte) error {
	return b.change(key, append(make([]byte, 0, len(value)), value...)) // not nil, even when empty
}

// Delete takes a row away; it need not exist.
func (b *Batch) Delete(key []byte) error { return b.change(key, nil) }

func (b *Batch) change(key, value []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	b.bytes += len(key) + len(value)
	b.changes.ReplaceOrInsert(string(key), value)
	return nil
}

// Clear takes every row away that starts with prefix. It costs as much as
// reading them; to clear a whole view, begin a new generation instead.
func (b *Batch) Clear(prefix []byte) error {
	return b.Scan(prefix, PrefixEnd(prefix), func(key, _ []byte) error { return b.Delete(key) })
}

// Len is the number of rows changed.
func (b *Batch) Len() int { return b.changes.Len() }

// Bytes is the size of the changes; a row changed twice counts twice.
func (b *Batch) Bytes() int { return b.bytes }

// Reset drops the changes.
func (b *Batch) Reset() {
	b.changes.Clear(true)
	b.bytes = 0
}

// Get gives a copy of the value of a key.
func (b *Batch) Get(key []byte) (value []byte, ok bool, err error) {
	if _, value, changed := b.changes.Get(string(key)); changed {
		if err := b.db.use(); err != nil {
			return nil, false, err
		}
		b.db.release()
		return bytes.Clone(value), value != nil, nil
	}
	return b.db.Get(key)
}

// Scan calls fn for the rows from lower to upper in key order.
func (b *Batch) Scan(lower, upper []byte, fn func(key, value []byte) error) error {
	return b.merge(lower, upper, false, fn)
}

// ScanReverse calls fn for the rows from upper down to lower.
func (b *Batch) ScanReverse(lower, upper []byte, fn func(key, value []byte) error) error {
	return b.merge(lower, upper, true, fn)
}

// changed is one of the batch's changes.
type changed struct {
	key   string
	value []byte
}

// within lists the changes of a range, so that fn may make others meanwhile.
func (b *Batch) within(lower, upper []byte, reverse bool) []changed {
	from, to := btreemap.GE(string(lower)), btreemap.Max[string]()
	if upper != nil {
		to = btreemap.LT(string(upper))
	}
	var out []changed
	each := func(key string, value []byte) bool {
		out = append(out, changed{key, value})
		return true
	}
	if reverse {
		b.changes.DescendFunc(to, from, each)
	} else {
		b.changes.AscendFunc(from, to, each)
	}
	return out
}

// merge walks the view's rows and the batch's changes side by side; where both
// have a key the change counts.
func (b *Batch) merge(lower, upper []byte, reverse bool, fn func(key, value []byte) error) error {
	changes := b.within(lower, upper, reverse)
	scan, before := b.db.Scan, func(x, y string) bool { return x < y }
	if reverse {
		scan, before = b.db.ScanReverse, func(x, y string) bool { return x > y }
	}
	if len(changes) == 0 {
		return scan(lower, upper, fn)
	}
	next := func() error {
		c := changes[0]
		changes = changes[1:]
		if c.value == nil {
			return nil
		}
		return fn([]byte(c.key), c.value)
	}
	ended := false
	err := scan(lower, upper, func(key, value []byte) error {
		for len(changes) > 0 && before(changes[0].key, string(key)) {
			if err := next(); err != nil {
				ended = true
				return err
			}
		}
		var err error
		if len(changes) > 0 && changes[0].key == string(key) {
			err = next()
		} else {
			err = fn(key, value)
		}
		ended = err != nil
		return err
	})
	for err == nil && !ended && len(changes) > 0 {
		err = next()
	}
	if errors.Is(err, ErrStop) {
		return nil
	}
	return err
}

// Commit writes the changes and the checkpoint they lead to, all or nothing,
// and empties the batch for the next ones. It is not synced: after a crash
// the view may be behind (see DB.Sync). The error matches ErrBackwards when the view
// stands further on already, ErrQuarantined when the view is out of service;
// then the changes may or may not be there when it is opened again, together
// with their checkpoint.
func (b *Batch) Commit(cp Checkpoint) error {
	db := b.db
	if err := db.use(); err != nil {
		return err
	}
	defer db.release()
	db.commits.Lock()
	defer db.commits.Unlock()
	if err := db.checkCommit(cp); err != nil {
		return err
	}
	raw, err := cp.MarshalBinary()
	if err != nil {
		return err
	}
	if err := b.write(raw); err != nil {
		return fmt.Errorf("commit seq %d to view %s: %w", cp.Seq, db.cfg.Name, classify(err))
	}
	return db.advance(cp)
}

// write hands the changes to Pebble in key order, which it takes several times
// faster than any other, and empties the batch whatever comes of it.
func (b *Batch) write(checkpoint []byte) error {
	defer b.Reset()
	out := b.db.pebble.NewBatchWithSize(b.bytes + 16*b.changes.Len() + len(checkpoint))
	defer func() { _ = out.Close() }() // reports nothing
	if err := out.Set(checkpointKey, checkpoint, nil); err != nil {
		return err
	}
	for key, value := range b.changes.Ascend(btreemap.Min[string](), btreemap.Max[string]()) {
		var err error
		if value == nil {
			err = out.Delete([]byte(key), nil)
		} else {
			err = out.Set([]byte(key), value, nil)
		}
		if err != nil {
			return err
		}
	}
	return out.Commit(pebble.NoSync)
}

func (db *DB) checkCommit(cp Checkpoint) error {
	if db.cfg.ReadOnly {
		return fmt.Errorf("commit seq %d to view %s: %w", cp.Seq, db.cfg.Name, ErrReadOnly)
	}
	if at := db.Checkpoint().Seq; cp.Seq < at {
		return fmt.Errorf("commit seq %d to view %s: %w: it stands at %d; begin a new generation to go back",
			cp.Seq, db.cfg.Name, ErrBackwards, at)
	}
	return nil
}

// advance takes a commit as done, unless a fault says that it may not be:
// Pebble reports success to its caller after a fatal error that did not end
// the process.
func (db *DB) advance(cp Checkpoint) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.fault != nil {
		return db.fault
	}
	db.checkpoint = cp
	return nil
}
