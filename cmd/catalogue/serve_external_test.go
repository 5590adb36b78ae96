package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"tenantcatalogue/events/bus"
	"tenantcatalogue/events/bus/bustest"
)

// foreignServer runs a NATS server of somebody else's, configured as docs/deploy
// has it.
func foreignServer(t *testing.T, syncAlways bool) *server.Server {
	t.Helper()
	config, err := bus.AccountsConfig("log-password-of-tests", "gate-password-of-tests",
		bus.Credential{User: "operator", Password: "operator-password-of-tests"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return bustest.Foreign(t, config, syncAlways)
}

func monitorOf(s *server.Server) string { return fmt.Sprintf("http://%s", s.MonitorAddr()) }

// On a server of somebody else's, with the passwords from the environment as the
// compose file gives them, it is the same catalogue.
func TestServeOnForeignServer(t *testing.T) {
	t.Parallel()
	s := foreignServer(t, true)
	data := filepath.Join(t.TempDir(), "data")
	c, err := startChild(data, "--nats", s.ClientURL(), "--nats-monitor", monitorOf(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	if c.NATS != s.ClientURL() {
		t.Errorf("it says that it is at %s, not at %s", c.NATS, s.ClientURL())
	}
	run(t, exitOK, "import", writeFixture(t, 3), "--data", data)
	run(t, exitOK, "verify", "--data", data)
	if got := string(run(t, exitOK, "tenant", "list", "--server", s.ClientURL())); !strings.Contains(got, fixtureTenant(2).String()) {
		t.Errorf("a service does not see the tenants: %s", got)
	}
	if err := c.stop(); err != nil {
		t.Error(err)
	}
}

// A server that may acknowledge before it writes is refused, and so is one whose
// logins are not given.
func TestServeRefusesForeignServer(t *testing.T) {
	t.Parallel()
	lazy := foreignServer(t, false)
	if c, err := startChild(t.TempDir(), "--nats", lazy.ClientURL(), "--nats-monitor", monitorOf(lazy)); err == nil {
		c.kill()
		t.Error("it runs on a server that does not write before it acknowledges")
	} else if !strings.Contains(err.Error(), "sync_interval: always") {
		t.Errorf("it does not say what to change: %v", err)
	}
	run(t, exitUsage, "serve", "--data", t.TempDir(), "--nats", lazy.ClientURL()) // the environment has no passwords here
	run(t, exitUsage, "serve", "--nats-monitor", "http://127.0.0.1:1")
	run(t, exitUsage, "serve", "--nats", "nats://127.0.0.1:1", "--nats-listen", "127.0.0.1:0")
}
