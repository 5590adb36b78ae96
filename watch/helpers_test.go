package watch_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
	"tenantcatalogue/watch"
)

// rig is a log with a Service on it, whoever writes past that, and a Watcher.
type rig struct {
	t       testing.TB
	log     eventtest.Log
	service *catalogue.Service
	engine  *deletion.Engine
	keys    people.Keys
	stones  int
	wall    *catalogtest.Clock

	mu   sync.Mutex
	fail error // what the Watcher's own events are answered with
}

func newRig(t testing.TB, log eventtest.Log) *rig {
	t.Helper()
	r := &rig{t: t, log: log, wall: catalogtest.NewClock(catalogtest.Start), keys: people.NewKeys("ana", "ben", "cleo")}
	service, err := catalogue.Open(t.Context(), catalogue.Config{
		Log: log, Store: catalogtest.NewStore(), Seal: catalogtest.Seal{}, Clock: r.clock, Guard: deletion.Guard{},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = service.Close() })
	r.service = service
	r.engine = deletion.New(deletion.Config{
		Service: service, Now: service.Now, NewID: uuid.NewV7,
		Look: func(_ context.Context, f func(deletion.Lookup) error) error { return f(empty{}) },
	})
	r.tick()
	return r
}

// empty is a catalogue without a policy, as a first one sees it.
type empty struct{ deletion.Lookup }

func (empty) State(events.Aggregate) catalogue.State        { return catalogue.MapState{} }
func (empty) Head(events.Aggregate) (catalogue.Head, error) { return catalogue.Head{}, nil }

func (r *rig) clock() time.Time { return r.wall.Now() }

// pass lets time pass.
func (r *rig) pass(d time.Duration) { r.wall.Move(d) }

// breakWith has the Watcher's events answered with an error; nil: no longer.
func (r *rig) breakWith(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = err
}

// errLost is answered for what was written all the same.
var errLost = errors.New("the answer was lost")

// Publish is the Watcher's write side.
func (r *rig) Publish(ctx context.Context, c catalogue.Credential, requests ...catalogue.Request) []catalogue.Verdict {
	r.mu.Lock()
	fail := r.fail
	r.mu.Unlock()
	if fail != nil && !errors.Is(fail, errLost) {
		return []catalogue.Verdict{{Err: fail}}
	}
	verdicts := r.service.Publish(ctx, c, requests...)
	if fail != nil {
		verdicts[0].Err = fail
	}
	return verdicts
}

func (r *rig) tick() {
	r.t.Helper()
	if err := r.engine.Tick(context.Background()); err != nil {
		r.t.Fatal(err)
	}
}

// adopt puts a first policy in force.
func (r *rig) adopt(b events.Budget) {
	r.t.Helper()
	p := people.QuickPolicy(r.keys.Roster(events.TimeOf(catalogtest.Start).Add(365 * 24 * time.Hour)))
	p.Budget = b
	changed, _, err := r.engine.Propose(context.Background(), events.PolicyProposed{Version: 1, Author: "boss", Reason: "a test", Policy: p})
	if err != nil || !changed {
		r.t.Fatal("the policy is not in force", err)
	}
}

// gone appends tombstones past the Service, n at once, and gives the Seq of the last.
func (r *rig) gone(n int) events.Seq {
	r.t.Helper()
	var units []events.Unit
	for range n {
		r.stones++
		name := fmt.Sprint("stone", r.stones)
		units = append(units, r.unit(events.Event{
			ID: events.DeriveID[events.EventID](name), About: events.OfTenant(events.DeriveID[events.TenantID](name)), Payload: events.TenantDeleted{},
		}))
	}
	answers := eventtest.MustAppend(r.t, r.log, units...)
	return answers[n-1].Last
}

// unit makes a unit of an event that is about something new.
func (r *rig) unit(e events.Event) events.Unit {
	r.t.Helper()
	e.Source, e.Actor, e.Time = "/stolen", "thief", events.TimeOf(r.clock())
	if e.RecordedTime == 0 {
		e.RecordedTime = e.Time
	}
	s, err := events.Encode(e)
	if err != nil {
		r.t.Fatal(err)
	}
	return eventtest.One(s, 0)
}

func (r *rig) head() events.Seq {
	r.t.Helper()
	head, err := r.log.Head(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	return head
}

// watched is a Watcher that runs, and what it has told.
type watched struct {
	*watch.Watcher

	t      testing.TB
	alarms chan events.AlarmRaised
	raised chan events.AlarmRaised
	halted chan events.DoorHalted
	failed chan error
	stop   func()
}

// followed is a log that tells when it is followed.
type followed struct {
	eventtest.Log

	tail chan struct{}
}

func (f followed) Tail(ctx context.Context, after events.Seq, fn func([]events.Stored) error) error {
	close(f.tail)
	return f.Log.Tail(ctx, after, fn)
}

// watch starts a Watcher, which has caught up then.
func (r *rig) watch(after events.Seq) *watched {
	r.t.Helper()
	log := followed{r.log, make(chan struct{})}
	w := &watched{
		t: r.t, alarms: make(chan events.AlarmRaised, 1000), raised: make(chan events.AlarmRaised, 1000), halted: make(chan events.DoorHalted, 1000),
		failed: make(chan error, 1000),
	}
	w.Watcher = watch.New(watch.Config{
		Pen: watch.Pen{Service: r, Clock: r.clock, NewID: uuid.NewV7}, Log: log, After: after,
		Listener: watch.Listener{
			Alarm:  func(a events.AlarmRaised) { w.alarms <- a },
			Raised: func(a events.AlarmRaised) { w.raised <- a },
			Halted: func(h events.DoorHalted) { w.halted <- h },
			Failed: func(err error) { w.failed <- err },
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			w.t.Errorf("the watcher ended: %v", err)
		}
		if err := r.service.Flush(context.Background()); err != nil { // and has answered what it was publishing
			w.t.Error(err)
		}
	})
	r.t.Cleanup(w.stop)
	<-log.tail
	return w
}

func next[V any](t testing.TB, what string, from <-chan V) (v V) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(30 * time.Second):
		t.Fatalf("there is no %s", what)
	}
	return v
}

// raises wants an alarm, and the halt that goes before it, if one does.
func (w *watched) raises(kind events.AlarmKind, cause events.HaltCause) events.AlarmRaised {
	w.t.Helper()
	a := next(w.t, "alarm "+string(kind), w.raised)
	if a.Alarm != kind || a.Detail == "" {
		w.t.Fatalf("want %s, got %+v", kind, a)
	}
	if cause != "" {
		if h := next(w.t, "halt", w.halted); h.Cause != cause || h.Detail != a.Detail {
			w.t.Fatalf("want %s, got %+v", cause, h)
		}
	}
	return a
}

// quiet waits until everything in the log was looked at, and wants no more alarms.
func (w *watched) quiet(r *rig) {
	w.t.Helper()
	w.settle(r)
	if got := w.told(); len(got) > 0 {
		w.t.Fatalf("unexpected: %+v", got)
	}
}

// settle waits until everything in the log was looked at.
func (w *watched) settle(r *rig) {
	w.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); w.Seen() < r.head(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("it has seen %d of %d", w.Seen(), r.head())
		}
	}
}

// told empties what it was told of before it was published.
func (w *watched) told() (out []events.AlarmRaised) {
	for {
		select {
		case a := <-w.alarms:
			out = append(out, a)
		default:
			return out
		}
	}
}

// inLog is the alarms and halts in the log.
func (r *rig) inLog() (alarms []events.AlarmRaised, halts int) {
	r.t.Helper()
	for _, s := range eventtest.All(r.t, r.log) {
		e, err := events.Decode(s)
		if err != nil {
			continue
		}
		switch p := e.Payload.(type) {
		case events.AlarmRaised:
			alarms = append(alarms, p)
		case events.DoorHalted:
			halts++
		}
	}
	return alarms, halts
}
