package web

import (
	"net/http"

	"github.com/rs/zerolog"

	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/tenants"
)

// Local are views that are read without the rest of a catalogue: a sidecar's.
type Local struct {
	Reads    *api.Reads
	Health   Health
	Standing func() Standing // what /readyz shows besides
	Logger   zerolog.Logger
}

// Standing is where local views stand.
type Standing struct {
	Seq  events.Seq `json:"seq"`  // the last event that every view shows
	Head events.Seq `json:"head"` // the catalogue's last event, as far as is known
	Lag  events.Seq `json:"lag"`  // events that the view furthest behind has still to apply
	Live bool       `json:"live"` // the catalogue can be reached
}

// serveLocal is what can be asked of local views: the daemon's own routes, as far
// as the views that they read are there.
func (s *Server) serveLocal() []route {
	s.reads, s.health, s.logger = s.cfg.Local.Reads, s.cfg.Local.Health, s.cfg.Local.Logger
	const get = http.MethodGet
	routes := []route{
		{method: get, path: "/v1/views", access: services, answer: s.standing},
		{method: get, path: "/v1/schemas", access: services, answer: s.schemas},
		{method: get, path: "/v1/schemas/{type}", access: services, answer: s.schema},
		{method: get, path: "/v1/openapi.yaml", access: services, answer: openAPI},
		{method: get, path: "/livez", access: anybody, answer: s.live},
		{method: get, path: "/readyz", access: anybody, answer: s.ready},
		{method: get, path: "/metrics", access: services, stream: s.metrics},
	}
	if s.reads.Has(tenants.Name) {
		routes = append(routes,
			route{method: get, path: "/v1/tenants", access: services, answer: s.tenants},
			route{method: get, path: "/v1/tenants/{id}/record", access: services, answer: s.tenantRecord})
	}
	if s.reads.Has(tenants.Name) || s.reads.Has(history.Name) {
		routes = append(routes, route{method: get, path: "/v1/tenants/{id}", access: services, answer: s.tenant})
	}
	if s.reads.Has(history.Name) {
		routes = append(routes,
			route{method: get, path: "/v1/tenants/{id}/history", access: services, answer: s.tenantHistory},
			route{method: get, path: "/v1/history", access: services, answer: s.history})
	}
	return routes
}

// standing tells where the views stand.
func (s *Server) standing(r *request) (answer, error) {
	if err := r.noQuery(); err != nil {
		return answer{}, err
	}
	return ok(s.reads.Standing(r.Context()))
}
