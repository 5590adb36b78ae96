package events

// RestorationPlanned records what a restoration will do, before it does it. A
// plan with many targets comes in several of these, all of one unit. It is
// immutable: another plan is another restoration.
type RestorationPlanned struct {
	Mode    RestoreMode     `json:"mode"`
	Cut     Seq             `json:"cut"`             // the one cut of every target
	AsOf    Seq             `json:"as_of"`           // the head the plan was made at
	Point   string          `json:"point"`           // the restore point as it was asked for
	Runs    []RunID         `json:"runs,omitzero"`   // the causes: runs ...
	Actors  []string        `json:"actors,omitzero"` // ... and actors whose events are undone
	Reason  string          `json:"reason,omitzero"` // why, in the operator's words
	Part    uint32          `json:"part"`            // from 1
	Parts   uint32          `json:"parts"`
	Targets []RestoreTarget `json:"targets"`
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

// EventType names the type.
func (RestorationPlanned) EventType() Type { return "restoration.planned.v1" }

// EventType names the type.
func (RestorationFinished) EventType() Type { return "restoration.finished.v1" }
