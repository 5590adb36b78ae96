package drill

import (
	"context"
	"fmt"

	"tenantcatalogue/events"
)

// Cast is who plays in a drill, for whoever wants a catalogue with the same
// tenants and the same mix of events for another purpose. It is the same for the
// same [Config].
type Cast struct{ run run }

// NewCast makes the cast. Validate the Config first.
func NewCast(cfg Config) *Cast { return &Cast{run{cfg: cfg, job: newJob(cfg)}} }

// Live publishes the month of every tenant's life, some 20 events each, from
// several callers at once, and moves sys.Clock through it; then a run on a few tenants.
// Of sys only Service, Log and Clock are used.
func (c *Cast) Live(ctx context.Context, sys System, tell Tell) error {
	r := c.run
	r.sys, r.tell = sys, tell
	if err := r.month(ctx); err != nil {
		return fmt.Errorf("live a month: %w", err)
	}
	var list []events.Event
	for _, t := range r.job.spared[:rightRun] {
		e := r.event(events.OfTenant(t.id), "a run", "user_campaign", events.TenantConfigured{Metadata: map[string]string{"banner": "the app is part of the product now"}})
		e.Run = r.job.right
		list = append(list, e)
	}
	return r.publish(ctx, service, list)
}

// RightRun is the run that comes after the month.
func (c *Cast) RightRun() events.RunID { return c.run.job.right }

// Tenants is how many tenants there are.
func (c *Cast) Tenants() int { return len(c.run.job.tenants) }

// Tenant is the i-th of them; the first Config.Deleted are those that the wrong
// run deletes.
func (c *Cast) Tenant(i int) events.TenantID { return c.run.job.tenants[i].id }

// Change is something that happens to the i-th tenant in ongoing traffic; n
// says which of the mix.
func (c *Cast) Change(i, n int) events.Payload {
	return c.run.job.change(c.run.job.tenants[i], n)
}
