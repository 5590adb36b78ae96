package replay_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/replaytest"
)

// reader is a history that counts what it lends, and perhaps says that it is
// another.
type reader struct {
	replay.Reader
	origin string
	lent   int
}

func (r *reader) Origin() string { return r.origin }

func (r *reader) Lend(about events.Aggregate, after, upTo events.Seq, fn func(events.Stored) error) error {
	return r.Reader.Lend(about, after, upTo, func(s events.Stored) error {
		r.lent++
		return fn(s)
	})
}

// whole compares fields that are not exported too.
var whole = cmp.Exporter(func(reflect.Type) bool { return true })

// alike reads with snapshots and without, which must come to the same.
func alike(t interface {
	Helper()
	Fatalf(string, ...any)
}, s *replay.Snapshots, r replay.Reader, about events.Aggregate, seq events.Seq,
) {
	t.Helper()
	want, err := digested(replay.AsOf(r, about, seq))
	if err != nil {
		t.Fatalf("%v", err)
	}
	got, err := digested(s.AsOf(r, about, seq))
	if err != nil {
		t.Fatalf("%v", err)
	}
	if d := cmp.Diff(want, got, whole); d != "" {
		t.Fatalf("%s at %d of %d: %s", about, seq, r.Head(), d)
	}
}

// poison appends an event that cannot be read.
func poison(t testing.TB, w *replaytest.World, about events.Aggregate) {
	t.Helper()
	last, _, err := w.Log.LastOf(t.Context(), about)
	if err != nil {
		t.Fatal(err)
	}
	eventtest.MustAppend(t, w.Log, eventtest.One(events.Stored{
		About: about, ID: events.DeriveID[events.EventID]("poison"), Type: "tenant.configured.v1",
		Source: "/services/test", Data: []byte("garbage"),
	}, last.Seq))
}

// TestSnapshots reads random histories at random Seqs, from readers that stand
// elsewhere, with snapshots that come and go.
func TestSnapshots(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w, stop := generated(t, catalogtest.Drawn(rt), rapid.IntRange(1, 80).Draw(rt, "requests"))
		defer stop()
		facts, err := catalogtest.Fold(w.Stored())
		if err != nil {
			rt.Fatal(err)
		}
		abouts := []events.Aggregate{replaytest.Tenant(999)} // which is unknown
		for about := range facts.Heads {
			abouts = append(abouts, about)
		}
		slices.SortFunc(abouts, func(a, b events.Aggregate) int { return slices.Compare(a.Key(), b.Key()) })
		if last := abouts[len(abouts)-1]; rapid.Bool().Draw(rt, "poison") && last.Kind == events.AggregateTenant {
			poison(t, w, last)
		}
		budget := rapid.SampledFrom([]int64{0, 500, 2000, 10_000, 1 << 20}).Draw(rt, "budget")
		s := replay.NewSnapshots(budget).LayEvery(rapid.Uint64Range(1, 5).Draw(rt, "every"))
		w.Read(func(r *history.Reader) error {
			for range rapid.IntRange(1, 60).Draw(rt, "reads") {
				head := events.Seq(rapid.IntRange(0, int(r.Head())).Draw(rt, "head"))
				seq := events.Seq(rapid.IntRange(0, int(r.Head())+2).Draw(rt, "seq"))
				alike(rt, s, r.At(head), rapid.SampledFrom(abouts).Draw(rt, "about"), seq)
				if s.Bytes() > budget {
					rt.Fatalf("%d bytes are kept, %d are allowed", s.Bytes(), budget)
				}
			}
			return nil
		})
	})
}

// lengthened is a catalogue with a few tenants, the first of which has n events
// more, each of which makes its state another.
func lengthened(t testing.TB, tenants, n int) *replaytest.World {
	t.Helper()
	w := replaytest.New(t, only())
	w.Begin(tenants)
	for i := 0; i < n; {
		var r catalogue.Request
		for ; i < n && len(r.Events) < 500; i++ {
			r.Events = append(r.Events, w.Event(replaytest.Owner, replaytest.Tenant(1), replaytest.Configured(fmt.Sprint("key", i%7), fmt.Sprint(i))))
		}
		if err := w.Service.Publish(t.Context(), catalogtest.Internal, r)[0].Err; err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// TestSnapshotsSpareTheFold counts what is folded: by the first read everything,
// by later ones no more than lies between two snapshots, further apart where the
// budget wants it. Short histories are not kept at all.
func TestSnapshotsSpareTheFold(t *testing.T) {
	t.Parallel()
	const n = 5000
	w := lengthened(t, 2, n)
	for _, test := range []struct {
		budget   int64
		most     int // events folded again
		overlong bool
	}{{1 << 20, 256, false}, {6 << 10, 1024, false}, {100, 2 * n, true}} {
		w.Read(func(h *history.Reader) error {
			s := replay.NewSnapshots(test.budget)
			r := &reader{Reader: h, origin: "here"}
			lent := func(tenant int, seq events.Seq) int {
				r.lent = 0
				if _, err := s.AsOf(r, replaytest.Tenant(tenant), seq); err != nil {
					t.Fatal(err)
				}
				return r.lent
			}
			if got := lent(2, h.Head()); got != 6 || s.Bytes() != 0 {
				t.Errorf("a short history of %d events leaves %d bytes", got, s.Bytes())
			}
			if got := lent(1, h.Head()); got != n+6 {
				t.Errorf("the first read folds %d events", got)
			}
			kept, most := s.Bytes(), 0
			for seq := h.Head() - n; seq <= h.Head(); seq += 37 {
				most = max(most, lent(1, seq))
			}
			if most > test.most || !test.overlong && most < test.most/2 {
				t.Errorf("with %d bytes of %d up to %d events are folded again, not up to %d", kept, test.budget, most, test.most)
			}
			if kept > test.budget || kept == 0 != test.overlong || s.Bytes() != kept {
				t.Errorf("%d bytes of %d are kept, and %d in the end", kept, test.budget, s.Bytes())
			}
			return nil
		})
	}
}

// TestSnapshotsAreOfOneHistory never mixes two that know the same tenant, though
// the same Seqs stand in them.
func TestSnapshotsAreOfOneHistory(t *testing.T) {
	t.Parallel()
	const n = 40
	s := replay.NewSnapshots(1 << 20).LayEvery(4)
	for _, tenants := range []int{1, 2, 3} {
		lengthened(t, tenants, n).Read(func(h *history.Reader) error {
			r := &reader{Reader: h, origin: fmt.Sprint("log ", tenants)}
			for range 2 {
				for seq := range h.Head() + 1 {
					alike(t, s, r, replaytest.Tenant(1), seq)
				}
			}
			kept := s.Bytes()
			r.origin = "" // says nothing, gets nothing
			alike(t, s, r, replaytest.Tenant(1), h.Head())
			if kept == 0 || s.Bytes() != kept {
				t.Errorf("%d bytes are kept, and then %d", kept, s.Bytes())
			}
			return nil
		})
	}
}

// TestOrigin is another one once the view is made again, and stays what it is at
// an earlier Seq.
func TestOrigin(t *testing.T) {
	t.Parallel()
	w := lengthened(t, 1, 10)
	var before, after string
	w.Read(func(r *history.Reader) error { before = r.Origin(); return nil })
	if err := w.Runner.Rebuild(t.Context(), history.Name, nil); err != nil {
		t.Fatal(err)
	}
	w.Read(func(r *history.Reader) error { after = r.At(3).Origin(); return nil })
	if before == "" || after == "" || before == after {
		t.Errorf("%q and then %q", before, after)
	}
}

// TestSnapshotsSideBySide is for the race detector: many read what pushes each
// other's snapshots out.
func TestSnapshotsSideBySide(t *testing.T) {
	t.Parallel()
	const tenants = 5
	w := lengthened(t, tenants, 200)
	s := replay.NewSnapshots(3000).LayEvery(2)
	w.Read(func(r *history.Reader) error {
		var wg sync.WaitGroup
		for seed := range uint64(4) {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(seed, 0))
				for range 100 {
					about, seq := replaytest.Tenant(1+rnd.IntN(tenants)), events.Seq(rnd.IntN(int(r.Head())+1))
					want, errWant := digested(replay.AsOf(r, about, seq))
					got, errGot := digested(s.AsOf(r, about, seq))
					if d := cmp.Diff(want, got, whole); d != "" || errWant != nil || errGot != nil {
						t.Errorf("%s at %d: %s", about, seq, d)
					}
				}
			})
		}
		wg.Wait()
		return nil
	})
	if kept := s.Bytes(); kept == 0 || kept > 3000 {
		t.Errorf("%d bytes are kept in the end", kept)
	}
}

// TestAsOfAllLong folds an aggregate that is not held in memory among others that
// are.
func TestAsOfAllLong(t *testing.T) {
	t.Parallel()
	w := lengthened(t, 9, replay.LongHistory+100)
	w.Read(func(r *history.Reader) error {
		for _, seq := range []events.Seq{100, replay.LongHistory, r.Head()} {
			n := 0
			err := replay.AsOfAll(r, events.AggregateTenant, seq, digested, func(got digest) error {
				n++
				want, err := digested(replay.AsOf(r, got.about, seq))
				if d := cmp.Diff(want, got, whole); d != "" {
					t.Errorf("%s at %d: %s", got.about, seq, d)
				}
				return err
			})
			if err != nil {
				return err
			}
			if n != 9 {
				t.Errorf("%d tenants at %d", n, seq)
			}
		}
		return nil
	})
}
