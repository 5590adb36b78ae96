package deletion

import (
	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

func (r *rules) proposed(p events.PolicyProposed) error {
	switch {
	case p.Version != r.policy.Version+1:
		return catalogue.Refuse(ErrPolicy, "propose it anew", "it would be policy %d, policy %d is in force", p.Version, r.policy.Version)
	case !events.IsPerson(p.Author) || p.Reason == "":
		return catalogue.Refuse(ErrPolicy, "say who asks for it and why", "author %.40q, reason %.40q", p.Author, p.Reason)
	case r.policy.Version > 0 && p.Policy.Environment != r.policy.Policy.Environment:
		return catalogue.Refuse(ErrPolicy, "an environment keeps its name", "environment from %s to %s", r.policy.Policy.Environment, p.Policy.Environment)
	}
	if err := CheckPolicy(p.Policy, r.at.Time); err != nil {
		return catalogue.Refuse(ErrPolicy, "put it right", "%v", err)
	}
	if r.policy.Version == 0 {
		return nil // nobody is on a roster yet
	}
	before, err := readable[events.Proposal](r, thePolicy())
	if err != nil {
		return err
	}
	return checkProposal(p, before.Proposed, r.policy.Policy, r.at.Time)
}

func proposalOf(w Heads) (events.Proposal, error) {
	o, found, err := catalogue.Get[events.Proposal](w.State(thePolicy()), events.Proposal{}.EntityKey())
	if err == nil && !found {
		err = catalogue.Refuse(ErrPolicy, "catalogue policy propose", "no policy is proposed")
	}
	return o, err
}

func (r *rules) policyApproved(p events.PolicyApproved) error {
	o, err := proposalOf(r)
	if err != nil {
		return err
	}
	hash, err := o.Proposed.Hash(o.Mark.Seq)
	if err != nil {
		return err
	}
	if p.Approval.Person == o.Proposed.Author {
		return catalogue.Refuse(ErrApproval, "somebody else must approve", "%s asks for it", p.Approval.Person)
	}
	if err := once(o.Approvals, p.Approval); err != nil {
		return err
	}
	return verify(r.policy.Policy, ActionPolicy, p.Approval, hash, PolicySentence(o.Proposed), r.at.Time)
}

// changed puts a proposal in force: the first policy there is and a stricter one at
// once, a looser one when it is approved and has waited.
func (r *rules) changed(p events.PolicyChanged) error {
	o, err := proposalOf(r)
	if err != nil {
		return err
	}
	if p.Version != o.Proposed.Version || p.Version != r.policy.Version+1 {
		return catalogue.Refuse(ErrPolicy, "", "policy %d is proposed, not %d", o.Proposed.Version, p.Version)
	}
	looser := Looser(r.policy.Policy, o.Proposed.Policy)
	if r.policy.Version == 0 || len(looser) == 0 {
		return nil
	}
	persons := map[string]bool{} // each was verified under the policy in force
	for _, given := range o.Approvals {
		persons[given.Approval.Person] = true
	}
	rule := r.policy.Policy.Change
	if len(persons) < int(rule.Approvals) {
		return catalogue.Refuse(ErrApproval, "catalogue policy approve", "%d of %d approvals; it is looser: %s", len(persons), rule.Approvals, looser[0])
	}
	if !r.clock.passed(o.Mark.Time, r.at.Time, rule.Delay) {
		return catalogue.Refuse(ErrTooSoon, "wait", "it is looser (%s) and waits for %s, since %s", looser[0], rule.Delay.Duration(), o.Mark.Time)
	}
	return nil
}
