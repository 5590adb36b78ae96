// Package bustest runs NATS servers of somebody else's, for tests of what must work
// with one.
package bustest

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Foreign runs a server with the accounts of a configuration (see
// bus.AccountsConfig), a listener and a monitor, until the test ends.
func Foreign(t testing.TB, config string, syncAlways bool) *server.Server {
	t.Helper()
	opts := &server.Options{}
	if err := opts.ProcessConfigString(config); err != nil {
		t.Fatal(err)
	}
	opts.Host, opts.Port, opts.HTTPHost, opts.HTTPPort = "127.0.0.1", server.RANDOM_PORT, "127.0.0.1", server.RANDOM_PORT
	opts.JetStream, opts.StoreDir, opts.SyncAlways, opts.NoSigs, opts.NoLog = true, t.TempDir(), syncAlways, true, true
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server of somebody else's is not ready after a minute")
	}
	return s
}
