package deletion

import (
	"fmt"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// passed holds a wave against its plan, the policy and the budgets.
func (r *rules) passed(p events.DoorPassed) error {
	d, exists, err := deletionOf(r, p.Plan)
	if err != nil {
		return err
	}
	if !exists {
		return catalogue.Refuse(ErrNoPlan, "plan it first", "there is no %s", p.Plan)
	}
	if err := r.alive(p.Plan, d); err != nil {
		return err
	}
	wave := len(d.Checked) + 1
	switch {
	case d.Started.IsZero():
		return catalogue.Refuse(ErrPlan, "catalogue delete run", "%s was not started", p.Plan)
	case int(p.Wave) != wave || wave > len(d.Plan.Waves) || p.Targets != d.Plan.Waves[wave-1] || p.Kind != d.Plan.Kind || p.Owners == d.Plan.Owner.IsZero():
		return catalogue.Refuse(ErrPlan, "look where it stands: catalogue delete status", "wave %d of %d %ss is not what comes next of %s", p.Wave, p.Targets, p.Kind, p.Plan)
	}
	if _, gone, err := r.passage(p.Plan, wave); err != nil {
		return err
	} else if gone {
		return catalogue.Refuse(ErrPlan, "check it first", "wave %d of %s has passed", wave, p.Plan)
	}
	if err := r.baked(d, wave); err != nil {
		return err
	}
	if err := r.enough(d, wave, d.Executor); err != nil {
		return err
	}
	return r.budget(p.Targets, p.Owners, append(r.longWindows(), window{"minute", 60, r.policy.Policy.Budget.Minute, false}))
}

// baked is nil when the wave before was as planned and has been waited for, or, before
// the first, when the rehearsal is fresh.
func (r *rules) baked(d events.Deletion, wave int) error {
	if wave == 1 {
		return r.fresh(d)
	}
	if why := asPlanned(d, d.Checked[wave-2]); why != "" {
		return catalogue.Refuse(ErrDead, "make a new one", "wave %d: %s", wave-1, why)
	}
	bake := bakeAfter(r.policy.Policy, wave-1)
	if !r.clock.passed(d.LastCheck.Time, r.at.Time, bake) {
		return catalogue.Refuse(ErrTooSoon, "wait", "wave %d bakes for %s, since %s", wave-1, bake.Duration(), d.LastCheck.Time)
	}
	return nil
}

// asPlanned is empty if a wave did what it was planned to do, or says what not.
func asPlanned(d events.Deletion, c events.DeletionWaveChecked) string {
	_, done := span(d.Plan, 1, int(c.Wave))
	from, _ := span(d.Plan, int(c.Wave), int(c.Wave))
	gone, kept := done-from, len(d.Plan.Targets)-done
	switch {
	case int(c.Gone) != gone || int(c.Kept) != kept || c.Strays != 0:
		return fmt.Sprintf("%d of %d targets are gone, %d of %d are kept, %d others were deleted", c.Gone, gone, c.Kept, kept, c.Strays)
	case !c.Healthy:
		return "not healthy: " + c.Detail
	}
	return ""
}

// window is a stretch of time with what may go in it.
type window struct {
	name   string
	length events.Seconds
	limit  uint32
	owners bool // of owners' requests only
}

// longWindows lists those of a day and more.
func (r *rules) longWindows() []window {
	b := r.policy.Policy.Budget
	return []window{{"day", day, b.Day, false}, {"30 days", 30 * day, b.Month, false}, {"day, of owners' requests", day, b.Owners, true}}
}

// budget counts what has passed lately, over all plans, and so many more.
func (r *rules) budget(targets uint32, owners bool, windows []window) error {
	for _, w := range windows {
		if w.owners && !owners {
			continue
		}
		spent, inside := uint64(targets), 0
		for _, was := range r.door.Recent {
			if r.clock.passed(was.Mark.Time, r.at.Time, w.length) {
				continue
			}
			inside++
			if was.Owners || !w.owners {
				spent += uint64(was.Targets)
			}
		}
		if spent > uint64(w.limit) || inside == catalogue.RecentPassages {
			return catalogue.Refuse(ErrBudget, "try again in a day; a plan that has expired by then is made anew",
				"%d targets would go in a %s, with these %d; the budget is %d", spent, w.name, targets, w.limit)
		}
	}
	return nil
}

func (r *rules) passage(plan events.PlanID, wave int) (events.Passage, bool, error) {
	return catalogue.Get[events.Passage](r.State(events.TheOne(events.AggregateDoor)), events.PassageKey(plan, uint32(wave)))
}

// tombstone holds a tombstone against the wave whose unit it stands in: the wave's n-th
// event is about the wave's n-th target.
//
// A log from before there was a policy may hold tombstones: they stand, and the Guard
// lets no new ones in.
func (r *rules) tombstone(kind events.DeletionKind, app events.AppID) error {
	if r.policy.Version == 0 {
		return nil
	}
	if len(r.door.Recent) == 0 {
		return catalogue.Refuse(ErrNoPlan, "make a plan: catalogue delete plan", "no wave of a plan has passed")
	}
	passage := r.door.Recent[len(r.door.Recent)-1]
	n := r.at.Seq - passage.Mark.Seq
	if r.at.Seq <= passage.Mark.Seq || n > events.Seq(passage.Targets) {
		return catalogue.Refuse(ErrNoPlan, "make a plan: catalogue delete plan", "it stands in no wave of a plan")
	}
	d, exists, err := deletionOf(r, passage.Plan)
	if err != nil {
		return err
	}
	from, to := span(d.Plan, int(passage.Wave), int(passage.Wave))
	at := from + int(n) - 1
	if !exists || at >= to || d.Plan.Kind != kind || passage.Kind != kind {
		return catalogue.Refuse(ErrNoPlan, "", "wave %d of %s deletes no %s there", passage.Wave, passage.Plan, kind)
	}
	target := d.Plan.Targets[at]
	if events.OfTenant(target.Tenant) != r.e.About || target.App != app {
		return catalogue.Refuse(ErrNoPlan, "", "target %d of %s is %s", at+1, passage.Plan, targetID(kind, target))
	}
	return unheld(r, target.Tenant)
}

func (r *rules) checked(d events.Deletion, p events.DeletionWaveChecked) error {
	wave := len(d.Checked) + 1
	_, passed, err := r.passage(r.e.About.Plan(), wave)
	if err != nil {
		return err
	}
	if !passed || int(p.Wave) != wave {
		return catalogue.Refuse(ErrPlan, "", "wave %d of %s is not the one to be checked", p.Wave, r.e.About)
	}
	return nil
}
