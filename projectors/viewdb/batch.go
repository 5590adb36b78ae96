package viewdb

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/RaduBerinde/btreemap"
	"github.com/cockroachdb/pebble/v2"
)

// Batch gathers changes to a view, in key order, over what the view shows.
// Reading it shows the view with the changes made. It is for one goroutine at a
// time.
type Batch struct {
	db      *DB
	changes *btreemap.BTreeMap[string, change]
	bytes   int
}

// change is what a batch does to one row.
type change struct {
	what  changeKind
	value []byte // the row's new value, or what is appended to it
}

type changeKind byte

const (
	rowSet changeKind = iota
	rowDeleted
	rowAppended
)

// over is the row's value with the change made to what the view has, which is
// nil when there is no row.
func (c change) over(value []byte) ([]byte, bool) {
	switch c.what {
	case rowDeleted:
		return nil, false
	case rowAppended:
		return append(slices.Clip(value), c.value...), true
	case rowSet:
	}
	return c.value, true
}

// degree is how wide a node of the changes is; 32 to 128 measured alike.
const degree = 64

// NewBatch begins a batch without changes.
func (db *DB) NewBatch() *Batch {
	return &Batch{db: db, changes: btreemap.New[string, change](degree, strings.Compare)}
}

// Set puts a row; both slices are copied.
func (b *Batch) Set(key, value []byte) error {
	return b.change(key, change{rowSet, bytes.Clone(value)})
}

// Delete takes a row away; it need not exist.
func (b *Batch) Delete(key []byte) error { return b.change(key, change{what: rowDeleted}) }

// Append puts bytes at the end of a row's value, and makes the row when there is
// none. Nothing is read for it: the view joins the pieces when it is read or
// compacted. Both slices are copied.
func (b *Batch) Append(key, piece []byte) error {
	_, before, pending := b.changes.Get(string(key))
	if !pending {
		return b.change(key, change{rowAppended, bytes.Clone(piece)})
	}
	what := rowSet
	if before.what == rowAppended {
		what = rowAppended
	}
	b.bytes -= len(key) + len(before.value)
	return b.change(key, change{what, append(before.value, piece...)})
}

func (b *Batch) change(key []byte, c change) error {
	if err := checkKey(key); err != nil {
		return err
	}
	b.bytes += len(key) + len(c.value)
	b.changes.ReplaceOrInsert(string(key), c)
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
	_, c, changed := b.changes.Get(string(key))
	if !changed {
		return b.db.Get(key)
	}
	if c.what == rowAppended {
		if value, _, err = b.db.Get(key); err != nil {
			return nil, false, err
		}
		value, ok = c.over(value)
		return value, ok, nil
	}
	if err := b.db.use(); err != nil {
		return nil, false, err
	}
	b.db.release()
	value, ok = c.over(nil)
	return bytes.Clone(value), ok, nil
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
	key string
	change
}

// within lists the changes of a range, so that fn may make others meanwhile.
func (b *Batch) within(lower, upper []byte, reverse bool) []changed {
	from, to := btreemap.GE(string(lower)), btreemap.Max[string]()
	if upper != nil {
		to = btreemap.LT(string(upper))
	}
	var out []changed
	each := func(key string, c change) bool {
		out = append(out, changed{key, c})
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
// have a key the change is made to the row.
func (b *Batch) merge(lower, upper []byte, reverse bool, fn func(key, value []byte) error) error {
	changes := b.within(lower, upper, reverse)
	scan, before := b.db.Scan, func(x, y string) bool { return x < y }
	if reverse {
		scan, before = b.db.ScanReverse, func(x, y string) bool { return x > y }
	}
	if len(changes) == 0 {
		return scan(lower, upper, fn)
	}
	next := func(value []byte) error {
		c := changes[0]
		changes = changes[1:]
		value, found := c.over(value)
		if !found {
			return nil
		}
		return fn([]byte(c.key), value)
	}
	ended := false
	err := scan(lower, upper, func(key, value []byte) error {
		for len(changes) > 0 && before(changes[0].key, string(key)) {
			if err := next(nil); err != nil {
				ended = true
				return err
			}
		}
		var err error
		if len(changes) > 0 && changes[0].key == string(key) {
			err = next(value)
		} else {
			err = fn(key, value)
		}
		ended = err != nil
		return err
	})
	for err == nil && !ended && len(changes) > 0 {
		err = next(nil)
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
	b.db.records.begin()
	defer b.db.records.end()
	for text, c := range b.changes.Ascend(btreemap.Min[string](), btreemap.Max[string]()) {
		key := []byte(text)
		b.db.records.forget(key)
		if err := c.write(out, key); err != nil {
			return err
		}
	}
	return out.Commit(pebble.NoSync)
}

func (c change) write(out *pebble.Batch, key []byte) error {
	switch c.what {
	case rowDeleted:
		return out.Delete(key, nil)
	case rowAppended:
		return out.Merge(key, c.value, nil)
	case rowSet:
	}
	return out.Set(key, c.value, nil)
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
