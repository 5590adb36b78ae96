package api

import (
	"context"
	"errors"
	"fmt"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/apps"
)

// # How something is deleted
//
// All of it goes through deletion.Engine, and what Engine appends is held against the
// rules by the Service. Nothing here writes a tombstone, and nothing signs: plans and
// approvals come signed, by keys that the catalogue never sees.
//
// Who brings a plan is the caller, whatever the request says. Services with the delete
// role may plan what the owner of a tenant asks for, have it confirmed, and halt;
// everything else is the operators'.

// deleter refuses everybody who may not ask for deletions.
func deleter(who auth.Caller) error {
	if !who.Delete && !who.Operator {
		return fmt.Errorf("%w: %s does not have the delete role; see %s of the daemon's data directory", errNotOperator, who.Name, auth.CredentialsFile)
	}
	return nil
}

// valid holds what is to be recorded against the schema of its type, as what is
// published is.
func (a *API) valid(p events.Payload) error {
	raw, err := events.DataJSON(p)
	if err != nil {
		return err
	}
	return a.schemas.Validate(string(p.EventType()), raw)
}

// DeletionPlanRequest is what somebody wants to have deleted: a list of targets, or, in a
// dry run, a query that makes one.
type DeletionPlanRequest struct {
	ID           events.PlanID       `json:"plan,omitzero"` // chosen by whoever signs
	Kind         events.DeletionKind `json:"kind"`
	Author       string              `json:"author"`   // the person who plans it
	Supplier     string              `json:"supplier"` // the person or system the list comes from
	Owner        events.AccountID    `json:"owner,omitzero"`
	Run          events.RunID        `json:"run,omitzero"` // of the tombstones
	Reason       string              `json:"reason"`
	InactiveDays int                 `json:"inactive_days,omitzero"` // claimed of every target
	Expected     int                 `json:"expected"`               // how many targets the author expects
	Targets      []deletion.Asked    `json:"targets,omitzero"`
	Query        DeletionQuery       `json:"query,omitzero"`
	Signed       events.Authorship   `json:"signed,omitzero"`  // by the author (deletion.SignAsk), unless an owner asks
	DryRun       bool                `json:"dry_run,omitzero"` // resolve it, and record nothing
}

// Ask is what is asked for by whoever brings the request.
func (r DeletionPlanRequest) Ask(submitter string) deletion.Ask {
	return deletion.Ask{
		ID: r.ID, Kind: r.Kind, Author: r.Author, Submitter: submitter, Supplier: r.Supplier, Owner: r.Owner, Run: r.Run, Reason: r.Reason,
		InactiveDays: r.InactiveDays, Expected: r.Expected, Targets: r.Targets, Signed: r.Signed,
	}
}

// DeletionQuery selects targets as they are now. What it finds is the list that an author
// signs.
type DeletionQuery struct {
	AppName string              `json:"app_name,omitzero"` // apps of this name, where they are installed
	Status  events.TenantStatus `json:"status,omitzero"`   // tenants, which all that follows are about too
	Region  string              `json:"region,omitzero"`
	Tier    string              `json:"tier,omitzero"`
	Account events.AccountID    `json:"account,omitzero"`
}

func (r DeletionPlanRequest) check(who auth.Caller) error {
	if err := deleter(who); err != nil {
		return err
	}
	none := r.Query == (DeletionQuery{})
	byApp := r.Query.AppName != ""
	switch {
	case !who.Operator && r.Owner.IsZero():
		return fmt.Errorf("%w: %s may plan what owners ask for; name the owner", errNotOperator, who.Name)
	case none == (len(r.Targets) == 0):
		return badField("targets", "and a query: give one of the two")
	case !none && !r.DryRun:
		return badField("query", "is for a dry run; have the list that it finds signed, and send that")
	case !none && !r.Owner.IsZero():
		return badField("query", "goes with no owner; an owner asks for one tenant, by name")
	case byApp && r.Query != (DeletionQuery{AppName: r.Query.AppName}):
		return badField("query.app_name", "goes with no other condition")
	case !none && byApp != (r.Kind == events.DeletionOfApps):
		return badField("query", "is not about the kind %.20q", string(r.Kind))
	}
	return nil
}

// DeletionPlan resolves a list and records the plan. A list of which one line is wrong is
// refused with every reason, and nothing else happens.
func (a *API) DeletionPlan(ctx context.Context, who auth.Caller, req DeletionPlanRequest) (out Deletion, err error) {
	if err := req.check(who); err != nil {
		return out, err
	}
	if req.Query != (DeletionQuery{}) {
		if req.Targets, err = a.targets(ctx, req.Query); err != nil {
			return out, err
		}
	}
	if err := a.valid(events.DeletionFinished{Why: req.Reason}); err != nil {
		return out, err
	}
	engine := a.sys.Deletions()
	plan := engine.Plan
	if req.DryRun {
		plan = engine.Preview
	}
	planned, err := plan(ctx, req.Ask(who.Name))
	if err != nil {
		return out, err
	}
	if !req.DryRun {
		return a.deletion(ctx, who, planned.ID)
	}
	err = a.sys.Look(ctx, func(look deletion.Lookup) error {
		out, err = a.reviewed(look, planned.ID, events.Deletion{Plan: planned.Deletion, Hash: planned.Hash})
		out.Standing, out.ToSign = Standing{State: StateNotRecorded, Waves: len(planned.Deletion.Waves)}, nil
		return errors.Join(err, a.sinceLast(&out))
	})
	return out, err
}

// maxPlanned is more targets than any plan may have.
const maxPlanned = 1001

// targets resolves a query.
func (a *API) targets(ctx context.Context, q DeletionQuery) (out []deletion.Asked, err error) {
	if err := a.waitForHead(ctx); err != nil {
		return nil, err
	}
	if q.AppName != "" {
		err = a.together(func(s snapshots) error {
			list, _, err := apps.ByName(s.views[apps.Name], q.AppName, nil, maxPlanned)
			for _, app := range list {
				out = append(out, deletion.Asked{ID: app.ID.String(), Parent: app.Tenant.String(), Name: app.Name})
			}
			return err
		}, apps.Name)
		return out, err
	}
	req := TenantListRequest{Account: q.Account, Region: q.Region, Status: q.Status, Tier: q.Tier, Limit: maxLimit}
	for more := true; more && len(out) < maxPlanned; more = req.Page != "" {
		page, err := a.TenantList(ctx, req)
		if err != nil {
			return nil, err
		}
		for _, t := range page.Tenants {
			out = append(out, deletion.Asked{ID: t.ID.String(), Parent: t.Account.String(), Name: t.URL})
		}
		req.Page = page.Next
	}
	return out, nil
}

// DeletionRequest names a plan.
type DeletionRequest struct {
	Plan events.PlanID `json:"plan"`
}

func (r DeletionRequest) check(who auth.Caller) error {
	if err := operator(who); err != nil {
		return err
	}
	return r.named()
}

func (r DeletionRequest) named() error {
	if r.Plan.IsZero() {
		return badField("plan", "is missing; name a plan_ id, see the list")
	}
	return nil
}

// DeletionShow is a plan as its reviewers see it, and where it stands.
func (a *API) DeletionShow(ctx context.Context, who auth.Caller, req DeletionRequest) (out Deletion, err error) {
	if err := req.check(who); err != nil {
		return out, err
	}
	return a.deletion(ctx, who, req.Plan)
}

// DeletionApproveRequest is an approval of a plan, signed.
type DeletionApproveRequest struct {
	DeletionRequest
	Approval events.Approval `json:"approval"`
}

// DeletionApprove records an approval.
func (a *API) DeletionApprove(ctx context.Context, who auth.Caller, req DeletionApproveRequest) (out Deletion, err error) {
	if err := req.check(who); err != nil {
		return out, err
	}
	if err := a.sys.Deletions().Approve(ctx, req.Plan, req.Approval); err != nil {
		return out, err
	}
	return a.deletion(ctx, who, req.Plan)
}

// DeletionConfirmRequest says that the owner has confirmed its request, signed by the
// portal it was confirmed in.
type DeletionConfirmRequest struct {
	DeletionRequest
	By       string          `json:"by"` // opaque id of the person who confirmed
	Approval events.Approval `json:"approval"`
}

// DeletionConfirm records the owner's confirmation.
func (a *API) DeletionConfirm(ctx context.Context, who auth.Caller, req DeletionConfirmRequest) (out Deletion, err error) {
	if err := deleter(who); err != nil {
		return out, err
	}
	if err := req.named(); err != nil {
		return out, err
	}
	engine := a.sys.Deletions()
	d, err := engine.Deletion(ctx, req.Plan)
	if err == nil {
		err = engine.Confirm(ctx, req.Plan, events.DeletionConfirmed{Owner: d.Plan.Owner, By: req.By, Approval: req.Approval})
	}
	if err != nil {
		return out, err
	}
	return a.deletion(ctx, who, req.Plan)
}

// DeletionRehearse deletes and restores a plan's targets on a scratch copy of their
// history, and records what came of it.
func (a *API) DeletionRehearse(ctx context.Context, who auth.Caller, req DeletionRequest) (out Deletion, err error) {
	if err := req.check(who); err != nil {
		return out, err
	}
	if _, err := a.sys.Deletions().Rehearse(ctx, req.Plan, who.Name); err != nil {
		return out, err
	}
	return a.deletion(ctx, who, req.Plan)
}

// DeletionRun lets an approved and rehearsed plan go on, wave by wave, by itself.
func (a *API) DeletionRun(ctx context.Context, who auth.Caller, req DeletionRequest) (out Deletion, err error) {
	if err := req.check(who); err != nil {
		return out, err
	}
	if err := a.sys.Deletions().Start(ctx, req.Plan, who.Name); err != nil {
		return out, err
	}
	return a.deletion(ctx, who, req.Plan)
}

// DeletionWithdrawRequest ends a plan.
type DeletionWithdrawRequest struct {
	DeletionRequest
	Why string `json:"why"`
}

// DeletionWithdraw ends a plan before it is done.
func (a *API) DeletionWithdraw(ctx context.Context, who auth.Caller, req DeletionWithdrawRequest) (out Deletion, err error) {
	if err := req.check(who); err != nil {
		return out, err
	}
	if req.Why == "" {
		return out, badField("why", "is missing; say why, for the history")
	}
	if err := a.valid(events.DeletionFinished{Why: req.Why}); err != nil {
		return out, err
	}
	if err := a.sys.Deletions().Withdraw(ctx, req.Plan, who.Name, req.Why); err != nil {
		return out, err
	}
	return a.deletion(ctx, who, req.Plan)
}

// deletion reads a plan as of the last event.
func (a *API) deletion(ctx context.Context, who auth.Caller, id events.PlanID) (out Deletion, err error) {
	err = a.sys.Look(ctx, func(look deletion.Lookup) error {
		d, err := deletion.PlanOf(look, id)
		if err != nil {
			return err
		}
		if out, err = a.reviewed(look, id, d); err != nil {
			return err
		}
		if err := a.sinceLast(&out); err != nil {
			return err
		}
		out.Standing, err = a.standing(look, look.AsOf(), who, id, d)
		if out.State == StateDone || out.State == StateDead {
			out.ToSign = nil
		}
		return err
	})
	return out, err
}
