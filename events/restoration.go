package events

import (
	"slices"

	"tenantcatalogue/events/wire"
)

// RestorationPlanned records what a restoration will do, before it does it. A
// plan with many targets comes in several of these, all of one unit. It is
// immutable: another plan is another restoration.
type RestorationPlanned struct {
	Mode    RestoreMode     `json:"mode"`
	Cut     Seq             `json:"cut"`             // the one cut of every target
	AsOf    Seq             `json:"as_of"`           // the head the plan was made at
	Point   string          `json:"point"`           // the restore point as it was asked for
	Cause   Cause           `json:"cause"`           // whose events are undone
	Reason  string          `json:"reason,omitzero"` // why, in the operator's words
	Part    uint32          `json:"part"`            // from 1
	Parts   uint32          `json:"parts"`
	Targets []RestoreTarget `json:"targets"`
	// Waiting lists who is left out until somebody chooses, and why.
	Waiting []RestoreFailure `json:"waiting,omitzero"`
}

// Cause selects the events that a restoration undoes: those of the runs and of
// the actors, narrowed by type and recorded time where these are set. Without
// runs and actors, type and time select alone; a zero Cause selects nothing.
type Cause struct {
	Runs   []RunID  `json:"runs,omitzero"`
	Actors []string `json:"actors,omitzero"`
	Types  []Type   `json:"types,omitzero"`
	Since  Time     `json:"since,omitzero"` // recorded at or after
	Until  Time     `json:"until,omitzero"` // recorded before
}

// IsZero tells whether the cause selects nothing.
func (c Cause) IsZero() bool {
	return len(c.Runs) == 0 && len(c.Actors) == 0 && len(c.Types) == 0 && c.Since == 0 && c.Until == 0
}

// Selects tells whether e is one of the cause's events. Claims go with the
// tenant's event they derive from; the catalogue's own restorations count only
// when their run or actor is named.
func (c Cause) Selects(e Event) bool {
	switch {
	case c.IsZero(),
		len(c.Types) > 0 && !slices.Contains(c.Types, e.Type()),
		c.Since != 0 && e.RecordedTime < c.Since,
		c.Until != 0 && e.RecordedTime >= c.Until:
		return false
	case len(c.Runs) == 0 && len(c.Actors) == 0:
		return !e.Type().Internal()
	}
	return !e.Run.IsZero() && slices.Contains(c.Runs, e.Run) || slices.Contains(c.Actors, e.Actor)
}

// RestoreTarget is one tenant of a plan.
type RestoreTarget struct {
	Tenant TenantID `json:"tenant"`
	Pinned Seq      `json:"pinned"` // its last event when planned; another since is a conflict
	Digest []byte   `json:"digest"` // SHA-256 of the state it will have
	Parts  uint32   `json:"parts"`  // how many events carry that state
}

// RestorationFinished records that every target of the plan was brought back
// or answered for. From Begin to End is where its events are, so that any
// process can compute the certificate again.
type RestorationFinished struct {
	Begin    Seq              `json:"begin"` // the first event of the restoration after its plan
	End      Seq              `json:"end"`   // the last one before this
	Restored uint32           `json:"restored"`
	Failed   []RestoreFailure `json:"failed,omitzero"`
}

// RestoreFailure is a target that was not brought back, and why.
type RestoreFailure struct {
	Tenant TenantID `json:"tenant"`
	Why    string   `json:"why"`
}

// Fields lists the fields in the order of the wire.
func (r *RestorationPlanned) Fields(w *wire.Coder) {
	wire.String(w, &r.Mode)
	wire.Uint(w, &r.Cut)
	wire.Uint(w, &r.AsOf)
	wire.String(w, &r.Point)
	wire.Struct(w, &r.Cause)
	wire.String(w, &r.Reason)
	wire.Uint(w, &r.Part)
	wire.Uint(w, &r.Parts)
	wire.Structs(w, &r.Targets)
	wire.Structs(w, &r.Waiting)
}

// Fields lists the fields in the order of the wire.
func (c *Cause) Fields(w *wire.Coder) {
	wire.List(w, &c.Runs, (*RunID).Wire)
	wire.Strings(w, &c.Actors)
	wire.Strings(w, &c.Types)
	wire.Int(w, &c.Since)
	wire.Int(w, &c.Until)
}

// Fields lists the fields in the order of the wire.
func (r *RestoreTarget) Fields(w *wire.Coder) {
	r.Tenant.Wire(w)
	wire.Uint(w, &r.Pinned)
	wire.Bytes(w, &r.Digest)
	wire.Uint(w, &r.Parts)
}

// Fields lists the fields in the order of the wire.
func (r *RestorationFinished) Fields(w *wire.Coder) {
	wire.Uint(w, &r.Begin)
	wire.Uint(w, &r.End)
	wire.Uint(w, &r.Restored)
	wire.Structs(w, &r.Failed)
}

// Fields lists the fields in the order of the wire.
func (r *RestoreFailure) Fields(w *wire.Coder) {
	r.Tenant.Wire(w)
	wire.String(w, &r.Why)
}

// EventType names the type.
func (RestorationPlanned) EventType() Type { return "restoration.planned.v1" }

// EventType names the type.
func (RestorationFinished) EventType() Type { return "restoration.finished.v1" }
