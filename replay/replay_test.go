package replay_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/replaytest"
)

var _ replay.Reader = (*history.Reader)(nil)

func only() []projectors.Projector { return []projectors.Projector{history.New()} }

// generated is a catalogue with n requests of a generator.
func generated(t testing.TB, pick catalogtest.Pick, n int) (w *replaytest.World, stop func()) {
	t.Helper()
	w, stop = replaytest.Start(t, only())
	g := catalogtest.NewGenerator(pick)
	for range n {
		r := g.Next()
		v := w.Service.Publish(t.Context(), catalogtest.Internal, r)[0]
		if v.Err != nil {
			t.Fatalf("a generated request was refused: %v", v.Err)
		}
		g.Took(r, v)
	}
	return w, stop
}

// TestAsOf holds every aggregate at a random Seq against a fold of the events up
// to there.
func TestAsOf(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w, stop := generated(t, catalogtest.Drawn(rt), rapid.IntRange(1, 60).Draw(rt, "requests"))
		defer stop()
		stored := w.Stored()
		seq := events.Seq(rapid.IntRange(0, len(stored)+2).Draw(rt, "seq"))
		upTo := min(int(seq), len(stored))
		then, err := catalogtest.Fold(stored[:upTo])
		if err != nil {
			rt.Fatal(err)
		}
		now, err := catalogtest.Fold(stored)
		if err != nil {
			rt.Fatal(err)
		}
		w.Read(func(r *history.Reader) error {
			seen := 0
			for about, head := range now.Heads {
				past, err := replay.AsOf(r, about, seq)
				if then.Heads[about].Seq == 0 {
					if !errors.Is(err, replay.ErrBefore) {
						rt.Fatalf("%s before its first event %d: %v", about, head.Seq, err)
					}
					continue
				}
				if err != nil || past.Head.Seq != then.Heads[about].Seq || past.Head.Epoch != then.Heads[about].Epoch || past.Head.Version != then.Heads[about].Version {
					rt.Fatalf("%s at %d: head %+v, not %+v: %v", about, seq, past.Head, then.Heads[about], err)
				}
				same(rt, past.State, then.States[about])
				seen++
			}
			for _, kind := range []events.AggregateKind{events.AggregateTenant, events.AggregateAccount, events.AggregateClaim, events.AggregateRestoration} {
				var last events.Aggregate
				err := replay.AsOfAll(r, kind, seq, digested, func(d digest) error {
					if seen--; bytes.Compare(last.Key(), d.about.Key()) >= 0 || last.Kind != 0 && kind != d.about.Kind {
						rt.Fatalf("%s comes after %s", d.about, last)
					}
					last = d.about
					if want, err := then.States[d.about].Digest(); err != nil || d.sum != want || d.head.Seq != then.Heads[d.about].Seq {
						rt.Fatalf("%s at %d is not what it was: %v", d.about, seq, err)
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			if seen != 0 {
				rt.Fatalf("AsOfAll differs from AsOf by %d aggregates", seen)
			}
			return nil
		})
	})
}

// digest is what a past comes to.
type digest struct {
	about events.Aggregate
	head  catalogue.Head
	sum   [sha256.Size]byte
	fault string
}

func digested(p replay.Past, err error) (digest, error) {
	d := digest{about: p.About, head: p.Head}
	if err != nil {
		d.fault = err.Error()
	}
	d.sum, err = p.State.Digest()
	return d, err
}

func same(t interface{ Fatalf(string, ...any) }, got, want catalogue.MapState) {
	a, err := got.Digest()
	if err != nil {
		t.Fatalf("%v", err)
	}
	b, err := want.Digest()
	if err != nil || a != b {
		t.Fatalf("got %+v\nwant %+v: %v", got, want, err)
	}
}

func TestAsOfFaults(t *testing.T) {
	t.Parallel()
	w := replaytest.New(t, only())
	w.Begin(2)
	first, _, err := w.Log.LastOf(t.Context(), replaytest.Tenant(2))
	if err != nil {
		t.Fatal(err)
	}
	poison(t, w, replaytest.Tenant(1))
	w.Read(func(r *history.Reader) error {
		for _, test := range []struct {
			name  string
			about events.Aggregate
			seq   events.Seq
			want  error
		}{
			{"before its first event", replaytest.Tenant(2), 3, replay.ErrBefore},
			{"at nothing", replaytest.Tenant(1), 0, replay.ErrBefore},
			{"never heard of", replaytest.Tenant(3), r.Head(), replay.ErrUnknown},
			{"poisoned", replaytest.Tenant(1), r.Head(), replay.ErrQuarantined},
			{"before the poison", replaytest.Tenant(1), r.Head() - 1, nil},
			{"beside the poison", replaytest.Tenant(2), first.Seq, nil},
			{"in the future", replaytest.Tenant(2), r.Head() + 100, nil},
		} {
			if _, err := replay.AsOf(r, test.about, test.seq); !errors.Is(err, test.want) {
				t.Errorf("%s: %v, not %v", test.name, err, test.want)
			}
		}
		quarantined := 0
		err := replay.AsOfAll(r, events.AggregateTenant, r.Head(), func(p replay.Past, err error) (bool, error) {
			if errors.Is(err, replay.ErrQuarantined) && p.About == replaytest.Tenant(1) {
				return true, nil
			}
			return false, err
		}, func(one bool) error {
			if one {
				quarantined++
			}
			return nil
		})
		if quarantined != 1 {
			t.Errorf("AsOfAll hands over %d quarantined tenants", quarantined)
		}
		return err
	})
}

// TestDiff says of every entity that differs what it was and what it is, and
// leads from the one state to the other.
func TestDiff(t *testing.T) {
	t.Parallel()
	w, stop := generated(t, catalogtest.Seeded(3), 400)
	defer stop()
	head := int(w.Head())
	changed := 0
	w.Read(func(r *history.Reader) error {
		return r.Aggregates(events.AggregateTenant, func(about events.Aggregate) error {
			for _, at := range [][2]int{{0, head}, {head / 2, head}, {head, head / 3}, {head, head}} {
				before, after := w.Fold(about, events.Seq(at[0])), w.Fold(about, events.Seq(at[1]))
				changes, err := replay.Diff(before, after)
				if err != nil {
					return err
				}
				if at[0] == at[1] && len(changes) > 0 {
					t.Errorf("a state differs from itself: %+v", changes)
				}
				got := before.Clone()
				for _, c := range changes {
					changed++
					if c.Before == nil && c.After == nil || fmt.Sprint(before[c.Key]) != fmt.Sprint(c.Before) {
						t.Errorf("change %+v of %+v", c, before[c.Key])
					}
					if c.After == nil {
						delete(got, c.Key)
					} else {
						got[c.Key] = c.After
					}
				}
				same(t, got, after)
			}
			return nil
		})
	})
	if changed < 50 {
		t.Errorf("only %d changes", changed)
	}
}

// BenchmarkAsOf reads one tenant of 20 events after the first ten of them or so.
func BenchmarkAsOf(b *testing.B) {
	const tenants = 500
	w := replaytest.New(b, only())
	w.Begin(tenants)
	middle := w.Head()
	for i := range 14 * tenants {
		w.Do(replaytest.Owner, replaytest.Tenant(1+i%tenants), replaytest.Configured(fmt.Sprint("key", i%7), "value"))
		if i == 4*tenants {
			middle = w.Head()
		}
	}
	w.Read(func(r *history.Reader) error {
		var took []time.Duration
		for i := 0; b.Loop(); i++ {
			begin := time.Now()
			if _, err := replay.AsOf(r, replaytest.Tenant(1+i%tenants), middle); err != nil {
				return err
			}
			took = append(took, time.Since(begin))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
		b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
		return nil
	})
}
