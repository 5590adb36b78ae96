package viewdb

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/atomicfs"
)

// Home is where the generations of one view live:
//
//	<dir>/<name>/000007/                  the current generation
//	<dir>/<name>/000008/                  the next one, while it is built
//	<dir>/<name>/000006.corrupt/          the last damaged one, for inspection
//	<dir>/<name>/marker.current.000004.000007   says which one is current
//
// A rebuild fills a new generation beside the one that serves, and Swap puts it
// in its place in one step. A Home is safe for concurrent use; building is for
// one goroutine at a time.
type Home struct {
	cfg    Config // Dir is that of the view
	fs     vfs.FS
	marker *atomicfs.Marker // guarded by change

	change sync.Mutex // serialises Begin, Swap, Recover and Close
	last   int        // number of the newest generation

	mu       sync.Mutex
	current  *generation
	building *generation
}

// generation is a DB with its readers counted.
type generation struct {
	db     *DB
	dir    string
	refs   int               // the home's own and one for every Acquire; guarded by Home.mu
	retire func(*generation) // runs when refs falls to 0
}

const (
	markerName    = "current"
	corruptSuffix = ".corrupt"
)

// OpenHome opens the current generation of a view under cfg.Dir/cfg.Name.
// Half-built generations are thrown away. When there is no current one, or it
// has another format, or it is corrupt, an empty one is begun; what was corrupt
// is moved aside and reported to cfg.OnFault. Whether the view must be filled
// shows in its checkpoint. Any other fault, such as a full disk, is returned.
func OpenHome(cfg Config) (*Home, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("open home of view %q: %w", cfg.Name, err)
	}
	if cfg.ReadOnly {
		return nil, fmt.Errorf("open home of view %s: %w; Open one generation instead", cfg.Name, ErrReadOnly)
	}
	if cfg.FS == nil {
		cfg.FS = vfs.Default
	}
	cfg.Dir = cfg.FS.PathJoin(cfg.Dir, cfg.Name)
	h := &Home{cfg: cfg, fs: cfg.FS}
	if err := h.open(); err != nil {
		if h.marker != nil {
			_ = h.marker.Close() // the first error says more
		}
		return nil, fmt.Errorf("open home of view %s in %s: %w", cfg.Name, cfg.Dir, classify(err))
	}
	return h, nil
}

func (h *Home) open() error {
	if err := makeDir(h.fs, h.cfg.Dir); err != nil {
		return err
	}
	marker, current, err := atomicfs.LocateMarker(h.fs, h.cfg.Dir, markerName)
	if err != nil {
		return err
	}
	h.marker = marker
	if err := errors.Join(marker.RemoveObsolete(), h.tidy(current)); err != nil {
		return err
	}
	if current == "" {
		return h.startEmpty()
	}
	return h.reopen(current)
}

// makeDir makes a directory and its parents so that they survive a power loss.
func makeDir(on vfs.FS, dir string) error {
	parent := on.PathDir(dir)
	if parent == dir {
		return nil
	}
	if _, err := on.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := makeDir(on, parent); err != nil {
		return err
	}
	if err := on.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	d, err := on.OpenDir(parent)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// tidy removes the generations that are not current and finds the highest
// number ever used that still shows.
func (h *Home) tidy(current string) error {
	names, err := h.fs.List(h.cfg.Dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		number, err := strconv.Atoi(strings.TrimSuffix(name, corruptSuffix))
		if err != nil {
			continue // the marker, or nothing of ours
		}
		h.last = max(h.last, number)
		if name == current || strings.HasSuffix(name, corruptSuffix) {
			continue
		}
		if err := h.fs.RemoveAll(h.path(name)); err != nil {
			return err
		}
	}
	return nil
}

func (h *Home) path(name string) string { return h.fs.PathJoin(h.cfg.Dir, name) }

// reopen opens a generation and makes it current, or an empty one in its
// place when it is of no use.
func (h *Home) reopen(name string) error {
	g, err := h.openGeneration(name)
	switch {
	case errors.Is(err, ErrCorrupt):
		h.report(err)
		return errors.Join(h.moveAside(name), h.startEmpty())
	case errors.Is(err, ErrFormat):
		if err := h.startEmpty(); err != nil {
			return err
		}
		return h.fs.RemoveAll(h.path(name))
	case err != nil:
		return err
	}
	h.install(g)
	return nil
}

// report tells of a generation that does not open, unless Open has done so.
func (h *Home) report(err error) {
	if h.cfg.OnFault != nil && !errors.Is(err, ErrQuarantined) {
		h.cfg.OnFault(h.cfg.Name, err)
	}
}

// moveAside keeps the newest damaged generation only: one is enough to look
// into, and they may be large.
func (h *Home) moveAside(name string) error {
	if _, err := h.fs.Stat(h.path(name)); errors.Is(err, fs.ErrNotExist) {
		return nil // done by an attempt that failed later on
	}
	names, err := h.fs.List(h.cfg.Dir)
	if err != nil {
		return err
	}
	for _, old := range names {
		if strings.HasSuffix(old, corruptSuffix) {
			if err := h.fs.RemoveAll(h.path(old)); err != nil {
				return err
			}
		}
	}
	return h.fs.Rename(h.path(name), h.path(name+corruptSuffix))
}

func (h *Home) openGeneration(name string) (*generation, error) {
	cfg := h.cfg
	cfg.Dir = h.path(name)
	db, err := Open(cfg)
	if err != nil {
		return nil, err
	}
	return &generation{db: db, dir: name, refs: 1, retire: h.discard}, nil
}

// startEmpty begins an empty generation and makes it current at once.
func (h *Home) startEmpty() error {
	g, err := h.newGeneration()
	if err != nil {
		return err
	}
	if err := h.marker.Move(g.dir); err != nil {
		return errors.Join(err, g.db.Close())
	}
	h.install(g)
	return nil
}

func (h *Home) newGeneration() (*generation, error) {
	h.last++
	return h.openGeneration(fmt.Sprintf("%06d", h.last))
}

// install makes g the one that serves and lets go of the one before.
func (h *Home) install(g *generation) {
	h.mu.Lock()
	old := h.current
	h.current, h.building = g, nil
	h.mu.Unlock()
	if old != nil {
		h.unref(old)
	}
}

// discard closes and removes a generation nobody reads any more. What fails
// here is put right by the next OpenHome, which removes it again.
func (h *Home) discard(g *generation) {
	_ = g.db.Close()
	_ = h.fs.RemoveAll(h.path(g.dir))
}

func (h *Home) unref(g *generation) {
	h.mu.Lock()
	g.refs--
	last := g.refs == 0
	h.mu.Unlock()
	if last {
		g.retire(g)
	}
}

// Dir is the directory of the view's generations.
func (h *Home) Dir() string { return h.cfg.Dir }

// Current is the DB that serves now, for the one goroutine that commits to it
// and swaps it. Readers use Acquire or View, which keep it open.
func (h *Home) Current() *DB {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current == nil {
		return nil
	}
	return h.current.db
}

// Acquire gives the DB that serves now and keeps it open until release is
// called, which must be once. The error matches ErrClosed after Close.
func (h *Home) Acquire() (db *DB, release func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.current
	if g == nil {
		return nil, nil, fmt.Errorf("view %s: %w", h.cfg.Name, ErrClosed)
	}
	g.refs++
	return g.db, sync.OnceFunc(func() { h.unref(g) }), nil
}

// View runs f on a snapshot of the DB that serves now.
func (h *Home) View(f func(*Snapshot) error) error {
	db, release, err := h.Acquire()
	if err != nil {
		return err
	}
	defer release()
	s, err := db.Snapshot()
	if err != nil {
		return err
	}
	return errors.Join(f(s), s.Close())
}

// Begin begins an empty generation beside the one that serves; one begun
// before and not swapped in is thrown away.
func (h *Home) Begin() (*DB, error) {
	h.change.Lock()
	defer h.change.Unlock()
	if h.Current() == nil {
		return nil, fmt.Errorf("view %s: %w", h.cfg.Name, ErrClosed)
	}
	h.mu.Lock()
	stale := h.building
	h.building = nil
	h.mu.Unlock()
	if stale != nil {
		h.unref(stale)
	}
	g, err := h.newGeneration()
	if err != nil {
		return nil, fmt.Errorf("begin a generation of view %s: %w", h.cfg.Name, err)
	}
	h.mu.Lock()
	h.building = g
	h.mu.Unlock()
	return g.db, nil
}

// Swap puts the generation that Begin gave into service, synced to disk first.
// Whoever reads the one before may go on; it is closed and removed when the
// last of them is done. After an error the one before serves on.
func (h *Home) Swap(db *DB) error {
	h.change.Lock()
	defer h.change.Unlock()
	h.mu.Lock()
	g := h.building
	h.mu.Unlock()
	if g == nil || g.db != db {
		return fmt.Errorf("swap view %s: the DB is not the generation being built; use the one Begin gave last", h.cfg.Name)
	}
	if err := db.Flush(); err != nil {
		return err
	}
	if err := h.marker.Move(g.dir); err != nil {
		return fmt.Errorf("swap view %s to generation %s: %w", h.cfg.Name, g.dir, classify(err))
	}
	h.install(g)
	return nil
}

// Recover puts a view that went out of service back into it: a corrupt
// generation is moved aside and an empty one begun; after any other fault the
// same one is opened again, at the last checkpoint that reached the disk. It
// does nothing while the view is in service. Batches of the DB before are of no
// use afterwards: begin new ones on Current. The error says what still stands
// in the way, such as ErrNoSpace; try again then.
func (h *Home) Recover() error {
	h.change.Lock()
	defer h.change.Unlock()
	h.mu.Lock()
	g := h.current
	h.mu.Unlock()
	if g == nil {
		return fmt.Errorf("view %s: %w", h.cfg.Name, ErrClosed)
	}
	fault := g.db.Fault()
	if fault == nil {
		return nil
	}
	_ = g.db.Close() // gives the fault again; waits until its files are let go
	h.mu.Lock()
	g.retire = func(*generation) {} // closed, and its files live on
	h.mu.Unlock()
	var err error
	if errors.Is(fault, ErrCorrupt) {
		err = errors.Join(h.moveAside(g.dir), h.startEmpty())
	} else {
		err = h.reopen(g.dir)
	}
	if err != nil {
		return fmt.Errorf("recover view %s: %w", h.cfg.Name, classify(err))
	}
	return nil
}

// Close closes the view once its readers are done, and throws a half-built
// generation away.
func (h *Home) Close() error {
	h.change.Lock()
	defer h.change.Unlock()
	h.mu.Lock()
	current, building := h.current, h.building
	h.current, h.building = nil, nil
	h.mu.Unlock()
	if building != nil {
		h.unref(building)
	}
	if current == nil {
		return nil
	}
	// DB.Close waits for the calls under way; whoever still holds the DB gets
	// ErrClosed from then on.
	return errors.Join(current.db.Close(), h.marker.Close())
}
