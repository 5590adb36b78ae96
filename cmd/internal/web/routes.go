package web

import (
	"net/http"

	"tenantcatalogue/cmd/internal/auth"
)

// access is who may use a route.
type access int

const (
	anybody   access = iota // whoever reaches it, by whatever name: probes
	services                // every caller
	operators               // the operators' credential only
)

// route is one thing that can be asked. One of answer and stream is set.
type route struct {
	method, path string
	access       access
	answer       func(*request) (answer, error)
	stream       func(http.ResponseWriter, *request) error // an error is answered while nothing is written
}

// serveDaemon is everything that can be asked of a daemon.
func (s *Server) serveDaemon() []route {
	s.reads, s.health, s.auth, s.logger = s.cfg.API.Reads, s.cfg.System, s.cfg.System.Auth, s.cfg.System.Logger
	const get, post = http.MethodGet, http.MethodPost
	return []route{
		{method: post, path: "/v1/events", access: services, answer: s.publish},
		{method: get, path: "/v1/tenants", access: services, answer: s.tenants},
		{method: get, path: "/v1/tenants/{id}", access: services, answer: s.tenant},
		{method: get, path: "/v1/tenants/{id}/record", access: services, answer: s.tenantRecord},
		{method: get, path: "/v1/tenants/{id}/history", access: services, answer: s.tenantHistory},
		{method: get, path: "/v1/lookup", access: services, answer: s.lookup},
		{method: get, path: "/v1/history", access: services, answer: s.history},
		{method: get, path: "/v1/feed", access: services, stream: s.feed},
		{method: get, path: "/v1/schemas", access: services, answer: s.schemas},
		{method: get, path: "/v1/schemas/{type}", access: services, answer: s.schema},
		{method: get, path: "/v1/openapi.yaml", access: services, answer: openAPI},

		{method: post, path: "/v1/restores", access: operators, answer: s.planRestore},
		{method: get, path: "/v1/restores", access: operators, answer: s.restores},
		{method: get, path: "/v1/restores/{id}", access: operators, answer: s.restoration},
		{method: post, path: "/v1/restores/{id}/apply", access: operators, answer: s.applyRestore},
		{method: get, path: "/v1/restores/{id}/certificate", access: operators, answer: s.certificate},
		{method: get, path: "/v1/diff", access: operators, answer: s.diff},
		{method: get, path: "/v1/views", access: operators, answer: s.views},
		{method: post, path: "/v1/rebuild", access: operators, answer: s.rebuild},
		{method: post, path: "/v1/verify", access: operators, answer: s.verify},

		{method: get, path: "/livez", access: anybody, answer: s.live},
		{method: get, path: "/readyz", access: anybody, answer: s.ready},
		{method: get, path: "/metrics", access: services, stream: s.metrics},
	}
}

// request is a request that has passed the guards.
type request struct {
	*http.Request
	w   http.ResponseWriter
	who auth.Caller
}

// answer is a status and what goes with it. body is written as JSON, unless it
// is raw bytes of the content type named.
type answer struct {
	status      int
	header      http.Header
	body        any
	contentType string
}

// ok makes an answer of what a method of the API gives.
func ok[T any](body T, err error) (answer, error) {
	return answer{status: http.StatusOK, body: body}, err
}
