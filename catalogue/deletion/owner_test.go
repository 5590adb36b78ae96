package deletion_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/events"
)

// request is the plan of an owner's own request, which is not confirmed.
func (w *world) request(n int) deletion.Planned {
	w.t.Helper()
	a := w.ask(n)
	a.Owner = accountID(n)
	return w.plan(a)
}

// owners is a world in which so many of owners' requests may go in a day.
func owners(t tester, perDay uint32, tenants int) *world {
	t.Helper()
	w := governed(t, tenants)
	policy := w.quick()
	policy.Budget.Owners = perDay
	w.adopt(policy)
	return w
}

// A request that is confirmed carries itself out; nobody rehearses, starts or runs it.
func TestOwnersOwnRequest(t *testing.T) {
	t.Parallel()
	w := governed(t, 5)
	p := w.request(2)
	door, err := w.engine.Door(t.Context())
	if err != nil || len(door.Open) != 0 {
		t.Errorf("it is at the door before it is confirmed: %+v, %v", door.Open, err)
	}
	if err := w.approve(p, "ana"); !errors.Is(err, deletion.ErrApproval) {
		t.Errorf("approved by somebody else: %v", err)
	}
	if err := w.confirm(p, accountID(3)); !errors.Is(err, deletion.ErrApproval) {
		t.Errorf("confirmed by another customer: %v", err)
	}
	w.rehearse(p)
	if err := w.engine.Start(t.Context(), p.ID, "oncall"); !errors.Is(err, deletion.ErrApproval) {
		t.Errorf("started and not confirmed: %v", err)
	}
	if _, err := w.engine.Step(t.Context(), p.ID); !errors.Is(err, deletion.ErrNotStarted) || w.tombstones() != 0 {
		t.Errorf("it goes on by itself and is not confirmed: %v", err)
	}
	if err := w.confirm(p, accountID(2)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"user_9", "User_9", people.Portal} {
		if err := w.engine.Start(t.Context(), p.ID, name); !errors.Is(err, deletion.ErrApproval) {
			t.Errorf("%s has confirmed and executes: %v", name, err)
		}
	}
	if step := w.run(p.ID); !step.Done || step.Why != "" || w.tombstones() != 1 {
		t.Errorf("it ended with %+v", step)
	}
	d, err := w.engine.Deletion(t.Context(), p.ID)
	if err != nil || d.Executor != "deletion" {
		t.Errorf("it was executed by %q, %v", d.Executor, err)
	}
}

// Requests that nobody has confirmed take no place from those that somebody has.
func TestUnconfirmedTakeNoPlace(t *testing.T) {
	t.Parallel()
	w := owners(t, 2, 40)
	var asked []deletion.Planned
	for n := 2; n <= 31; n++ {
		asked = append(asked, w.request(n))
	}
	for _, at := range []int{27, 28} {
		if err := w.confirm(asked[at], asked[at].Deletion.Owner); err != nil {
			t.Fatalf("with 30 that are not confirmed: %v", err)
		}
	}
	// Whoever was let in has a place, though it has not gone yet.
	late := asked[29]
	before := w.seq
	mustSay(t, "a third", w.confirm(late, late.Deletion.Owner), "3 targets would go in a day, of owners' requests, with these 3; the budget is 2")
	if w.seq != before {
		t.Error("a confirmation that is refused is recorded")
	}
	if step := w.run(asked[27].ID); !step.Done || step.Why != "" {
		t.Errorf("the first: %+v", step)
	}
	mustSay(t, "after one has gone", w.confirm(late, late.Deletion.Owner), "3 targets would go in a day, of owners' requests, with these 2; the budget is 2")
	// Whoever gives up gives the place back.
	if err := w.engine.Withdraw(t.Context(), asked[28].ID, "portal", "changed their mind"); err != nil {
		t.Fatal(err)
	}
	if err := w.confirm(late, late.Deletion.Owner); err != nil {
		t.Errorf("the place of one that was withdrawn: %v", err)
	}
	if step := w.run(late.ID); !step.Done || step.Why != "" || w.tombstones() != 2 {
		t.Errorf("the last: %+v", step)
	}
}

// A request that has gone counts once, also while its plan has not ended.
func TestPlaceOfOneThatHasGone(t *testing.T) {
	t.Parallel()
	w := owners(t, 2, 5)
	first, second := w.request(2), w.request(3)
	if err := w.confirm(first, first.Deletion.Owner); err != nil {
		t.Fatal(err)
	}
	for w.tombstones() == 0 {
		if _, err := w.engine.Step(t.Context(), first.ID); err != nil {
			t.Fatal(err)
		}
	}
	if open := w.door().Open; len(open) != 1 {
		t.Fatalf("at the door: %+v", open)
	}
	if err := w.confirm(second, second.Deletion.Owner); err != nil {
		t.Errorf("the second of a day: %v", err)
	}
}

// A confirmation that is over the budget may be given again the next day, while the plan
// lives.
func TestConfirmedTheNextDay(t *testing.T) {
	t.Parallel()
	w := owners(t, 1, 5)
	first := w.request(2)
	if err := w.confirm(first, first.Deletion.Owner); err != nil {
		t.Fatal(err)
	}
	if step := w.run(first.ID); !step.Done {
		t.Fatalf("%+v", step)
	}
	w.pass(12 * time.Hour)
	p := w.request(3)
	if err := w.confirm(p, p.Deletion.Owner); !errors.Is(err, deletion.ErrBudget) {
		t.Errorf("a second one on a day: %v", err)
	}
	w.pass(12 * time.Hour)
	if err := w.confirm(p, p.Deletion.Owner); err != nil {
		t.Fatalf("the next day: %v", err)
	}
	if step := w.run(p.ID); !step.Done || step.Why != "" || w.tombstones() != 2 {
		t.Errorf("it ended with %+v", step)
	}
}

// What kills a request before it is confirmed.
func TestUnconfirmedDies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kill func(w *world, p deletion.Planned)
		want string
	}{
		"a halt": {func(w *world, _ deletion.Planned) { w.halt() }, "deletions are halted"},
		"a halt that was lifted": {func(w *world, _ deletion.Planned) {
			w.halt()
			w.lift()
		}, "was planned before the halt"},
		"its life": {func(w *world, _ deletion.Planned) { w.pass(24 * time.Hour) }, "has expired"},
		"another policy": {func(w *world, _ deletion.Planned) {
			policy := w.quick()
			policy.Budget.Owners--
			w.adopt(policy)
		}, "policy 2 is in force"},
		"it is withdrawn": {func(w *world, p deletion.Planned) {
			if err := w.engine.Withdraw(context.Background(), p.ID, "portal", "changed their mind"); err != nil {
				w.t.Fatal(err)
			}
		}, "ended at"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := governed(t, 5)
			p := w.request(2)
			c.kill(w, p)
			mustSay(t, "confirmed", w.confirm(p, p.Deletion.Owner), c.want)
			if step := w.run(p.ID); !step.Done || w.tombstones() != 0 {
				t.Errorf("%+v", step)
			}
		})
	}
}

// A request that is confirmed is as dead after a halt as any other plan.
func TestHaltBeforeAnOwnersStep(t *testing.T) {
	t.Parallel()
	for at := 1; at <= 5; at++ { // confirmed, rehearsed, started, deleted, counted
		w := governed(t, 5)
		p := w.request(2)
		n, atHalt := 0, 0
		w.before = func([]events.Event) error {
			if n++; n == at {
				w.before = nil
				w.halt()
				atHalt = w.tombstones()
			}
			return nil
		}
		_ = w.confirm(p, p.Deletion.Owner)
		for range 10 {
			if step, err := w.engine.Step(t.Context(), p.ID); err == nil && step.Done {
				break
			}
		}
		if w.before != nil || w.tombstones() != atHalt {
			t.Errorf("halted before act %d: %d tombstones then, %d in the end", at, atHalt, w.tombstones())
		}
	}
}

// The executor crashes before and after each thing that it appends, and goes on.
func TestOwnersRequestCrashesAnywhere(t *testing.T) {
	t.Parallel()
	for at := 1; at <= 5; at++ { // rehearsed, started, deleted, counted, finished
		w := governed(t, 5)
		p := w.request(2)
		if err := w.confirm(p, p.Deletion.Owner); err != nil {
			t.Fatal(err)
		}
		n := 0
		w.before = func(unit []events.Event) error {
			if n++; n != at {
				return nil
			}
			w.before = nil
			if at%2 == 0 { // it was appended, and nobody has heard of it
				w.must(unit...)
			}
			return errors.New("crashed")
		}
		if _, err := w.engine.Step(t.Context(), p.ID); (err != nil) != (at == 1) {
			t.Errorf("crash at act %d: %v", at, err)
		}
		for range 5 {
			_, _ = w.engine.Step(t.Context(), p.ID)
		}
		d, err := w.engine.Deletion(t.Context(), p.ID)
		if err != nil || !d.Finished.Done || w.tombstones() != 1 {
			t.Errorf("after a crash at act %d: %+v, %d tombstones, %v", at, d.Finished, w.tombstones(), err)
		}
	}
}

// A rehearsal that does not pass leaves a request where it is; it is rehearsed again after
// ten minutes, and not before.
func TestOwnersRequestIsRehearsedAgain(t *testing.T) {
	t.Parallel()
	w := governed(t, 5)
	p := w.request(2)
	if err := w.confirm(p, p.Deletion.Owner); err != nil {
		t.Fatal(err)
	}
	good := w.rehearsal
	tried := func() (n int) {
		for _, e := range w.log {
			if _, ok := e.Payload.(events.DeletionRehearsed); ok {
				n++
			}
		}
		return n
	}
	w.rehearsal = events.DeletionRehearsed{Why: "it did not come back", Evidence: make([]byte, 32)}
	for range 3 {
		step := w.run(p.ID)
		mustSay(t, "it waits", errors.New(step.Why), "it did not come back")
		if step.Done || step.Wait != 10*time.Minute || tried() != 1 {
			t.Errorf("%+v, tried %d times", step, tried())
		}
	}
	w.pass(9 * time.Minute)
	if step := w.run(p.ID); step.Wait != time.Minute || tried() != 1 {
		t.Errorf("after 9 minutes: %+v, tried %d times", step, tried())
	}
	w.pass(time.Minute)
	w.rehearsing = errors.New("the disk is full")
	if step := w.run(p.ID); step.Wait != 10*time.Minute || tried() != 2 {
		t.Errorf("after 10 minutes: %+v, tried %d times", step, tried())
	}
	d, err := w.engine.Deletion(t.Context(), p.ID)
	if err != nil || d.Rehearsed.Why != "the disk is full" {
		t.Errorf("%+v, %v", d.Rehearsed, err)
	}
	w.pass(10 * time.Minute)
	w.rehearsal, w.rehearsing = good, nil
	if step := w.run(p.ID); !step.Done || step.Why != "" || tried() != 3 {
		t.Errorf("it ended with %+v, tried %d times", step, tried())
	}
}

// A rehearsal that is stale when the wave may go is made again.
func TestOwnersRequestIsRehearsedAnew(t *testing.T) {
	t.Parallel()
	w := governed(t, 5)
	p := w.request(2)
	if err := w.confirm(p, p.Deletion.Owner); err != nil {
		t.Fatal(err)
	}
	for range 2 { // rehearsed, started
		if _, err := w.engine.Step(t.Context(), p.ID); err != nil {
			t.Fatal(err)
		}
	}
	w.pass(w.quick().RehearsalLife.Duration() + time.Second)
	mustSay(t, "the confirmation has expired, too", errors.New(w.run(p.ID).Why), "has expired")
	if err := w.confirm(p, p.Deletion.Owner); err != nil {
		t.Fatal(err)
	}
	if step := w.run(p.ID); !step.Done || step.Why != "" {
		t.Errorf("it ended with %+v", step)
	}
}

// A request that cannot pass any more is dead, with the reason.
func TestOwnersRequestThatCannotPass(t *testing.T) {
	t.Parallel()
	w := governed(t, 5)
	p := w.request(2)
	if err := w.confirm(p, p.Deletion.Owner); err != nil {
		t.Fatal(err)
	}
	w.must(w.event(events.OfTenant(tenantID(2)), events.TenantReactivated{}))
	step := w.run(p.ID)
	mustSay(t, "back in service", errors.New(step.Why), "has changed since it was planned")
	if !step.Done || w.tombstones() != 0 {
		t.Errorf("%+v", step)
	}
}

// A confirmation counts once, and is given anew when it has expired.
func TestConfirmedOnce(t *testing.T) {
	t.Parallel()
	w := governed(t, 5)
	p := w.request(2)
	confirmed := func() events.DeletionConfirmed {
		w.ids++
		return events.DeletionConfirmed{Owner: p.Deletion.Owner, By: "user_9", Approval: w.keys.Approve(people.Consent{
			Person: people.Portal, Action: deletion.ActionOwner, Environment: environment, Hash: p.Hash,
			Sentence: deletion.OwnerSentence(p.Deletion), Now: w.now, N: w.ids,
		})}
	}
	first, second := confirmed(), confirmed()
	if err := w.engine.Confirm(t.Context(), p.ID, first); err != nil {
		t.Fatal(err)
	}
	for _, again := range []events.DeletionConfirmed{first, second} {
		mustSay(t, "again", w.engine.Confirm(t.Context(), p.ID, again), "was confirmed, which counts until")
	}
	mustSay(t, "admitted again", w.append(
		w.event(events.TheOne(events.AggregateDoor), events.DoorAdmitted{Plan: p.ID, Kind: p.Deletion.Kind, Expires: p.Deletion.Expires, Owners: true}),
		w.event(events.OfDeletion(p.ID), second)), "was confirmed already")
	w.pass(61 * time.Minute)
	if step := w.run(p.ID); step.Done || step.Wait != time.Minute {
		t.Errorf("with a confirmation that has expired: %+v", step)
	}
	third := confirmed()
	if err := w.engine.Confirm(t.Context(), p.ID, third); err != nil {
		t.Fatal(err)
	}
	for _, again := range []events.DeletionConfirmed{first, second, third} {
		mustSay(t, "again", w.engine.Confirm(t.Context(), p.ID, again), "was confirmed, which counts until")
	}
	if door, err := w.engine.Door(t.Context()); err != nil || len(door.Open) != 1 {
		t.Errorf("at the door: %+v, %v", door.Open, err)
	}
	if step := w.run(p.ID); !step.Done || step.Why != "" {
		t.Errorf("it ended with %+v", step)
	}
}

// A wave that has to wait looks at none of its targets.
func TestWaitingWaveLooksAtNoTarget(t *testing.T) {
	t.Parallel()
	w := governed(t, 20)
	policy := w.quick()
	policy.Bakes = []events.Seconds{30}
	policy.Budget.Minute = 5
	w.adopt(policy)
	p := w.ready(w.ask(upTo(20)...), "ana")
	baked, spent := 0, 0
	for step := w.run(p.ID); !step.Done; step = w.run(p.ID) {
		w.looked = 0
		if step = w.run(p.ID); step.Wait == 0 || w.looked != 0 {
			t.Fatalf("%+v, it looked at %d targets", step, w.looked)
		}
		if step.Why == "" {
			baked++
		} else {
			spent++
		}
		w.pass(step.Wait)
	}
	if w.tombstones() != 20 || baked == 0 || spent == 0 {
		t.Errorf("%d tombstones, it waited %d times for a bake, %d times for the budget", w.tombstones(), baked, spent)
	}
}

// No tenant is in two plans that are open: whichever went first would end the other one in
// the middle.
func TestPlansAreApart(t *testing.T) {
	t.Parallel()
	w := governed(t, 9)
	asked, again, other := w.request(2), w.request(2), w.request(3)
	inBulk := w.plan(w.ask(1, 3))
	mustSay(t, "an owner's, of a plan that is open", w.confirm(other, other.Deletion.Owner), "is in "+inBulk.ID.String())
	if err := w.confirm(asked, asked.Deletion.Owner); err != nil {
		t.Fatal(err)
	}
	mustSay(t, "an owner's, twice", w.confirm(again, again.Deletion.Owner), "is in "+asked.ID.String())
	_, err := w.tryPlan(w.askApps(4, 3))
	mustSay(t, "apps of such a tenant", err, "is in "+inBulk.ID.String())
	_, err = w.tryPlan(w.askApps(2))
	mustSay(t, "apps of an owner's", err, "is in "+asked.ID.String())
	if err := w.engine.Withdraw(t.Context(), inBulk.ID, "author", "only to try"); err != nil {
		t.Fatal(err)
	}
	if err := w.confirm(other, other.Deletion.Owner); err != nil {
		t.Errorf("of a plan that was withdrawn: %v", err)
	}
	w.pass(24 * time.Hour)
	w.plan(w.ask(2, 3)) // those have expired
}
