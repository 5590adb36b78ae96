package bus_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"tenantcatalogue/events/bus"
	"tenantcatalogue/events/bus/bustest"
)

// external runs a server of somebody else's.
func external(t *testing.T, syncAlways bool) (*server.Server, bus.External) {
	t.Helper()
	config, err := bus.AccountsConfig("log-password", "gate-password", bus.Credential{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := bustest.Foreign(t, strings.Replace(config, "SYS {}", `SYS { users: [ {user: "sys", password: "sys"} ] }`, 1), syncAlways)
	return s, bus.External{
		URL: s.ClientURL(),
		Log: bus.Login{User: "log", Password: "log-password"}, Gate: bus.Login{User: "gate", Password: "gate-password"},
	}
}

func TestExternalMustProveSync(t *testing.T) {
	t.Parallel()
	always, alwaysExternal := external(t, true)
	lazy, lazyExternal := external(t, false)
	monitor := func(s *server.Server) string { return "http://127.0.0.1:" + strconv.Itoa(s.MonitorAddr().Port) }
	system := &bus.Login{User: "sys", Password: "sys"}
	for name, c := range map[string]struct {
		external bus.External
		system   *bus.Login
		monitor  []string
		proven   bool
	}{
		"always, monitored":                {alwaysExternal, nil, []string{monitor(always)}, true},
		"always, by the system account":    {alwaysExternal, system, nil, true},
		"always, not asked":                {alwaysExternal, nil, nil, false},
		"always, wrong credentials":        {alwaysExternal, &bus.Login{User: "sys", Password: "x"}, nil, false},
		"always, another one's monitor":    {lazyExternal, nil, []string{monitor(always)}, false},
		"always, nobody monitors":          {alwaysExternal, nil, []string{"http://127.0.0.1:1"}, false},
		"every two minutes, monitored":     {lazyExternal, nil, []string{monitor(lazy)}, false},
		"every two minutes, by the system": {lazyExternal, system, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.external.System, c.external.Monitor = c.system, c.monitor
			remote, err := bus.Dial(t.Context(), c.external)
			if c.proven != (err == nil) || !c.proven && !errors.Is(err, bus.ErrSyncUnproven) {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			nc, err := remote.GateConn()
			if err != nil {
				t.Fatal(err)
			}
			nc.Close()
		})
	}
}
