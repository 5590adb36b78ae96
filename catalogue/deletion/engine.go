package deletion

import (
	"context"
	"errors"
	"fmt"
	"time"

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
// of its waves passed: Gone, Kept and Strays.
type Recount func(ctx context.Context, d events.Deletion, passage events.Passage) (events.DeletionWaveChecked, error)

// Check asks one health check of the policy. The error says what is bad, and matches
// ErrSilent when there was no answer.
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
	Clock func() time.Time
	NewID func() (uuid.UUID, error) // of plans and nonces
}

// Engine plans and executes deletions. Its methods may be called side by side; whatever
// they append is held against the rules by the write side.
type Engine struct{ cfg Config }

// New makes an Engine.
func New(cfg Config) *Engine { return &Engine{cfg: cfg} }

var executor = catalogue.Credential{Via: "deletion", Roles: []catalogue.Role{catalogue.RoleInternal}}

func (e *Engine) now() events.Time { return events.TimeOf(e.cfg.Clock()) }

func (e *Engine) acts(actor string) acts { return acts{actor: actor, now: e.now()} }

// publish appends one unit.
func (e *Engine) publish(ctx context.Context, unit ...events.Event) error {
	return e.cfg.Service.Publish(ctx, executor, catalogue.Request{Events: unit})[0].Err
}

// Planned is a plan with its id.
type Planned struct {
	ID       events.PlanID          `json:"plan"`
	Deletion events.DeletionPlanned `json:"deletion"`
	Hash     []byte                 `json:"hash"`
}

// Plan resolves a list and stores the plan. A list that is refused is recorded, and
// nothing else happens; the error is a *Refused.
func (e *Engine) Plan(ctx context.Context, ask Ask) (Planned, error) {
	id, err := events.NewID[events.PlanID](e.cfg.NewID)
	if err != nil {
		return Planned{}, err
	}
	out := Planned{ID: id}
	err = e.cfg.Look(ctx, func(look Lookup) (err error) {
		out.Deletion, err = Resolve(ctx, look, ask, e.now())
		return err
	})
	if refused, ok := errors.AsType[*Refused](err); ok {
		return Planned{}, errors.Join(err, e.publish(ctx, e.acts(ask.Submitter).refuse(id, ask.Author, refused)...))
	}
	if err == nil {
		out.Hash, err = out.Deletion.Hash()
	}
	if err == nil {
		err = e.publish(ctx, e.acts(ask.Submitter).plan(id, out.Deletion)...)
	}
	if err != nil {
		return Planned{}, err
	}
	return out, nil
}

// Deletion is a plan and what became of it.
func (e *Engine) Deletion(ctx context.Context, id events.PlanID) (d events.Deletion, err error) {
	err = e.cfg.Look(ctx, func(look Lookup) (err error) {
		d, err = known(look, id)
		return err
	})
	return d, err
}

func known(w States, id events.PlanID) (events.Deletion, error) {
	d, found, err := deletionOf(w, id)
	if err == nil && !found {
		err = catalogue.Refuse(catalogue.ErrNotFound, "list them: catalogue delete list", "there is no %s", id)
	}
	return d, err
}

// Approve records an approval, if every target is still what was planned.
func (e *Engine) Approve(ctx context.Context, id events.PlanID, a events.Approval) error {
	return e.cfg.Look(ctx, func(look Lookup) error {
		d, err := known(look, id)
		if err != nil {
			return err
		}
		if err := e.unchanged(look, id, d, 1); err != nil {
			return err
		}
		return e.publish(ctx, e.acts(a.Person).event(events.OfDeletion(id), events.DeletionApproved{Approval: a}, fmt.Sprintf("%x", a.Nonce)))
	})
}

// unchanged holds the targets of a wave and those after it against what they are now.
func (e *Engine) unchanged(look Lookup, id events.PlanID, d events.Deletion, wave int) error {
	from, _ := span(d.Plan, wave, wave)
	now := e.now()
	for at := from; at < len(d.Plan.Targets); at++ {
		if err := CheckTarget(look, id, d, at, now); err != nil {
			return err
		}
	}
	return nil
}

// Confirm records that the owner has confirmed its own request.
func (e *Engine) Confirm(ctx context.Context, id events.PlanID, owner events.AccountID, hash []byte, by string) error {
	return e.publish(ctx, e.acts(by).event(events.OfDeletion(id), events.DeletionConfirmed{Hash: hash, Owner: owner, By: by}))
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
	found.Hash, found.Targets = d.Hash, uint32(len(d.Plan.Targets))
	a := e.acts(actor)
	return found, e.publish(ctx, a.event(events.OfDeletion(id), found, a.now.String()))
}

// Start lets an approved plan go on. Step, called until it is done, executes it.
func (e *Engine) Start(ctx context.Context, id events.PlanID, actor string) error {
	return e.publish(ctx, e.acts(actor).event(events.OfDeletion(id), events.DeletionStarted{Executor: actor}))
}

// Withdraw ends a plan before it is done.
func (e *Engine) Withdraw(ctx context.Context, id events.PlanID, actor, why string) error {
	return e.cfg.Look(ctx, func(look Lookup) error {
		d, err := known(look, id)
		if err != nil {
			return err
		}
		return e.finish(ctx, look, id, d, actor, events.DeletionFinished{Why: why})
	})
}

func (e *Engine) finish(ctx context.Context, look States, id events.PlanID, d events.Deletion, actor string, p events.DeletionFinished) error {
	door, err := DoorOf(look)
	if err != nil {
		return err
	}
	open := false
	for _, a := range door.Open {
		open = open || a.Plan == id
	}
	return e.publish(ctx, e.acts(actor).finish(id, d.Plan.Kind, open, p)...)
}

// Halt halts every deletion. It takes nobody's approval.
func (e *Engine) Halt(ctx context.Context, actor string, p events.DoorHalted) error {
	a := e.acts(actor)
	return e.publish(ctx, a.event(theDoor(), p, a.now.String(), string(p.Cause)))
}

// Reopen lifts a halt with an approval.
func (e *Engine) Reopen(ctx context.Context, actor string, p events.DoorReopened) error {
	return e.publish(ctx, e.acts(actor).event(theDoor(), p, fmt.Sprintf("%x", p.Approval.Nonce)))
}

// Propose asks for another policy, and puts it in force at once if it is the first or
// no looser than the one in force.
func (e *Engine) Propose(ctx context.Context, p events.PolicyProposed) (changed bool, looser []string, err error) {
	err = e.cfg.Look(ctx, func(look Lookup) error {
		policy, err := PolicyOf(look)
		if err != nil {
			return err
		}
		p.Version = policy.Version + 1
		a := e.acts(p.Author)
		about := events.TheOne(events.AggregatePolicy)
		unit := []events.Event{a.event(about, p, a.now.String())}
		if policy.Version > 0 {
			looser = Looser(policy.Policy, p.Policy)
		}
		if changed = len(looser) == 0; changed {
			unit = append(unit, a.event(about, events.PolicyChanged{Version: p.Version}, fmt.Sprint(p.Version)))
		}
		return e.publish(ctx, unit...)
	})
	return changed && err == nil, looser, err
}

// ApprovePolicy records an approval of the policy that is proposed.
func (e *Engine) ApprovePolicy(ctx context.Context, a events.Approval) error {
	return e.publish(ctx, e.acts(a.Person).event(events.TheOne(events.AggregatePolicy), events.PolicyApproved{Approval: a}, fmt.Sprintf("%x", a.Nonce)))
}

// ChangePolicy puts the policy that is proposed in force, once it is approved and has
// waited.
func (e *Engine) ChangePolicy(ctx context.Context, actor string, version uint32) error {
	return e.publish(ctx, e.acts(actor).event(events.TheOne(events.AggregatePolicy), events.PolicyChanged{Version: version}, fmt.Sprint(version)))
}

// Tick marks that time passes. It is to be called more often than every
// catalogue.TickEvery.
func (e *Engine) Tick(ctx context.Context) error {
	a := e.acts("clock")
	return e.publish(ctx, a.event(events.TheOne(events.AggregateClock), events.ClockTicked{}, a.now.String()))
}

// DoorOf reads the door.
func DoorOf(w States) (events.Door, error) {
	door, _, err := catalogue.Get[events.Door](w.State(theDoor()), events.Door{}.EntityKey())
	return door, err
}

// PolicyOf reads the policy in force; version 0: there is none.
func PolicyOf(w States) (events.InForce, error) {
	policy, _, err := catalogue.Get[events.InForce](w.State(events.TheOne(events.AggregatePolicy)), events.InForce{}.EntityKey())
	return policy, err
}
