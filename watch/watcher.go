package watch

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
)

// Log is what a Watcher reads.
type Log interface {
	// Head is the Seq of the last event.
	Head(ctx context.Context) (events.Seq, error)
	// Read hands over the events after one Seq up to another, in order.
	Read(ctx context.Context, after, upTo events.Seq, fn func([]events.Stored) error) error
	// Tail hands over the events after a Seq as they come, until ctx ends.
	Tail(ctx context.Context, after events.Seq, fn func([]events.Stored) error) error
}

// Config is what a Watcher is made of.
type Config struct {
	Pen

	Log Log
	// After is where the Watcher before left off: what its Seen said. What stands up to
	// there is the past. Where nothing is known it is the head of the log.
	After    events.Seq
	Genesis  deletion.Genesis // what the first policy is held against
	Listener Listener
}

// jump is how far recorded times may be ahead of the time that has passed.
const jump = 5 * time.Minute

// forgiveEvery is how long at least there is between two times that less than a jump is
// forgiven: a little less than between two ticks.
const forgiveEvery = catalogue.TickEvery/2 - time.Minute

// Watcher follows the log and raises alarms. Its methods may be called side by side.
type Watcher struct {
	cfg  Config
	desk *desk

	// Of the goroutine that reads.
	register *deletion.Register
	windows  *windows
	budget   events.Budget
	last     events.Time // recorded, of what concerns the Watcher
	copied   events.Time // what was recorded before is a copy of another log's past
	told     map[crossing]bool
	clockTo  events.Seq  // of the last alarm about the clock
	anchor   events.Time // what the time was ...
	anchored time.Time   // ... then

	mu       sync.Mutex
	watching bool
	seen     events.Seq
	open     []events.Admitted
}

// crossing names an alarm: no tombstone crosses two lines of one.
type crossing struct {
	alarm events.AlarmKind
	to    events.Seq
}

// New makes a Watcher.
func New(cfg Config) *Watcher {
	return &Watcher{
		cfg: cfg, desk: newDesk(cfg.Pen, cfg.Listener), seen: cfg.After,
		register: deletion.NewRegister(cfg.Genesis), windows: newWindows(), budget: deletion.DefaultPolicy("").Budget, told: map[crossing]bool{},
	}
}

// Run watches until ctx ends, or the log cannot be read on. Call it once. What was being
// published when ctx ended may come to stand in the log later: the next Watcher begins
// after the Service has answered everything, as it has when it is closed.
func (w *Watcher) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var publishing sync.WaitGroup
	publishing.Go(func() { w.desk.run(ctx) })
	defer publishing.Wait()
	defer stop()
	head, err := w.cfg.Log.Head(ctx)
	if err != nil {
		return fmt.Errorf("watch the log: %w", err)
	}
	if err := w.catchUp(ctx, head); err != nil {
		return fmt.Errorf("watch the log up to event %d: %w", head, err)
	}
	w.reach(head)
	return w.cfg.Log.Tail(ctx, head, func(stored []events.Stored) error {
		at := w.cfg.Clock()
		for _, s := range stored {
			for _, f := range append(w.take(s), w.jumped(s, at)...) {
				w.desk.put(f)
			}
		}
		w.reach(stored[len(stored)-1].Seq)
		return nil
	})
}

// catchUp reads what was in the log before. Up to After it only counts; behind that it
// finds what was not told.
func (w *Watcher) catchUp(ctx context.Context, head events.Seq) error {
	now := w.cfg.Clock()
	if head == 0 {
		w.copied = events.TimeOf(now)
	}
	var missed []finding
	err := w.cfg.Log.Read(ctx, 0, head, func(stored []events.Stored) error {
		for _, s := range stored {
			if found := w.take(s); s.Seq > w.cfg.After {
				missed = append(missed, found...)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	f, ahead, err := w.ahead(ctx, head, now)
	if err != nil {
		return err
	}
	if ahead {
		missed = append(missed, f)
	}
	for _, f := range missed {
		if !w.told[crossing{f.alarm.Alarm, f.alarm.To}] {
			w.desk.put(f)
		}
	}
	clear(w.told)
	return nil
}

// Concerns lists what a Watcher looks at: all about the aggregates of some kinds, and the
// events of some types, whatever they are about, which are tombstones and what brings back
// what they have taken. Of all others, which are most, it looks at nothing but the time.
func Concerns() ([]events.AggregateKind, []events.Type) {
	return slices.Clone(kinds), slices.Clone(types)
}

var (
	kinds = slices.DeleteFunc(slices.Clone(events.AggregateKinds), func(k events.AggregateKind) bool {
		return k == events.AggregateTenant || k == events.AggregateAccount || k == events.AggregateClaim
	})
	types = slices.DeleteFunc(events.Types(), func(t events.Type) bool {
		return !t.Tombstone() && t != events.TenantRestored{}.EventType()
	})
)

func concerns(s events.Stored) bool {
	return slices.Contains(kinds, s.About.Kind) || slices.Contains(types, s.Type)
}

// take takes the next event and tells what it crosses.
func (w *Watcher) take(s events.Stored) []finding {
	if !concerns(s) {
		return nil
	}
	e, err := events.Decode(s)
	if err != nil {
		w.register.Unreadable(s)
	} else {
		w.last = max(w.last, e.RecordedTime)
		err = w.register.Take(e)
	}
	if s.Type.Tombstone() {
		return w.count(s, err)
	}
	if s.About.Kind == events.AggregatePolicy {
		w.followPolicy()
	}
	if s.About.Kind == events.AggregateDoor {
		w.followDoor()
	}
	if err != nil { // it may not stand there, or cannot be read, and then shuts the door
		return w.afresh(w.windows.refused(tombstone{seq: s.Seq, at: w.last}, fmt.Sprintf("%s about %s: %v", s.Type, s.About, err)))
	}
	if a, ok := e.Payload.(events.AlarmRaised); ok {
		w.told[crossing{a.Alarm, a.To}] = true
		if a.Alarm == events.AlarmClockJump {
			w.clockTo = a.To
		}
	}
	return w.halted(e)
}

// halted finds a halt that nobody has asked for and that no alarm goes with.
func (w *Watcher) halted(e events.Event) []finding {
	p, ok := e.Payload.(events.DoorHalted)
	if !ok || p.Cause == events.HaltByPerson || e.RecordedTime < w.copied {
		return nil
	}
	if e.Source == Source && slices.Contains([]events.HaltCause{events.HaltRate, events.HaltBudget, events.HaltMismatch, events.HaltClock}, p.Cause) {
		return nil
	}
	return []finding{{alarm: events.AlarmRaised{
		Alarm: events.AlarmHalt, From: e.Seq, To: e.Seq, Count: 1, Detail: fmt.Sprintf("deletions are halted: %s: %s", p.Cause, p.Detail),
	}}}
}

// count counts a tombstone. refused is why it may not stand where it does.
func (w *Watcher) count(s events.Stored, refused error) []finding {
	t := tombstone{seq: s.Seq, at: w.last, kind: events.DeletionOfApps}
	if s.Type == (events.TenantDeleted{}).EventType() {
		t.kind = events.DeletionOfTenants
	}
	if refused != nil {
		t.unvouched = refused.Error()
	}
	return w.afresh(w.windows.take(t, w.budget))
}

// afresh is what is found unless it is of another log's past, which was copied into this one.
func (w *Watcher) afresh(found []finding) []finding {
	if w.last < w.copied {
		return nil
	}
	return found
}

// followPolicy takes the budget of the policy in force. While that cannot be read the one
// before stays.
func (w *Watcher) followPolicy() {
	if policy, err := deletion.PolicyOf(w.register); err == nil && policy.Version > 0 {
		w.budget = policy.Policy.Budget
	}
}

func (w *Watcher) followDoor() {
	door, err := deletion.DoorOf(w.register)
	if err != nil {
		door = events.Door{} // what cannot be read is shut
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = door.Open
}

// ahead finds that the log ends in the future, beyond what was told of that. When a clock
// has jumped while nobody watched nothing else shows it: the catalogue may have been down
// for as long.
func (w *Watcher) ahead(ctx context.Context, head events.Seq, now time.Time) (f finding, found bool, err error) {
	w.anchor, w.anchored = events.TimeOf(now), now
	// What was watched was judged then; while a clock is behind, recorded time goes on.
	for _, known := range []events.Seq{w.clockTo, min(w.cfg.After, head)} {
		if known > 0 && known <= head && err == nil {
			err = w.at(ctx, known, func(e events.Event) { w.anchor = max(w.anchor, e.RecordedTime) })
		}
	}
	if head > 0 && err == nil {
		err = w.at(ctx, head, func(e events.Event) { f, found = w.jump(e, now) })
	}
	return f, found, err
}

// at looks at one event, if it can be read.
func (w *Watcher) at(ctx context.Context, seq events.Seq, look func(events.Event)) error {
	return w.cfg.Log.Read(ctx, seq-1, seq, func(stored []events.Stored) error {
		for _, s := range stored {
			if e, err := events.Decode(s); err == nil {
				look(e)
			}
		}
		return nil
	})
}

// jumped finds that an event was recorded later than can be.
func (w *Watcher) jumped(s events.Stored, at time.Time) []finding {
	if e, err := events.Decode(s); err == nil {
		if f, found := w.jump(e, at); found {
			return []finding{f}
		}
	}
	return nil
}

func (w *Watcher) jump(e events.Event, at time.Time) (f finding, found bool) {
	can := w.anchor.Add(at.Sub(w.anchored))
	if e.RecordedTime.Sub(can) <= jump {
		// Little by little does not add up: at a tick it is forgiven, and not more often than the
		// catalogue makes one, or whoever can append ticks would carry the time away.
		if e.RecordedTime > can && e.About.Kind == events.AggregateClock && at.Sub(w.anchored) >= forgiveEvery {
			w.anchor, w.anchored = e.RecordedTime, at
		}
		return f, false
	}
	w.anchor, w.anchored = e.RecordedTime, at
	f = finding{alarm: events.AlarmRaised{
		Alarm: events.AlarmClockJump, From: e.Seq, To: e.Seq, Count: 1,
		Detail: fmt.Sprintf("event %d was recorded at %s, when it was %s", e.Seq, e.RecordedTime, can),
	}}
	if w.lastOpen(0) > 0 {
		f.halt = events.HaltClock // what its plan waits for, and what it expires by, is not to be trusted
	}
	return f, true
}

// reach notes how far everything was looked at.
func (w *Watcher) reach(seq events.Seq) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen, w.watching = seq, true
}

// Watching tells whether the past was read, and the log is followed since: before that
// Open knows of no plan, and no condition halts any.
func (w *Watcher) Watching() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.watching
}

// Seen is the Seq up to which everything was looked at, and every alarm stands in the log.
// Whoever keeps it gives it to the next Watcher, as its After.
func (w *Watcher) Seen() events.Seq {
	w.mu.Lock()
	seen := w.seen
	w.mu.Unlock()
	if f, waits := w.desk.first(); waits {
		seen = min(seen, f.alarm.To-1)
	}
	return seen
}

// Open is the event that let in the last plan that is open, as far as the log was read; 0:
// there is none.
func (w *Watcher) Open() events.Seq {
	return w.lastOpen(events.TimeOf(w.cfg.Clock()))
}

// lastOpen is the last one that has not expired at a time.
func (w *Watcher) lastOpen(at events.Time) (last events.Seq) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, plan := range w.open {
		if plan.Expires > at {
			last = max(last, plan.Mark.Seq)
		}
	}
	return last
}
