package watch

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tenantcatalogue/events"
)

const (
	minute = time.Minute
	day    = 24 * time.Hour
	month  = 30 * day // the longest window, and the recent past

	// mixBurst is how many tombstones of a kind within a minute are an alarm, when no day
	// of the recent past had as many.
	mixBurst = 5
)

// tombstone is one that stands in the log.
type tombstone struct {
	seq       events.Seq
	at        events.Time // recorded; never before that of the one before it
	kind      events.DeletionKind
	unvouched string // why it may not stand there; empty if it may
}

// recent is the tombstones of the recent past, oldest first.
type recent []tombstone

// with adds the next one and forgets those that are too old for any window.
func (r recent) with(t tombstone) recent {
	return append(r.within(month, t.at), t)
}

// within is the tombstones of a window that ends now.
func (r recent) within(d time.Duration, now events.Time) recent {
	i, _ := slices.BinarySearchFunc(r, now.Add(-d), func(t tombstone, from events.Time) int {
		if t.at > from {
			return 1
		}
		return -1
	})
	return r[i:]
}

// before is those from before a window that ends now: what belongs to the same run as a
// burst does not make it usual.
func (r recent) before(d time.Duration, now events.Time) recent {
	return r[:len(r)-len(r.within(d, now))]
}

// hadDayOf tells whether so many ever came within a day.
func (r recent) hadDayOf(n int) bool {
	for i := len(r) - n; i >= 0; i-- {
		if r[i+n-1].at.Sub(r[i].at) < day {
			return true
		}
	}
	return false
}

// finding is what is wrong.
type finding struct {
	alarm events.AlarmRaised
	halt  events.HaltCause // empty: it does not halt
}

// windows are what tombstones are counted in. What they find depends on the tombstones
// alone and on the budgets that were in force.
type windows struct {
	all, unvouched recent
	kinds          map[events.DeletionKind]recent
	over           map[string]bool // the lines that are crossed, by their names
}

func newWindows() *windows {
	return &windows{kinds: map[events.DeletionKind]recent{}, over: map[string]bool{}}
}

// take counts the next tombstone and tells which lines it crosses.
func (w *windows) take(t tombstone, budget events.Budget) (found []finding) {
	w.all = w.all.with(t)
	w.kinds[t.kind] = w.kinds[t.kind].with(t)
	if t.unvouched != "" {
		found = w.refused(t, "a tombstone of a "+string(t.kind)+": "+t.unvouched)
	}
	if f, crossed := w.rate(t, budget); crossed {
		found = append(found, f)
	}
	if f, crossed := w.mix(t); crossed {
		found = append(found, f)
	}
	return found
}

// refused counts an event, a tombstone or what governs them, that the rules refuse.
func (w *windows) refused(t tombstone, what string) []finding {
	w.unvouched = w.unvouched.with(t)
	if !w.crosses("unvouched", len(w.unvouched.within(minute, t.at)), 0) {
		return nil
	}
	return []finding{{alarm: events.AlarmRaised{
		Alarm: events.AlarmUnvouched, From: t.seq, To: t.seq, Count: 1, Detail: what,
	}, halt: events.HaltMismatch}}
}

// crosses tells whether a line is crossed with n, the last of which has just come. It is
// crossed again only after there were fewer than the line allows, so that whoever goes
// along on it is told once.
func (w *windows) crosses(line string, n, limit int) bool {
	if n-1 < max(limit, 1) {
		w.over[line] = false
	}
	crossed := n > limit && !w.over[line]
	w.over[line] = n > limit
	return crossed
}

// rate holds all tombstones against the budget.
func (w *windows) rate(t tombstone, budget events.Budget) (f finding, crossed bool) {
	var says []string
	f.alarm = events.AlarmRaised{Alarm: events.AlarmRate, To: t.seq}
	for _, line := range []struct {
		name   string
		length time.Duration
		limit  uint32
		cause  events.HaltCause
	}{
		{"a minute", minute, budget.Minute, events.HaltRate},
		{"a day", day, budget.Day, events.HaltBudget},
		{"30 days", month, budget.Month, events.HaltBudget},
	} {
		inside := w.all.within(line.length, t.at)
		if !w.crosses(line.name, len(inside), int(line.limit)) {
			continue
		}
		if says == nil {
			f.halt = line.cause
		}
		says = append(says, fmt.Sprintf("%d tombstones in %s, the budget is %d", len(inside), line.name, line.limit))
		f.alarm.From, f.alarm.Count = inside[0].seq, uint32(len(inside))
	}
	f.alarm.Detail = strings.Join(says, "; ")
	return f, says != nil
}

// mix holds the tombstones of a kind against the recent past.
func (w *windows) mix(t tombstone) (f finding, crossed bool) {
	line := "mix of " + string(t.kind)
	all := w.kinds[t.kind]
	burst := all.within(minute, t.at)
	if len(burst) >= mixBurst && all.before(day, t.at).hadDayOf(mixBurst) {
		return f, false // they are usual
	}
	if !w.crosses(line, len(burst), mixBurst-1) {
		return f, false
	}
	return finding{alarm: events.AlarmRaised{
		Alarm: events.AlarmMix, From: burst[0].seq, To: t.seq, Count: uint32(len(burst)),
		Detail: fmt.Sprintf("%d tombstones of %ss in a minute; no day of the 30 before had as many", len(burst), t.kind),
	}}, true
}
