package daemon_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/restore"
	"tenantcatalogue/watch"
)

// TestPastIsWatched reads a long past, with a deletion and a restoration in it, a tombstone
// that nobody planned and more liens than are read at once: of what concerns the Watcher it
// misses nothing, in order, whether the history has everything already or not.
func TestPastIsWatched(t *testing.T) {
	t.Parallel()
	s := open(t, daemon.Config{Stepped: true, Genesis: deletion.Genesis{Environment: people.Environment}})
	publish(t, s, "one")
	crew, run := people.NewCrew(s.Deletions(), s.Clock), events.DeriveID[events.RunID]("run")
	if err := crew.DeleteTenants(t.Context(), s.Service, run, asked("one")); err != nil {
		t.Fatal(err)
	}
	shown(t, s)
	plan, err := s.Restorer().Plan(t.Context(), restore.Ask{
		Mode: events.Undo, Point: "before " + run.String(), Cause: events.Cause{Runs: []events.RunID{run}}, Actor: "user_oncall",
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Restorer().Apply(t.Context(), plan.ID, nil); err != nil {
		t.Fatal(err)
	}
	forge(t, s, events.OfTenant(events.DeriveID[events.TenantID]("two")), 1, events.TenantDeleted{Reason: "forged"})
	forge(t, s, events.OfLiens(events.DeriveID[events.TenantID]("one")), 2100, events.LienPlaced{Matter: "forged"})
	forge(t, s, events.OfAccount(events.DeriveID[events.AccountID]("one")), 9000, events.AccountContactsUpdated{})
	check := func() (read int) {
		head, err := s.Log.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, after := range []events.Seq{0, 5, head - 10_500, head - 1} {
			got, most := past(t, daemon.Watched(s), after, head)
			want, _ := past(t, s.Log, after, head)
			if !slices.Equal(concerning(got), concerning(want)) {
				t.Errorf("after %d up to %d: %d events, not %d", after, head, len(concerning(got)), len(concerning(want)))
			}
			if after == 0 {
				read = len(got)
			}
			if len(got) < 5000 && most > 1000 {
				t.Errorf("%d events at once", most)
			}
		}
		return read
	}
	for tries := 0; check() > 5000; tries++ {
		if tries == 100 {
			t.Fatal("everything is read, from the log")
		}
		shown(t, s) // what the Watcher itself writes comes when it comes
	}
}

// forge appends events past the Service, as somebody would who has stolen the log's credentials.
func forge(t *testing.T, s *daemon.System, about events.Aggregate, n int, p events.Payload) {
	t.Helper()
	last, _, err := s.Log.LastOf(t.Context(), about)
	if err != nil {
		t.Fatal(err)
	}
	units, expected := []events.Unit{{}}, last.Seq
	for i := range n {
		stored, err := events.Encode(events.Event{
			ID: events.DeriveID[events.EventID]("forged", about.String(), fmt.Sprint(i)), Source: "/stolen", About: about,
			Time: s.Now(), RecordedTime: s.Now(), Actor: "thief", Payload: p,
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(units[len(units)-1].Events) == events.MaxUnitEvents {
			units, expected = append(units, events.Unit{}), events.Follows
		}
		unit := &units[len(units)-1]
		unit.Events, unit.Expected = append(unit.Events, stored), append(unit.Expected, expected)
	}
	for _, appended := range s.Log.Append(t.Context(), units) {
		if appended.Err != nil {
			t.Fatal(appended.Err)
		}
	}
}

// past lists what a log hands over, and tells how many events at once at most.
func past(t *testing.T, log interface {
	Read(ctx context.Context, after, upTo events.Seq, fn func([]events.Stored) error) error
}, after, upTo events.Seq,
) (list []events.Stored, most int) {
	t.Helper()
	err := log.Read(t.Context(), after, upTo, func(got []events.Stored) error {
		list, most = append(list, got...), max(most, len(got))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list, most
}

// concerning tells of each event that concerns a Watcher what it is.
func concerning(list []events.Stored) (out []string) {
	kinds, types := watch.Concerns()
	for _, s := range list {
		if slices.Contains(kinds, s.About.Kind) || slices.Contains(types, s.Type) {
			out = append(out, fmt.Sprintf("%d %s %s %s %s %x", s.Seq, s.About, s.ID, s.Type, s.Source, s.Data))
		}
	}
	return out
}
