package events

import (
	"encoding/binary"

	"tenantcatalogue/events/wire"
)

// Mark is where and when something was recorded.
type Mark struct {
	Seq  Seq  `json:"seq"`
	Time Time `json:"time"`
}

// IsZero tells whether it was not.
func (m Mark) IsZero() bool { return m == Mark{} }

// Deletion is a plan and what became of it.
type Deletion struct {
	Plan      DeletionPlanned       `json:"plan"`
	Hash      []byte                `json:"hash"`
	Planned   Mark                  `json:"planned"`
	Approvals []Given               `json:"approvals,omitzero"`
	Confirmed DeletionConfirmed     `json:"confirmed,omitzero"`
	Rehearsed DeletionRehearsed     `json:"rehearsed,omitzero"` // the last one
	Rehearsal Mark                  `json:"rehearsal,omitzero"`
	Executor  string                `json:"executor,omitzero"`
	Started   Mark                  `json:"started,omitzero"`
	Checked   []DeletionWaveChecked `json:"checked,omitzero"` // of the waves, in their order
	LastCheck Mark                  `json:"last_check,omitzero"`
	Finished  DeletionFinished      `json:"finished,omitzero"`
	Ended     Mark                  `json:"ended,omitzero"`
}

// Given is an approval with where it was recorded.
type Given struct {
	Approval Approval `json:"approval"`
	Mark     Mark     `json:"mark"`
}

// Door is what everything that is deleted goes through.
type Door struct {
	Open   []Admitted  `json:"open,omitzero"`   // plans that were admitted and have not left
	Halt   DoorHalted  `json:"halt,omitzero"`   // the one in force
	Halted Mark        `json:"halted,omitzero"` // zero: none is in force
	Last   Mark        `json:"last,omitzero"`   // the last halt, lifted or not: what was planned before is dead
	Held   []RestoreID `json:"held,omitzero"`   // restorations being applied
	Recent []Passage   `json:"recent,omitzero"` // the last waves, oldest first
}

// Admitted is a plan that was admitted.
type Admitted struct {
	Plan    PlanID       `json:"plan"`
	Kind    DeletionKind `json:"kind"`
	Expires Time         `json:"expires"`
	Owners  bool         `json:"owners,omitzero"`
	Mark    Mark         `json:"mark"`
}

// Passage is a wave that has passed.
type Passage struct {
	Plan    PlanID       `json:"plan"`
	Kind    DeletionKind `json:"kind"`
	Wave    uint32       `json:"wave"`
	Targets uint32       `json:"targets"` // the events after Seq are their tombstones
	Owners  bool         `json:"owners,omitzero"`
	Mark    Mark         `json:"mark"`
}

// InForce is the policy in force.
type InForce struct {
	Version uint32 `json:"version"`
	Policy  Policy `json:"policy"`
	Since   Mark   `json:"since,omitzero"`
}

// Proposal is the policy that is proposed, until it is in force or another one is
// proposed.
type Proposal struct {
	Proposed  PolicyProposed `json:"proposed"`
	Mark      Mark           `json:"mark"`
	Approvals []Given        `json:"approvals,omitzero"`
}

// Clock is the time that passed without anything marking it.
type Clock struct {
	Last  Time      `json:"last"` // the last tick
	Skips []Skipped `json:"skips,omitzero"`
}

// Skipped is a stretch of time without ticks, beyond what is allowed between two.
type Skipped struct {
	At  Time `json:"at"`
	For Time `json:"for"` // nanoseconds
}

// Liens are the liens on a tenant.
type Liens struct {
	Liens []Lien `json:"liens"` // oldest first
}

// Lien keeps a tenant for a matter.
type Lien struct {
	Matter string `json:"matter"`
	Reason string `json:"reason,omitzero"`
	Since  Mark   `json:"since"`
}

// PassageKey is the key of a passage.
func PassageKey(plan PlanID, wave uint32) EntityKey {
	u := plan.UUID()
	return EntityKey{EntityPassage, string(binary.BigEndian.AppendUint32(u[:], wave))}
}

// EntityKey places the deletion: there is one.
func (Deletion) EntityKey() EntityKey { return EntityKey{Kind: EntityDeletion} }

// EntityKey places the door: there is one.
func (Door) EntityKey() EntityKey { return EntityKey{Kind: EntityDoor} }

// EntityKey places the passage by its plan and wave.
func (p Passage) EntityKey() EntityKey { return PassageKey(p.Plan, p.Wave) }

// EntityKey places the policy: there is one.
func (InForce) EntityKey() EntityKey { return EntityKey{Kind: EntityPolicy} }

// EntityKey places the proposal: there is one.
func (Proposal) EntityKey() EntityKey { return EntityKey{Kind: EntityProposal} }

// EntityKey places the clock: there is one.
func (Clock) EntityKey() EntityKey { return EntityKey{Kind: EntityClock} }

// EntityKey places the liens: there is one list.
func (Liens) EntityKey() EntityKey { return EntityKey{Kind: EntityLiens} }

// Fields lists the fields in the order of the wire.
func (m *Mark) Fields(w *wire.Coder) {
	wire.Uint(w, &m.Seq)
	wire.Int(w, &m.Time)
}

// Fields lists the fields in the order of the wire.
func (d *Deletion) Fields(w *wire.Coder) {
	wire.Struct(w, &d.Plan)
	wire.Bytes(w, &d.Hash)
	wire.Struct(w, &d.Planned)
	wire.Structs(w, &d.Approvals)
	wire.Struct(w, &d.Confirmed)
	wire.Struct(w, &d.Rehearsed)
	wire.Struct(w, &d.Rehearsal)
	wire.String(w, &d.Executor)
	wire.Struct(w, &d.Started)
	wire.Structs(w, &d.Checked)
	wire.Struct(w, &d.LastCheck)
	wire.Struct(w, &d.Finished)
	wire.Struct(w, &d.Ended)
}

// Fields lists the fields in the order of the wire.
func (g *Given) Fields(w *wire.Coder) {
	wire.Struct(w, &g.Approval)
	wire.Struct(w, &g.Mark)
}

// Fields lists the fields in the order of the wire.
func (d *Door) Fields(w *wire.Coder) {
	wire.Structs(w, &d.Open)
	wire.Struct(w, &d.Halt)
	wire.Struct(w, &d.Halted)
	wire.Struct(w, &d.Last)
	wire.List(w, &d.Held, (*RestoreID).Wire)
	wire.Structs(w, &d.Recent)
}

// Fields lists the fields in the order of the wire.
func (a *Admitted) Fields(w *wire.Coder) {
	a.Plan.Wire(w)
	wire.String(w, &a.Kind)
	wire.Int(w, &a.Expires)
	wire.Bool(w, &a.Owners)
	wire.Struct(w, &a.Mark)
}

// Fields lists the fields in the order of the wire.
func (p *Passage) Fields(w *wire.Coder) {
	p.Plan.Wire(w)
	wire.String(w, &p.Kind)
	wire.Uint(w, &p.Wave)
	wire.Uint(w, &p.Targets)
	wire.Bool(w, &p.Owners)
	wire.Struct(w, &p.Mark)
}

// Fields lists the fields in the order of the wire.
func (p *InForce) Fields(w *wire.Coder) {
	wire.Uint(w, &p.Version)
	wire.Struct(w, &p.Policy)
	wire.Struct(w, &p.Since)
}

// Fields lists the fields in the order of the wire.
func (p *Proposal) Fields(w *wire.Coder) {
	wire.Struct(w, &p.Proposed)
	wire.Struct(w, &p.Mark)
	wire.Structs(w, &p.Approvals)
}

// Fields lists the fields in the order of the wire.
func (c *Clock) Fields(w *wire.Coder) {
	wire.Int(w, &c.Last)
	wire.Structs(w, &c.Skips)
}

// Fields lists the fields in the order of the wire.
func (s *Skipped) Fields(w *wire.Coder) {
	wire.Int(w, &s.At)
	wire.Int(w, &s.For)
}

// Fields lists the fields in the order of the wire.
func (l *Liens) Fields(w *wire.Coder) { wire.Structs(w, &l.Liens) }

// Fields lists the fields in the order of the wire.
func (l *Lien) Fields(w *wire.Coder) {
	wire.String(w, &l.Matter)
	wire.String(w, &l.Reason)
	wire.Struct(w, &l.Since)
}
