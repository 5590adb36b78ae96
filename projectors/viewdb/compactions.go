package viewdb

import (
	"cmp"
	"runtime"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// compactions is how many of the views of a process compact at a time. Left to
// themselves all of them would at once, whoever waits for a processor meanwhile.
type compactions struct {
	limit int

	mu      sync.Mutex
	changed sync.Cond // signalled when a compactor is let go of
	running int
	open    map[*compactor]struct{}
}

// newCompactions leaves callers a processor, where there is more than one.
func newCompactions() *compactions {
	c := &compactions{limit: max(1, runtime.GOMAXPROCS(0)-1), open: map[*compactor]struct{}{}}
	c.changed.L = &c.mu
	return c
}

// compactor is one view's part in it: Pebble's scheduler of that view, and what every
// compaction of it holds while it runs.
type compactor struct {
	of *compactions
	db pebble.DBForCompaction

	// Guarded by of.mu.
	running int
	asked   int // calls of db under way
}

var (
	_ pebble.CompactionScheduler   = (*compactor)(nil)
	_ pebble.CompactionGrantHandle = (*compactor)(nil)
)

// Register is called by Pebble while it opens. Nothing is compacted yet: if opening
// fails after this, Pebble would not wait for it.
func (c *compactor) Register(_ int, db pebble.DBForCompaction) { c.db = db }

// begin lets the view compact, now that it is open.
func (c *compactor) begin() {
	c.of.mu.Lock()
	c.of.open[c] = struct{}{}
	c.of.mu.Unlock()
	c.of.grant()
}

// Unregister is called by Pebble when it closes; db is not called any more when it
// returns.
func (c *compactor) Unregister() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	delete(c.of.open, c)
	for c.asked > 0 {
		c.of.changed.Wait()
	}
}

// TrySchedule is asked by Pebble, under its own lock, when the view wants to compact.
// Refused, it waits for Schedule.
func (c *compactor) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if !c.mayRun() {
		return false, nil
	}
	c.take(1)
	return true, c
}

// mayRun tells whether the view may compact now, or once more; of.mu is held.
func (c *compactor) mayRun() bool {
	_, open := c.of.open[c]
	return open && c.of.running < c.of.limit && c.running < c.db.GetAllowedWithoutPermission()
}

// take notes that n more compactions run; of.mu is held.
func (c *compactor) take(n int) {
	c.of.running += n
	c.running += n
}

// Done is called at the end of a compaction.
func (c *compactor) Done() {
	c.of.mu.Lock()
	c.take(-1)
	c.of.mu.Unlock()
	c.of.grant()
}

// UpdateGetAllowedWithoutPermission has nothing to do: whoever is refused is asked
// again at the end of the compaction that was in its way.
func (c *compactor) UpdateGetAllowedWithoutPermission() {}

// Started is of no interest here.
func (c *compactor) Started() {}

// MeasureCPU is of no interest here.
func (c *compactor) MeasureCPU(pebble.CompactionGoroutineKind) {}

// CumulativeStats is of no interest here.
func (c *compactor) CumulativeStats(pebble.CompactionGrantHandleStats) {}

// grant lets those compact that wait, the most urgent first, as many as may.
func (c *compactions) grant() {
	for c.grantOne() {
	}
}

// grantOne tells whether there may be more to grant. Pebble's locks come before mu, so
// that mu is not held while a view is asked.
func (c *compactions) grantOne() bool {
	var asked []*compactor
	c.mu.Lock()
	for o := range c.open {
		if o.mayRun() {
			o.asked++
			asked = append(asked, o)
		}
	}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, o := range asked {
			o.asked--
		}
		c.changed.Broadcast()
	}()
	var urgent *compactor
	var most pebble.WaitingCompaction
	for _, o := range asked {
		if waits, w := o.db.GetWaitingCompaction(); waits && (urgent == nil || moreUrgent(w, most)) {
			urgent, most = o, w
		}
	}
	if urgent == nil {
		return false
	}
	c.mu.Lock()
	granted := urgent.mayRun()
	if granted {
		urgent.take(1)
	}
	c.mu.Unlock()
	if granted && !urgent.db.Schedule(urgent) {
		c.mu.Lock()
		urgent.take(-1)
		c.mu.Unlock()
	}
	return granted
}

func moreUrgent(a, b pebble.WaitingCompaction) bool {
	if a.Optional != b.Optional {
		return b.Optional
	}
	return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Score, b.Score)) > 0
}
