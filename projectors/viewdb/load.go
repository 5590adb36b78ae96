package viewdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// loadTableBytes is the size at which a load begins its next table.
const loadTableBytes = 64 << 20

// Load fills an empty view with rows that come in ascending key order, much
// faster than batches do: fill calls set for every row. Rows and checkpoint
// become visible all at once, and are on disk, synced, when Load returns. After
// an error the view is still empty. The error matches ErrUnsorted when a key
// does not ascend, ErrNotEmpty when the view has rows.
func (db *DB) Load(fill func(set func(key, value []byte) error) error, cp Checkpoint) error {
	return db.work("load", func() error {
		db.commits.Lock()
		defer db.commits.Unlock()
		if err := db.checkEmpty(); err != nil {
			return err
		}
		l := &loader{db: db, dir: db.fs.PathJoin(db.cfg.Dir, "load")}
		err := l.run(fill, cp)
		// Ingested tables are linked into the store; these names go either way.
		err = errors.Join(err, db.fs.RemoveAll(l.dir))
		if err != nil {
			return err
		}
		return db.advance(cp)
	})
}

func (db *DB) checkEmpty() error {
	if !db.Checkpoint().IsZero() {
		return ErrNotEmpty
	}
	return db.Scan(nil, nil, func([]byte, []byte) error { return ErrNotEmpty })
}

// loader writes rows into tables of their own beside the store.
type loader struct {
	db     *DB
	dir    string
	tables []string
	table  *sstable.Writer
	last   []byte // the key before, to name in an error
}

func (l *loader) run(fill func(set func(key, value []byte) error) error, cp Checkpoint) error {
	fs := l.db.fs
	if err := errors.Join(fs.RemoveAll(l.dir), fs.MkdirAll(l.dir, 0o755)); err != nil {
		return err
	}
	raw, err := cp.MarshalBinary()
	if err != nil {
		return err
	}
	// The checkpoint sorts before every row, so it comes first, and in the
	// same ingestion as they do.
	if err = l.add(checkpointKey, raw); err == nil {
		err = fill(l.set)
	}
	if err = errors.Join(err, l.finish()); err != nil {
		return err
	}
	return l.db.pebble.Ingest(context.Background(), l.tables)
}

func (l *loader) set(key, value []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if bytes.Compare(key, l.last) <= 0 {
		return fmt.Errorf("%w: %x after %x", ErrUnsorted, key, l.last)
	}
	if l.table.Raw().EstimatedSize() >= loadTableBytes {
		if err := l.finish(); err != nil {
			return err
		}
	}
	return l.add(key, value)
}

func (l *loader) add(key, value []byte) error {
	if l.table == nil {
		if err := l.begin(); err != nil {
			return err
		}
	}
	l.last = append(l.last[:0], key...)
	return l.table.Set(key, value)
}

func (l *loader) begin() error {
	name := l.db.fs.PathJoin(l.dir, strconv.Itoa(len(l.tables))+".sst")
	f, err := l.db.fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	l.tables = append(l.tables, name)
	l.table = sstable.NewWriter(objstorageprovider.NewFileWritable(f), l.db.tableOptions())
	return nil
}

func (l *loader) finish() error {
	if l.table == nil {
		return nil
	}
	err := l.table.Close()
	l.table = nil
	return err
}

// tableOptions are those of the store's lowest level, where a load ends up.
func (db *DB) tableOptions() sstable.WriterOptions {
	opts := &pebble.Options{FormatMajorVersion: storeFormat, FS: db.fs}
	setLevels(opts)
	opts.EnsureDefaults()
	return opts.MakeWriterOptions(0, storeFormat.MaxTableFormat())
}
