// Package commerce is the view of the products that tenants have licences for:
// by tenant, by product id, by name and by status. Products of a deleted tenant
// are gone, and come back when it is restored.
//
// Read from one viewdb.Snapshot, so that index and product are of one moment.
package commerce

import (
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
)

// Name and Format are those of the view.
const (
	Name   = "commerce"
	Format = 1
)

// Product is a product with the tenant that has it.
type Product struct {
	Tenant events.TenantID `json:"tenant"`
	events.Product
	Quarantined string `json:"quarantined,omitzero"` // in lists: why there are no more than the ids
}

// The indexes. Each entry ends in the tenant and the product.
const (
	byID     = 'i'
	byName   = 'n'
	byStatus = 's'
)

// New is the view's projector.
func New() *projectors.EntityView {
	return &projectors.EntityView{
		ViewName: Name, ViewFormat: Format, Index: index, Kinds: []events.EntityKind{events.EntityProduct},
	}
}

func index(a events.Aggregate, e events.Entity) ([][]byte, error) {
	p, ok := e.(events.Product)
	if !ok {
		return nil, nil
	}
	id := p.EntityKey().ID
	return [][]byte{
		projectors.IndexEntry(projectors.IndexKey(byID, p.ID.String()), a.ID, id),
		projectors.IndexEntry(projectors.IndexKey(byName, p.Name), a.ID, id),
		projectors.IndexEntry(projectors.IndexKey(byStatus, string(p.Status)), a.ID, id),
	}, nil
}

// OfTenant reads the products of a tenant in the order of their ids. The error
// matches projectors.ErrQuarantined when they are not to be trusted.
func OfTenant(r viewdb.Reader, tenant events.TenantID) ([]events.Product, error) {
	return projectors.Entities[events.Product](r, events.OfTenant(tenant), events.EntityProduct)
}

// Get reads a product by its id, which also tells its tenant. The error is as
// OfTenant's.
func Get(r viewdb.Reader, id events.ProductID) (product Product, found bool, err error) {
	places, _, err := projectors.Page(r, projectors.IndexKey(byID, id.String()), nil, 1, placeOf)
	if err != nil || len(places) == 0 {
		return Product{}, false, err
	}
	return places[0].read(r)
}

// ByName lists the products of one name, e.g. issue-tracker, of all tenants.
// after, next and limit are as in projectors.Page.
func ByName(r viewdb.Reader, name string, after []byte, limit int) (products []Product, next []byte, err error) {
	return list(r, projectors.IndexKey(byName, name), after, limit)
}

// ByStatus lists the products in a status, of all tenants. after, next and
// limit are as in projectors.Page.
func ByStatus(r viewdb.Reader, status events.ProductStatus, after []byte, limit int) (products []Product, next []byte, err error) {
	return list(r, projectors.IndexKey(byStatus, string(status)), after, limit)
}

func list(r viewdb.Reader, prefix, after []byte, limit int) ([]Product, []byte, error) {
	return projectors.Page(r, prefix, after, limit, func(rest []byte) (Product, bool, error) {
		at, _, err := placeOf(rest)
		if err != nil {
			return Product{}, false, err
		}
		product, found, err := at.read(r)
		if why, err := projectors.Untrusted(err); why != "" || err != nil {
			return Product{Tenant: at.tenant, Product: events.Product{ID: at.product}, Quarantined: why}, true, err
		}
		return product, found, nil
	})
}

// place is where a product is to be read.
type place struct {
	tenant  events.TenantID
	product events.ProductID
}

func placeOf(rest []byte) (place, bool, error) {
	tenant, product, err := projectors.CutIDEntry(rest)
	if err != nil {
		return place{}, false, err
	}
	return place{events.IDFromUUID[events.TenantID](tenant), events.IDFromUUID[events.ProductID](product)}, true, nil
}

func (p place) read(r viewdb.Reader) (Product, bool, error) {
	product, found, err := projectors.Entity[events.Product](r, events.OfTenant(p.tenant), events.ProductKey(p.product))
	if err != nil || !found {
		return Product{}, false, err
	}
	return Product{Tenant: p.tenant, Product: product}, true, nil
}
