package eventtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tenantcatalogue/events"
	"tenantcatalogue/events/eventlog"
)

// Log is what a log can do.
type Log interface {
	Identity() string
	Append(ctx context.Context, units []events.Unit) []events.Appended
	Stage(base events.Seq, units []events.Unit) (commit func(ctx context.Context) []events.Appended)
	Head(ctx context.Context) (events.Seq, error)
	Read(ctx context.Context, after, upTo events.Seq, fn func([]events.Stored) error) error
	Tail(ctx context.Context, after events.Seq, fn func([]events.Stored) error) error
	Get(ctx context.Context, seq events.Seq) (events.Stored, error)
	LastOf(ctx context.Context, about events.Aggregate) (events.Stored, bool, error)
}

var (
	_ Log = (*eventlog.Log)(nil)
	_ Log = (*MemoryLog)(nil)
)

// Conformance checks that a log does what events.Unit and eventlog.Log
// promise. Each call of open must give an empty log.
func Conformance(t *testing.T, open func(t *testing.T) Log) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Log){
		"an empty log":                       emptyLog,
		"what is appended is what is read":   roundTrip,
		"a unit is whole or not there":       unitsAreAtomic,
		"units may follow one another":       unitsFollow,
		"only the stale unit is refused":     onlyTheStale,
		"a unit of the same call is counted": sameCall,
		"faulty units":                       faultyUnits,
		"more than one batch":                manyBatches,
		"staged":                             staged,
		"ranges of Read":                     readRanges,
		"Tail catches up and goes on":        tailIsLive,
		"concurrent appenders":               concurrentAppenders,
		"against a model":                    againstModel,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// Event is an event of the stored form that belongs to the names: the n-th
// about a tenant called about.
func Event(about string, n int) events.Stored {
	return events.Stored{
		About:  events.OfTenant(events.DeriveID[events.TenantID]("tenant", about)),
		ID:     events.DeriveID[events.EventID]("event", about, fmt.Sprint(n)),
		Type:   "tenant.configured.v1",
		Source: "/services/commerce",
		Data:   fmt.Appendf(nil, "%s %d", about, n),
	}
}

// One is a unit of one event.
func One(e events.Stored, expected events.Seq) events.Unit {
	return events.Unit{Events: []events.Stored{e}, Expected: []events.Seq{expected}}
}

// MustAppend appends units that are all to be stored.
func MustAppend(t testing.TB, l Log, units ...events.Unit) []events.Appended {
	t.Helper()
	answers := l.Append(t.Context(), units)
	for i, a := range answers {
		if a.Err != nil {
			t.Fatalf("unit %d: %v", i, a.Err)
		}
	}
	return answers
}

// All reads the whole log.
func All(t testing.TB, l Log) []events.Stored {
	t.Helper()
	head, err := l.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return rangeOf(t, l, 0, head)
}

func rangeOf(t testing.TB, l Log, after, upTo events.Seq) []events.Stored {
	t.Helper()
	var out []events.Stored
	err := l.Read(t.Context(), after, upTo, func(s []events.Stored) error {
		out = append(out, s...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func at(e events.Stored, seq events.Seq) events.Stored {
	e.Seq = seq
	return e
}

func same(t testing.TB, want, got any) {
	t.Helper()
	aggregates := cmp.Comparer(func(a, b events.Aggregate) bool { return a == b })
	ids := cmp.Comparer(func(a, b events.EventID) bool { return a == b })
	failures := cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) || errors.Is(b, a) })
	if d := cmp.Diff(want, got, aggregates, ids, failures); d != "" {
		t.Fatal("-want +got\n" + d)
	}
}

func emptyLog(t *testing.T, l Log) {
	t.Helper()
	if l.Identity() == "" {
		t.Error("no identity")
	}
	same(t, []events.Stored(nil), All(t, l))
	if _, err := l.Get(t.Context(), 1); !errors.Is(err, events.ErrShort) {
		t.Errorf("Get(1) = %v", err)
	}
	if _, ok, err := l.LastOf(t.Context(), Event("a", 1).About); ok || err != nil {
		t.Errorf("LastOf = %v, %v", ok, err)
	}
	if got := l.Append(t.Context(), nil); len(got) != 0 {
		t.Errorf("Append of nothing = %v", got)
	}
}

func roundTrip(t *testing.T, l Log) {
	t.Helper()
	claim := Event("a", 2)
	claim.About, claim.Type = events.OfClaim("url", "a.example"), "claim.taken.v1"
	empty := Event("b", 1)
	empty.Data = []byte{}
	answers := MustAppend(t, l, events.Unit{Events: []events.Stored{Event("a", 1), claim}, Expected: []events.Seq{0, 0}}, One(empty, 0))
	same(t, []events.Appended{{First: 1, Last: 2}, {First: 3, Last: 3}}, answers)
	want := []events.Stored{at(Event("a", 1), 1), at(claim, 2), at(empty, 3)}
	got := All(t, l)
	for i := range got {
		got[i].Data = append([]byte{}, got[i].Data...)
	}
	same(t, want, got)
	one, err := l.Get(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	same(t, want[1], one)
	last, ok, err := l.LastOf(t.Context(), claim.About)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	same(t, want[1], last)
}

func unitsAreAtomic(t *testing.T, l Log) {
	t.Helper()
	MustAppend(t, l, One(Event("a", 1), 0))
	both := events.Unit{Events: []events.Stored{Event("b", 1), Event("a", 2), Event("b", 2)}, Expected: []events.Seq{0, 0, 0}}
	answers := l.Append(t.Context(), []events.Unit{both})
	var conflict *events.ConflictError
	if !errors.As(answers[0].Err, &conflict) {
		t.Fatal(answers)
	}
	same(t, events.ConflictError{About: Event("a", 1).About, Actual: 1}, *conflict)
	if got := All(t, l); len(got) != 1 {
		t.Fatal("something of the refused unit was written", got)
	}
	both.Expected[1] = 1
	same(t, []events.Appended{{First: 2, Last: 4}}, MustAppend(t, l, both))
}

func unitsFollow(t *testing.T, l Log) {
	t.Helper()
	MustAppend(t, l, One(Event("stale", 1), 0))
	answers := l.Append(t.Context(), []events.Unit{
		One(Event("a", 1), 0),
		One(Event("a", 2), events.Follows),
		One(Event("stale", 2), 0),
		{Events: []events.Stored{Event("stale", 3), Event("a", 3)}, Expected: []events.Seq{events.Follows, events.Follows}},
		One(Event("a", 4), events.Follows),
		One(Event("stale", 5), 1),
		One(Event("stale", 6), events.Follows),
		One(Event("never", 1), events.Follows),
	})
	conflict := events.ErrConflict
	same(t, []events.Appended{
		{First: 2, Last: 2},
		{First: 3, Last: 3},
		{Err: conflict},
		{Err: conflict},
		{Err: conflict},
		{First: 4, Last: 4},
		{First: 5, Last: 5},
		{Err: events.ErrMalformed},
	}, answers)
	if head, _ := l.Head(t.Context()); head != 5 {
		t.Fatal("head", head)
	}
}

func onlyTheStale(t *testing.T, l Log) {
	t.Helper()
	units := make([]events.Unit, 300)
	for i := range units {
		units[i] = One(Event(fmt.Sprint(i), 1), 0)
	}
	MustAppend(t, l, One(Event("17", 100), 0), One(Event("200", 100), 0)) // a foreign writer
	answers := l.Append(t.Context(), units)
	next := events.Seq(3)
	for i, a := range answers {
		if i == 17 || i == 200 {
			if !errors.Is(a.Err, events.ErrConflict) {
				t.Fatal(i, a)
			}
			continue
		}
		same(t, events.Appended{First: next, Last: next}, a)
		next++
	}
}

func sameCall(t *testing.T, l Log) {
	t.Helper()
	answers := l.Append(t.Context(), []events.Unit{
		One(Event("a", 1), 0), One(Event("a", 2), 0), One(Event("a", 3), 1), One(Event("a", 4), events.Follows),
	})
	same(t, []events.Appended{{First: 1, Last: 1}, {Err: events.ErrConflict}, {First: 2, Last: 2}, {First: 3, Last: 3}}, answers)
}

func faultyUnits(t *testing.T, l Log) {
	t.Helper()
	huge := Event("huge", 1)
	huge.Data = make([]byte, events.MaxEventBytes+1)
	nameless := Event("nameless", 1)
	nameless.ID = events.EventID{}
	many := events.Unit{}
	for i := range events.MaxUnitEvents + 1 {
		many.Events = append(many.Events, Event("many", i))
		many.Expected = append(many.Expected, 0)
	}
	large := events.Unit{}
	for i := range events.MaxUnitBytes/events.MaxEventBytes + 1 {
		e := Event("large", i)
		e.Data = huge.Data[:events.MaxEventBytes]
		large.Events = append(large.Events, e)
		large.Expected = append(large.Expected, 0)
	}
	answers := l.Append(t.Context(), []events.Unit{
		{},
		{Events: []events.Stored{Event("a", 1)}},
		One(huge, 0), One(nameless, 0), many, large,
		One(Event("b", 1), 0),
	})
	same(t, []events.Appended{
		{Err: events.ErrMalformed},
		{Err: events.ErrMalformed},
		{Err: events.ErrTooLarge},
		{Err: events.ErrMalformed},
		{Err: events.ErrTooLarge},
		{Err: events.ErrTooLarge},
		{First: 1, Last: 1},
	}, answers)
}

func readRanges(t *testing.T, l Log) {
	t.Helper()
	var units []events.Unit
	for i := range 10 {
		units = append(units, One(Event(fmt.Sprint(i), 1), 0))
	}
	MustAppend(t, l, units...)
	for _, r := range []struct{ after, upTo, want events.Seq }{{0, 10, 10}, {0, 1, 1}, {4, 7, 3}, {9, 10, 1}, {5, 5, 0}, {7, 3, 0}} {
		got := rangeOf(t, l, r.after, r.upTo)
		if len(got) != int(r.want) || len(got) > 0 && got[0].Seq != r.after+1 {
			t.Errorf("Read(%d, %d) = %v", r.after, r.upTo, got)
		}
	}
	if err := l.Read(t.Context(), 0, 11, func([]events.Stored) error { return nil }); !errors.Is(err, events.ErrShort) {
		t.Error("Read beyond the head:", err)
	}
	if err := l.Tail(t.Context(), 11, func([]events.Stored) error { return nil }); !errors.Is(err, events.ErrShort) {
		t.Error("Tail beyond the head:", err)
	}
	stop := errors.New("stop")
	if err := l.Read(t.Context(), 0, 10, func([]events.Stored) error { return stop }); !errors.Is(err, stop) {
		t.Error("Read does not end with fn's error:", err)
	}
	if err := l.Tail(t.Context(), 0, func([]events.Stored) error { return stop }); !errors.Is(err, stop) {
		t.Error("Tail does not end with fn's error:", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Read(canceled, 0, 10, func([]events.Stored) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error("Read does not end with the context:", err)
	}
}

func tailIsLive(t *testing.T, l Log) {
	t.Helper()
	MustAppend(t, l, One(Event("a", 1), 0), One(Event("b", 1), 0))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	seen, done := make(chan events.Stored), make(chan error, 1)
	go func() {
		done <- l.Tail(ctx, 1, func(got []events.Stored) error {
			for _, s := range got {
				seen <- s
			}
			return nil
		})
	}()
	same(t, at(Event("b", 1), 2), <-seen)
	for i := range 20 {
		e := Event(fmt.Sprint("live", i), 1)
		MustAppend(t, l, One(e, 0))
		same(t, at(e, events.Seq(i+3)), <-seen)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func concurrentAppenders(t *testing.T, l Log) {
	t.Helper()
	const writers, rounds = 8, 15
	var wg sync.WaitGroup
	wins := make([][]events.Seq, writers)
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				last, _, err := l.LastOf(t.Context(), Event("shared", 0).About)
				if err != nil {
					t.Error(err)
					return
				}
				shared := Event("shared", 1000*w+i)
				own := Event(fmt.Sprint("own", w, i), 1)
				a := l.Append(t.Context(), []events.Unit{One(own, 0), One(shared, last.Seq)})
				if a[0].Err != nil || a[1].Err != nil && !errors.Is(a[1].Err, events.ErrConflict) {
					t.Error(a)
				}
				if a[1].Err == nil {
					wins[w] = append(wins[w], a[1].First)
				}
			}
		})
	}
	wg.Wait()
	var stored []events.Seq
	all := All(t, l)
	for _, s := range all {
		if s.About == Event("shared", 0).About {
			stored = append(stored, s.Seq)
		}
	}
	claimed := slices.Concat(wins...)
	slices.Sort(claimed)
	same(t, stored, claimed)
	if want := writers*rounds + len(stored); len(all) != want || len(stored) == 0 {
		t.Errorf("%d events, %d of them shared; want %d", len(all), len(stored), want)
	}
}
