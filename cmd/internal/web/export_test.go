package web

import "net/http"

// Route is a route as its description should have it.
type Route struct {
	Method, Path string
	Operators    bool
}

// Routes lists what can be asked.
func (s *Server) Routes() (out []Route) {
	for _, r := range s.serveDaemon() {
		out = append(out, Route{r.method, r.path, r.access == operators})
	}
	return out
}

// ServeHTTP answers a request that came over no connection.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.dispatch(w, r) }

// Handle adds a route for everybody.
func (s *Server) Handle(method, path string, do func() (body any)) {
	s.mux.Handle(method+" "+path, s.serve(route{method: method, path: path, answer: func(*request) (answer, error) { return ok(do(), nil) }}))
}
