package daemon_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events/bus"
	"tenantcatalogue/events/bus/bustest"
)

// foreign runs a server of somebody else's and writes the file that says how to
// reach it.
func foreign(t *testing.T, syncAlways bool) (file string) {
	t.Helper()
	admin := bus.Credential{User: "chief", Password: "a-password-of-the-chief"}
	config, err := bus.AccountsConfig("log-password", "gate-password", admin, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := bustest.Foreign(t, config, syncAlways)
	file = filepath.Join(t.TempDir(), "bus.json")
	content := fmt.Sprintf(`{"url":%q,"log":{"user":"log","password":"log-password"},"gate":{"user":"gate","password":"gate-password"},
		"monitor":["http://127.0.0.1:%d"],"admin":{"user":%q,"password":%q}}`, s.ClientURL(), s.MonitorAddr().Port, admin.User, admin.Password)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestExternalBus(t *testing.T) {
	t.Parallel()
	external, err := daemon.ReadExternal(foreign(t, true))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := open(t, daemon.Config{DataDir: dir, External: external})
	id := publish(t, s, "acme")
	admin, err := auth.ReadAdmin(dir)
	if err != nil || admin.User != "chief" || admin.URL != external.URL {
		t.Errorf("%+v, %v", admin, err)
	}
	stop(t, s)
	s = open(t, daemon.Config{DataDir: dir, External: external})
	if err := s.Runner.WaitFor(t.Context(), 4); err != nil || !has(t, s, id) {
		t.Errorf("the tenant is gone: %v", err)
	}
	stop(t, s)
	// The log is there, and another directory has no keys to it.
	s, err = daemon.Open(t.Context(), daemon.Config{DataDir: t.TempDir(), External: external})
	if !errors.Is(err, daemon.ErrLostKeys) {
		t.Errorf("a log without its keys is opened: %v", err)
		if err == nil {
			stop(t, s)
		}
	}
}

func TestExternalBusMustProveSync(t *testing.T) {
	t.Parallel()
	external, err := daemon.ReadExternal(foreign(t, false))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.Open(t.Context(), daemon.Config{DataDir: t.TempDir(), External: external}); !errors.Is(err, bus.ErrSyncUnproven) {
		t.Errorf("%v", err)
	}
}
