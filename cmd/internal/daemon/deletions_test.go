package daemon_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay/restore"
)

// asked is a line of a list that is about the tenant of a name.
func asked(name string) deletion.Asked {
	e := created(name)
	p, _ := e.Payload.(events.TenantCreated)
	return deletion.Asked{ID: e.About.Tenant().String(), Parent: p.Account.String(), Name: p.URL}
}

func status(t *testing.T, s *daemon.System, id events.TenantID) events.TenantStatus {
	t.Helper()
	shown(t, s)
	var status events.TenantStatus
	err := s.Homes[tenants.Name].View(func(v *viewdb.Snapshot) error {
		record, _, err := tenants.Get(v, id)
		status = record.Status
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// TestDeletion takes a deletion through the door of a running catalogue: everything is
// real, the rehearsal included.
func TestDeletion(t *testing.T) {
	t.Parallel()
	s := open(t, daemon.Config{Stepped: true})
	var list []deletion.Asked
	for _, name := range []string{"one", "two", "three"} {
		publish(t, s, name)
		list = append(list, asked(name))
	}
	stays := publish(t, s, "stays")
	crew := people.NewCrew(s.Deletions(), s.Clock)
	run := events.DeriveID[events.RunID]("run")
	if err := crew.DeleteTenants(t.Context(), s.Service, run, list...); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two", "three"} {
		if is := status(t, s, created(name).About.Tenant()); is != events.TenantStatusDeleted {
			t.Errorf("%s is %s", name, is)
		}
	}
	if is := status(t, s, stays); is != events.TenantStatusActive {
		t.Errorf("the neighbour is %s", is)
	}
	report, err := s.Verify(t.Context(), nil)
	if err != nil || !report.OK() {
		t.Errorf("verify: %v, %v", report.Faults, err)
	}
}

// TestNoOtherDoor leaves nobody a way past it, not even the catalogue's own credential.
func TestNoOtherDoor(t *testing.T) {
	t.Parallel()
	s := open(t, daemon.Config{Stepped: true})
	id := publish(t, s, "one")
	for _, policy := range []bool{false, true} {
		if policy {
			crew := people.NewCrew(s.Deletions(), s.Clock)
			if _, err := crew.Propose(t.Context(), people.QuickPolicy(crew.Roster()), "begin"); err != nil {
				t.Fatal(err)
			}
		}
		for _, roles := range [][]catalogue.Role{nil, {catalogue.RoleOperator}, {catalogue.RoleInternal}} {
			e := created("one")
			e.ID, e.Payload = events.DeriveID[events.EventID]("delete"), events.TenantDeleted{Reason: "past the door"}
			v := s.Service.Publish(t.Context(), catalogue.Credential{Via: "test", Roles: roles}, catalogue.Request{Events: []events.Event{e}})[0]
			if !errors.Is(v.Err, catalogue.ErrForbidden) && !errors.Is(v.Err, deletion.ErrNoPlan) && !errors.Is(v.Err, deletion.ErrPolicy) {
				t.Errorf("roles %v: %v", roles, v.Err)
			}
		}
	}
	if is := status(t, s, id); is != events.TenantStatusActive {
		t.Errorf("it is %s", is)
	}
}

// TestExecutorGoesOn starts a deletion, stops the catalogue before anything has gone, and
// finds it done by the next one by itself.
func TestExecutorGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, daemon.Config{DataDir: dir, Stepped: true})
	id := publish(t, s, "one")
	crew := people.NewCrew(s.Deletions(), s.Clock)
	if _, err := crew.Propose(t.Context(), people.QuickPolicy(crew.Roster()), "begin"); err != nil {
		t.Fatal(err)
	}
	e := created("one")
	e.ID, e.Payload = events.DeriveID[events.EventID]("deactivate"), events.TenantDeactivated{}
	if v := s.Service.Publish(t.Context(), catalogue.Credential{Via: "test"}, catalogue.Request{Events: []events.Event{e}})[0]; v.Err != nil {
		t.Fatal(v.Err)
	}
	p, err := crew.Start(t.Context(), deletion.Ask{
		Kind: events.DeletionOfTenants, Author: people.Author, Submitter: people.Author, Supplier: "analyst",
		Reason: "closed", Expected: 1, Targets: []deletion.Asked{asked("one")},
	})
	if err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	s = open(t, daemon.Config{DataDir: dir})
	for ended := false; !ended; {
		head, err := s.Log.Head(t.Context())
		if err == nil {
			err = s.Runner.WaitFor(t.Context(), head)
		}
		d, failed := s.Deletions().Deletion(t.Context(), p.ID)
		if err := errors.Join(err, failed); err != nil {
			t.Fatal(err)
		}
		ended = d.Finished.Done
	}
	if is := status(t, s, id); is != events.TenantStatusDeleted {
		t.Errorf("it is %s", is)
	}
	var clock events.Clock
	err = s.Look(t.Context(), func(look deletion.Lookup) (err error) {
		clock, _, err = catalogue.Get[events.Clock](look.State(events.TheOne(events.AggregateClock)), events.Clock{}.EntityKey())
		return err
	})
	if err != nil || clock.Last.IsZero() {
		t.Errorf("time is not marked: %+v, %v", clock, err)
	}
}

// TestAlarmIsPosted appends a tombstone that no plan makes, as whoever holds the log's own
// credential can: within seconds it is told of, in the log and to whoever is to be told,
// deletions are halted, and the tenant is not believed to be deleted.
func TestAlarmIsPosted(t *testing.T) {
	t.Parallel()
	posted := make(chan events.AlarmRaised, 8)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var a events.AlarmRaised
		if json.NewDecoder(r.Body).Decode(&a) == nil {
			posted <- a
		}
	}))
	defer receiver.Close()
	s := open(t, daemon.Config{Stepped: true, Webhooks: []string{receiver.URL}})
	id := publish(t, s, "one")
	crew := people.NewCrew(s.Deletions(), s.Clock)
	if _, err := crew.Propose(t.Context(), people.QuickPolicy(crew.Roster()), "begin"); err != nil {
		t.Fatal(err)
	}
	last, _, err := s.Log.LastOf(t.Context(), events.OfTenant(id))
	if err != nil {
		t.Fatal(err)
	}
	forged := created("one")
	forged.ID, forged.Payload, forged.RecordedTime, forged.Via = events.DeriveID[events.EventID]("forged"), events.TenantDeleted{}, s.Now(), "stolen"
	stored, err := events.Encode(forged)
	if err != nil {
		t.Fatal(err)
	}
	appended := s.Log.Append(t.Context(), []events.Unit{{Events: []events.Stored{stored}, Expected: []events.Seq{last.Seq}}})[0]
	if appended.Err != nil {
		t.Fatal(appended.Err)
	}
	select {
	case a := <-posted:
		if a.Alarm != events.AlarmUnvouched || a.From != appended.First || a.Count != 1 {
			t.Errorf("it is told %+v", a)
		}
	case <-time.After(time.Minute):
		t.Fatal("nobody is told")
	}
	for halted := false; !halted; {
		door, err := s.Deletions().Door(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		halted = !door.Halted.IsZero()
	}
	shown(t, s)
	err = s.Homes[tenants.Name].View(func(v *viewdb.Snapshot) error {
		_, _, err := tenants.Get(v, id)
		return err
	})
	if !errors.Is(err, projectors.ErrQuarantined) {
		t.Errorf("the tenant: %v", err)
	}
	alarms, halts := s.Alarms()
	for len(halts) == 0 { // it is counted once it is answered
		alarms, halts = s.Alarms()
	}
	if alarms[events.AlarmUnvouched] != 1 || halts[events.HaltMismatch] != 1 {
		t.Errorf("counted: %v, %v", alarms, halts)
	}
}

// TestGenesis holds the first policy against what the catalogue is said to be, and a data
// directory, too.
func TestGenesis(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, daemon.Config{DataDir: dir, Stepped: true, Genesis: deletion.Genesis{Environment: "production"}})
	crew := people.NewCrew(s.Deletions(), s.Clock)
	policy := people.QuickPolicy(crew.Roster())
	if _, err := crew.Propose(t.Context(), policy, "begin"); !errors.Is(err, deletion.ErrPolicy) {
		t.Errorf("a policy of another environment: %v", err)
	}
	policy.Environment = "production"
	if _, err := crew.Propose(t.Context(), policy, "begin"); err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	other, err := daemon.Open(t.Context(), daemon.Config{DataDir: dir, Stepped: true, Genesis: deletion.Genesis{Environment: "staging"}})
	if !errors.Is(err, deletion.ErrPolicy) {
		t.Errorf("a directory of another environment: %v", err)
	}
	if other != nil {
		stop(t, other)
	}
	stop(t, open(t, daemon.Config{DataDir: dir, Stepped: true, Genesis: deletion.Genesis{Environment: "production"}}))
}

// TestForeignFirstPolicy is appended by whoever holds the log's own credential before the
// owners of the catalogue have one: it is never in force, theirs is, and a restart knows.
func TestForeignFirstPolicy(t *testing.T) {
	t.Parallel()
	cfg := daemon.Config{DataDir: t.TempDir(), Stepped: true}
	for _, m := range people.NewKeys(people.Author, people.Approver, people.Approver2, people.Portal).Roster(1) {
		cfg.Genesis.Keys = append(cfg.Genesis.Keys, deletion.KeyID(m.Key))
	}
	s := open(t, cfg)
	theirs := people.QuickPolicy(people.NewKeys("eve", "ede").Roster(s.Now().Add(time.Hour * 1000)))
	unit := events.Unit{Expected: []events.Seq{0, 0}}
	for _, p := range []events.Payload{
		events.PolicyProposed{Version: 1, Author: "eve", Reason: "mine", Policy: theirs}, events.PolicyChanged{Version: 1},
	} {
		e := created("one")
		e.ID, e.About, e.Payload = events.DeriveID[events.EventID](string(p.EventType())), events.TheOne(events.AggregatePolicy), p
		e.RecordedTime, e.Via = s.Now(), "stolen"
		stored, err := events.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		unit.Events = append(unit.Events, stored)
	}
	if out := s.Log.Append(t.Context(), []events.Unit{unit}); out[0].Err != nil {
		t.Fatal(out[0].Err)
	}
	if in, _, err := s.Deletions().Policy(t.Context()); err != nil || in.Version != 0 {
		t.Fatalf("policy %d is in force: %v", in.Version, err)
	}
	crew := people.NewCrew(s.Deletions(), s.Clock)
	if changed, err := crew.Propose(t.Context(), people.QuickPolicy(crew.Roster()), "begin"); err != nil || !changed {
		t.Fatalf("ours is not in force: %v", err)
	}
	stop(t, s)
	s = open(t, cfg)
	in, _, err := s.Deletions().Policy(t.Context())
	if err != nil || in.Version != 1 || len(in.Policy.Roster) != len(cfg.Genesis.Keys) {
		t.Errorf("after a start policy %+v is in force: %v", in, err)
	}
	report, err := s.Verify(t.Context(), nil)
	if err != nil || !report.OK() || len(report.PassedOver) != 2 {
		t.Errorf("verify tells of %v, %v, %v", report.Faults, report.PassedOver, err)
	}
}

// TestHoldEnds applies a restoration, which holds the door meanwhile and lets go of it; and
// applied again it lets go of what was left held by a crash.
func TestHoldEnds(t *testing.T) {
	t.Parallel()
	s := open(t, daemon.Config{Stepped: true})
	id := publish(t, s, "one")
	crew := people.NewCrew(s.Deletions(), s.Clock)
	run := events.DeriveID[events.RunID]("run")
	if err := crew.DeleteTenants(t.Context(), s.Service, run, asked("one")); err != nil {
		t.Fatal(err)
	}
	shown(t, s)
	plan, err := s.Restorer().Plan(t.Context(), restore.Ask{
		Mode: events.Rewind, Point: "before " + run.String(), Cause: events.Cause{Runs: []events.RunID{run}}, Actor: "user_oncall",
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Restorer().Apply(t.Context(), plan.ID, nil); err != nil {
			t.Fatal(err)
		}
		if door, err := s.Deletions().Door(t.Context()); err != nil || len(door.Held) > 0 {
			t.Errorf("the door is held: %v, %v", door.Held, err)
		}
		// As if the process had ended before it let go.
		if err := s.Deletions().Hold(t.Context(), "user_oncall", plan.ID); err != nil {
			t.Fatal(err)
		}
	}
	if is := status(t, s, id); is != events.TenantStatusActive {
		t.Errorf("it is %s", is)
	}
}
