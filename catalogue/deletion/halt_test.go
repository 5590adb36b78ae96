package deletion_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/events"
)

func (w *world) halt() {
	w.t.Helper()
	w.now++
	if err := w.engine.Halt(context.Background(), "oncall", events.DoorHalted{Cause: events.HaltByPerson, Detail: "a test"}); err != nil {
		w.t.Fatal(err)
	}
}

// A halt comes before each act of a deletion in turn, whoever has looked before it:
// no wave passes after it.
func TestHaltBeforeEveryStep(t *testing.T) {
	t.Parallel()
	acts := 0 // appended units of a whole deletion
	w := governed(t, 40)
	w.before = func([]events.Event) error { acts++; return nil }
	if step := w.run(w.ready(w.ask(upTo(40)...), "ana").ID); !step.Done {
		t.Fatalf("it ended with %+v", step)
	}
	for at := 1; at <= acts; at++ {
		t.Run(fmt.Sprint("before act ", at), func(t *testing.T) {
			t.Parallel()
			w := governed(t, 40)
			n, atHalt := 0, -1
			w.before = func([]events.Event) error {
				if n++; n == at {
					w.before = nil
					w.halt()
					atHalt = w.tombstones()
				}
				return nil
			}
			id := w.tryAll(40)
			if atHalt < 0 {
				t.Fatal("the halt never came")
			}
			if got := w.tombstones(); got != atHalt {
				t.Errorf("%d tombstones when it was halted, %d in the end", atHalt, got)
			}
			w.lift()
			// A plan that was halted is dead, lifted or not; a new one may be made.
			if !id.IsZero() {
				step, err := w.engine.Step(t.Context(), id)
				if w.tombstones() != atHalt || !step.Done && !errors.Is(err, deletion.ErrPlan) {
					t.Errorf("%d tombstones after the halt was lifted: %+v, %v", w.tombstones()-atHalt, step, err)
				}
				if err := w.engine.Start(t.Context(), id, "author"); !errors.Is(err, deletion.ErrDead) {
					t.Errorf("it starts again: %v", err)
				}
			}
		})
	}
}

// tryAll walks a deletion of n tenants as far as it goes.
func (w *world) tryAll(n int) events.PlanID {
	ctx := context.Background()
	p, err := w.tryPlan(w.ask(upTo(n)...))
	if err != nil {
		return events.PlanID{}
	}
	if w.approve(p, "ana") != nil {
		return p.ID
	}
	if _, err := w.engine.Rehearse(ctx, p.ID, "author"); err != nil {
		return p.ID
	}
	if w.engine.Start(ctx, p.ID, "author") != nil {
		return p.ID
	}
	for range 100 {
		if step, err := w.engine.Step(ctx, p.ID); err == nil && step.Done {
			break
		}
	}
	return p.ID
}

func (w *world) lift() {
	w.t.Helper()
	if err := w.reopen("ana", "oncall", nil); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) reopen(person, actor string, spoil func(*people.Consent)) error {
	w.t.Helper()
	return w.reopenAndLetGo(nil, person, actor, spoil)
}

func (w *world) reopenAndLetGo(letGo []events.RestoreID, person, actor string, spoil func(*people.Consent)) error {
	w.t.Helper()
	door, err := deletion.DoorOf(w)
	if err != nil {
		w.t.Fatal(err)
	}
	w.ids++
	c := people.Consent{
		Person: person, Action: deletion.ActionReopen, Environment: environment, Hash: deletion.HaltHash(door.Halted, letGo),
		Sentence: deletion.ReopenSentence(environment, door.Halted, letGo), Now: w.now, N: w.ids,
	}
	if spoil != nil {
		spoil(&c)
	}
	return w.engine.Reopen(context.Background(), actor, events.DoorReopened{Approval: w.keys.Approve(c), Reason: "a test", LetGo: letGo})
}

func TestHaltIsLiftedWithApproval(t *testing.T) {
	t.Parallel()
	w := governed(t, 5)
	if err := w.reopen("ana", "oncall", nil); !errors.Is(err, deletion.ErrHalted) {
		t.Errorf("lifted without a halt: %v", err)
	}
	w.halt()
	first, err := deletion.DoorOf(w)
	if err != nil {
		t.Fatal(err)
	}
	w.halt() // changes nothing of what is to be lifted: who halts again and again keeps nobody from lifting
	if again, err := deletion.DoorOf(w); err != nil || again.Halted != first.Halted || again.Last.Seq <= first.Last.Seq {
		t.Errorf("halted again: %+v after %+v, %v", again, first, err)
	}
	for name, c := range map[string]struct {
		person, actor string
		spoil         func(*people.Consent)
	}{
		"by whoever asks": {"ana", "ana", nil},
		"spelt otherwise": {"ana", "Ana", nil},
		"another halt":    {"ana", "oncall", func(c *people.Consent) { c.Hash = deletion.HaltHash(events.Mark{Seq: 1}, nil) }},
		"another action":  {"ana", "oncall", func(c *people.Consent) { c.Action = deletion.ActionDelete }},
		"no sentence":     {"ana", "oncall", func(c *people.Consent) { c.Sentence = "" }},
	} {
		if err := w.reopen(c.person, c.actor, c.spoil); !errors.Is(err, deletion.ErrApproval) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.tryPlan(w.ask(2)); !errors.Is(err, deletion.ErrHalted) {
		t.Errorf("planned while halted: %v", err)
	}
	w.lift()
	lifted, _ := w.log[len(w.log)-1].Payload.(events.DoorReopened)
	again := func() error { return w.engine.Reopen(t.Context(), "oncall", lifted) }
	mustSay(t, "with the same approval, and not halted", again(), "deletions are not halted")
	w.plan(w.ask(3)) // nothing stands in the way of ...
	w.halt()
	mustSay(t, "with the approval of the halt before", again(), "is for")
	w.lift() // ... what comes after another halt
	if step := w.run(w.ready(w.ask(2), "ana").ID); !step.Done || step.Why != "" {
		t.Errorf("after the halt was lifted: %+v", step)
	}
}

// After the last wave a bad health check halts, too: nothing else asks any more.
func TestBadAfterTheLastWaveHalts(t *testing.T) {
	t.Parallel()
	w := governed(t, 1)
	w.sick(1, errors.New("404 from the product"))
	p := w.ready(w.ask(1), "ana")
	w.run(p.ID)
	d, err := w.engine.Deletion(t.Context(), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	door, err := deletion.DoorOf(w)
	if err != nil || door.Halt.Cause != events.HaltHealth || d.Finished.Done {
		t.Errorf("halted: %+v, it ended with %+v, %v", door.Halt, d.Finished, err)
	}
}

// What is bad, or silent, before the first wave halts with nothing gone, of an owner's
// request too.
func TestBadBeforeTheFirstWaveHalts(t *testing.T) {
	t.Parallel()
	check := func(w *world, id events.PlanID, why error, want events.HaltCause) {
		t.Helper()
		w.sick(0, why)
		step := w.run(id)
		door, err := deletion.DoorOf(w)
		if err != nil || door.Halt.Cause != want || w.tombstones() != 0 || !step.Done {
			t.Errorf("%d tombstones, halted by %q, %+v, %v", w.tombstones(), door.Halt.Cause, step, err)
		}
	}
	w := governed(t, 30)
	check(w, w.ready(w.ask(upTo(30)...), "ana").ID, errors.New("404 from the product"), events.HaltHealth)
	w = governed(t, 5)
	p := w.request(2)
	if err := w.confirm(p, p.Deletion.Owner); err != nil {
		t.Fatal(err)
	}
	check(w, p.ID, fmt.Errorf("dial: %w", deletion.ErrSilent), events.HaltNoHealth)
}

// What was well right after a wave and goes bad while it bakes halts before the next one.
func TestBadAfterTheBakeHalts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		health error
		want   events.HaltCause
	}{
		{errors.New("404 from the product"), events.HaltHealth},
		{fmt.Errorf("dial: %w", deletion.ErrSilent), events.HaltNoHealth},
	} {
		w := governed(t, 30)
		policy := w.quick()
		policy.Bakes = []events.Seconds{600}
		w.adopt(policy)
		p := w.ready(w.ask(upTo(30)...), "ana")
		if step := w.run(p.ID); step.Wave != 1 || step.Wait == 0 {
			t.Fatalf("it does not bake: %+v", step)
		}
		w.sick(1, c.health)
		w.pass(11 * time.Minute)
		step := w.run(p.ID)
		door, err := deletion.DoorOf(w)
		if err != nil || door.Halt.Cause != c.want || w.tombstones() != 1 || !step.Done {
			t.Errorf("%d tombstones, halted by %q, %+v, %v", w.tombstones(), door.Halt.Cause, step, err)
		}
	}
}

// What is counted or said after a wave and is not as planned halts everything.
func TestWaveNotAsPlannedHalts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(w *world)
		want  events.HaltCause
	}{
		"too few are gone":  {func(w *world) { w.miscount(func(c *events.DeletionWaveChecked) { c.Gone-- }) }, events.HaltMismatch},
		"too many are gone": {func(w *world) { w.miscount(func(c *events.DeletionWaveChecked) { c.Kept-- }) }, events.HaltMismatch},
		"others are gone":   {func(w *world) { w.miscount(func(c *events.DeletionWaveChecked) { c.Strays++ }) }, events.HaltMismatch},
		"not healthy":       {func(w *world) { w.sick(1, errors.New("404 from the product")) }, events.HaltHealth},
		"no answer":         {func(w *world) { w.sick(1, fmt.Errorf("dial: %w", deletion.ErrSilent)) }, events.HaltNoHealth},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := governed(t, 30)
			c.spoil(w)
			p := w.ready(w.ask(upTo(30)...), "ana")
			step := w.run(p.ID)
			door, err := deletion.DoorOf(w)
			if err != nil || door.Halted.IsZero() || door.Halt.Cause != c.want {
				t.Errorf("halted: %+v, %v", door.Halt, err)
			}
			if n := w.tombstones(); n != 1 || !step.Done || step.Why == "" {
				t.Errorf("%d tombstones, want 1; it ended with %+v", n, step)
			}
		})
	}
}

func (w *world) miscount(f func(*events.DeletionWaveChecked)) {
	w.recount = func(c events.DeletionWaveChecked) events.DeletionWaveChecked { f(&c); return c }
}

// The executor stops before or after any of its acts, is started anew, and nothing is
// done twice. With a bad health check everything is halted all the same.
func TestExecutorCrashesAnywhere(t *testing.T) {
	t.Parallel()
	crash := errors.New("crash")
	for _, sick := range []bool{false, true} {
		for at := 1; ; at++ {
			crashed := false
			for _, after := range []bool{false, true} {
				w := governed(t, 40)
				p := w.ready(w.ask(upTo(40)...), "ana")
				want, n := 40, 0
				if sick {
					w.sick(1, errors.New("bad"))
					want = 1
				}
				w.before = func(unit []events.Event) error {
					if n++; n != at {
						return nil
					}
					crashed = true
					if after { // the answer is lost
						w.must(unit...)
					}
					return crash
				}
				for range 100 {
					step, err := w.engine.Step(t.Context(), p.ID)
					if err != nil && !errors.Is(err, crash) {
						t.Fatal(err)
					}
					if err == nil && step.Done {
						break
					}
				}
				door, err := deletion.DoorOf(w)
				if got := w.tombstones(); got != want || err != nil || door.Halted.IsZero() == sick {
					t.Errorf("crash at %d, after: %v, sick: %v: %d tombstones, want %d; halt %+v, %v", at, after, sick, got, want, door.Halt, err)
				}
			}
			if !crashed {
				break // there are not so many acts
			}
		}
	}
}

// A second executor that knows no more than the first does nothing twice.
func TestTwoExecutors(t *testing.T) {
	t.Parallel()
	w := governed(t, 40)
	p := w.ready(w.ask(upTo(40)...), "ana")
	within := false
	w.before = func([]events.Event) error {
		if !within { // the other one looks, and acts, in between
			within = true
			_, _ = w.engine.Step(t.Context(), p.ID)
			within = false
		}
		return nil
	}
	for range 100 {
		if step, err := w.engine.Step(t.Context(), p.ID); err == nil && step.Done {
			break
		}
	}
	d, err := w.engine.Deletion(t.Context(), p.ID)
	if n := w.tombstones(); n != 40 || err != nil || !d.Finished.Done {
		t.Errorf("%d tombstones, want 40; %+v, %v", n, d.Finished, err)
	}
}

// A clock that is 40 days ahead for a while lets nothing expire that must stay, and
// brings no approval back.
func TestClockJumpsFortyDays(t *testing.T) {
	t.Parallel()
	w := governed(t, 120)
	policy := w.quick()
	policy.Budget = events.Budget{Minute: 101, Day: 101, Month: 101}
	policy.DeactivatedFor = 24 * 3600
	w.adopt(policy)
	if _, err := w.tryPlan(w.ask(1)); err == nil || !strings.Contains(err.Error(), "out of service") {
		t.Errorf("out of service for a minute: %v", err)
	}
	w.pass(25 * time.Hour)
	spend := w.ask(upTo(100)...)
	if step := w.run(w.ready(spend, "ana").ID); !step.Done || w.tombstones() != 100 {
		t.Fatalf("%+v", step)
	}
	w.must(w.event(events.OfTenant(tenantID(119)), events.TenantReactivated{}))
	w.must(w.event(events.OfTenant(tenantID(119)), events.TenantDeactivated{}))

	open := w.ready(w.askApps(105), "ana")
	before := w.now
	w.now = w.now.Add(40 * 24 * time.Hour)
	w.tick()
	if _, err := w.tryPlan(w.ask(110, 111)); !errors.Is(err, deletion.ErrBudget) {
		t.Errorf("the budget of 30 days is free again: %v", err)
	}
	if _, err := w.tryPlan(w.ask(119)); err == nil || !strings.Contains(err.Error(), "out of service") {
		t.Errorf("out of service since now: %v", err)
	}
	// The clock goes back; what has ended stays so, since recorded times do not.
	w.now = before
	if err := w.approve(open, "ben"); !errors.Is(err, deletion.ErrDead) {
		t.Errorf("a plan that has expired is approved: %v", err)
	}
	if step := w.run(open.ID); !step.Done || w.tombstones() != 100 {
		t.Errorf("it goes on with an approval that has expired: %+v", step)
	}
	w.now = before.Add(40 * 24 * time.Hour)
	w.pass(31 * 24 * time.Hour)
	w.plan(w.ask(110)) // time that is known to have passed frees the budget
}

// What only makes it stricter is never refused, whatever time it has and whatever cannot be
// read; and what comes back comes back.
func TestStricterWhateverCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, kind := range []events.AggregateKind{events.AggregateDoor, events.AggregatePolicy, events.AggregateClock} {
		w := governed(t, 3)
		broken := events.Stored{About: events.TheOne(kind), Seq: w.seq}
		if err := catalogue.Quarantine(w.facts, broken); err != nil {
			t.Fatal(err)
		}
		w.register.Unreadable(broken)
		for _, c := range []struct {
			about   events.Aggregate
			payload events.Payload
			stands  bool
		}{
			{events.TheOne(events.AggregateDoor), events.DoorHalted{Cause: events.HaltByPerson}, true},
			{events.TheOne(events.AggregateDoor), events.DoorHeld{Restoration: aRestoration}, true},
			{events.TheOne(events.AggregateAlarm), events.AlarmRaised{Alarm: events.AlarmRate, From: 1, To: 1, Count: 1}, true},
			{events.OfLiens(tenantID(1)), events.LienPlaced{Matter: "m-1", Reason: "a case"}, true},
			{events.TheOne(events.AggregateClock), events.ClockTicked{}, false},
			{events.TheOne(events.AggregateDoor), events.DoorAdmitted{Plan: events.DeriveID[events.PlanID]("next"), Kind: events.DeletionOfTenants, Expires: w.now.Add(time.Hour)}, false},
		} {
			e := w.event(c.about, c.payload)
			e.Seq, e.RecordedTime = w.seq+1, w.now.Add(-time.Hour)
			for who, err := range map[string]error{"the write side": (deletion.Guard{}).Decide(w.facts, e), "a reader": deletion.Vouch(w.register, e)} {
				if (err == nil) != c.stands {
					t.Errorf("%s of %s, with a %s that cannot be read: %v", e.Type(), who, kind, err)
				}
			}
		}
		if err := (deletion.Genesis{Environment: environment}).Check(w); err != nil {
			t.Errorf("a catalogue is opened, with a %s that cannot be read: %v", kind, err)
		}
		plan, unit := w.comeback(1)
		w.must(plan)
		if err := w.engine.Hold(t.Context(), "ana", aRestoration); err != nil {
			t.Errorf("a restoration holds, with a %s that cannot be read: %v", kind, err)
		}
		w.must(unit...)
		w.must(w.event(events.OfRestoration(aRestoration), events.RestorationFinished{Restored: 1}))
		if err := w.engine.Release(t.Context(), "ana", aRestoration); err != nil {
			t.Errorf("a restoration ends, with a %s that cannot be read: %v", kind, err)
		}
	}
}
