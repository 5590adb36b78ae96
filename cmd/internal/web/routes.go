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
		{method: post, path: "/v1/deletions", access: services, answer: s.planDeletion},
		{method: get, path: "/v1/deletions", access: operators, answer: s.deletions},
		{method: get, path: "/v1/deletions/{id}", access: operators, answer: s.deletion},
		{method: post, path: "/v1/deletions/{id}/approvals", access: operators, answer: s.approveDeletion},
		{method: post, path: "/v1/deletions/{id}/confirm", access: services, answer: s.confirmDeletion},
		{method: post, path: "/v1/deletions/{id}/rehearse", access: operators, answer: s.rehearseDeletion},
		{method: post, path: "/v1/deletions/{id}/run", access: operators, answer: s.runDeletion},
		{method: post, path: "/v1/deletions/{id}/withdraw", access: operators, answer: s.withdrawDeletion},
		{method: post, path: "/v1/halts", access: services, answer: s.halt},
		{method: get, path: "/v1/halts", access: operators, answer: s.door},
		{method: post, path: "/v1/halts/lift", access: operators, answer: s.liftHalt},
		{method: get, path: "/v1/policies", access: operators, answer: s.policies},
		{method: post, path: "/v1/policies", access: operators, answer: s.proposePolicy},
		{method: post, path: "/v1/policies/{version}/approvals", access: operators, answer: s.approvePolicy},
		{method: post, path: "/v1/policies/{version}/change", access: operators, answer: s.changePolicy},
		{method: get, path: "/v1/alarms", access: operators, answer: s.alarms},
		{method: get, path: "/v1/liens", access: operators, answer: s.liens},
		{method: post, path: "/v1/liens", access: operators, answer: s.placeLien},
		{method: post, path: "/v1/liens/lift", access: operators, answer: s.liftLien},
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
