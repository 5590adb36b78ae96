package eventtest

import (
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tenantcatalogue/events/bus"
	"tenantcatalogue/events/eventlog"
)

// Start runs a bus on a directory of the test's own, without a listener, and
// stops it when the test ends.
func Start(t testing.TB) *bus.Bus {
	t.Helper()
	return StartWith(t, bus.Config{})
}

// Conn is a connection to the log's account of a bus; it ends with the test.
func Conn(t testing.TB, b *bus.Bus) *nats.Conn {
	t.Helper()
	nc, err := b.LogConn()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// NewLog is an empty log on a bus of its own, and the connection it stands on.
func NewLog(t testing.TB) (*eventlog.Log, *nats.Conn) {
	t.Helper()
	nc := Conn(t, Start(t))
	log, err := eventlog.Open(t.Context(), nc, eventlog.Config{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	return log, nc
}

// Stream is the log's stream as JetStream has it, for looking at what eventlog hides.
func Stream(t testing.TB, nc *nats.Conn) jetstream.Stream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), eventlog.DefaultStream)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// Reconfigure changes the log's stream behind the log's back.
func Reconfigure(t testing.TB, nc *nats.Conn, cfg jetstream.StreamConfig) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err == nil {
		_, err = js.UpdateStream(t.Context(), cfg)
	}
	if err != nil {
		t.Fatal(err)
	}
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
