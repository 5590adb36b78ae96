package watch

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"tenantcatalogue/events"
)

// plain counts as windows do, from a list and nothing else.
type plain struct {
	list []tombstone
	over map[string]bool
}

func (p *plain) count(d time.Duration, is func(tombstone) bool) (n int) {
	now := p.list[len(p.list)-1].at
	for _, t := range p.list {
		if t.at > now.Add(-d) && is(t) {
			n++
		}
	}
	return n
}

// take tells which alarms there are, and how many are above a line, whether told or not.
func (p *plain) take(t tombstone, b events.Budget) (alarms map[events.AlarmKind]bool, above int) {
	p.list = append(p.list, t)
	alarms = map[events.AlarmKind]bool{}
	cross := func(line string, kind events.AlarmKind, n, limit int) {
		if n > limit {
			above++
		}
		if n <= max(limit, 1) && (limit > 0 || n == 1) {
			p.over[line] = false
		}
		if n > limit && !p.over[line] {
			alarms[kind] = true
		}
		p.over[line] = n > limit
	}
	all := func(tombstone) bool { return true }
	cross("minute", events.AlarmRate, p.count(minute, all), int(b.Minute))
	cross("day", events.AlarmRate, p.count(day, all), int(b.Day))
	cross("month", events.AlarmRate, p.count(month, all), int(b.Month))
	if t.unvouched != "" {
		cross("unvouched", events.AlarmUnvouched, p.count(minute, func(t tombstone) bool { return t.unvouched != "" }), 0)
	}
	kind := func(o tombstone) bool { return o.kind == t.kind }
	if n := p.count(minute, kind); n < mixBurst || !p.usual(t) {
		cross("mix"+string(t.kind), events.AlarmMix, n, mixBurst-1)
	}
	return alarms, above
}

// usual tells whether one of the days before this one had as many of the kind.
func (p *plain) usual(now tombstone) bool {
	var times []events.Time
	for _, t := range p.list {
		if t.kind == now.kind && t.at <= now.at.Add(-day) && t.at > now.at.Add(-month) {
			times = append(times, t.at)
		}
	}
	for i := range times {
		n := 0
		for _, at := range times[i:] {
			if at.Sub(times[i]) < day {
				n++
			}
		}
		if n >= mixBurst {
			return true
		}
	}
	return false
}

// TestWindows holds the windows against a plain count, for any tombstones at any times
// under any budget.
func TestWindows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := events.Budget{
			Minute: rapid.Uint32Range(0, 6).Draw(t, "minute"), Day: rapid.Uint32Range(0, 12).Draw(t, "day"), Month: rapid.Uint32Range(0, 40).Draw(t, "month"),
		}
		w, p := newWindows(), &plain{over: map[string]bool{}}
		now := events.Time(1)
		for i := range rapid.IntRange(1, 120).Draw(t, "tombstones") {
			now = now.Add(rapid.SampledFrom([]time.Duration{
				0, 0, time.Second, time.Second, minute / 6, minute, time.Hour, 3 * time.Hour, day, month - 2*day,
			}).Draw(t, "after"))
			stone := tombstone{
				seq: events.Seq(i + 1), at: now,
				kind: rapid.SampledFrom([]events.DeletionKind{events.DeletionOfTenants, events.DeletionOfApps}).Draw(t, "kind"),
			}
			if rapid.IntRange(0, 4).Draw(t, "unvouched") == 0 {
				stone.unvouched = "why"
			}
			found := w.take(stone, b)
			want, above := p.take(stone, b)
			if len(found) != len(want) {
				t.Fatalf("tombstone %d: found %+v, want %v", i+1, found, want)
			}
			for _, f := range found {
				if !want[f.alarm.Alarm] || f.alarm.To != stone.seq || f.alarm.From > f.alarm.To || f.alarm.Count == 0 || f.alarm.Detail == "" {
					t.Fatalf("tombstone %d: found %+v, want %v", i+1, f, want)
				}
				if (f.halt != "") != (f.alarm.Alarm != events.AlarmMix) {
					t.Fatalf("%+v", f)
				}
			}
			if above == 0 && len(found) > 0 {
				t.Fatalf("nothing is above a line: %+v", found)
			}
		}
	})
}

// TestBudgetPlusOne says that the first tombstone above the budget is told of, whichever
// way they come, and none before.
func TestBudgetPlusOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		budget := rapid.Uint32Range(0, 60).Draw(t, "budget")
		w := newWindows()
		now := events.Time(1)
		left := minute - 1
		for i := range budget + 1 {
			step := time.Duration(rapid.Int64Range(0, int64(left)).Draw(t, "after"))
			now, left = now.Add(step), left-step
			found := w.take(tombstone{seq: events.Seq(i + 1), at: now, kind: events.DeletionOfTenants}, events.Budget{Minute: budget, Day: 1000, Month: 1000})
			rate := false
			for _, f := range found {
				rate = rate || f.alarm.Alarm == events.AlarmRate && f.halt == events.HaltRate && f.alarm.From == 1 && f.alarm.Count == budget+1
			}
			if rate != (i == budget) {
				t.Fatalf("tombstone %d of a budget of %d: %+v", i+1, budget, found)
			}
		}
	})
}

// TestMix knows what is usual.
func TestMix(t *testing.T) {
	t.Parallel()
	at := events.TimeOf(time.Date(2022, 4, 5, 7, 38, 0, 0, time.UTC))
	free := events.Budget{Minute: 1 << 20, Day: 1 << 20, Month: 1 << 20}
	burst := func(n int, after time.Duration, kind events.DeletionKind) (out []tombstone) {
		for range n {
			out = append(out, tombstone{at: at.Add(after), kind: kind})
		}
		return out
	}
	one, other := events.DeletionOfTenants, events.DeletionOfApps
	for name, c := range map[string]struct {
		bursts [][]tombstone
		want   int // alarms
	}{
		"four":                         {[][]tombstone{burst(4, 0, one)}, 0},
		"five":                         {[][]tombstone{burst(5, 0, one)}, 1},
		"883":                          {[][]tombstone{burst(883, 0, one)}, 1},
		"five of both kinds":           {[][]tombstone{burst(3, 0, one), burst(2, 0, other)}, 0},
		"five, ten minutes later more": {[][]tombstone{burst(5, 0, one), burst(50, 10*minute, one)}, 2},
		"five, two days later more":    {[][]tombstone{burst(5, 0, one), burst(50, 2*day, one)}, 1},
		"five, of the other many":      {[][]tombstone{burst(500, 0, other), burst(5, day, one)}, 2},
		"four a day are next to none":  {[][]tombstone{burst(4, 0, one), burst(4, day, one), burst(5, 3*day, one)}, 1},
		"usual 29 days ago":            {[][]tombstone{burst(5, 0, one), burst(9, 29*day, one)}, 1},
		"usual 31 days ago":            {[][]tombstone{burst(5, 0, one), burst(9, 31*day, one)}, 2},
	} {
		w, got := newWindows(), 0
		for _, list := range c.bursts {
			for _, stone := range list {
				got += len(w.take(stone, free))
			}
		}
		if got != c.want {
			t.Errorf("%s: %d alarms, want %d", name, got, c.want)
		}
	}
}
