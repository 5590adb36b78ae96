package daemon_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
	"tenantcatalogue/replay"
)

// halted waits until deletions are halted, and does something meanwhile.
func halted(t *testing.T, s *daemon.System, meanwhile func()) events.DoorHalted {
	t.Helper()
	for began := time.Now(); time.Since(began) < 30*time.Second; {
		door, err := s.Deletions().Door(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !door.Halted.IsZero() {
			return door.Halt
		}
		meanwhile()
	}
	t.Fatal("deletions are not halted")
	return events.DoorHalted{}
}

// TestConditions lists what deletions do not go on without.
func TestConditions(t *testing.T) {
	t.Parallel()
	s := open(t, daemon.Config{Stepped: true})
	want := []events.HaltCause{
		events.HaltDigest, events.HaltLag, events.HaltLag, events.HaltLag, events.HaltQuorum, events.HaltStreamConfig, events.HaltUncounted,
	}
	if got := daemon.Conditions(s); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// lift has the halt in force lifted.
func lift(t *testing.T, s *daemon.System, crew *people.Crew) {
	t.Helper()
	door, err := s.Deletions().Door(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	approval := crew.Keys.Approve(people.Consent{
		Person: people.Approver, Action: deletion.ActionReopen, Environment: people.Environment, Hash: deletion.HaltHash(door.Halted, nil),
		Sentence: deletion.ReopenSentence(people.Environment, door.Halted, nil), Now: s.Now(), N: uint64(door.Halted.Seq),
	})
	if err := s.Deletions().Reopen(t.Context(), "user_oncall", events.DoorReopened{Approval: approval, Reason: "found"}); err != nil {
		t.Fatal(err)
	}
}

// TestFaultIsRemembered halts a plan because of what a verification has found before the
// catalogue was started again; what one of everything has found only another makes good.
func TestFaultIsRemembered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, daemon.Config{DataDir: dir, Stepped: true})
	publish(t, s, "one")
	crew := people.NewCrew(s.Deletions(), s.Clock)
	ask, err := crew.TakeOut(t.Context(), s.Service, events.DeriveID[events.RunID]("run"), asked("one"))
	if err != nil {
		t.Fatal(err)
	}
	shown(t, s)
	daemon.VerifiedAs(s, replay.Report{Faults: []replay.Fault{{View: "tenants", What: "a row is wrong"}}}, true)
	stop(t, s)
	s = open(t, daemon.Config{DataDir: dir, Stepped: true})
	crew = people.NewCrew(s.Deletions(), s.Clock)
	halts := func(what string) {
		t.Helper()
		if _, err := crew.Plan(t.Context(), ask); err != nil {
			t.Fatal(err)
		}
		if halt := halted(t, s, func() {}); halt.Cause != events.HaltDigest || !strings.Contains(halt.Detail, "a row is wrong") {
			t.Errorf("%s: %+v", what, halt)
		}
		lift(t, s, crew)
	}
	halts("after a start")
	if report, err := s.Prove(t.Context()); err != nil || !report.OK() {
		t.Fatal(report, err)
	}
	halts("after a proof of the views alone")
	if report, err := s.Verify(t.Context(), nil); err != nil || !report.OK() {
		t.Fatal(report, err)
	}
	if err := crew.Delete(t.Context(), ask); err != nil {
		t.Errorf("after a verification of everything: %v", err)
	}
}

// TestUncountedWaveHalts halts when a wave has passed and the recount does not come.
func TestUncountedWaveHalts(t *testing.T) {
	t.Parallel()
	clock := catalogtest.NewClock(time.Now())
	s := open(t, daemon.Config{Stepped: true, Clock: clock.Now})
	publish(t, s, "one")
	publish(t, s, "two")
	crew := people.NewCrew(s.Deletions(), s.Clock)
	ask, err := crew.TakeOut(t.Context(), s.Service, events.DeriveID[events.RunID]("run"), asked("one"), asked("two"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := crew.Start(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	if step, err := s.Deletions().Step(t.Context(), p.ID); err != nil || step.Wave != 1 {
		t.Fatal(step, err)
	}
	passed := s.Now()
	shown(t, s) // or the clock would find that a view has not read for hours
	halt := halted(t, s, func() { clock.Move(time.Second) })
	if halt.Cause != events.HaltUncounted || !strings.Contains(halt.Detail, "wave 1 of "+p.ID.String()) {
		t.Errorf("%+v", halt)
	}
	if waited := s.Now().Sub(passed); waited < 5*time.Minute {
		t.Errorf("it was halted %s after the wave", waited)
	}
}

// TestLate tells of a view that has not read for half a minute what the log holds, however
// little that is.
func TestLate(t *testing.T) {
	t.Parallel()
	clock := catalogtest.NewClock(time.Now())
	late := daemon.LateOn(clock.Now)
	for _, step := range []struct {
		after time.Duration
		at    events.Seq
		wrong bool
	}{
		{0, 8, false},
		{29 * time.Second, 8, false},
		{time.Second, 8, true},
		{time.Second, 9, false},
		{time.Minute, 9, false},
	} {
		clock.Move(step.after)
		if err := late(9, map[string]events.Seq{"view a": 9, "view b": step.at}); (err != nil) != step.wrong || step.wrong && !strings.Contains(err.Error(), "view b stands at event 8") {
			t.Errorf("%+v: %v", step, err)
		}
	}
}
