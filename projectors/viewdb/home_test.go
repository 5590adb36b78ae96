package viewdb_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

func openHome(tb testing.TB, cfg viewdb.Config) *viewdb.Home {
	tb.Helper()
	h, err := viewdb.OpenHome(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = h.Close() })
	return h
}

// fill commits up to a Seq.
func fill(tb testing.TB, db *viewdb.DB, upTo events.Seq) {
	tb.Helper()
	b := db.NewBatch()
	for seq := db.Checkpoint().Seq + 1; seq <= upTo; seq++ {
		if err := commitRows(b, seq); err != nil {
			tb.Fatal(err)
		}
	}
}

func generations(tb testing.TB, fs vfs.FS, dir string) (out []string) {
	tb.Helper()
	names, err := fs.List(dir)
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, "marker.") {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func TestSwapUnderConcurrentReaders(t *testing.T) {
	t.Parallel()
	h := openHome(t, config(t.TempDir(), nil))
	fill(t, h.Current(), 5)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for last := events.Seq(0); ; {
				select {
				case <-done:
					return
				default:
				}
				err := h.View(func(s *viewdb.Snapshot) error {
					sum, err := viewdb.SumOf(s)
					if sum.Rows != int64(s.Checkpoint().Seq)+1 {
						t.Errorf("%d rows at %d", sum.Rows, s.Checkpoint().Seq)
					}
					if s.Checkpoint().Seq < last {
						t.Errorf("from %d back to %d", last, s.Checkpoint().Seq)
					}
					last = s.Checkpoint().Seq
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 5 {
		next, err := h.Begin()
		if err != nil {
			t.Fatal(err)
		}
		fill(t, next, events.Seq(6+i))
		if err := h.Swap(next); err != nil {
			t.Fatal(err)
		}
		if h.Current() != next {
			t.Fatal("the new generation does not serve")
		}
	}
	close(done)
	readers.Wait()
	if got := generations(t, vfs.Default, h.Dir()); len(got) != 1 {
		t.Errorf("generations left: %q", got)
	}
}

func TestReadersKeepTheirGeneration(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	h := openHome(t, config("views", mem))
	fill(t, h.Current(), 3)
	old, release, err := h.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	next, err := h.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Swap(old); err == nil {
		t.Error("a generation that was not begun is swapped in")
	}
	if err := h.Swap(next); err != nil {
		t.Fatal(err)
	}
	checkRows(t, old)
	release()
	release()
	if _, _, err := old.Get([]byte("last")); !errors.Is(err, viewdb.ErrClosed) {
		t.Errorf("an old generation nobody reads: %v", err)
	}
	stale, err := h.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Begin(); err != nil {
		t.Fatal(err)
	}
	if err := h.Swap(stale); err == nil {
		t.Error("a generation that was thrown away is swapped in")
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Acquire(); !errors.Is(err, viewdb.ErrClosed) {
		t.Error(err)
	}
	if got := generations(t, mem, h.Dir()); len(got) != 1 {
		t.Errorf("generations left: %q", got)
	}
}

func TestAnotherFormatBeginsAnEmptyGeneration(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	cfg := config("views", mem)
	h := openHome(t, cfg)
	fill(t, h.Current(), 3)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Format++
	h = openHome(t, cfg)
	if !h.Current().Checkpoint().IsZero() {
		t.Error("rows of another format are served")
	}
	if got := generations(t, mem, h.Dir()); len(got) != 1 {
		t.Errorf("generations left: %q", got)
	}
}

// Power fails at every write of a rebuild and swap, with some of what was not
// synced kept: either the old generation is there, whole, or the new one.
func TestPowerLossDuringSwap(t *testing.T) {
	t.Parallel()
	mem := vfs.NewCrashableMem()
	var clones []*vfs.MemFS
	var mu sync.Mutex
	swapping := false
	watch := errorfs.InjectorFunc(func(op errorfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if swapping && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			n := len(clones)
			clones = append(clones, mem.CrashClone(vfs.CrashCloneCfg{
				UnsyncedDataPercent: n % 3 * 50, RNG: rand.New(rand.NewPCG(1, uint64(n))),
			}))
		}
		return nil
	})
	h := openHome(t, config("views", errorfs.Wrap(mem, watch)))
	fill(t, h.Current(), 5)
	if err := h.Current().Flush(); err != nil {
		t.Fatal(err)
	}
	set := func(on bool) { mu.Lock(); swapping = on; mu.Unlock() }
	set(true)
	next, err := h.Begin()
	if err != nil {
		t.Fatal(err)
	}
	fill(t, next, 9)
	if err := h.Swap(next); err != nil {
		t.Fatal(err)
	}
	set(false)
	served := map[events.Seq]int{}
	for _, clone := range clones {
		after := openHome(t, config("views", clone))
		checkRows(t, after.Current())
		served[after.Current().Checkpoint().Seq]++
		if got := generations(t, clone, h.Dir()); len(got) != 1 {
			t.Errorf("generations left: %q", got)
		}
		if err := after.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(served) != 2 || served[5] == 0 || served[9] == 0 {
		t.Errorf("clones by checkpoint: %v", served)
	}
}

func TestCorruptGenerationIsMovedAside(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	cfg := config("views", mem)
	cfg.MemTableBytes = 0
	faults := make(chan error, 10)
	cfg.OnFault = func(_ string, err error) { faults <- err }
	h := openHome(t, cfg)
	fill(t, h.Current(), 20)
	if err := h.Current().Flush(); err != nil {
		t.Fatal(err)
	}
	if err := h.Recover(); err != nil || h.Current().Checkpoint() != at(20) {
		t.Errorf("recovery of a sound view: %v, at %d", err, h.Current().Checkpoint().Seq)
	}
	damageTables(t, mem, h.Dir()+"/000001")
	reader, release, err := h.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := viewdb.SumOf(reader); !errors.Is(err, viewdb.ErrCorrupt) {
		t.Fatal("damage in a live view:", err)
	}
	if err := <-faults; !errors.Is(err, viewdb.ErrCorrupt) {
		t.Error(err)
	}
	if err := h.Recover(); err != nil {
		t.Fatal(err)
	}
	release()
	if !h.Current().Checkpoint().IsZero() || h.Current().Fault() != nil {
		t.Error("the view does not begin afresh")
	}
	want := []string{"000001.corrupt", "000002"}
	if got := generations(t, mem, h.Dir()); !slices.Equal(got, want) {
		t.Errorf("generations %q, want %q", got, want)
	}
	fill(t, h.Current(), 4)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = openHome(t, cfg)
	checkRows(t, h.Current())
}

func TestCorruptGenerationAtOpen(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	cfg := config("views", mem)
	var reported error
	cfg.OnFault = func(_ string, err error) { reported = err }
	h := openHome(t, cfg)
	dir := h.Dir() + "/000001"
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := mem.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "MANIFEST") {
			if err := mem.Remove(dir + "/" + name); err != nil {
				t.Fatal(err)
			}
		}
	}
	h = openHome(t, cfg)
	if !errors.Is(reported, viewdb.ErrCorrupt) {
		t.Error("reported:", reported)
	}
	if got := generations(t, mem, h.Dir()); !slices.Equal(got, []string{"000001.corrupt", "000002"}) {
		t.Errorf("generations %q", got)
	}
}

func TestRecoverAfterFullDisk(t *testing.T) {
	t.Parallel()
	disk := &fullDisk{}
	h := openHome(t, config("views", errorfs.Wrap(vfs.NewMem(), disk)))
	fill(t, h.Current(), 5)
	mustSync(t, h.Current(), h.Current().Sync)
	disk.full.Store(true)
	if err := h.Current().Flush(); !errors.Is(err, viewdb.ErrNoSpace) {
		t.Fatal(err)
	}
	if err := h.Recover(); !errors.Is(err, viewdb.ErrNoSpace) {
		t.Error("recovery on a full disk:", err)
	}
	disk.full.Store(false)
	if err := h.Recover(); err != nil {
		t.Fatal(err)
	}
	checkRows(t, h.Current())
	if got := h.Current().Checkpoint(); got != at(5) {
		t.Errorf("at %d", got.Seq)
	}
	fill(t, h.Current(), 8)
}

func damageTables(t *testing.T, mem *vfs.MemFS, dir string) {
	t.Helper()
	names, err := mem.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") {
			data, err := mem.UnsafeGetFileDataBuffer(dir + "/" + name)
			if err != nil {
				t.Fatal(err)
			}
			for i := range len(data) / 2 {
				data[i] ^= 0x10
			}
		}
	}
}
