package deletion

import (
	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// Guard is the catalogue's: it holds everything that is governed against the rules, and
// tombstones against the tenants they are about.
type Guard struct{ Genesis Genesis }

// Vouch is as in catalogue.Guard.
func (g Guard) Vouch(f catalogue.Facts, e events.Event) error { return g.Genesis.vouch(f, e) }

// Decide is Vouch and, for a tombstone, that its target is still what was planned.
func (g Guard) Decide(f catalogue.Facts, e events.Event) error {
	if p, ok := e.Payload.(events.TenantRestored); ok {
		return restored(f, e, p)
	}
	if err := g.Vouch(f, e); err != nil || !e.Type().Tombstone() {
		return err
	}
	policy, err := PolicyOf(f)
	if err != nil {
		return err
	}
	if policy.Version == 0 {
		return noPolicy()
	}
	door, err := DoorOf(f)
	if err != nil {
		return err
	}
	passage := door.Recent[len(door.Recent)-1] // Vouch has found the tombstone in it
	d, _, err := deletionOf(f, passage.Plan)
	if err != nil {
		return err
	}
	from, _ := span(d.Plan, int(passage.Wave), int(passage.Wave))
	return CheckTarget(f, passage.Plan, d, from+int(e.Seq-passage.Mark.Seq)-1, e.RecordedTime)
}

// CheckTarget holds a target of a plan against the tenant as it is now. An earlier
// target of the same plan may have been the tenant's last event.
func CheckTarget(f Heads, id events.PlanID, d events.Deletion, at int, now events.Time) error {
	target := d.Plan.Targets[at]
	about := events.OfTenant(target.Tenant)
	head, err := f.Head(about)
	if err != nil {
		return err
	}
	if head.Quarantined != 0 {
		return catalogue.Refuse(catalogue.ErrQuarantined, "run verify, and mend the log's reader first", "%s holds an event at %d that cannot be read", about, head.Quarantined)
	}
	if head.Seq != target.Pinned || head.Epoch != target.Epoch {
		own, err := ownTombstone(f, id, d, at, head.Seq)
		if err != nil {
			return err
		}
		if !own {
			return catalogue.Refuse(ErrPlan, "plan it anew", "%s has changed since it was planned: its last event is %d, not %d", about, head.Seq, target.Pinned)
		}
	}
	c, err := conditionOf(f, now)
	if err != nil {
		return err
	}
	return c.check(f, d.Plan, target)
}

// ownTombstone tells whether an event is the tombstone of an earlier target of the plan
// in the same tenant, which takes several apps from it.
func ownTombstone(w States, id events.PlanID, d events.Deletion, at int, seq events.Seq) (bool, error) {
	door := w.State(theDoor())
	for wave := 1; wave <= len(d.Plan.Waves); wave++ {
		passage, passed, err := catalogue.Get[events.Passage](door, events.PassageKey(id, uint32(wave)))
		if err != nil || !passed {
			return false, err
		}
		from, to := span(d.Plan, wave, wave)
		for i := from; i < min(to, at); i++ {
			if d.Plan.Targets[i].Tenant == d.Plan.Targets[at].Tenant && passage.Mark.Seq+1+events.Seq(i-from) == seq {
				return true, nil
			}
		}
	}
	return false, nil
}

// condition is what a target must meet besides being the one that was planned.
type condition struct {
	policy events.InForce
	clock  clock
	now    events.Time
}

func conditionOf(w Heads, now events.Time) (c condition, err error) {
	c.now = now
	if c.policy, err = PolicyOf(w); err == nil {
		c.clock, err = clockOf(w)
	}
	return c, err
}

func (c condition) check(w Heads, plan events.DeletionPlanned, target events.DeletionTarget) error {
	if err := unheld(w, target.Tenant); err != nil {
		return err
	}
	about := events.OfTenant(target.Tenant)
	record, exists, err := catalogue.Get[events.Tenant](w.State(about), events.Tenant{}.EntityKey())
	if err != nil {
		return err
	}
	if !exists {
		return catalogue.Refuse(ErrPlan, "", "there is no %s", about)
	}
	if record.Internal != target.Internal || record.ActiveUsers != target.Users {
		return catalogue.Refuse(ErrPlan, "plan it anew", "%s is not as the plan says it is", about)
	}
	if plan.Kind == events.DeletionOfApps {
		return c.checkApp(w, target)
	}
	if record.Account != target.Account || record.URL != target.Name {
		return catalogue.Refuse(ErrPlan, "plan it anew", "%s belongs to %s and is called %s", about, record.Account, record.URL)
	}
	out, _, err := catalogue.Get[events.Deactivation](w.State(about), events.Deactivation{}.EntityKey())
	if err != nil {
		return err
	}
	return c.checkTenant(about, plan, record, out.Since)
}

func (condition) checkApp(w States, target events.DeletionTarget) error {
	app, exists, err := catalogue.Get[events.App](w.State(events.OfTenant(target.Tenant)), events.AppKey(target.App))
	if err == nil && (!exists || app.Name != target.Name) {
		err = catalogue.Refuse(ErrPlan, "plan it anew", "%s has no %s called %s", target.Tenant, target.App, target.Name)
	}
	return err
}

func (c condition) checkTenant(about events.Aggregate, plan events.DeletionPlanned, record events.Tenant, since events.Time) error {
	if record.Status != events.TenantStatusDeactivated {
		return catalogue.Refuse(ErrPlan, "deactivate it first", "%s is %s", about, record.Status)
	}
	wait := c.policy.Policy.DeactivatedFor
	if since.IsZero() || !c.clock.passed(since, c.now, wait) {
		return catalogue.Refuse(ErrTooSoon, "wait", "%s must have been out of service for %s, it is since %s", about, wait.Duration(), since)
	}
	if plan.InactiveDays == 0 {
		return nil
	}
	claimed := events.Seconds(plan.InactiveDays) * day // CheckPlan bounds the days
	if record.LastActivity.IsZero() || !c.clock.passed(record.LastActivity, c.now, claimed) {
		known := "it was used since"
		if record.LastActivity.IsZero() {
			known = "nobody has ever reported its use"
		}
		return catalogue.Refuse(ErrPlan, "find out who uses it", "%s is said to be inactive for %d days; %s", about, plan.InactiveDays, known)
	}
	return nil
}
