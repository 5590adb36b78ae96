package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/drill"
)

// Dataset is a catalogue to measure on, in a directory of its own:
//
//	bench.json   what it is; written last, so that half a data set is none
//	data/        the catalogue's data directory
type Dataset struct {
	Tenants int        `json:"tenants"`
	Deleted int        `json:"deleted"` // how many of them a wrong run will delete
	Seed    uint64     `json:"seed"`
	Events  events.Seq `json:"events"`
	Seconds float64    `json:"seconds"` // that it took to make

	dir string
}

const (
	datasetFile = "bench.json"
	dataDir     = "data"
	seed        = 1
)

// writingCacheBytes is the cache while a data set is written, which nobody measures:
// enough for the heads of 1,000,000 tenants, about which events come at random. What is
// not needed is not taken.
const writingCacheBytes = 4 << 30

// Data is the catalogue's data directory.
func (d Dataset) Data() string { return filepath.Join(d.dir, dataDir) }

// Cast is who is in it.
func (d Dataset) Cast() *drill.Cast { return drill.NewCast(castOf(d.Tenants)) }

// castOf is the drill's configuration for a data set: the wrong run deletes 883
// tenants or, of few, half.
func castOf(tenants int) drill.Config {
	return drill.Config{
		Tenants: tenants, Deleted: min(drill.DefaultDeleted, tenants/2), Seed: seed, Mode: events.Rewind,
	}
}

// OpenDataset finds what Prepare has made.
func OpenDataset(dir string) (d Dataset, err error) {
	raw, err := os.ReadFile(filepath.Join(dir, datasetFile))
	if err != nil {
		return d, fmt.Errorf("%w; make a data set with: catalogue bench --prepare %s", err, dir)
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return d, fmt.Errorf("%s: %w", filepath.Join(dir, datasetFile), err)
	}
	d.dir = dir
	return d, nil
}

// Prepare makes a data set, or finds the one that is there already. It goes
// through the Service, views paused, and lets the views follow in bulk.
func Prepare(ctx context.Context, dir string, tenants int, tell drill.Tell) (Dataset, error) {
	if d, err := OpenDataset(dir); err == nil {
		if d.Tenants != tenants {
			return d, fmt.Errorf("%s holds a data set of %d tenants; name another directory for one of %d", dir, d.Tenants, tenants)
		}
		return d, nil
	}
	cfg := castOf(tenants)
	if err := cfg.Validate(); err != nil {
		return Dataset{}, err
	}
	began := time.Now()
	d := Dataset{Tenants: tenants, Deleted: cfg.Deleted, Seed: cfg.Seed, dir: dir}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return d, fmt.Errorf("%s is not empty and holds no whole data set; remove it, or name another directory", dir)
	}
	var err error
	if d.Events, err = d.write(ctx, tell); err == nil {
		err = d.follow(ctx, tell)
	}
	if err != nil {
		return d, fmt.Errorf("prepare %s: %w", dir, err)
	}
	d.Seconds = time.Since(began).Seconds()
	raw, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return d, err
	}
	return d, os.WriteFile(filepath.Join(dir, datasetFile), raw, 0o600)
}

// write writes the log and the heads and tells how many events there are.
func (d Dataset) write(ctx context.Context, tell drill.Tell) (head events.Seq, err error) {
	// A heap of this size does not fit the limit that serve keeps to.
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	clock := drill.NewClock(drill.Begins, time.Now)
	sys, err := daemon.Open(ctx, daemon.Config{DataDir: d.Data(), Clock: clock.Now, Paused: true, CacheBytes: writingCacheBytes})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, sys.Close(context.WithoutCancel(ctx))) }()
	if err := d.Cast().Live(ctx, drill.System{Service: sys.Service, Log: sys.Log, Clock: clock}, tell); err != nil {
		return 0, err
	}
	return sys.Log.Head(ctx)
}

// follow lets the views follow, and verifies them.
func (d Dataset) follow(ctx context.Context, tell drill.Tell) error {
	sys, err := open(ctx, daemon.Config{DataDir: d.Data()}, tell)
	if err != nil {
		return err
	}
	err = settled(ctx, sys)
	if err == nil {
		_, err = sys.Prove(ctx)
	}
	return errors.Join(err, sys.Close(context.WithoutCancel(ctx)))
}

// copyTree copies a data directory that nobody has open. Pebble's tables are
// never written to again, so they are linked; everything else is written in
// place, the blocks of the log above all, and is copied.
func copyTree(ctx context.Context, from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case entry.IsDir():
			return os.MkdirAll(target, 0o700)
		case filepath.Ext(path) == ".sst" && os.Link(path, target) == nil:
			return nil
		}
		return copyFile(path, target)
	})
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in) // a reflink where the file system has them
	return errors.Join(err, out.Close())
}
