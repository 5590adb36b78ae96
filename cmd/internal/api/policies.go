package api

import (
	"context"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
)

// Policies are the policy in force and the one that is proposed.
type Policies struct {
	InForce  events.InForce  `json:"in_force"` // version 0: there is none
	Proposed *PolicyProposal `json:"proposed,omitzero"`
	Now      events.Time     `json:"now"` // recorded time, by which what is signed is judged
}

// PolicyProposal is a policy that waits for approvals, or for its time.
type PolicyProposal struct {
	events.PolicyProposed
	Mark      events.Mark    `json:"mark"`
	Looser    []string       `json:"looser"` // in what it is looser than the one in force
	Needed    int            `json:"approvals_needed"`
	Approvals []events.Given `json:"approvals"`
	NotBefore events.Time    `json:"not_before,omitzero"` // it takes at least until then
	ToSign    ToSign         `json:"to_sign"`
}

// PolicyShow shows the policies.
func (a *API) PolicyShow(ctx context.Context, who auth.Caller) (out Policies, err error) {
	if err := operator(who); err != nil {
		return out, err
	}
	in, proposal, err := a.sys.Deletions().Policy(ctx)
	if err != nil {
		return out, err
	}
	out.InForce, out.Now = in, a.sys.Now()
	if proposal.Mark.IsZero() {
		return out, nil
	}
	hash, err := proposal.Proposed.Hash(proposal.Mark.Seq)
	out.Proposed = &PolicyProposal{
		PolicyProposed: proposal.Proposed, Mark: proposal.Mark, Looser: append([]string{}, deletion.Looser(in.Policy, proposal.Proposed.Policy)...),
		Needed: int(in.Policy.Change.Approvals), Approvals: append([]events.Given{}, proposal.Approvals...),
		NotBefore: proposal.Mark.Time.Add(in.Policy.Change.Delay.Duration()),
		ToSign: ToSign{
			Environment: in.Policy.Environment, Action: deletion.ActionPolicy, Hash: hash,
			Sentence: deletion.PolicySentence(proposal.Proposed), Life: in.Policy.ApprovalLife, Now: out.Now,
		},
	}
	return out, err
}

// PolicyProposeRequest asks for another policy.
type PolicyProposeRequest struct{ events.PolicyProposed }

// PolicyProposeResponse says what came of it.
type PolicyProposeResponse struct {
	Changed bool     `json:"changed"` // it is in force
	Looser  []string `json:"looser"`  // if not: in what it is looser
	Policies
}

// PolicyPropose asks for another policy. The first one, and one that is no looser than
// the one in force, is in force at once.
func (a *API) PolicyPropose(ctx context.Context, who auth.Caller, req PolicyProposeRequest) (out PolicyProposeResponse, err error) {
	if err := operator(who); err != nil {
		return out, err
	}
	if err := a.valid(req.PolicyProposed); err != nil {
		return out, err
	}
	out.Changed, out.Looser, err = a.sys.Deletions().Propose(ctx, req.PolicyProposed)
	if err != nil {
		return out, err
	}
	out.Looser = append([]string{}, out.Looser...)
	out.Policies, err = a.PolicyShow(ctx, who)
	return out, err
}

// PolicyApproveRequest is an approval of the policy that is proposed, signed.
type PolicyApproveRequest struct {
	Version  uint32          `json:"version"`
	Approval events.Approval `json:"approval"`
}

// PolicyApprove records an approval.
func (a *API) PolicyApprove(ctx context.Context, who auth.Caller, req PolicyApproveRequest) (out Policies, err error) {
	if out, err = a.PolicyShow(ctx, who); err != nil {
		return out, err
	}
	if out.Proposed == nil || out.Proposed.Version != req.Version {
		return out, catalogue.Refuse(catalogue.ErrNotFound, "look at it: catalogue policy show", "policy %d is not proposed", req.Version)
	}
	if err := a.sys.Deletions().ApprovePolicy(ctx, req.Approval); err != nil {
		return out, err
	}
	return a.PolicyShow(ctx, who)
}

// PolicyChangeRequest puts the policy that is proposed in force.
type PolicyChangeRequest struct {
	Version uint32 `json:"version"`
}

// PolicyChange puts it in force, once it is approved and has waited.
func (a *API) PolicyChange(ctx context.Context, who auth.Caller, req PolicyChangeRequest) (out Policies, err error) {
	if err := operator(who); err != nil {
		return out, err
	}
	if err := a.sys.Deletions().ChangePolicy(ctx, who.Name, req.Version); err != nil {
		return out, err
	}
	return a.PolicyShow(ctx, who)
}
