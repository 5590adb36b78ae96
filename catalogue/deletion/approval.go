package deletion

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/events/wire"
)

const (
	keySize   = ed25519.PublicKeySize
	nonceSize = 16
	// skew is how far ahead of the catalogue's clock that of whoever signs may be.
	skew = 2 * time.Minute
)

// Action is what an approval is for. It is part of what is signed, so that an approval
// of one thing is none of another.
type Action string

// The actions.
const (
	ActionDelete Action = "delete"
	ActionPolicy Action = "policy"
	ActionReopen Action = "reopen"
	ActionOwner  Action = "owner" // an owner's own request, confirmed in a portal
	ActionLien   Action = "lien"
)

// KeyID names a public key: the first 16 hex digits of its SHA-256.
func KeyID(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

// signed is what an approval's signature covers, in this order.
type signed struct {
	environment string
	action      Action
	approval    events.Approval // without its signature
}

// Fields lists the fields in the order of the wire.
func (s *signed) Fields(w *wire.Coder) {
	wire.String(w, &s.environment)
	wire.String(w, &s.action)
	wire.Struct(w, &s.approval)
}

// Message is what an approver signs: a domain tag, a NUL and the canonical form of the
// environment, the action and the approval without its signature.
func Message(environment string, action Action, a events.Approval) ([]byte, error) {
	a.Signature = nil
	raw, err := events.Marshal(&signed{environment, action, a})
	if err != nil {
		return nil, fmt.Errorf("encode an approval: %w", err)
	}
	return append([]byte("catalogue/approve/v1\x00"), raw...), nil
}

// Sign signs an approval.
func Sign(key ed25519.PrivateKey, environment string, action Action, a events.Approval) (events.Approval, error) {
	public, _ := key.Public().(ed25519.PublicKey)
	a.Key = KeyID(public)
	message, err := Message(environment, action, a)
	if err != nil {
		return a, err
	}
	a.Signature = ed25519.Sign(key, message)
	return a, nil
}

// verify holds an approval against the policy in force: who has signed it, what for,
// and whether it counts now.
func verify(policy events.Policy, action Action, a events.Approval, hash []byte, sentence string, now events.Time) error {
	role := events.RosterApprover
	if action == ActionOwner {
		role = events.RosterPortal
	}
	member, found := member(policy, a.Person, a.Key, role)
	switch {
	case !found:
		return catalogue.Refuse(ErrApproval, "ask somebody on the roster: catalogue roster list", "key %s of %s is not on the roster", a.Key, a.Person)
	case !bytes.Equal(a.Hash, hash):
		return catalogue.Refuse(ErrApproval, "look at it again and approve what it is now", "the approval of %s is for %.16x, this is %.16x", a.Person, a.Hash, hash)
	case len(a.Nonce) != nonceSize:
		return catalogue.Refuse(ErrApproval, "make it anew", "the nonce has %d bytes, not %d", len(a.Nonce), nonceSize)
	case a.Issued > now.Add(skew):
		return catalogue.Refuse(ErrApproval, "set the approver's clock", "the approval of %s is issued at %s, it is %s", a.Person, a.Issued, now)
	case a.Expires <= a.Issued || a.Expires > a.Issued.Add(policy.ApprovalLife.Duration()):
		return catalogue.Refuse(ErrApproval, "make it anew", "the approval of %s counts for %s; %s is the most", a.Person, a.Expires.Sub(a.Issued), policy.ApprovalLife.Duration())
	case max(a.Issued, now) >= member.Expires:
		return catalogue.Refuse(ErrApproval, "put another key on the roster", "key %s of %s has expired at %s", a.Key, a.Person, member.Expires)
	case a.Sentence != sentence:
		return catalogue.Refuse(ErrApproval, fmt.Sprintf("type %q", sentence), "the approval of %s says %.80q", a.Person, a.Sentence)
	}
	if err := current(a, now); err != nil {
		return err
	}
	message, err := Message(policy.Environment, action, a)
	if err != nil {
		return err
	}
	if !ed25519.Verify(member.Key, message, a.Signature) {
		return catalogue.Refuse(ErrApproval, "sign it with the key that is on the roster", "the signature of %s does not verify", a.Person)
	}
	return nil
}

// once is nil unless an approval was recorded already: whoever gives it says yes once.
func once(given []events.Given, a events.Approval) error {
	for _, g := range given {
		if bytes.Equal(g.Approval.Nonce, a.Nonce) {
			return catalogue.Refuse(ErrApproval, "sign a new one", "the approval of %s counts once, it was recorded at event %d", a.Person, g.Mark.Seq)
		}
	}
	return nil
}

// current tells whether an approval that was verified still counts. That its key is still
// on the roster need not be asked: with another roster the policy is another one, and
// what was planned under the old one is dead.
func current(a events.Approval, now events.Time) error {
	if now >= a.Expires {
		return catalogue.Refuse(ErrApproval, "approve it again", "the approval of %s has expired at %s", a.Person, a.Expires)
	}
	return nil
}

// member is whose key it is, if it is on the roster for one of these roles.
func member(policy events.Policy, person, key string, roles ...events.RosterRole) (events.RosterMember, bool) {
	for _, m := range policy.Roster {
		if m.Person == person && slices.Contains(roles, m.Role) && KeyID(m.Key) == key && len(m.Key) == keySize {
			return m, true
		}
	}
	return events.RosterMember{}, false
}

// Sentence is what somebody has to type to approve waves of a plan: what will be gone
// when they have passed.
func Sentence(p events.DeletionPlanned, firstWave, lastWave int) string {
	from, to := span(p, firstWave, lastWave)
	parts := count(uint64(to-from), "APP") + ", 0 TENANTS"
	if p.Kind == events.DeletionOfTenants {
		var goesToo events.Cascade
		for _, t := range p.Targets[from:to] {
			goesToo = goesToo.Add(t.Cascade)
		}
		parts = count(uint64(to-from), "TENANT") + ", " + count(goesToo.Apps, "APP") + " WITH THEM"
	}
	return fmt.Sprintf("DELETE %s IN %s", parts, strings.ToUpper(p.Environment))
}

func count(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %sS", n, what)
}

// PolicySentence is what somebody has to type to approve a policy.
func PolicySentence(p events.PolicyProposed) string {
	return fmt.Sprintf("LOOSEN POLICY %d OF %s", p.Version, strings.ToUpper(p.Policy.Environment))
}

// ReopenSentence is what somebody has to type to lift a halt.
func ReopenSentence(environment string, halt events.Mark, letGo []events.RestoreID) string {
	sentence, before := fmt.Sprintf("LIFT HALT %d OF %s", halt.Seq, strings.ToUpper(environment)), ", LET GO OF "
	for _, id := range letGo {
		sentence, before = sentence+before+id.String(), ", "
	}
	return sentence
}

// OwnerSentence is what a portal's approval of an owner's own request says.
func OwnerSentence(p events.DeletionPlanned) string {
	return fmt.Sprintf("%s ASKS TO DELETE %s", p.Owner, p.Targets[0].Name)
}

// HaltHash is what an approval that lifts a halt is given for.
func HaltHash(halt events.Mark, letGo []events.RestoreID) []byte {
	text := fmt.Appendf(nil, "catalogue/halt/v1\x00%d", halt.Seq)
	for _, id := range letGo {
		text = fmt.Appendf(text, "\x00%s", id)
	}
	sum := sha256.Sum256(text)
	return sum[:]
}

// span is the range of targets that waves, from 1, take.
func span(p events.DeletionPlanned, firstWave, lastWave int) (from, to int) {
	for i, n := range p.Waves {
		if i+1 < firstWave {
			from += int(n)
		}
		if i+1 <= lastWave {
			to += int(n)
		}
	}
	from, to = min(from, len(p.Targets)), min(to, len(p.Targets))
	return min(from, to), to
}
