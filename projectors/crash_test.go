package projectors_test

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
)

// The machine loses power before some I/O operation, with none, half or all of
// what was not synced kept. Whenever it was, the views start again behind the
// log at most, and catch up to the very same rows.
func TestPowerLossAtAnyPoint(t *testing.T) {
	t.Parallel()
	all := someHistory(t, 1, 700)
	mem := vfs.NewCrashableMem()
	var clones []*vfs.MemFS
	ops := 0
	rng := rand.New(rand.NewPCG(1, 2))
	hook := errorfs.InjectorFunc(func(errorfs.Op) error {
		if ops++; ops%17 == 0 {
			clones = append(clones, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(3) * 50, RNG: rng}))
		}
		return nil
	})
	v := tenants.New()
	home := openHome(t, v, errorfs.Wrap(mem, serial(hook)))
	fold := projectors.Folder(home.Current(), v, "test@memory", projectors.NewVoucher(deletion.Genesis{}))
	for i := 0; i < len(all); i += 25 {
		if err := fold(all[i:min(i+25, len(all))]); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			if err := home.Current().Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := home.Close(); err != nil {
		t.Fatal(err)
	}
	log := newLog(t, all...)
	stood := map[events.Seq]int{}
	for _, clone := range clones {
		after := []projectors.View{{Projector: v, Home: openHome(t, v, clone)}}
		at := after[0].Home.Current().Checkpoint()
		stood[at.Seq]++
		if err := projectors.CheckLog(t.Context(), log, at); err != nil {
			t.Fatal(err)
		}
		fill(t, after[0], all[at.Seq:])
		checkViews(t, after, log)
		if err := after[0].Home.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d power losses; the views stood at %v", len(clones), stood)
	if len(clones) < 10 || len(stood) < 4 {
		t.Error("the harness is blind")
	}
}

// serial lets one operation at a time into an injector.
func serial(i errorfs.Injector) errorfs.Injector {
	turn := make(chan struct{}, 1)
	return errorfs.InjectorFunc(func(op errorfs.Op) error {
		turn <- struct{}{}
		defer func() { <-turn }()
		return i.MaybeError(op)
	})
}

// The disk of one view is full for a while: that view is out of service, the
// others go on, and once there is room it comes back with nothing missing.
func TestFullDiskTakesOneViewOut(t *testing.T) {
	t.Parallel()
	all := someHistory(t, 2, 2500)
	log := newLog(t, all[:200]...)
	var full atomic.Bool
	needSpace := []errorfs.OpKind{errorfs.OpCreate, errorfs.OpFileWrite, errorfs.OpFileSync, errorfs.OpFileSyncData}
	disk := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && slices.Contains(needSpace, op.Kind) && strings.Contains(op.Path, tenants.Name) {
			return &fs.PathError{Op: "write", Path: op.Path, Err: syscall.ENOSPC}
		}
		return nil
	})
	views := openViews(t, errorfs.Wrap(vfs.NewMem(), disk))
	faulted, recovered := make(chan error, 100), make(chan events.Seq, 100)
	r := projectors.NewRunner(log, views, projectors.Listener{
		Faulted: func(view string, err error) {
			if view != tenants.Name {
				t.Errorf("view %s: %v", view, err)
			}
			faulted <- err
		},
		Recovered: func(_ string, seq events.Seq) { recovered <- seq },
	})
	stop := run(t, r)
	waitFor(t, r, 200)
	full.Store(true)
	next := 200
	for len(faulted) == 0 && next < len(all) {
		appendTo(t, log, all[next:next+10]...)
		next += 10
		waitFor(t, r, events.Seq(next)) // the others, once this one is out
	}
	if len(faulted) == 0 {
		t.Fatal("a full disk is never noticed")
	}
	if err := <-faulted; !errors.Is(err, viewdb.ErrNoSpace) {
		t.Error(err)
	}
	full.Store(false)
	if seq := <-recovered; seq < events.Seq(next) {
		t.Errorf("it came back at %d, the others stood at %d", seq, next)
	}
	appendTo(t, log, all[next:]...)
	waitFor(t, r, events.Seq(len(all)))
	for _, s := range r.Status() {
		if s.Fault != nil {
			t.Errorf("%+v", s)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	checkViews(t, views, log)
}

// Nobody appends, and a reader comes upon a damaged table: the view is begun
// anew all the same.
func TestDamageThatAReaderFindsIsMended(t *testing.T) {
	t.Parallel()
	all := someHistory(t, 3, 1500)
	log := newLog(t, all...)
	mem := vfs.NewMem()
	v := history.New()
	first := openHome(t, v, mem)
	fill(t, projectors.View{Projector: v, Home: first}, all)
	if err := errors.Join(first.Current().Flush(), first.Close()); err != nil {
		t.Fatal(err)
	}
	views := []projectors.View{{Projector: v, Home: openHome(t, v, mem)}}
	damageTables(t, mem, v.Name())
	recovered := make(chan events.Seq, 1)
	r := projectors.NewRunner(log, views, projectors.Listener{Recovered: func(_ string, seq events.Seq) { recovered <- seq }})
	stop := run(t, r)
	if _, err := viewdb.SumOf(views[0].Home.Current()); !errors.Is(err, viewdb.ErrCorrupt) && !errors.Is(err, viewdb.ErrQuarantined) {
		t.Fatalf("the damage is not seen: %v", err)
	}
	if seq := <-recovered; seq != events.Seq(len(all)) {
		t.Errorf("it came back at %d of %d", seq, len(all))
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	want := openDB(t, v, vfs.NewMem())
	if err := projectors.Folder(want, v, log.Identity(), projectors.NewVoucher(deletion.Genesis{}))(all); err != nil {
		t.Fatal(err)
	}
	sameView(t, views[0], want)
}

// damageTables writes over some of every table, behind the block that opening
// a view reads.
func damageTables(t testing.TB, mem *vfs.MemFS, view string) {
	t.Helper()
	dir := "views/" + view + "/000001"
	names, err := mem.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	damaged := 0
	for _, name := range names {
		if !strings.HasSuffix(name, ".sst") {
			continue
		}
		f, err := mem.OpenReadWrite(mem.PathJoin(dir, name), vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		bad := []byte("this is not what was written here")
		for part := range int64(3) { // one of them is in the filter, perhaps, which no scan reads
			if _, err := f.WriteAt(bad, info.Size()*(part+1)/4); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		damaged++
	}
	if damaged == 0 {
		t.Fatal("there are no tables")
	}
}

// The files are whole and a row holds nonsense: the view is folded anew.
func TestNonsenseInARowIsMended(t *testing.T) {
	t.Parallel()
	life := aTenantsLife(t)
	log := newLog(t, life...)
	views := openViews(t, vfs.NewMem())[:1]
	fill(t, views[0], eventtest.All(t, log))
	spoil(t, views[0].Home.Current(), string(projectors.WholeRow(aTenant)), "nonsense")
	recovered := make(chan events.Seq, 1)
	r := projectors.NewRunner(log, views, projectors.Listener{Recovered: func(_ string, seq events.Seq) { recovered <- seq }})
	stop := run(t, r)
	appendTo(t, log, stored(t, 0, aTenant, 0, events.TenantDeactivated{}))
	if seq := <-recovered; seq != events.Seq(len(life)+1) {
		t.Errorf("it came back at %d", seq)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	checkViews(t, views, log)
}
