package catalogue

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"tenantcatalogue/events"
)

// Recorded time goes on at half the pace while the clock is behind, until it has caught up.
func TestTimesOfAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	const days = 24 * time.Hour
	at := time.Date(2022, 4, 5, 7, 38, 0, 0, time.UTC)
	begun := events.TimeOf(at)
	times := newTimes(func() time.Time { return at })
	for _, step := range []struct {
		what  string
		clock time.Duration // moves by
		want  time.Duration // since the beginning
	}{
		{"it is right", 0, 0},
		{"an hour passes", time.Hour, time.Hour},
		{"it jumps ahead", 40 * days, time.Hour + 40*days},
		{"it is put right", -40 * days, time.Hour + 40*days},
		{"a day passes", days, time.Hour + 40*days + days/2},
		{"it has all but caught up", 78 * days, time.Hour + 40*days + 39*days + days/2},
		{"it has caught up", days, time.Hour + 80*days},
		{"it is right again", days, time.Hour + 81*days},
	} {
		at = at.Add(step.clock)
		if got := times.now().Sub(begun); got != step.want {
			t.Errorf("%s: %s have passed, want %s", step.what, got, step.want)
		}
	}
}

// Whatever a clock does, recorded time never runs backwards, is never behind the clock nor
// what was recorded, passes when time does, and never by more than the clock has moved.
func TestTimesProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := time.Date(2022, 4, 5, 7, 38, 0, 0, time.UTC)
		times := newTimes(func() time.Time { return at })
		last := times.now()
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			moved := time.Duration(rapid.Int64Range(-1e16, 1e16).Draw(t, "moved"))
			at = at.Add(moved)
			if rapid.Bool().Draw(t, "recorded by others") {
				seen := events.TimeOf(at.Add(time.Duration(rapid.Int64Range(-1e16, 1e16).Draw(t, "by"))))
				times.recorded(seen)
				last = max(last, seen)
			}
			now := times.now()
			clock := events.TimeOf(at)
			if now < last || now < clock {
				t.Fatalf("%s after %s, the clock says %s", now, last, clock)
			}
			if passed := max(0, moved); now > clock && now.Sub(last) != passed/behindPace {
				t.Fatalf("%s after %s, %s later", now, last, passed)
			}
			last = now
		}
	})
}
