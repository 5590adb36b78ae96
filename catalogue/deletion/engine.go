package deletion

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// Publisher is the write side: catalogue.Service.
type Publisher interface {
	Publish(ctx context.Context, c catalogue.Credential, requests ...catalogue.Request) []catalogue.Verdict
}

// Rehearsal deletes and restores a plan's targets on a scratch copy made of their
// history, and tells what came of it.
type Rehearsal func(ctx context.Context, id events.PlanID, plan events.DeletionPlanned) (events.DeletionRehearsed, error)

// Recount reads, apart from whatever executes, what became of a plan's targets since one
// of its waves passed: Gone, Kept, and Strays, which are tombstones of the kind that stand
// in no wave.
type Recount func(ctx context.Context, d events.Deletion, passage events.Passage) (events.DeletionWaveChecked, error)

// Check asks one health check of the policy whether all is well after a wave of a plan; 0:
// before the first one. The error says what is bad, and matches ErrSilent when there was no
// answer.
type Check func(ctx context.Context, check string, id events.PlanID, wave int) error

// ErrSilent is returned by a Check that got no answer, which is as bad as a bad one.
var ErrSilent = errors.New("no answer")

// Config is what an Engine is made of; all of it is needed.
type Config struct {
	Service Publisher
	Look    func(ctx context.Context, f func(Lookup) error) error // as of the last event
	Rehearsal
	Recount
	Check
	Now   func() events.Time        // recorded time: catalogue.Service.Now
	NewID func() (uuid.UUID, error) // of plans and events
}

// Engine plans and executes deletions. Its methods may be called side by side; whatever
// they append is held against the rules by the write side.
type Engine struct{ cfg Config }

// New makes an Engine.
func New(cfg Config) *Engine { return &Engine{cfg: cfg} }

var executor = catalogue.Credential{Via: "deletion", Roles: []catalogue.Role{catalogue.RoleInternal}}

// Planned is a plan with its id.
type Planned struct {
	ID       events.PlanID          `json:"plan"`
	Deletion events.DeletionPlanned `json:"deletion"`
	Hash     []byte                 `json:"hash"`
}

// Plan resolves a list and stores the plan. When targets are at fault the error is a
// *ListError, which is recorded, and nothing else happens. When it is not known whether the
// plan was stored, it comes with the error.
func (e *Engine) Plan(ctx context.Context, ask Ask) (Planned, error) {
	out, err := e.Preview(ctx, ask)
	if refused, ok := errors.AsType[*ListError](err); ok {
		return Planned{}, errors.Join(err, e.do(ctx, ask.Submitter, events.OfDeletion(out.ID), events.DeletionRefused{
			Kind: refused.Kind, Author: ask.Author, Targets: uint32(refused.Targets), Reasons: refused.Reasons[:min(len(refused.Reasons), maxReasons)],
		}))
	}
	if err != nil {
		return Planned{}, err
	}
	a := e.by(ask.Submitter)
	a.plan(out.ID, out.Deletion)
	return out, a.publish(ctx)
}

// Preview resolves a list as Plan does, and records nothing.
func (e *Engine) Preview(ctx context.Context, ask Ask) (out Planned, err error) {
	if out.ID = ask.ID; out.ID.IsZero() {
		if out.ID, err = events.NewID[events.PlanID](e.cfg.NewID); err != nil {
			return out, err
		}
	}
	err = e.cfg.Look(ctx, func(look Lookup) (err error) {
		out.Deletion, err = Resolve(ctx, look, ask, e.cfg.Now())
		return err
	})
	if err == nil {
		out.Hash, err = out.Deletion.Hash(out.ID)
	}
	return out, err
}

// maxReasons is how many reasons the record of a refusal has.
const maxReasons = 64

// Deletion is a plan and what became of it.
func (e *Engine) Deletion(ctx context.Context, id events.PlanID) (d events.Deletion, err error) {
	err = e.cfg.Look(ctx, func(look Lookup) (err error) {
		d, err = PlanOf(look, id)
		return err
	})
	return d, err
}

// PlanOf reads a plan.
func PlanOf(w Heads, id events.PlanID) (events.Deletion, error) {
	d, found, err := deletionOf(w, id)
	if err == nil && !found {
		err = catalogue.Refuse(catalogue.ErrNotFound, "list them: catalogue delete list", "there is no %s", id)
	}
	return d, err
}

// Approve records an approval, if every target that is left is still what was planned.
func (e *Engine) Approve(ctx context.Context, id events.PlanID, a events.Approval) error {
	return e.cfg.Look(ctx, func(look Lookup) error {
		d, err := PlanOf(look, id)
		if err != nil {
			return err
		}
		wave, err := nextWave(look, id, d)
		if err != nil {
			return err
		}
		if err := e.asDescribed(ctx, look, d, wave); err != nil {
			return err
		}
		if err := e.unchanged(look, id, d, wave); err != nil {
			return err
		}
		return e.do(ctx, a.Person, events.OfDeletion(id), events.DeletionApproved{Approval: a})
	})
}

// nextWave is the first wave of a plan that has not passed.
func nextWave(w Heads, id events.PlanID, d events.Deletion) (int, error) {
	wave := len(d.Checked) + 1
	_, passed, err := catalogue.Get[events.Passage](w.State(theDoor()), events.PassageKey(id, uint32(wave)))
	if passed {
		wave++
	}
	return wave, err
}

// asDescribed holds what a plan tells an approver of the targets that are left against
// the tenants: digests and what goes with them.
func (e *Engine) asDescribed(ctx context.Context, look Lookup, d events.Deletion, wave int) error {
	from, _ := span(d.Plan, wave, wave)
	for _, target := range d.Plan.Targets[from:] {
		state, head, err := look.Tenant(ctx, target.Tenant)
		if err != nil {
			return err
		}
		now, err := pin(state, head, target)
		if err != nil {
			return err
		}
		if head.Seq == target.Pinned && (now.Users != target.Users || now.Internal != target.Internal || now.Cascade != target.Cascade || string(now.Digest) != string(target.Digest)) {
			return catalogue.Refuse(ErrPlan, "plan it anew", "%s is not as the plan describes it", targetID(d.Plan.Kind, target))
		}
	}
	return nil
}

// unchanged holds the targets of a wave and those after it against what they are now.
func (e *Engine) unchanged(look Lookup, id events.PlanID, d events.Deletion, wave int) error {
	from, _ := span(d.Plan, wave, wave)
	now := e.cfg.Now()
	for at := from; at < len(d.Plan.Targets); at++ {
		if err := CheckTarget(look, id, d, at, now); err != nil {
			return err
		}
	}
	return nil
}

// Confirm records that the owner has confirmed its own request, which takes one of the
// day's places. When there is none left it may be confirmed again while the plan lives.
func (e *Engine) Confirm(ctx context.Context, id events.PlanID, p events.DeletionConfirmed) error {
	return e.cfg.Look(ctx, func(look Lookup) error {
		d, err := PlanOf(look, id)
		if err != nil {
			return err
		}
		a := e.by(p.By)
		if Unconfirmed(d) {
			a.admit(id, d.Plan)
		}
		a.add(events.OfDeletion(id), p)
		return a.publish(ctx)
	})
}

// Rehearse rehearses a plan and records what came of it.
func (e *Engine) Rehearse(ctx context.Context, id events.PlanID, actor string) (events.DeletionRehearsed, error) {
	d, err := e.Deletion(ctx, id)
	if err != nil {
		return events.DeletionRehearsed{}, err
	}
	found, err := e.cfg.Rehearsal(ctx, id, d.Plan)
	if err != nil {
		return found, err
	}
	return found, e.rehearsed(ctx, id, d, actor, found)
}

// rehearsed records what came of a rehearsal.
func (e *Engine) rehearsed(ctx context.Context, id events.PlanID, d events.Deletion, actor string, found events.DeletionRehearsed) error {
	found.Hash, found.Targets = d.Hash, uint32(len(d.Plan.Targets))
	return e.do(ctx, actor, events.OfDeletion(id), found)
}

// Start lets an approved plan go on. Step, called until it is done, executes it.
func (e *Engine) Start(ctx context.Context, id events.PlanID, actor string) error {
	return e.do(ctx, actor, events.OfDeletion(id), events.DeletionStarted{Executor: actor})
}

// Withdraw ends a plan before it is done.
func (e *Engine) Withdraw(ctx context.Context, id events.PlanID, actor, why string) error {
	return e.cfg.Look(ctx, func(look Lookup) error {
		d, err := PlanOf(look, id)
		if err != nil {
			return err
		}
		door, err := DoorOf(look)
		if err != nil {
			return err
		}
		a := e.by(actor)
		a.finish(id, d.Plan.Kind, door, events.DeletionFinished{Why: why})
		return a.publish(ctx)
	})
}

// Halt halts every deletion. It takes nobody's approval.
func (e *Engine) Halt(ctx context.Context, actor string, p events.DoorHalted) error {
	return e.do(ctx, actor, theDoor(), p)
}

// Reopen lifts a halt with an approval.
func (e *Engine) Reopen(ctx context.Context, actor string, p events.DoorReopened) error {
	return e.do(ctx, actor, theDoor(), p)
}

// Policy is the policy in force, version 0 when there is none, and what is proposed.
func (e *Engine) Policy(ctx context.Context) (policy events.InForce, proposal events.Proposal, err error) {
	err = e.cfg.Look(ctx, func(look Lookup) (err error) {
		if policy, err = PolicyOf(look); err != nil {
			return err
		}
		proposal, err = readable[events.Proposal](look, thePolicy())
		return err
	})
	return policy, proposal, err
}

// Door is the door as it stands.
func (e *Engine) Door(ctx context.Context) (door events.Door, err error) {
	err = e.cfg.Look(ctx, func(look Lookup) (err error) {
		door, err = DoorOf(look)
		return err
	})
	return door, err
}

// Propose asks for another policy, and puts it in force at once if it is the first or
// no looser than the one in force. Unless it is the first, its author has signed it.
func (e *Engine) Propose(ctx context.Context, p events.PolicyProposed) (changed bool, looser []string, err error) {
	err = e.cfg.Look(ctx, func(look Lookup) error {
		policy, err := PolicyOf(look)
		if err != nil {
			return err
		}
		a := e.by(p.Author)
		a.add(thePolicy(), p)
		if policy.Version > 0 {
			looser = Looser(policy.Policy, p.Policy)
		}
		if changed = len(looser) == 0; changed {
			a.add(thePolicy(), events.PolicyChanged{Version: p.Version})
		}
		return a.publish(ctx)
	})
	return changed && err == nil, looser, err
}

// ApprovePolicy records an approval of the policy that is proposed.
func (e *Engine) ApprovePolicy(ctx context.Context, a events.Approval) error {
	return e.do(ctx, a.Person, thePolicy(), events.PolicyApproved{Approval: a})
}

// ChangePolicy puts the policy that is proposed in force, once it is approved and has
// waited.
func (e *Engine) ChangePolicy(ctx context.Context, actor string, version uint32) error {
	return e.do(ctx, actor, thePolicy(), events.PolicyChanged{Version: version})
}

// Tick marks that time passes. It is to be called more often than every
// catalogue.TickEvery.
func (e *Engine) Tick(ctx context.Context) error {
	return e.do(ctx, "clock", events.TheOne(events.AggregateClock), events.ClockTicked{})
}

// Hold keeps everything from being deleted while a restoration is applied; Release ends
// that, once the restoration is finished. Before there is a policy nothing is deleted
// anyway, and nothing is held.
func (e *Engine) Hold(ctx context.Context, actor string, id events.RestoreID) error {
	policy, held, err := e.holds(ctx, id)
	if err != nil || policy.Version == 0 || held {
		return err
	}
	return e.do(ctx, actor, theDoor(), events.DoorHeld{Restoration: id})
}

// Release is the end of Hold.
func (e *Engine) Release(ctx context.Context, actor string, id events.RestoreID) error {
	if _, held, err := e.holds(ctx, id); err != nil || !held {
		return err
	}
	return e.do(ctx, actor, theDoor(), events.DoorReleased{Restoration: id})
}

func (e *Engine) holds(ctx context.Context, id events.RestoreID) (policy events.InForce, held bool, err error) {
	err = e.cfg.Look(ctx, func(look Lookup) (err error) {
		if policy, err = PolicyOf(look); err != nil {
			return err
		}
		door, err := DoorOf(look)
		held = slices.Contains(door.Held, id)
		return err
	})
	if errors.Is(err, catalogue.ErrQuarantined) {
		return events.InForce{}, false, nil // what cannot be read lets nothing pass, and keeps nobody from restoring
	}
	return policy, held, err
}

// PlaceLien keeps a tenant from being deleted for a matter. It takes nobody's approval.
func (e *Engine) PlaceLien(ctx context.Context, actor string, id events.TenantID, p events.LienPlaced) error {
	return e.do(ctx, actor, events.OfLiens(id), p)
}

// LiftLien ends a lien with an approval.
func (e *Engine) LiftLien(ctx context.Context, actor string, id events.TenantID, p events.LienLifted) error {
	return e.do(ctx, actor, events.OfLiens(id), p)
}

// DoorOf reads the door.
func DoorOf(w Heads) (events.Door, error) { return readable[events.Door](w, theDoor()) }

// PolicyOf reads the policy in force; version 0: there is none.
func PolicyOf(w Heads) (events.InForce, error) { return readable[events.InForce](w, thePolicy()) }
