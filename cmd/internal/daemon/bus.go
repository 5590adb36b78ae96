package daemon

import (
	"context"
	"path/filepath"

	"github.com/nats-io/nats.go"

	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events/bus"
)

// Bus is the bus that the catalogue is on: the embedded server, or one that
// somebody else runs.
type Bus interface {
	// LogConn connects to the account that owns the stream. Nothing but the
	// log may use it.
	LogConn() (*nats.Conn, error)
	// GateConn connects to the account that the gate's endpoints live in.
	GateConn() (*nats.Conn, error)
	// URL is where clients connect; empty without a listener.
	URL() string
	// Close stops what was started here.
	Close()
}

// External is a bus that somebody else runs. It has the accounts that
// bus.AccountsConfig describes, and proves that it writes to disk before it
// acknowledges. In a file it is JSON with these names in lower case.
type External struct {
	bus.External
	Admin    bus.Credential // the operators' credential there
	Replicas int            // of the log's stream; 1 if zero
}

// ReadExternal reads how to reach an external bus from a file that others cannot
// read.
func ReadExternal(path string) (*External, error) {
	e := &External{}
	return e, auth.ReadPrivate(path, e)
}

// openBus starts the embedded server, or connects to an external one.
func (s *System) openBus(ctx context.Context, cfg Config) error {
	services, err := auth.ReadCredentials(s.Dir)
	if err != nil {
		return err
	}
	services = append(services, cfg.Credentials...)
	if e := cfg.External; e != nil {
		s.Admin.User, s.Admin.Password = e.Admin.User, e.Admin.Password
		s.Bus, err = bus.Dial(ctx, e.External)
	} else {
		s.Bus, err = s.embed(ctx, cfg, services)
	}
	if err != nil {
		return err
	}
	s.close.add("the bus", plain(func() error { s.Bus.Close(); return nil }))
	s.Auth = auth.NewTable(s.Admin.Credential(), services)
	if known, err := auth.ReadAdmin(s.Dir); err == nil && known.URL == s.Bus.URL() && known.Credential().Password == s.Admin.Password {
		return nil
	}
	s.Admin.URL = s.Bus.URL()
	return s.Admin.Write(s.Dir)
}

func (s *System) embed(ctx context.Context, cfg Config, services []bus.Credential) (Bus, error) {
	listen, err := cfg.listen()
	if err != nil {
		return nil, err
	}
	return bus.Open(ctx, bus.Config{
		StoreDir: filepath.Join(s.Dir, "nats"), Listen: listen, Admin: s.Admin.Credential(), Credentials: services,
		Logger: busLogger{s.Logger},
	})
}
