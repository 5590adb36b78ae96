package viewdb_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

func TestCommitSurvivesReopenOnDisk(t *testing.T) {
	t.Parallel()
	cfg := config(t.TempDir(), nil)
	db := open(t, cfg)
	if !db.Checkpoint().IsZero() {
		t.Fatal("a new view has a checkpoint")
	}
	b := db.NewBatch()
	for seq := range 100 {
		if err := commitRows(b, events.Seq(seq+1)); err != nil {
			t.Fatal(err)
		}
	}
	if b.Len() != 0 {
		t.Errorf("%d changes are left after the commit", b.Len())
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := db.Get([]byte("x")); !errors.Is(err, viewdb.ErrClosed) {
		t.Errorf("get after close: %v", err)
	}
	db = open(t, cfg)
	checkRows(t, db)
	if got := db.Checkpoint(); got != at(100) {
		t.Errorf("checkpoint %+v", got)
	}
}

func TestBatchReadsItsOwnWrites(t *testing.T) {
	t.Parallel()
	db := open(t, config("v", vfs.NewMem()))
	b := db.NewBatch()
	mustSet(t, b, "a1", "old", "a2", "old", "b1", "old")
	if err := b.Commit(at(1)); err != nil {
		t.Fatal(err)
	}
	mustSet(t, b, "a2", "new", "a3", "new")
	if err := b.Delete([]byte("a1")); err != nil {
		t.Fatal(err)
	}
	want := []string{"a2=new", "a3=new", "b1=old"}
	if d := cmp.Diff(want, list(t, b)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"a1=old", "a2=old", "b1=old"}, list(t, db)); d != "" {
		t.Error("the view changed before the commit:", d)
	}
	if err := b.Clear([]byte("a")); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"b1=old"}, list(t, b)); d != "" {
		t.Error(d)
	}
	b.Reset()
	if d := cmp.Diff([]string{"a1=old", "a2=old", "b1=old"}, list(t, b)); d != "" {
		t.Error(d)
	}
}

func TestSnapshotStandsStill(t *testing.T) {
	t.Parallel()
	db := open(t, config("v", vfs.NewMem()))
	b := db.NewBatch()
	mustSet(t, b, "a", "1")
	if err := b.Commit(at(1)); err != nil {
		t.Fatal(err)
	}
	s, err := db.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	mustSet(t, b, "a", "2", "b", "2")
	if err := b.Commit(at(2)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a=1"}, list(t, s)); d != "" {
		t.Error(d)
	}
	if s.Checkpoint() != at(1) || db.Checkpoint() != at(2) {
		t.Errorf("snapshot at %d, view at %d", s.Checkpoint().Seq, db.Checkpoint().Seq)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	leaked, err := db.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Close(), leaked.Close()); err != nil {
		t.Error("close with a snapshot left open:", err)
	}
}

func TestReservedAndEmptyKeysAreRefused(t *testing.T) {
	t.Parallel()
	db := open(t, config("v", vfs.NewMem()))
	b := db.NewBatch()
	for _, key := range []string{"", "\x00", "\x00c"} {
		_, _, err := db.Get([]byte(key))
		for _, err := range []error{err, b.Set([]byte(key), nil), b.Delete([]byte(key))} {
			if !errors.Is(err, viewdb.ErrKey) {
				t.Errorf("key %q: %v", key, err)
			}
		}
	}
	if err := b.Commit(at(1)); err != nil {
		t.Fatal(err)
	}
	if got := list(t, db); len(got) != 0 {
		t.Errorf("the store's own rows show: %q", got)
	}
	if err := b.Clear(nil); err != nil || b.Len() != 0 {
		t.Errorf("clear of everything touches the store's own rows: %d, %v", b.Len(), err)
	}
}

func TestScansEndEarly(t *testing.T) {
	t.Parallel()
	db := open(t, config("v", vfs.NewMem()))
	b := db.NewBatch()
	mustSet(t, b, "a", "", "b", "", "c", "")
	boom := errors.New("boom")
	for _, stop := range []error{viewdb.ErrStop, fmt.Errorf("wrapped: %w", viewdb.ErrStop), boom} {
		n := 0
		err := b.ScanReverse(nil, nil, func(key, _ []byte) error {
			n++
			if string(key) == "b" {
				return stop
			}
			return nil
		})
		want := error(nil)
		if errors.Is(stop, boom) {
			want = boom
		}
		if n != 2 || !errors.Is(err, want) {
			t.Errorf("%v: %d rows, %v", stop, n, err)
		}
	}
	if err := b.Scan([]byte("c"), []byte("a"), func(_, _ []byte) error { return boom }); err != nil {
		t.Errorf("bounds the wrong way round: %v", err)
	}
}

func TestAnotherFormatOrViewIsRefused(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	cfg := config("v", mem)
	if err := open(t, cfg).Close(); err != nil {
		t.Fatal(err)
	}
	other, renamed := cfg, cfg
	other.Format, renamed.Name = 2, "other"
	for _, c := range []viewdb.Config{other, renamed} {
		if _, err := viewdb.Open(c); !errors.Is(err, viewdb.ErrFormat) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	open(t, cfg) // the refused attempts let go of it
	if _, err := viewdb.Open(viewdb.Config{MemTableBytes: 1}); err == nil {
		t.Error("an empty configuration is accepted")
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	cfg := config("v", vfs.NewMem())
	db := open(t, cfg)
	if err := commitRows(db.NewBatch(), 1); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.ReadOnly = true
	db = open(t, cfg)
	checkRows(t, db)
	_, load := db.BeginLoad()
	for _, err := range []error{commitRows(db.NewBatch(), 2), db.Flush(), load} {
		if !errors.Is(err, viewdb.ErrReadOnly) {
			t.Error(err)
		}
	}
	if _, err := viewdb.Open(cfg); err == nil || errors.Is(err, viewdb.ErrCorrupt) {
		t.Errorf("a view that is open already: %v", err)
	}
	cfg.Dir = "new"
	if _, err := viewdb.Open(cfg); err == nil {
		t.Error("a view that does not exist opens read-only")
	}
}

func TestCommitNeverGoesBackwards(t *testing.T) {
	t.Parallel()
	db := open(t, config("v", vfs.NewMem()))
	b := db.NewBatch()
	if err := b.Commit(at(5)); err != nil {
		t.Fatal(err)
	}
	mustSet(t, b, "a", "1")
	if err := b.Commit(at(4)); !errors.Is(err, viewdb.ErrBackwards) {
		t.Error(err)
	}
	if err := b.Commit(at(6)); err != nil {
		t.Error("the batch is of no use after a refusal:", err)
	}
}

// A batch larger than a memtable takes another way through Pebble.
func TestLargeBatchIsOneCommit(t *testing.T) {
	t.Parallel()
	cfg := config("v", vfs.NewMem())
	db := open(t, cfg)
	b := db.NewBatch()
	for i := range 3 {
		value := bytes.Repeat([]byte{byte(i)}, 1000)
		for n := range 2000 {
			if err := b.Set(rowKey(n), value); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Commit(at(1 + events.Seq(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, cfg)
	n := 0
	err := db.Scan(nil, nil, func(_, value []byte) error {
		n++
		if value[0] != 2 || len(value) != 1000 {
			t.Errorf("row %d is of commit %d", n, value[0]+1)
		}
		return nil
	})
	if err != nil || n != 2000 || db.Checkpoint() != at(3) {
		t.Errorf("%d rows at %d, %v", n, db.Checkpoint().Seq, err)
	}
}

func TestSaveToIsACopy(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	db := open(t, config("v", mem))
	b := db.NewBatch()
	for seq := range 10 {
		if err := commitRows(b, events.Seq(seq+1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.SaveTo("copy"); err != nil {
		t.Fatal(err)
	}
	if err := commitRows(b, 11); err != nil {
		t.Fatal(err)
	}
	saved := open(t, config("copy", mem))
	checkRows(t, saved)
	if saved.Checkpoint() != at(10) {
		t.Errorf("copy at %d", saved.Checkpoint().Seq)
	}
	if err := db.SaveTo("copy"); err == nil || db.Fault() != nil {
		t.Errorf("saved over a copy: %v; fault: %v", err, db.Fault())
	}
	if m := db.Metrics(); m.DiskBytes == 0 || m.MemTableBytes == 0 {
		t.Errorf("%+v", m)
	}
}

func TestDigestIsOfTheRowsAlone(t *testing.T) {
	t.Parallel()
	shared := viewdb.NewShared(1 << 20)
	digests := map[string]int{}
	for i := range 3 {
		cfg := config(fmt.Sprintf("v%d", i), vfs.NewMem())
		cfg.Shared = shared
		db := open(t, cfg)
		b := db.NewBatch()
		mustSet(t, b, "gone", "x", "a", fmt.Sprint(i))
		if err := b.Commit(at(1 + events.Seq(i))); err != nil {
			t.Fatal(err)
		}
		mustSet(t, b, "a", "1", "b", "2")
		if err := errors.Join(b.Delete([]byte("gone")), b.Commit(at(7+events.Seq(i)))); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			if err := db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		sum, err := viewdb.SumOf(db)
		if err != nil || sum.Rows != 2 {
			t.Fatalf("%d rows, %v", sum.Rows, err)
		}
		digests[sum.String()]++
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	shared.Close()
	if len(digests) != 1 {
		t.Errorf("equal rows have %d digests", len(digests))
	}
}
