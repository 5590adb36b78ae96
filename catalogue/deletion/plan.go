package deletion

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// Ask is what somebody wants to have deleted. Unless an owner asks, the author signs it
// (SignAsk), and so chooses the id of the plan: a signature is good for one plan.
type Ask struct {
	ID           events.PlanID // zero: a new one
	Kind         events.DeletionKind
	Author       string
	Submitter    string
	Supplier     string
	Owner        events.AccountID
	Run          events.RunID
	Reason       string
	InactiveDays int
	Expected     int
	Targets      []Asked
	Signed       events.Authorship
}

// Asked is one line of the list, as it was given. Id, parent and name come from two
// sources at least; all three must be of one thing.
type Asked struct {
	ID     string `json:"id"`     // of the app or the tenant
	Parent string `json:"parent"` // the app's tenant, the tenant's account
	Name   string `json:"name"`   // the app's name, the tenant's URL
}

// Lookup is the catalogue as of one Seq, as a planner sees it.
type Lookup interface {
	Heads
	// AsOf is the Seq.
	AsOf() events.Seq
	// Tenant is the tenant's whole state and its head.
	Tenant(ctx context.Context, id events.TenantID) (catalogue.MapState, catalogue.Head, error)
	// AppOf is the tenant that an app was issued to.
	AppOf(ctx context.Context, id events.AppID) (events.TenantID, bool, error)
}

// ListError is the answer to a list that is not taken: each reason with how many targets it
// is about. Nothing is deleted for a list of which one line is wrong.
type ListError struct {
	Kind    events.DeletionKind
	Targets int
	Reasons []events.RefusalReason // the most frequent first
}

// shownExamples is how many ids are told of each reason.
const shownExamples = 20

// Error says what is wrong with how many.
func (r *ListError) Error() string {
	texts := make([]string, len(r.Reasons))
	for i, reason := range r.Reasons {
		texts[i] = fmt.Sprintf("%d of %d %s", reason.Count, r.Targets, reason.Why)
		if len(reason.Examples) > 0 {
			texts[i] += " (" + strings.Join(reason.Examples[:min(3, len(reason.Examples))], ", ") + ")"
		}
	}
	return fmt.Sprintf("%v: %s; nothing was deleted, correct the list and plan again", ErrPlan, strings.Join(texts, "; "))
}

// Unwrap gives ErrPlan.
func (r *ListError) Unwrap() error { return ErrPlan }

// Resolve makes a plan of a list: every target is looked up, checked and pinned. The
// error is a *ListError when targets are at fault, and names every reason; or a ReasonError.
func Resolve(ctx context.Context, look Lookup, ask Ask, now events.Time) (events.DeletionPlanned, error) {
	c, err := conditionOf(look, now)
	if err != nil {
		return events.DeletionPlanned{}, err
	}
	if ask.InactiveDays < 0 || ask.InactiveDays > maxInactive || ask.Expected < 0 || ask.Expected > maxTargets {
		return events.DeletionPlanned{}, catalogue.Refuse(ErrPlan, "say what can be", "%d targets, inactive for %d days", ask.Expected, ask.InactiveDays)
	}
	switch lines := len(ask.Targets); {
	case lines > maxLines:
		return events.DeletionPlanned{}, catalogue.Refuse(ErrPlan, "make smaller plans", "the list has %d lines; not more than %d are looked up", lines, maxLines)
	case lines > 1 && !ask.Owner.IsZero():
		return events.DeletionPlanned{}, notTheOwners(ask.Owner)
	}
	policy := c.policy
	if policy.Version == 0 {
		return events.DeletionPlanned{}, noPolicy()
	}
	plan := events.DeletionPlanned{
		Environment: policy.Policy.Environment, Action: string(ActionDelete), Kind: ask.Kind, Author: ask.Author, Submitter: ask.Submitter, Supplier: ask.Supplier,
		Owner: ask.Owner, Run: ask.Run, Reason: ask.Reason, InactiveDays: uint32(ask.InactiveDays), Expected: uint32(ask.Expected),
		Policy: policy.Version, AsOf: look.AsOf(), Expires: now.Add(policy.Policy.PlanLife.Duration()), Signed: ask.Signed,
	}
	if err := checkAsk(plan); err != nil {
		return plan, err
	}
	r := &resolver{look: look, plan: plan, condition: c, seen: map[string]bool{}}
	for i, asked := range ask.Targets {
		target, err := r.target(ctx, asked)
		if reason, ok := errors.AsType[because](err); ok {
			r.refuse(i+1, asked, string(reason))
			continue
		}
		if err != nil {
			return plan, err
		}
		r.plan.Targets = append(r.plan.Targets, target)
	}
	if len(r.reasons) > 0 {
		return plan, r.refused(len(ask.Targets))
	}
	slices.SortFunc(r.plan.Targets, inOrder)
	r.plan.Waves, r.plan.Effect = Waves(r.plan.Targets, policy.Policy), EffectOf(ask.Kind, r.plan.Targets)
	return r.plan, CheckPlan(r.plan, policy, now)
}

// TargetsOf is the range of a plan's targets that a wave, from 1, takes.
func TargetsOf(p events.DeletionPlanned, wave int) (from, to int) { return span(p, wave, wave) }

// because is why a target is refused.
type because string

func (b because) Error() string { return string(b) }

type resolver struct {
	condition
	look    Lookup
	plan    events.DeletionPlanned
	seen    map[string]bool
	reasons []events.RefusalReason
}

func (r *resolver) refuse(line int, asked Asked, why string) {
	i := slices.IndexFunc(r.reasons, func(known events.RefusalReason) bool { return known.Why == why })
	if i < 0 {
		i = len(r.reasons)
		r.reasons = append(r.reasons, events.RefusalReason{Why: why})
	}
	r.reasons[i].Count++
	if len(r.reasons[i].Examples) < shownExamples {
		r.reasons[i].Examples = append(r.reasons[i].Examples, example(line, asked.ID))
	}
}

// example names a line of a list by its id if it is one. Anything else may be somebody's
// address, and what is refused is kept for ever: then by its place in the list.
func example(line int, id string) string {
	if events.IsID(id) {
		return id
	}
	return fmt.Sprintf("line %d", line)
}

func (r *resolver) refused(targets int) error {
	slices.SortStableFunc(r.reasons, func(a, b events.RefusalReason) int { return int(b.Count) - int(a.Count) })
	return &ListError{Kind: r.plan.Kind, Targets: targets, Reasons: r.reasons}
}

func (r *resolver) target(ctx context.Context, asked Asked) (events.DeletionTarget, error) {
	if kind, known := events.KindOf(asked.ID); known && kind != string(r.plan.Kind) {
		return events.DeletionTarget{}, because(fmt.Sprintf("ids are those of %ss, the plan says %s", kind, r.plan.Kind))
	}
	if r.seen[asked.ID] {
		return events.DeletionTarget{}, because("ids stand in the list twice")
	}
	r.seen[asked.ID] = true
	var target events.DeletionTarget
	var err error
	if r.plan.Kind == events.DeletionOfApps {
		target, err = r.app(ctx, asked)
	} else {
		target, err = r.tenant(ctx, asked)
	}
	if err != nil {
		return target, err
	}
	switch err := r.check(r.look, r.plan, target); {
	case err == nil:
		return target, nil
	case errors.Is(err, ErrTooSoon):
		return target, because("have not been out of service for " + r.policy.Policy.DeactivatedFor.Duration().String())
	default:
		if refusal, ok := errors.AsType[*catalogue.ReasonError](err); ok {
			return target, because(strings.TrimPrefix(refusal.Met, events.OfTenant(target.Tenant).String()+" "))
		}
		return target, err
	}
}

func (r *resolver) tenant(ctx context.Context, asked Asked) (target events.DeletionTarget, err error) {
	id, err := events.ParseID[events.TenantID](asked.ID)
	if err != nil {
		return target, because("ids are no tenant ids")
	}
	state, head, err := r.look.Tenant(ctx, id)
	if err != nil {
		return target, err
	}
	record, exists := state.Tenant()
	if !exists {
		return target, because("tenants are not in this catalogue")
	}
	if head.Quarantined != 0 {
		return target, because("tenants hold an event that cannot be read")
	}
	if record.Account.String() != asked.Parent {
		return target, because("tenants belong to another account than the list says")
	}
	if record.URL != asked.Name {
		return target, because("tenants have another URL than the list says")
	}
	return pin(state, head, events.DeletionTarget{Tenant: id, Account: record.Account, Name: record.URL})
}

func (r *resolver) app(ctx context.Context, asked Asked) (target events.DeletionTarget, err error) {
	id, err := events.ParseID[events.AppID](asked.ID)
	if err != nil {
		return target, because("ids are no app ids")
	}
	holder, found, err := r.look.AppOf(ctx, id)
	if err != nil {
		return target, err
	}
	if !found {
		return target, because("apps are not in this catalogue")
	}
	if holder.String() != asked.Parent {
		return target, because("apps belong to another tenant than the list says")
	}
	state, head, err := r.look.Tenant(ctx, holder)
	if err != nil {
		return target, err
	}
	app, exists := state[events.AppKey(id)].(events.App)
	switch {
	case !exists:
		return target, because("apps are not in this catalogue")
	case !app.Installed:
		return target, because("apps are uninstalled already")
	case app.Name != asked.Name:
		return target, because("apps have another name than the list says")
	}
	return pin(state, head, events.DeletionTarget{Tenant: holder, App: id, Name: app.Name})
}

// pin adds what the target is now.
func pin(state catalogue.MapState, head catalogue.Head, target events.DeletionTarget) (events.DeletionTarget, error) {
	digest, err := state.Digest()
	if err != nil {
		return target, err
	}
	record, _ := state.Tenant()
	target.Pinned, target.Epoch, target.Digest = head.Seq, head.Epoch, digest[:]
	target.Users, target.Internal = record.ActiveUsers, record.Internal
	if target.App.IsZero() {
		target.Cascade = cascadeOf(state)
	}
	return target, nil
}

// cascadeOf counts what goes with a tenant.
func cascadeOf(state catalogue.MapState) (c events.Cascade) {
	for _, entity := range state {
		switch entity := entity.(type) {
		case events.Product:
			c.Products++
		case events.App:
			if entity.Installed {
				c.Apps++
			}
		case events.Member:
			c.Members++
		case events.Group:
			c.Groups++
		case events.Resource:
			c.Resources++
		}
	}
	return c
}
