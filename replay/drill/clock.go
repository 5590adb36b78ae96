package drill

import (
	"sync"
	"time"
)

// Clock is the time of a drill: it stands at an instant of April 2022 and moves
// when it is told to, until it is let go; then it runs as the real one does,
// from where it stood. Recorded times come from it.
type Clock struct {
	real func() time.Time

	mu    sync.Mutex
	at    time.Time
	since time.Time // of the real clock, when let go
}

// NewClock makes a Clock that stands still.
func NewClock(at time.Time, wall func() time.Time) *Clock { return &Clock{real: wall, at: at} }

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() {
		return c.at
	}
	return c.at.Add(c.real().Sub(c.since))
}

// Set moves the time forward; an earlier time changes nothing.
func (c *Clock) Set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.After(c.at) {
		c.at = at
	}
}

// Go lets the clock run.
func (c *Clock) Go() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() {
		c.since = c.real()
	}
}

// Wall is the real time, for measuring.
func (c *Clock) Wall() time.Time { return c.real() }
