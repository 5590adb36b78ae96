package watch_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventlog"
	"tenantcatalogue/events/eventtest"
	"tenantcatalogue/watch"
)

// notes is a write side that takes everything, unless it fails.
type notes struct {
	mu    sync.Mutex
	halts []events.DoorHalted
	fail  error
}

func (n *notes) Publish(_ context.Context, c catalogue.Credential, requests ...catalogue.Request) []catalogue.Verdict {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fail != nil {
		return []catalogue.Verdict{{Err: n.fail}}
	}
	e := requests[0].Events[0]
	if h, ok := e.Payload.(events.DoorHalted); ok && c.Has(catalogue.RoleInternal) && e.Validate() == nil {
		n.halts = append(n.halts, h)
	}
	return []catalogue.Verdict{{}}
}

func (n *notes) breakWith(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fail = err
}

// causes empties what was halted because of.
func (n *notes) causes() (out []events.HaltCause) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, h := range n.halts {
		out = append(out, h.Cause)
	}
	n.halts = nil
	return out
}

// room is a condition with everything around it that tests change.
type room struct {
	t *testing.T
	*notes

	open  atomic.Uint64
	fault watch.Fault
}

// newRoom runs in a bubble.
func newRoom(t *testing.T, wait time.Duration, more ...watch.Probe) *room {
	t.Helper()
	r := &room{t: t, notes: &notes{}}
	c := watch.Conditions{
		Pen:  watch.Pen{Service: r, Clock: time.Now, NewID: uuid.NewV7},
		Open: func() events.Seq { return events.Seq(r.open.Load()) }, Probes: append(more, watch.Probe{Cause: events.HaltDigest, Look: r.fault.Look, For: wait}),
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return r
}

// after lets time pass and wants halts.
func (r *room) after(d time.Duration, want ...events.HaltCause) {
	r.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	if got := r.causes(); !slices.Equal(got, want) {
		r.t.Errorf("halted because of %v, want %v", got, want)
	}
}

// TestConditions halts once while something is wrong and a plan is open.
func TestConditions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, 0)
		r.after(time.Minute)
		r.fault.Set(errors.New("a row is wrong"))
		r.after(time.Minute) // nothing is open
		r.open.Store(5)
		r.after(time.Second, events.HaltDigest)
		r.after(time.Minute)
		r.open.Store(0)
		r.after(time.Minute)
		r.open.Store(7) // another plan was let in, and it is wrong still
		r.after(time.Second, events.HaltDigest)
		r.after(time.Minute)
		r.open.Store(8) // another one at once, before it was seen that none was open
		r.after(time.Second, events.HaltDigest)
		r.fault.Set(nil)
		r.after(2 * time.Second)
		r.fault.Set(errors.New("another row is wrong"))
		r.after(time.Second, events.HaltDigest)
		r.fault.Set(nil)
		r.after(2 * time.Second)
		r.breakWith(errors.New("away"))
		r.fault.Set(errors.New("a row is wrong"))
		r.after(3 * time.Second)
		r.breakWith(nil)
		r.after(time.Second, events.HaltDigest)
	})
}

// TestConditionsWait lets what is soon over pass.
func TestConditionsWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, 30*time.Second)
		r.open.Store(5)
		for range 5 {
			r.fault.Set(errors.New("behind"))
			r.after(20 * time.Second)
			r.fault.Set(nil)
			r.after(2 * time.Second)
		}
		r.fault.Set(errors.New("behind"))
		r.after(29 * time.Second)
		r.after(3*time.Second, events.HaltDigest)
	})
}

// TestSilentProbe takes one that hangs for one that finds something wrong, asks it once,
// and goes on with the others.
func TestSilentProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		hang := make(chan struct{})
		r := newRoom(t, 0, watch.Probe{Cause: events.HaltQuorum, Look: func(context.Context) error {
			asked.Add(1)
			<-hang
			return nil
		}})
		r.open.Store(5)
		r.after(10*time.Second, events.HaltQuorum)
		r.fault.Set(errors.New("a row is wrong"))
		r.after(time.Second, events.HaltDigest)
		r.after(time.Minute)
		if n := asked.Load(); n != 1 {
			t.Errorf("it was asked %d times", n)
		}
		close(hang)
		r.after(10 * time.Second)
	})
}

// TestDriftHalts changes the stream while a plan is open.
func TestDriftHalts(t *testing.T) {
	t.Parallel()
	log, nc := eventtest.NewLog(t)
	r := newRig(t, log)
	halted := make(chan events.DoorHalted, 10)
	c := watch.Conditions{
		Pen: watch.Pen{Service: r, Clock: time.Now, NewID: uuid.NewV7}, Open: func() events.Seq { return 1 }, Every: time.Millisecond,
		Probes: []watch.Probe{
			{Cause: events.HaltQuorum, Look: log.CheckQuorum, For: 10 * time.Second},
			{Cause: events.HaltStreamConfig, Look: log.CheckConfig},
		},
		Listener: watch.Listener{Halted: func(h events.DoorHalted) { halted <- h }},
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { c.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	cfg := eventtest.Stream(t, nc).CachedInfo().Config
	cfg.MaxMsgs = 1 << 40
	eventtest.Reconfigure(t, nc, cfg)
	if h := next(t, "halt", halted); h.Cause != events.HaltStreamConfig {
		t.Errorf("%+v", h)
	}
	if err := log.CheckConfig(t.Context()); !errors.Is(err, eventlog.ErrDrift) {
		t.Error(err)
	}
}
