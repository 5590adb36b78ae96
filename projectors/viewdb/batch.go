package viewdb

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Batch gathers changes to a view. Reading it shows the view with the changes
// made. It is for one goroutine at a time.
type Batch struct {
	rows
	batch *pebble.Batch
}

// NewBatch begins a batch without changes.
func (db *DB) NewBatch() *Batch {
	b := &Batch{}
	b.begin(db)
	return b
}

func (b *Batch) begin(db *DB) {
	b.batch = db.pebble.NewIndexedBatch()
	b.rows = rows{db: db, from: b.batch}
}

// Set puts a row; both slices are copied.
func (b *Batch) Set(key, value []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return b.batch.Set(key, value, nil)
}

// Delete takes a row away; it need not exist.
func (b *Batch) Delete(key []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return b.batch.Delete(key, nil)
}

// Clear takes every row away that starts with prefix. It costs as much as
// reading them; to clear a whole view, begin a new generation instead.
func (b *Batch) Clear(prefix []byte) error {
	return b.Scan(prefix, PrefixEnd(prefix), func(key, _ []byte) error { return b.batch.Delete(key, nil) })
}

// Len is the number of changes; a row changed twice counts twice.
func (b *Batch) Len() int { return int(b.batch.Count()) }

// Bytes is the size of the changes.
func (b *Batch) Bytes() int { return b.batch.Len() }

// Reset drops the changes.
func (b *Batch) Reset() {
	_ = b.batch.Close() // reports nothing
	b.begin(b.db)
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
	if err := b.batch.Set(checkpointKey, raw, nil); err != nil {
		return err
	}
	err = b.batch.Commit(pebble.NoSync)
	b.Reset() // Pebble panics when it meets a batch again, whatever came of it
	if err != nil {
		return fmt.Errorf("commit seq %d to view %s: %w", cp.Seq, db.cfg.Name, classify(err))
	}
	return db.advance(cp)
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
