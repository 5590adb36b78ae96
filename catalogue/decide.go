package catalogue

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"tenantcatalogue/events"
)

// World is what a decision may know beyond the aggregate it is about.
type World interface {
	// Exists tells whether the aggregate has had an event.
	Exists(a events.Aggregate) (bool, error)
	// Claimed is the tenant that holds the claim, or the zero id.
	Claimed(claim events.Aggregate) (events.TenantID, error)
	// Issued tells whom a product's or app's id was issued to, if it was.
	Issued(id uuid.UUID) (to events.Aggregate, used bool, err error)
}

// Decide tells whether e may follow state s: nil, or why not. It is the same
// decision for a producer's event and for one that a restoration decides again;
// epochs, credentials and ids of events are the Service's business.
func Decide(w World, s State, e events.Event) error {
	switch e.About.Kind {
	case events.AggregateTenant:
		return decideTenant(w, s, e)
	case events.AggregateAccount:
		return decideAccount(s, e)
	case events.AggregateRestoration:
		return decideRestoration(s, e)
	case events.AggregateClaim:
		return nil // written by the catalogue itself, derived from a decision
	case events.AggregateDeletion, events.AggregateDoor, events.AggregatePolicy, events.AggregateClock, events.AggregateAlarm, events.AggregateLien:
		return nil // the Guard's
	}
	return Refuse(ErrIllegal, "", "there are no events about %s", e.About)
}

func decideAccount(s State, e events.Event) error {
	_, exists, err := Get[events.Account](s, events.Account{}.EntityKey())
	if err != nil {
		return err
	}
	switch e.Payload.(type) {
	case events.AccountCreated:
		if exists {
			return Refuse(ErrIDReused, "make a new id: ids are never issued twice", "%s exists", e.About)
		}
	case events.AccountContactsUpdated:
		if !exists {
			return Refuse(ErrNotFound, "publish account.created.v1 first", "there is no %s", e.About)
		}
	}
	return nil
}

func decideRestoration(s State, e events.Event) error {
	plan, exists, err := Get[events.Restoration](s, events.Restoration{}.EntityKey())
	if err != nil {
		return err
	}
	p, begins := e.Payload.(events.RestorationPlanned)
	begins = begins && p.Part <= 1
	switch {
	case begins && exists:
		return Refuse(ErrIDReused, "another plan is another restoration", "%s is planned", e.About)
	case !begins && !exists:
		return Refuse(ErrNotFound, "plan it first", "there is no %s", e.About)
	case plan.Finished:
		return Refuse(ErrIllegal, "another plan is another restoration", "%s is finished", e.About)
	}
	return nil
}

func decideTenant(w World, s State, e events.Event) error {
	record, exists, err := Get[events.Tenant](s, events.Tenant{}.EntityKey())
	if err != nil {
		return err
	}
	if created, ok := e.Payload.(events.TenantCreated); ok {
		return decideCreated(w, e, created, exists)
	}
	if !exists {
		return Refuse(ErrNotFound, "publish tenant.created.v1 first", "there is no %s", e.About)
	}
	if restored, ok := e.Payload.(events.TenantRestored); ok {
		return decideRestored(w, e, restored)
	}
	if record.Status == events.TenantStatusDeleted {
		return Refuse(ErrIllegal, "only a restore brings a deleted tenant back", "%s is deleted", e.About)
	}
	switch p := e.Payload.(type) {
	case events.TenantDeactivated:
		return mustBe(e, record.Status, events.TenantStatusActive)
	case events.TenantReactivated:
		return mustBe(e, record.Status, events.TenantStatusDeactivated)
	case events.TenantRenamed:
		return decideRenamed(w, e, record, p)
	case events.TenantRelocated:
		return decidePlaced(s, e, p.Region)
	case events.ProductActivated:
		return decideActivated(w, s, e, p)
	case events.ProductDeactivated, events.ProductSuspended, events.ProductUnsuspended, events.ProductLicenseUpdated:
		return decideProduct(s, e)
	case events.AppInstalled, events.AppUninstalled, events.AppRestored:
		return decideApp(w, s, e)
	case events.ResourceProvisioned:
		if err := mustNotHave(s, e, events.ResourceKey(p.Service, p.Kind, p.Name)); err != nil {
			return err
		}
		return decidePlaced(s, e, p.Region)
	case events.ResourceDeprovisioned:
		return mustHave(s, e, events.ResourceKey(p.Service, p.Kind, p.Name))
	case events.IdentityMemberRevoked:
		return mustHave(s, e, events.MemberKey(p.User))
	case events.IdentityGroupRemoved:
		return mustHave(s, e, events.GroupKey(p.Group))
	case events.IdentityPermissionsChanged:
		return mustHave(s, e, events.GroupKey(p.Group))
	}
	return nil
}

func decideCreated(w World, e events.Event, p events.TenantCreated, exists bool) error {
	if exists {
		return Refuse(ErrIDReused, "make a new id: ids are never issued twice", "%s exists", e.About)
	}
	known, err := w.Exists(events.OfAccount(p.Account))
	if err != nil {
		return err
	}
	if !known {
		return Refuse(ErrNotFound, "publish account.created.v1 first", "there is no %s", p.Account)
	}
	if p.Residency != "" && p.Residency != p.Region {
		return Refuse(ErrIllegal, "create it where its data may be", "residency is pinned to %s, the region is %s", p.Residency, p.Region)
	}
	if err := mustBeFree(w, events.ClaimURL, p.URL, e.About); err != nil {
		return err
	}
	return mustBeFree(w, events.ClaimCloudID, p.CloudID.String(), e.About)
}

func decideRenamed(w World, e events.Event, record events.Tenant, p events.TenantRenamed) error {
	if p.URL == record.URL {
		return Refuse(ErrIllegal, "", "%s has the URL %s already", e.About, p.URL)
	}
	return mustBeFree(w, events.ClaimURL, p.URL, e.About)
}

// decideRestored checks that the URL the tenant comes back to is its own or
// free. The cloud id never changes, so it is the tenant's own still.
func decideRestored(w World, e events.Event, p events.TenantRestored) error {
	if p.Part == 0 || p.Part > p.Parts {
		return Refuse(ErrIllegal, "plan the restoration again", "part %d of %d", p.Part, p.Parts)
	}
	for _, entity := range p.Entities {
		if record, ok := entity.(events.Tenant); ok {
			return mustBeFree(w, events.ClaimURL, record.URL, e.About)
		}
	}
	return nil
}

func mustBeFree(w World, kind events.ClaimKind, value string, by events.Aggregate) error {
	holder, err := w.Claimed(events.OfClaim(kind, value))
	if err != nil {
		return err
	}
	if !holder.IsZero() && holder != by.Tenant() {
		return Refuse(ErrClaimed, "choose another, or let its tenant be renamed first", "%s %s belongs to %s", kind, value, holder)
	}
	return nil
}

func mustBe(e events.Event, is, want events.TenantStatus) error {
	if is != want {
		return Refuse(ErrIllegal, "", "%s is %s, not %s", e.About, is, want)
	}
	return nil
}

// decidePlaced honours a data-residency pin.
func decidePlaced(s State, e events.Event, region string) error {
	at, _, err := Get[events.Placement](s, events.Placement{}.EntityKey())
	if err != nil {
		return err
	}
	if at.Residency != "" && at.Residency != region {
		return Refuse(ErrIllegal, "its data must not leave that region", "%s is pinned to %s, the region is %s", e.About, at.Residency, region)
	}
	return nil
}

func decideActivated(w World, s State, e events.Event, p events.ProductActivated) error {
	product, exists, err := Get[events.Product](s, events.ProductKey(p.Product))
	if err != nil {
		return err
	}
	if !exists {
		if p.Name == "" {
			return Refuse(ErrIllegal, "name the product when it is activated first", "%s has no name yet", p.Product)
		}
		return mustBeOurs(w, e, p.Product.String(), p.Product.UUID())
	}
	if product.Status != events.ProductStatusInactive {
		return Refuse(ErrIllegal, "", "%s is %s, not inactive", p.Product, product.Status)
	}
	if p.Name != "" && p.Name != product.Name {
		return Refuse(ErrIllegal, "a product keeps its name", "%s is %s, the event says %s", p.Product, product.Name, p.Name)
	}
	return nil
}

func decideProduct(s State, e events.Event) error {
	var id events.ProductID
	var from []events.ProductStatus
	switch p := e.Payload.(type) {
	case events.ProductDeactivated:
		id, from = p.Product, []events.ProductStatus{events.ProductStatusActive, events.ProductStatusSuspended}
	case events.ProductSuspended:
		id, from = p.Product, []events.ProductStatus{events.ProductStatusActive}
	case events.ProductUnsuspended:
		id, from = p.Product, []events.ProductStatus{events.ProductStatusSuspended}
	case events.ProductLicenseUpdated:
		id, from = p.Product, []events.ProductStatus{events.ProductStatusActive, events.ProductStatusInactive, events.ProductStatusSuspended}
	}
	product, exists, err := Get[events.Product](s, events.ProductKey(id))
	if err != nil {
		return err
	}
	if !exists {
		return Refuse(ErrNotFound, "publish product.activated.v1 first", "%s has no %s", e.About, id)
	}
	if !slices.Contains(from, product.Status) {
		return Refuse(ErrIllegal, "", "%s of %s is %s", id, e.About, product.Status)
	}
	return nil
}

func decideApp(w World, s State, e events.Event) error {
	switch p := e.Payload.(type) {
	case events.AppInstalled:
		return decideNewApp(w, s, e, p.App)
	case events.AppUninstalled:
		return decideInstalled(s, e, p.App, true)
	case events.AppRestored:
		return decideInstalled(s, e, p.App, false)
	}
	return nil
}

func decideNewApp(w World, s State, e events.Event, id events.AppID) error {
	app, exists, err := Get[events.App](s, events.AppKey(id))
	if err != nil {
		return err
	}
	if exists {
		return Refuse(ErrIDReused, "make a new id: ids are never issued twice", "%s of %s is %s", id, e.About, installed(app))
	}
	return mustBeOurs(w, e, id.String(), id.UUID())
}

func installed(a events.App) string {
	if a.Installed {
		return "installed"
	}
	return "uninstalled"
}

func decideInstalled(s State, e events.Event, id events.AppID, want bool) error {
	app, exists, err := Get[events.App](s, events.AppKey(id))
	if err != nil {
		return err
	}
	if !exists {
		return Refuse(ErrNotFound, "", "%s has no %s", e.About, id)
	}
	if app.Installed != want {
		return Refuse(ErrIllegal, "", "%s of %s is %s", id, e.About, installed(app))
	}
	return nil
}

// mustBeOurs checks that an id which the tenant does not have now was never
// another tenant's. It may have been this one's: a restoration can lead back to
// before it was issued, and then the same thing may begin again.
func mustBeOurs(w World, e events.Event, text string, id uuid.UUID) error {
	owner, used, err := w.Issued(id)
	if err != nil {
		return err
	}
	if used && owner != e.About {
		return Refuse(ErrIDReused, "make a new id: ids are never issued twice", "%s was issued to another tenant", text)
	}
	return nil
}

func mustHave(s State, e events.Event, key events.EntityKey) error {
	entity, err := s.Get(key)
	if err != nil {
		return err
	}
	if entity == nil {
		return Refuse(ErrNotFound, "", "%s has no %s", e.About, describe(key))
	}
	return nil
}

func mustNotHave(s State, e events.Event, key events.EntityKey) error {
	entity, err := s.Get(key)
	if err != nil {
		return err
	}
	if entity != nil {
		return Refuse(ErrIllegal, "", "%s has the %s already", e.About, describe(key))
	}
	return nil
}

// describe names an entity by its kind and id; binary ids are left out.
func describe(key events.EntityKey) string {
	if key.Kind == events.EntityProduct || key.Kind == events.EntityApp {
		return key.Kind.String()
	}
	return fmt.Sprintf("%s %q", key.Kind, key.ID)
}
