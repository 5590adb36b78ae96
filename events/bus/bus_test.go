package bus_test

import (
	"testing"

	"github.com/nats-io/nats.go"
	"tenantcatalogue/events/bus"
)

func open(t testing.TB, cfg bus.Config) *bus.Bus {
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

func TestX(t *testing.T) {
	b := open(t, bus.Config{Listen: bus.Listen{On: true}})
	t.Log(b.URL())
	gate, err := b.GateConn()
	if err != nil {
		t.Fatal(err)
	}
	gate.Subscribe("catalogue.v1.publish", func(m *nats.Msg) { t.Log(m.Header); t.Log(bus.CallerOf(m.Header)); m.Respond([]byte("ok")) })
	gate.Flush()
	s, err := b.ServicesConn()
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Request("catalogue.v1.publish", nil, 1e9)
	t.Log(m, err)
	s2, err := nats.Connect(b.URL())
	if err != nil {
		t.Fatal(err)
	}
	m, err = s2.Request("catalogue.v1.publish", nil, 1e9)
	t.Log(m, err)
}
