package deletion_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/deletiontest"
	"tenantcatalogue/events"
)

func TestDeletionGoesInWaves(t *testing.T) {
	t.Parallel()
	w := governed(t, 66)
	p := w.ready(w.ask(upTo(65)...), "ana")
	if want := []uint32{1, 1, 10, 50, 3}; !slices.Equal(p.Deletion.Waves, want) {
		t.Errorf("waves %v, want %v", p.Deletion.Waves, want)
	}
	if first := p.Deletion.Targets[0]; first.Tenant != tenantID(1) || !first.Internal {
		t.Errorf("%s is the first to go, not the vendor's own", first.Tenant)
	}
	if step := w.run(p.ID); !step.Done || step.Why != "" || step.Wave != 5 {
		t.Errorf("it ended with %+v", step)
	}
	if n := w.tombstones(); n != 65 {
		t.Errorf("%d tombstones, want 65", n)
	}
	d, err := w.engine.Deletion(t.Context(), p.ID)
	if err != nil || !d.Finished.Done {
		t.Errorf("the plan is not finished: %+v, %v", d.Finished, err)
	}
	// What goes is what the tombstones say, with who and why.
	last := w.log[len(w.log)-1]
	for _, e := range w.log {
		if e.Type().Tombstone() && (e.Correlation != p.ID.String() || e.Causation.IsZero()) {
			t.Errorf("the tombstone at %d names plan %q and cause %s", e.Seq, e.Correlation, e.Causation)
		}
	}
	if _, ok := last.Payload.(events.DeletionFinished); !ok {
		t.Errorf("the last event is %s", last.Type())
	}
	// A deleted tenant cannot be deleted again.
	if _, err := w.engine.Plan(t.Context(), w.ask(2)); !errors.Is(err, deletion.ErrPlan) {
		t.Errorf("a deleted tenant is planned again: %v", err)
	}
}

func TestAppsOfOneTenantGoInOnePlan(t *testing.T) {
	t.Parallel()
	w := governed(t, 20)
	a := w.askApps(upTo(20)...)
	for i := range 15 { // the second app of most: some in the same wave as the first, some in another
		a.Targets = append(a.Targets, deletion.Asked{ID: appID(i+1, 1).String(), Parent: tenantID(i + 1).String(), Name: "app-1"})
	}
	a.Expected = len(a.Targets)
	p := w.ready(a, "ana")
	if step := w.run(p.ID); !step.Done || step.Why != "" {
		t.Errorf("it ended with %+v", step)
	}
	if n := w.tombstones(); n != 35 {
		t.Errorf("%d tombstones, want 35", n)
	}
}

// The list of April 2022: tenant ids where app ids belong.
func TestWrongKindIsRefused(t *testing.T) {
	t.Parallel()
	const wrong = 883
	w := governed(t, wrong)
	a := w.ask(upTo(wrong)...)
	a.Kind = events.DeletionOfApps
	_, err := w.engine.Plan(t.Context(), a)
	if err == nil || !strings.Contains(err.Error(), "883 of 883 ids are those of tenants, the plan says app") {
		t.Errorf("refused with %v", err)
	}
	refused, ok := w.log[len(w.log)-1].Payload.(events.DeletionRefused)
	if !ok || refused.Targets != wrong || len(refused.Reasons) != 1 || refused.Reasons[0].Count != wrong {
		t.Errorf("what was refused is recorded as %+v", refused)
	}
	if w.tombstones() != 0 {
		t.Error("something was deleted")
	}
}

// Each fault of one line refuses the whole list.
func TestOneFaultyLineRefusesTheList(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		apps  bool
		spoil func(w *world, a *deletion.Ask)
		want  string
	}{
		"a tenant among apps":       {true, func(_ *world, a *deletion.Ask) { a.Targets[3].ID = tenantID(4).String() }, "1 of 10 ids are those of tenants, the plan says app"},
		"an app among tenants":      {false, func(_ *world, a *deletion.Ask) { a.Targets[3].ID = appID(4, 0).String() }, "ids are those of apps, the plan says tenant"},
		"no id":                     {false, func(_ *world, a *deletion.Ask) { a.Targets[3].ID = "4" }, "are no tenant ids"},
		"unknown here":              {false, func(_ *world, a *deletion.Ask) { a.Targets[3].ID = tenantID(999).String() }, "not in this catalogue"},
		"an unknown app":            {true, func(_ *world, a *deletion.Ask) { a.Targets[3].ID = appID(999, 0).String() }, "not in this catalogue"},
		"another parent":            {false, func(_ *world, a *deletion.Ask) { a.Targets[3].Parent = accountID(5).String() }, "belong to another account"},
		"another tenant's app":      {true, func(_ *world, a *deletion.Ask) { a.Targets[3].ID = appID(5, 0).String() }, "belong to another tenant"},
		"another app of the tenant": {true, func(_ *world, a *deletion.Ask) { a.Targets[3].ID = appID(4, 1).String() }, "have another name"},
		"another name":              {false, func(_ *world, a *deletion.Ask) { a.Targets[3].Name = url(5) }, "have another URL"},
		"columns shifted":           {false, func(_ *world, a *deletion.Ask) { t := &a.Targets[3]; t.ID, t.Parent, t.Name = t.Parent, t.Name, t.ID }, "ids are those of accounts, the plan says tenant"},
		"twice":                     {false, func(_ *world, a *deletion.Ask) { a.Targets[3] = a.Targets[2] }, "stand in the list twice"},
		"in service": {false, func(w *world, _ *deletion.Ask) {
			w.must(w.event(events.OfTenant(tenantID(4)), events.TenantReactivated{}))
		}, "is active"},
		"a lien": {false, func(w *world, _ *deletion.Ask) {
			w.must(w.event(events.OfLiens(tenantID(4)), events.LienPlaced{Matter: "legal/22"}))
		}, "kept for legal/22"},
		"used lately":                {false, func(_ *world, a *deletion.Ask) { a.InactiveDays = 4 }, "said to be inactive for 4 days"},
		"fewer than expected":        {false, func(_ *world, a *deletion.Ask) { a.Expected = 11 }, "10 targets, the author expects 11"},
		"nothing":                    {false, func(_ *world, a *deletion.Ask) { a.Targets, a.Expected = nil, 0 }, "no targets"},
		"no reason":                  {false, func(_ *world, a *deletion.Ask) { a.Reason = "" }, "no reason"},
		"another tenant of an owner": {false, func(_ *world, a *deletion.Ask) { a.Owner = accountID(1) }, "may ask for one tenant of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := governed(t, 20)
			a := w.ask(upTo(10)...)
			if c.apps {
				a = w.askApps(upTo(10)...)
			}
			c.spoil(w, &a)
			before := len(w.log)
			_, err := w.engine.Plan(t.Context(), a)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("refused with %v, want %q", err, c.want)
			}
			for _, e := range w.log[before:] {
				if _, ok := e.Payload.(events.DeletionRefused); !ok {
					t.Errorf("%s was appended", e.Type())
				}
			}
		})
	}
}

func TestApprovalsThatDoNotCount(t *testing.T) {
	t.Parallel()
	type signing struct {
		w *world
		p deletion.Planned
		c deletiontest.Consent
		k deletiontest.Keys
	}
	for name, c := range map[string]struct {
		change func(s *signing)
		spoil  func(s *signing, a *events.Approval)
		want   string
	}{
		"the author":        {change: func(s *signing) { s.c.Person = "author" }, want: "author, submitter, supplier"},
		"the supplier":      {change: func(s *signing) { s.c.Person = "analyst" }, want: "author, submitter, supplier"},
		"off the roster":    {change: func(s *signing) { s.c.Person = "eve" }, want: "not on the roster"},
		"another's key":     {change: func(s *signing) { s.k["ana"] = s.k["eve"] }, want: "not on the roster"},
		"other environment": {change: func(s *signing) { s.c.Environment = "staging" }, want: "does not verify"},
		"other action":      {change: func(s *signing) { s.c.Action = deletion.ActionPolicy }, want: "does not verify"},
		"other plan":        {change: func(s *signing) { s.c.Hash = slices.Clone(s.c.Hash); s.c.Hash[0]++ }, want: "is for"},
		"other waves":       {spoil: func(_ *signing, a *events.Approval) { a.FirstWave = 2 }, want: "ana says"},
		"no such wave":      {spoil: func(_ *signing, a *events.Approval) { a.LastWave = 99 }, want: "waves 1 to 99"},
		"other sentence":    {change: func(s *signing) { s.c.Sentence = "OK" }, want: `type "DELETE 10 TENANTS`},
		"longer":            {spoil: func(_ *signing, a *events.Approval) { a.Expires++ }, want: "does not verify"},
		"for too long":      {spoil: func(_ *signing, a *events.Approval) { a.Expires = a.Issued.Add(25 * time.Hour) }, want: "is the most"},
		"from tomorrow":     {change: func(s *signing) { s.c.Now = s.c.Now.Add(24 * time.Hour) }, want: "is issued at"},
		"expired":           {change: func(s *signing) { s.c.Now = s.c.Now.Add(-2 * time.Hour) }, want: "has expired"},
		"another nonce":     {spoil: func(_ *signing, a *events.Approval) { a.Nonce[0]++ }, want: "does not verify"},
		"no nonce":          {spoil: func(_ *signing, a *events.Approval) { a.Nonce = nil }, want: "nonce"},
		"no signature":      {spoil: func(_ *signing, a *events.Approval) { a.Signature = nil }, want: "does not verify"},
		"another person":    {spoil: func(_ *signing, a *events.Approval) { a.Person = "ben" }, want: "not on the roster"},
		"key was revoked": {change: func(s *signing) {
			policy := s.w.quick()
			policy.Roster = slices.DeleteFunc(policy.Roster, func(m events.RosterMember) bool { return m.Person == "ana" })
			s.w.adopt(policy)
		}, want: "policy 1, policy 2 is in force"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := governed(t, 10)
			p := w.plan(w.ask(upTo(10)...))
			s := &signing{w: w, p: p, k: deletiontest.NewKeys("ana", "ben", "eve", "author", "analyst"), c: deletiontest.Consent{
				Person: "ana", Action: deletion.ActionDelete, Environment: environment, Hash: p.Hash, First: 1, Last: len(p.Deletion.Waves),
				Sentence: deletion.Sentence(p.Deletion, 1, len(p.Deletion.Waves)), Now: w.now, N: 1,
			}}
			if c.change != nil {
				c.change(s)
			}
			a := s.k.Approve(s.c)
			if c.spoil != nil {
				c.spoil(s, &a)
			}
			err := w.engine.Approve(t.Context(), p.ID, a)
			if err == nil || !strings.Contains(err.Error()+catalogue.Hint(err), c.want) && !strings.Contains(fullText(err), c.want) {
				t.Errorf("refused with %v, want %q", err, c.want)
			}
			if _, err := w.engine.Rehearse(t.Context(), p.ID, "author"); err != nil && !errors.Is(err, deletion.ErrDead) {
				t.Fatal(err)
			}
			if err := w.engine.Start(t.Context(), p.ID, "author"); !errors.Is(err, deletion.ErrApproval) && !errors.Is(err, deletion.ErrDead) {
				t.Errorf("it starts: %v", err)
			}
		})
	}
}

// fullText is an error with its hint.
func fullText(err error) string {
	if refusal, ok := errors.AsType[*catalogue.ReasonError](err); ok {
		return refusal.Error() + "; " + refusal.Hint
	}
	return fmt.Sprint(err)
}

func TestApprovalCountsOnce(t *testing.T) {
	t.Parallel()
	w := governed(t, 10)
	policy := w.quick()
	policy.Caps = []uint32{1, 1000}
	w.adopt(policy)
	p := w.plan(w.ask(upTo(10)...))
	a := w.keys.ApprovePlan("ana", p.ID, p.Deletion, w.now, 1)
	if err := w.engine.Approve(t.Context(), p.ID, a); err != nil {
		t.Fatal(err)
	}
	w.now++
	if err := w.engine.Approve(t.Context(), p.ID, a); !errors.Is(err, deletion.ErrApproval) {
		t.Errorf("the same approval again: %v", err)
	}
	if _, err := w.engine.Rehearse(t.Context(), p.ID, "author"); err != nil {
		t.Fatal(err)
	}
	// A second approval of the same person is that of one person still.
	if err := w.approve(p, "ana"); err != nil {
		t.Fatal(err)
	}
	if err := w.engine.Start(t.Context(), p.ID, "author"); err == nil || !strings.Contains(err.Error(), "1 of 2 approvals") {
		t.Errorf("it starts with one person's approvals: %v", err)
	}
	if err := w.approve(p, "ben"); err != nil {
		t.Fatal(err)
	}
	// Nor does that of whoever executes it count.
	if err := w.engine.Start(t.Context(), p.ID, "ben"); err == nil || !strings.Contains(err.Error(), "1 of 2 approvals") {
		t.Errorf("an approver executes it: %v", err)
	}
	if err := w.engine.Start(t.Context(), p.ID, "author"); err != nil {
		t.Errorf("approved by two: %v", err)
	}
}

func TestTwoKeysOfOnePersonCountOnce(t *testing.T) {
	t.Parallel()
	w := governed(t, 10)
	second := deletiontest.NewKeys("ana's second")["ana's second"]
	policy := w.quick()
	policy.Caps = []uint32{1, 1000}
	w.adopt(policy)
	more := deletiontest.Keys{"ana": second}.Roster(w.now.Add(time.Hour))
	policy.Roster = append(policy.Roster, more...)
	w.loosen(policy)
	p := w.plan(w.ask(upTo(10)...))
	if err := w.approve(p, "ana"); err != nil {
		t.Fatal(err)
	}
	a := deletiontest.Keys{"ana": second}.ApprovePlan("ana", p.ID, p.Deletion, w.now, 99)
	if err := w.engine.Approve(t.Context(), p.ID, a); err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.Rehearse(t.Context(), p.ID, "author"); err != nil {
		t.Fatal(err)
	}
	if err := w.engine.Start(t.Context(), p.ID, "author"); err == nil || !strings.Contains(err.Error(), "1 of 2 approvals") {
		t.Errorf("two keys of one person: %v", err)
	}
}

// liftLien lifts the lien on a tenant.
func (w *world) liftLien(n int, person, actor string) error {
	liens, _, err := catalogue.Get[events.Liens](w.State(events.OfLiens(tenantID(n))), events.Liens{}.EntityKey())
	if err != nil || len(liens.Liens) == 0 {
		w.t.Fatalf("no lien: %v", err)
	}
	lien := liens.Liens[0]
	w.ids++
	e := w.event(events.OfLiens(tenantID(n)), events.LienLifted{Matter: lien.Matter, Approval: w.keys.Approve(deletiontest.Consent{
		Person: person, Action: deletion.ActionLien, Environment: environment, Hash: deletion.LienHash(tenantID(n), lien),
		Sentence: deletion.LienSentence(tenantID(n), lien), Now: w.now, N: w.ids,
	})})
	e.Actor = actor
	return w.append(e)
}

// loosen puts a looser policy in force the slow way.
func (w *world) loosen(p events.Policy) {
	w.t.Helper()
	changed, looser, err := w.engine.Propose(context.Background(), events.PolicyProposed{Author: "boss", Reason: "a test", Policy: p})
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
		a := w.keys.Approve(deletiontest.Consent{
			Person: person, Action: deletion.ActionPolicy, Environment: environment, Hash: hash,
			Sentence: deletion.PolicySentence(o.Proposed), Now: w.now, N: uint64(i),
		})
		if err := w.engine.ApprovePolicy(context.Background(), a); err != nil {
			w.t.Fatal(err)
		}
	}
	w.pass(inForce.Policy.Change.Delay.Duration())
	if err := w.engine.ChangePolicy(context.Background(), "boss", o.Proposed.Version); err != nil {
		w.t.Fatal(err)
	}
}

// An approval that ends, or whose key is taken off the roster, stops the next wave.
func TestApprovalEndsUnderWay(t *testing.T) {
	t.Parallel()
	w := governed(t, 30)
	policy := w.quick()
	policy.Bakes = []events.Seconds{2 * 3600}
	w.adopt(policy)
	p := w.ready(w.ask(upTo(30)...), "ana")
	if step := w.run(p.ID); step.Wave != 1 || step.Wait != 2*time.Hour {
		t.Fatalf("after the first wave: %+v", step)
	}
	w.pass(2 * time.Hour) // the approval is for one
	if step := w.run(p.ID); step.Done || step.Wait == 0 || !strings.Contains(step.Why, "has expired") {
		t.Errorf("it went on: %+v", step)
	}
	if n := w.tombstones(); n != 1 {
		t.Errorf("%d tombstones, want 1", n)
	}
	if err := w.approve(p, "ben"); err != nil {
		t.Fatal(err)
	}
	if step := w.run(p.ID); step.Wave != 2 || step.Done {
		t.Errorf("approved again, it went to %+v", step)
	}
}

// Approvals of some waves are none of others.
func TestApprovalOfSomeWaves(t *testing.T) {
	t.Parallel()
	w := governed(t, 30)
	p := w.plan(w.ask(upTo(30)...))
	approve := func(first, last int) {
		w.ids++
		a := w.keys.Approve(deletiontest.Consent{
			Person: "ana", Action: deletion.ActionDelete, Environment: environment, Hash: p.Hash, First: first, Last: last,
			Sentence: deletion.Sentence(p.Deletion, first, last), Now: w.now, N: w.ids,
		})
		if err := w.engine.Approve(t.Context(), p.ID, a); err != nil {
			t.Fatal(err)
		}
	}
	approve(1, 2)
	w.rehearseAndStart(p)
	if step := w.run(p.ID); step.Wave != 2 || step.Done || step.Wait == 0 {
		t.Errorf("approved to the second wave, it went to %+v", step)
	}
	approve(3, 4)
	if step := w.run(p.ID); !step.Done || step.Why != "" {
		t.Errorf("it ended with %+v", step)
	}
}

func TestRehearsalMustBeFreshAndPassed(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(w *world, p deletion.Planned){
		"none": func(*world, deletion.Planned) {},
		"stale": func(w *world, p deletion.Planned) {
			w.rehearse(p)
			w.pass(61 * time.Minute)
		},
		"failed": func(w *world, p deletion.Planned) {
			w.rehearsal.Passed, w.rehearsal.Why = false, "a digest differs"
			w.rehearse(p)
		},
		"failed later": func(w *world, p deletion.Planned) {
			w.rehearse(p)
			w.rehearsal.Passed = false
			w.rehearse(p)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := governed(t, 5)
			p := w.plan(w.ask(2, 3))
			spoil(w, p)
			if err := w.approve(p, "ana"); err != nil {
				t.Fatal(err)
			}
			if err := w.engine.Start(t.Context(), p.ID, "author"); !errors.Is(err, deletion.ErrRehearsal) {
				t.Errorf("it starts: %v", err)
			}
			w.rehearsal.Passed = true
			w.rehearseAndStart(p)
			w.pass(61 * time.Minute)
			if err := w.approve(p, "ben"); err != nil {
				t.Fatal(err)
			}
			if step := w.run(p.ID); step.Wave != 0 || step.Wait == 0 {
				t.Errorf("the rehearsal was stale when the first wave began: %+v", step)
			}
			w.rehearse(p)
			if step := w.run(p.ID); !step.Done || step.Why != "" {
				t.Errorf("rehearsed again: %+v", step)
			}
		})
	}
}

func TestExpiredKeyApprovesNothing(t *testing.T) {
	t.Parallel()
	w := begin(t)
	policy := w.quick()
	for i := range policy.Roster {
		if policy.Roster[i].Person == "ana" {
			policy.Roster[i].Expires = w.now.Add(time.Hour)
		}
	}
	w.adopt(policy)
	w.people(5)
	w.pass(2 * time.Hour)
	p := w.plan(w.ask(2))
	if err := w.approve(p, "ana"); !errors.Is(err, deletion.ErrApproval) || !strings.Contains(err.Error(), "has expired") {
		t.Errorf("approved with an expired key: %v", err)
	}
	if err := w.approve(p, "ben"); err != nil {
		t.Error(err)
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
		if _, _, err := w.engine.Propose(t.Context(), events.PolicyProposed{Author: "boss", Reason: "a test", Policy: p}); !errors.Is(err, deletion.ErrPolicy) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOwnersOwnRequest(t *testing.T) {
	t.Parallel()
	w := governed(t, 10)
	policy := w.quick()
	policy.Budget.Owners = 2
	w.adopt(policy)
	for n := 2; n <= 4; n++ {
		a := w.ask(n)
		a.Owner = accountID(n)
		p, err := w.engine.Plan(t.Context(), a)
		if n == 4 {
			if !errors.Is(err, deletion.ErrBudget) {
				t.Errorf("a third request on one day: %v", err)
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := w.approve(p, "ana"); !errors.Is(err, deletion.ErrApproval) {
			t.Errorf("approved by somebody else: %v", err)
		}
		if err := w.confirm(p, accountID(n+1)); !errors.Is(err, deletion.ErrApproval) {
			t.Errorf("confirmed by another customer: %v", err)
		}
		if _, err := w.engine.Rehearse(t.Context(), p.ID, "portal"); err != nil {
			t.Fatal(err)
		}
		if err := w.engine.Start(t.Context(), p.ID, "portal"); !errors.Is(err, deletion.ErrApproval) {
			t.Errorf("not confirmed: %v", err)
		}
		if err := w.confirm(p, accountID(n)); err != nil {
			t.Fatal(err)
		}
		if err := w.engine.Start(t.Context(), p.ID, "portal"); err != nil {
			t.Fatal(err)
		}
		if step := w.run(p.ID); !step.Done || step.Why != "" {
			t.Errorf("it ended with %+v", step)
		}
	}
}

// 883 plans of one meet the same budget as one of 883.
func TestOneByOneMeetsTheBudget(t *testing.T) {
	t.Parallel()
	w := begin(t)
	policy := deletion.DefaultPolicy(environment)
	policy.DeactivatedFor, policy.Bakes = 0, []events.Seconds{0}
	policy.Roster = w.quick().Roster
	w.adopt(policy)
	w.people(200)
	if _, err := w.engine.Plan(t.Context(), w.ask(upTo(200)...)); !errors.Is(err, deletion.ErrBudget) {
		t.Errorf("200 at once: %v", err)
	}
	refused := 0
	for n := 1; n <= 200; n++ {
		p, err := w.engine.Plan(t.Context(), w.ask(n))
		if errors.Is(err, deletion.ErrBudget) {
			refused++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := w.approve(p, "ana"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.engine.Rehearse(t.Context(), p.ID, "author"); err != nil {
			t.Fatal(err)
		}
		if err := w.engine.Start(t.Context(), p.ID, "author"); err != nil {
			t.Fatal(err)
		}
		if step := w.run(p.ID); !step.Done || step.Why != "" {
			t.Fatalf("%d ended with %+v", n, step)
		}
		w.pass(5 * time.Second)
	}
	if n := w.tombstones(); n != 100 || refused != 100 {
		t.Errorf("%d tombstones on one day and %d refused, the budget is 100", n, refused)
	}
}

func TestOnePlanOfAKind(t *testing.T) {
	t.Parallel()
	w := governed(t, 10)
	first := w.plan(w.ask(1, 2))
	if _, err := w.engine.Plan(t.Context(), w.ask(3)); !errors.Is(err, deletion.ErrPlan) || !strings.Contains(err.Error(), first.ID.String()) {
		t.Errorf("a second plan: %v", err)
	}
	w.plan(w.askApps(4)) // of another kind
	if err := w.engine.Withdraw(t.Context(), first.ID, "author", "the list was wrong"); err != nil {
		t.Fatal(err)
	}
	if err := w.approve(first, "ana"); !errors.Is(err, deletion.ErrDead) {
		t.Errorf("a plan that was withdrawn is approved: %v", err)
	}
	third := w.plan(w.ask(3))
	w.pass(25 * time.Hour)
	if err := w.approve(third, "ana"); !errors.Is(err, deletion.ErrDead) {
		t.Errorf("a plan that has expired is approved: %v", err)
	}
	w.plan(w.ask(5))
}

func TestNothingIsDeletedDuringARestoration(t *testing.T) {
	t.Parallel()
	w := governed(t, 10)
	p := w.ready(w.ask(2, 3, 4), "ana")
	id := events.DeriveID[events.RestoreID]("r")
	if err := w.engine.Hold(t.Context(), "oncall", id); err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.Plan(t.Context(), w.askApps(5)); !errors.Is(err, deletion.ErrHeld) {
		t.Errorf("planned during a restoration: %v", err)
	}
	if step := w.run(p.ID); step.Done || step.Wait == 0 || w.tombstones() != 0 {
		t.Errorf("a wave passed during a restoration: %+v", step)
	}
	if err := w.engine.Release(t.Context(), "oncall", id); !errors.Is(err, deletion.ErrHeld) {
		t.Errorf("released before the restoration is finished: %v", err)
	}
	w.must(w.event(events.OfRestoration(id), events.RestorationPlanned{Mode: events.Rewind, Part: 1, Parts: 1}),
		w.event(events.OfRestoration(id), events.RestorationFinished{}))
	if err := w.engine.Release(t.Context(), "oncall", id); err != nil {
		t.Fatal(err)
	}
	if step := w.run(p.ID); !step.Done || step.Why != "" || w.tombstones() != 3 {
		t.Errorf("it ended with %+v after the restoration", step)
	}
	w.plan(w.askApps(5))
}

// A target that changes after it was planned stops everything that is left.
func TestTargetChanges(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(w *world, n int){
		"another event": func(w *world, n int) {
			w.must(w.event(events.OfTenant(tenantID(n)), events.TenantUsageReported{ActiveUsers: 9, LastActivity: w.now}))
		},
		"a lien": func(w *world, n int) {
			w.must(w.event(events.OfLiens(tenantID(n)), events.LienPlaced{Matter: "legal/22"}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := governed(t, 30)
			p := w.plan(w.ask(upTo(30)...))
			change(w, 30)
			if err := w.approve(p, "ana"); err == nil {
				t.Error("it is approved")
			}
			if err := w.engine.Withdraw(t.Context(), p.ID, "author", "stale"); err != nil {
				t.Fatal(err)
			}
			if name == "a lien" {
				if err := w.liftLien(30, "ana", "oncall"); err != nil {
					t.Fatal(err)
				}
			}
			p = w.ready(w.ask(upTo(30)...), "ana")
			last := p.Deletion.Targets[len(p.Deletion.Targets)-1].Tenant
			for i := 1; i <= 30; i++ {
				if tenantID(i) == last {
					w.before = func([]events.Event) error {
						w.before = nil
						change(w, i)
						return nil
					}
				}
			}
			step := w.run(p.ID)
			if !step.Done || step.Why == "" {
				t.Errorf("it ended with %+v", step)
			}
			if n := w.tombstones(); n > 1 {
				t.Errorf("%d tombstones after a target of the last wave has changed in the first", n)
			}
		})
	}
}

func TestPolicyIsLoosenedSlowly(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := begin(t)
	policy := deletion.DefaultPolicy(environment)
	policy.Roster = w.quick().Roster
	w.adopt(policy)
	looser := policy
	looser.Caps = []uint32{1000}
	changed, respects, err := w.engine.Propose(ctx, events.PolicyProposed{Author: "ana", Reason: "883 of them", Policy: looser})
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
		return w.keys.Approve(deletiontest.Consent{
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
	w.pass(73 * time.Hour)
	if err := w.engine.ChangePolicy(ctx, "ana", 2); !errors.Is(err, deletion.ErrApproval) {
		t.Errorf("one person has approved, twice: %v", err)
	}
	// Asking anew voids what was approved, were it the very same.
	old := approval("cleo")
	w.now++
	if _, _, err := w.engine.Propose(ctx, events.PolicyProposed{Author: "ana", Reason: "883 of them", Policy: looser}); err != nil {
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
		"another key":         func(p *events.Policy) { p.Roster = append(p.Roster, deletiontest.NewKeys("eve").Roster(1)...) },
		"longer key":          func(p *events.Policy) { p.Roster = slices.Clone(p.Roster); p.Roster[0].Expires++ },
		"environment":         func(p *events.Policy) { p.Environment = "other" },
	} {
		p := base
		change(&p)
		if len(deletion.Looser(base, p)) == 0 {
			t.Errorf("%s: not looser", name)
		}
		if stricter := deletion.Looser(p, base); len(stricter) > 0 && name != "environment" {
			t.Errorf("%s: back is looser in %v", name, stricter)
		}
	}
	if len(deletion.Looser(base, base)) > 0 {
		t.Error("a policy is looser than itself")
	}
}
