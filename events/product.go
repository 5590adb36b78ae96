package events

import "tenantcatalogue/events/wire"

// ProductActivated begins a product of a tenant, or activates it again. The
// name is required the first time and must not change later.
type ProductActivated struct {
	Product ProductID `json:"product"`
	Name    string    `json:"name,omitzero"` // which product, e.g. issue-tracker
	Edition string    `json:"edition,omitzero"`
	Seats   uint64    `json:"seats,omitzero"`
}

// ProductDeactivated ends the use of a product; its data stays.
type ProductDeactivated struct {
	Product ProductID `json:"product"`
	Reason  string    `json:"reason,omitzero"`
}

// ProductSuspended stops an active product for a while.
type ProductSuspended struct {
	Product ProductID `json:"product"`
	Reason  string    `json:"reason,omitzero"`
}

// ProductUnsuspended lifts a suspension.
type ProductUnsuspended struct {
	Product ProductID `json:"product"`
}

// ProductLicenseUpdated changes a product's licence.
type ProductLicenseUpdated struct {
	Product ProductID `json:"product"`
	Edition string    `json:"edition"`
	Seats   uint64    `json:"seats"`
	Active  bool      `json:"active"`
}

// ProductLicenseUpdatedV1 is the first form of ProductLicenseUpdated: the
// licence was a text with the edition and its state in one, and an unlimited
// number of seats was -1. It is read for ever and written no more.
type ProductLicenseUpdatedV1 struct {
	Product ProductID `json:"product"`
	License string    `json:"license"` // e.g. "standard", or "standard/inactive"
	Users   int64     `json:"users"`   // seats; -1: unlimited
}

// UnlimitedSeats is the number of seats of a licence without a limit.
const UnlimitedSeats = 1 << 32

// Fields lists the fields in the order of the wire.
func (p *ProductActivated) Fields(w *wire.Coder) {
	p.Product.Wire(w)
	wire.String(w, &p.Name)
	wire.String(w, &p.Edition)
	wire.Uint(w, &p.Seats)
}

// Fields lists the fields in the order of the wire.
func (p *ProductDeactivated) Fields(w *wire.Coder) {
	p.Product.Wire(w)
	wire.String(w, &p.Reason)
}

// Fields lists the fields in the order of the wire.
func (p *ProductSuspended) Fields(w *wire.Coder) {
	p.Product.Wire(w)
	wire.String(w, &p.Reason)
}

// Fields lists the fields in the order of the wire.
func (p *ProductUnsuspended) Fields(w *wire.Coder) { p.Product.Wire(w) }

// Fields lists the fields in the order of the wire.
func (p *ProductLicenseUpdated) Fields(w *wire.Coder) {
	p.Product.Wire(w)
	wire.String(w, &p.Edition)
	wire.Uint(w, &p.Seats)
	wire.Bool(w, &p.Active)
}

// Fields lists the fields in the order of the wire.
func (p *ProductLicenseUpdatedV1) Fields(w *wire.Coder) {
	p.Product.Wire(w)
	wire.String(w, &p.License)
	wire.Int(w, &p.Users)
}

// EventType names the type.
func (ProductActivated) EventType() Type { return "product.activated.v1" }

// EventType names the type.
func (ProductDeactivated) EventType() Type { return "product.deactivated.v1" }

// EventType names the type.
func (ProductSuspended) EventType() Type { return "product.suspended.v1" }

// EventType names the type.
func (ProductUnsuspended) EventType() Type { return "product.unsuspended.v1" }

// EventType names the type.
func (ProductLicenseUpdated) EventType() Type { return "product.license_updated.v2" }

// EventType names the type.
func (ProductLicenseUpdatedV1) EventType() Type { return "product.license_updated.v1" }
