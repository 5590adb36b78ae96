package deletion

import (
	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// What must not expire because a clock was wrong (a retention, a delay, a bake, a
// budget's window) is measured in counted time: recorded time less what was skipped,
// which is whatever passed without a tick beyond an hour. A clock that jumps ahead by
// 40 days skips 40 days; so does a catalogue that is down for so long.

// clock counts time.
type clock struct{ events.Clock }

// A clock cannot be told to hurry by who sets it, but by who can append to the log: whoever
// holds the log's own credential can make an hour of every tick.
func clockOf(w Heads) (clock, error) {
	c, err := readable[events.Clock](w, events.TheOne(events.AggregateClock))
	return clock{c}, err
}

// counted is a recorded time without what was skipped before it.
func (c clock) counted(t events.Time) events.Time {
	out := t
	for _, s := range c.Skips {
		out -= min(s.For, max(0, t-s.At))
	}
	return out
}

// since is how much time is known to have passed from one recorded time to another. What
// comes after the last tick counts for an hour at most.
func (c clock) since(then, now events.Time) events.Time {
	until := min(now, c.Last+events.Time(catalogue.TickEvery))
	return max(0, c.counted(until)-c.counted(then))
}

// passed tells whether at least so much time has.
func (c clock) passed(then, now events.Time, at events.Seconds) bool {
	return c.since(then, now) >= events.Time(at.Duration())
}
