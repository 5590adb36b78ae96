package drill

import (
	"context"
	"strings"
	"testing"
	"time"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
)

// world is a path to a log, whose attempts leave there what a test wants them to.
type world struct {
	t   *testing.T
	log *eventtest.MemoryLog
	n   int
}

// leave appends an event to the log.
func (w *world) leave(p events.Payload) {
	w.t.Helper()
	w.n++
	about := events.OfDeletion(events.DeriveID[events.PlanID]("plan", string(rune('a'+w.n))))
	if _, tombstone := p.(events.TenantDeleted); tombstone {
		about = events.OfTenant(events.DeriveID[events.TenantID]("tenant"))
	}
	stored, err := events.Encode(events.Event{
		ID: events.DeriveID[events.EventID]("event", string(rune('a'+w.n))), Source: "/test", About: about, Time: 1, Actor: people.Author, Payload: p,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	eventtest.MustAppend(w.t, w.log, eventtest.One(stored, 0))
}

const ofTenants = "ids are those of tenants, the plan says app"

func refusedFor(why string, n uint32) events.DeletionRefused {
	return events.DeletionRefused{
		Kind: events.DeletionOfApps, Author: people.Author, Targets: n, Reasons: []events.RefusalReason{{Why: why, Count: n}},
	}
}

// TestTry finds each fault that a path can have, and none of one that has none.
func TestTry(t *testing.T) {
	t.Parallel()
	well := Answer{Code: "exit 4", Text: "the plan does not hold: 3 of 3 " + ofTenants}
	type heard = func(int, Answer)
	for name, c := range map[string]struct {
		try  func(w *world, heard heard)
		want string // empty: no fault
	}{
		"refused": {func(w *world, heard heard) {
			w.leave(refusedFor(ofTenants, 3))
			heard(3, well)
		}, ""},
		"one by one": {func(w *world, heard heard) {
			for range 3 {
				w.leave(refusedFor(ofTenants, 1))
				heard(1, Answer{Code: "exit 4", Text: "1 of 1 " + ofTenants})
			}
		}, ""},
		"usage": {func(w *world, heard heard) {
			w.leave(refusedFor(ofTenants, 3))
			heard(3, Answer{Code: "exit 2", Text: "3 of 3 " + ofTenants})
		}, "the answer is exit 2, not exit 4"},
		"another reason": {func(w *world, heard heard) {
			w.leave(refusedFor(ofTenants, 3))
			heard(3, Answer{Code: "exit 4", Text: "2 of 3 " + ofTenants})
		}, `the answer does not say "3 of 3 ids are those of tenants`},
		"taken": {func(w *world, heard heard) {
			w.leave(refusedFor(ofTenants, 3))
			heard(3, Answer{Code: "exit 4", Text: well.Text, Plan: events.DeriveID[events.PlanID]("plan")})
		}, "it was taken"},
		"one of three was another": {func(w *world, heard heard) {
			for i := range 3 {
				w.leave(refusedFor(ofTenants, 1))
				heard(1, Answer{Code: []string{"exit 4", "exit 1", "exit 4"}[i], Text: "1 of 1 " + ofTenants})
			}
		}, "the answer is exit 1, not exit 4"},
		"not all were tried": {func(w *world, heard heard) {
			w.leave(refusedFor(ofTenants, 2))
			heard(2, Answer{Code: "exit 4", Text: "2 of 2 " + ofTenants})
		}, "tried is 2, not 3"},
		"none was tried": {func(*world, heard) {}, "tried is 0, not 3"},
		"a tombstone": {func(w *world, heard heard) {
			w.leave(events.TenantDeleted{Reason: "closed"})
			w.leave(refusedFor(ofTenants, 3))
			heard(3, well)
		}, "tombstones is 1, not 0"},
		"something else in the log": {func(w *world, heard heard) {
			w.leave(events.DeletionStarted{})
			w.leave(refusedFor(ofTenants, 3))
			heard(3, well)
		}, "events that are no records of this refusal is 1, not 0"},
		"no record": {func(_ *world, heard heard) { heard(3, well) }, "records is 0, not 1"},
		"a record of another reason": {func(w *world, heard heard) {
			w.leave(refusedFor("is active", 3))
			heard(3, well)
		}, "events that are no records of this refusal is 1, not 0"},
		"a record of somebody else": {func(w *world, heard heard) {
			p := refusedFor(ofTenants, 3)
			p.Author = people.Approver
			w.leave(p)
			heard(3, well)
		}, "records is 0, not 1"},
		"a record of fewer": {func(w *world, heard heard) {
			w.leave(refusedFor(ofTenants, 2))
			heard(3, well)
		}, "lines in the records is 2, not 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{t: t, log: eventtest.NewMemoryLog("drill")}
			r := &run{sys: System{Log: w.log, Clock: NewClock(Begins, time.Now)}, cfg: Config{Tenants: 80, Deleted: 3}}
			path := Path{Name: "by command", Code: "exit 4", Why: ofTenants, Plans: true, Try: func(_ context.Context, _ []deletion.Asked, heard func(int, Answer)) error {
				c.try(w, heard)
				return nil
			}}
			if err := r.try(t.Context(), path, make([]deletion.Asked, 3)); err != nil {
				t.Fatal(err)
			}
			said := strings.Join(r.report.Refusals[0].Faults, "\n")
			if (c.want == "") != (said == "") || !strings.Contains(said, c.want) {
				t.Errorf("its faults are %q, not %q", said, c.want)
			}
			if err := r.judge(); c.want != "" && !strings.Contains(err.Error(), "by command: "+c.want[:10]) {
				t.Errorf("the drill says nothing of it: %v", err)
			}
		})
	}
}

// TestStopped tells a halt that is as it must be from others.
func TestStopped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*Halt)
		want  string
	}{
		"as it must be":             {func(*Halt) {}, ""},
		"none":                      {func(h *Halt) { h.Cause = "" }, `the halt is "", not "health"`},
		"by a person":               {func(h *Halt) { h.Cause = events.HaltByPerson }, "not \"health\""},
		"of a service that is well": {func(h *Halt) { h.Bad = 0 }, "never told"},
		"too late":                  {func(h *Halt) { h.TenantsGone = 12 }, "12 tenants are gone"},
		"before the first":          {func(h *Halt) { h.TenantsGone = 0 }, "0 tenants are gone"},
		"after a long time":         {func(h *Halt) { h.SecondsToHalt = 11 }, "11.00 s after"},
		"before it was begun":       {func(h *Halt) { h.SecondsToHalt = -1 }, "-1.00 s after"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := Halt{Cause: events.HaltHealth, TenantsGone: 1, SecondsToHalt: 0.1, Asked: 3, Bad: 1}
			c.spoil(&h)
			err := h.stopped()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, not %q", err, c.want)
			}
		})
	}
}

// TestToll counts what a run has put out of service, and how long before it was deleted.
func TestToll(t *testing.T) {
	t.Parallel()
	minute := func(n int) events.Time { return events.TimeOf(wrongRunAt.Add(time.Duration(n) * time.Minute)) }
	tenant := func(name string) events.Aggregate { return events.OfTenant(events.DeriveID[events.TenantID](name)) }
	found := toll{out: map[events.Aggregate]events.Time{}}
	for seq, e := range []events.Event{
		{About: tenant("a"), RecordedTime: minute(0), Payload: events.TenantDeactivated{}},
		{About: tenant("b"), RecordedTime: minute(10), Payload: events.TenantDeactivated{}},
		{About: tenant("a"), RecordedTime: minute(60), Payload: events.TenantDeleted{}},
		{About: tenant("b"), RecordedTime: minute(50), Payload: events.TenantDeleted{}},
	} {
		e.Seq = events.Seq(seq + 1)
		found.add(e)
	}
	if len(found.out) != 2 || found.first.Seq != 3 || found.last.Seq != 4 || found.waited != 40*time.Minute {
		t.Errorf("%+v", found)
	}
	found.add(events.Event{Seq: 5, About: tenant("c"), RecordedTime: minute(70), Payload: events.TenantDeleted{}})
	if found.waited != 0 {
		t.Errorf("one that was in service had waited for %s", found.waited)
	}
}
