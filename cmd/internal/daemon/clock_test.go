package daemon_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
)

// TestClockThatWasAhead has a clock jump ahead by 40 days, which is put right a moment
// later. No approval from before counts again; and deletions go on, with their bakes, while
// the clock is still behind what was recorded.
func TestClockThatWasAhead(t *testing.T) {
	t.Parallel()
	clock := catalogtest.NewClock(catalogtest.Start)
	s := open(t, daemon.Config{Stepped: true, Clock: clock.Now})
	var ids []events.TenantID
	var list []deletion.Asked
	for _, name := range []string{"one", "two", "three"} {
		ids, list = append(ids, publish(t, s, name)), append(list, asked(name))
	}
	crew := people.NewCrew(s.Deletions(), func() time.Time { return s.Now().Time() })
	policy := people.QuickPolicy(crew.Roster())
	policy.Bakes = []events.Seconds{600}
	if _, err := crew.Propose(t.Context(), policy, "begin"); err != nil {
		t.Fatal(err)
	}
	tick := func() {
		if err := s.Deletions().Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	step := func(p deletion.Planned) deletion.Step {
		out, err := s.Deletions().Step(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	tick()
	ask, err := crew.TakeOut(t.Context(), s.Service, events.DeriveID[events.RunID]("run"), list...)
	if err != nil {
		t.Fatal(err)
	}
	before, err := crew.Start(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	head, err := s.Deletions().Deletion(t.Context(), before.ID)
	if err != nil || len(head.Approvals) == 0 {
		t.Fatal(head, err)
	}

	clock.Move(40 * 24 * time.Hour)
	tick()
	clock.Move(-40 * 24 * time.Hour)
	tick()
	if halt := halted(t, s, func() {}); halt.Cause != events.HaltClock {
		t.Errorf("%+v", halt)
	}
	if out := step(before); !out.Done || out.Why == "" {
		t.Errorf("a plan from before the jump goes on: %+v", out)
	}
	lift(t, s, crew)
	again, err := crew.Plan(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Deletions().Approve(t.Context(), again.ID, head.Approvals[0].Approval); !errors.Is(err, deletion.ErrApproval) {
		t.Errorf("an approval from before the jump: %v", err)
	}
	// Signed by a clock that is right it has expired already, however fresh it is.
	stale := crew.Keys.ApprovePlan(people.Approver, again.ID, again.Deletion, events.TimeOf(clock.Now()), 1)
	if err := s.Deletions().Approve(t.Context(), again.ID, stale); !errors.Is(err, deletion.ErrApproval) || !strings.Contains(err.Error(), "has expired") {
		t.Errorf("an approval by another clock than the catalogue's: %v", err)
	}
	if err := s.Deletions().Withdraw(t.Context(), again.ID, people.Author, "only to try"); err != nil {
		t.Fatal(err)
	}

	began := s.Now()
	p, err := crew.Start(t.Context(), ask)
	if err != nil {
		t.Fatalf("a plan while the clock is behind: %v", err)
	}
	waited := time.Duration(0)
	for out := step(p); !out.Done; out = step(p) {
		if out.Wait > 0 {
			if waited += out.Wait; waited > time.Hour {
				t.Fatalf("%+v after waiting for %s", out, waited)
			}
			clock.Move(2 * out.Wait) // recorded time passes at half its pace
			tick()
		}
	}
	for i, id := range ids {
		if is := status(t, s, id); is != events.TenantStatusDeleted {
			t.Errorf("tenant %d is %s", i, is)
		}
	}
	if waited != 10*time.Minute || s.Now().Sub(began) != waited {
		t.Errorf("it waited for %s, and %s were recorded; want the bake of 10 minutes", waited, s.Now().Sub(began))
	}
}

// TestApprovalEndsWhileTheClockIsBehind approves a plan after a clock that was ahead was put
// right: within twice its life, of real time, the approval counts no more.
func TestApprovalEndsWhileTheClockIsBehind(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lives int // of an approval, that pass
		want  error
	}{
		"one life": {1, nil}, "two lives": {2, deletion.ErrApproval},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := catalogtest.NewClock(catalogtest.Start)
			s := open(t, daemon.Config{Stepped: true, Clock: clock.Now})
			publish(t, s, "one")
			crew := people.NewCrew(s.Deletions(), func() time.Time { return s.Now().Time() })
			policy := people.QuickPolicy(crew.Roster())
			policy.PlanLife, policy.RehearsalLife = 86400, 86400 // what ends is the approval
			if _, err := crew.Propose(t.Context(), policy, "begin"); err != nil {
				t.Fatal(err)
			}
			clock.Move(40 * 24 * time.Hour)
			if err := s.Deletions().Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
			clock.Move(-40 * 24 * time.Hour)
			ask, err := crew.TakeOut(t.Context(), s.Service, events.DeriveID[events.RunID]("run"), asked("one"))
			if err != nil {
				t.Fatal(err)
			}
			p, err := crew.Plan(t.Context(), ask)
			if err == nil {
				err = crew.Approve(t.Context(), p)
			}
			if err != nil {
				t.Fatal(err)
			}
			if found, err := s.Deletions().Rehearse(t.Context(), p.ID, people.Author); err != nil || !found.Passed {
				t.Fatal(found, err)
			}
			clock.Move(time.Duration(c.lives) * time.Hour) // the crew's approvals live for one
			if err := s.Deletions().Start(t.Context(), p.ID, people.Author); !errors.Is(err, c.want) {
				t.Errorf("it is started: %v, want %v", err, c.want)
			}
		})
	}
}

// TestClockThatIsHurried sets a clock forward again and again, by less than an hour: a tick
// takes half an hour of real time, and one hour is all that counts.
func TestClockThatIsHurried(t *testing.T) {
	t.Parallel()
	clock := catalogtest.NewClock(catalogtest.Start)
	s := open(t, daemon.Config{Stepped: true, Clock: clock.Now})
	crew := people.NewCrew(s.Deletions(), s.Clock)
	if _, err := crew.Propose(t.Context(), people.QuickPolicy(crew.Roster()), "begin"); err != nil {
		t.Fatal(err)
	}
	goOn := daemon.Executor(s, func() bool { return true })
	for range 20 {
		clock.Move(59 * time.Minute)
		goOn(t.Context())
	}
	if ticks := s.Seq(); ticks != 3 { // proposed, in force, and one tick
		t.Errorf("the log has %d events", ticks)
	}
}

// TestNothingGoesOnUnwatched carries out no plan before anybody would halt it.
func TestNothingGoesOnUnwatched(t *testing.T) {
	t.Parallel()
	s := open(t, daemon.Config{Stepped: true})
	one := publish(t, s, "one")
	crew := people.NewCrew(s.Deletions(), s.Clock)
	ask, err := crew.TakeOut(t.Context(), s.Service, events.DeriveID[events.RunID]("run"), asked("one"))
	if err == nil {
		_, err = crew.Start(t.Context(), ask)
	}
	if err != nil {
		t.Fatal(err)
	}
	watched := false
	goOn := daemon.Executor(s, func() bool { return watched })
	goOn(t.Context())
	if is := status(t, s, one); is != events.TenantStatusDeactivated {
		t.Errorf("unwatched: %s", is)
	}
	watched = true
	goOn(t.Context())
	if is := status(t, s, one); is != events.TenantStatusDeleted {
		t.Errorf("watched: %s", is)
	}
}
