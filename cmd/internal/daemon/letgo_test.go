package daemon_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/replay/restore"
)

// interrupted is a publisher that has something else happen before it publishes first.
type interrupted struct {
	restore.Publisher

	once  sync.Once
	first func()
}

func (i *interrupted) Publish(ctx context.Context, c catalogue.Credential, requests ...catalogue.Request) []catalogue.Verdict {
	i.once.Do(i.first)
	return i.Publisher.Publish(ctx, c, requests...)
}

// letGo halts, and lifts the halt with letting go of a restoration.
func letGo(t *testing.T, s *daemon.System, crew *people.Crew, id events.RestoreID) {
	t.Helper()
	named := []events.RestoreID{id}
	if err := s.Deletions().Halt(t.Context(), "user_oncall", events.DoorHalted{Cause: events.HaltByPerson}); err != nil {
		t.Fatal(err)
	}
	door, err := s.Deletions().Door(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	approval := crew.Keys.Approve(people.Consent{
		Person: people.Approver, Action: deletion.ActionReopen, Environment: people.Environment, Hash: deletion.HaltHash(door.Halted, named),
		Sentence: deletion.ReopenSentence(people.Environment, door.Halted, named), Now: s.Now(), N: uint64(door.Halted.Seq),
	})
	if err := s.Deletions().Reopen(t.Context(), "user_oncall", events.DoorReopened{Approval: approval, Reason: "it is stuck", LetGo: named}); err != nil {
		t.Fatal(err)
	}
}

// TestLetGoOfWhileItIsApplied lets go of a restoration in the middle of being applied: it
// brings nothing back beside deletions, is not finished, and goes on when it is applied again.
func TestLetGoOfWhileItIsApplied(t *testing.T) {
	t.Parallel()
	s := open(t, daemon.Config{Stepped: true})
	publish(t, s, "one")
	publish(t, s, "two")
	publish(t, s, "three")
	crew := people.NewCrew(s.Deletions(), s.Clock)
	run := events.DeriveID[events.RunID]("run")
	if err := crew.DeleteTenants(t.Context(), s.Service, run, asked("one"), asked("two")); err != nil {
		t.Fatal(err)
	}
	shown(t, s)
	plan, err := s.Restorer().Plan(t.Context(), restore.Ask{
		Mode: events.Rewind, Point: "before " + run.String(), Cause: events.Cause{Runs: []events.RunID{run}}, Actor: "user_oncall",
	})
	if err != nil {
		t.Fatal(err)
	}
	held := func() []events.RestoreID {
		door, err := s.Deletions().Door(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return door.Held
	}
	service := &interrupted{Publisher: s.Service, first: func() {
		if !slices.Contains(held(), plan.ID) {
			t.Error("it does not hold the door")
		}
		letGo(t, s, crew, plan.ID)
	}}
	running := restore.New(restore.Config{
		History: func(f func(*history.Reader) error) error { return history.View(s.History, f) },
		Service: service, Views: s.Runner, Log: s.Log, Door: s.Deletions(), Now: s.Now,
	})
	if done, err := running.Apply(t.Context(), plan.ID, nil); !errors.Is(err, deletion.ErrLetGo) {
		t.Errorf("it went on: %+v, %v", done, err)
	}
	if done, err := running.Status(t.Context(), plan.ID); err != nil || done.Finished != 0 {
		t.Errorf("it is finished: %+v, %v", done, err)
	}
	for _, name := range []string{"one", "two"} {
		if is := status(t, s, created(name).About.Tenant()); is != events.TenantStatusDeleted {
			t.Errorf("%s is %s beside deletions", name, is)
		}
	}
	if held := held(); len(held) > 0 {
		t.Errorf("the door is held by %v", held)
	}
	if err := crew.DeleteTenants(t.Context(), s.Service, events.DeriveID[events.RunID]("other"), asked("three")); err != nil {
		t.Errorf("deletions do not go on: %v", err)
	}
	done, err := s.Restorer().Apply(t.Context(), plan.ID, nil)
	if err != nil || done.Restored != 2 || len(done.Failed) > 0 {
		t.Errorf("applied again: %+v, %v", done, err)
	}
	for _, name := range []string{"one", "two"} {
		if is := status(t, s, created(name).About.Tenant()); is != events.TenantStatusActive {
			t.Errorf("%s is %s", name, is)
		}
	}
	if held := held(); len(held) > 0 {
		t.Errorf("the door is held by %v", held)
	}
}
