package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/cmd/internal/metrics"
	"tenantcatalogue/cmd/internal/web"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/contacts"
	"tenantcatalogue/projectors/sidecar"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
)

// viewFlags are what view was asked for.
type viewFlags struct {
	where       where
	dir, listen string
	cacheMiB    int64
	maxLag      uint64
}

func (a *app) view() *cobra.Command {
	var f viewFlags
	var names []string
	for _, p := range daemon.Beside() {
		names = append(names, p.Name())
	}
	cmd := &cobra.Command{
		Use:   "view NAME...",
		Short: "Run views beside a service: local copies, kept up to date, read without a round trip",
		Long: `Runs the views named (` + strings.Join(names, ", ") + `) in a process of
their own until it is told to stop, fed by the catalogue: caught up from nothing at full
speed, then as events come. It goes on from where it was when it is started again.

It answers over HTTP on --listen, on this machine only, in the form that the catalogue
does: /v1/tenants, /v1/tenants/ID, and with history /v1/history and ?at=. /readyz says
how far it is behind, /v1/views which view, /metrics tells Prometheus. A service in Go may
keep the views in its own process instead: package projectors/sidecar.

Progress goes to stderr; on stdout stands where it is once it is caught up, with -o json
in one line: {"http": …, "seq": …, "head": …, "lag": …, "live": …}.

The view contacts cannot be run here: what it is searched by needs the keys, which do not
leave the catalogue. Personal fields are shown as they are kept, sealed.`,
		ValidArgs: names,
		Args:      cobra.MinimumNArgs(1),
		RunE:      func(cmd *cobra.Command, args []string) error { return a.runView(cmd.Context(), f, args) },
	}
	flags := cmd.Flags()
	f.where.flags(cmd)
	flags.StringVar(&f.dir, "dir", "./views", "directory that the views are kept in")
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8081", "loopback address that is answered on; port 0 picks one")
	flags.Int64Var(&f.cacheMiB, "cache", 64, "MiB of memory for the views' cache")
	flags.Uint64Var(&f.maxLag, "max-lag", 10_000, "how many events a view may be behind and still be called ready")
	_ = cmd.MarkFlagDirname("dir") // of a flag that is there, it cannot fail
	return cmd
}

// projectorsOf makes the projectors of views.
func projectorsOf(names []string) (list []projectors.Projector, err error) {
	all := daemon.Beside()
	for _, name := range names {
		i := slices.IndexFunc(all, func(p projectors.Projector) bool { return p.Name() == name })
		switch {
		case name == contacts.Name:
			return nil, usagef("contacts cannot be run beside a service: what it is searched by needs the keys, which do not leave the catalogue; ask there: catalogue lookup, or GET /v1/lookup")
		case i < 0:
			return nil, usagef("%q is no view that can be run here; see catalogue view --help for those that can", name)
		}
		list = append(list, all[i])
	}
	return list, nil
}

// beside are the views of a sidecar as the API reads them.
type beside struct {
	*sidecar.Sidecar
	maxLag events.Seq
}

func (b beside) Log() string                 { return b.Identity() }
func (b beside) Seq() events.Seq             { return b.Sidecar.Status().Seq() }
func (b beside) Status() []projectors.Status { return b.Sidecar.Status().Views }
func (b beside) Live() bool                  { return b.Sidecar.Status().Live }

// headTime is how long the catalogue has to say where it stands.
const headTime = 2 * time.Second

// Head is the catalogue's last event, or what is known of it while it does not
// answer.
func (b beside) Head(ctx context.Context) (events.Seq, error) {
	at := b.Sidecar.Status()
	if !at.Live {
		return at.Head, nil
	}
	ctx, cancel := context.WithTimeout(ctx, headTime)
	defer cancel()
	if head, err := b.Sidecar.Head(ctx); err == nil {
		return head, nil
	}
	return at.Head, nil
}

func (b beside) Home(name string) (*viewdb.Home, bool) {
	list := b.Views()
	i := slices.IndexFunc(list, func(v projectors.View) bool { return v.Projector.Name() == name })
	if i < 0 {
		return nil, false
	}
	return list[i].Home, true
}

// Ready is nil while the views may be read: in service, and not far behind what
// is known of the log. That the catalogue cannot be reached is no reason against
// them: it is what they are for.
func (b beside) Ready() error {
	at := b.Sidecar.Status()
	errs := []error{at.Err}
	for _, v := range at.Views {
		switch {
		case v.Fault != nil:
			errs = append(errs, fmt.Errorf("view %s: %w", v.Name, v.Fault))
		case v.Lag > b.maxLag:
			errs = append(errs, fmt.Errorf("view %s is %d events behind", v.Name, v.Lag))
		}
	}
	return errors.Join(errs...)
}

func (b beside) standing() web.Standing {
	at := b.Sidecar.Status()
	return web.Standing{Seq: at.Seq(), Head: at.Head, Lag: at.Lag(), Live: at.Live}
}

func (a *app) runView(ctx context.Context, f viewFlags, names []string) (err error) {
	list, err := projectorsOf(names)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(f.dir)
	if err != nil {
		return err
	}
	listener, err := listenHere(ctx, f.listen)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // the server has closed it, when there is one
	logger := newLogger(a.Err)
	options := client.Options{Name: "catalogue view", OnTrouble: func(err error) { logger.Warn().Err(err).Msg("the catalogue was not reached") }}
	opts := options.NATS()
	if _, err := os.Stat(filepath.Join(dir, names[0])); err == nil {
		// There is something to read here, whether the catalogue answers or not.
		opts = append(opts, nats.RetryOnFailedConnect(true))
	}
	conn, from, err := f.where.connect(opts...)
	if err != nil {
		return err
	}
	c := client.Over(conn, options)
	defer c.Close()
	a.say("following %s into %s", from, dir)
	s, err := sidecar.Open(ctx, c, sidecar.Config{Dir: dir, Views: list, CacheBytes: f.cacheMiB << 20, Listener: listen(logger)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	views := beside{s, events.Seq(f.maxLag)}
	stop, err := serveViews(ctx, views, listener, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	return a.follow(ctx, views, "http://"+listener.Addr().String())
}

// listenHere listens on an address of this machine only: whoever reads gets what
// the catalogue gives to services, without a credential.
func listenHere(ctx context.Context, address string) (net.Listener, error) {
	l, err := web.Listen(ctx, address)
	if err != nil {
		return nil, err
	}
	if at, ok := l.Addr().(*net.TCPAddr); !ok || !at.IP.IsLoopback() {
		return nil, errors.Join(usagef("--listen %s can be reached from elsewhere; give a loopback address, e.g. 127.0.0.1:8081", address), l.Close())
	}
	return l, nil
}

// listen logs what happens to the views.
func listen(logger zerolog.Logger) projectors.Listener {
	return projectors.Listener{
		Faulted: func(view string, err error) {
			logger.Error().Err(err).Str("view", view).Msg("the view is out of service; it is put back, or made again from the log")
		},
		Recovered: func(view string, seq events.Seq) {
			logger.Info().Str("view", view).Stringer("seq", seq).Msg("the view is back in service")
		},
		Quarantined: func(about events.Aggregate, seq events.Seq, why error) {
			logger.Error().Err(why).Stringer("about", about).Stringer("seq", seq).Msg("an event cannot be read; its aggregate is quarantined")
		},
	}
}

// snapshotBytes is the memory for states of tenants with long histories.
const snapshotBytes = 16 << 20

// serveViews answers over HTTP until stop is called.
func serveViews(ctx context.Context, views beside, l net.Listener, logger zerolog.Logger) (stop func() error, err error) {
	reads, err := api.NewReads(views, replay.NewSnapshots(snapshotBytes), func() events.Time { return events.TimeOf(time.Now()) })
	if err != nil {
		return nil, err
	}
	server, err := web.New(web.Config{
		Local:   &web.Local{Reads: reads, Health: views, Standing: views.standing, Logger: logger},
		Metrics: metrics.NewLocal(views, views.Live, readBuild().Version),
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, l) }()
	return func() error {
		cancel()
		return <-served
	}, nil
}

// viewAt is what view says on stdout.
type viewAt struct {
	HTTP string `json:"http"`
	web.Standing
}

const (
	// lookEvery is how often it is looked how far the views are.
	lookEvery = 100 * time.Millisecond
	// sayEvery is how often it is said where they stand, if they have moved.
	sayEvery = 10 * time.Second
)

// follow says how far the views are until it is told to stop, or they can go on
// no longer.
func (a *app) follow(ctx context.Context, views beside, at string) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	p := newProgress(a.Err)
	var said viewAt
	var when time.Time
	for {
		now := viewAt{HTTP: at, Standing: views.standing()}
		caughtUp := said.HTTP != ""
		switch {
		case !caughtUp && now.Lag > 0:
			p.at(int(max(now.Seq, views.Sidecar.Status().Read)), int(now.Head))
		case !caughtUp, now != said && time.Since(when) > sayEvery:
			p.clear()
			if err := a.sayView(now); err != nil {
				return err
			}
			said, when = now, time.Now()
		}
		select {
		case <-tick.C:
		case <-views.Done():
			return views.Err()
		case <-ctx.Done():
			p.clear()
			return nil
		}
	}
}

func (a *app) sayView(at viewAt) error {
	return a.print(at, func(w *tabwriter.Writer) {
		live := ""
		if !at.Live {
			live = "the catalogue is not reached"
		}
		row(w, at.HTTP, fmt.Sprintf("at %d of %d", at.Seq, at.Head), fmt.Sprintf("lag %d", at.Lag), live)
	})
}
