package eventtest

import (
	"testing"

	"tenantcatalogue/events/bus"
)

// Start runs a bus on a directory of the test's own, without a listener, and
// stops it when the test ends.
func Start(t testing.TB) *bus.Bus {
	t.Helper()
	return StartWith(t, bus.Config{})
}

// StartWith runs a bus with a Config; an empty StoreDir becomes a directory of
// the test's own.
func StartWith(t testing.TB, cfg bus.Config) *bus.Bus {
	t.Helper()
	if cfg.StoreDir == "" {
		cfg.StoreDir = t.TempDir()
	}
	b, err := bus.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}
