package events

import (
	"time"

	"tenantcatalogue/events/wire"
)

// Policy is what deletions are held against. It is versioned, changed by events
// only, and never part of a plan. What makes it stricter counts at once; what makes it
// looser needs approvals and a delay.
type Policy struct {
	Environment string `json:"environment"` // which catalogue this is, e.g. production-eu; never changes
	// Caps is how many targets a plan may have: the first with one approval, the
	// second with two, and so on.
	Caps   []uint32 `json:"caps"`
	Budget Budget   `json:"budget"`
	// WaveTargets is how many targets a wave may take at most, after the first two.
	WaveTargets uint32 `json:"wave_targets"`
	// Bakes are the waits after a wave, the last one for all that follow.
	Bakes          []Seconds `json:"bakes"`
	DeactivatedFor Seconds   `json:"deactivated_for"` // how long a tenant must have been out of service
	PlanLife       Seconds   `json:"plan_life"`       // a plan expires after at most so long
	ApprovalLife   Seconds   `json:"approval_life"`   // and an approval
	RehearsalLife  Seconds   `json:"rehearsal_life"`  // how fresh a rehearsal must be when the first wave begins
	Retention      Seconds   `json:"retention"`       // how long everything deleted is kept, at least
	// Checks are asked before the first wave and after every one, each an http or https URL or nats:<subject>.
	Checks []string       `json:"checks,omitzero"`
	Change ChangeRule     `json:"change"`
	Roster []RosterMember `json:"roster"`
}

// Budget is how many targets may go, over all plans and authors.
type Budget struct {
	Minute uint32 `json:"minute"`
	Day    uint32 `json:"day"`
	Month  uint32 `json:"month"`      // 30 days
	Owners uint32 `json:"owners_day"` // a day, of those that owners ask for themselves
}

// ChangeRule is what it takes to make the policy looser.
type ChangeRule struct {
	Approvals uint32  `json:"approvals"` // by so many persons
	Delay     Seconds `json:"delay"`     // after the proposal
}

// RosterRole says what a key is for.
type RosterRole string

// The roles of keys.
const (
	RosterApprover RosterRole = "approver" // of a person who approves, and may plan and propose
	RosterAuthor   RosterRole = "author"   // of a person who plans and proposes, and approves nothing
	RosterPortal   RosterRole = "portal"   // of the program that owners confirm their own requests in
)

// RosterMember is a key that somebody signs with.
type RosterMember struct {
	Person  string     `json:"person"`
	Role    RosterRole `json:"role"`
	Key     []byte     `json:"key"`     // Ed25519, 32 bytes
	Expires Time       `json:"expires"` // what is signed with it must be issued before
}

// Seconds is a duration in whole seconds.
type Seconds uint32

// Duration is the same as a time.Duration.
func (s Seconds) Duration() time.Duration { return time.Duration(s) * time.Second }

// PolicyProposed asks for another policy.
type PolicyProposed struct {
	Version uint32     `json:"version"` // one more than the one in force
	Author  string     `json:"author"`  // the person who asks, whose own approval does not count
	Reason  string     `json:"reason"`
	Policy  Policy     `json:"policy"`
	Signed  Authorship `json:"signed,omitzero"` // by the author; the first policy needs none
}

// Hash is what approvals of the proposal are given for: of the one that stands at seq.
func (p PolicyProposed) Hash(seq Seq) ([]byte, error) {
	return hashOf("catalogue/policy/v1", seq.String(), &p)
}

// PolicyApproved records an approval of the policy that is proposed.
type PolicyApproved struct {
	Approval Approval `json:"approval"`
}

// PolicyChanged puts the policy that is proposed in force.
type PolicyChanged struct {
	Version uint32 `json:"version"`
}

// Fields lists the fields in the order of the wire.
func (p *Policy) Fields(w *wire.Coder) {
	wire.String(w, &p.Environment)
	wire.List(w, &p.Caps, wireUint32)
	wire.Struct(w, &p.Budget)
	wire.Uint(w, &p.WaveTargets)
	wire.List(w, &p.Bakes, func(s *Seconds, w *wire.Coder) { wire.Uint(w, s) })
	wire.Uint(w, &p.DeactivatedFor)
	wire.Uint(w, &p.PlanLife)
	wire.Uint(w, &p.ApprovalLife)
	wire.Uint(w, &p.RehearsalLife)
	wire.Uint(w, &p.Retention)
	wire.Strings(w, &p.Checks)
	wire.Struct(w, &p.Change)
	wire.Structs(w, &p.Roster)
}

// Fields lists the fields in the order of the wire.
func (b *Budget) Fields(w *wire.Coder) {
	wire.Uint(w, &b.Minute)
	wire.Uint(w, &b.Day)
	wire.Uint(w, &b.Month)
	wire.Uint(w, &b.Owners)
}

// Fields lists the fields in the order of the wire.
func (c *ChangeRule) Fields(w *wire.Coder) {
	wire.Uint(w, &c.Approvals)
	wire.Uint(w, &c.Delay)
}

// Fields lists the fields in the order of the wire.
func (r *RosterMember) Fields(w *wire.Coder) {
	wire.String(w, &r.Person)
	wire.String(w, &r.Role)
	wire.Bytes(w, &r.Key)
	wire.Int(w, &r.Expires)
}

// Fields lists the fields in the order of the wire.
func (p *PolicyProposed) Fields(w *wire.Coder) {
	wire.Uint(w, &p.Version)
	wire.String(w, &p.Author)
	wire.String(w, &p.Reason)
	wire.Struct(w, &p.Policy)
	wire.Struct(w, &p.Signed)
}

// Fields lists the fields in the order of the wire.
func (p *PolicyApproved) Fields(w *wire.Coder) { wire.Struct(w, &p.Approval) }

// Fields lists the fields in the order of the wire.
func (p *PolicyChanged) Fields(w *wire.Coder) { wire.Uint(w, &p.Version) }

// EventType names the type.
func (PolicyProposed) EventType() Type { return "policy.proposed.v1" }

// EventType names the type.
func (PolicyApproved) EventType() Type { return "policy.approved.v1" }

// EventType names the type.
func (PolicyChanged) EventType() Type { return "policy.changed.v1" }
