package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/drill"
)

// caller is who publishes what is measured.
var caller = catalogue.Credential{Via: "bench"}

// publisher is the Service, or whatever stands for it.
type publisher interface {
	Publish(ctx context.Context, c catalogue.Credential, requests ...catalogue.Request) []catalogue.Verdict
}

// traffic makes events of the drill's mix about the tenants that stay: those
// that no wrong run deletes.
type traffic struct {
	cast *drill.Cast
	from int // the first tenant that stays
	n    int // events made
}

func (e *Env) traffic() *traffic { return &traffic{cast: e.cast, from: e.Deleted} }

// tenants is how many tenants there are to write about.
func (t *traffic) tenants() int { return t.cast.Tenants() - t.from }

// next makes an event, with the tenants in turn, so that events close to each
// other are about different ones.
func (t *traffic) next() events.Event {
	tenant := t.from + t.n%t.tenants()
	t.n++
	return event(events.OfTenant(t.cast.Tenant(tenant)), t.cast.Change(tenant, t.n))
}

// some makes requests of one event each.
func (t *traffic) some(n int) []catalogue.Request {
	out := make([]catalogue.Request, n)
	for i := range out {
		out[i].Events = []events.Event{t.next()}
	}
	return out
}

func event(about events.Aggregate, p events.Payload) events.Event {
	return events.Event{
		ID: events.IDFromUUID[events.EventID](uuid.Must(uuid.NewV7())), Source: "/bench", About: about,
		Time: events.TimeOf(time.Now()), Actor: "user_bench", Payload: p,
	}
}

// closedLoop has callers publish one request at a time each, until all are
// answered, and tells how long each call took.
func closedLoop(ctx context.Context, to publisher, callers int, requests []catalogue.Request) (samples, error) {
	return inTurns(callers, len(requests), func(i int) error {
		return to.Publish(ctx, caller, requests[i])[0].Err
	})
}

// inTurns has callers do n things, each its share one after the other, and
// tells how long each took. The first fault of each caller ends it.
func inTurns(callers, n int, do func(i int) error) (samples, error) {
	took := make(samples, n)
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := c; i < n && errs[c] == nil; i += callers {
				began := time.Now()
				errs[c] = do(i)
				took[i] = time.Since(began)
			}
		})
	}
	wg.Wait()
	return took, errors.Join(errs...)
}

// sent is a request of an open loop: when it was due, when it was acknowledged
// and where it stands, or why it does not.
type sent struct {
	due, acked time.Time
	seq        events.Seq
	err        error
}

// mostWaiting is how many requests of an open loop may wait for their answers:
// some seconds' worth. Behind that there is nothing more to learn.
const mostWaiting = 20_000

// openLoop is everyAnswer, with the answers kept; the first that is an error counts
// as one.
func (e *Env) openLoop(ctx context.Context, to publisher, perSecond int, more func(i int) bool) (out []sent, err error) {
	late := e.everyAnswer(ctx, to, perSecond, more, func(s sent) {
		out = append(out, s)
		if err == nil {
			err = s.err
		}
	})
	return out, errors.Join(late, err)
}

// everyAnswer publishes at a rate until it is told to end, whatever the answers do:
// what is late counts as late, from when it was due. It ends early when too many
// wait, and says so; the answers tell the rest. each gets them one at a time.
func (e *Env) everyAnswer(ctx context.Context, to publisher, perSecond int, more func(i int) bool, each func(sent)) error {
	t := e.traffic()
	answers := make(chan sent, perSecond)
	gathered := make(chan struct{})
	go func() {
		defer close(gathered)
		for a := range answers {
			each(a)
		}
	}()
	var wg sync.WaitGroup
	var waiting atomic.Int64
	began := time.Now()
	var late error
	for i := 0; more(i) && late == nil; i++ {
		if waiting.Add(1) > mostWaiting {
			e.say("it does not keep up: after %d requests at %d/s more than %d wait", i, perSecond, mostWaiting)
			break
		}
		due := began.Add(time.Duration(i) * time.Second / time.Duration(perSecond))
		late = sleepUntil(ctx, due)
		request := catalogue.Request{Events: []events.Event{t.next()}}
		wg.Go(func() {
			v := to.Publish(ctx, caller, request)[0]
			waiting.Add(-1)
			answers <- sent{due: due, acked: time.Now(), seq: v.Seq, err: v.Err}
		})
	}
	wg.Wait()
	close(answers)
	<-gathered
	return late
}

func sleepUntil(ctx context.Context, t time.Time) error {
	wait := time.Until(t)
	if wait <= 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// allStored are the verdicts' errors.
func allStored(verdicts []catalogue.Verdict) error {
	for i, v := range verdicts {
		if v.Err != nil {
			return fmt.Errorf("request %d of %d: %w", i+1, len(verdicts), v.Err)
		}
	}
	return nil
}
