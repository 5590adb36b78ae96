package eventtest_test

import (
	"errors"
	"testing"

	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
)

func TestMemoryLogConforms(t *testing.T) {
	t.Parallel()
	eventtest.Conformance(t, func(*testing.T) eventtest.Log { return eventtest.NewMemoryLog("test") })
}

func TestMemoryLogFaults(t *testing.T) {
	t.Parallel()
	l := eventtest.NewMemoryLog("test")
	unit := []events.Unit{eventtest.One(eventtest.Event("a", 1), 0)}
	l.FailNext(events.ErrNoSpace)
	if got := l.Append(t.Context(), unit); !errors.Is(got[0].Err, events.ErrNoSpace) {
		t.Error(got)
	}
	if got := eventtest.All(t, l); len(got) != 0 {
		t.Error("a failed append has written", got)
	}
	l.LoseNextAck()
	if got := l.Append(t.Context(), unit); !errors.Is(got[0].Err, events.ErrUnavailable) {
		t.Error(got)
	}
	if got := eventtest.All(t, l); len(got) != 1 {
		t.Error("a lost acknowledgment must not mean a lost event", got)
	}
	if got := l.Append(t.Context(), unit); !errors.Is(got[0].Err, events.ErrConflict) {
		t.Error(got)
	}
}
