package web

import (
	"net/http"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/client"
)

// health is the answer of the probes.
type health struct {
	Status string `json:"status"`
}

// live tells whether the process is worth keeping: one that has failed is to be
// started again.
func (s *Server) live(*request) (answer, error) {
	if err := s.cfg.System.Err(); err != nil {
		return answer{}, refuse(http.StatusServiceUnavailable, errFailed, "the catalogue has failed: "+err.Error(), "start the daemon again")
	}
	return ok(health{"alive"}, nil)
}

// ready tells whether requests should be sent here.
func (s *Server) ready(*request) (answer, error) {
	if s.feeding.Err() != nil {
		return answer{}, catalogue.ErrStopped
	}
	if err := s.cfg.System.Ready(); err != nil {
		return answer{}, refuse(http.StatusServiceUnavailable, client.ErrUnavailable, err.Error(), "ask again; see /v1/views")
	}
	return ok(health{"ready"}, nil)
}

// metrics is for Prometheus.
func (s *Server) metrics(w http.ResponseWriter, r *request) error {
	s.grantTime(w)
	s.cfg.Metrics.Handler().ServeHTTP(w, r.Request)
	return nil
}
