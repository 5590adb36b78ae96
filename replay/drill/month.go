package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// callers is how many callers publish the month side by side.
const callers = 4

// batch is how many events one call carries: what the gate takes at most.
const batch = 1000

// event makes an event of the drill.
func (r *run) event(about events.Aggregate, name string, actor string, p events.Payload) events.Event {
	return events.Event{
		// Derived, so that the same seed makes the same events.
		ID:     events.DeriveID[events.EventID](fmt.Sprint(r.cfg.Seed), about.String(), name),
		Source: "/drill/services", About: about, Time: events.TimeOf(r.sys.Clock.Now()), Actor: actor, Payload: p,
	}
}

// publish asks for events one by one, each a unit of its own, in calls of at
// most a batch; the first refusal ends it.
func (r *run) publish(ctx context.Context, c catalogue.Credential, list []events.Event) error {
	for chunk := range slices.Chunk(list, batch) {
		requests := make([]catalogue.Request, len(chunk))
		for i, e := range chunk {
			requests[i].Events = []events.Event{e}
		}
		for _, v := range r.sys.Service.Publish(ctx, c, requests...) {
			if v.Err != nil {
				return v.Err
			}
		}
	}
	return nil
}

// month publishes every tenant's life, step by step, so that the tenants'
// events are mixed in the log as they would be.
func (r *run) month(ctx context.Context) error {
	if err := r.accounts(ctx); err != nil {
		return err
	}
	span := monthEnds.Sub(monthBegins)
	total := lifeSteps * len(r.job.tenants)
	done := 0
	for step := range lifeSteps {
		for from := 0; from < len(r.job.tenants); from += callers * batch {
			block := r.job.tenants[from:min(from+callers*batch, len(r.job.tenants))]
			r.sys.Clock.Set(monthBegins.Add(time.Duration(float64(span) * float64(done) / float64(total))))
			if err := r.lives(ctx, block, step); err != nil {
				return err
			}
			done += len(block)
			r.tell.progress(done, total)
		}
	}
	r.sys.Clock.Set(monthEnds)
	head, err := r.sys.Log.Head(ctx)
	r.report.EventsBefore = head
	r.tell.line("%d tenants of %d accounts, %d events from %s to %s", len(r.job.tenants), len(r.job.owners), head, date(monthBegins), date(monthEnds))
	return err
}

func (r *run) accounts(ctx context.Context) error {
	var list []events.Event
	for i, id := range r.job.owners {
		about := events.OfAccount(id)
		list = append(list,
			r.event(about, "created", "user_sales", events.AccountCreated{Name: events.Personal(fmt.Sprintf("Customer %d", i))}),
			r.event(about, "contacts", "user_sales", events.AccountContactsUpdated{Contacts: []events.ContactInfo{
				{Kind: events.ContactTechnical, Name: events.Personal(fmt.Sprintf("Contact %d", i)), Email: events.Personal(fmt.Sprintf("ops@c%06d.example.org", i))},
				{Kind: events.ContactBilling, Email: events.Personal(fmt.Sprintf("billing@c%06d.example.org", i)), Phone: "+1 555 0100"},
			}}))
	}
	return r.publish(ctx, service, list)
}

// lives publishes one step of a block of tenants from several callers at once.
func (r *run) lives(ctx context.Context, block []*tenant, step int) error {
	var wg sync.WaitGroup
	errs := make([]error, callers)
	for i := range callers {
		from, to := i*len(block)/callers, (i+1)*len(block)/callers
		list := make([]events.Event, 0, to-from)
		for _, t := range block[from:to] {
			list = append(list, r.event(events.OfTenant(t.id), fmt.Sprintf("life/%d", step), "user_"+fmt.Sprint(t.n), r.job.life(t, step)))
		}
		wg.Go(func() { errs[i] = r.publish(ctx, service, list) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func date(t time.Time) string { return t.Format("2006-01-02") }
