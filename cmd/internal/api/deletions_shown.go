package api

import (
	"cmp"
	"errors"
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
)

// Deletion is a plan as its reviewers see it: what they need first before what was
// planned in full.
type Deletion struct {
	Warnings []string      `json:"warnings,omitzero"` // to be read before anything else
	ID       events.PlanID `json:"plan"`
	Standing
	ToSign    *ToSign           `json:"to_sign,omitzero"` // for the waves that have not passed; nil: nothing is to be approved
	Effect    events.Effect     `json:"effect"`           // as predicted
	Cascade   events.Cascade    `json:"cascade"`          // what goes with tenants
	Largest   []AffectedTenant  `json:"largest"`          // by active users
	Needed    int               `json:"approvals_needed"`
	Approvals []events.Given    `json:"approvals"`
	Confirmed string            `json:"confirmed_by,omitzero"` // of an owner's own request
	Rehearsed DeletionRehearsal `json:"rehearsal,omitzero"`    // the last one
	Last      *LastPlan         `json:"last_plan,omitzero"`    // of this author, before this one
	LastRun   *LastPlan         `json:"last_run,omitzero"`     // of this author's, the last that has deleted anything, if it is another

	Hash     []byte                       `json:"hash"`
	Planned  events.Mark                  `json:"planned,omitzero"`
	Executor string                       `json:"executor,omitzero"` // who has started it
	Checked  []events.DeletionWaveChecked `json:"checked,omitzero"`  // what was counted after each wave
	Deletion events.DeletionPlanned       `json:"deletion"`
}

// DeletionRehearsal is what came of the last rehearsal.
type DeletionRehearsal struct {
	At     events.Time `json:"at"`
	Passed bool        `json:"passed"`
	Why    string      `json:"why,omitzero"`
}

// AffectedTenant is a tenant that is deleted, or loses apps.
type AffectedTenant struct {
	Tenant   events.TenantID  `json:"tenant"`
	Account  events.AccountID `json:"account"`
	URL      string           `json:"url"`
	Users    uint64           `json:"active_users"`
	Internal bool             `json:"internal,omitzero"` // the vendor's own
	Targets  int              `json:"targets"`           // of the plan, in this tenant
}

// ToSign is what a person consents to. With a nonce and the times between which it
// counts, from Now on, the approver's own program makes an approval of it (deletion.Sign).
type ToSign struct {
	Environment string          `json:"environment"`
	Action      deletion.Action `json:"action"`
	Hash        []byte          `json:"hash"`
	FirstWave   uint32          `json:"first_wave,omitzero"`
	LastWave    uint32          `json:"last_wave,omitzero"`
	Sentence    string          `json:"sentence"` // to be typed by whoever approves
	Life        events.Seconds  `json:"life"`     // an approval counts for at most so long
	Now         events.Time     `json:"now"`      // recorded time, by which it is judged: a clock may have been ahead once
}

// largestShown is how many tenants are shown of those affected.
const largestShown = 10

// reviewed is a plan without where it stands.
func (a *API) reviewed(look deletion.Lookup, id events.PlanID, d events.Deletion) (out Deletion, err error) {
	policy, err := deletion.PolicyOf(look)
	if err != nil {
		return out, err
	}
	plan := d.Plan
	out = Deletion{
		ID: id, Hash: d.Hash, Planned: d.Planned, Executor: d.Executor, Checked: d.Checked, Deletion: plan, Effect: plan.Effect,
		Needed: deletion.Approvals(policy.Policy, len(plan.Targets)), Approvals: append([]events.Given{}, d.Approvals...), Confirmed: d.Confirmed.By,
		Rehearsed: DeletionRehearsal{At: d.Rehearsal.Time, Passed: d.Rehearsed.Passed, Why: d.Rehearsed.Why},
		ToSign: &ToSign{
			Environment: plan.Environment, Action: deletion.ActionDelete, Hash: d.Hash, Life: policy.Policy.ApprovalLife, Now: a.sys.Now(),
			FirstWave: uint32(len(d.Checked)) + 1, LastWave: uint32(len(plan.Waves)),
		},
	}
	switch sign := out.ToSign; {
	case !plan.Owner.IsZero():
		sign.Action, sign.FirstWave, sign.LastWave, sign.Sentence = deletion.ActionOwner, 0, 0, deletion.OwnerSentence(plan)
		out.Needed = 0
	case sign.FirstWave > sign.LastWave:
		out.ToSign = nil
	default:
		sign.Sentence = deletion.Sentence(plan, int(sign.FirstWave), int(sign.LastWave))
	}
	for _, t := range plan.Targets {
		out.Cascade = out.Cascade.Add(t.Cascade)
	}
	return out, out.affect(look)
}

// affect fills in whom it affects.
func (d *Deletion) affect(look deletion.Lookup) error {
	places := map[events.TenantID]int{}
	d.Largest = []AffectedTenant{}
	for _, t := range d.Deletion.Targets {
		i, known := places[t.Tenant]
		if !known {
			i = len(d.Largest)
			places[t.Tenant] = i
			d.Largest = append(d.Largest, AffectedTenant{Tenant: t.Tenant, Users: t.Users, Internal: t.Internal})
		}
		d.Largest[i].Targets++
	}
	slices.SortStableFunc(d.Largest, func(a, b AffectedTenant) int { return cmp.Compare(b.Users, a.Users) })
	d.Largest = d.Largest[:min(len(d.Largest), largestShown)]
	for i := range d.Largest {
		t := &d.Largest[i]
		record, _, err := catalogue.Get[events.Tenant](look.State(events.OfTenant(t.Tenant)), events.Tenant{}.EntityKey())
		if err != nil {
			return err
		}
		t.URL, t.Account = record.URL, record.Account
	}
	return nil
}

// The states of a plan.
const (
	StateNotRecorded = "not recorded" // of a dry run
	StatePlanned     = "planned"
	StateRunning     = "running"
	StateDone        = "done"
	StateDead        = "dead" // it goes no further
)

// Standing is where a plan stands.
type Standing struct {
	State string `json:"state"`
	Wave  int    `json:"wave"`           // the last that has passed
	Waves int    `json:"waves"`          // how many there are
	Open  bool   `json:"open,omitzero"`  // it keeps others of its kind waiting
	Why   string `json:"why,omitzero"`   // it is dead
	Waits string `json:"waits,omitzero"` // for what; empty: it goes on by itself, or somebody has to start it
}

// standing asks the rules what stands against what comes next of a plan, as of an event.
func (a *API) standing(look deletion.Heads, asOf events.Seq, who auth.Caller, id events.PlanID, d events.Deletion) (out Standing, err error) {
	out = Standing{State: StatePlanned, Wave: len(d.Checked), Waves: len(d.Plan.Waves)}
	if !d.Started.IsZero() {
		out.State = StateRunning
	}
	if out.Open, err = isOpen(look, id); err != nil {
		return out, err
	}
	door := events.TheOne(events.AggregateDoor)
	_, passed, err := catalogue.Get[events.Passage](look.State(door), events.PassageKey(id, uint32(out.Wave)+1))
	if err != nil {
		return out, err
	}
	next := events.Event{About: events.OfDeletion(id), Payload: events.DeletionStarted{Executor: who.Name}, Seq: asOf + 1, RecordedTime: a.sys.Now()}
	switch {
	case d.Finished.Done:
		out.State = StateDone
		return out, nil
	case !d.Ended.IsZero():
		out.State, out.Why = StateDead, d.Finished.Why
		return out, nil
	case passed:
		out.Wave++
		out.Waits = "the wave is being counted"
		return out, nil
	case out.Wave == out.Waves:
		return out, nil // it is about to be finished
	case out.State == StateRunning:
		next.About, next.Payload = door, events.DoorPassed{
			Plan: id, Kind: d.Plan.Kind, Wave: uint32(out.Wave) + 1, Targets: d.Plan.Waves[out.Wave], Owners: !d.Plan.Owner.IsZero(),
		}
	}
	err = deletion.Vouch(look, next)
	reason, refused := errors.AsType[*catalogue.ReasonError](err)
	switch {
	case err != nil && !refused:
		return out, err
	case errors.Is(err, deletion.ErrDead), errors.Is(err, deletion.ErrHalted):
		out.State, out.Why = StateDead, reason.Error()
	case err != nil:
		out.Waits = reason.Error()
	}
	return out, nil
}

// isOpen tells whether a plan was admitted and has not left. One that is dead leaves when
// the executor comes to it.
func isOpen(look deletion.Heads, id events.PlanID) (bool, error) {
	door, err := deletion.DoorOf(look)
	return slices.ContainsFunc(door.Open, func(a events.Admitted) bool { return a.Plan == id }), err
}
