package viewdb_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tenantcatalogue/projectors/viewdb"
)

// load fills a view and commits.
func load(db *viewdb.DB, cp viewdb.Checkpoint, fill func(*viewdb.Load) error) error {
	l, err := db.BeginLoad()
	if err != nil {
		return err
	}
	if err = fill(l); err == nil {
		err = l.Commit(context.Background(), cp)
	}
	return errors.Join(err, l.Close())
}

func TestLoad(t *testing.T) {
	t.Parallel()
	cfg := config("v", vfs.NewMem())
	db := open(t, cfg)
	rows := func(l *viewdb.Load) error {
		p := l.Part()
		for i := range 1000 {
			if err := p.Set(rowKey(i), []byte("v")); err != nil {
				return err
			}
		}
		return nil
	}
	for name, fill := range map[string]func(*viewdb.Load) error{
		"unsorted": func(l *viewdb.Load) error {
			p := l.Part()
			return errors.Join(p.Set([]byte("b"), nil), p.Set([]byte("ba"), nil), p.Set([]byte("b"), nil))
		},
		"twice": func(l *viewdb.Load) error { return errors.Join(rows(l), rows(l)) },
		"mixed": func(l *viewdb.Load) error { return errors.Join(rows(l), l.Part().Add(rowKey(7), nil, 0)) },
	} {
		if err := load(db, at(9), fill); err == nil || db.Fault() != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := list(t, db); len(got) != 0 || !db.Checkpoint().IsZero() {
			t.Fatalf("%s: %d rows at %d", name, len(got), db.Checkpoint().Seq)
		}
	}
	if err := load(db, at(9), rows); err != nil {
		t.Fatal(err)
	}
	if err := load(db, at(10), rows); !errors.Is(err, viewdb.ErrNotEmpty) {
		t.Error(err)
	}
	// What is loaded is a view like any other: rows are appended to and deleted.
	b := db.NewBatch()
	if err := errors.Join(b.Append(rowKey(1), []byte("w")), b.Delete(rowKey(2)), b.Commit(at(10))); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, cfg)
	if got := list(t, db); len(got) != 999 || got[1] != "r000001=vw" || db.Checkpoint() != at(10) {
		t.Errorf("%d rows at %d: %q", len(got), db.Checkpoint().Seq, got[:2])
	}
}

// However rows are spread over parts, they are all there, once, and of several
// with one key the one with the highest rank.
func TestLoadDoesWhatMapsDo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		db := open(t, config("v", vfs.NewMem()))
		want := map[string]string{}
		ranks := map[string]uint64{}
		n := uint64(0)
		err := load(db, at(1), func(l *viewdb.Load) error {
			for i := range rapid.IntRange(1, 3).Draw(rt, "parts") {
				p := l.Part()
				for j := range rapid.IntRange(0, 5).Draw(rt, "ascending") {
					k := fmt.Sprint("a", i, j)
					want[k] = k
					if err := p.Set([]byte(k), []byte(k)); err != nil {
						return err
					}
				}
				for range rapid.IntRange(0, 9).Draw(rt, "any order") {
					k, v := rapid.StringMatching(`[bc][a-c]{0,9}`).Draw(rt, "key"), rapid.String().Draw(rt, "value")
					n++ // no two ranks are equal
					rank := uint64(rapid.Uint32().Draw(rt, "rank"))<<16 | n
					if _, taken := want[k]; !taken || rank > ranks[k] {
						want[k], ranks[k] = v, rank
					}
					if err := p.Add([]byte(k), []byte(v), rank); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			rt.Fatal(err)
		}
		var rows []string
		for _, k := range slices.Sorted(maps.Keys(want)) {
			rows = append(rows, k+"="+want[k])
		}
		if d := cmp.Diff(rows, list(t, db)); d != "" {
			rt.Fatal(d)
		}
		if err := db.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

// More rows than are sorted in memory, from two goroutines whose ranges
// alternate.
func TestLargeLoad(t *testing.T) {
	t.Parallel()
	const n, ranges = 20_000, 8
	db := open(t, config("v", vfs.NewMem()))
	value := make([]byte, 1000)
	err := load(db, at(1), func(l *viewdb.Load) error {
		var wg sync.WaitGroup
		var errs [2]error
		for g := range 2 {
			p := l.Part()
			wg.Go(func() {
				for r := g; r < ranges; r += 2 {
					for i := range n / ranges {
						errs[g] = errors.Join(errs[g], p.Set(rowKey(r*n/ranges+i), value))
					}
					errs[g] = errors.Join(errs[g], p.Break())
				}
				for _, i := range rand.New(rand.NewPCG(1, uint64(g))).Perm(n) {
					errs[g] = errors.Join(errs[g], p.Add(fmt.Appendf(nil, "x%06d", i), value, uint64(g)))
				}
			})
		}
		wg.Wait()
		return errors.Join(errs[:]...)
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	err = db.Scan(nil, nil, func(key, v []byte) error {
		want := string(rowKey(rows))
		if rows >= n {
			want = fmt.Sprintf("x%06d", rows-n)
		}
		if string(key) != want || len(v) != len(value) {
			t.Fatalf("row %d is %q", rows, key)
		}
		rows++
		return nil
	})
	if err != nil || rows != 2*n {
		t.Fatalf("%d rows: %v", rows, err)
	}
	still, err := db.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = still.Close() }()
	cuts, err := still.Split([]byte("r"), []byte("s"), 4)
	if err != nil || len(cuts) != 3 || !slices.IsSortedFunc(cuts, slices.Compare[[]byte]) {
		t.Errorf("cut at %q: %v", cuts, err)
	}
	if cuts, err := still.Split([]byte("r"), []byte("s"), 1); err != nil || len(cuts) != 0 {
		t.Errorf("one part is cut at %q: %v", cuts, err)
	}
}
