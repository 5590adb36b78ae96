package deletion

import (
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// admitted holds a plan that comes against those that are open. Owners' own requests have
// no turn to wait for.
func (r *rules) admitted(p events.DoorAdmitted) error {
	if err := r.open(); err != nil {
		return err
	}
	if p.Kind != events.DeletionOfTenants && p.Kind != events.DeletionOfApps || p.Expires > r.at.Time.Add(maxLife.Duration()) {
		return catalogue.Refuse(ErrPlan, "plan it anew", "a plan of %.40q until %s", string(p.Kind), p.Expires)
	}
	if p.Owners {
		return r.ownersAdmitted(p)
	}
	for _, other := range r.door.Open {
		if other.Expires > r.at.Time && !other.Owners && other.Kind == p.Kind {
			return catalogue.Refuse(ErrPlan, "let it finish, or withdraw it", "%s is open until %s: one plan of a kind at a time", other.Plan, other.Expires)
		}
	}
	return nil
}

// ownersAdmitted holds an owner's request that comes, with its confirmation, against the
// budgets. Those that were confirmed before and have not gone yet count as if they had:
// whoever was let in has a place.
func (r *rules) ownersAdmitted(p events.DoorAdmitted) error {
	d, exists, err := deletionOf(r, p.Plan)
	switch {
	case err != nil:
		return err
	case !exists || d.Plan.Owner.IsZero():
		return catalogue.Refuse(ErrNoPlan, "plan it first", "%s is no owner's request", p.Plan)
	case d.Confirmed.By != "":
		return catalogue.Refuse(ErrPlan, "it goes on by itself", "%s was confirmed already", p.Plan)
	}
	if err := r.apart(p.Plan, d.Plan); err != nil {
		return err
	}
	places := uint32(1)
	for _, other := range r.door.Open {
		if !other.Owners || other.Expires <= r.at.Time {
			continue
		}
		if _, gone, err := r.passage(other.Plan, 1); err != nil {
			return err
		} else if !gone {
			places++
		}
	}
	return r.budget(places, true, r.longWindows())
}

// apart is nil if no plan that is open has a tenant of this one: whichever goes first would
// end the other one in the middle.
func (r *rules) apart(id events.PlanID, p events.DeletionPlanned) error {
	mine := make(map[events.TenantID]bool, len(p.Targets))
	for _, t := range p.Targets {
		mine[t.Tenant] = true
	}
	for _, other := range r.door.Open {
		if other.Plan == id || other.Expires <= r.at.Time {
			continue
		}
		d, _, err := deletionOf(r, other.Plan)
		if err != nil {
			return err
		}
		for _, t := range d.Plan.Targets {
			if mine[t.Tenant] {
				return catalogue.Refuse(ErrPlan, "let it finish, or withdraw it", "%s is in %s, which is open until %s", t.Tenant, other.Plan, other.Expires)
			}
		}
	}
	return nil
}

// admittedAs is nil if the event before this one, in its unit, has admitted a plan as what
// it is.
func (r *rules) admittedAs(id events.PlanID, p events.DeletionPlanned) error {
	i := slices.IndexFunc(r.door.Open, func(a events.Admitted) bool { return a.Plan == id })
	want := events.Admitted{
		Plan: id, Kind: p.Kind, Expires: p.Expires, Owners: !p.Owner.IsZero(), Mark: events.Mark{Seq: r.at.Seq - 1, Time: r.at.Time},
	}
	if i < 0 || r.door.Open[i] != want {
		return catalogue.Refuse(ErrPlan, "plan it anew", "%s was not admitted as what it is", id)
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
	for _, id := range p.LetGo {
		if !slices.Contains(r.door.Held, id) {
			return catalogue.Refuse(ErrHeld, "leave it out", "%s does not hold the door", id)
		}
	}
	hash, sentence := HaltHash(r.door.Halted, p.LetGo), ReopenSentence(r.policy.Policy.Environment, r.door.Halted, p.LetGo)
	return verify(r.policy.Policy, ActionReopen, p.Approval, hash, sentence, r.at.Time)
}

// released ends the hold of a restoration that is finished.
func released(w Heads, p events.DoorReleased) error {
	done, err := readable[events.Restoration](w, events.OfRestoration(p.Restoration))
	if err == nil && !done.Finished {
		err = catalogue.Refuse(ErrHeld, "apply it to its end", "%s is not finished", p.Restoration)
	}
	return err
}
