package viewdb

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// loadTableBytes is the size at which a load begins its next table. Tables are
// also where Snapshot.Split cuts.
const loadTableBytes = 16 << 20

// Load fills an empty view, much faster than batches do: it writes tables beside
// the store, from several goroutines if they like, each with a [Part] of its
// own. Rows and checkpoint become visible all at once with Commit. No batch may
// be committed meanwhile.
type Load struct {
	db  *DB
	dir string

	mu     sync.Mutex
	files  int
	tables []string
	parts  []*Part
	sorted []rowSource
	closed bool
}

// BeginLoad begins to fill the view. The error matches ErrNotEmpty when it has
// rows. Close the Load in any case.
func (db *DB) BeginLoad() (*Load, error) {
	if err := db.use(); err != nil {
		return nil, err
	}
	l := &Load{db: db, dir: db.fs.PathJoin(db.cfg.Dir, "load")}
	err := db.checkEmpty()
	if err == nil {
		err = errors.Join(db.fs.RemoveAll(l.dir), db.fs.MkdirAll(l.dir, 0o755))
	}
	if err != nil {
		db.release()
		return nil, fmt.Errorf("load view %s: %w", db.cfg.Name, db.noted(err))
	}
	return l, nil
}

func (db *DB) checkEmpty() error {
	switch {
	case db.cfg.ReadOnly:
		return ErrReadOnly
	case !db.Checkpoint().IsZero():
		return ErrNotEmpty
	}
	return db.Scan(nil, nil, func([]byte, []byte) error { return ErrNotEmpty })
}

// Commit makes the rows of every part visible, with their checkpoint; when it
// returns they are on disk, synced. After an error the view is still empty. The
// error matches ErrUnsorted when parts overlap.
func (l *Load) Commit(ctx context.Context, cp Checkpoint) error {
	return l.db.work("load", func() error {
		l.db.commits.Lock()
		defer l.db.commits.Unlock()
		if err := l.db.checkEmpty(); err != nil {
			return err
		}
		raw, err := cp.MarshalBinary()
		if err != nil {
			return err
		}
		for _, p := range l.parts {
			if err := p.close(); err != nil {
				return err
			}
		}
		if err := l.merge(); err != nil {
			return err
		}
		last := run{load: l}
		if err := errors.Join(last.add(checkpointKey, raw), last.finish()); err != nil {
			return err
		}
		l.db.records.begin()
		defer l.db.records.end()
		l.db.records.forgetAll()
		if err := l.db.pebble.Ingest(ctx, l.tables); err != nil {
			return err
		}
		return l.db.advance(cp)
	})
}

// Close throws away what was not committed; after Commit it only tidies up. No
// part may be used any more.
func (l *Load) Close() error {
	if l.closed {
		return nil
	}
	l.closed = true
	defer l.db.release()
	var errs []error
	for _, p := range l.parts {
		errs = append(errs, p.drop())
	}
	for _, s := range l.sorted {
		errs = append(errs, s.close())
	}
	// Ingested tables are linked into the store; these names go either way.
	return errors.Join(append(errs, l.db.fs.RemoveAll(l.dir))...)
}

// file names a new file of the load.
func (l *Load) file(suffix string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files++
	return l.db.fs.PathJoin(l.dir, strconv.Itoa(l.files)+suffix)
}

// Part is the rows that one goroutine loads.
type Part struct {
	load   *Load
	runs   [256]*run // by prefix byte
	sorter sorter
}

// Part begins a part.
func (l *Load) Part() *Part {
	p := &Part{load: l, sorter: sorter{load: l}}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parts = append(l.parts, p)
	return p
}

// Set puts a row whose key is greater than those before it with the same prefix
// byte; the error matches ErrUnsorted when it is not. Both slices are copied.
func (p *Part) Set(key, value []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	r := p.runs[key[0]]
	if r == nil {
		r = &run{load: p.load}
		p.runs[key[0]] = r
	}
	return r.set(key, value)
}

// Add puts a row in any order. Rows with the prefix byte of such a row must all
// come by Add; of those with one key the one with the highest rank stays. Both
// slices are copied.
func (p *Part) Add(key, value []byte, rank uint64) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return p.sorter.add(key, value, rank)
}

// Break says that other parts may have rows, by Set, between those before and
// those that come.
func (p *Part) Break() error {
	var errs []error
	for _, r := range p.runs {
		if r != nil {
			errs = append(errs, r.finish())
		}
	}
	return errors.Join(errs...)
}

// close ends the part's tables and hands its sorted rows to the load.
func (p *Part) close() error {
	return errors.Join(p.Break(), p.sorter.finish())
}

func (p *Part) drop() error {
	p.sorter = sorter{load: p.load}
	return p.Break()
}

// run writes ascending rows into tables.
type run struct {
	load  *Load
	table *sstable.Writer
	last  []byte // the key before
}

func (r *run) set(key, value []byte) error {
	if bytes.Compare(key, r.last) <= 0 {
		return fmt.Errorf("%w: %x after %x", ErrUnsorted, key, r.last)
	}
	if r.table != nil && r.table.Raw().EstimatedSize() >= loadTableBytes {
		if err := r.finish(); err != nil {
			return err
		}
	}
	return r.add(key, value)
}

func (r *run) add(key, value []byte) error {
	if r.table == nil {
		if err := r.begin(); err != nil {
			return err
		}
	}
	r.last = append(r.last[:0], key...)
	return r.table.Set(key, value)
}

func (r *run) begin() error {
	l := r.load
	name := l.file(".sst")
	f, err := l.db.fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.tables = append(l.tables, name)
	l.mu.Unlock()
	bulk := &bulkFile{File: f, w: bufio.NewWriterSize(f, bulkBytes)}
	r.table = sstable.NewWriter(objstorageprovider.NewFileWritable(bulk), l.db.tableOptions())
	return nil
}

// bulkBytes is how much is written to a table at a time; by itself it is a block.
const bulkBytes = 256 << 10

// bulkFile is a file that is written from front to back.
type bulkFile struct {
	vfs.File
	w *bufio.Writer
}

func (f *bulkFile) Write(p []byte) (int, error) { return f.w.Write(p) }

func (f *bulkFile) Sync() error { return errors.Join(f.w.Flush(), f.File.Sync()) }

func (f *bulkFile) Close() error { return errors.Join(f.w.Flush(), f.File.Close()) }

func (r *run) finish() error {
	if r.table == nil {
		return nil
	}
	err := r.table.Close()
	r.table = nil
	return err
}

// tableOptions are those of the store's lowest level, where a load ends up.
func (db *DB) tableOptions() sstable.WriterOptions {
	opts := &pebble.Options{FormatMajorVersion: storeFormat, FS: db.fs, Merger: appender}
	db.setLevels(opts)
	opts.EnsureDefaults()
	return opts.MakeWriterOptions(len(opts.Levels)-1, storeFormat.MaxTableFormat())
}
