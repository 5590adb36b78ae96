package events_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"tenantcatalogue/events"
	"tenantcatalogue/schemas"
)

// byValue lets cmp compare what hides its fields.
func byValue() cmp.Option {
	return cmpopts.EquateComparable(
		events.Aggregate{}, events.TenantID{}, events.AccountID{}, events.ProductID{}, events.AppID{}, events.EventID{},
		events.RunID{}, events.PlanID{}, events.RestoreID{},
	)
}

func same(t testing.TB, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got, byValue()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func openSchemas(t testing.TB) *schemas.Set {
	t.Helper()
	set, err := schemas.New()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

const tenantUUID = "018f3c4e-0000-7000-8000-000000000001"

func aTenant() events.TenantID { return events.IDFromUUID[events.TenantID](uuid.MustParse(tenantUUID)) }

// anEvent is a valid event about a tenant.
func anEvent() events.Event {
	return events.Event{
		ID: events.DeriveID[events.EventID]("an event"), Source: "/services/commerce", About: events.OfTenant(aTenant()),
		Time: 1649144280000000000, Actor: "user_1", Payload: events.TenantRenamed{URL: "acme.example.net"},
	}
}
