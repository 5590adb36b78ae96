package viewdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// DB is one view: its rows and its checkpoint. It is safe for concurrent use;
// commits are taken one after another.
type DB struct {
	rows
	cfg    Config
	fs     *sealFS
	shared *Shared // owned when Config.Shared is nil

	cacheBytes int64 // the most that the block cache holds
	compactor  *compactor
	pebble     *pebble.DB

	records records
	commits sync.Mutex // serialises commits and loads

	mu         sync.Mutex
	idle       sync.Cond // signalled when users falls to 0
	users      int       // calls under way
	closing    bool
	fault      error // the first one; set once
	checkpoint Checkpoint
	snapshots  map[*Snapshot]struct{}

	closed   chan struct{} // closed when Pebble is
	closeErr error
}

// Open opens a view, and makes it when the directory is empty. The error
// matches ErrFormat when the directory holds another view or format, ErrCorrupt
// when its files are damaged, ErrNoSpace when the disk is full.
func Open(cfg Config) (*DB, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("open view %q: %w", cfg.Name, err)
	}
	db := &DB{cfg: cfg, records: newRecords(cfg.Records), snapshots: map[*Snapshot]struct{}{}, closed: make(chan struct{})}
	db.idle.L = &db.mu
	if cfg.FS == nil {
		cfg.FS = vfs.Default
	}
	db.fs = &sealFS{FS: cfg.FS, dir: cfg.Dir, report: db.fail}
	shared := cfg.Shared
	if shared == nil {
		shared = NewShared(defaultCacheBytes)
		db.shared = shared
	}
	// Opening counts as a call, so that a fault found meanwhile closes Pebble
	// only after it is open.
	db.users++
	err := db.open(shared)
	db.release()
	if fault := db.Fault(); fault != nil {
		err = fault
	}
	if err != nil {
		_ = db.Close() // the first error says more
		return nil, fmt.Errorf("open view %s in %s: %w", cfg.Name, cfg.Dir, err)
	}
	return db, nil
}

func (db *DB) open(shared *Shared) error {
	db.cacheBytes = shared.cache.MaxSize()
	db.compactor = &compactor{of: shared.compactions}
	opts := db.options(shared)
	if err := opts.Validate(); err != nil {
		return err
	}
	p, err := openPebble(db.cfg, opts)
	if err != nil {
		return err
	}
	db.pebble = p
	db.rows = rows{db: db, from: p, at: live}
	if err := db.checkFormat(); err != nil {
		return err
	}
	if db.checkpoint, err = readCheckpoint(p); err != nil {
		return err
	}
	db.compactor.begin()
	return nil
}

// openPebble opens the store. Once the lock is ours, a failure that does not
// come from the system comes from the bytes on disk. That holds for a panic
// too: Pebble trusted what it read.
func openPebble(cfg Config, opts *pebble.Options) (p *pebble.DB, err error) {
	if !cfg.ReadOnly {
		if err := makeDir(opts.FS, cfg.Dir); err != nil {
			return nil, err
		}
	}
	lock, err := pebble.LockDirectory(cfg.Dir, opts.FS)
	if err != nil {
		return nil, fmt.Errorf("lock it: %w (is it open already?)", err)
	}
	opts.Lock = lock
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, r)
		}
		_ = lock.Close() // Pebble holds the lock by now, and lets go of it in its Close
	}()
	p, err = pebble.Open(cfg.Dir, opts)
	if err != nil && !fromSystem(err) {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return p, classify(err)
}

// checkFormat compares the format row with what is wanted, and writes it into
// a store that is new.
func (db *DB) checkFormat() error {
	want := append(binary.BigEndian.AppendUint32(nil, db.cfg.Format), db.cfg.Name...)
	got, ok, err := get(db.pebble, formatKey)
	switch {
	case err != nil:
		return err
	case ok && string(got) == string(want):
		return nil
	case ok && len(got) >= 4:
		return fmt.Errorf("%w: it holds %s in format %d, %s in format %d is wanted; rebuild it from the log",
			ErrFormat, got[4:], binary.BigEndian.Uint32(got), db.cfg.Name, db.cfg.Format)
	case ok:
		return fmt.Errorf("%w: its format row has %d bytes", ErrCorrupt, len(got))
	case db.cfg.ReadOnly:
		return fmt.Errorf("%w: it has never been written", ErrFormat)
	}
	return classify(db.pebble.Set(formatKey, want, pebble.Sync))
}

func readCheckpoint(from pebble.Reader) (Checkpoint, error) {
	raw, ok, err := get(from, checkpointKey)
	if err != nil || !ok {
		return Checkpoint{}, err
	}
	return ParseCheckpoint(raw)
}

// Name is the view's name.
func (db *DB) Name() string { return db.cfg.Name }

// Checkpoint is the place the last commit stands at.
func (db *DB) Checkpoint() Checkpoint {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.checkpoint
}

// Fault is nil while the view is in service; else a *FaultError.
func (db *DB) Fault() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.fault
}

// fail takes the view out of service. It may be called from within Pebble,
// with Pebble's locks held, so it does not block.
func (db *DB) fail(err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.fault != nil {
		return
	}
	db.fs.sealed.Store(true)
	fault := &FaultError{Name: db.cfg.Name, Dir: db.cfg.Dir, Err: classify(err)}
	db.fault = fault
	go func() {
		if db.cfg.OnFault != nil {
			db.cfg.OnFault(db.cfg.Name, fault)
		}
		_ = db.Close() // what went wrong is known already
	}()
}

// noted passes on the error of a read, and takes the view out of service when
// it is damage.
func (db *DB) noted(err error) error {
	err = classify(err)
	if errors.Is(err, ErrCorrupt) {
		db.fail(err)
	}
	return err
}

// use begins a call; release ends it. A call begun within another one is
// refused too once the view is closing, so that Close never waits for itself.
func (db *DB) use() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	switch {
	case db.fault != nil:
		return db.fault
	case db.closing:
		return fmt.Errorf("view %s: %w", db.cfg.Name, ErrClosed)
	}
	db.users++
	return nil
}

func (db *DB) release() {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.users--
	if db.users == 0 {
		db.idle.Broadcast()
	}
}

// Close waits for the calls under way, closes what snapshots are left and
// releases the directory. Closing again, or after a fault, only waits for the
// first Close to end.
func (db *DB) Close() error {
	db.mu.Lock()
	if db.closing {
		db.mu.Unlock()
		<-db.closed
		return db.closeErr
	}
	db.closing = true
	for db.users > 0 {
		db.idle.Wait()
	}
	snapshots := db.snapshots
	db.snapshots = nil
	db.mu.Unlock()

	defer close(db.closed)
	for s := range snapshots {
		_ = s.from.Close() // reports nothing
	}
	if db.pebble != nil {
		db.closeErr = db.closePebble()
	}
	if db.shared != nil {
		db.shared.Close()
	}
	return db.closeErr
}

func (db *DB) closePebble() error {
	err := db.pebble.Close()
	if fault := db.Fault(); fault != nil {
		return fault
	}
	if err != nil {
		return fmt.Errorf("close view %s: %w", db.cfg.Name, classify(err))
	}
	return nil
}

// Sync returns when everything committed would survive a power loss. Commits do
// not wait for that; the newest 32 KiB of them may not even have left the
// process.
func (db *DB) Sync() error {
	return db.work("sync", func() error { return db.pebble.LogData(nil, pebble.Sync) })
}

// Flush writes everything committed to tables on disk, synced.
func (db *DB) Flush() error {
	return db.work("flush", func() error { return db.pebble.Flush() })
}

// SaveTo makes a copy of the view, as of the last commit, in a directory that
// does not exist yet; tables are hard links where the file system has them.
func (db *DB) SaveTo(dir string) error {
	return db.work("save to "+dir, func() error { return db.pebble.Checkpoint(dir, pebble.WithFlushedWAL()) })
}

// work runs an operator's call and says what failed.
func (db *DB) work(what string, f func() error) error {
	if err := db.use(); err != nil {
		return err
	}
	defer db.release()
	if db.cfg.ReadOnly {
		return fmt.Errorf("%s view %s: %w", what, db.cfg.Name, ErrReadOnly)
	}
	err := f()
	if fault := db.Fault(); fault != nil {
		return fault // Pebble may have been told that all is well
	}
	if err != nil {
		return fmt.Errorf("%s view %s: %w", what, db.cfg.Name, db.noted(err))
	}
	return nil
}

// Metrics is what an operator wants to know of a view.
type Metrics struct {
	DiskBytes     uint64 // all files
	MemTableBytes uint64 // not yet in tables
	CacheBytes    int64  // the most that the block cache holds, which views may share
	CacheHits     int64  // of it
	CacheMisses   int64
	ReadAmp       int    // tables and levels one read may touch
	CompactDebt   uint64 // estimated bytes that wait to be compacted
}

// Metrics reports the view's size and health; zero when it is out of service.
func (db *DB) Metrics() Metrics {
	if db.use() != nil {
		return Metrics{}
	}
	defer db.release()
	m := db.pebble.Metrics()
	return Metrics{
		DiskBytes: m.DiskSpaceUsage(), MemTableBytes: m.MemTable.Size,
		CacheBytes: db.cacheBytes, CacheHits: m.BlockCache.Hits, CacheMisses: m.BlockCache.Misses,
		ReadAmp: m.ReadAmp(), CompactDebt: m.Compact.EstimatedDebt,
	}
}
