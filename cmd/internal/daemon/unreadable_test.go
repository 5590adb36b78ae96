package daemon_test

import (
	"errors"
	"testing"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/restore"
)

// TestRestoresWhateverCannotBeRead has what governs deletions overwritten by somebody who
// can append to the log: nothing is deleted any more, the catalogue starts, and what was
// deleted comes back.
func TestRestoresWhateverCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, kind := range []events.AggregateKind{events.AggregateDoor, events.AggregatePolicy, events.AggregateClock} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			cfg := daemon.Config{DataDir: t.TempDir(), Stepped: true, Genesis: deletion.Genesis{Environment: people.Environment}}
			s := open(t, cfg)
			one := publish(t, s, "one")
			publish(t, s, "two")
			crew, run := people.NewCrew(s.Deletions(), s.Clock), events.DeriveID[events.RunID]("run")
			if err := crew.DeleteTenants(t.Context(), s.Service, run, asked("one")); err != nil {
				t.Fatal(err)
			}
			about := events.TheOne(kind)
			last, _, err := s.Log.LastOf(t.Context(), about)
			if err != nil {
				t.Fatal(err)
			}
			garbage, err := events.Encode(events.Event{
				ID: events.DeriveID[events.EventID]("garbage"), Source: "/stolen", About: about, Time: s.Now(), RecordedTime: s.Now(), Actor: "thief", Payload: events.ClockTicked{},
			})
			if err != nil {
				t.Fatal(err)
			}
			garbage.Data = []byte("garbage")
			if appended := s.Log.Append(t.Context(), []events.Unit{{Events: []events.Stored{garbage}, Expected: []events.Seq{last.Seq}}})[0]; appended.Err != nil {
				t.Fatal(appended.Err)
			}
			shown(t, s)
			stop(t, s)
			s = open(t, cfg)
			crew = people.NewCrew(s.Deletions(), s.Clock)
			if err := crew.DeleteTenants(t.Context(), s.Service, events.DeriveID[events.RunID]("another"), asked("two")); !errors.Is(err, catalogue.ErrQuarantined) {
				t.Errorf("another one is deleted: %v", err)
			}
			shown(t, s)
			plan, err := s.Restorer().Plan(t.Context(), restore.Ask{
				Mode: events.Rewind, Point: "before " + run.String(), Cause: events.Cause{Runs: []events.RunID{run}}, Actor: "user_oncall",
			})
			if err != nil {
				t.Fatal(err)
			}
			if done, err := s.Restorer().Apply(t.Context(), plan.ID, nil); err != nil || done.Restored != 1 || done.Finished.IsZero() {
				t.Fatal(done, err)
			}
			if is := status(t, s, one); is != events.TenantStatusActive {
				t.Errorf("it is %s", is)
			}
			err = s.Deletions().Halt(t.Context(), "user_oncall", events.DoorHalted{Cause: events.HaltByPerson})
			if refused := kind == events.AggregateDoor; (err != nil) != refused || refused && !errors.Is(err, catalogue.ErrQuarantined) {
				t.Errorf("a halt: %v", err)
			}
		})
	}
}
