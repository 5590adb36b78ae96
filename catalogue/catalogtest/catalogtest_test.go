package catalogtest_test

import (
	"testing"

	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
)

// TestHistoryHasEverything keeps the generator worth its name: every type that
// a request can be made of turns up, and the fold takes all of it.
func TestHistoryHasEverything(t *testing.T) {
	t.Parallel()
	log := catalogtest.History(t, catalogtest.Seeded(1), 2000)
	seen := map[events.Type]int{}
	for i, s := range log {
		if s.Seq != events.Seq(i+1) {
			t.Fatalf("event %d stands at %d", i+1, s.Seq)
		}
		seen[s.Type]++
	}
	for _, typ := range events.Types() {
		switch typ.About() {
		case events.AggregateTenant, events.AggregateAccount, events.AggregateClaim:
		case events.AggregateRestoration, events.AggregateDeletion, events.AggregateLien,
			events.AggregateDoor, events.AggregatePolicy, events.AggregateClock, events.AggregateAlarm:
			continue // written by the catalogue itself
		}
		if seen[typ] == 0 {
			t.Errorf("no %s in %d events", typ, len(log))
		}
	}
	facts, err := catalogtest.Fold(log)
	if err != nil {
		t.Fatal(err)
	}
	for a, h := range facts.Heads {
		if h.Quarantined != 0 {
			t.Errorf("%s is quarantined at %d", a, h.Quarantined)
		}
	}
}
