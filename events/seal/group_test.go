package seal

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// faultyFile fails or waits where a test tells it to.
type faultyFile struct {
	keyFile
	mu       sync.Mutex
	syncs    int
	onSync   func(n int) error
	onWrite  func(p []byte) (int, error) // how much to write before the error
	truncate error
}

func (f *faultyFile) Sync() error {
	f.mu.Lock()
	f.syncs++
	n := f.syncs
	f.mu.Unlock()
	if f.onSync != nil {
		if err := f.onSync(n); err != nil {
			return err
		}
	}
	return f.keyFile.Sync()
}

func (f *faultyFile) WriteAt(p []byte, at int64) (int, error) {
	if f.onWrite == nil {
		return f.keyFile.WriteAt(p, at)
	}
	n, fault := f.onWrite(p)
	if _, err := f.keyFile.WriteAt(p[:n], at); err != nil {
		return 0, err
	}
	return n, fault
}

func (f *faultyFile) Truncate(size int64) error {
	if f.truncate != nil {
		return f.truncate
	}
	return f.keyFile.Truncate(size)
}

func openFaulty(tb testing.TB, dir string) (*DiskRing, *faultyFile) {
	tb.Helper()
	r := open(tb, dir)
	f := &faultyFile{keyFile: r.file}
	r.file = f
	return r, f
}

func TestAFullDiskIsSurvived(t *testing.T) {
	t.Parallel()
	faults := map[string]func(*faultyFile){
		"write": func(f *faultyFile) {
			f.onWrite = func(p []byte) (int, error) { f.onWrite = nil; return len(p) / 2, syscall.ENOSPC }
		},
		"sync": func(f *faultyFile) {
			f.onSync = func(int) error { f.onSync = nil; return syscall.ENOSPC }
		},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r, f := openFaulty(t, dir)
			create(t, r, owner(0))
			fault(f)
			if err := r.Create(owner(1), owner(2)); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("create: %v", err)
			}
			if _, err := r.Key(owner(1)); !errors.Is(err, ErrNoKey) {
				t.Fatalf("a key that is not durable: %v", err)
			}
			if n := int64(len(keyBytes(t, dir))); n != recordOffset(1) {
				t.Fatalf("the file has %d bytes", n)
			}
			fault(f)
			if err := r.Destroy(owner(0)); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("destroy: %v", err)
			}
			keyOf(t, r, owner(0))
			create(t, r, owner(1), owner(3))
			want := keyOf(t, r, owner(1))
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if keyOf(t, open(t, dir), owner(1)) != want {
				t.Error("the key has changed")
			}
		})
	}
}

func TestAFileThatCannotBeCutIsNotWrittenToAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, f := openFaulty(t, dir)
	create(t, r, owner(0))
	f.truncate = syscall.EIO
	f.onWrite = func(p []byte) (int, error) { f.onWrite = nil; return len(p) / 2, syscall.EIO }
	for range 2 {
		if err := r.Create(owner(1)); !errors.Is(err, syscall.EIO) {
			t.Fatalf("create: %v", err)
		}
	}
	want := keyOf(t, r, owner(0))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	create(t, again, owner(1))
	if keyOf(t, again, owner(0)) != want {
		t.Error("the key has changed")
	}
}

func TestManyCallersShareAnFsync(t *testing.T) {
	t.Parallel()
	const callers = 100
	r, f := openFaulty(t, t.TempDir())
	release := make(chan struct{})
	f.onSync = func(n int) error {
		if n == 1 {
			<-release
		}
		return nil
	}
	var wg sync.WaitGroup
	for _, o := range owners(callers) {
		wg.Go(func() {
			if err := r.Create(o, owner(0)); err != nil {
				t.Error(err)
			}
		})
	}
	enlisted := func() (n int) {
		r.mu.RLock()
		defer r.mu.RUnlock()
		for _, g := range []*group{r.next, r.writing} {
			if g != nil {
				n += len(g.owners)
			}
		}
		return n
	}
	for enlisted() < callers {
		runtime.Gosched()
	}
	close(release)
	wg.Wait()
	if f.syncs != 2 {
		t.Errorf("%d fsyncs, want one for the first caller and one for all others", f.syncs)
	}
	for _, o := range owners(callers) {
		keyOf(t, r, o)
	}
}

// TestDestroyWhileCreating looks that a key which was waiting to be written does
// not outlive the destruction of its owner.
func TestDestroyWhileCreating(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := open(t, dir)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 1))
			for range 40 {
				o := owner(rng.IntN(60))
				if err := r.Create(o, owner(100+rng.IntN(50))); err != nil && !errors.Is(err, ErrErased) {
					t.Error(err)
				}
				if rng.IntN(4) > 0 {
					continue
				}
				if err := r.Destroy(o); err != nil {
					t.Error(err)
				}
				if _, err := r.Key(o); !errors.Is(err, ErrErased) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	want := owned(r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, owned(open(t, dir))); diff != "" {
		t.Errorf("another ring after opening it again: %s", diff)
	}
}

func owned(r *DiskRing) map[string]bool {
	out := map[string]bool{}
	for o, at := range r.at {
		out[o.String()] = at == destroyed
	}
	return out
}
