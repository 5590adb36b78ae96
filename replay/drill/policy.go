package drill

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
)

// Environment is the drill's.
const Environment = "drill"

// until lets time go by: it is marked often enough to count.
func (r *run) until(ctx context.Context, at time.Time) error {
	for r.marked.Add(catalogue.TickEvery / 2).Before(at) {
		r.marked = r.marked.Add(catalogue.TickEvery / 2)
		r.sys.Clock.Set(r.marked)
		if err := r.sys.Deletions.Tick(ctx); err != nil {
			return err
		}
	}
	r.sys.Clock.Set(at)
	return nil
}

// adopt puts the policy in force that a catalogue begins with.
func (r *run) adopt(ctx context.Context) error {
	r.marked = r.sys.Clock.Now()
	if err := r.sys.Deletions.Tick(ctx); err != nil {
		return err
	}
	_, err := r.crew.Propose(ctx, r.strict(), "begin")
	return err
}

func (r *run) strict() events.Policy {
	p := deletion.DefaultPolicy(Environment)
	p.Roster, p.Checks = r.crew.Roster(), []string{r.health.url()}
	return p
}

// loosen has the policy changed by its own rule, approvals and delay included, to one
// under which as many tenants can go, as fast, as went in April 2022.
func (r *run) loosen(ctx context.Context) error {
	p := r.strict()
	n := uint32(r.cfg.Deleted + rightRun + ownerDeletions)
	p.Caps, p.Budget = []uint32{50, 1000}, events.Budget{Minute: 1000, Day: 2 * n, Month: 4 * n, Owners: 2 * ownerDeletions}
	// The vendor's own, one, ten, and the rest in fifties.
	waves := 3 + math.Ceil(math.Max(0, float64(r.cfg.Deleted-12))/50)
	p.Bakes = []events.Seconds{events.Seconds(wrongRunTime.Seconds() / (waves - 1))}
	p.DeactivatedFor = events.Seconds(outOfService.Seconds())
	inForce, err := r.crew.Propose(ctx, p, "the campaign")
	if err != nil || inForce {
		return fmt.Errorf("the loosened policy is in force at once (%t): %w", inForce, err)
	}
	if err := r.crew.Change(ctx); !errors.Is(err, deletion.ErrTooSoon) {
		return fmt.Errorf("the loosened policy did not have to wait: %w", err)
	}
	if err := r.until(ctx, loosenedAt); err != nil {
		return err
	}
	if err := r.crew.Change(ctx); err != nil {
		return err
	}
	r.tell.line("the policy is loosened: proposed on %s, approved by two, in force on %s", date(monthEnds), date(loosenedAt))
	return nil
}
