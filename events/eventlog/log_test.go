package eventlog_test

import (
	"testing"

	"tenantcatalogue/events"
	"tenantcatalogue/events/eventlog"
	"tenantcatalogue/events/eventtest"
)

func TestSmoke(t *testing.T) {
	l, err := eventlog.Open(t.Context(), conn(t, eventtest.Start(t)), eventlog.Config{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	got := l.Append(t.Context(), []events.Unit{unit(event(1, []byte("a")), 0), unit(event(2, []byte("a")), 0), unit(event(1, []byte("b")), events.Follows), unit(event(3, nil), 7), unit(event(3, nil), events.Follows), unit(event(1, nil), 3)})
	t.Log(got)
	t.Log(l.Head(t.Context()))
	t.Log(l.Read(t.Context(), 0, 4, func(s []events.Stored) error { t.Log(s); return nil }))
	t.Log(l.Get(t.Context(), 2))
	t.Log(l.Get(t.Context(), 9))
	t.Log(l.LastOf(t.Context(), event(1, nil).About))
}
