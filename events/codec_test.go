package events_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"tenantcatalogue/events"
)

func TestStoredFormKeepsEverything(t *testing.T) {
	t.Parallel()
	tenant := events.IDFromUUID[events.TenantID](uuid.MustParse("018f3c4e-0000-7000-8000-000000000001"))
	e := events.Event{
		ID: events.DeriveID[events.EventID]("x"), Source: "/services/commerce", About: events.OfTenant(tenant),
		Time: 5, RecordedTime: 7, Actor: "user_1", Epoch: 3, Via: "services", More: 2, Seq: 9,
		Payload: events.TenantRestored{
			Mode: events.Undo, Cut: 4, Parts: 1, Part: 1, Digest: []byte{1, 2},
			Entities: events.Entities{
				events.Tenant{URL: "a", Metadata: map[string]string{"a": "b"}, Status: events.TenantStatusActive},
				events.Member{User: "u", Roles: []string{"x"}},
			},
		},
	}
	stored, err := events.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	back, err := events.Decode(stored)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(e, back, cmp.Comparer(func(a, b events.Aggregate) bool { return a == b }), cmp.Comparer(func(a, b events.EventID) bool { return a == b }), cmp.Comparer(func(a, b events.RunID) bool { return a == b }), cmp.Comparer(func(a, b events.RestoreID) bool { return a == b }), cmp.Comparer(func(a, b events.AccountID) bool { return a == b })); d != "" {
		t.Error(d)
	}
}
