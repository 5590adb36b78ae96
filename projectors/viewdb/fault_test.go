package viewdb_test

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

// After every commit the machine loses power, with none, half or all of what
// was not synced kept: the view may be behind, never torn.
func TestPowerLossNeverTearsAView(t *testing.T) {
	t.Parallel()
	const commits = 90
	mem := vfs.NewCrashableMem()
	db := open(t, config("v", mem))
	b := db.NewBatch()
	var kept [3]events.Seq
	var synced events.Seq
	for seq := events.Seq(1); seq <= commits; seq++ {
		if err := commitRows(b, seq); err != nil {
			t.Fatal(err)
		}
		switch uint64(seq) % 40 {
		case 0:
			synced = mustSync(t, db, db.Flush)
		case 25:
			synced = mustSync(t, db, db.Sync)
		}
		for i, percent := range []int{0, 50, 100} {
			clone := mem.CrashClone(vfs.CrashCloneCfg{
				UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(uint64(seq), uint64(percent))),
			})
			after, err := viewdb.Open(config("v", clone))
			if err != nil {
				t.Fatalf("power loss at %d, %d%% kept: %v", seq, percent, err)
			}
			checkRows(t, after)
			if got := after.Checkpoint().Seq; got < synced {
				t.Fatalf("power loss at %d, %d%% kept: at %d, synced up to %d", seq, percent, got, synced)
			}
			kept[i] += after.Checkpoint().Seq
			if err := after.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The harness is blind if keeping nothing and keeping all look alike.
	if kept[0] >= kept[2] {
		t.Errorf("kept with 0, 50 and 100%% of the unsynced data: %d", kept)
	}
}

func mustSync(t *testing.T, db *viewdb.DB, sync func() error) events.Seq {
	t.Helper()
	if err := sync(); err != nil {
		t.Fatal(err)
	}
	return db.Checkpoint().Seq
}

// workload opens a view and works on it as far as it gets.
func workload(cfg viewdb.Config) error {
	db, err := viewdb.Open(cfg)
	if err != nil {
		return err
	}
	b := db.NewBatch()
	err = func() error {
		first := db.Checkpoint().Seq + 1
		for seq := first; seq < first+6; seq++ {
			if err := commitRows(b, seq); err != nil {
				return err
			}
			if seq%3 == 0 {
				if err := db.Flush(); err != nil {
					return err
				}
			}
			if _, _, err := db.Get(rowKey(1)); err != nil {
				return err
			}
			if _, err := viewdb.SumOf(db); err != nil {
				return err
			}
		}
		return nil
	}()
	return errors.Join(err, db.Close())
}

// Every I/O operation fails once, by itself: the process lives, and a view
// opened again afterwards holds a prefix of the commits.
func TestEveryIOOperationFailsOnce(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	reported := 0
	for i := int64(1); ; i++ {
		mem := vfs.NewMem()
		if err := workload(config("v", mem)); err != nil {
			t.Fatal(err)
		}
		var ops atomic.Int64
		var failed atomic.Pointer[errorfs.Op]
		inject := errorfs.InjectorFunc(func(op errorfs.Op) error {
			if ops.Add(1) != i {
				return nil
			}
			failed.Store(&op)
			return boom
		})
		err := workload(config("v", errorfs.Wrap(mem, inject)))
		op := failed.Load()
		if err != nil {
			reported++
			if !errors.Is(err, boom) && !errors.Is(err, viewdb.ErrCorrupt) {
				t.Errorf("operation %d, %+v: %v", i, op, err)
			}
		}
		db, err := viewdb.Open(config("v", mem))
		if err != nil {
			t.Fatalf("after operation %d, %+v: %v", i, op, err)
		}
		checkRows(t, db)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if op == nil {
			t.Logf("%d operations, %d failures reported", i-1, reported)
			if i < 50 || reported < 20 {
				t.Error("too few operations failed for the test to mean anything")
			}
			return
		}
	}
}

// fullDisk refuses to write while it is full.
type fullDisk struct{ full atomic.Bool }

func (*fullDisk) String() string { return "full disk" }

func (d *fullDisk) MaybeError(op errorfs.Op) error {
	needsSpace := op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpFileWrite ||
		op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData
	if needsSpace && d.full.Load() {
		return &fs.PathError{Op: "write", Path: op.Path, Err: syscall.ENOSPC}
	}
	return nil
}

func TestFullDiskIsAnErrorAndRecoverable(t *testing.T) {
	t.Parallel()
	mem, disk := vfs.NewMem(), &fullDisk{}
	cfg := config("v", errorfs.Wrap(mem, disk))
	faults := make(chan error, 10)
	cfg.OnFault = func(_ string, err error) { faults <- err }
	db := open(t, cfg)
	b := db.NewBatch()
	var seq events.Seq
	var err error
	for seq = 1; err == nil; seq++ {
		if seq == 20 {
			mustSync(t, db, db.Sync)
			disk.full.Store(true)
		}
		if seq > 100_000 {
			t.Fatal("a full disk is never noticed")
		}
		err = commitRows(b, seq)
	}
	if !errors.Is(err, viewdb.ErrNoSpace) || !errors.Is(err, viewdb.ErrQuarantined) {
		t.Fatal(err)
	}
	fault := <-faults
	if !errors.Is(fault, viewdb.ErrNoSpace) || !strings.Contains(fault.Error(), "free space") {
		t.Error(fault)
	}
	for what, err := range everyCall(db) {
		if !errors.Is(err, viewdb.ErrQuarantined) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if db.Close() == nil {
		t.Error("a view with a fault closes without one")
	}
	if _, err := viewdb.Open(cfg); !errors.Is(err, viewdb.ErrNoSpace) {
		t.Errorf("open on a full disk: %v", err)
	}
	disk.full.Store(false)
	db = open(t, cfg)
	checkRows(t, db)
	if got := db.Checkpoint().Seq; got < 19 {
		t.Errorf("reopened at %d", got)
	}
	if err := commitRows(db.NewBatch(), db.Checkpoint().Seq+1); err != nil {
		t.Error(err)
	}
}

// A commit that waits for the disk must not wait for ever.
func TestFullDiskFreesAStalledCommit(t *testing.T) {
	t.Parallel()
	disk := &fullDisk{}
	db := open(t, config("v", errorfs.Wrap(vfs.NewMem(), disk)))
	disk.full.Store(true)
	b := db.NewBatch()
	value := make([]byte, 100<<10)
	var err error
	for seq := events.Seq(1); err == nil; seq++ {
		if err = b.Set(rowKey(int(seq)), value); err == nil {
			err = b.Commit(at(seq))
		}
	}
	if !errors.Is(err, viewdb.ErrNoSpace) {
		t.Error(err)
	}
	if err := b.Set([]byte("x"), nil); err != nil || b.Commit(at(1<<40)) == nil {
		t.Error("the batch after a failed commit:", err)
	}
	_ = db.Close() // hangs if Pebble cannot come to rest
}

func everyCall(db *viewdb.DB) map[string]error {
	nothing := func(_, _ []byte) error { return nil }
	_, _, get := db.Get([]byte("x"))
	_, snapshot := db.Snapshot()
	_, load := db.BeginLoad()
	b := db.NewBatch()
	return map[string]error{
		"get": get, "snapshot": snapshot, "scan": db.Scan(nil, nil, nothing), "reverse": db.ScanReverse(nil, nil, nothing),
		"commit": b.Commit(at(1 << 40)), "clear": b.Clear([]byte("x")), "flush": db.Flush(), "save": db.SaveTo("elsewhere"),
		"load": load,
	}
}

// One bit flips in one file: the view gives the right rows, or an older
// checkpoint with its rows, or an error that says it is corrupt; never a wrong
// answer.
func TestBitFlipsAreNoticed(t *testing.T) {
	t.Parallel()
	whole := savedView(t)
	names, err := whole.List("v")
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	outcomes := map[string]int{}
	for _, name := range names {
		data := readFile(t, whole, "v/"+name)
		for range min(len(data), 40) {
			clone := savedView(t)
			bad := append([]byte(nil), data...)
			bad[rng.IntN(len(bad))] ^= 1 << rng.IntN(8)
			writeFile(t, clone, "v/"+name, bad)
			outcomes[outcome(t, name, clone)]++
		}
	}
	t.Log(outcomes)
	if outcomes["corrupt"] < 20 {
		t.Error("too few flips were noticed for the test to mean anything")
	}
}

// outcome opens a damaged view and tells what came of it.
func outcome(t *testing.T, name string, damaged vfs.FS) string {
	t.Helper()
	db, err := viewdb.Open(config("v", damaged))
	if err == nil {
		defer func() { _ = db.Close() }()
		_, err = viewdb.SumOf(db)
	}
	switch {
	case err == nil:
		checkRows(t, db)
		if db.Checkpoint() == at(30) {
			return "right"
		}
		return "older"
	case errors.Is(err, viewdb.ErrCorrupt):
		if db != nil && !errors.Is(db.Fault(), viewdb.ErrQuarantined) {
			t.Errorf("%s: corrupt, and still in service", name)
		}
		return "corrupt"
	}
	t.Errorf("%s: %v", name, err)
	return "other error"
}

// savedView is a closed view of 30 commits, in tables and in the log.
func savedView(t *testing.T) *vfs.MemFS {
	t.Helper()
	mem := vfs.NewMem()
	db := open(t, config("v", mem))
	b := db.NewBatch()
	for seq := events.Seq(1); seq <= 30; seq++ {
		if err := commitRows(b, seq); err != nil {
			t.Fatal(err)
		}
		if seq == 20 {
			if err := db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return mem
}

func readFile(t *testing.T, from vfs.FS, name string) []byte {
	t.Helper()
	f, err := from.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return data
}

func writeFile(t *testing.T, to vfs.FS, name string, data []byte) {
	t.Helper()
	f, err := to.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}
