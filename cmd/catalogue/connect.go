package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/spf13/cobra"
	"github.com/synadia-io/orbit.go/natscontext"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/auth"
)

// defaultData is the data directory that serve makes and the others look in.
const defaultData = "./data"

// connectTime is how long a daemon has to take a connection.
const connectTime = 5 * time.Second

// The gate's subjects.
const (
	services  = "catalogue.v1."
	operators = "catalogue.admin.v1."
)

// errNoDaemon is returned when no running daemon is found.
var errNoDaemon = errors.New("no daemon answers")

// errNotOperator is returned when the server does not let this credential ask
// what only operators may.
var errNotOperator = errors.New("only an operator may ask this; use the credential in the daemon's data directory (--data), or an operator's context")

// where says which daemon a command is for, as the nats CLI has it.
type where struct {
	data, context, server, creds string
}

// flags adds the flags that say where the daemon is.
func (w *where) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&w.data, "data", "", "the daemon's data directory, for the operators' credential in it (default "+defaultData+", when nothing else says where)")
	f.StringVar(&w.context, "context", "", "a context of the nats CLI; or NATS_CONTEXT")
	f.StringVarP(&w.server, "server", "s", "", "URL of the daemon's NATS listener; or NATS_URL")
	f.StringVar(&w.creds, "creds", "", "file with NATS credentials, for --server; or NATS_CREDS")
	cmd.MarkFlagsMutuallyExclusive("data", "context", "server")
	cmd.MarkFlagsMutuallyExclusive("data", "context", "creds")
	_ = cmd.MarkFlagDirname("data") // of a flag that is there, it cannot fail
}

// remote is a running daemon.
type remote struct {
	conn   *nats.Conn
	from   string // where it was found, for messages
	gone   chan struct{}
	denied chan struct{} // the server has refused a subject
}

// with connects to the daemon, runs do, and lets go of it.
func (w *where) with(ctx context.Context, do func(context.Context, *remote) error) error {
	r, err := w.dial()
	if err != nil {
		return err
	}
	defer r.conn.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-r.denied:
			cancel(fmt.Errorf("%s: %w", r.from, errNotOperator))
		case <-r.gone:
			cancel(fmt.Errorf("the connection to the daemon at %s was lost; what was asked for may have been done: look, or ask again", r.from))
		case <-ctx.Done():
		}
	}()
	if err := do(ctx, r); err != nil {
		if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
			return cause
		}
		return err
	}
	return nil
}

// dial finds the daemon: what the command line names, else what the
// environment names, else the data directory here.
func (w *where) dial() (*remote, error) {
	r := &remote{gone: make(chan struct{}), denied: make(chan struct{})}
	deny := sync.OnceFunc(func() { close(r.denied) })
	opts := []nats.Option{
		// A request on a subject that the server refuses gets no answer at all.
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) {
				deny()
			}
		}),
		nats.Name("catalogue CLI"), nats.Timeout(connectTime), nats.NoReconnect(),
		nats.ClosedHandler(func(*nats.Conn) { close(r.gone) }),
	}
	var err error
	r.conn, r.from, err = w.connect(opts...)
	return r, err
}

// connect connects to the daemon with further options, and says where it was.
func (w *where) connect(opts ...nats.Option) (conn *nats.Conn, from string, err error) {
	if w.data == "" && w.context == "" && w.server == "" {
		w.context = os.Getenv("NATS_CONTEXT")
		if w.context == "" {
			w.server = os.Getenv("NATS_URL")
		}
	}
	switch {
	case w.context != "":
		from = "context " + w.context
		conn, _, err = natscontext.Connect(w.context, opts...)
	case w.server != "":
		from = w.server
		if creds := firstOf(w.creds, os.Getenv("NATS_CREDS")); creds != "" {
			opts = append(opts, nats.UserCredentials(creds))
		} else if user := os.Getenv("NATS_USER"); user != "" {
			opts = append(opts, nats.UserInfo(user, os.Getenv("NATS_PASSWORD")))
		}
		conn, err = nats.Connect(w.server, opts...)
	default:
		return w.connectData(opts)
	}
	if err != nil {
		return nil, from, fmt.Errorf("%w at %s: %w", errNoDaemon, from, err)
	}
	return conn, from, nil
}

// connectData goes by the file that serve leaves in its data directory.
func (w *where) connectData(opts []nats.Option) (conn *nats.Conn, from string, err error) {
	dir := firstOf(w.data, defaultData)
	file := filepath.Join(dir, auth.AdminFile)
	admin, err := auth.ReadAdmin(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", fmt.Errorf("%w: there is no %s; start one with catalogue serve --data %s, or say where it is with --data, --context or --server",
			errNoDaemon, file, dir)
	case err != nil:
		return nil, "", err
	case admin.URL == "":
		return nil, "", fmt.Errorf("%w: by %s it takes no connections; say where it is with --context or --server", errNoDaemon, file)
	}
	conn, err = nats.Connect(admin.URL, append(opts, nats.UserInfo(admin.User, admin.Password))...)
	if err != nil {
		return nil, "", fmt.Errorf("%w at %s, where %s says it is: %w; is it running? start it with catalogue serve --data %s",
			errNoDaemon, admin.URL, file, err, dir)
	}
	return conn, admin.URL, nil
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// ask makes a request of the daemon and gives the answer as it came. A refusal
// is a *client.Error. Work has no time limit but ctx's.
func (r *remote) ask(ctx context.Context, subject string, in any) (json.RawMessage, error) {
	raw, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	return r.send(ctx, subject, raw)
}

// send is ask with a request that is encoded already.
func (r *remote) send(ctx context.Context, subject string, raw []byte) (json.RawMessage, error) {
	m, err := r.conn.RequestWithContext(ctx, subject, raw)
	switch {
	case errors.Is(err, nats.ErrNoResponders) && strings.HasPrefix(subject, operators):
		return nil, fmt.Errorf("%w to %s at %s: there is no catalogue, or this credential is not an operator's (see --data)", errNoDaemon, subject, r.from)
	case errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("%w to %s at %s: a NATS server is there, but no catalogue", errNoDaemon, subject, r.from)
	case errors.Is(err, nats.ErrConnectionClosed):
		<-r.gone
		return nil, context.Canceled // with says why
	case err != nil:
		return nil, err
	case m.Header.Get(micro.ErrorCodeHeader) != "":
		return nil, problemIn(m)
	}
	return m.Data, nil
}

// problemIn is the error in an answer.
func problemIn(m *nats.Msg) error {
	var p struct {
		Detail string `json:"detail"`
		client.Error
	}
	if err := json.Unmarshal(m.Data, &p); err != nil || p.Code == "" {
		return fmt.Errorf("the daemon refused: %s %s", m.Header.Get(micro.ErrorCodeHeader), m.Header.Get(micro.ErrorHeader))
	}
	p.Message = firstOf(p.Detail, p.Message)
	return &p.Error
}

// get makes a request and reads the answer.
func get[Out any](ctx context.Context, r *remote, subject string, in any) (out Out, err error) {
	raw, err := r.ask(ctx, subject, in)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	return out, err
}
