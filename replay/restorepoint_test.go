package replay_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/replaytest"
)

// TestResolvePoint resolves every form of text in a log of which each step is
// known: an account and a tenant (events 1 to 9), ten minutes later a run of
// two events, an hour later one event more.
func TestResolvePoint(t *testing.T) {
	t.Parallel()
	w := replaytest.New(t, only())
	w.SetClock(catalogtest.Start)
	w.Begin(1)
	const run1, run2, last = 10, 11, 12
	w.SetClock(catalogtest.Start.Add(10 * time.Minute))
	w.Do(replaytest.Script, replaytest.Tenant(1), events.TenantDeactivated{}, events.TenantReactivated{})
	w.SetClock(catalogtest.Start.Add(time.Hour))
	w.Do(replaytest.Owner, replaytest.Tenant(1), replaytest.Configured("a", "b"))
	if w.Head() != last {
		t.Fatalf("the log ends at %d", w.Head())
	}
	at := func(d time.Duration) string { return catalogtest.Start.Add(d).Format(time.RFC3339Nano) }
	now := events.TimeOf(catalogtest.Start.Add(2 * time.Hour))
	run := replaytest.Run("bad").String()
	for _, test := range []struct {
		text string
		want events.Seq
		err  error
	}{
		{text: at(-time.Hour), want: 0},
		{text: at(time.Minute), want: 9},
		{text: at(10*time.Minute + 10*time.Millisecond), want: run2},
		{text: at(30 * time.Minute), want: run2},
		{text: at(24 * time.Hour), want: last},
		{text: "-1h30m", want: run2},
		{text: "-2h", want: 0},
		{text: "-1ns", want: last},
		{text: "-1h59m", want: 9},
		{text: "seq:1", want: 1},
		{text: "seq:2", want: 1}, // inside the unit of the tenant and its claims
		{text: "seq:3", want: 1},
		{text: "seq:4", want: 4},
		{text: "seq:12", want: last},
		{text: "seq:13", err: replay.ErrPoint},
		{text: "seq:18446744073709551615", err: replay.ErrPoint},
		{text: "seq:18446744073709551616", err: replay.ErrPoint},
		{text: "seq:0", err: replay.ErrPoint},
		{text: "seq:-1", err: replay.ErrPoint},
		{text: "seq:+1", err: replay.ErrPoint},
		{text: "seq:", err: replay.ErrPoint},
		{text: "seq: 1", err: replay.ErrPoint},
		{text: "before " + run, want: run1 - 1},
		{text: "5m before " + run, want: 9},
		{text: "1h before " + run, want: 0},
		{text: "1ns before " + run, want: run1 - 1},
		{text: "before " + replaytest.Run("none").String(), err: replay.ErrNoRun},
		{text: "5m before " + replaytest.Run("none").String(), err: replay.ErrNoRun},
		{text: "before " + replaytest.TenantID(1).String(), err: replay.ErrPoint},
		{text: "5mbefore " + run, err: replay.ErrPoint},
		{text: "-5m before " + run, err: replay.ErrPoint},
		{text: "+5m before " + run, err: replay.ErrPoint},
		{text: "0s before " + run, err: replay.ErrPoint},
		{text: " before " + run, err: replay.ErrPoint},
		{text: "before  " + run, err: replay.ErrPoint},
		{text: "before before " + run, err: replay.ErrPoint},
		{text: "before", err: replay.ErrPoint},
		{text: "--2h", err: replay.ErrPoint},
		{text: "-+2h", err: replay.ErrPoint},
		{text: "-0s", err: replay.ErrPoint},
		{text: "-", err: replay.ErrPoint},
		{text: "2h", err: replay.ErrPoint},
		{text: "", err: replay.ErrPoint},
		{text: "yesterday", err: replay.ErrPoint},
		{text: "2022-04-05T07:33:00+02:00", err: replay.ErrPoint},
		{text: "2022-04-05 07:33:00Z", err: replay.ErrPoint},
		{text: "12", err: replay.ErrPoint},
	} {
		w.Read(func(r *history.Reader) error {
			p, err := replay.ResolvePoint(r, test.text, now)
			switch {
			case !errors.Is(err, test.err):
				t.Errorf("%q: %v, not %v", test.text, err, test.err)
			case err != nil:
			case p.Seq != test.want || p.Text != test.text || p.Count != uint64(last-test.want) || len(p.Ambiguous) > 0:
				t.Errorf("%q: %+v, not %d", test.text, p, test.want)
			case (p.Last == nil) != (test.want == 0) || p.Last != nil && p.Last.Seq != test.want:
				t.Errorf("%q: the event at the point is %+v", test.text, p.Last)
			case (p.Next == nil) != (test.want == last) || p.Next != nil && p.Next.Seq != test.want+1:
				t.Errorf("%q: the event behind the point is %+v", test.text, p.Next)
			}
			return nil //nolint:nilerr // it was held against the one that is wanted
		})
	}
	w.Read(func(r *history.Reader) error {
		p, err := replay.ResolvePoint(r, "before "+run, now)
		if n := p.Next; err != nil || n.Run != replaytest.Run("bad") || n.Actor != "script" || n.Type != "tenant.deactivated.v1" || n.About != replaytest.Tenant(1) {
			t.Errorf("the run's first event is %+v", n)
		}
		return err
	})
}

// TestAmbiguousPoint shows the events that a clock which ran backwards put
// behind the point.
func TestAmbiguousPoint(t *testing.T) {
	t.Parallel()
	w := replaytest.New(t, only())
	w.Begin(1)
	// minutes after the start, as three clocks had it
	for i, minute := range []int{10, 30, 20, 40, 5} {
		e := w.Event(replaytest.Owner, replaytest.Tenant(1), replaytest.Configured("n", fmt.Sprint(i)))
		e.RecordedTime = events.TimeOf(catalogtest.Start.Add(time.Duration(minute) * time.Minute))
		s, err := events.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		last, _, err := w.Log.LastOf(t.Context(), e.About)
		if err != nil {
			t.Fatal(err)
		}
		eventtest.MustAppend(t, w.Log, eventtest.One(s, last.Seq))
	}
	first := w.Head() - 4
	w.Read(func(r *history.Reader) error {
		for minute, want := range map[int][]events.Seq{ // the point, and the candidates
			7: {first - 1, first + 4}, 10: {first, first + 4}, 15: {first, first + 4}, 25: {first, first + 2, first + 4},
			30: {first + 2, first + 4}, 35: {first + 2, first + 4}, 40: {first + 4}, 50: {first + 4},
		} {
			p, err := replay.ResolvePoint(r, catalogtest.Start.Add(time.Duration(minute)*time.Minute).Format(time.RFC3339Nano), 0)
			if err != nil {
				return err
			}
			got := []events.Seq{p.Seq}
			for _, n := range p.Ambiguous {
				got = append(got, n.Seq)
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("minute %d: %v, not %v", minute, got, want)
			}
		}
		return nil
	})
}

// FuzzResolvePoint never panics, and gives a Seq of the log or an error that
// can be matched; what it gives is at a unit's edge.
func FuzzResolvePoint(f *testing.F) {
	run := replaytest.Run("bad").String()
	for _, text := range []string{
		"2022-04-05T07:33:00Z", "-2h", "seq:4711", "seq:2", "before " + run, "5m before " + run, "", "-", "seq:", "before ",
		"-9223372036854775807ns", "2562047h before " + run, "1970-01-01T00:00:00.000000001Z", " before before ",
	} {
		f.Add(text, int64(1_649_144_000_000_000_000))
	}
	w := replaytest.New(f, only())
	w.Begin(2)
	w.Do(replaytest.Script, replaytest.Tenant(1), replaytest.Deleted())
	w.Settle()
	f.Fuzz(func(t *testing.T, text string, now int64) {
		err := w.History(func(r *history.Reader) error {
			p, err := replay.ResolvePoint(r, text, events.Time(now))
			if err != nil {
				if !errors.Is(err, replay.ErrPoint) && !errors.Is(err, replay.ErrNoRun) {
					t.Errorf("%q: %v", text, err)
				}
				return nil
			}
			if p.Seq > r.Head() {
				t.Errorf("%q: %d is beyond the log", text, p.Seq)
			}
			if last, err := r.UnitEdge(p.Seq); err != nil || last != p.Seq {
				t.Errorf("%q: %d is inside a unit that ends at %d: %v", text, p.Seq, last, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
