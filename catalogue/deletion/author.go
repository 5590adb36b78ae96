package deletion

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"fmt"
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/events/wire"
)

// # Who asks
//
// Whoever plans a deletion or proposes a policy signs it: that the author does not approve
// is worth nothing where the author can be named at will. All that is signed stands in
// the event, so that every reader can ask.

// asking is what an author's signature of a plan covers, in this order: all that the
// author says. What the catalogue adds, it has looked up.
type asking struct {
	environment        string
	ask                Ask // its targets by id, without its signature
	inactive, expected int64
}

// Fields lists the fields in the order of the wire.
func (s *asking) Fields(w *wire.Coder) {
	wire.String(w, &s.environment)
	s.ask.ID.Wire(w)
	wire.String(w, &s.ask.Kind)
	wire.String(w, &s.ask.Author)
	wire.String(w, &s.ask.Supplier)
	s.ask.Run.Wire(w)
	wire.String(w, &s.ask.Reason)
	wire.Int(w, &s.inactive)
	wire.Int(w, &s.expected)
	wire.Structs(w, &s.ask.Targets)
	wire.Struct(w, &s.ask.Signed)
}

// Fields lists the fields in the order of the wire.
func (a *Asked) Fields(w *wire.Coder) {
	wire.String(w, &a.ID)
	wire.String(w, &a.Parent)
	wire.String(w, &a.Name)
}

// askMessage is what the author of a plan signs: a domain tag, a NUL and the canonical
// form. The order of a list means nothing: who signs does not know that of the plan.
func askMessage(environment string, ask Ask) ([]byte, error) {
	ask.Targets, ask.Signed.Signature = slices.Clone(ask.Targets), nil
	slices.SortFunc(ask.Targets, func(a, b Asked) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Parent, b.Parent), cmp.Compare(a.Name, b.Name))
	})
	return authorMessage("catalogue/plan/v1", &asking{environment, ask, int64(ask.InactiveDays), int64(ask.Expected)})
}

// policyMessage is what the author of a proposal signs. The environment is the policy's.
func policyMessage(p events.PolicyProposed) ([]byte, error) {
	p.Signed.Signature = nil
	return authorMessage("catalogue/policy/v1", &p)
}

func authorMessage(domain string, v wire.Fields) ([]byte, error) {
	raw, err := events.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode what is asked for: %w", err)
	}
	return append([]byte(domain+"\x00"), raw...), nil
}

// SignAsk signs what somebody wants to have deleted in an environment. The id of the plan
// and when it was issued must be set.
func SignAsk(key ed25519.PrivateKey, environment string, ask Ask) (events.Authorship, error) {
	ask.Signed.Key = keyOf(key)
	message, err := askMessage(environment, ask)
	if err == nil {
		ask.Signed.Signature = ed25519.Sign(key, message)
	}
	return ask.Signed, err
}

// SignPolicy signs a proposal. When it was issued must be set.
func SignPolicy(key ed25519.PrivateKey, p events.PolicyProposed) (events.Authorship, error) {
	p.Signed.Key = keyOf(key)
	message, err := policyMessage(p)
	if err == nil {
		p.Signed.Signature = ed25519.Sign(key, message)
	}
	return p.Signed, err
}

func keyOf(key ed25519.PrivateKey) string {
	public, _ := key.Public().(ed25519.PublicKey)
	return KeyID(public)
}

// AskOf is what the author of a plan has asked for.
func AskOf(id events.PlanID, p events.DeletionPlanned) Ask {
	ask := Ask{
		ID: id, Kind: p.Kind, Author: p.Author, Submitter: p.Submitter, Supplier: p.Supplier, Owner: p.Owner, Run: p.Run, Reason: p.Reason,
		InactiveDays: int(p.InactiveDays), Expected: int(p.Expected), Targets: make([]Asked, len(p.Targets)), Signed: p.Signed,
	}
	for i, t := range p.Targets {
		ask.Targets[i] = Asked{ID: targetID(p.Kind, t), Parent: t.Account.String(), Name: t.Name}
		if p.Kind == events.DeletionOfApps {
			ask.Targets[i].Parent = t.Tenant.String()
		}
	}
	return ask
}

// CheckAuthor holds a plan against the signature of its author, who is on the roster in
// force. An owner's own request is proven when it is confirmed.
func CheckAuthor(id events.PlanID, p events.DeletionPlanned, policy events.Policy, now events.Time) error {
	if !p.Owner.IsZero() {
		if !p.Signed.IsZero() {
			return catalogue.Refuse(ErrPlan, "leave the signature out", "it is the request of %s, which nobody but its portal signs", p.Owner)
		}
		return nil
	}
	message, err := askMessage(p.Environment, AskOf(id, p))
	if err != nil {
		return err
	}
	return signedBy(p.Author, p.Signed, message, policy, now, ErrPlan)
}

// checkProposal holds a proposal against the signature of its author, which is good for
// one: what was proposed and replaced does not come back.
func checkProposal(p, last events.PolicyProposed, policy events.Policy, now events.Time) error {
	message, err := policyMessage(p)
	if err != nil {
		return err
	}
	if err := signedBy(p.Author, p.Signed, message, policy, now, ErrPolicy); err != nil {
		return err
	}
	if p.Signed.Issued < last.Signed.Issued || bytes.Equal(p.Signed.Signature, last.Signed.Signature) {
		return catalogue.Refuse(ErrPolicy, "sign it anew", "%s has signed it at %s, what is proposed was signed at %s", p.Author, p.Signed.Issued, last.Signed.Issued)
	}
	return nil
}

// signedBy holds a signature against a policy: whether it is that of somebody who may ask,
// and counts now. kind is the error of what is asked for.
func signedBy(author string, s events.Authorship, message []byte, policy events.Policy, now events.Time, kind error) error {
	member, found := member(policy, author, s.Key, events.RosterApprover, events.RosterAuthor)
	life := policy.PlanLife.Duration()
	switch {
	case len(s.Signature) == 0:
		return catalogue.Refuse(kind, "its author signs it: --key FILE, see catalogue keygen", "%s has not signed it", author)
	case !found:
		return catalogue.Refuse(kind, "ask somebody on the roster: catalogue roster list", "key %s of %s is not on the roster to ask with", s.Key, author)
	case s.Issued > now.Add(skew):
		return catalogue.Refuse(kind, "set the author's clock", "%s has signed it at %s, it is %s", author, s.Issued, now)
	case now >= s.Issued.Add(life):
		return catalogue.Refuse(kind, "sign it anew", "%s has signed it at %s, which counts for %s", author, s.Issued, life)
	case max(s.Issued, now) >= member.Expires:
		return catalogue.Refuse(kind, "put another key on the roster", "key %s of %s has expired at %s", s.Key, author, member.Expires)
	case !ed25519.Verify(member.Key, message, s.Signature):
		return catalogue.Refuse(kind, "sign what is sent, as it is sent", "the signature of %s is not for this", author)
	}
	return nil
}
