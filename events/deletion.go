package events

import (
	"crypto/sha256"

	"tenantcatalogue/events/wire"
)

// DeletionKind says what a deletion takes away: a plan is about one kind.
type DeletionKind string

// The kinds of deletion.
const (
	DeletionOfTenants DeletionKind = "tenant"
	DeletionOfApps    DeletionKind = "app"
)

// Tombstone is the type of the events that such a deletion appends.
func (k DeletionKind) Tombstone() Type {
	if k == DeletionOfApps {
		return AppUninstalled{}.EventType()
	}
	return TenantDeleted{}.EventType()
}

// DeletionPlanned is a plan: what a deletion will take away, resolved, checked and
// pinned before anything happens. It is immutable; another list is another plan. Its
// hash is what approvals are given for.
type DeletionPlanned struct {
	Environment  string           `json:"environment"`            // where it is for, as the policy names it
	Action       string           `json:"action"`                 // what is done to the targets: delete
	Kind         DeletionKind     `json:"kind"`                   // of every target
	Author       string           `json:"author"`                 // the person who planned it
	Submitter    string           `json:"submitter"`              // the person or program that brought the plan
	Supplier     string           `json:"supplier"`               // the person or system the list comes from
	Owner        AccountID        `json:"owner,omitzero"`         // asked for by this customer, for a tenant of its own
	Run          RunID            `json:"run,omitzero"`           // the run that its tombstones are part of
	Reason       string           `json:"reason"`                 // why, in the author's words
	InactiveDays uint32           `json:"inactive_days,omitzero"` // claimed of every target: nobody has used it for so long
	Expected     uint32           `json:"expected"`               // how many targets the author expects
	Policy       uint32           `json:"policy"`                 // the version it was checked against
	AsOf         Seq              `json:"as_of"`                  // the head it was made at
	Expires      Time             `json:"expires"`                // nothing is deleted for it afterwards
	Waves        []uint32         `json:"waves"`                  // how many targets each wave takes, in the order of the targets
	Effect       Effect           `json:"effect"`                 // as predicted
	Targets      []DeletionTarget `json:"targets"`
	Signed       Authorship       `json:"signed,omitzero"` // by the author; of an owner's own request nobody but the portal signs
}

// Effect is what the counts of a catalogue change by: nothing or less. And how many are
// concerned.
type Effect struct {
	Tenants int64  `json:"tenants"`
	Apps    int64  `json:"apps"`         // installed ones, with those that go with their tenants
	Users   uint64 `json:"active_users"` // of every tenant that is deleted, or loses an app
}

// Hash is what approvals of the plan are given for: it is of this plan only, and of this
// plan as it is.
func (d DeletionPlanned) Hash(id PlanID) ([]byte, error) {
	return hashOf("catalogue/plan/v1", id.String(), &d)
}

// hashOf is SHA-256 over a domain tag, which of its kind it is, each with a NUL after it,
// and the stored form.
func hashOf(domain, which string, v wire.Fields) ([]byte, error) {
	raw, err := Marshal(v)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(append([]byte(domain+"\x00"+which+"\x00"), raw...))
	return sum[:], nil
}

// DeletionTarget is what one tombstone of a plan will be about, as it was planned.
type DeletionTarget struct {
	Tenant   TenantID  `json:"tenant"`            // the target, or the tenant that has the app
	App      AppID     `json:"app,omitzero"`      // the target of a plan for apps
	Account  AccountID `json:"account,omitzero"`  // the customer of a tenant that is the target
	Name     string    `json:"name"`              // the tenant's URL, the app's name
	Pinned   Seq       `json:"pinned"`            // the tenant's last event; another since voids the plan
	Epoch    uint64    `json:"epoch,omitzero"`    // of the tenant
	Digest   []byte    `json:"digest"`            // SHA-256 of the tenant's state
	Users    uint64    `json:"users,omitzero"`    // active users of the tenant
	Internal bool      `json:"internal,omitzero"` // the vendor's own
	Cascade  Cascade   `json:"cascade"`           // what goes with a tenant
}

// Cascade counts what goes with a tenant. Claims, contacts and the account stay.
type Cascade struct {
	Products  uint64 `json:"products,omitzero"`
	Apps      uint64 `json:"apps,omitzero"` // installed ones
	Members   uint64 `json:"members,omitzero"`
	Groups    uint64 `json:"groups,omitzero"`
	Resources uint64 `json:"resources,omitzero"`
}

// Add is the sum of two.
func (c Cascade) Add(d Cascade) Cascade {
	return Cascade{c.Products + d.Products, c.Apps + d.Apps, c.Members + d.Members, c.Groups + d.Groups, c.Resources + d.Resources}
}

// Authorship is an author's signature over what was asked for, which proves who has.
type Authorship struct {
	Key       string `json:"key"`       // with which of the author's keys
	Issued    Time   `json:"issued"`    // when it was signed
	Signature []byte `json:"signature"` // Ed25519
}

// IsZero tells whether nobody has signed.
func (a Authorship) IsZero() bool { return a.Key == "" && a.Issued.IsZero() && len(a.Signature) == 0 }

// Approval is one person's signed consent to one thing, for a while, once.
type Approval struct {
	Hash      []byte `json:"hash"`                // of the plan, or of the policy
	Person    string `json:"person"`              // who approves
	Key       string `json:"key"`                 // with which of the person's keys
	Nonce     []byte `json:"nonce"`               // 16 random bytes: it counts once
	Issued    Time   `json:"issued"`              // it counts from here ...
	Expires   Time   `json:"expires"`             // ... to here
	FirstWave uint32 `json:"first_wave,omitzero"` // of a plan: the waves it is for, from 1
	LastWave  uint32 `json:"last_wave,omitzero"`
	Sentence  string `json:"sentence"`  // what the person typed
	Signature []byte `json:"signature"` // Ed25519
}

// DeletionApproved records an approval of a plan.
type DeletionApproved struct {
	Approval Approval `json:"approval"`
}

// DeletionConfirmed records that the owner's own request was confirmed by the owner, as
// the portal that has asked it vouches for.
type DeletionConfirmed struct {
	Owner    AccountID `json:"owner"`
	By       string    `json:"by"`       // opaque id of the person who confirmed
	Approval Approval  `json:"approval"` // the portal's
}

// DeletionRehearsed records what came of deleting and restoring a plan's targets on a
// scratch copy made of their history.
type DeletionRehearsed struct {
	Hash     []byte `json:"hash"` // of the plan
	Passed   bool   `json:"passed"`
	Targets  uint32 `json:"targets"`
	Evidence []byte `json:"evidence"`     // SHA-256 over the digests before and after, in order
	Why      string `json:"why,omitzero"` // it did not pass
}

// DeletionStarted records who told the executor to go on with an approved plan.
type DeletionStarted struct {
	Executor string `json:"executor"`
}

// DeletionWaveChecked records what an independent reader counted after a wave, and
// what the health checks said. Unless it is as planned there is no next wave.
type DeletionWaveChecked struct {
	Wave    uint32 `json:"wave"`
	Gone    uint32 `json:"gone"`            // of the wave's targets: how many are deleted
	Kept    uint32 `json:"kept"`            // of the targets of later waves: how many are there
	Strays  uint32 `json:"strays"`          // tombstones of either kind, since the wave before, that stand in no wave
	Healthy bool   `json:"healthy"`         // every health check answered that all is well
	Detail  string `json:"detail,omitzero"` // what was not as planned
}

// DeletionFinished records that a plan will go no further, and why.
type DeletionFinished struct {
	Done bool   `json:"done"`         // every wave was executed and checked
	Why  string `json:"why,omitzero"` // it ended before
}

// DeletionRefused records a plan that was not taken.
type DeletionRefused struct {
	Kind    DeletionKind    `json:"kind"`
	Author  string          `json:"author"`
	Targets uint32          `json:"targets"`
	Reasons []RefusalReason `json:"reasons"`
}

// RefusalReason is why targets of a plan were refused.
type RefusalReason struct {
	Why      string   `json:"why"`
	Count    uint32   `json:"count"`
	Examples []string `json:"examples,omitzero"` // some of them: ids as they were given, or else lines of the list
}

// Fields lists the fields in the order of the wire.
func (d *DeletionPlanned) Fields(w *wire.Coder) {
	wire.String(w, &d.Environment)
	wire.Struct(w, &act{&d.Action, &d.Kind})
	wire.Struct(w, &author{&d.Author, &d.Signed})
	wire.String(w, &d.Submitter)
	wire.String(w, &d.Supplier)
	d.Owner.Wire(w)
	d.Run.Wire(w)
	wire.String(w, &d.Reason)
	wire.Uint(w, &d.InactiveDays)
	wire.Uint(w, &d.Expected)
	wire.Uint(w, &d.Policy)
	wire.Uint(w, &d.AsOf)
	wire.Int(w, &d.Expires)
	wire.Struct(w, &course{&d.Waves, &d.Effect})
	wire.Structs(w, &d.Targets)
}

// A struct has at most fifteen fields on the wire: what belongs together is one of them.
type (
	// act is what is done to what.
	act struct {
		action *string
		kind   *DeletionKind
	}
	// author is who has asked for a plan, with the proof of it.
	author struct {
		name   *string
		signed *Authorship
	}
	// course is how a plan goes, and what comes of it.
	course struct {
		waves  *[]uint32
		effect *Effect
	}
)

// Fields lists the fields in the order of the wire.
func (a *act) Fields(w *wire.Coder) {
	wire.String(w, a.action)
	wire.String(w, a.kind)
}

// Fields lists the fields in the order of the wire.
func (c *course) Fields(w *wire.Coder) {
	wire.List(w, c.waves, wireUint32)
	wire.Struct(w, c.effect)
}

// Fields lists the fields in the order of the wire.
func (e *Effect) Fields(w *wire.Coder) {
	wire.Int(w, &e.Tenants)
	wire.Int(w, &e.Apps)
	wire.Uint(w, &e.Users)
}

// Fields lists the fields in the order of the wire.
func (a *author) Fields(w *wire.Coder) {
	wire.String(w, a.name)
	wire.Struct(w, a.signed)
}

// Fields lists the fields in the order of the wire.
func (a *Authorship) Fields(w *wire.Coder) {
	wire.String(w, &a.Key)
	wire.Int(w, &a.Issued)
	wire.Bytes(w, &a.Signature)
}

func wireUint32(u *uint32, w *wire.Coder) { wire.Uint(w, u) }

// Fields lists the fields in the order of the wire.
func (d *DeletionTarget) Fields(w *wire.Coder) {
	d.Tenant.Wire(w)
	d.App.Wire(w)
	d.Account.Wire(w)
	wire.String(w, &d.Name)
	wire.Uint(w, &d.Pinned)
	wire.Uint(w, &d.Epoch)
	wire.Bytes(w, &d.Digest)
	wire.Uint(w, &d.Users)
	wire.Bool(w, &d.Internal)
	wire.Struct(w, &d.Cascade)
}

// Fields lists the fields in the order of the wire.
func (c *Cascade) Fields(w *wire.Coder) {
	wire.Uint(w, &c.Products)
	wire.Uint(w, &c.Apps)
	wire.Uint(w, &c.Members)
	wire.Uint(w, &c.Groups)
	wire.Uint(w, &c.Resources)
}

// Fields lists the fields in the order of the wire.
func (a *Approval) Fields(w *wire.Coder) {
	wire.Bytes(w, &a.Hash)
	wire.String(w, &a.Person)
	wire.String(w, &a.Key)
	wire.Bytes(w, &a.Nonce)
	wire.Int(w, &a.Issued)
	wire.Int(w, &a.Expires)
	wire.Uint(w, &a.FirstWave)
	wire.Uint(w, &a.LastWave)
	wire.String(w, &a.Sentence)
	wire.Bytes(w, &a.Signature)
}

// Fields lists the fields in the order of the wire.
func (d *DeletionApproved) Fields(w *wire.Coder) { wire.Struct(w, &d.Approval) }

// Fields lists the fields in the order of the wire.
func (d *DeletionConfirmed) Fields(w *wire.Coder) {
	d.Owner.Wire(w)
	wire.String(w, &d.By)
	wire.Struct(w, &d.Approval)
}

// Fields lists the fields in the order of the wire.
func (d *DeletionRehearsed) Fields(w *wire.Coder) {
	wire.Bytes(w, &d.Hash)
	wire.Bool(w, &d.Passed)
	wire.Uint(w, &d.Targets)
	wire.Bytes(w, &d.Evidence)
	wire.String(w, &d.Why)
}

// Fields lists the fields in the order of the wire.
func (d *DeletionStarted) Fields(w *wire.Coder) { wire.String(w, &d.Executor) }

// Fields lists the fields in the order of the wire.
func (d *DeletionWaveChecked) Fields(w *wire.Coder) {
	wire.Uint(w, &d.Wave)
	wire.Uint(w, &d.Gone)
	wire.Uint(w, &d.Kept)
	wire.Uint(w, &d.Strays)
	wire.Bool(w, &d.Healthy)
	wire.String(w, &d.Detail)
}

// Fields lists the fields in the order of the wire.
func (d *DeletionFinished) Fields(w *wire.Coder) {
	wire.Bool(w, &d.Done)
	wire.String(w, &d.Why)
}

// Fields lists the fields in the order of the wire.
func (d *DeletionRefused) Fields(w *wire.Coder) {
	wire.String(w, &d.Kind)
	wire.String(w, &d.Author)
	wire.Uint(w, &d.Targets)
	wire.Structs(w, &d.Reasons)
}

// Fields lists the fields in the order of the wire.
func (r *RefusalReason) Fields(w *wire.Coder) {
	wire.String(w, &r.Why)
	wire.Uint(w, &r.Count)
	wire.Strings(w, &r.Examples)
}

// EventType names the type.
func (DeletionPlanned) EventType() Type { return "deletion.planned.v1" }

// EventType names the type.
func (DeletionApproved) EventType() Type { return "deletion.approved.v1" }

// EventType names the type.
func (DeletionConfirmed) EventType() Type { return "deletion.confirmed.v1" }

// EventType names the type.
func (DeletionRehearsed) EventType() Type { return "deletion.rehearsed.v1" }

// EventType names the type.
func (DeletionStarted) EventType() Type { return "deletion.started.v1" }

// EventType names the type.
func (DeletionWaveChecked) EventType() Type { return "deletion.wave_checked.v1" }

// EventType names the type.
func (DeletionFinished) EventType() Type { return "deletion.finished.v1" }

// EventType names the type.
func (DeletionRefused) EventType() Type { return "deletion.refused.v1" }
