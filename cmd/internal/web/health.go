package web

import (
	"net/http"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/client"
)

// Health tells how it is going.
type Health interface {
	// Err is why the process is not worth keeping, nil while it is.
	Err() error
	// Ready is why requests should not be sent here, nil while they should.
	Ready() error
}

// health is the answer of the probes.
type health struct {
	Status string `json:"status"`
	*Standing
}

// live tells whether the process is worth keeping: one that has failed is to be
// started again.
func (s *Server) live(*request) (answer, error) {
	if err := s.health.Err(); err != nil {
		return answer{}, refuse(http.StatusServiceUnavailable, errFailed, "the catalogue has failed: "+err.Error(), "start it again")
	}
	return ok(health{Status: "alive"}, nil)
}

// ready tells whether requests should be sent here.
func (s *Server) ready(*request) (answer, error) {
	if s.feeding.Err() != nil {
		return answer{}, catalogue.ErrStopped
	}
	if err := s.health.Ready(); err != nil {
		return answer{}, refuse(http.StatusServiceUnavailable, client.ErrUnavailable, err.Error(), "ask again; see /v1/views")
	}
	out := health{Status: "ready"}
	if s.cfg.Local != nil {
		at := s.cfg.Local.Standing()
		out.Standing = &at
	}
	return ok(out, nil)
}

// metrics is for Prometheus.
func (s *Server) metrics(w http.ResponseWriter, r *request) error {
	s.grantTime(w)
	s.cfg.Metrics.Handler().ServeHTTP(w, r.Request)
	return nil
}
