package events

import "tenantcatalogue/events/wire"

// AppInstalled installs an app into a tenant. The id is new: an uninstalled
// app comes back by AppRestored only.
type AppInstalled struct {
	App     AppID  `json:"app"`
	Name    string `json:"name"` // which app, e.g. asset-tracker
	Version string `json:"version,omitzero"`
}

// AppUninstalled is the tombstone of an app.
type AppUninstalled struct {
	App    AppID  `json:"app"`
	Reason string `json:"reason,omitzero"`
}

// AppRestored brings an uninstalled app back under its id, in the state it
// carries.
type AppRestored struct {
	Restoration RestoreID `json:"restoration"`
	App         AppID     `json:"app"`
	Name        string    `json:"name"`
	Version     string    `json:"version,omitzero"`
}

// Fields lists the fields in the order of the wire.
func (a *AppInstalled) Fields(w *wire.Coder) {
	a.App.Wire(w)
	wire.String(w, &a.Name)
	wire.String(w, &a.Version)
}

// Fields lists the fields in the order of the wire.
func (a *AppUninstalled) Fields(w *wire.Coder) {
	a.App.Wire(w)
	wire.String(w, &a.Reason)
}

// Fields lists the fields in the order of the wire.
func (a *AppRestored) Fields(w *wire.Coder) {
	a.Restoration.Wire(w)
	a.App.Wire(w)
	wire.String(w, &a.Name)
	wire.String(w, &a.Version)
}

// EventType names the type.
func (AppInstalled) EventType() Type { return "app.installed.v1" }

// EventType names the type.
func (AppUninstalled) EventType() Type { return "app.uninstalled.v1" }

// EventType names the type.
func (AppRestored) EventType() Type { return "app.restored.v1" }
