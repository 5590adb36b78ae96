package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"github.com/synadia-io/orbit.go/natscontext"

	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events/bus"
)

// externalFlags say which NATS server of somebody else's to use.
type externalFlags struct {
	url, creds, context string
	monitor             []string
}

// The logins of an external server, as its configuration in docs/deploy has
// them; their passwords come from the environment.
const (
	envLog      = "CATALOGUE_NATS_LOG_PASSWORD"
	envGate     = "CATALOGUE_NATS_GATE_PASSWORD"
	envOperator = "CATALOGUE_NATS_OPERATOR_PASSWORD"
)

func (e *externalFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&e.url, "nats", "", "use this NATS server in place of an embedded one; see docs/deploy for how it must be configured")
	f.StringVar(&e.creds, "creds", "", "file, readable by its owner only, that says how to log in there:\n"+
		`{"url": …, "log": {"user", "password"}, "gate": {…}, "system": {…}, "monitor": [URL…], "admin": {…}, "replicas": N}`+"\n"+
		"without it the passwords of log, gate and operator come from "+envLog+", "+envGate+" and "+envOperator)
	f.StringVar(&e.context, "context", "", "a context of the nats CLI for the server's system account, in place of --nats")
	f.StringSliceVar(&e.monitor, "nats-monitor", nil, "monitoring address of each server, to prove that it writes to disk before it acknowledges")
	cmd.MarkFlagsMutuallyExclusive("nats", "context")
	cmd.MarkFlagsMutuallyExclusive("nats-listen", "nats")
	cmd.MarkFlagsMutuallyExclusive("nats-listen", "context")
}

// read gathers what is known of the external server; nil when none is asked for.
func (e *externalFlags) read() (out *daemon.External, err error) {
	if e.url == "" && e.creds == "" && e.context == "" {
		if len(e.monitor) > 0 {
			return nil, usagef("--nats-monitor goes with --nats, --creds or --context")
		}
		return nil, nil //nolint:nilnil // none is an answer
	}
	out = &daemon.External{}
	if e.creds != "" {
		if out, err = daemon.ReadExternal(e.creds); err != nil {
			return nil, usagef("--creds: %w", err)
		}
	}
	if e.context != "" {
		if err := fromContext(e.context, out); err != nil {
			return nil, err
		}
	}
	out.URL = cmp.Or(e.url, out.URL)
	out.Monitor = append(out.Monitor, e.monitor...)
	fromEnvironment(&out.Log, "log", envLog)
	fromEnvironment(&out.Gate, "gate", envGate)
	if out.Admin.User == "" {
		out.Admin = bus.Credential{User: "operator", Password: os.Getenv(envOperator)}
	}
	return out, complain(out)
}

// fromContext takes the server's address and the login of its system account
// from a context.
func fromContext(name string, out *daemon.External) error {
	conn, settings, err := natscontext.Connect(name, nats.Timeout(connectTime), nats.NoReconnect())
	if err != nil {
		return fmt.Errorf("context %s: %w", name, err)
	}
	conn.Close()
	out.URL = settings.URL
	out.System = &bus.Login{Creds: settings.Creds, User: settings.User, Password: settings.Password}
	return nil
}

func fromEnvironment(login *bus.Login, user, variable string) {
	if *login == (bus.Login{}) && os.Getenv(variable) != "" {
		*login = bus.Login{User: user, Password: os.Getenv(variable)}
	}
}

// complain lists everything that is missing.
func complain(e *daemon.External) error {
	var errs []error
	need := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New(what))
		}
	}
	need(e.URL != "", "the server's URL is missing: --nats, or url in --creds")
	need(e.Log != bus.Login{}, "the login of the log's account is missing: "+envLog+", or log in --creds")
	need(e.Gate != bus.Login{}, "the login of the gate's account is missing: "+envGate+", or gate in --creds")
	need(e.Admin.Password != "", "the operators' password is missing: "+envOperator+", or admin in --creds")
	if err := errors.Join(errs...); err != nil {
		return usage(err)
	}
	return nil
}
