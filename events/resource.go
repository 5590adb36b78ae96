package events

import "tenantcatalogue/events/wire"

// ResourceProvisioned says that a service holds something of the tenant.
type ResourceProvisioned struct {
	Service string       `json:"service"` // who holds it, e.g. media
	Kind    ResourceKind `json:"kind"`
	Name    string       `json:"name"` // unique in the service, e.g. db-eu-17/tenant_…
	Region  string       `json:"region"`
	Shard   string       `json:"shard,omitzero"`
}

// ResourceDeprovisioned says that the service holds it no more.
type ResourceDeprovisioned struct {
	Service string       `json:"service"`
	Kind    ResourceKind `json:"kind"`
	Name    string       `json:"name"`
}

// Fields lists the fields in the order of the wire.
func (r *ResourceProvisioned) Fields(w *wire.Coder) {
	wire.String(w, &r.Service)
	wire.String(w, &r.Kind)
	wire.String(w, &r.Name)
	wire.String(w, &r.Region)
	wire.String(w, &r.Shard)
}

// Fields lists the fields in the order of the wire.
func (r *ResourceDeprovisioned) Fields(w *wire.Coder) {
	wire.String(w, &r.Service)
	wire.String(w, &r.Kind)
	wire.String(w, &r.Name)
}

// EventType names the type.
func (ResourceProvisioned) EventType() Type { return "resource.provisioned.v1" }

// EventType names the type.
func (ResourceDeprovisioned) EventType() Type { return "resource.deprovisioned.v1" }
