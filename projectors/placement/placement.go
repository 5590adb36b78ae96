// Package placement is the view of where tenants live and what services hold of
// them: tenants by region and by shard, resources by tenant and by shard. What
// a deleted tenant had is gone, and comes back when it is restored.
//
// Read from one viewdb.Snapshot, so that index and row are of one moment.
package placement

import (
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
)

// Name and Format are those of the view.
const (
	Name   = "placement"
	Format = 1
)

// The indexes. Each entry ends in the tenant; a resource's in its id too.
const (
	byRegion        = 'r'
	byShard         = 's'
	byResourceShard = 'p'
)

// New is the view's projector.
func New() *projectors.EntityView {
	return &projectors.EntityView{
		ViewName: Name, ViewFormat: Format, Index: index,
		Kinds: []events.EntityKind{events.EntityPlacement, events.EntityResource},
	}
}

func index(a events.Aggregate, e events.Entity) ([][]byte, error) {
	var keys [][]byte
	add := func(index byte, field string) {
		if field != "" {
			keys = append(keys, projectors.IndexEntry(projectors.IndexKey(index, field), a.ID, e.EntityKey().ID))
		}
	}
	switch e := e.(type) {
	case events.Placement:
		add(byRegion, e.Region)
		add(byShard, e.Shard)
	case events.Resource:
		add(byResourceShard, e.Shard)
	}
	return keys, nil
}

// Tenant is where a tenant lives.
type Tenant struct {
	Tenant events.TenantID `json:"tenant"`
	events.Placement
	Quarantined string `json:"quarantined,omitzero"` // in lists: why there is no more than the tenant
}

// Of reads where a tenant lives. The error matches projectors.ErrQuarantined
// when the tenant's rows are not to be trusted.
func Of(r viewdb.Reader, tenant events.TenantID) (at events.Placement, found bool, err error) {
	return projectors.Entity[events.Placement](r, events.OfTenant(tenant), events.Placement{}.EntityKey())
}

// InRegion lists the tenants that live in a region, in the order of their ids;
// after, next and limit are as in projectors.Page.
func InRegion(r viewdb.Reader, region string, after []byte, limit int) (tenants []Tenant, next []byte, err error) {
	return list(r, projectors.IndexKey(byRegion, region), after, limit)
}

// OnShard lists the tenants that live on a shard, in the order of their ids;
// after, next and limit are as in projectors.Page.
func OnShard(r viewdb.Reader, shard string, after []byte, limit int) (tenants []Tenant, next []byte, err error) {
	return list(r, projectors.IndexKey(byShard, shard), after, limit)
}

func list(r viewdb.Reader, prefix, after []byte, limit int) ([]Tenant, []byte, error) {
	return projectors.Page(r, prefix, after, limit, func(rest []byte) (Tenant, bool, error) {
		id, _, err := projectors.CutEntry(rest)
		if err != nil {
			return Tenant{}, false, err
		}
		tenant := events.IDFromUUID[events.TenantID](id)
		at, found, err := Of(r, tenant)
		if why, err := projectors.Untrusted(err); why != "" || err != nil {
			return Tenant{Tenant: tenant, Quarantined: why}, true, err
		}
		return Tenant{Tenant: tenant, Placement: at}, found, nil
	})
}

// Resources reads what services hold of a tenant, by service, kind and name, a
// page at a time; after, next and limit are as in projectors.Page, the error as
// Of's.
func Resources(r viewdb.Reader, tenant events.TenantID, after []byte, limit int) (resources []events.Resource, next []byte, err error) {
	return projectors.EntityPage[events.Resource](r, events.OfTenant(tenant), events.EntityResource, after, limit)
}

// Resource is what a service holds of a tenant.
type Resource struct {
	Tenant events.TenantID `json:"tenant"`
	events.Resource
	Quarantined string `json:"quarantined,omitzero"` // why there is no more than the tenant
}

// ResourcesOn lists the resources on a shard, by tenant; after, next and limit
// are as in projectors.Page.
func ResourcesOn(r viewdb.Reader, shard string, after []byte, limit int) (resources []Resource, next []byte, err error) {
	return projectors.Page(r, projectors.IndexKey(byResourceShard, shard), after, limit, func(rest []byte) (Resource, bool, error) {
		id, name, err := projectors.CutEntry(rest)
		if err != nil {
			return Resource{}, false, err
		}
		tenant := events.IDFromUUID[events.TenantID](id)
		key := events.EntityKey{Kind: events.EntityResource, ID: name}
		resource, found, err := projectors.Entity[events.Resource](r, events.OfTenant(tenant), key)
		if why, err := projectors.Untrusted(err); why != "" || err != nil {
			return Resource{Tenant: tenant, Quarantined: why}, true, err
		}
		return Resource{Tenant: tenant, Resource: resource}, found, nil
	})
}
