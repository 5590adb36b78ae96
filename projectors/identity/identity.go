// Package identity is the view of who may do what in which tenant: members with
// their roles and groups, groups with their permissions. Those of a deleted
// tenant are gone, and come back when it is restored. Names and addresses stand
// here as the log has them, sealed.
//
// Read from one viewdb.Snapshot, so that index and member are of one moment.
package identity

import (
	"slices"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
)

// Name and Format are those of the view.
const (
	Name   = "identity"
	Format = 1
)

// The indexes.
const (
	byUser  = 'u' // user; ends in the tenant
	byAdmin = 'a' // ends in the tenant and the user
)

// New is the view's projector.
func New() *projectors.EntityView {
	return &projectors.EntityView{
		ViewName: Name, ViewFormat: Format, Index: index,
		Kinds: []events.EntityKind{events.EntityMember, events.EntityGroup},
	}
}

func index(a events.Aggregate, e events.Entity) ([][]byte, error) {
	m, ok := e.(events.Member)
	if !ok {
		return nil, nil
	}
	keys := [][]byte{projectors.IndexEntry(projectors.IndexKey(byUser, m.User), a.ID, "")}
	if slices.Contains(m.Roles, events.RoleSiteAdmin) {
		keys = append(keys, projectors.IndexEntry(projectors.IndexKey(byAdmin), a.ID, m.User))
	}
	return keys, nil
}

// Member reads one member of a tenant. The error matches
// projectors.ErrQuarantined when the tenant's members are not to be trusted.
func Member(r viewdb.Reader, tenant events.TenantID, user string) (member events.Member, found bool, err error) {
	return projectors.Entity[events.Member](r, events.OfTenant(tenant), events.MemberKey(user))
}

// Members reads the members of a tenant in the order of their ids, a page at a
// time; after, next and limit are as in projectors.Page, the error as Member's.
func Members(r viewdb.Reader, tenant events.TenantID, after []byte, limit int) (members []events.Member, next []byte, err error) {
	return projectors.EntityPage[events.Member](r, events.OfTenant(tenant), events.EntityMember, after, limit)
}

// Groups reads the groups of a tenant in the order of their ids, a page at a
// time; after, next and limit are as in projectors.Page, the error as Member's.
func Groups(r viewdb.Reader, tenant events.TenantID, after []byte, limit int) (groups []events.Group, next []byte, err error) {
	return projectors.EntityPage[events.Group](r, events.OfTenant(tenant), events.EntityGroup, after, limit)
}

// SiteAdmins reads the members who administer a tenant, in the order of their
// ids; the error is as Member's.
func SiteAdmins(r viewdb.Reader, tenant events.TenantID, after []byte, limit int) (admins []events.Member, next []byte, err error) {
	about := events.OfTenant(tenant)
	if err := projectors.Trusted(r, about); err != nil {
		return nil, nil, err
	}
	prefix := projectors.IndexEntry(projectors.IndexKey(byAdmin), about.ID, "")
	return projectors.Page(r, prefix, after, limit, func(user []byte) (events.Member, bool, error) {
		return Member(r, tenant, string(user))
	})
}

// Membership is a tenant that a user is a member of.
type Membership struct {
	Tenant      events.TenantID `json:"tenant"`
	Roles       []string        `json:"roles,omitzero"`
	Groups      []string        `json:"groups,omitzero"`
	Quarantined string          `json:"quarantined,omitzero"` // why there is no more than the tenant
}

// TenantsOf lists the tenants that a user is a member of, in the order of
// their ids; after, next and limit are as in projectors.Page.
func TenantsOf(r viewdb.Reader, user string, after []byte, limit int) (tenants []Membership, next []byte, err error) {
	return projectors.Page(r, projectors.IndexKey(byUser, user), after, limit, func(rest []byte) (Membership, bool, error) {
		id, _, err := projectors.CutEntry(rest)
		if err != nil {
			return Membership{}, false, err
		}
		tenant := events.IDFromUUID[events.TenantID](id)
		m, found, err := Member(r, tenant, user)
		if why, err := projectors.Untrusted(err); why != "" || err != nil {
			return Membership{Tenant: tenant, Quarantined: why}, true, err
		}
		return Membership{Tenant: tenant, Roles: m.Roles, Groups: m.Groups}, found, nil
	})
}
