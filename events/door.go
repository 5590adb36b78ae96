package events

import "tenantcatalogue/events/wire"

// Everything that is deleted goes through one door, which is an aggregate of its own:
// a plan is admitted, every wave passes, a halt shuts it. Each of these expects the
// last event about the door, so that a wave whose executor has not seen a halt is
// refused by the log itself.

// DoorAdmitted begins the unit of a plan: from now on it is the open one of its kind.
type DoorAdmitted struct {
	Plan    PlanID       `json:"plan"`
	Kind    DeletionKind `json:"kind"`
	Expires Time         `json:"expires"`
	Owners  bool         `json:"owners,omitzero"` // asked for by the owner
}

// DoorPassed stands in the unit of a wave, before its tombstones.
type DoorPassed struct {
	Plan    PlanID       `json:"plan"`
	Kind    DeletionKind `json:"kind"`
	Wave    uint32       `json:"wave"`
	Targets uint32       `json:"targets"`
	Owners  bool         `json:"owners,omitzero"` // asked for by the owner
}

// DoorLeft stands in the unit that ends a plan: another of its kind may be admitted.
type DoorLeft struct {
	Plan PlanID       `json:"plan"`
	Kind DeletionKind `json:"kind"`
}

// DoorHalted halts every deletion: plans that are open are dead, none is admitted and
// no wave passes until the halt is lifted. Reads, writes and restorations go on.
type DoorHalted struct {
	Cause  HaltCause `json:"cause"`
	Detail string    `json:"detail,omitzero"`
}

// DoorReopened lifts a halt. The plans it has killed stay dead, and what restorations hold
// is held, but by those that are let go of.
type DoorReopened struct {
	Approval Approval    `json:"approval"` // its hash names the halt, and what is let go of
	Reason   string      `json:"reason"`
	LetGo    []RestoreID `json:"let_go,omitzero"` // restorations that cannot be applied to their end
}

// DoorHeld keeps the door shut while a restoration is being applied, and DoorReleased
// ends that.
type DoorHeld struct {
	Restoration RestoreID `json:"restoration"`
}

// DoorReleased is the end of DoorHeld.
type DoorReleased struct {
	Restoration RestoreID `json:"restoration"`
}

// HaltCause says what halted deletions.
type HaltCause string

// The causes of a halt.
const (
	HaltByPerson     HaltCause = "person"
	HaltMismatch     HaltCause = "mismatch"      // a recount after a wave was not as planned
	HaltHealth       HaltCause = "health"        // a health check was bad
	HaltNoHealth     HaltCause = "health_silent" // a health check did not answer
	HaltRate         HaltCause = "rate"          // the watcher saw too many tombstones
	HaltBudget       HaltCause = "budget"
	HaltDigest       HaltCause = "digest" // a view or the log is not what it was
	HaltStreamConfig HaltCause = "stream_config"
	HaltLag          HaltCause = "lag"
	HaltUncounted    HaltCause = "uncounted" // the recount after a wave does not come
	HaltClock        HaltCause = "clock"     // recorded times jump
	HaltQuorum       HaltCause = "quorum"
)

// ClockTicked marks that time passes. Ticks come at least every hour while the
// catalogue runs; what passes without them is not counted by what must not expire.
type ClockTicked struct{}

// AlarmRaised records what the watcher saw in the log.
type AlarmRaised struct {
	Alarm  AlarmKind `json:"alarm"`
	Detail string    `json:"detail"`
	From   Seq       `json:"from"` // the first and ...
	To     Seq       `json:"to"`   // ... the last tombstone it is about
	Count  uint32    `json:"count"`
}

// AlarmKind says what the watcher saw.
type AlarmKind string

// The alarms.
const (
	AlarmRate      AlarmKind = "rate"       // more tombstones than the budget allows
	AlarmMix       AlarmKind = "mix"        // tombstones of a kind that the recent past has next to none of
	AlarmUnvouched AlarmKind = "unvouched"  // a tombstone whose plan and approvals do not verify
	AlarmClockJump AlarmKind = "clock_jump" // recorded times jump
	AlarmHalt      AlarmKind = "halt"       // something that is no person has halted deletions
)

// LienPlaced keeps a tenant from being deleted, and what was deleted from being
// purged, for a matter that is named.
type LienPlaced struct {
	Matter string `json:"matter"` // opaque reference, e.g. legal/2022-17
	Reason string `json:"reason,omitzero"`
}

// LienLifted ends a lien.
type LienLifted struct {
	Matter   string   `json:"matter"`
	Reason   string   `json:"reason,omitzero"`
	Approval Approval `json:"approval"` // its hash names the lien
}

// Fields lists the fields in the order of the wire.
func (d *DoorAdmitted) Fields(w *wire.Coder) {
	d.Plan.Wire(w)
	wire.String(w, &d.Kind)
	wire.Int(w, &d.Expires)
	wire.Bool(w, &d.Owners)
}

// Fields lists the fields in the order of the wire.
func (d *DoorPassed) Fields(w *wire.Coder) {
	d.Plan.Wire(w)
	wire.String(w, &d.Kind)
	wire.Uint(w, &d.Wave)
	wire.Uint(w, &d.Targets)
	wire.Bool(w, &d.Owners)
}

// Fields lists the fields in the order of the wire.
func (d *DoorLeft) Fields(w *wire.Coder) {
	d.Plan.Wire(w)
	wire.String(w, &d.Kind)
}

// Fields lists the fields in the order of the wire.
func (d *DoorHalted) Fields(w *wire.Coder) {
	wire.String(w, &d.Cause)
	wire.String(w, &d.Detail)
}

// Fields lists the fields in the order of the wire.
func (d *DoorReopened) Fields(w *wire.Coder) {
	wire.Struct(w, &d.Approval)
	wire.String(w, &d.Reason)
	wire.List(w, &d.LetGo, (*RestoreID).Wire)
}

// Fields lists the fields in the order of the wire.
func (d *DoorHeld) Fields(w *wire.Coder) { d.Restoration.Wire(w) }

// Fields lists the fields in the order of the wire.
func (d *DoorReleased) Fields(w *wire.Coder) { d.Restoration.Wire(w) }

// Fields lists the fields in the order of the wire.
func (*ClockTicked) Fields(*wire.Coder) {}

// Fields lists the fields in the order of the wire.
func (a *AlarmRaised) Fields(w *wire.Coder) {
	wire.String(w, &a.Alarm)
	wire.String(w, &a.Detail)
	wire.Uint(w, &a.From)
	wire.Uint(w, &a.To)
	wire.Uint(w, &a.Count)
}

// Fields lists the fields in the order of the wire.
func (l *LienPlaced) Fields(w *wire.Coder) {
	wire.String(w, &l.Matter)
	wire.String(w, &l.Reason)
}

// Fields lists the fields in the order of the wire.
func (l *LienLifted) Fields(w *wire.Coder) {
	wire.String(w, &l.Matter)
	wire.String(w, &l.Reason)
	wire.Struct(w, &l.Approval)
}

// EventType names the type.
func (DoorAdmitted) EventType() Type { return "door.admitted.v1" }

// EventType names the type.
func (DoorPassed) EventType() Type { return "door.passed.v1" }

// EventType names the type.
func (DoorLeft) EventType() Type { return "door.left.v1" }

// EventType names the type.
func (DoorHalted) EventType() Type { return "door.halted.v1" }

// EventType names the type.
func (DoorReopened) EventType() Type { return "door.reopened.v1" }

// EventType names the type.
func (DoorHeld) EventType() Type { return "door.held.v1" }

// EventType names the type.
func (DoorReleased) EventType() Type { return "door.released.v1" }

// EventType names the type.
func (ClockTicked) EventType() Type { return "clock.ticked.v1" }

// EventType names the type.
func (AlarmRaised) EventType() Type { return "alarm.raised.v1" }

// EventType names the type.
func (LienPlaced) EventType() Type { return "lien.placed.v1" }

// EventType names the type.
func (LienLifted) EventType() Type { return "lien.lifted.v1" }
