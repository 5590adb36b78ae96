package history_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/viewdb"
)

// project makes a history of events, in batches of the sizes that batch gives.
func project(t testing.TB, log []events.Stored, batch func() int) (db *viewdb.DB, done func()) {
	t.Helper()
	p := history.New()
	db, err := viewdb.Open(viewdb.Config{Dir: "history", Name: p.Name(), Format: p.Format(), FS: vfs.NewMem(), MemTableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	rolling := events.Rolling{}
	for rest := log; len(rest) > 0; {
		n := min(batch(), len(rest))
		for _, s := range rest[:n] {
			rolling = rolling.Add(s)
		}
		if err := projectors.Apply(db, p, "test", projectors.NewVoucher(deletion.Genesis{}).Record(nil, rest[:n]), rolling); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	return db, func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func whole() int { return 1 << 20 }

// jumpy is a log whose recorded times jump forwards and backwards, with some
// events that cannot be read.
func jumpy(t testing.TB, draw *rapid.T) []events.Stored {
	t.Helper()
	log := catalogtest.History(t, catalogtest.Seeded(rapid.Uint64Range(0, 20).Draw(draw, "seed")), rapid.IntRange(1, 60).Draw(draw, "requests"))
	now := catalogtest.Start
	for i, s := range log {
		if rapid.IntRange(0, 20).Draw(draw, "poison") == 0 {
			log[i].Data = []byte("garbage")
			continue
		}
		now = now.Add(time.Duration(rapid.IntRange(-3, 8).Draw(draw, "jump")) * time.Minute)
		e, err := events.Decode(s)
		if err != nil {
			t.Fatal(err)
		}
		e.RecordedTime = events.TimeOf(now)
		if log[i], err = events.Encode(e); err != nil {
			t.Fatal(err)
		}
		log[i].Seq = s.Seq
	}
	return log
}

// TestAgainstScan holds every read, pinned to a random Seq, against a scan of
// the log.
func TestAgainstScan(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		log := jumpy(t, rt)
		db, done := project(t, log, func() int { return rapid.IntRange(1, 10).Draw(rt, "batch") })
		defer done()
		head := rapid.IntRange(0, len(log)).Draw(rt, "head")
		r := history.NewReader(db, events.Seq(len(log))).At(events.Seq(head))
		log = log[:head]
		if r.Head() != events.Seq(head) {
			rt.Fatalf("the head is %d, not %d", r.Head(), head)
		}
		from, to := events.Seq(rapid.IntRange(0, head+2).Draw(rt, "after")), events.Seq(rapid.IntRange(0, head+2).Draw(rt, "up to"))
		checkReads(rt, r, log, from, to)
		checkAggregates(rt, r, log)
		checkResolve(rt, r, log)
		for range 4 {
			checkFind(rt, r, log, drawQuery(rt, log))
		}
	})
}

// checkReads compares Read, Of and Get with the log.
func checkReads(rt *rapid.T, r *history.Reader, log []events.Stored, after, upTo events.Seq) {
	within := func(about events.Aggregate) (want []events.Stored) {
		for _, s := range log {
			if s.Seq > after && s.Seq <= upTo && (about.IsZero() || s.About == about) {
				want = append(want, s)
			}
		}
		return want
	}
	var got []events.Stored
	collect := func(s events.Stored) error { got = append(got, s); return nil }
	compare := func(what string, err error, want []events.Stored) {
		if d := cmp.Diff(text(want), text(got)); err != nil || d != "" {
			rt.Fatalf("%s after %d up to %d: %v (-want +got)\n%s", what, after, upTo, err, d)
		}
		got = nil
	}
	compare("read", r.Read(after, upTo, collect), within(events.Aggregate{}))
	for _, s := range log {
		compare("of "+s.About.String(), r.Of(s.About, after, upTo, collect), within(s.About))
	}
	kinds := rapid.SliceOfNDistinct(rapid.SampledFrom(events.AggregateKinds), 0, 3, rapid.ID).Draw(rt, "kinds")
	var types []events.Type
	if len(log) > 0 {
		types = append(types, rapid.SampledFrom(log).Draw(rt, "type").Type, rapid.SampledFrom(log).Draw(rt, "another").Type)
	}
	compare(fmt.Sprintf("gather %v, %v", kinds, types), r.Gather(kinds, types, after, upTo, collect),
		slices.DeleteFunc(within(events.Aggregate{}), func(s events.Stored) bool {
			return !slices.Contains(kinds, s.About.Kind) && !slices.Contains(types, s.Type)
		}))
	for seq := range events.Seq(len(log) + 3) {
		s, found, err := r.Get(seq)
		if want := seq > 0 && int(seq) <= len(log); err != nil || found != want {
			rt.Fatalf("get %d: found %v, %v", seq, found, err)
		}
		if found {
			got = append(got, s)
			compare("get", nil, log[seq-1:seq])
		}
	}
}

func text(list []events.Stored) (out []string) {
	for _, s := range list {
		out = append(out, fmt.Sprintf("%d %s %s %s %s %x", s.Seq, s.About, s.ID, s.Type, s.Source, s.Data))
	}
	return out
}

func checkAggregates(rt *rapid.T, r *history.Reader, log []events.Stored) {
	for _, kind := range []events.AggregateKind{events.AggregateTenant, events.AggregateAccount, events.AggregateClaim, events.AggregateRestoration} {
		want := map[events.Aggregate]bool{}
		for _, s := range log {
			if s.About.Kind == kind {
				want[s.About] = true
			}
		}
		last := ""
		err := r.Aggregates(kind, func(a events.Aggregate) error {
			if key := string(a.Key()); !want[a] || key <= last {
				rt.Fatalf("%s is not expected, or not here", a)
			} else {
				last = key
			}
			delete(want, a)
			return nil
		})
		if err != nil || len(want) > 0 {
			rt.Fatalf("%s: %d aggregates are missing: %v", kind, len(want), err)
		}
	}
}

// checkResolve looks for the places of a time one event after the other.
func checkResolve(rt *rapid.T, r *history.Reader, log []events.Stored) {
	at := events.TimeOf(catalogtest.Start.Add(time.Duration(rapid.IntRange(-10, 200).Draw(rt, "minute")) * time.Minute))
	want := events.Seq(len(log))
	var ambiguous []events.Seq
	for _, s := range log {
		e, err := events.Decode(s)
		switch {
		case err != nil:
		case want == events.Seq(len(log)) && e.RecordedTime > at:
			want = min(want, s.Seq-1)
		}
		if err == nil && s.Seq > want && e.RecordedTime <= at {
			ambiguous = append(ambiguous, s.Seq)
		}
	}
	ambiguous = ambiguous[:min(len(ambiguous), 20)]
	got, err := r.Resolve(at)
	if err != nil || got.Seq != want || !slices.Equal(got.Ambiguous, ambiguous) {
		rt.Fatalf("%s is %d, %v; should be %d, %v: %v", at, got.Seq, got.Ambiguous, want, ambiguous, err)
	}
}

func drawQuery(rt *rapid.T, log []events.Stored) (q history.Query) {
	minute := func(label string) events.Time {
		return events.TimeOf(catalogtest.Start.Add(time.Duration(rapid.IntRange(-10, 200).Draw(rt, label)) * time.Minute))
	}
	if len(log) > 0 && rapid.Bool().Draw(rt, "by aggregate") {
		q.About = rapid.SampledFrom(log).Draw(rt, "about").About
	}
	if rapid.Bool().Draw(rt, "by run") {
		q.Run = events.DeriveID[events.RunID](fmt.Sprint("run", rapid.IntRange(1, 4).Draw(rt, "run")))
	}
	if rapid.Bool().Draw(rt, "by actor") {
		q.Actor = fmt.Sprint("user_", rapid.IntRange(0, 3).Draw(rt, "actor"))
	}
	if len(log) > 0 && rapid.Bool().Draw(rt, "by type") {
		q.Type = rapid.SampledFrom(log).Draw(rt, "type").Type
	}
	if rapid.Bool().Draw(rt, "since") {
		q.Since = minute("since minute")
	}
	if rapid.Bool().Draw(rt, "until") {
		q.Until = minute("until minute")
	}
	q.After = events.Seq(rapid.IntRange(0, len(log)).Draw(rt, "query after"))
	q.UpTo = events.Seq(rapid.IntRange(0, len(log)+2).Draw(rt, "query up to"))
	return q
}

func checkFind(rt *rapid.T, r *history.Reader, log []events.Stored, q history.Query) {
	var got, want []events.Seq
	err := r.Find(q, func(e events.Event) error { got = append(got, e.Seq); return nil })
	for _, s := range log {
		e, err := events.Decode(s)
		switch {
		case err != nil, s.Seq <= q.After, q.UpTo != 0 && s.Seq > q.UpTo,
			!q.About.IsZero() && e.About != q.About, !q.Run.IsZero() && e.Run != q.Run,
			q.Actor != "" && e.Actor != q.Actor, q.Type != "" && s.Type != q.Type,
			q.Since != 0 && e.RecordedTime < q.Since, q.Until != 0 && e.RecordedTime >= q.Until:
		default:
			want = append(want, s.Seq)
		}
	}
	if err != nil || !slices.Equal(got, want) {
		rt.Fatalf("query %+v: %v, not %v: %v", q, got, want, err)
	}
}

// TestPages reads a query page by page while the log grows: pinned to one Seq,
// the pages together are what one read at that Seq gives.
func TestPages(t *testing.T) {
	t.Parallel()
	log := catalogtest.History(t, catalogtest.Seeded(1), 500)
	db, done := project(t, log, whole)
	defer done()
	pinned := events.Seq(len(log) / 2)
	read := func(q history.Query, head events.Seq, limit int) (got []events.Seq) {
		r := history.NewReader(db, head).At(pinned)
		err := r.Find(q, func(e events.Event) error {
			got = append(got, e.Seq)
			if len(got) == limit {
				return viewdb.ErrStop
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	q := history.Query{Actor: "user_1"}
	all := read(q, pinned, -1)
	if len(all) < 20 {
		t.Fatalf("only %d events", len(all))
	}
	var pages []events.Seq
	for head := pinned; ; head += 10 {
		page := read(q, head, 7)
		if len(page) == 0 {
			break
		}
		pages = append(pages, page...)
		q.After = page[len(page)-1]
	}
	if !slices.Equal(pages, all) {
		t.Errorf("pages %v\nall   %v", pages, all)
	}
}

// TestUnits finds the first and the last event of every unit.
func TestUnits(t *testing.T) {
	t.Parallel()
	log := catalogtest.History(t, catalogtest.Seeded(2), 300)
	db, done := project(t, log, whole)
	defer done()
	r := history.NewReader(db, events.Seq(len(log)))
	units := 0
	for first := 0; first < len(log); {
		e, err := events.Decode(log[first])
		if err != nil {
			t.Fatal(err)
		}
		last := first + int(e.More)
		if last > first {
			units++
		}
		for i := first; i <= last; i++ {
			start, err := r.UnitStart(log[i].Seq)
			if err != nil || start != log[first].Seq {
				t.Errorf("the unit of %d starts at %d, not %d: %v", log[i].Seq, start, log[first].Seq, err)
			}
			end, err := r.UnitEdge(log[i].Seq)
			if err != nil || end != log[last].Seq {
				t.Errorf("the unit of %d ends at %d, not %d: %v", log[i].Seq, end, log[last].Seq, err)
			}
		}
		first = last + 1
	}
	if units < 10 {
		t.Errorf("only %d units of more than one event", units)
	}
}

// TestEveryReadEnds ends every scan early, by ErrStop and by an error of fn's.
func TestEveryReadEnds(t *testing.T) {
	t.Parallel()
	log := catalogtest.History(t, catalogtest.Seeded(1), 100)
	db, done := project(t, log, whole)
	defer done()
	r := history.NewReader(db, events.Seq(len(log)))
	e, err := events.Decode(log[0])
	if err != nil {
		t.Fatal(err)
	}
	tired := errors.New("tired")
	for name, read := range map[string]func(func() error) error{
		"read": func(f func() error) error { return r.Read(0, r.Head(), func(events.Stored) error { return f() }) },
		"of": func(f func() error) error {
			return r.Of(e.About, 0, r.Head(), func(events.Stored) error { return f() })
		},
		"aggregates": func(f func() error) error {
			return r.Aggregates(e.About.Kind, func(events.Aggregate) error { return f() })
		},
		"by actor": func(f func() error) error {
			return r.Find(history.Query{Actor: e.Actor}, func(events.Event) error { return f() })
		},
		"by nothing": func(f func() error) error { return r.Find(history.Query{}, func(events.Event) error { return f() }) },
	} {
		for _, end := range []error{viewdb.ErrStop, tired, context.Canceled} {
			calls := 0
			err := read(func() error { calls++; return end })
			want := end
			if errors.Is(end, viewdb.ErrStop) {
				want = nil
			}
			if calls != 1 || !errors.Is(err, want) {
				t.Errorf("%s, ended by %v: %d calls, %v", name, end, calls, err)
			}
		}
	}
}

// TestCorruptRows gives an error, never a wrong event.
func TestCorruptRows(t *testing.T) {
	t.Parallel()
	log := catalogtest.History(t, catalogtest.Seeded(1), 20)
	for _, kind := range []byte{'b', 's'} {
		db, done := project(t, log, whole)
		b := db.NewBatch()
		err := db.Scan([]byte{kind}, []byte{kind + 1}, func(key, _ []byte) error { return b.Set(key, []byte{1, 2, 3}) })
		if err == nil {
			err = b.Commit(db.Checkpoint())
		}
		if err != nil {
			t.Fatal(err)
		}
		r := history.NewReader(db, events.Seq(len(log)))
		if _, _, err := r.Get(3); !errors.Is(err, viewdb.ErrCorrupt) {
			t.Errorf("%c: get: %v", kind, err)
		}
		if err := r.Read(0, r.Head(), func(events.Stored) error { return nil }); !errors.Is(err, viewdb.ErrCorrupt) {
			t.Errorf("%c: read: %v", kind, err)
		}
		done()
	}
}

// TestCorruptPostings gives an error, never other events.
func TestCorruptPostings(t *testing.T) {
	t.Parallel()
	log := catalogtest.History(t, catalogtest.Seeded(1), 20)
	db, done := project(t, log, whole)
	defer done()
	b := db.NewBatch()
	err := db.Scan([]byte{'y'}, []byte{'z'}, func(key, _ []byte) error { return b.Append(key, []byte{1}) })
	if err == nil {
		err = b.Commit(db.Checkpoint())
	}
	if err != nil {
		t.Fatal(err)
	}
	err = history.NewReader(db, events.Seq(len(log))).Find(history.Query{Type: log[0].Type}, func(events.Event) error { return nil })
	if !errors.Is(err, viewdb.ErrCorrupt) {
		t.Errorf("find: %v", err)
	}
}

// TestFindAcrossBlocks looks for events on both sides of the edge between two
// blocks of postings.
func TestFindAcrossBlocks(t *testing.T) {
	t.Parallel()
	const n, block = 66_000, 1 << 16
	var by [3]events.Stored // one event of each actor, again and again
	for i := range by {
		var err error
		by[i], err = events.Encode(events.Event{
			ID: events.DeriveID[events.EventID]("event"), Source: "/test", Time: events.TimeOf(catalogtest.Start),
			About: events.OfTenant(events.DeriveID[events.TenantID]("tenant")), Actor: fmt.Sprint("user_", i), Payload: events.TenantDeactivated{},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	log := make([]events.Stored, n)
	for i := range log {
		log[i] = by[i%3]
		log[i].Seq = events.Seq(i + 1)
	}
	db, done := project(t, log, func() int { return 1000 })
	defer done()
	for _, q := range []history.Query{
		{},
		{UpTo: 5},
		{After: block - 10},
		{After: block - 10, UpTo: block + 10},
		{After: block - 1},
		{After: block},
		{UpTo: block - 1},
		{UpTo: block},
		{After: block - 2, UpTo: block - 1},
		{After: n},
	} {
		q.Actor = "user_1"
		var got, want []events.Seq
		for seq := q.After + 1; seq <= n && (q.UpTo == 0 || seq <= q.UpTo); seq++ {
			if (seq-1)%3 == 1 {
				want = append(want, seq)
			}
		}
		err := history.NewReader(db, n).Find(q, func(e events.Event) error { got = append(got, e.Seq); return nil })
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%+v: %d events, not %d: %v", q, len(got), len(want), err)
		}
	}
}
