package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/cmd/internal/gate"
	"tenantcatalogue/cmd/internal/metrics"
	"tenantcatalogue/cmd/internal/web"
)

// drainTime is how long requests under way may take once the daemon is to stop.
const drainTime = 20 * time.Second

// serveFlags are what serve was asked for.
type serveFlags struct {
	data, natsListen, http string
	hosts                  []string
	genesis                deletion.Genesis
	webhooks               []string
	verifyEvery            time.Duration
	external               externalFlags
}

func (a *app) serve() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the catalogue",
		Long: `Runs the catalogue until it is told to stop: the log on an embedded NATS server,
the views, the gate for services and operators over NATS, and HTTP.

When it is ready it says on stdout where it is; with -o json in one line:
{"nats": …, "http": …, "data": …, "creds": …}. creds is the operators' credential,
readable by its owner only; the other commands find it by --data. It logs to stderr.

SIGTERM or an interrupt drains it: requests under way are answered, no new ones are
taken. A second one kills it; what was acknowledged is durable all the same.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runServe(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.data, "data", defaultData, "directory that everything is kept in")
	flags.StringVar(&f.natsListen, "nats-listen", "127.0.0.1:4222", "where NATS clients connect; port 0 picks one")
	flags.StringVar(&f.http, "http", "127.0.0.1:8080", "where HTTP clients connect; port 0 picks one")
	flags.StringSliceVar(&f.hosts, "http-host", nil, "a name that HTTP clients call it by, beside localhost; others are refused")
	flags.StringVar(&f.genesis.Environment, "environment", "", "which catalogue this is, e.g. production-eu: policies and plans of another are refused (default: what the first policy says)")
	flags.StringSliceVar(&f.genesis.Keys, "first-key", nil, "id of a key on the roster of the first policy, of which there may be no others; may be given several times; what was deleted before that policy then counts for nothing (default: any)")
	flags.StringSliceVar(&f.webhooks, "alarm-webhook", nil, "http or https URL that alarms about deletions are posted to; may be given several times")
	flags.DurationVar(&f.verifyEvery, "verify-every", 24*time.Hour, "how often the views are held against the log, from the last time on; 0: only when verify is asked for")
	f.external.flags(cmd)
	return cmd
}

// ready is what serve says when it can be used.
type ready struct {
	NATS  string `json:"nats"`
	HTTP  string `json:"http"`
	Data  string `json:"data"`
	Creds string `json:"creds"` // file of the operators' credential
}

func (a *app) runServe(ctx context.Context, f serveFlags) (err error) {
	data, err := filepath.Abs(f.data)
	if err != nil {
		return err
	}
	external, err := f.external.read()
	if err != nil {
		return err
	}
	if external != nil {
		f.natsListen = "" // that one listens where it does
	}
	logger := newLogger(a.Err)
	sys, err := daemon.Open(ctx, daemon.Config{
		DataDir: data, NATSListen: f.natsListen, External: external, Genesis: f.genesis, Webhooks: f.webhooks, VerifyEvery: f.verifyEvery, Logger: logger,
	})
	if err != nil {
		return err
	}
	drain := func(stop func(context.Context) error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		err = errors.Join(err, stop(ctx))
	}
	defer drain(sys.Close)
	at, stop, err := openDoors(ctx, sys, f)
	if err != nil {
		return err
	}
	defer drain(stop)
	if err := a.sayReady(ready{NATS: sys.Bus.URL(), HTTP: at, Data: data, Creds: filepath.Join(data, auth.AdminFile)}); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		logger.Info().Msg("told to stop; requests under way are finished, a second signal kills")
		return nil
	case <-sys.Done():
		return sys.Err()
	}
}

// openDoors opens the gate on NATS and the one on HTTP, and says where the latter
// is. stop drains both.
func openDoors(ctx context.Context, sys *daemon.System, f serveFlags) (url string, stop func(context.Context) error, err error) {
	service, err := api.New(sys)
	if err != nil {
		return "", nil, err
	}
	version := readBuild().Version
	counts := metrics.New(service, version)
	server, err := web.New(web.Config{System: sys, API: service, Metrics: counts, Hosts: f.hosts})
	if err != nil {
		return "", nil, err
	}
	listener, err := web.Listen(ctx, f.http)
	if err != nil {
		return "", nil, err
	}
	conn, err := sys.Bus.GateConn()
	if err != nil {
		return "", nil, errors.Join(err, listener.Close())
	}
	door, err := gate.Open(ctx, gate.Config{
		Conn: conn, API: service, Version: version, Logger: sys.Logger,
		Listener: func(endpoint string, status int, took time.Duration) {
			counts.Request(metrics.DoorNATS, endpoint, status, took)
		},
	})
	if err != nil {
		return "", nil, errors.Join(err, listener.Close())
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(context.WithoutCancel(ctx), listener) }()
	return "http://" + listener.Addr().String(), func(ctx context.Context) error {
		return errors.Join(server.Shutdown(ctx), <-served, door.Close(ctx))
	}, nil
}

func (a *app) sayReady(r ready) error {
	return a.print(r, func(w *tabwriter.Writer) {
		row(w, "nats", r.NATS)
		row(w, "http", r.HTTP)
		row(w, "data", r.Data)
		row(w, "credential", r.Creds)
	})
}

// newLogger writes for people on a terminal, elsewhere a JSON object a line.
func newLogger(w io.Writer) zerolog.Logger {
	if f, isFile := w.(*os.File); isFile && term.IsTerminal(int(f.Fd())) {
		w = zerolog.ConsoleWriter{Out: w, NoColor: true, TimeFormat: time.RFC3339, TimeLocation: time.UTC}
	}
	return zerolog.New(w).Level(zerolog.InfoLevel).With().Timestamp().Logger()
}
