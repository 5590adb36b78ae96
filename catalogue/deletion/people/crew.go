package people

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
)

// Crew are the persons who take deletions through the door: one plans, two approve.
type Crew struct {
	Keys   Keys
	Engine *deletion.Engine
	Clock  func() time.Time
}

// The persons.
const (
	Author    = "ana"  // plans, and asks for policies
	Approver  = "ben"  // approves
	Approver2 = "cleo" // approves, too
)

// NewCrew makes one. Everybody knows its keys: it is for catalogues that are thrown away.
func NewCrew(engine *deletion.Engine, clock func() time.Time) *Crew {
	return &Crew{Keys: NewKeys(Author, Approver, Approver2, Portal), Engine: engine, Clock: clock}
}

func (c *Crew) now() events.Time { return events.TimeOf(c.Clock()) }

// rosterLife is how long the crew's keys count.
const rosterLife = 5 * 365 * 24 * time.Hour

// Roster lists the crew's keys.
func (c *Crew) Roster() []events.RosterMember { return c.Keys.Roster(c.now().Add(rosterLife)) }

// Propose asks for a policy and has it approved if it is looser than the one in force;
// Change puts it in force then, when it has waited.
func (c *Crew) Propose(ctx context.Context, p events.Policy, reason string) (inForce bool, err error) {
	before, _, err := c.Engine.Policy(ctx)
	if err != nil {
		return false, err
	}
	proposed := events.PolicyProposed{Version: before.Version + 1, Author: Author, Reason: reason, Policy: p}
	inForce, _, err = c.Engine.Propose(ctx, c.Keys.Propose(proposed, c.now()))
	if err != nil || inForce {
		return inForce, err
	}
	_, proposal, err := c.Engine.Policy(ctx)
	if err != nil {
		return false, err
	}
	hash, err := proposal.Proposed.Hash(proposal.Mark.Seq)
	if err != nil {
		return false, err
	}
	for _, person := range []string{Approver, Approver2} {
		err := c.Engine.ApprovePolicy(ctx, c.Keys.Approve(Consent{
			Person: person, Action: deletion.ActionPolicy, Environment: p.Environment, Hash: hash,
			Sentence: deletion.PolicySentence(proposal.Proposed), Now: c.now(), N: nonce(),
		}))
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// Change puts in force what is proposed.
func (c *Crew) Change(ctx context.Context) error {
	_, proposal, err := c.Engine.Policy(ctx)
	if err != nil {
		return err
	}
	return c.Engine.ChangePolicy(ctx, Author, proposal.Proposed.Version)
}

func nonce() uint64 {
	id := uuid.New()
	return binary.BigEndian.Uint64(id[:])
}

// Approve has a plan approved by both approvers; an owner's own request is confirmed by
// the portal.
func (c *Crew) Approve(ctx context.Context, p deletion.Planned) error {
	if owner := p.Deletion.Owner; !owner.IsZero() {
		return c.Engine.Confirm(ctx, p.ID, events.DeletionConfirmed{Owner: owner, By: "user_owner", Approval: c.Keys.Approve(Consent{
			Person: Portal, Action: deletion.ActionOwner, Environment: p.Deletion.Environment, Hash: p.Hash,
			Sentence: deletion.OwnerSentence(p.Deletion), Now: c.now(), N: nonce(),
		})})
	}
	for _, person := range []string{Approver, Approver2} {
		if err := c.Engine.Approve(ctx, p.ID, c.Keys.ApprovePlan(person, p.ID, p.Deletion, c.now(), nonce())); err != nil {
			return err
		}
	}
	return nil
}

// Plan has the author sign what is asked for, and plans it.
func (c *Crew) Plan(ctx context.Context, ask deletion.Ask) (p deletion.Planned, err error) {
	policy, _, err := c.Engine.Policy(ctx)
	if err != nil {
		return p, err
	}
	if ask.ID, err = events.NewID[events.PlanID](uuid.NewV7); err != nil {
		return p, err
	}
	return c.Engine.Plan(ctx, c.Keys.Ask(policy.Policy.Environment, ask, c.now()))
}

// Start plans, approves, rehearses and starts a deletion.
func (c *Crew) Start(ctx context.Context, ask deletion.Ask) (deletion.Planned, error) {
	p, err := c.Plan(ctx, ask)
	if err == nil {
		err = c.Begin(ctx, p)
	}
	return p, err
}

// Begin approves, rehearses and starts what is planned.
func (c *Crew) Begin(ctx context.Context, p deletion.Planned) error {
	if err := c.Approve(ctx, p); err != nil {
		return err
	}
	found, err := c.Engine.Rehearse(ctx, p.ID, Author)
	if err == nil && !found.Passed {
		err = fmt.Errorf("the rehearsal of %s has not passed: %s", p.ID, found.Why)
	}
	if err == nil {
		err = c.Engine.Start(ctx, p.ID, Author)
	}
	return err
}

// Delete takes a deletion through the door to its end, under a policy that lets nothing
// wait.
func (c *Crew) Delete(ctx context.Context, ask deletion.Ask) error {
	p, err := c.Start(ctx, ask)
	for err == nil {
		var step deletion.Step
		if step, err = c.Engine.Step(ctx, p.ID); err != nil {
			break
		}
		switch {
		case step.Done && step.Why == "":
			return nil
		case step.Done || step.Wait > 0:
			return fmt.Errorf("%s stands at wave %d of %d: %s", p.ID, step.Wave, step.Waves, step.Why)
		}
	}
	return err
}

// DeleteTenants puts tenants out of service and deletes them, under the policy that
// QuickPolicy makes, which it puts in force if there is none. The events are part of the run.
func (c *Crew) DeleteTenants(ctx context.Context, service deletion.Publisher, run events.RunID, list ...deletion.Asked) error {
	ask, err := c.TakeOut(ctx, service, run, list...)
	if err == nil {
		err = c.Delete(ctx, ask)
	}
	return err
}

// TakeOut puts tenants out of service, under such a policy, and gives what is to be asked
// for to have them deleted.
func (c *Crew) TakeOut(ctx context.Context, service deletion.Publisher, run events.RunID, list ...deletion.Asked) (ask deletion.Ask, err error) {
	policy, _, err := c.Engine.Policy(ctx)
	if err == nil && policy.Version == 0 {
		_, err = c.Propose(ctx, QuickPolicy(c.Roster()), "begin")
	}
	if err != nil {
		return ask, err
	}
	requests := make([]catalogue.Request, len(list))
	for i, asked := range list {
		id, err := events.ParseID[events.TenantID](asked.ID)
		if err != nil {
			return ask, err
		}
		event, err := events.NewID[events.EventID](uuid.NewV7)
		if err != nil {
			return ask, err
		}
		requests[i].Events = []events.Event{{
			ID: event, Source: deletion.Source, About: events.OfTenant(id), Time: c.now(), Actor: Author, Run: run,
			Payload: events.TenantDeactivated{Reason: "to be deleted"},
		}}
	}
	for _, v := range service.Publish(ctx, catalogue.Credential{Via: "crew"}, requests...) {
		if v.Err != nil {
			return ask, v.Err
		}
	}
	return deletion.Ask{
		Kind: events.DeletionOfTenants, Author: Author, Submitter: Author, Supplier: "analyst", Run: run, Reason: "to be deleted",
		Expected: len(list), Targets: list,
	}, nil
}
