package events

import "tenantcatalogue/events/wire"

// IdentityMemberGranted makes a user a member of a tenant, or sets the roles
// and groups of one who is.
type IdentityMemberGranted struct {
	User   string   `json:"user"` // opaque id
	Name   Personal `json:"name,omitzero"`
	Email  Personal `json:"email,omitzero"`
	Roles  []string `json:"roles,omitzero"` // site_admin among them
	Groups []string `json:"groups,omitzero"`
}

// IdentityMemberRevoked ends a membership.
type IdentityMemberRevoked struct {
	User string `json:"user"`
}

// IdentityGroupSet makes a group or changes its name.
type IdentityGroupSet struct {
	Group string `json:"group"` // opaque id
	Name  string `json:"name"`
}

// IdentityGroupRemoved ends a group.
type IdentityGroupRemoved struct {
	Group string `json:"group"`
}

// IdentityPermissionsChanged replaces the permissions of a group.
type IdentityPermissionsChanged struct {
	Group       string   `json:"group"`
	Permissions []string `json:"permissions"`
}

// Fields lists the fields in the order of the wire.
func (m *IdentityMemberGranted) Fields(w *wire.Coder) {
	wire.String(w, &m.User)
	wire.String(w, &m.Name)
	wire.String(w, &m.Email)
	wire.Strings(w, &m.Roles)
	wire.Strings(w, &m.Groups)
}

// Fields lists the fields in the order of the wire.
func (i *IdentityMemberRevoked) Fields(w *wire.Coder) { wire.String(w, &i.User) }

// Fields lists the fields in the order of the wire.
func (i *IdentityGroupSet) Fields(w *wire.Coder) {
	wire.String(w, &i.Group)
	wire.String(w, &i.Name)
}

// Fields lists the fields in the order of the wire.
func (i *IdentityGroupRemoved) Fields(w *wire.Coder) { wire.String(w, &i.Group) }

// Fields lists the fields in the order of the wire.
func (i *IdentityPermissionsChanged) Fields(w *wire.Coder) {
	wire.String(w, &i.Group)
	wire.Strings(w, &i.Permissions)
}

// EventType names the type.
func (IdentityMemberGranted) EventType() Type { return "identity.member_granted.v1" }

// EventType names the type.
func (IdentityMemberRevoked) EventType() Type { return "identity.member_revoked.v1" }

// EventType names the type.
func (IdentityGroupSet) EventType() Type { return "identity.group_set.v1" }

// EventType names the type.
func (IdentityGroupRemoved) EventType() Type { return "identity.group_removed.v1" }

// EventType names the type.
func (IdentityPermissionsChanged) EventType() Type { return "identity.permissions_changed.v1" }

// MapPersonal maps the name and the address.
func (m IdentityMemberGranted) MapPersonal(f PersonalMap) (Payload, error) {
	err := mapFields(f, "", personalField{"name", &m.Name}, personalField{"email", &m.Email})
	return m, err
}
