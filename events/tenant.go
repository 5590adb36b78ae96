package events

import (
	"github.com/google/uuid"

	"tenantcatalogue/events/wire"
)

// TenantCreated begins a tenant. Its URL and its cloud id are claimed in the
// same unit.
type TenantCreated struct {
	URL       string    `json:"url"`      // e.g. acme.example.net: host name, lower case
	CloudID   uuid.UUID `json:"cloud_id"` // the UUID the owner knows the tenant by
	Account   AccountID `json:"account"`
	Region    string    `json:"region"`
	Shard     string    `json:"shard,omitzero"`
	Residency string    `json:"residency,omitzero"` // region its data must not leave
	Tier      string    `json:"tier"`
	Internal  bool      `json:"internal,omitzero"` // the vendor's own
}

// TenantConfigured changes metadata and feature flags: keys named are set,
// keys in Unset removed, all others kept.
type TenantConfigured struct {
	Metadata map[string]string `json:"metadata,omitzero"`
	Flags    map[string]bool   `json:"flags,omitzero"`
	Unset    []string          `json:"unset,omitzero"` // keys of either
}

// TenantRenamed gives the tenant another URL. The new one is claimed and the
// old one released in the same unit.
type TenantRenamed struct {
	URL string `json:"url"`
}

// TenantRelocated moves the tenant to a region and shard. A residency pin
// refuses another region.
type TenantRelocated struct {
	Region string `json:"region"`
	Shard  string `json:"shard"`
}

// TenantUsageReported says how much the tenant is in use. Of several the latest activity
// counts, in whichever order they come.
type TenantUsageReported struct {
	ActiveUsers  uint64 `json:"active_users"`
	LastActivity Time   `json:"last_activity"`
}

// TenantDeactivated takes the tenant out of service; nothing is lost.
type TenantDeactivated struct {
	Reason string `json:"reason,omitzero"`
}

// TenantReactivated puts a deactivated tenant back into service.
type TenantReactivated struct {
	Reason string `json:"reason,omitzero"`
}

// TenantDeleted is the tombstone of a tenant: every view lets go of it, the
// log, its ids, its URL and its contacts stay. It raises the epoch.
type TenantDeleted struct {
	Reason string `json:"reason,omitzero"`
}

// RestoreMode says how a restoration finds the state to bring back.
type RestoreMode string

// The modes of a restoration.
const (
	// Rewind brings back the state as it was at the cut.
	Rewind RestoreMode = "rewind"
	// Undo decides every kept event after the cut again, without the run's own.
	Undo RestoreMode = "undo"
)

// TenantRestored brings a tenant to the state it carries, so that any consumer
// can apply it without travelling in time. A large state comes in several of
// these, all of one unit: the first clears what was there, the last carries
// the digest of the whole. It raises the epoch, once a restoration.
type TenantRestored struct {
	Restoration RestoreID   `json:"restoration"`
	Mode        RestoreMode `json:"mode"`
	Cut         Seq         `json:"cut"`   // the state is that after this Seq ...
	AsOf        Seq         `json:"as_of"` // ... with, in undo, what was kept up to this one
	Epoch       uint64      `json:"epoch"` // from now on
	Part        uint32      `json:"part"`  // from 1
	Parts       uint32      `json:"parts"`
	Entities    Entities    `json:"entities"`
	Digest      []byte      `json:"digest,omitzero"` // SHA-256 of the state, in the last part
}

// Fields lists the fields in the order of the wire.
func (t *TenantCreated) Fields(w *wire.Coder) {
	wire.String(w, &t.URL)
	wire.Fixed(w, t.CloudID[:])
	t.Account.Wire(w)
	wire.String(w, &t.Region)
	wire.String(w, &t.Shard)
	wire.String(w, &t.Residency)
	wire.String(w, &t.Tier)
	wire.Bool(w, &t.Internal)
}

// Fields lists the fields in the order of the wire.
func (t *TenantConfigured) Fields(w *wire.Coder) {
	wire.Map(w, &t.Metadata, wire.String)
	wire.Map(w, &t.Flags, wire.Bool)
	wire.Strings(w, &t.Unset)
}

// Fields lists the fields in the order of the wire.
func (t *TenantRenamed) Fields(w *wire.Coder) { wire.String(w, &t.URL) }

// Fields lists the fields in the order of the wire.
func (t *TenantRelocated) Fields(w *wire.Coder) {
	wire.String(w, &t.Region)
	wire.String(w, &t.Shard)
}

// Fields lists the fields in the order of the wire.
func (t *TenantUsageReported) Fields(w *wire.Coder) {
	wire.Uint(w, &t.ActiveUsers)
	wire.Int(w, &t.LastActivity)
}

// Fields lists the fields in the order of the wire.
func (t *TenantDeactivated) Fields(w *wire.Coder) { wire.String(w, &t.Reason) }

// Fields lists the fields in the order of the wire.
func (t *TenantReactivated) Fields(w *wire.Coder) { wire.String(w, &t.Reason) }

// Fields lists the fields in the order of the wire.
func (t *TenantDeleted) Fields(w *wire.Coder) { wire.String(w, &t.Reason) }

// Fields lists the fields in the order of the wire.
func (r *TenantRestored) Fields(w *wire.Coder) {
	r.Restoration.Wire(w)
	wire.String(w, &r.Mode)
	wire.Uint(w, &r.Cut)
	wire.Uint(w, &r.AsOf)
	wire.Uint(w, &r.Epoch)
	wire.Uint(w, &r.Part)
	wire.Uint(w, &r.Parts)
	r.Entities.Wire(w)
	wire.Bytes(w, &r.Digest)
}

// EventType names the type.
func (TenantCreated) EventType() Type { return "tenant.created.v1" }

// EventType names the type.
func (TenantConfigured) EventType() Type { return "tenant.configured.v1" }

// EventType names the type.
func (TenantRenamed) EventType() Type { return "tenant.renamed.v1" }

// EventType names the type.
func (TenantRelocated) EventType() Type { return "tenant.relocated.v1" }

// EventType names the type.
func (TenantUsageReported) EventType() Type { return "tenant.usage_reported.v1" }

// EventType names the type.
func (TenantDeactivated) EventType() Type { return "tenant.deactivated.v1" }

// EventType names the type.
func (TenantReactivated) EventType() Type { return "tenant.reactivated.v1" }

// EventType names the type.
func (TenantDeleted) EventType() Type { return "tenant.deleted.v1" }

// EventType names the type.
func (TenantRestored) EventType() Type { return "tenant.restored.v1" }

// MapPersonal maps the personal fields of every entity.
func (r TenantRestored) MapPersonal(f PersonalMap) (Payload, error) {
	var err error
	r.Entities, err = r.Entities.mapPersonal(f)
	return r, err
}
