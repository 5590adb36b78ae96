package events

import "tenantcatalogue/events/wire"

// ClaimKind says what is claimed.
type ClaimKind string

// The kinds of claim.
const (
	ClaimURL     ClaimKind = "url"
	ClaimCloudID ClaimKind = "cloud_id"
)

// ClaimTaken gives a URL or a cloud id to a tenant. It is appended in one unit
// with the tenant's event, on a subject of its own, so that two tenants can
// never both have it. A deleted tenant keeps its claims.
type ClaimTaken struct {
	Kind   ClaimKind `json:"kind"`
	Value  string    `json:"value"`
	Tenant TenantID  `json:"tenant"`
}

// ClaimReleased gives a claim back, when a tenant was renamed.
type ClaimReleased struct {
	Kind   ClaimKind `json:"kind"`
	Value  string    `json:"value"`
	Tenant TenantID  `json:"tenant"` // who had it
}

// Fields lists the fields in the order of the wire.
func (c *ClaimTaken) Fields(w *wire.Coder) {
	wire.String(w, &c.Kind)
	wire.String(w, &c.Value)
	c.Tenant.Wire(w)
}

// Fields lists the fields in the order of the wire.
func (c *ClaimReleased) Fields(w *wire.Coder) {
	wire.String(w, &c.Kind)
	wire.String(w, &c.Value)
	c.Tenant.Wire(w)
}

// EventType names the type.
func (ClaimTaken) EventType() Type { return "claim.taken.v1" }

// EventType names the type.
func (ClaimReleased) EventType() Type { return "claim.released.v1" }
