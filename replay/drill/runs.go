package drill

import (
	"context"
	"fmt"
	"time"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/events"
)

// rightRun removes the app from 30 tenants: the list that was made before the mix-up.
func (r *run) rightRun(ctx context.Context) error {
	if err := r.until(ctx, rightRunAt); err != nil {
		return err
	}
	var list []deletion.Asked
	for _, t := range r.job.spared[:rightRun] {
		list = append(list, deletion.Asked{ID: t.legacy.String(), Parent: t.id.String(), Name: legacyApp})
	}
	plan, err := r.enter(ctx, r.sys.Doors[0], r.ask(events.DeletionOfApps, r.job.right, list))
	if err != nil {
		return err
	}
	step, err := r.carryOut(ctx, plan.ID, nil)
	if err == nil && step.Why != "" {
		err = fmt.Errorf("%s: %s", plan.ID, step.Why)
	}
	r.report.RightRun = RightRun{ID: r.job.right, AppsUninstalled: len(plan.Deletion.Targets)}
	r.tell.line("%s removed the app from %d tenants, as it should, in %d waves", r.job.right, len(plan.Deletion.Targets), len(plan.Deletion.Waves))
	return err
}

// ask is what the campaign asks for.
func (r *run) ask(kind events.DeletionKind, run events.RunID, list []deletion.Asked) deletion.Ask {
	return deletion.Ask{
		Kind: kind, Author: people.Author, Supplier: "campaign", Run: run, Reason: "the app is part of the product now",
		Expected: len(list), Targets: list,
	}
}

// carryOut steps through a plan to its end, letting as much time go by as it has to wait.
// between is called while a wave bakes.
func (r *run) carryOut(ctx context.Context, id events.PlanID, between func(step deletion.Step) error) (deletion.Step, error) {
	wave := 0
	for {
		step, err := r.sys.Deletions.Step(ctx, id)
		if err != nil || step.Done {
			return step, err
		}
		if step.Wait == 0 {
			continue
		}
		if step.Wave > wave && between != nil {
			wave = step.Wave
			if err := between(step); err != nil {
				return step, err
			}
		}
		if err := r.until(ctx, r.sys.Clock.Now().Add(step.Wait)); err != nil {
			return step, err
		}
	}
}

// listed is a line of a list that is about a tenant.
func (t *tenant) listed() deletion.Asked {
	return deletion.Asked{ID: t.id.String(), Parent: t.account.String(), Name: t.url()}
}

// listed is a list of tenants.
func listed(tenants []*tenant) []deletion.Asked {
	list := make([]deletion.Asked, len(tenants))
	for i, t := range tenants {
		list[i] = t.listed()
	}
	return list
}

// wrongRun puts tenants out of service and deletes them, wave by wave over 23 minutes, by
// a plan that is as a plan must be, but for the list, which persons have approved. Their
// owners and everybody else go on working meanwhile: some change tenants that are about to
// go, a few have their own deleted.
func (r *run) wrongRun(ctx context.Context) error {
	if err := r.ownersLeave(ctx); err != nil {
		return err
	}
	if err := r.until(ctx, beforeCut); err != nil {
		return err
	}
	if err := r.trafficStep(ctx, 0); err != nil {
		return err
	}
	if err := r.takeOutOfService(ctx); err != nil {
		return err
	}
	if err := r.until(ctx, wrongRunAt); err != nil {
		return err
	}
	plan, err := r.enter(ctx, r.sys.Doors[len(r.sys.Doors)-1], r.ask(events.DeletionOfTenants, r.job.wrong, listed(r.job.doomed)))
	if err != nil {
		return err
	}
	r.tell.line("%s is approved by two and rehearsed: %q", plan.ID, deletion.Sentence(plan.Deletion, 1, len(plan.Deletion.Waves)))
	seen, err := r.observe(ctx)
	if err != nil {
		return err
	}
	step, err := r.carryOut(ctx, plan.ID, func(step deletion.Step) error {
		r.tell.progress(step.Wave, step.Waves)
		return r.meanwhile(ctx, step)
	})
	if err != nil {
		return err
	}
	if r.report.Halt, err = seen.stop(ctx); err != nil {
		return err
	}
	if step.Why != "" {
		r.tell.line("%s ended after wave %d of %d: %s", plan.ID, step.Wave, step.Waves, step.Why)
	}
	return r.countWrongRun(ctx)
}

// takeOutOfService deactivates the tenants, one after the other; some of those that are
// still to come are changed meanwhile.
func (r *run) takeOutOfService(ctx context.Context) error {
	doomed := r.job.doomed
	for i, t := range doomed {
		if i == 0 {
			// Between the cut and the run, too, later-deleted tenants change.
			if err := r.until(ctx, outOfServiceAt.Add(-2*time.Minute)); err != nil {
				return err
			}
			if err := r.changeDoomed(ctx, doomed, "early", changesBetween/2); err != nil {
				return err
			}
		}
		if err := r.until(ctx, outOfServiceAt.Add(outOfServiceTime*time.Duration(i)/time.Duration(len(doomed)))); err != nil {
			return err
		}
		if every := max(1, len(doomed)/(changesBetween/2)); i%every == every-1 && i+1 < len(doomed) {
			if err := r.changeDoomed(ctx, doomed[i+1:], fmt.Sprintf("late/%d", i), 1); err != nil {
				return err
			}
		}
		e := r.event(events.OfTenant(t.id), "wrong run", "user_campaign", events.TenantDeactivated{Reason: "the app is part of the product now"})
		e.Run = r.job.wrong
		if err := r.publish(ctx, service, []events.Event{e}); err != nil {
			return err
		}
		if err := r.trafficStep(ctx, i+1); err != nil {
			return err
		}
		r.tell.progress(i+1, len(doomed))
	}
	r.tell.line("%s has put %d tenants out of service", r.job.wrong, len(doomed))
	return nil
}

// ownersLeave has some owners put their tenants out of service, the day before.
func (r *run) ownersLeave(ctx context.Context) error {
	if err := r.until(ctx, ownersLeaveAt); err != nil {
		return err
	}
	for _, t := range r.job.leaving {
		e := r.event(events.OfTenant(t.id), "owner leaves", "user_"+fmt.Sprint(t.n), events.TenantDeactivated{Reason: "closed by its owner"})
		if err := r.publish(ctx, service, []events.Event{e}); err != nil {
			return err
		}
	}
	return nil
}

// meanwhile is what happens after a wave of the wrong run: owners have their tenants
// deleted, in the same minutes and by the same door.
func (r *run) meanwhile(ctx context.Context, step deletion.Step) error {
	owners := &r.report.OwnerDeletions
	for owners.Count < len(r.job.leaving)*step.Wave/max(1, step.Waves-1) {
		t := r.job.leaving[owners.Count]
		err := r.crew.Delete(ctx, deletion.Ask{
			Kind: events.DeletionOfTenants, Author: fmt.Sprintf("user-%d", t.n), Submitter: people.Portal, Supplier: "owner", Owner: t.account,
			Reason: "closed by its owner", Expected: 1, Targets: []deletion.Asked{t.listed()},
		})
		if err != nil {
			return err
		}
		owners.Count++
	}
	return r.trafficStep(ctx, len(r.job.doomed)+step.Wave)
}

// changeDoomed changes n of the tenants that are still to be deleted, the last
// to go first: lost by a rewind, kept by an undo.
func (r *run) changeDoomed(ctx context.Context, left []*tenant, name string, n int) error {
	var list []events.Event
	for k := range min(n, len(left)) {
		t := left[len(left)-1-k]
		list = append(list, r.event(events.OfTenant(t.id), fmt.Sprintf("%s/%d", name, k), "user_"+fmt.Sprint(t.n), r.job.change(t, k)))
	}
	err := r.publish(ctx, service, list)
	r.report.BadRun.Changes += len(list)
	return err
}

// trafficStep is one event of traffic on tenants that stay.
func (r *run) trafficStep(ctx context.Context, i int) error {
	t := r.job.spared[i%len(r.job.spared)]
	e := r.event(events.OfTenant(t.id), fmt.Sprintf("traffic/%d", i), "user_"+fmt.Sprint(t.n), r.job.change(t, i))
	err := r.publish(ctx, service, []events.Event{e})
	r.report.Traffic.Events++
	return err
}
