package deletions_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/deletions"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
)

// logOf is a log of these events, one a second.
func logOf(t *testing.T, list ...events.Event) []events.Stored {
	t.Helper()
	out := make([]events.Stored, len(list))
	for i, e := range list {
		e.ID, e.Source, e.Actor, e.Via = events.DeriveID[events.EventID](fmt.Sprint("event", i)), "/services/test", "user_1", "test"
		e.Time = events.TimeOf(catalogtest.Start) + events.Time(i)*1e9
		e.RecordedTime = e.Time
		stored, err := events.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		stored.Seq = events.Seq(i + 1)
		out[i] = stored
	}
	return out
}

// planID is that of the n-th plan: ids of plans are in the order of time.
func planID(n byte) events.PlanID {
	return events.IDFromUUID[events.PlanID](uuid.UUID{5: n, 6: 0x70, 8: 0x80})
}

func planned(n byte) events.Event {
	return events.Event{About: events.OfDeletion(planID(n)), Payload: events.DeletionPlanned{
		Environment: "test", Kind: events.DeletionOfTenants, Author: "ana", Submitter: "ana", Supplier: "ben", Reason: "closed",
		Expected: 1, Policy: 1, Expires: events.TimeOf(catalogtest.Start), Waves: []uint32{1},
		Targets: []events.DeletionTarget{{Tenant: events.DeriveID[events.TenantID](fmt.Sprint(n)), Pinned: 1, Digest: []byte{n}}},
	}}
}

// TestWhatIsKept reads what the fold of whole states has, and what is quarantined.
func TestWhatIsKept(t *testing.T) {
	t.Parallel()
	door, policy, clock := events.TheOne(events.AggregateDoor), events.TheOne(events.AggregatePolicy), events.TheOne(events.AggregateClock)
	lien := events.OfLiens(events.DeriveID[events.TenantID]("t"))
	log := logOf(t,
		events.Event{About: clock, Payload: events.ClockTicked{}},
		events.Event{About: policy, Payload: events.PolicyProposed{Version: 1, Author: "ana", Reason: "first", Policy: events.Policy{Environment: "test"}}},
		events.Event{About: policy, Payload: events.PolicyChanged{Version: 1}},
		events.Event{About: door, Payload: events.DoorHalted{Cause: events.HaltByPerson, Detail: "look"}},
		events.Event{About: lien, Payload: events.LienPlaced{Matter: "m-1", Reason: "court"}},
		planned(2), planned(1), planned(3),
	)
	log = append(log, events.Stored{
		Seq: events.Seq(len(log) + 1), About: events.OfDeletion(planID(1)), ID: events.DeriveID[events.EventID]("bad"),
		Type: events.DeletionStarted{}.EventType(), Source: "/services/test", Data: []byte("garbage"),
	})
	v := deletions.New()
	db, err := viewdb.Open(viewdb.Config{Dir: "deletions", Name: v.Name(), Format: v.Format(), FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := projectors.Folder(db, v, "test", projectors.NewVoucher())(log); err != nil {
		t.Fatal(err)
	}
	want := map[events.Aggregate]catalogue.MapState{}
	for _, s := range log[:len(log)-1] {
		e, err := events.Decode(s)
		if err != nil {
			t.Fatal(err)
		}
		if want[s.About] == nil {
			want[s.About] = catalogue.MapState{}
		}
		if err := catalogue.Evolve(want[s.About], e); err != nil {
			t.Fatal(err)
		}
	}
	for about, state := range want {
		got := catalogue.MapState{}
		for key := range state {
			if got[key], err = deletions.State(db, about).Get(key); err != nil {
				t.Fatal(err)
			}
		}
		if changes, err := replay.Diff(state, got); err != nil || len(changes) > 0 {
			t.Errorf("%s differs in %v, %v", about, changes, err)
		}
		seq, err := deletions.Quarantined(db, about)
		if err != nil || (seq != 0) != (about == events.OfDeletion(planID(1))) {
			t.Errorf("%s is quarantined since %d, %v", about, seq, err)
		}
	}
	var plans []events.PlanID
	err = deletions.Each(db, func(id events.PlanID, d events.Deletion) error {
		plans = append(plans, id)
		if d.Plan.Targets[0].Digest[0] != id.UUID()[5] {
			t.Errorf("%s has another's plan", id)
		}
		return nil
	})
	if err != nil || !slices.Equal(plans, []events.PlanID{planID(3), planID(2), planID(1)}) {
		t.Errorf("plans %v, %v", plans, err)
	}
}
