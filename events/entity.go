package events

import (
	"fmt"

	"github.com/google/uuid"
)

// EntityKind says what piece of an aggregate's state an entity is.
type EntityKind byte

// The entities of a tenant and of an account, in the order of their keys.
const (
	EntityTenant    EntityKind = 'A' // one: the catalogue record
	EntityPlacement EntityKind = 'B' // one: where the tenant lives
	EntityProduct   EntityKind = 'C' // by product id
	EntityApp       EntityKind = 'D' // by app id
	EntityMember    EntityKind = 'E' // by user
	EntityGroup     EntityKind = 'F' // by group
	EntityResource  EntityKind = 'G' // by service, kind and name
	EntityAccount   EntityKind = 'H' // one: the customer
	EntityContact   EntityKind = 'I' // by place in the list

	EntityClaim       EntityKind = 'J' // one: who holds a URL or a cloud id
	EntityRestoration EntityKind = 'K' // one: a restoration as far as it is known

	EntityDeletion EntityKind = 'L' // one: a plan and what became of it
	EntityDoor     EntityKind = 'M' // one: what is open, held, halted
	EntityPassage  EntityKind = 'N' // by plan and wave
	EntityPolicy   EntityKind = 'O' // one: the policy in force
	EntityProposal EntityKind = 'P' // one: the policy proposed
	EntityClock    EntityKind = 'Q' // one
	EntityLiens    EntityKind = 'R' // one

	EntityDeactivation EntityKind = 'S' // of a tenant, one: since when it is out of service

	EntityRestoreTarget EntityKind = 'T' // of a restoration, by tenant
)

// EntityKinds lists every kind in key order.
var EntityKinds = []EntityKind{
	EntityTenant, EntityPlacement, EntityProduct, EntityApp, EntityMember, EntityGroup, EntityResource,
	EntityAccount, EntityContact, EntityClaim, EntityRestoration,
	EntityDeletion, EntityDoor, EntityPassage, EntityPolicy, EntityProposal, EntityClock, EntityLiens,
	EntityDeactivation, EntityRestoreTarget,
}

// String is the kind's name in JSON.
func (k EntityKind) String() string {
	if d, ok := entityKinds[k]; ok {
		return d.name
	}
	return fmt.Sprintf("entity kind %q", byte(k))
}

// Of is the kind of aggregate that has such entities.
func (k EntityKind) Of() AggregateKind {
	switch k {
	case EntityAccount, EntityContact:
		return AggregateAccount
	case EntityClaim:
		return AggregateClaim
	case EntityRestoration, EntityRestoreTarget:
		return AggregateRestoration
	case EntityDeletion:
		return AggregateDeletion
	case EntityDoor, EntityPassage:
		return AggregateDoor
	case EntityPolicy, EntityProposal:
		return AggregatePolicy
	case EntityClock:
		return AggregateClock
	case EntityLiens:
		return AggregateLien
	case EntityTenant, EntityPlacement, EntityProduct, EntityApp, EntityMember, EntityGroup, EntityResource, EntityDeactivation:
	}
	return AggregateTenant
}

// EntityKey is an entity's place in its aggregate's state.
type EntityKey struct {
	Kind EntityKind
	ID   string // raw bytes, unique within the aggregate and kind; empty where there is one only
}

// Append appends the key's bytes: the kind and the id.
func (k EntityKey) Append(dst []byte) []byte { return append(append(dst, byte(k.Kind)), k.ID...) }

// Entity is a piece of an aggregate's state that can stand in a row of its own:
// the tenant's record, a product, a member. The whole state of an aggregate is
// its entities. An entity is an immutable value: to change it, put another.
type Entity interface {
	EntityKey() EntityKey
}

// TenantStatus is the state of a tenant.
type TenantStatus string

// The states of a tenant.
const (
	TenantStatusActive      TenantStatus = "active"
	TenantStatusDeactivated TenantStatus = "deactivated"
	TenantStatusDeleted     TenantStatus = "deleted"
)

// Tenant is a tenant's catalogue record.
type Tenant struct {
	URL          string            `json:"url"`
	CloudID      uuid.UUID         `json:"cloud_id"`
	Account      AccountID         `json:"account"`
	Tier         string            `json:"tier"`
	Internal     bool              `json:"internal,omitzero"` // the vendor's own
	Status       TenantStatus      `json:"status"`
	Created      Time              `json:"created"`
	Metadata     map[string]string `json:"metadata,omitzero"`
	Flags        map[string]bool   `json:"flags,omitzero"`
	ActiveUsers  uint64            `json:"active_users,omitzero"`
	LastActivity Time              `json:"last_activity,omitzero"`
}

// Deactivation is since when a tenant is out of service: deactivated, or deleted.
type Deactivation struct {
	Since Time `json:"since"` // recorded
}

// Placement is where a tenant lives.
type Placement struct {
	Region    string `json:"region"`
	Shard     string `json:"shard,omitzero"`
	Residency string `json:"residency,omitzero"` // the region its data must not leave; empty: none
}

// ProductStatus is the state of a product.
type ProductStatus string

// The states of a product.
const (
	ProductStatusActive    ProductStatus = "active"
	ProductStatusInactive  ProductStatus = "inactive"
	ProductStatusSuspended ProductStatus = "suspended"
)

// Product is a product a tenant has a licence for.
type Product struct {
	ID       ProductID     `json:"product"`
	Name     string        `json:"name"` // which product, e.g. issue-tracker
	Status   ProductStatus `json:"status"`
	Edition  string        `json:"edition,omitzero"`
	Seats    uint64        `json:"seats,omitzero"`
	Licensed bool          `json:"licensed"` // the licence is active
}

// App is an app installed in a tenant. An uninstalled app stays as a
// tombstone, so that its id is not issued again and it can be restored.
type App struct {
	ID        AppID  `json:"app"`
	Name      string `json:"name"` // which app, e.g. asset-tracker
	Version   string `json:"version,omitzero"`
	Installed bool   `json:"installed"`
}

// Member is a user's membership of a tenant.
type Member struct {
	User   string   `json:"user"` // opaque id
	Name   Personal `json:"name,omitzero"`
	Email  Personal `json:"email,omitzero"`
	Roles  []string `json:"roles,omitzero"` // sorted; site_admin among them
	Groups []string `json:"groups,omitzero"`
}

// RoleSiteAdmin is the role that administers a tenant.
const RoleSiteAdmin = "site_admin"

// Group is a group of a tenant's members with its permissions.
type Group struct {
	Group       string   `json:"group"` // opaque id
	Name        string   `json:"name,omitzero"`
	Permissions []string `json:"permissions,omitzero"` // sorted
}

// Resource is what a service holds of a tenant: a database, a media bucket, a
// search index, a shard.
type Resource struct {
	Service string       `json:"service"`
	Kind    ResourceKind `json:"kind"`
	Name    string       `json:"name"`
	Region  string       `json:"region"`
	Shard   string       `json:"shard,omitzero"`
}

// ResourceKind says what is held.
type ResourceKind string

// The kinds of resource.
const (
	ResourceDatabase    ResourceKind = "database"
	ResourceMediaBucket ResourceKind = "media_bucket"
	ResourceSearchIndex ResourceKind = "search_index"
	ResourceShard       ResourceKind = "shard"
)

// Account is a customer.
type Account struct {
	Name    Personal `json:"name"`
	Created Time     `json:"created"`
}

// ContactKind says what a contact is for.
type ContactKind string

// The kinds of contact.
const (
	ContactBilling   ContactKind = "billing"
	ContactTechnical ContactKind = "technical"
	ContactAdmin     ContactKind = "admin"
	ContactSecurity  ContactKind = "security"
)

// Contact is somebody to reach about an account.
type Contact struct {
	Kind     ContactKind `json:"kind"`
	Place    uint16      `json:"place"` // in the account's list, from 0
	Name     Personal    `json:"name,omitzero"`
	Email    Personal    `json:"email,omitzero"`
	Phone    Personal    `json:"phone,omitzero"`
	Verified Time        `json:"verified,omitzero"` // when it was last found to be right
}

// Claim is who holds a URL or a cloud id.
type Claim struct {
	Kind   ClaimKind `json:"kind"`
	Value  string    `json:"value"`
	Tenant TenantID  `json:"tenant"`
}

// Restoration is what a restoration set out to do, and whether it is finished.
// Its targets are entities of their own until then.
type Restoration struct {
	Mode     RestoreMode `json:"mode"`
	Cut      Seq         `json:"cut"`
	AsOf     Seq         `json:"as_of"`
	Cause    Cause       `json:"cause"`
	Targets  uint32      `json:"targets"`
	Finished bool        `json:"finished"`
}

// EntityKey places the record: there is one.
func (Tenant) EntityKey() EntityKey { return EntityKey{Kind: EntityTenant} }

// EntityKey places the deactivation: there is one.
func (Deactivation) EntityKey() EntityKey { return EntityKey{Kind: EntityDeactivation} }

// EntityKey places the placement: there is one.
func (Placement) EntityKey() EntityKey { return EntityKey{Kind: EntityPlacement} }

// EntityKey places the product by its id.
func (p Product) EntityKey() EntityKey { return ProductKey(p.ID) }

// EntityKey places the app by its id.
func (a App) EntityKey() EntityKey { return AppKey(a.ID) }

// EntityKey places the member by its user.
func (m Member) EntityKey() EntityKey { return MemberKey(m.User) }

// EntityKey places the group by its id.
func (g Group) EntityKey() EntityKey { return GroupKey(g.Group) }

// EntityKey places the resource by service, kind and name.
func (r Resource) EntityKey() EntityKey { return ResourceKey(r.Service, r.Kind, r.Name) }

// EntityKey places the account: there is one.
func (Account) EntityKey() EntityKey { return EntityKey{Kind: EntityAccount} }

// EntityKey places the contact by its place in the list.
func (c Contact) EntityKey() EntityKey {
	return EntityKey{EntityContact, string([]byte{byte(c.Place >> 8), byte(c.Place)})}
}

// EntityKey places the claim: there is one.
func (Claim) EntityKey() EntityKey { return EntityKey{Kind: EntityClaim} }

// EntityKey places the restoration: there is one.
func (Restoration) EntityKey() EntityKey { return EntityKey{Kind: EntityRestoration} }

// EntityKey places the target by its tenant.
func (r RestoreTarget) EntityKey() EntityKey { return RestoreTargetKey(r.Tenant) }

// RestoreTargetKey is the key of a restoration's target.
func RestoreTargetKey(tenant TenantID) EntityKey {
	u := tenant.UUID()
	return EntityKey{EntityRestoreTarget, string(u[:])}
}

// ProductKey is the key of a product.
func ProductKey(id ProductID) EntityKey {
	u := id.UUID()
	return EntityKey{EntityProduct, string(u[:])}
}

// AppKey is the key of an app.
func AppKey(id AppID) EntityKey { u := id.UUID(); return EntityKey{EntityApp, string(u[:])} }

// MemberKey is the key of a member.
func MemberKey(user string) EntityKey { return EntityKey{EntityMember, user} }

// GroupKey is the key of a group.
func GroupKey(group string) EntityKey { return EntityKey{EntityGroup, group} }

// ResourceKey is the key of a resource. Names hold no NUL: the schema sees to it.
func ResourceKey(service string, kind ResourceKind, name string) EntityKey {
	return EntityKey{EntityResource, service + "\x00" + string(kind) + "\x00" + name}
}

// MapPersonal maps the name and the address.
func (m Member) MapPersonal(f PersonalMap) (Entity, error) {
	err := mapFields(f, "", personalField{"name", &m.Name}, personalField{"email", &m.Email})
	return m, err
}

// MapPersonal maps the name.
func (a Account) MapPersonal(f PersonalMap) (Entity, error) {
	err := mapFields(f, "", personalField{"name", &a.Name})
	return a, err
}

// MapPersonal maps the name, the address and the number.
func (c Contact) MapPersonal(f PersonalMap) (Entity, error) {
	err := mapFields(f, "", personalField{"name", &c.Name}, personalField{"email", &c.Email}, personalField{"phone", &c.Phone})
	return c, err
}
