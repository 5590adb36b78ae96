package viewdb_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

// model is a view of which nothing can go wrong: maps.
type model struct {
	db        *viewdb.DB
	batch     *viewdb.Batch
	snapshot  *viewdb.Snapshot
	cfg       viewdb.Config
	seq       events.Seq
	committed map[string]string
	pending   map[string]string
	frozen    map[string]string
	frozenAt  events.Seq
}

func key(t *rapid.T, label string) []byte {
	return []byte(rapid.StringMatching(`[a-c]{1,3}`).Draw(t, label))
}

func (m *model) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"set": func(t *rapid.T) {
			k, v := key(t, "key"), rapid.String().Draw(t, "value")
			m.must(t, m.batch.Set(k, []byte(v)))
			m.pending[string(k)] = v
		},
		"append": func(t *rapid.T) {
			k, v := key(t, "key"), rapid.String().Draw(t, "piece")
			m.must(t, m.batch.Append(k, []byte(v)))
			m.pending[string(k)] += v
		},
		"delete": func(t *rapid.T) {
			k := key(t, "key")
			m.must(t, m.batch.Delete(k))
			delete(m.pending, string(k))
		},
		"clear": func(t *rapid.T) {
			prefix := key(t, "prefix")
			m.must(t, m.batch.Clear(prefix))
			maps.DeleteFunc(m.pending, func(k, _ string) bool { return strings.HasPrefix(k, string(prefix)) })
		},
		"reset": func(*rapid.T) {
			m.batch.Reset()
			m.pending = maps.Clone(m.committed)
		},
		"commit": func(t *rapid.T) {
			m.seq++
			m.must(t, m.batch.Commit(at(m.seq)))
			m.committed = maps.Clone(m.pending)
		},
		"flush": func(t *rapid.T) { m.must(t, m.db.Flush()) },
		"snapshot": func(t *rapid.T) {
			if m.snapshot != nil {
				m.must(t, m.snapshot.Close())
			}
			var err error
			m.snapshot, err = m.db.Snapshot()
			m.must(t, err)
			m.frozen, m.frozenAt = m.committed, m.seq
		},
		"reopen": func(t *rapid.T) {
			m.must(t, m.db.Close())
			m.snapshot = nil
			m.open(t)
		},
		"": m.check,
	}
}

func (m *model) open(t *rapid.T) {
	var err error
	m.db, err = viewdb.Open(m.cfg)
	m.must(t, err)
	m.batch = m.db.NewBatch()
	m.pending = maps.Clone(m.committed)
}

func (m *model) must(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

func (m *model) check(t *rapid.T) {
	lower, upper := key(t, "lower"), key(t, "upper")
	m.same(t, "view", m.db, m.committed, lower, upper)
	m.same(t, "batch", m.batch, m.pending, lower, upper)
	if got := m.db.Checkpoint().Seq; got != m.seq {
		t.Fatalf("checkpoint %d, want %d", got, m.seq)
	}
	if m.snapshot != nil {
		m.same(t, "snapshot", m.snapshot, m.frozen, lower, upper)
		if got := m.snapshot.Checkpoint().Seq; got != m.frozenAt {
			t.Fatalf("snapshot's checkpoint %d, want %d", got, m.frozenAt)
		}
	}
}

func (m *model) same(t *rapid.T, what string, r viewdb.Reader, rows map[string]string, lower, upper []byte) {
	value, ok, err := r.Get(lower)
	m.must(t, err)
	if want, has := rows[string(lower)]; ok != has || string(value) != want {
		t.Fatalf("%s: %q is %q, %v; want %q, %v", what, lower, value, ok, want, has)
	}
	for _, bounds := range [][2][]byte{{nil, nil}, {lower, upper}, {lower, nil}, {nil, upper}, {lower, viewdb.PrefixEnd(lower)}} {
		var want, up, down []string
		for _, k := range slices.Sorted(maps.Keys(rows)) {
			if k >= string(bounds[0]) && (bounds[1] == nil || k < string(bounds[1])) {
				want = append(want, k+"="+rows[k])
			}
		}
		collect := func(out *[]string) func(k, v []byte) error {
			return func(k, v []byte) error { *out = append(*out, string(k)+"="+string(v)); return nil }
		}
		m.must(t, r.Scan(bounds[0], bounds[1], collect(&up)))
		m.must(t, r.ScanReverse(bounds[0], bounds[1], collect(&down)))
		slices.Reverse(down)
		if d := cmp.Diff(want, up); d != "" {
			t.Fatalf("%s: scan %q: %s", what, bounds, d)
		}
		if d := cmp.Diff(want, down); d != "" {
			t.Fatalf("%s: reverse scan %q: %s", what, bounds, d)
		}
	}
}

func TestViewDoesWhatMapsDo(t *testing.T) {
	t.Parallel()
	shared := viewdb.NewShared(1 << 20)
	t.Cleanup(shared.Close)
	rapid.Check(t, func(t *rapid.T) {
		cfg := config("v", vfs.NewMem())
		cfg.Shared = shared
		m := &model{cfg: cfg, committed: map[string]string{}}
		m.open(t)
		defer func() { _ = m.db.Close() }()
		t.Repeat(m.actions())
	})
}

func TestKeysSortByFieldAndComeBack(t *testing.T) {
	t.Parallel()
	text := rapid.StringOfN(rapid.RuneFrom([]rune{0, 1, 'a', 0xfe, 0xff}), 0, 4, -1)
	rapid.Check(t, func(t *rapid.T) {
		type fields struct {
			a, b string
			seq  events.Seq
		}
		draw := func() (fields, []byte) {
			f := fields{text.Draw(t, "a"), text.Draw(t, "b"), events.Seq(rapid.Uint64().Draw(t, "seq"))}
			return f, viewdb.AppendString(viewdb.AppendSeq(viewdb.AppendString(nil, f.a), f.seq), []byte(f.b))
		}
		x, xKey := draw()
		y, yKey := draw()
		want := strings.Compare(x.a, y.a)
		if want == 0 && x.seq != y.seq {
			want = map[bool]int{true: -1, false: 1}[x.seq < y.seq]
		}
		if want == 0 {
			want = strings.Compare(x.b, y.b)
		}
		if got := bytes.Compare(xKey, yKey); got != want {
			t.Fatalf("%#v and %#v compare as %d, their keys as %d", x, y, want, got)
		}
		a, rest, err1 := viewdb.CutString(xKey)
		seq, rest, err2 := viewdb.CutSeq(rest)
		b, rest, err3 := viewdb.CutString(rest)
		if err1 != nil || err2 != nil || err3 != nil || len(rest) != 0 || (fields{a, b, seq}) != x {
			t.Fatalf("%#v came back as %q, %q, %d, rest %x (%v %v %v)", x, a, b, seq, rest, err1, err2, err3)
		}
	})
}

func TestPrefixEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		gen := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0xfe, 0xff}), 0, 4)
		prefix, k := gen.Draw(t, "prefix"), gen.Draw(t, "key")
		end := viewdb.PrefixEnd(prefix)
		within := bytes.Compare(k, prefix) >= 0 && (end == nil || bytes.Compare(k, end) < 0)
		if within != bytes.HasPrefix(k, prefix) {
			t.Fatalf("%x has the prefix %x: %v; lies below its end %x: %v", k, prefix, !within, end, within)
		}
	})
}

func FuzzParseCheckpoint(f *testing.F) {
	raw, err := at(7).MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(raw[:20])
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, raw []byte) {
		cp, err := viewdb.ParseCheckpoint(raw)
		if err != nil {
			return
		}
		again, err := cp.MarshalBinary()
		if err != nil || !bytes.Equal(raw, again) {
			t.Errorf("%x became %x, %v", raw, again, err)
		}
	})
}

func FuzzCutString(f *testing.F) {
	f.Add(viewdb.AppendString(nil, "a\x00b"))
	f.Add([]byte("a\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, rest, err := viewdb.CutString(raw)
		if err != nil {
			return
		}
		if again := append(viewdb.AppendString(nil, s), rest...); !bytes.Equal(raw, again) {
			t.Errorf("%x became %x", raw, again)
		}
	})
}
