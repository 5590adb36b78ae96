package bus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Config says how to run the embedded server.
type Config struct {
	StoreDir   string // where the stream's files live; required
	ServerName string // "catalogue" if empty; must differ between servers of a cluster
	Listen     Listen // none: only connections within the process
	// Admin is the operators' credential; without one nobody can be an operator.
	Admin Credential
	// Credentials are those of services that are to be told apart, or that need
	// a role.
	Credentials []Credential
	// MaxStoreBytes bounds the files; 0 means no bound but the disk's.
	MaxStoreBytes int64
	Cluster       *Cluster      // none: a single server
	Logger        server.Logger // none: quiet
}

// Listen is where clients connect.
type Listen struct {
	Host string // 127.0.0.1 if empty
	Port int    // 0 picks one
	On   bool   // whether to listen at all
}

// Cluster joins several servers into one log with replicas.
type Cluster struct {
	Name   string
	Host   string // 127.0.0.1 if empty
	Port   int
	Routes []string // nats://host:port of the others
}

// Bus is an embedded NATS server with JetStream. It is safe for concurrent use.
type Bus struct {
	server       *server.Server
	logPassword  string
	gatePassword string
}

// readyTimeout bounds the wait for the listener once the files are read.
const readyTimeout = 10 * time.Second

// connectTime is how long a server may take to answer a connection: one that is busy with
// a verification or a restoration may be slow.
const connectTime = 10 * time.Second

// Open starts the server and waits until it takes connections. It fails when
// the store or the port is in use, or a credential is not acceptable.
func Open(ctx context.Context, cfg Config) (*Bus, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("open the bus in %s: %w", cfg.StoreDir, context.Cause(ctx))
	}
	b := &Bus{logPassword: rand.Text(), gatePassword: rand.Text()}
	opts, err := b.options(cfg)
	if err != nil {
		return nil, fmt.Errorf("open the bus: %w", err)
	}
	if err := cfg.Listen.free(ctx); err != nil {
		return nil, fmt.Errorf("open the bus: %w", err)
	}
	if b.server, err = server.NewServer(opts); err != nil {
		return nil, fmt.Errorf("open the bus in %s: %w", cfg.StoreDir, err)
	}
	if cfg.Logger != nil {
		b.server.SetLoggerV2(cfg.Logger, false, false, false)
	}
	// The server cannot be interrupted while it reads its files.
	b.server.Start()
	if ctx.Err() != nil {
		b.Close()
		return nil, fmt.Errorf("open the bus in %s: %w", cfg.StoreDir, context.Cause(ctx))
	}
	if !b.server.ReadyForConnections(readyTimeout) || !b.server.JetStreamEnabled() {
		b.Close()
		return nil, fmt.Errorf("open the bus in %s: the server did not start; is another process using the directory or %s?",
			cfg.StoreDir, cfg.Listen)
	}
	return b, nil
}

// String is host:port.
func (l Listen) String() string {
	return net.JoinHostPort(or(l.Host, "127.0.0.1"), strconv.Itoa(l.Port))
}

// free says at once what the server would only by not getting ready: that somebody
// else listens there.
func (l Listen) free(ctx context.Context) error {
	if !l.On || l.Port == 0 {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.String())
	if err != nil {
		return fmt.Errorf("%w; stop who listens there, or name another port", err)
	}
	return listener.Close()
}

func (b *Bus) options(cfg Config) (*server.Options, error) {
	if cfg.StoreDir == "" {
		return nil, errors.New("StoreDir is missing; say where the log is to be kept")
	}
	accounts, err := AccountsConfig(b.logPassword, b.gatePassword, cfg.Admin, cfg.Credentials)
	if err != nil {
		return nil, err
	}
	opts := &server.Options{}
	if err := opts.ProcessConfigString(accounts); err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	opts.ServerName = or(cfg.ServerName, "catalogue")
	opts.JetStream = true
	opts.StoreDir = cfg.StoreDir
	opts.JetStreamMaxMemory = 256 << 20
	opts.JetStreamMaxStore = cfg.MaxStoreBytes
	if cfg.MaxStoreBytes == 0 {
		// Left at 0 the server would take three quarters of what is free at
		// the start, and refuse at that mark however large the disk has grown.
		opts.JetStreamMaxStore = noStoreLimit
	}
	opts.SyncAlways = true
	opts.NoSigs = true
	opts.NoLog = cfg.Logger == nil
	opts.DontListen = !cfg.Listen.On
	opts.Host = or(cfg.Listen.Host, "127.0.0.1")
	opts.Port = cfg.Listen.Port
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	if c := cfg.Cluster; c != nil {
		opts.Cluster = server.ClusterOpts{Name: c.Name, Host: or(c.Host, "127.0.0.1"), Port: c.Port}
		for _, route := range c.Routes {
			u, err := url.Parse(route)
			if err != nil {
				return nil, fmt.Errorf("route: %w", err)
			}
			opts.Routes = append(opts.Routes, u)
		}
	}
	return opts, nil
}

const noStoreLimit = 1 << 60

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// Close stops the server and waits until its files are closed. Connections
// made by the bus end.
func (b *Bus) Close() {
	b.server.Shutdown()
	b.server.WaitForShutdown()
}

// URL is where clients connect; empty without a listener.
func (b *Bus) URL() string {
	if addr := b.server.Addr(); addr != nil {
		return "nats://" + addr.String()
	}
	return ""
}

// LogConn connects to the account that owns the stream. Nothing but the log
// may use it.
func (b *Bus) LogConn() (*nats.Conn, error) {
	return b.connect("log", nats.UserInfo(userLog, b.logPassword))
}

// GateConn connects to the account that the gate's endpoints live in.
func (b *Bus) GateConn() (*nats.Conn, error) {
	return b.connect("gate", nats.UserInfo(userGate, b.gatePassword))
}

// ServicesConn connects as a service without credentials.
func (b *Bus) ServicesConn() (*nats.Conn, error) { return b.connect("services") }

// ConnAs connects as one of the configured credentials.
func (b *Bus) ConnAs(c Credential) (*nats.Conn, error) {
	return b.connect(c.User, nats.UserInfo(c.User, c.Password))
}

// connect goes through the listener if there is one: a connection within the
// process is a net.Pipe, which has no buffer, and is slower in bulk.
func (b *Bus) connect(name string, opts ...nats.Option) (*nats.Conn, error) {
	opts = append(connOptions(name), opts...)
	if b.URL() == "" {
		opts = append(opts, nats.InProcessServer(b.server))
	}
	nc, err := nats.Connect(b.URL(), opts...)
	if err != nil {
		return nil, fmt.Errorf("connect %s to the bus: %w", name, err)
	}
	return nc, nil
}

// connOptions are those of the daemon's own connections: they come back for
// ever, and what cannot be sent now fails now instead of being sent later.
func connOptions(name string) []nats.Option {
	return []nats.Option{
		nats.Name("catalogue " + name),
		nats.Timeout(connectTime),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectBufSize(-1),
		// The default prints to standard error. What fails here fails where it
		// was called, too.
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	}
}
