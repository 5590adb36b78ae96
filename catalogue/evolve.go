package catalogue

import (
	"fmt"
	"maps"
	"slices"

	"tenantcatalogue/events"
)

// Evolve is the fold: it applies one event to the state of the aggregate the
// event is about. There is no other; the write side, every view and every
// replay use it. It decides nothing: what is in the log has happened.
//
// An event's effect on an entity depends on that entity and the event alone,
// so that a view which keeps some kinds of entity folds them exactly as the
// whole state would. The error matches ErrFold when the event cannot follow
// the state: then the log was not written by these rules.
func Evolve(s State, e events.Event) error {
	var err error
	switch p := e.Payload.(type) {
	case events.AccountCreated:
		err = s.Put(events.Account{Name: p.Name, Created: e.Time})
	case events.AccountContactsUpdated:
		err = evolveContacts(s, p)
	case events.ClaimTaken:
		err = s.Put(events.Claim(p))
	case events.ClaimReleased:
		err = s.Delete(events.Claim{}.EntityKey())
	case events.RestorationPlanned:
		err = evolvePlanned(s, p)
	case events.RestorationFinished:
		err = evolveFinished(s)
	case events.TenantCreated, events.TenantDeleted, events.TenantRestored:
		err = evolveLife(s, e)
	case events.TenantRelocated:
		err = change(s, events.Placement{}.EntityKey(), func(at *events.Placement) {
			at.Region, at.Shard = p.Region, p.Shard
		})
	case events.ResourceProvisioned:
		err = s.Put(events.Resource(p))
	case events.ResourceDeprovisioned:
		err = s.Delete(events.ResourceKey(p.Service, p.Kind, p.Name))
	default:
		if e.About.Kind == events.AggregateTenant {
			err = evolveInside(s, e)
		} else {
			err = evolveGoverned(s, e)
		}
	}
	if err != nil {
		return fmt.Errorf("fold %s at %d: %w", e.Type(), e.Seq, err)
	}
	return nil
}

// Touches tells whether an event can change entities of a kind.
func Touches(p events.Payload, kind events.EntityKind) bool {
	switch p.(type) {
	case events.TenantCreated:
		return kind == events.EntityTenant || kind == events.EntityPlacement
	case events.TenantDeleted, events.TenantRestored:
		return kind.Of() == events.AggregateTenant
	case events.TenantConfigured, events.TenantRenamed, events.TenantUsageReported:
		return kind == events.EntityTenant
	case events.TenantDeactivated, events.TenantReactivated:
		return kind == events.EntityTenant || kind == events.EntityDeactivation
	case events.TenantRelocated:
		return kind == events.EntityPlacement
	case events.ProductActivated, events.ProductDeactivated, events.ProductSuspended,
		events.ProductUnsuspended, events.ProductLicenseUpdated:
		return kind == events.EntityProduct
	case events.AppInstalled, events.AppUninstalled, events.AppRestored:
		return kind == events.EntityApp
	case events.IdentityMemberGranted, events.IdentityMemberRevoked:
		return kind == events.EntityMember
	case events.IdentityGroupSet, events.IdentityGroupRemoved, events.IdentityPermissionsChanged:
		return kind == events.EntityGroup
	case events.ResourceProvisioned, events.ResourceDeprovisioned:
		return kind == events.EntityResource
	default:
		return kind.Of() == p.EventType().About()
	}
}

// evolveInside folds what happens within a living tenant.
func evolveInside(s State, e events.Event) error {
	switch e.Payload.(type) {
	case events.TenantDeactivated, events.TenantReactivated:
		return evolveService(s, e)
	case events.TenantConfigured, events.TenantRenamed, events.TenantUsageReported:
		return change(s, events.Tenant{}.EntityKey(), func(t *events.Tenant) { evolveTenant(t, e.Payload) })
	case events.ProductActivated, events.ProductDeactivated, events.ProductSuspended,
		events.ProductUnsuspended, events.ProductLicenseUpdated:
		return evolveProduct(s, e.Payload)
	case events.AppInstalled, events.AppUninstalled, events.AppRestored:
		return evolveApp(s, e.Payload)
	case events.IdentityMemberGranted, events.IdentityMemberRevoked, events.IdentityGroupSet,
		events.IdentityGroupRemoved, events.IdentityPermissionsChanged:
		return evolveIdentity(s, e.Payload)
	}
	return fmt.Errorf("%w: there is no fold for %T", ErrFold, e.Payload)
}

// tenantKinds lists what a tenant is made of.
var tenantKinds = append([]events.EntityKind{events.EntityTenant}, deletedWithTenant...)

// deletedWithTenant lists what goes with a tenant's tombstone. Its record
// stays, marked, and since when it is deleted; so do its claims and its account's contacts, which are
// aggregates of their own.
var deletedWithTenant = []events.EntityKind{
	events.EntityPlacement, events.EntityProduct, events.EntityApp,
	events.EntityMember, events.EntityGroup, events.EntityResource, events.EntityDeactivation,
}

func evolveLife(s State, e events.Event) error {
	switch p := e.Payload.(type) {
	case events.TenantCreated:
		record := events.Tenant{
			URL: p.URL, CloudID: p.CloudID, Account: p.Account, Tier: p.Tier, Internal: p.Internal,
			Status: events.TenantStatusActive, Created: e.Time,
		}
		if err := s.Put(record); err != nil {
			return err
		}
		return s.Put(events.Placement{Region: p.Region, Shard: p.Shard, Residency: p.Residency})
	case events.TenantDeleted:
		if err := clearAll(s, deletedWithTenant); err != nil {
			return err
		}
		if err := s.Put(events.Deactivation{Since: e.RecordedTime}); err != nil {
			return err
		}
		return change(s, events.Tenant{}.EntityKey(), func(t *events.Tenant) { t.Status = events.TenantStatusDeleted })
	case events.TenantRestored:
		if p.Part == 1 {
			if err := clearAll(s, tenantKinds); err != nil {
				return err
			}
		}
		for _, entity := range p.Entities {
			if kind := entity.EntityKey().Kind; kind.Of() != events.AggregateTenant {
				return fmt.Errorf("%w: a tenant has no %s", ErrFold, kind)
			}
			if err := s.Put(unshared(entity)); err != nil {
				return err
			}
		}
	}
	return nil
}

// unshared is the entity with maps and lists of its own, so that whoever holds
// the event cannot change the state through it.
func unshared(entity events.Entity) events.Entity {
	switch x := entity.(type) {
	case events.Tenant:
		x.Metadata, x.Flags = maps.Clone(x.Metadata), maps.Clone(x.Flags)
		return x
	case events.Member:
		x.Roles, x.Groups = slices.Clone(x.Roles), slices.Clone(x.Groups)
		return x
	case events.Group:
		x.Permissions = slices.Clone(x.Permissions)
		return x
	}
	return entity
}

func clearAll(s State, kinds []events.EntityKind) error {
	for _, kind := range kinds {
		if !s.Keeps(kind) {
			continue
		}
		if err := s.Clear(kind); err != nil {
			return err
		}
	}
	return nil
}

func evolveTenant(t *events.Tenant, payload events.Payload) {
	switch p := payload.(type) {
	case events.TenantConfigured:
		t.Metadata = configured(t.Metadata, p.Metadata, p.Unset)
		t.Flags = configured(t.Flags, p.Flags, p.Unset)
	case events.TenantRenamed:
		t.URL = p.URL
	case events.TenantUsageReported:
		t.ActiveUsers, t.LastActivity = p.ActiveUsers, max(t.LastActivity, p.LastActivity) // reports may come late
	case events.TenantDeactivated:
		t.Status = events.TenantStatusDeactivated
	case events.TenantReactivated:
		t.Status = events.TenantStatusActive
	}
}

// evolveService takes a tenant out of service, or puts it back.
func evolveService(s State, e events.Event) error {
	err := change(s, events.Tenant{}.EntityKey(), func(t *events.Tenant) { evolveTenant(t, e.Payload) })
	if _, out := e.Payload.(events.TenantDeactivated); err == nil && out {
		return s.Put(events.Deactivation{Since: e.RecordedTime})
	}
	if err != nil {
		return err
	}
	return s.Delete(events.Deactivation{}.EntityKey())
}

// configured never changes the map it is given: entities are immutable. An
// empty map is nil, so that equal settings have equal bytes.
func configured[V any](have, set map[string]V, unset []string) map[string]V {
	out := maps.Clone(have)
	if out == nil {
		out = make(map[string]V, len(set))
	}
	for _, k := range unset {
		delete(out, k)
	}
	maps.Copy(out, set)
	if len(out) == 0 {
		return nil
	}
	return out
}

func evolveProduct(s State, payload events.Payload) error {
	switch p := payload.(type) {
	case events.ProductActivated:
		return activateProduct(s, p)
	case events.ProductDeactivated:
		return change(s, events.ProductKey(p.Product), func(x *events.Product) { x.Status = events.ProductStatusInactive })
	case events.ProductSuspended:
		return change(s, events.ProductKey(p.Product), func(x *events.Product) { x.Status = events.ProductStatusSuspended })
	case events.ProductUnsuspended:
		return change(s, events.ProductKey(p.Product), func(x *events.Product) { x.Status = events.ProductStatusActive })
	case events.ProductLicenseUpdated:
		return change(s, events.ProductKey(p.Product), func(x *events.Product) {
			x.Edition, x.Seats, x.Licensed = p.Edition, p.Seats, p.Active
		})
	}
	return nil
}

// activateProduct begins a product or activates it again; what the event does
// not say stays as it was.
func activateProduct(s State, p events.ProductActivated) error {
	if !s.Keeps(events.EntityProduct) {
		return nil
	}
	x, _, err := Get[events.Product](s, events.ProductKey(p.Product))
	if err != nil {
		return err
	}
	x.ID, x.Status, x.Licensed = p.Product, events.ProductStatusActive, true
	if p.Name != "" {
		x.Name = p.Name
	}
	if p.Edition != "" {
		x.Edition = p.Edition
	}
	if p.Seats != 0 {
		x.Seats = p.Seats
	}
	return s.Put(x)
}

func evolveApp(s State, payload events.Payload) error {
	switch p := payload.(type) {
	case events.AppInstalled:
		return s.Put(events.App{ID: p.App, Name: p.Name, Version: p.Version, Installed: true})
	case events.AppUninstalled:
		return change(s, events.AppKey(p.App), func(a *events.App) { a.Installed = false })
	case events.AppRestored:
		return s.Put(events.App{ID: p.App, Name: p.Name, Version: p.Version, Installed: true})
	}
	return nil
}

func evolveIdentity(s State, payload events.Payload) error {
	switch p := payload.(type) {
	case events.IdentityMemberGranted:
		return s.Put(events.Member{
			User: p.User, Name: p.Name, Email: p.Email, Roles: sorted(p.Roles), Groups: sorted(p.Groups),
		})
	case events.IdentityMemberRevoked:
		return s.Delete(events.MemberKey(p.User))
	case events.IdentityGroupSet:
		return setGroup(s, p)
	case events.IdentityGroupRemoved:
		return s.Delete(events.GroupKey(p.Group))
	case events.IdentityPermissionsChanged:
		return change(s, events.GroupKey(p.Group), func(g *events.Group) { g.Permissions = sorted(p.Permissions) })
	}
	return nil
}

func setGroup(s State, p events.IdentityGroupSet) error {
	if !s.Keeps(events.EntityGroup) {
		return nil
	}
	g, _, err := Get[events.Group](s, events.GroupKey(p.Group))
	if err != nil {
		return err
	}
	g.Group, g.Name = p.Group, p.Name
	return s.Put(g)
}

func evolveContacts(s State, p events.AccountContactsUpdated) error {
	if err := clearAll(s, []events.EntityKind{events.EntityContact}); err != nil {
		return err
	}
	for i, c := range p.Contacts {
		err := s.Put(events.Contact{
			Kind: c.Kind, Place: uint16(i), Name: c.Name, Email: c.Email, Phone: c.Phone, Verified: c.Verified,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func evolvePlanned(s State, p events.RestorationPlanned) error {
	if s.Keeps(events.EntityRestoreTarget) {
		for _, t := range p.Targets {
			t.Digest = slices.Clone(t.Digest)
			if err := s.Put(t); err != nil {
				return err
			}
		}
	}
	if p.Part == 1 {
		cause := p.Cause
		cause.Runs, cause.Actors, cause.Types = slices.Clone(cause.Runs), slices.Clone(cause.Actors), slices.Clone(cause.Types)
		return s.Put(events.Restoration{
			Mode: p.Mode, Cut: p.Cut, AsOf: p.AsOf, Cause: cause, Targets: uint32(len(p.Targets)),
		})
	}
	return change(s, events.Restoration{}.EntityKey(), func(r *events.Restoration) { r.Targets += uint32(len(p.Targets)) })
}

// evolveFinished ends a restoration: its targets are of no further use.
func evolveFinished(s State) error {
	if err := clearAll(s, []events.EntityKind{events.EntityRestoreTarget}); err != nil {
		return err
	}
	return change(s, events.Restoration{}.EntityKey(), func(r *events.Restoration) { r.Finished = true })
}

// change puts a changed copy of an entity that must be there, where its kind
// is kept.
func change[E events.Entity](s State, key events.EntityKey, f func(*E)) error {
	if !s.Keeps(key.Kind) {
		return nil
	}
	entity, found, err := Get[E](s, key)
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("%w: the %s it changes is not there", ErrFold, key.Kind)
	}
	f(&entity)
	return s.Put(entity)
}

func sorted(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	out := slices.Clone(list)
	slices.Sort(out)
	return slices.Compact(out)
}
