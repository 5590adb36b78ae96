package watch

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// Source is the source of every event of this package.
const Source = "/catalogue/watch"

// Publisher is the write side: catalogue.Service.
type Publisher interface {
	Publish(ctx context.Context, c catalogue.Credential, requests ...catalogue.Request) []catalogue.Verdict
}

// Pen is what events are written with; all of it is needed.
type Pen struct {
	Service Publisher
	Clock   func() time.Time // time.Now, whose readings tell how much time has passed, too
	NewID   func() (uuid.UUID, error)
}

// Listener hears of what happens here. Any of its functions may be nil; they are called
// from goroutines of this package and must not block.
type Listener struct {
	Alarm  func(events.AlarmRaised) // it was seen; it is told before it stands in the log
	Raised func(events.AlarmRaised) // it stands in the log
	Halted func(events.DoorHalted)  // deletions are halted
	// Failed hears why something could not be published. It is tried again, but for
	// what the write side has refused.
	Failed func(error)
}

func tell[V any](to func(V), v V) {
	if to != nil {
		to(v)
	}
}

var watcher = catalogue.Credential{Via: "watch", Roles: []catalogue.Role{catalogue.RoleInternal}}

// event makes an event. Its id is the same in every retry, and nobody can have known it
// before: with one that could be derived an alarm could be kept from being raised.
func (p Pen) event(payload events.Payload) (events.Event, error) {
	id, err := events.NewID[events.EventID](p.NewID)
	return events.Event{
		ID: id, Source: Source, About: events.TheOne(payload.EventType().About()), Time: events.TimeOf(p.Clock()), Actor: "watch", Payload: payload,
	}, err
}

// answerWait bounds one attempt to publish.
const answerWait = 30 * time.Second

// publish publishes an event once.
func (p Pen) publish(ctx context.Context, e events.Event) error {
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	return p.Service.Publish(ctx, watcher, catalogue.Request{Events: []events.Event{e}})[0].Err
}

// The waits between attempts to publish: each twice the one before.
const (
	firstWait = 100 * time.Millisecond
	lastWait  = 5 * time.Second
)

// insist publishes until it is done or ctx ends. What is refused is not tried again: it
// would be refused for ever, and hold up what comes after it. It tells whether it was
// published.
func (p Pen) insist(ctx context.Context, payload events.Payload, failed func(error)) bool {
	var e events.Event
	for wait := firstWait; ctx.Err() == nil; wait = min(2*wait, lastWait) {
		var err error
		if e.ID.IsZero() {
			e, err = p.event(payload)
		}
		if err == nil {
			err = p.publish(ctx, e)
		}
		if err == nil {
			return true
		}
		tell(failed, err)
		if _, refused := errors.AsType[*catalogue.RefusedError](err); refused {
			return false
		}
		pause(ctx, wait)
	}
	return false
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// desk publishes what was found, in its order, without holding up whoever finds it.
type desk struct {
	pen      Pen
	listener Listener
	more     chan struct{} // holds one

	mu    sync.Mutex
	queue []finding // not published yet
}

func newDesk(pen Pen, listener Listener) *desk {
	return &desk{pen: pen, listener: listener, more: make(chan struct{}, 1)}
}

// put tells of a finding, and has it published.
func (d *desk) put(f finding) {
	f.alarm.Detail = events.OneLine(f.alarm.Detail)
	tell(d.listener.Alarm, f.alarm)
	d.mu.Lock()
	d.queue = append(d.queue, f)
	d.mu.Unlock()
	select {
	case d.more <- struct{}{}:
	default:
	}
}

// first is the finding that is to be published next.
func (d *desk) first() (f finding, found bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) == 0 {
		return f, false
	}
	return d.queue[0], true
}

// run publishes until ctx ends. An alarm stands in the log only after the halt that goes
// with it: whoever finds the alarm there after a restart need not halt again.
func (d *desk) run(ctx context.Context) {
	for {
		f, found := d.first()
		if !found {
			select {
			case <-d.more:
				continue
			case <-ctx.Done():
				return
			}
		}
		if f.halt != "" {
			halt := events.DoorHalted{Cause: f.halt, Detail: f.alarm.Detail}
			if d.pen.insist(ctx, halt, d.listener.Failed) {
				tell(d.listener.Halted, halt)
			}
		}
		if d.pen.insist(ctx, f.alarm, d.listener.Failed) {
			tell(d.listener.Raised, f.alarm)
		}
		if ctx.Err() != nil {
			return
		}
		d.mu.Lock()
		d.queue = d.queue[1:]
		d.mu.Unlock()
	}
}
