package deletion

import (
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// admitted holds a plan that comes against those that are open. Owners' own requests have
// no turn to wait for, and are bounded by their budget.
func (r *rules) admitted(p events.DoorAdmitted) error {
	if err := r.open(); err != nil {
		return err
	}
	if p.Kind != events.DeletionOfTenants && p.Kind != events.DeletionOfApps || p.Expires > r.at.Time.Add(maxLife.Duration()) {
		return catalogue.Refuse(ErrPlan, "plan it anew", "a plan of %.40q until %s", string(p.Kind), p.Expires)
	}
	owners := uint32(0)
	for _, other := range r.door.Open {
		switch {
		case other.Expires <= r.at.Time:
		case other.Owners:
			owners++
		case other.Kind == p.Kind && !p.Owners:
			return catalogue.Refuse(ErrPlan, "let it finish, or withdraw it", "%s is open until %s: one plan of a kind at a time", other.Plan, other.Expires)
		}
	}
	if p.Owners && owners >= r.policy.Policy.Budget.Owners {
		return catalogue.Refuse(ErrBudget, "wait", "%d requests of owners are open; the budget is %d a day", owners, r.policy.Policy.Budget.Owners)
	}
	return nil
}

// left ends a plan's stay: another of its kind may be admitted.
func (r *rules) left(p events.DoorLeft) error {
	if !slices.ContainsFunc(r.door.Open, func(a events.Admitted) bool { return a.Plan == p.Plan && a.Kind == p.Kind }) {
		return catalogue.Refuse(ErrDead, "", "%s is not open", p.Plan)
	}
	return nil
}

func (r *rules) reopened(p events.DoorReopened) error {
	switch {
	case r.door.Halted.IsZero():
		return catalogue.Refuse(ErrHalted, "", "deletions are not halted")
	case r.policy.Version == 0:
		return noPolicy()
	case p.Reason == "":
		return catalogue.Refuse(ErrApproval, "say why", "no reason is given")
	case same(p.Approval.Person, r.e.Actor):
		return catalogue.Refuse(ErrApproval, "somebody else must approve", "%s asks for it", p.Approval.Person)
	}
	return verify(r.policy.Policy, ActionReopen, p.Approval, HaltHash(r.door.Halted), ReopenSentence(r.policy.Policy, r.door.Halted), r.at.Time)
}

// released ends the hold of a restoration that is finished.
func (r *rules) released(p events.DoorReleased) error {
	done, err := readable[events.Restoration](r, events.OfRestoration(p.Restoration))
	if err == nil && !done.Finished {
		err = catalogue.Refuse(ErrHeld, "apply it to its end", "%s is not finished", p.Restoration)
	}
	return err
}
