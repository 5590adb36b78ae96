package deletion_test

import (
	"slices"
	"testing"
	"time"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/events"
)

// asking is an ask that is about to be signed.
type asking struct {
	*world

	a           deletion.Ask
	keys        people.Keys
	environment string
	issued      events.Time
}

// A plan is its author's, or nobody's.
func TestPlansThatTheirAuthorHasNotSigned(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		given func(s *asking)       // before it is signed
		spoil func(a *deletion.Ask) // afterwards
		want  string                // empty: it is taken
	}{
		"signed":              {},
		"by an approver":      {given: func(s *asking) { s.a.Author = "ana" }},
		"in another order":    {spoil: func(a *deletion.Ask) { slices.Reverse(a.Targets) }},
		"a little ahead":      {given: func(s *asking) { s.issued = s.issued.Add(time.Minute) }},
		"some hours ago":      {given: func(s *asking) { s.issued = s.issued.Add(-23 * time.Hour) }},
		"brought by another":  {spoil: func(a *deletion.Ask) { a.Submitter = "robot" }},
		"no signature":        {spoil: func(a *deletion.Ask) { a.Signed = events.Authorship{} }, want: "author has not signed it"},
		"half a signature":    {spoil: func(a *deletion.Ask) { a.Signed.Signature = a.Signed.Signature[:32] }, want: "is not for this"},
		"off the roster":      {given: func(s *asking) { s.keys = people.Keys{"author": people.NewKeys("eve")["eve"]} }, want: "of author is not on the roster"},
		"another's key":       {given: func(s *asking) { s.keys = people.Keys{"author": s.keys["ana"]} }, want: "of author is not on the roster"},
		"another's name":      {spoil: func(a *deletion.Ask) { a.Author = "ana" }, want: "of ana is not on the roster"},
		"another of its keys": {spoil: func(a *deletion.Ask) { a.Author, a.Signed.Key = "ana", keyID("ana") }, want: "the signature of ana is not for this"},
		"the portal's key":    {given: func(s *asking) { s.a.Author = people.Portal }, want: "of portal is not on the roster"},
		"an expired key": {given: func(s *asking) {
			policy := s.quick()
			for i := range policy.Roster {
				if policy.Roster[i].Person == people.Planner {
					policy.Roster[i].Expires = s.now.Add(time.Hour)
				}
			}
			s.adopt(policy)
			s.pass(2 * time.Hour)
			s.issued = s.now
		}, want: "of author has expired at"},
		"other environment": {given: func(s *asking) { s.environment = "staging" }, want: "is not for this"},
		"other plan":        {spoil: func(a *deletion.Ask) { a.ID = events.DeriveID[events.PlanID]("other") }, want: "is not for this"},
		"a line more": {given: func(s *asking) { s.a.Expected++ }, spoil: func(a *deletion.Ask) {
			a.Targets = append(a.Targets, deletion.Asked{ID: tenantID(9).String(), Parent: accountID(9).String(), Name: url(9)})
		}, want: "is not for this"},
		"a line less": {given: func(s *asking) { s.a.Expected-- }, spoil: func(a *deletion.Ask) { a.Targets = a.Targets[1:] }, want: "is not for this"},
		"another line": {spoil: func(a *deletion.Ask) {
			a.Targets[1] = deletion.Asked{ID: tenantID(9).String(), Parent: accountID(9).String(), Name: url(9)}
		}, want: "is not for this"},
		"other number":   {given: func(s *asking) { s.a.Expected++ }, spoil: func(a *deletion.Ask) { a.Expected-- }, want: "is not for this"},
		"other reason":   {spoil: func(a *deletion.Ask) { a.Reason = "sold" }, want: "is not for this"},
		"other supplier": {spoil: func(a *deletion.Ask) { a.Supplier = "billing" }, want: "is not for this"},
		"other run":      {spoil: func(a *deletion.Ask) { a.Run = events.DeriveID[events.RunID]("other") }, want: "is not for this"},
		"other claim":    {spoil: func(a *deletion.Ask) { a.InactiveDays = 1 }, want: "is not for this"},
		"signed since":   {spoil: func(a *deletion.Ask) { a.Signed.Issued++ }, want: "is not for this"},
		"from tomorrow":  {given: func(s *asking) { s.issued = s.issued.Add(time.Hour) }, want: "set the author's clock"},
		"too old":        {given: func(s *asking) { s.issued = s.issued.Add(-25 * time.Hour) }, want: "which counts for 24h0m0s"},
		"an owner's, signed": {spoil: func(a *deletion.Ask) {
			a.Owner, a.Expected, a.Targets = accountID(3), 1, a.Targets[1:2]
		}, want: "nobody but its portal signs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := governed(t, 20)
			s := &asking{world: w, a: w.ask(2, 3, 4), keys: w.keys, environment: environment, issued: w.now}
			s.a.ID = events.DeriveID[events.PlanID]("asked")
			if c.given != nil {
				c.given(s)
			}
			a := s.keys.Ask(s.environment, s.a, s.issued)
			if c.spoil != nil {
				c.spoil(&a)
			}
			plan, err := deletion.Resolve(t.Context(), w, a, w.now)
			if err != nil {
				t.Fatal(err)
			}
			reader := w.follower(t)
			if plan.Owner.IsZero() {
				if err := reader.take(w.event(events.TheOne(events.AggregateDoor), events.DoorAdmitted{
					Plan: a.ID, Kind: plan.Kind, Expires: plan.Expires,
				})); err != nil {
					t.Fatal(err)
				}
			}
			mustSay(t, "a reader", reader.take(w.event(events.OfDeletion(a.ID), plan)), c.want)
			_, err = w.engine.Plan(t.Context(), a)
			mustSay(t, "the write side", err, c.want)
		})
	}
}

func keyID(person string) string { return deletion.KeyID(people.NewKeys(person).Roster(1)[0].Key) }

// What an author has signed is one plan, however it ends.
func TestSignatureIsGoodForOnePlan(t *testing.T) {
	t.Parallel()
	w := governed(t, 5)
	a := w.signed(w.ask(2))
	p, err := w.engine.Plan(t.Context(), a)
	if err != nil || p.ID != a.ID {
		t.Fatalf("%s was asked for as %s: %v", p.ID, a.ID, err)
	}
	if err := w.engine.Withdraw(t.Context(), p.ID, people.Planner, "wrong"); err != nil {
		t.Fatal(err)
	}
	_, err = w.engine.Plan(t.Context(), a)
	mustSay(t, "again", err, "never changes")
	a.ID = events.PlanID{}
	_, err = w.engine.Plan(t.Context(), a)
	mustSay(t, "under a new id", err, "is not for this")
}

// A proposal is its author's, or nobody's.
func TestPoliciesThatTheirAuthorHasNotSigned(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		given func(w *world, p *events.PolicyProposed, k people.Keys) // before it is signed
		spoil func(p *events.PolicyProposed)                          // afterwards
		want  string                                                  // empty: it is taken
	}{
		"signed":         {},
		"by an approver": {given: func(_ *world, p *events.PolicyProposed, _ people.Keys) { p.Author = "ana" }},
		"no signature":   {spoil: func(p *events.PolicyProposed) { p.Signed = events.Authorship{} }, want: "author has not signed it"},
		"off the roster": {given: func(_ *world, _ *events.PolicyProposed, k people.Keys) {
			k["author"] = people.NewKeys("eve")["eve"]
		}, want: "of author is not on the roster"},
		"another's key":  {given: func(_ *world, _ *events.PolicyProposed, k people.Keys) { k["author"] = k["ana"] }, want: "of author is not on the roster"},
		"another's name": {spoil: func(p *events.PolicyProposed) { p.Author = "ana" }, want: "of ana is not on the roster"},
		"the portal's key": {
			given: func(_ *world, p *events.PolicyProposed, _ people.Keys) { p.Author = people.Portal },
			want:  "of portal is not on the roster",
		},
		"an expired key": {given: func(w *world, p *events.PolicyProposed, _ people.Keys) {
			policy := w.quick()
			policy.Roster = slices.DeleteFunc(policy.Roster, func(m events.RosterMember) bool { return m.Person == "dora" })
			policy.Roster[1].Expires = w.now.Add(time.Hour) // the author's
			w.adopt(policy)
			w.pass(2 * time.Hour)
			p.Version++
		}, want: "of author has expired at"},
		"other environment": {
			given: func(_ *world, p *events.PolicyProposed, _ people.Keys) { p.Policy.Environment = "staging" },
			spoil: func(p *events.PolicyProposed) { p.Policy.Environment = environment }, want: "is not for this",
		},
		"other version": {
			given: func(_ *world, p *events.PolicyProposed, _ people.Keys) { p.Version++ },
			spoil: func(p *events.PolicyProposed) { p.Version-- }, want: "is not for this",
		},
		"other reason": {spoil: func(p *events.PolicyProposed) { p.Reason = "another" }, want: "is not for this"},
		"other policy": {spoil: func(p *events.PolicyProposed) { p.Policy.Budget.Day++ }, want: "is not for this"},
		"signed since": {spoil: func(p *events.PolicyProposed) { p.Signed.Issued++ }, want: "is not for this"},
		"from tomorrow": {
			given: func(_ *world, p *events.PolicyProposed, _ people.Keys) {
				p.Signed.Issued = p.Signed.Issued.Add(time.Hour)
			},
			want: "set the author's clock",
		},
		"too old": {
			given: func(_ *world, p *events.PolicyProposed, _ people.Keys) {
				p.Signed.Issued = p.Signed.Issued.Add(-25 * time.Hour)
			},
			want: "which counts for 24h0m0s",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := governed(t, 1)
			p := events.PolicyProposed{Version: 2, Author: people.Planner, Reason: "a test", Policy: w.quick(), Signed: events.Authorship{Issued: w.now}}
			p.Policy.Budget.Day++
			keys := people.NewKeys("ana", people.Planner, people.Portal)
			before := w.now
			if c.given != nil {
				c.given(w, &p, keys)
			}
			p = keys.Propose(p, p.Signed.Issued.Add(w.now.Sub(before)))
			if c.spoil != nil {
				c.spoil(&p)
			}
			mustSay(t, "a reader", w.follower(t).take(w.event(events.TheOne(events.AggregatePolicy), p)), c.want)
			_, _, err := w.engine.Propose(t.Context(), p)
			mustSay(t, "the write side", err, c.want)
		})
	}
}

// A proposal that was replaced does not come back with its old signature.
func TestProposalIsSignedOnce(t *testing.T) {
	t.Parallel()
	w := governed(t, 1)
	looser := w.quick()
	looser.Budget.Day++
	first := w.proposal(people.Planner, looser)
	propose := func(p events.PolicyProposed) error {
		_, _, err := w.engine.Propose(t.Context(), p)
		return err
	}
	mustSay(t, "the first", propose(first), "")
	mustSay(t, "the first again", propose(first), "what is proposed was signed at")
	w.pass(time.Minute)
	mustSay(t, "the same, signed anew", propose(w.proposal("ana", looser)), "")
	mustSay(t, "the one replaced", propose(first), "what is proposed was signed at")
}
