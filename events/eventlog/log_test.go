package eventlog_test

import (
	"testing"

	"tenantcatalogue/events/eventlog"
	"tenantcatalogue/events/eventtest"
)

func open(t testing.TB) *eventlog.Log {
	t.Helper()
	l, err := eventlog.Open(t.Context(), eventtest.Conn(t, eventtest.Start(t)), eventlog.Config{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLogConforms(t *testing.T) {
	t.Parallel()
	eventtest.Conformance(t, func(t *testing.T) eventtest.Log {
		t.Helper()
		return open(t)
	})
}
