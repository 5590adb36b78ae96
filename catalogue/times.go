package catalogue

import (
	"math"
	"sync"
	"time"

	"tenantcatalogue/events"
)

// behindPace is how many times slower than real time recorded time passes while the clock
// is behind it.
const behindPace = 2

// times tells recorded time, which never runs backwards and never stands still: it is what
// the clock says, and passes at half the pace of real time while the clock is behind what
// was recorded, as it is after it was ahead and was put right. What waits goes on then, what
// expires does expire, and the clock catches up.
//
// Its methods may be called from many goroutines.
type times struct {
	clock func() time.Time // readings tell how much time has passed, too

	mu   sync.Mutex
	last events.Time // what was told or recorded
	read time.Time   // the clock, when that was
}

func newTimes(clock func() time.Time) *times { return &times{clock: clock, read: clock()} }

// now is the recorded time of an event that is taken now.
func (t *times) now() events.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	read := t.clock()
	// A clock of the machine's gives readings with a monotonic part: that it was set does not
	// show in their difference. Of any other one nothing has passed when it is set back.
	passed := max(0, events.Time(read.Sub(t.read)/behindPace))
	passed = min(passed, math.MaxInt64-max(0, t.last)) // who can append to the log may have recorded any time
	t.last, t.read = max(events.TimeOf(read), t.last+passed), read
	return t.last
}

// recorded takes note of the recorded time of an event in the log.
func (t *times) recorded(at events.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = max(t.last, at)
}

// known tells whether there is anything to go on from.
func (t *times) known() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last != 0
}
