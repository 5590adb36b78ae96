// Package web is the catalogue over HTTP: package api as resources under /v1, a
// feed of server-sent events, and what operations need (/livez, /readyz,
// /metrics). schemas/openapi.yaml describes every route and is served at
// /v1/openapi.yaml.
//
// # Answers
//
// JSON, with the field names of package api. A refusal is a problem (RFC 9457)
// with a stable type and code, and what to do next. A published event is answered
// by the status of its own verdict, a batch by 200 and a verdict an event.
//
// # Who asks
//
// HTTP basic authentication with a credential of package auth. Without one, a
// client on this machine is a service without the delete role; any other is
// refused. Operators' routes take the operators' credential only.
//
// # Browsers
//
// A page from elsewhere must neither read nor write through somebody's browser.
// The Host must be a loopback name or one of Config.Hosts (a name that an
// attacker points here is neither), and a request that changes something, or
// follows the feed, must not come from another origin. There is no CORS.
//
// # Time and size
//
// Headers, bodies and answers each have their time, bodies their size, which is
// checked before anything is parsed. Work that may take long (applying a
// restoration, rebuilding a view) goes on when whoever asked for it is gone; it
// is answered by 202 when it is not done in time.
package web

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/cmd/internal/metrics"
	"tenantcatalogue/replay/restore"
)

// Config is what a Server is made of: either of a daemon, by System and API, or of
// Local views.
type Config struct {
	System  *daemon.System
	API     *api.API
	Metrics *metrics.Metrics
	// Local, when set, are views that are read without the rest of a catalogue.
	// The server offers what can be answered from them, to clients on this
	// machine only.
	Local *Local
	// Hosts are the names that clients may call the server by, beside those of
	// the loopback interface; without a port.
	Hosts []string
	// Heartbeat is how often a quiet feed says that it lives; 15 s if 0.
	Heartbeat time.Duration
	// MaxFeeds is how many may follow the feed at once; 256 if 0.
	MaxFeeds int
	// WriteTime is how long a client may take to read an answer, or a piece of
	// the feed; 30 s if 0.
	WriteTime time.Duration
}

// Validate lists everything that is missing.
func (c Config) Validate() error {
	var errs []error
	for _, need := range []struct {
		name    string
		missing bool
	}{
		{"System", c.System == nil && c.Local == nil},
		{"API", c.API == nil && c.Local == nil},
		{"Metrics", c.Metrics == nil},
		{"Local.Reads", c.Local != nil && c.Local.Reads == nil},
		{"Local.Health", c.Local != nil && c.Local.Health == nil},
	} {
		if need.missing {
			errs = append(errs, fmt.Errorf("web.Config: %s is missing", need.name))
		}
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	if c.Heartbeat == 0 {
		c.Heartbeat = 15 * time.Second
	}
	if c.MaxFeeds == 0 {
		c.MaxFeeds = 256
	}
	if c.WriteTime == 0 {
		c.WriteTime = 30 * time.Second
	}
	return c
}

const (
	headerTime  = 5 * time.Second  // to send the headers
	bodyTime    = 30 * time.Second // to send the body
	requestTime = 30 * time.Second // to answer a service; operators wait longer
	idleTime    = 2 * time.Minute
	drainTime   = 20 * time.Second
	maxHeaders  = 64 << 10 // bytes
)

// Server serves the catalogue over HTTP.
type Server struct {
	cfg    Config
	reads  *api.Reads
	health Health
	auth   *auth.Table // nil: no credentials are known
	logger zerolog.Logger
	mux    *http.ServeMux
	http   *http.Server

	work       *work
	applies    tasks[restore.Status]
	rebuilds   tasks[api.ViewsResponse]
	rehearsals tasks[api.Deletion]
	feeds      chan struct{} // a place each

	feeding  context.Context //nolint:containedctx // of the feeds; it ends when the server is told to stop
	endFeeds context.CancelFunc
}

// New makes a Server. It does not listen yet.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	s := &Server{cfg: cfg, mux: http.NewServeMux(), work: newWork(), feeds: make(chan struct{}, cfg.MaxFeeds)}
	s.feeding, s.endFeeds = context.WithCancel(context.Background())
	routes := s.serveDaemon
	if cfg.Local != nil {
		routes = s.serveLocal
	}
	for _, r := range routes() {
		s.mux.Handle(r.method+" "+r.path, s.serve(r))
	}
	s.http = &http.Server{
		Handler: http.HandlerFunc(s.dispatch), ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeaders,
		BaseContext: func(net.Listener) context.Context { return s.work.ctx },
		ErrorLog:    log.New(s.logger, "", 0),
	}
	return s, nil
}

// Listen listens on host:port; port 0 picks one.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for HTTP on %s: %w; choose another address, or port 0", address, err)
	}
	return l, nil
}

// Serve answers requests until ctx ends, and then drains, or until Shutdown is
// called. It closes the listener.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ended := make(chan error, 1)
	go func() { ended <- s.http.Serve(l) }()
	select {
	case err := <-ended:
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return fmt.Errorf("serve HTTP on %s: %w", l.Addr(), err)
	case <-ctx.Done():
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		return s.Shutdown(ctx)
	}
}

// Shutdown takes no more requests, ends the feeds, and waits for what is under
// way. When ctx ends first, that is cut off, and the error says so.
func (s *Server) Shutdown(ctx context.Context) error {
	s.endFeeds()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests over HTTP were cut off: %w", err), s.http.Close())
	}
	return errors.Join(err, s.work.close(ctx))
}
