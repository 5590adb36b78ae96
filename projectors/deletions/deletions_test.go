package deletions_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/deletiontest"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/deletions"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
)

// TestWhatIsKept reads what the log leads to, and what is quarantined.
func TestWhatIsKept(t *testing.T) {
	t.Parallel()
	log := eventtest.NewMemoryLog("kept")
	w := deletiontest.NewWorld(t, log)
	w.People(1, 2, 3)
	w.Govern()
	plans := []events.PlanID{w.Plan(1)}
	w.Run(plans[0])
	plans = append(plans, w.Plan(2))
	w.Do(events.TheOne(events.AggregateDoor), events.DoorHalted{Cause: events.HaltByPerson, Detail: "look"})
	w.Do(events.OfLiens(deletiontest.Tenant(3).Tenant()), events.LienPlaced{Matter: "m-1", Reason: "court"})
	w.Garbage(events.OfDeletion(plans[1]))
	unread := events.DeriveID[events.PlanID]("unread")
	w.Garbage(events.OfDeletion(unread))

	v := deletions.New()
	db, err := viewdb.Open(viewdb.Config{Dir: "deletions", Name: v.Name(), Format: v.Format(), FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := projectors.Folder(db, v, log.Identity(), projectors.NewVoucher(deletion.Genesis{}))(eventtest.All(t, log)); err != nil {
		t.Fatal(err)
	}
	for about, state := range w.Facts.States {
		want := catalogue.MapState{}
		for key, entity := range state {
			if v.Keeps(key.Kind) {
				want[key] = entity
			}
		}
		got := catalogue.MapState{}
		for key := range want {
			if got[key], err = deletions.State(db, about).Get(key); err != nil {
				t.Fatal(err)
			}
		}
		changes, err := replay.Diff(want, got)
		if err != nil || len(changes) > 0 {
			t.Errorf("%s differs in %v, %v", about, changes, err)
		}
		seq, err := deletions.Quarantined(db, about)
		if err != nil || seq != w.Facts.Heads[about].Quarantined {
			t.Errorf("%s is quarantined since %d, %v", about, seq, err)
		}
	}
	tombstone := w.Facts.Heads[deletiontest.Tenant(1)].Seq
	for seq, want := range map[events.Seq]events.PlanID{tombstone: plans[0], tombstone - 1: {}, tombstone + 1: {}, 1: {}} {
		if wave, _, err := deletions.WaveOf(db, seq); err != nil || wave.Plan != want {
			t.Errorf("%d belongs to %+v, %v", seq, wave, err)
		}
	}
	if ids, err := deletions.Unread(db); err != nil || !slices.Equal(ids, []events.PlanID{unread}) {
		t.Errorf("nothing is known of %v, %v", ids, err)
	}
	var listed []events.PlanID
	err = deletions.Each(db, func(id events.PlanID, d events.Deletion) error {
		listed = append(listed, id)
		if hash, err := d.Plan.Hash(id); err != nil || !slices.Equal(hash, d.Hash) {
			t.Errorf("%s has another's plan: %v", id, err)
		}
		return nil
	})
	slices.Reverse(plans) // whatever their ids say
	if err != nil || !slices.Equal(listed, plans) {
		t.Errorf("plans %v, not %v: %v", listed, plans, err)
	}
}

// TestEachOf finds the plans that an author has signed, the newest first, however many others
// there are.
func TestEachOf(t *testing.T) {
	t.Parallel()
	plan := func(seq events.Seq, author string, owner events.AccountID) events.Event {
		id := events.DeriveID[events.PlanID](fmt.Sprint(seq))
		return events.Event{Seq: seq, About: events.OfDeletion(id), Payload: events.DeletionPlanned{Author: author, Owner: owner, Expected: uint32(seq)}}
	}
	owner := events.DeriveID[events.AccountID]("x")
	var recorded []projectors.Recorded
	for _, e := range []events.Event{
		plan(1, "ana", events.AccountID{}), plan(2, "ana.b", events.AccountID{}), plan(3, "ana", owner), plan(4, "ana", events.AccountID{}),
		{Seq: 5, About: events.OfDeletion(events.DeriveID[events.PlanID]("5")), Payload: events.DeletionRefused{Author: "ana", Targets: 7}},
		plan(6, "ana", events.AccountID{}), plan(300, "ana", events.AccountID{}),
	} {
		recorded = append(recorded, projectors.Recorded{Stored: events.Stored{Seq: e.Seq, About: e.About}, Event: e})
	}
	v := deletions.New()
	db, err := viewdb.Open(viewdb.Config{Dir: "deletions", Name: v.Name(), Format: v.Format(), FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	b := db.NewBatch()
	if err := errors.Join(v.Project(b, recorded), b.Commit(viewdb.Checkpoint{Stream: "test", Seq: 300, Event: events.DeriveID[events.EventID]("300")})); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		author string
		before events.Seq
		want   []uint32
	}{
		{"ana", 0, []uint32{300, 6, 4, 1}},
		{"ana", 301, []uint32{300, 6, 4, 1}},
		{"ana", 300, []uint32{6, 4, 1}},
		{"ana", 5, []uint32{4, 1}},
		{"ana", 4, []uint32{1}},
		{"ana", 1, nil},
		{"ana.b", 0, []uint32{2}},
		{"an", 0, nil},
	} {
		var got []uint32
		err := deletions.EachOf(db, c.author, c.before, func(_ events.PlanID, d events.Deletion) error {
			got = append(got, d.Plan.Expected)
			return nil
		})
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("of %s before %d: %v, not %v: %v", c.author, c.before, got, c.want, err)
		}
	}
	all := 0
	if err := deletions.Each(db, func(events.PlanID, events.Deletion) error { all++; return nil }); err != nil || all != 6 {
		t.Errorf("there are %d plans: %v", all, err)
	}
}

// TestRules are held against the view as they are against the log.
func TestRules(t *testing.T) {
	t.Parallel()
	log := eventtest.NewMemoryLog("rules")
	w := deletiontest.NewWorld(t, log)
	w.People(1)
	w.Govern()
	id := w.Plan(1)
	v := deletions.New()
	db, err := viewdb.Open(viewdb.Config{Dir: "deletions", Name: v.Name(), Format: v.Format(), FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := projectors.Folder(db, v, log.Identity(), projectors.NewVoucher(deletion.Genesis{}))(eventtest.All(t, log)); err != nil {
		t.Fatal(err)
	}
	wave := w.Event(events.TheOne(events.AggregateDoor), events.DoorPassed{Plan: id, Kind: events.DeletionOfTenants, Wave: 1, Targets: 1})
	wave.Seq, wave.RecordedTime = w.AsOf()+1, wave.Time
	if err := deletion.Vouch(deletions.NewLook(db), wave); err != nil {
		t.Error(err)
	}
	wave.Payload = events.DoorPassed{Plan: id, Kind: events.DeletionOfTenants, Wave: 2, Targets: 1}
	if err := deletion.Vouch(deletions.NewLook(db), wave); err == nil {
		t.Error("the second wave may come first")
	}
}
