package deletion

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// planned holds a plan against the policy. Its unit begins with its admission; an owner's
// request is admitted when it is confirmed, and takes nobody's place before.
func (r *rules) planned(p events.DeletionPlanned) error {
	if err := r.notPlanned(); err != nil {
		return err
	}
	id := r.e.About.Plan()
	if p.Owner.IsZero() {
		if err := r.admittedAs(id, p); err != nil {
			return err
		}
	} else if err := r.open(); err != nil {
		return err
	}
	if err := CheckPlan(p, r.policy, r.at.Time); err != nil {
		return err
	}
	if err := CheckAuthor(id, p, r.policy.Policy, r.at.Time); err != nil {
		return err
	}
	if !p.Owner.IsZero() {
		return nil
	}
	if err := r.apart(id, p); err != nil {
		return err
	}
	// What is over the budget now is not begun. Within a minute goes what a wave takes.
	return r.budget(uint32(len(p.Targets)), false, r.longWindows())
}

// CheckPlan holds what a plan says of itself against a policy.
func CheckPlan(p events.DeletionPlanned, policy events.InForce, now events.Time) error {
	if err := checkAsk(p); err != nil {
		return err
	}
	limits := policy.Policy
	n := len(p.Targets)
	switch {
	case p.Environment != limits.Environment:
		return catalogue.Refuse(ErrPlan, "make the plan where it is for", "it is for %q, this is %q", p.Environment, limits.Environment)
	case p.Policy != policy.Version:
		return catalogue.Refuse(ErrPlan, "plan it anew", "it was checked against policy %d, policy %d is in force", p.Policy, policy.Version)
	case n == 0:
		return catalogue.Refuse(ErrPlan, "list what is to go", "it has no targets")
	case n != int(p.Expected):
		return catalogue.Refuse(ErrPlan, "find out which of the two is wrong", "%d targets, the author expects %d", n, p.Expected)
	case Approvals(limits, n) == 0:
		return catalogue.Refuse(ErrBudget, "make smaller plans, or have the policy changed", "%d targets; a plan has at most %d", n, upTo(limits.Caps, len(limits.Caps)))
	case p.Expires <= now || p.Expires > now.Add(limits.PlanLife.Duration()):
		return catalogue.Refuse(ErrPlan, "plan it anew", "it expires at %s, it is %s and a plan lives for %s at most", p.Expires, now, limits.PlanLife.Duration())
	case !slices.Equal(p.Waves, Waves(p.Targets, limits)):
		return catalogue.Refuse(ErrPlan, "plan it anew", "its waves are %v, not %v", p.Waves, Waves(p.Targets, limits))
	case p.InactiveDays > maxInactive, p.InactiveDays > 0 && p.Kind == events.DeletionOfApps:
		return catalogue.Refuse(ErrPlan, "claim what can be checked", "that %ss are inactive for %d days", p.Kind, p.InactiveDays)
	case !p.Owner.IsZero() && (n != 1 || p.Kind != events.DeletionOfTenants || p.Targets[0].Account != p.Owner):
		return notTheOwners(p.Owner)
	}
	if err := checkTargets(p); err != nil {
		return err
	}
	if effect := EffectOf(p.Kind, p.Targets); p.Effect != effect {
		return catalogue.Refuse(ErrPlan, "plan it anew", "its effect would be %+v, it says %+v", effect, p.Effect)
	}
	return nil
}

func notTheOwners(id events.AccountID) error {
	return catalogue.Refuse(ErrPlan, "plan one tenant of its owner", "%s may ask for one tenant of its own", id)
}

// checkAsk holds what a plan says of who wants what, and why, against what can be. What is
// refused is recorded, too, and nobody's name or address belongs there.
func checkAsk(p events.DeletionPlanned) error {
	switch {
	case p.Action != string(ActionDelete):
		return catalogue.Refuse(ErrPlan, "say delete", "there is no plan to %.40q", p.Action)
	case p.Kind != events.DeletionOfTenants && p.Kind != events.DeletionOfApps:
		return catalogue.Refuse(ErrPlan, "say tenant or app", "there are no deletions of %.40q", string(p.Kind))
	case !events.IsPerson(p.Author), !events.IsPerson(p.Supplier), !events.IsPerson(p.Submitter):
		return catalogue.Refuse(ErrPlan, "name them", "author %.40q, submitter %.40q and supplier %.40q of the list must be known", p.Author, p.Submitter, p.Supplier)
	case p.Reason == "":
		return catalogue.Refuse(ErrPlan, "say why", "it has no reason")
	}
	return nil
}

func checkTargets(p events.DeletionPlanned) error {
	for i, t := range p.Targets {
		switch {
		case t.Tenant.IsZero(), t.App.IsZero() != (p.Kind == events.DeletionOfTenants), t.Pinned == 0, len(t.Digest) == 0:
			return catalogue.Refuse(ErrPlan, "plan it anew", "target %d is no %s that was looked up", i+1, p.Kind)
		case i > 0 && inOrder(p.Targets[i-1], t) >= 0:
			return catalogue.Refuse(ErrPlan, "plan it anew", "target %d, %s, stands twice or out of order", i+1, targetID(p.Kind, t))
		}
	}
	return nil
}

func targetID(kind events.DeletionKind, t events.DeletionTarget) string {
	if kind == events.DeletionOfApps {
		return t.App.String()
	}
	return t.Tenant.String()
}

func (r *rules) notPlanned() error {
	_, exists, err := deletionOf(r, r.e.About.Plan())
	if err == nil && exists {
		err = catalogue.Refuse(ErrPlan, "another list is another plan", "%s stands already and never changes", r.e.About)
	}
	return err
}

// listRefused holds the record of a list that was not taken against what there is.
func (r *rules) listRefused(p events.DeletionRefused) error {
	err := r.notPlanned()
	if author := p.Author; err == nil && !events.IsPerson(author) {
		err = catalogue.Refuse(ErrPlan, "name the author by an opaque id", "%.40q is nobody whose list could be refused", author)
	}
	return err
}

// ofPlan holds what is said of a plan against the plan.
func (r *rules) ofPlan() error {
	d, exists, err := deletionOf(r, r.e.About.Plan())
	if err != nil {
		return err
	}
	if !exists {
		return catalogue.Refuse(ErrNoPlan, "plan it first", "there is no %s", r.e.About)
	}
	switch p := r.e.Payload.(type) {
	case events.DeletionFinished:
		return r.finished(d, p)
	case events.DeletionWaveChecked:
		return r.checked(d, p)
	}
	if err := r.alive(r.e.About.Plan(), d); err != nil {
		return err
	}
	switch p := r.e.Payload.(type) {
	case events.DeletionApproved:
		return r.approved(d, p.Approval)
	case events.DeletionConfirmed:
		return r.confirmed(d, p)
	case events.DeletionRehearsed:
		return r.rehearsed(d, p)
	case events.DeletionStarted:
		return r.started(d, p)
	}
	return nil
}

// alive is nil while a plan may go on.
func (r *rules) alive(id events.PlanID, d events.Deletion) error {
	if err := r.open(); err != nil {
		return err
	}
	switch {
	case !d.Ended.IsZero():
		return catalogue.Refuse(ErrDead, "make a new one", "%s ended at %s: %s", id, d.Ended.Time, d.Finished.Why)
	case d.Planned.Seq < r.door.Last.Seq:
		return catalogue.Refuse(ErrDead, "make a new one", "%s was planned before the halt at event %d", id, r.door.Last.Seq)
	case !Unconfirmed(d) && !slices.ContainsFunc(r.door.Open, func(a events.Admitted) bool { return a.Plan == id }):
		return catalogue.Refuse(ErrDead, "make a new one", "%s has left", id)
	case r.at.Time >= d.Plan.Expires:
		return catalogue.Refuse(ErrDead, "make a new one", "%s has expired at %s", id, d.Plan.Expires)
	case d.Plan.Policy != r.policy.Version:
		return catalogue.Refuse(ErrDead, "make a new one", "%s was checked against policy %d, policy %d is in force", id, d.Plan.Policy, r.policy.Version)
	}
	return nil
}

// Unconfirmed tells whether a plan is an owner's request that the owner has yet to confirm:
// it is not at the door.
func Unconfirmed(d events.Deletion) bool { return !d.Plan.Owner.IsZero() && d.Confirmed.By == "" }

func (r *rules) approved(d events.Deletion, a events.Approval) error {
	first, last := int(a.FirstWave), int(a.LastWave)
	switch {
	case first < 1 || last < first || last > len(d.Plan.Waves):
		return catalogue.Refuse(ErrApproval, "approve waves that the plan has", "waves %d to %d of %d", first, last, len(d.Plan.Waves))
	case !d.Plan.Owner.IsZero():
		return catalogue.Refuse(ErrApproval, "the owner confirms it", "%s is the owner's own request", r.e.About)
	case same(a.Person, d.Plan.Author, d.Plan.Submitter, d.Plan.Supplier, d.Executor):
		return catalogue.Refuse(ErrApproval, "somebody else must approve", "%s is author, submitter, supplier of the list or executor", a.Person)
	}
	if err := once(d.Approvals, a); err != nil {
		return err
	}
	return verify(r.policy.Policy, ActionDelete, a, d.Hash, Sentence(d.Plan, first, last), r.at.Time)
}

// same tells whether somebody is one of others, however these are spelt: programs and
// whoever executes a plan are named as they please.
func same(person string, others ...string) bool {
	return slices.ContainsFunc(others, func(other string) bool { return strings.EqualFold(person, other) })
}

// confirmed holds an owner's confirmation against the request. Its unit begins with the
// admission of the request. One that has expired is given anew, and one that has not counts
// once: there is never a second to go on with.
func (r *rules) confirmed(d events.Deletion, p events.DeletionConfirmed) error {
	switch {
	case d.Plan.Owner.IsZero() || d.Plan.Owner != p.Owner:
		return catalogue.Refuse(ErrApproval, "it takes approvals from the roster", "%s is no request of %s", r.e.About, p.Owner)
	case !events.IsOpaque(p.By):
		return catalogue.Refuse(ErrApproval, "name who confirmed by an opaque id", "%.40q is nobody who could have confirmed", p.By)
	case Unconfirmed(d):
		if err := r.admittedAs(r.e.About.Plan(), d.Plan); err != nil {
			return err
		}
	case current(d.Confirmed.Approval, r.at.Time) == nil:
		return catalogue.Refuse(ErrApproval, "it goes on by itself", "%s was confirmed, which counts until %s", r.e.About, d.Confirmed.Approval.Expires)
	}
	return verify(r.policy.Policy, ActionOwner, p.Approval, d.Hash, OwnerSentence(d.Plan), r.at.Time)
}

func (r *rules) rehearsed(d events.Deletion, p events.DeletionRehearsed) error {
	if !bytes.Equal(p.Hash, d.Hash) || int(p.Targets) != len(d.Plan.Targets) {
		return catalogue.Refuse(ErrPlan, "rehearse it again", "the rehearsal was of %.16x with %d targets", p.Hash, p.Targets)
	}
	return nil
}

func (r *rules) started(d events.Deletion, p events.DeletionStarted) error {
	switch {
	case !d.Started.IsZero():
		return catalogue.Refuse(ErrPlan, "it goes on by itself", "%s was started at event %d", r.e.About, d.Started.Seq)
	case p.Executor == "":
		return catalogue.Refuse(ErrPlan, "name who", "nobody starts it")
	}
	if err := r.enough(d, 1, p.Executor); err != nil {
		return err
	}
	if !events.IsPerson(p.Executor) {
		return catalogue.Refuse(ErrPlan, "name who does by an opaque id", "%.40q is nobody who could start it", p.Executor)
	}
	return r.fresh(d)
}

// fresh is nil when the last rehearsal has passed and is not too old.
func (r *rules) fresh(d events.Deletion) error {
	life := r.policy.Policy.RehearsalLife.Duration()
	switch {
	case !d.Rehearsed.Passed:
		return catalogue.Refuse(ErrRehearsal, "rehearse it: catalogue delete rehearse", "%s has no rehearsal that passed %s", r.e.About, d.Rehearsed.Why)
	case r.at.Time > d.Rehearsal.Time.Add(life):
		return catalogue.Refuse(ErrRehearsal, "rehearse it again: catalogue delete rehearse", "the rehearsal is from %s, it counts for %s", d.Rehearsal.Time, life)
	}
	return nil
}

// enough is nil when so many persons have approved a wave as the plan needs, their
// approvals count still, and none of them is the executor.
func (r *rules) enough(d events.Deletion, wave int, executor string) error {
	if !d.Plan.Owner.IsZero() {
		switch {
		case Unconfirmed(d):
			return catalogue.Refuse(ErrApproval, "the owner confirms it", "the owner has not confirmed")
		case same(executor, d.Confirmed.By, d.Confirmed.Approval.Person):
			return catalogue.Refuse(ErrApproval, "leave it to the catalogue", "%s has confirmed it and executes nothing", executor)
		}
		return current(d.Confirmed.Approval, r.at.Time)
	}
	persons := map[string]bool{}
	var void error
	for _, given := range d.Approvals {
		a := given.Approval
		if wave < int(a.FirstWave) || wave > int(a.LastWave) || same(a.Person, executor) {
			continue
		}
		if err := current(a, r.at.Time); err != nil {
			void = err
			continue
		}
		persons[a.Person] = true
	}
	need := Approvals(r.policy.Policy, len(d.Plan.Targets))
	if need == 0 || len(persons) < need {
		return catalogue.Refuse(ErrApproval, "catalogue delete approve", "wave %d has %d of %d approvals%s", wave, len(persons), need, reason(void))
	}
	return nil
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprintf(" (%v)", err)
}

// finished ends a plan, which has left before, in the same unit or by a halt, and whose
// waves have all been checked.
func (r *rules) finished(d events.Deletion, p events.DeletionFinished) error {
	id := r.e.About.Plan()
	if _, passed, err := r.passage(id, len(d.Checked)+1); err != nil {
		return err
	} else if passed {
		return catalogue.Refuse(ErrPlan, "it is about to be counted", "wave %d of %s has passed and is not checked", len(d.Checked)+1, id)
	}
	switch {
	case !d.Ended.IsZero():
		return catalogue.Refuse(ErrDead, "", "%s ended at %s", id, d.Ended.Time)
	case slices.ContainsFunc(r.door.Open, func(a events.Admitted) bool { return a.Plan == id }):
		return catalogue.Refuse(ErrPlan, "", "%s has not left", id)
	case p.Done && (len(d.Checked) != len(d.Plan.Waves) || asPlanned(d, d.Checked[len(d.Checked)-1]) != ""):
		return catalogue.Refuse(ErrPlan, "", "%d of %d waves of %s are done", len(d.Checked), len(d.Plan.Waves), id)
	}
	return nil
}
