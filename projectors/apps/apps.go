// Package apps is the view of the apps in tenants: by tenant, by app id and by
// name. An uninstalled app stays, as its tombstone, where it is asked for by
// tenant or by id; a list by name shows installed ones only. Apps of a deleted
// tenant are gone, and come back when it is restored.
//
// Read from one viewdb.Snapshot, so that index and app are of one moment.
package apps

import (
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
)

// Name and Format are those of the view.
const (
	Name   = "apps"
	Format = 1
)

// App is an app with the tenant that has it.
type App struct {
	Tenant events.TenantID `json:"tenant"`
	events.App
	Quarantined string `json:"quarantined,omitzero"` // in lists: why there are no more than the ids
}

// The indexes. Each entry ends in the tenant and the app.
const (
	byID   = 'i'
	byName = 'n' // installed ones
)

// New is the view's projector.
func New() *projectors.EntityView {
	return &projectors.EntityView{
		ViewName: Name, ViewFormat: Format, Index: index, Kinds: []events.EntityKind{events.EntityApp},
	}
}

func index(a events.Aggregate, e events.Entity) ([][]byte, error) {
	app, ok := e.(events.App)
	if !ok {
		return nil, nil
	}
	id := app.EntityKey().ID
	keys := [][]byte{projectors.IndexEntry(projectors.IndexKey(byID, app.ID.String()), a.ID, id)}
	if app.Installed {
		keys = append(keys, projectors.IndexEntry(projectors.IndexKey(byName, app.Name), a.ID, id))
	}
	return keys, nil
}

// OfTenant reads the apps of a tenant, tombstones too, in the order of their
// ids. The error matches projectors.ErrQuarantined when they are not to be
// trusted.
func OfTenant(r viewdb.Reader, tenant events.TenantID) ([]events.App, error) {
	return projectors.Entities[events.App](r, events.OfTenant(tenant), events.EntityApp)
}

// Installed reads the installed apps of a tenant; the error is as OfTenant's.
func Installed(r viewdb.Reader, tenant events.TenantID) ([]events.App, error) {
	all, err := OfTenant(r, tenant)
	installed := all[:0]
	for _, app := range all {
		if app.Installed {
			installed = append(installed, app)
		}
	}
	return installed, err
}

// Get reads an app by its id, which also tells its tenant. The error is as
// OfTenant's.
func Get(r viewdb.Reader, id events.AppID) (app App, found bool, err error) {
	places, _, err := projectors.Page(r, projectors.IndexKey(byID, id.String()), nil, 1, placeOf)
	if err != nil || len(places) == 0 {
		return App{}, false, err
	}
	return places[0].read(r)
}

// ByName lists where an app of a name, e.g. asset-tracker, is installed, by
// tenant. after, next and limit are as in projectors.Page.
func ByName(r viewdb.Reader, name string, after []byte, limit int) (installed []App, next []byte, err error) {
	return projectors.Page(r, projectors.IndexKey(byName, name), after, limit, func(rest []byte) (App, bool, error) {
		at, _, err := placeOf(rest)
		if err != nil {
			return App{}, false, err
		}
		app, found, err := at.read(r)
		if why, err := projectors.Untrusted(err); why != "" || err != nil {
			return App{Tenant: at.tenant, App: events.App{ID: at.app}, Quarantined: why}, true, err
		}
		return app, found, nil
	})
}

// place is where an app is to be read.
type place struct {
	tenant events.TenantID
	app    events.AppID
}

func placeOf(rest []byte) (place, bool, error) {
	tenant, app, err := projectors.CutIDEntry(rest)
	if err != nil {
		return place{}, false, err
	}
	return place{events.IDFromUUID[events.TenantID](tenant), events.IDFromUUID[events.AppID](app)}, true, nil
}

func (p place) read(r viewdb.Reader) (App, bool, error) {
	app, found, err := projectors.Entity[events.App](r, events.OfTenant(p.tenant), events.AppKey(p.app))
	if err != nil || !found {
		return App{}, false, err
	}
	return App{Tenant: p.tenant, App: app}, true, nil
}
