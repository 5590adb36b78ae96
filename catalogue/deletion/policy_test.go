package deletion_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/events"
)

// loosen puts a looser policy in force the slow way.
func (w *world) loosen(p events.Policy) {
	w.t.Helper()
	changed, looser, err := w.propose(people.Planner, p)
	if err != nil || changed {
		w.t.Fatalf("at once: %v %v", looser, err)
	}
	inForce, err := deletion.PolicyOf(w)
	if err != nil {
		w.t.Fatal(err)
	}
	o, _, err := catalogue.Get[events.Proposal](w.State(events.TheOne(events.AggregatePolicy)), events.Proposal{}.EntityKey())
	if err != nil {
		w.t.Fatal(err)
	}
	hash, err := o.Proposed.Hash(o.Mark.Seq)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, person := range []string{"ana", "ben", "cleo"}[:inForce.Policy.Change.Approvals] {
		a := w.keys.Approve(people.Consent{
			Person: person, Action: deletion.ActionPolicy, Environment: environment, Hash: hash,
			Sentence: deletion.PolicySentence(o.Proposed), Now: w.now, N: uint64(i),
		})
		if err := w.engine.ApprovePolicy(context.Background(), a); err != nil {
			w.t.Fatal(err)
		}
	}
	w.pass(inForce.Policy.Change.Delay.Duration())
	if err := w.engine.ChangePolicy(context.Background(), people.Planner, o.Proposed.Version); err != nil {
		w.t.Fatal(err)
	}
}

// Policies that nobody could ever change again are refused.
func TestPolicyThatLocksEverybodyOut(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(w *world, p *events.Policy){
		"nobody":  func(_ *world, p *events.Policy) { p.Roster = nil },
		"too few": func(_ *world, p *events.Policy) { p.Roster = p.Roster[:1] },
		"portals only": func(_ *world, p *events.Policy) {
			p.Roster = slices.DeleteFunc(p.Roster, func(m events.RosterMember) bool { return m.Role == events.RosterApprover })
		},
		"keys about to end": func(w *world, p *events.Policy) {
			for i := range p.Roster {
				p.Roster[i].Expires = w.now.Add(time.Hour)
			}
		},
		"for ever":           func(_ *world, p *events.Policy) { p.Change.Delay = 1 << 31 },
		"too many approvals": func(_ *world, p *events.Policy) { p.Change.Approvals = 99 },
		"none":               func(_ *world, p *events.Policy) { p.Change.Approvals = 0 },
		"one key of two":     func(_ *world, p *events.Policy) { p.Roster[1].Key = p.Roster[0].Key },
		"upper case":         func(_ *world, p *events.Policy) { p.Roster[0].Person = "Ana" },
	} {
		w := begin(t)
		p := w.quick()
		spoil(w, &p)
		if _, _, err := w.propose(people.Planner, p); !errors.Is(err, deletion.ErrPolicy) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPolicyIsLoosenedSlowly(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := begin(t)
	policy := deletion.DefaultPolicy(environment)
	policy.Roster, policy.Checks = w.quick().Roster, w.quick().Checks
	w.adopt(policy)
	looser := policy
	looser.Caps = []uint32{1000}
	changed, respects, err := w.propose("ana", looser)
	if err != nil || changed || len(respects) == 0 {
		t.Fatalf("changed %v, looser in %v, %v", changed, respects, err)
	}
	approval := func(person string) events.Approval {
		o, _, err := catalogue.Get[events.Proposal](w.State(events.TheOne(events.AggregatePolicy)), events.Proposal{}.EntityKey())
		if err != nil {
			t.Fatal(err)
		}
		hash, err := o.Proposed.Hash(o.Mark.Seq)
		if err != nil {
			t.Fatal(err)
		}
		w.ids++
		return w.keys.Approve(people.Consent{
			Person: person, Action: deletion.ActionPolicy, Environment: environment, Hash: hash, Sentence: deletion.PolicySentence(o.Proposed), Now: w.now, N: w.ids,
		})
	}
	if err := w.engine.ApprovePolicy(ctx, approval("ana")); !errors.Is(err, deletion.ErrApproval) {
		t.Errorf("whoever asks for it approves: %v", err)
	}
	for _, person := range []string{"ben", "ben"} {
		if err := w.engine.ApprovePolicy(ctx, approval(person)); err != nil {
			t.Fatal(err)
		}
	}
	_, o, err := w.engine.Policy(ctx)
	if err != nil {
		t.Fatal(err)
	}
	mustSay(t, "the same approval again", w.engine.ApprovePolicy(ctx, o.Approvals[0].Approval), "counts once")
	w.pass(73 * time.Hour)
	if err := w.engine.ChangePolicy(ctx, "ana", 2); !errors.Is(err, deletion.ErrApproval) {
		t.Errorf("one person has approved, twice: %v", err)
	}
	// Asking anew voids what was approved, were it the very same.
	old := approval("cleo")
	w.now++
	if _, _, err := w.propose("ana", looser); err != nil {
		t.Fatal(err)
	}
	if err := w.engine.ApprovePolicy(ctx, old); !errors.Is(err, deletion.ErrApproval) {
		t.Errorf("an approval of the proposal before counts: %v", err)
	}
	for _, person := range []string{"ben", "cleo"} {
		if err := w.engine.ApprovePolicy(ctx, approval(person)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.engine.ChangePolicy(ctx, "ana", 2); !errors.Is(err, deletion.ErrTooSoon) {
		t.Errorf("without the delay: %v", err)
	}
	w.now = w.now.Add(80 * time.Hour) // a clock that jumps is no delay
	w.tick()
	if err := w.engine.ChangePolicy(ctx, "ana", 2); !errors.Is(err, deletion.ErrTooSoon) {
		t.Errorf("after a jump of the clock: %v", err)
	}
	w.pass(72 * time.Hour)
	if err := w.engine.ChangePolicy(ctx, "ana", 2); err != nil {
		t.Errorf("approved and waited for: %v", err)
	}
}

func TestLooser(t *testing.T) {
	t.Parallel()
	w := begin(t)
	base := w.quick()
	base.Checks = []string{"http://127.0.0.1/health"}
	base.Bakes = []events.Seconds{60}
	base.DeactivatedFor = 60
	base.Change.Delay = 60
	for name, change := range map[string]func(p *events.Policy){
		"caps":                func(p *events.Policy) { p.Caps = []uint32{1001} },
		"caps of more":        func(p *events.Policy) { p.Caps = []uint32{1000, 1001} },
		"budget, minute":      func(p *events.Policy) { p.Budget.Minute++ },
		"budget, day":         func(p *events.Policy) { p.Budget.Day++ },
		"budget, month":       func(p *events.Policy) { p.Budget.Month++ },
		"budget, owners":      func(p *events.Policy) { p.Budget.Owners++ },
		"wave":                func(p *events.Policy) { p.WaveTargets++ },
		"bake":                func(p *events.Policy) { p.Bakes = []events.Seconds{60, 59} },
		"deactivated for":     func(p *events.Policy) { p.DeactivatedFor-- },
		"plan":                func(p *events.Policy) { p.PlanLife++ },
		"approval":            func(p *events.Policy) { p.ApprovalLife++ },
		"rehearsal":           func(p *events.Policy) { p.RehearsalLife++ },
		"retention":           func(p *events.Policy) { p.Retention-- },
		"checks":              func(p *events.Policy) { p.Checks = nil },
		"approvals of change": func(p *events.Policy) { p.Change.Approvals-- },
		"delay of change":     func(p *events.Policy) { p.Change.Delay-- },
		"another key":         func(p *events.Policy) { p.Roster = append(p.Roster, people.NewKeys("eve").Roster(1)...) },
		"longer key":          func(p *events.Policy) { p.Roster = slices.Clone(p.Roster); p.Roster[0].Expires++ },
		"another's key":       func(p *events.Policy) { p.Roster = slices.Clone(p.Roster); p.Roster[0].Person = "eve" },
		"portal's key":        func(p *events.Policy) { p.Roster = slices.Clone(p.Roster); p.Roster[0].Role = events.RosterPortal },
		"a person's new key": func(p *events.Policy) {
			p.Roster = slices.Clone(p.Roster)
			p.Roster[0].Key = people.NewKeys("eve").Roster(1)[0].Key
		},
		"environment": func(p *events.Policy) { p.Environment = "other" },
	} {
		p := base
		change(&p)
		if len(deletion.Looser(base, p)) == 0 {
			t.Errorf("%s: not looser", name)
		}
		if stricter := deletion.Looser(p, base); len(stricter) > 0 && !strings.Contains(name, "'s") && name != "environment" {
			t.Errorf("%s: back is looser in %v", name, stricter)
		}
	}
	if len(deletion.Looser(base, base)) > 0 {
		t.Error("a policy is looser than itself")
	}
}
