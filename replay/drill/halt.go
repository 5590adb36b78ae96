package drill

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tenantcatalogue/events"
)

// Halt is what stopped the wrong run, and when the watcher spoke up. The times are real
// ones, from the wrong run's first tombstone on.
type Halt struct {
	Cause          events.HaltCause `json:"cause"`            // empty: nothing did
	TenantsGone    int              `json:"tenants_gone"`     // deleted when it had ended
	Alarm          events.AlarmKind `json:"alarm"`            // the first; empty: none was raised
	SecondsToAlarm float64          `json:"seconds_to_alarm"` // from the first tombstone
	SecondsToHalt  float64          `json:"seconds_to_halt"`  // likewise
	AlarmDelay     float64          `json:"alarm_delay"`      // seconds from what the alarm is about to the alarm
	Asked          int              `json:"health_checks"`    // how often the service was asked for its health
	Bad            int              `json:"bad_health"`       // how often it was not well
}

// stopped says in what the wrong run was not stopped as it must be: soon, because the
// service was not well, and for that alone.
func (h Halt) stopped() error {
	switch {
	case h.Cause != events.HaltHealth:
		return fmt.Errorf("the halt is %q, not %q", h.Cause, events.HaltHealth)
	case h.Bad == 0:
		return fmt.Errorf("the service was asked for its health %d times and never told that it is bad", h.Asked)
	case h.TenantsGone == 0 || h.TenantsGone > haltedWithin:
		return fmt.Errorf("%d tenants are gone when the halt comes, not 1 to %d", h.TenantsGone, haltedWithin)
	case h.SecondsToHalt <= 0 || h.SecondsToHalt > haltTime.Seconds():
		return fmt.Errorf("the halt comes %.2f s after the first tombstone, at most %s are allowed", h.SecondsToHalt, haltTime)
	}
	return nil
}

// product stands in for a service of the vendor's that lives off the catalogue, and is the
// health check of every wave. Of a run that is to be halted it misses every tenant that is
// deleted; of one that is not, it sees nothing, as in April 2022.
type product struct {
	run    *run
	server *http.Server
	listen net.Listener
	done   chan struct{}

	asked, bad atomic.Int64 // how often it was asked, and not well
}

// startProduct starts it.
func (r *run) startProduct(ctx context.Context) (*product, error) {
	var config net.ListenConfig
	listen, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &product{run: r, listen: listen, done: make(chan struct{})}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Second}
	go func() {
		defer close(p.done)
		_ = p.server.Serve(listen) // it ends when it is told to
	}()
	return p, nil
}

func (p *product) url() string { return "http://" + p.listen.Addr().String() + "/health" }

// ServeHTTP is its health.
func (p *product) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p.asked.Add(1)
	if !p.run.cfg.Halt {
		return
	}
	gone, err := p.run.count(events.TenantStatusDeleted, slices.Concat(p.run.job.doomed, p.run.job.spared))
	if err != nil || gone > 0 {
		p.bad.Add(1)
		http.Error(w, fmt.Sprintf("%d tenants of this service cannot be reached", gone), http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("well")) // who asks has gone
}

func (p *product) stop() error {
	err := p.server.Close()
	<-p.done
	return err
}

// observer follows the log while the wrong run goes on.
type observer struct {
	run    *run
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	first time.Time // when the first tombstone of the run was seen
	when  map[events.Seq]time.Time
	found Halt
	seen  events.Seq
	moved chan struct{}
	err   error
}

func (r *run) observe(ctx context.Context) (*observer, error) {
	head, err := r.sys.Log.Head(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	o := &observer{run: r, cancel: cancel, done: make(chan struct{}), when: map[events.Seq]time.Time{}, moved: make(chan struct{}, 1)}
	go func() {
		defer close(o.done)
		if err := r.sys.Log.Tail(ctx, head, o.take); ctx.Err() == nil {
			o.mu.Lock()
			o.err = err
			o.mu.Unlock()
		}
	}()
	return o, nil
}

func (o *observer) take(stored []events.Stored) error {
	now := o.run.sys.Clock.Wall()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range stored {
		e, err := events.Decode(s)
		if err != nil {
			return err
		}
		o.when[s.Seq] = now
		switch p := e.Payload.(type) {
		case events.TenantDeleted:
			if e.Run == o.run.job.wrong && o.first.IsZero() {
				o.first = now
			}
		case events.AlarmRaised:
			if o.found.Alarm == "" && !o.first.IsZero() {
				o.found.Alarm, o.found.SecondsToAlarm, o.found.AlarmDelay = p.Alarm, now.Sub(o.first).Seconds(), now.Sub(o.when[p.To]).Seconds()
			}
		case events.DoorHalted:
			if o.found.Cause == "" {
				o.found.Cause, o.found.SecondsToHalt = p.Cause, now.Sub(o.first).Seconds()
			}
		}
		o.seen = s.Seq
	}
	select {
	case o.moved <- struct{}{}:
	default:
	}
	return nil
}

// haltTime is how long after the first tombstone the halt may come, at most: the drill's
// clock is not waited for.
const haltTime = 10 * time.Second

// alarmTime is how long after the tombstone that crosses a line its alarm may come, at most.
const alarmTime = 5 * time.Second

// stop tells what was seen up to where the log stands, and waits for an alarm as long as
// one may take.
func (o *observer) stop(ctx context.Context) (Halt, error) {
	defer func() {
		o.cancel()
		<-o.done
	}()
	head, err := o.run.sys.Log.Head(ctx)
	if err != nil {
		return Halt{}, err
	}
	late := time.NewTimer(alarmTime)
	defer late.Stop()
	for {
		o.mu.Lock()
		found, seen, err := o.found, o.seen, o.err
		o.mu.Unlock()
		if err != nil || seen >= head && found.Alarm != "" {
			return found, err
		}
		select {
		case <-o.moved:
		case <-late.C:
			if seen < head {
				return found, errors.New("the log could not be followed")
			}
			return found, nil
		case <-ctx.Done():
			return found, ctx.Err()
		}
	}
}
