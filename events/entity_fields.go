package events

import "tenantcatalogue/events/wire"

// kindOf is the kind in the entity's key, without making the key; 0 for none.
func kindOf(e Entity) EntityKind {
	switch e.(type) {
	case Tenant:
		return EntityTenant
	case Placement:
		return EntityPlacement
	case Product:
		return EntityProduct
	case App:
		return EntityApp
	case Member:
		return EntityMember
	case Group:
		return EntityGroup
	case Resource:
		return EntityResource
	case Account:
		return EntityAccount
	case Contact:
		return EntityContact
	case Claim:
		return EntityClaim
	case Restoration:
		return EntityRestoration
	case RestoreTarget:
		return EntityRestoreTarget
	case Deletion:
		return EntityDeletion
	case Door:
		return EntityDoor
	case Passage:
		return EntityPassage
	case InForce:
		return EntityPolicy
	case Proposal:
		return EntityProposal
	case Clock:
		return EntityClock
	case Liens:
		return EntityLiens
	case Deactivation:
		return EntityDeactivation
	}
	return 0
}

// Fields lists the fields in the order of the wire.
func (t *Tenant) Fields(w *wire.Coder) {
	wire.String(w, &t.URL)
	wire.Fixed(w, t.CloudID[:])
	t.Account.Wire(w)
	wire.String(w, &t.Tier)
	wire.Bool(w, &t.Internal)
	wire.String(w, &t.Status)
	wire.Int(w, &t.Created)
	wire.Map(w, &t.Metadata, wire.String)
	wire.Map(w, &t.Flags, wire.Bool)
	wire.Uint(w, &t.ActiveUsers)
	wire.Int(w, &t.LastActivity)
}

// Fields lists the fields in the order of the wire.
func (d *Deactivation) Fields(w *wire.Coder) { wire.Int(w, &d.Since) }

// Fields lists the fields in the order of the wire.
func (p *Placement) Fields(w *wire.Coder) {
	wire.String(w, &p.Region)
	wire.String(w, &p.Shard)
	wire.String(w, &p.Residency)
}

// Fields lists the fields in the order of the wire.
func (p *Product) Fields(w *wire.Coder) {
	p.ID.Wire(w)
	wire.String(w, &p.Name)
	wire.String(w, &p.Status)
	wire.String(w, &p.Edition)
	wire.Uint(w, &p.Seats)
	wire.Bool(w, &p.Licensed)
}

// Fields lists the fields in the order of the wire.
func (a *App) Fields(w *wire.Coder) {
	a.ID.Wire(w)
	wire.String(w, &a.Name)
	wire.String(w, &a.Version)
	wire.Bool(w, &a.Installed)
}

// Fields lists the fields in the order of the wire.
func (m *Member) Fields(w *wire.Coder) {
	wire.String(w, &m.User)
	wire.String(w, &m.Name)
	wire.String(w, &m.Email)
	wire.Strings(w, &m.Roles)
	wire.Strings(w, &m.Groups)
}

// Fields lists the fields in the order of the wire.
func (g *Group) Fields(w *wire.Coder) {
	wire.String(w, &g.Group)
	wire.String(w, &g.Name)
	wire.Strings(w, &g.Permissions)
}

// Fields lists the fields in the order of the wire.
func (r *Resource) Fields(w *wire.Coder) {
	wire.String(w, &r.Service)
	wire.String(w, &r.Kind)
	wire.String(w, &r.Name)
	wire.String(w, &r.Region)
	wire.String(w, &r.Shard)
}

// Fields lists the fields in the order of the wire.
func (a *Account) Fields(w *wire.Coder) {
	wire.String(w, &a.Name)
	wire.Int(w, &a.Created)
}

// Fields lists the fields in the order of the wire.
func (c *Contact) Fields(w *wire.Coder) {
	wire.String(w, &c.Kind)
	wire.Uint(w, &c.Place)
	wire.String(w, &c.Name)
	wire.String(w, &c.Email)
	wire.String(w, &c.Phone)
	wire.Int(w, &c.Verified)
}

// Fields lists the fields in the order of the wire.
func (c *Claim) Fields(w *wire.Coder) {
	wire.String(w, &c.Kind)
	wire.String(w, &c.Value)
	c.Tenant.Wire(w)
}

// Fields lists the fields in the order of the wire.
func (r *Restoration) Fields(w *wire.Coder) {
	wire.String(w, &r.Mode)
	wire.Uint(w, &r.Cut)
	wire.Uint(w, &r.AsOf)
	wire.Struct(w, &r.Cause)
	wire.Uint(w, &r.Targets)
	wire.Bool(w, &r.Finished)
}
