package deletion_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/events"
)

func TestApprovalsThatDoNotCount(t *testing.T) {
	t.Parallel()
	type signing struct {
		w *world
		p deletion.Planned
		c people.Consent
		k people.Keys
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
			s := &signing{w: w, p: p, k: people.NewKeys("ana", "ben", "eve", "author", "analyst"), c: people.Consent{
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
	if err := w.engine.Start(t.Context(), p.ID, "Ben"); err == nil || !strings.Contains(err.Error(), "1 of 2 approvals") {
		t.Errorf("an approver executes it, spelt otherwise: %v", err)
	}
	if err := w.engine.Start(t.Context(), p.ID, "Jane"); err == nil || !strings.Contains(err.Error(), `"Jane" is nobody who could start it`) {
		t.Errorf("somebody executes it by name: %v", err)
	}
	if err := w.engine.Start(t.Context(), p.ID, "author"); err != nil {
		t.Errorf("approved by two: %v", err)
	}
}

func TestTwoKeysOfOnePersonCountOnce(t *testing.T) {
	t.Parallel()
	w := governed(t, 10)
	second := people.NewKeys("ana's second")["ana's second"]
	policy := w.quick()
	policy.Caps = []uint32{1, 1000}
	w.adopt(policy)
	more := people.Keys{"ana": second}.Roster(w.now.Add(time.Hour))
	policy.Roster = append(policy.Roster, more...)
	w.loosen(policy)
	p := w.plan(w.ask(upTo(10)...))
	if err := w.approve(p, "ana"); err != nil {
		t.Fatal(err)
	}
	a := people.Keys{"ana": second}.ApprovePlan("ana", p.ID, p.Deletion, w.now, 99)
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
		a := w.keys.Approve(people.Consent{
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
	w.pass(time.Hour)
	p := w.plan(w.ask(2))
	if err := w.approve(p, "ana"); !errors.Is(err, deletion.ErrApproval) || !strings.Contains(err.Error(), "has expired") {
		t.Errorf("approved with an expired key: %v", err)
	}
	backdated := w.keys.ApprovePlan("ana", p.ID, p.Deletion, w.now.Add(-5*time.Minute), 99)
	mustSay(t, "as of before", w.engine.Approve(t.Context(), p.ID, backdated), "of ana has expired at")
	if err := w.approve(p, "ben"); err != nil {
		t.Error(err)
	}
}
