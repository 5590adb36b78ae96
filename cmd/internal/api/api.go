// Package api is what the catalogue offers, whatever it is asked through: the
// NATS gate and HTTP decode a request, call a method of [API], and encode what
// it gives. Field names are the same in both, and are kept.
//
// What can be answered from the views alone is the part called [Reads], which a
// sidecar offers too.
//
// # Who may see what
//
// Personal fields (names, addresses, numbers) are opened for operators. Everyone
// else gets them as the log has them, sealed: equal ones can be recognised, none
// can be read. Admin methods are for operators only; whoever exposes them checks
// [auth.Caller.Operator] first, and the methods check again.
//
// # Pages
//
// A page token is opaque and belongs to its query. A page of the history is
// pinned to the Seq that the first page was read at: what comes later does not
// show. A page of tenants is in the order of the ids, each page as of its own
// Seq: a tenant that is there throughout is listed once.
//
// # Errors
//
// Every method's error can be given to [ProblemOf], which knows the stable code,
// the HTTP status and what to do next.
package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay/restore"
	"tenantcatalogue/schemas"
)

// API answers requests. It is safe for concurrent use.
type API struct {
	*Reads
	sys      *daemon.System
	restorer *restore.Engine
	tally    tally
	imports  imports
}

// New makes the API of a running system.
func New(sys *daemon.System) (*API, error) {
	set, err := schemas.New()
	if err != nil {
		return nil, err
	}
	return &API{
		Reads: &Reads{from: daemonViews{sys}, snapshots: sys.Snapshots, opener: sys.Sealer, now: sys.Now, schemas: set},
		sys:   sys, restorer: sys.Restorer(),
	}, nil
}

// daemonViews are the views of a daemon.
type daemonViews struct{ *daemon.System }

func (d daemonViews) Log() string { return d.Identity }

func (d daemonViews) Head(ctx context.Context) (events.Seq, error) { return d.System.Log.Head(ctx) }

func (d daemonViews) WaitFor(ctx context.Context, seq events.Seq) error {
	return d.Runner.WaitFor(ctx, seq)
}

func (d daemonViews) Home(name string) (*viewdb.Home, bool) {
	home, ok := d.Homes[name]
	return home, ok
}

func (d daemonViews) Pin() (*projectors.Pinned, error) { return d.Runner.Pin() }

func (d daemonViews) Status() []projectors.Status { return d.Runner.Status() }

// The limits of an answer, so that one fits a message of the bus.
const (
	defaultLimit = 100
	maxLimit     = 1000
	maxAnswer    = 900 << 10 // bytes, roughly
	// maxWait is how long a read waits for the views to come as far as it asks.
	maxWait = 10 * time.Second
)

// limit is the limit to use for one that was asked for.
func limit(asked int) (int, error) {
	switch {
	case asked == 0:
		return defaultLimit, nil
	case asked < 0 || asked > maxLimit:
		return 0, badField("limit", "is %d; from 1 to %d are allowed", asked, maxLimit)
	}
	return asked, nil
}

// badField is a fault in a request.
func badField(field, format string, args ...any) error {
	return &events.FieldError{Field: field, Why: fmt.Sprintf(format, args...), Err: events.ErrMalformed}
}

// Decode reads a request in JSON. It is strict: what it does not know it
// refuses. No bytes at all stand for a request without fields.
func Decode[T any](raw []byte) (request T, err error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return request, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&request); err != nil {
		return request, requestFault(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return request, badField("request", "is followed by something")
	}
	return request, nil
}

// requestFault names the field that encoding/json stumbled over.
func requestFault(err error) error {
	var wrongType *json.UnmarshalTypeError
	var id *events.IDError
	var field *events.FieldError
	switch {
	case errors.As(err, &id), errors.As(err, &field):
		return err
	case errors.As(err, &wrongType):
		name := wrongType.Field
		if name == "" {
			name = "request"
		}
		return badField(name, "is a JSON %s; that does not fit here", wrongType.Value)
	}
	return badField("request", "%v", err)
}

// waitForHead waits until the views show everything that is written by now: an
// operator decides on nothing less.
func (a *API) waitForHead(ctx context.Context) error {
	head, err := a.sys.Log.Head(ctx)
	if err != nil {
		return err
	}
	return a.waitFor(ctx, head)
}

// operator refuses everybody else.
func operator(who auth.Caller) error {
	if !who.Operator {
		return fmt.Errorf("%w: %s is not an operator; use the credential in %s of the daemon's data directory",
			errNotOperator, who.Name, auth.AdminFile)
	}
	return nil
}

var errNotOperator = errors.New("not allowed for this credential")
