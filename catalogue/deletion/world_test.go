package deletion_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/events"
)

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// world is a catalogue in memory: facts, the rules in front of them, and a Register that
// follows. It is the write side of an Engine, and what it looks at.
type world struct {
	t        tester
	facts    *catalogtest.Facts
	register *deletion.Register
	genesis  deletion.Genesis
	engine   *deletion.Engine
	keys     people.Keys
	now      events.Time // of the wall clock
	recorded events.Time // the last: like the Service's it never runs backwards
	seq      events.Seq
	ids      uint64
	log      []events.Event
	seen     map[events.EventID]bool

	rehearsal  events.DeletionRehearsed
	rehearsing error // in place of a rehearsal
	looked     int   // at tenants
	recount    func(events.DeletionWaveChecked) events.DeletionWaveChecked
	health     func(after int) error           // a wave; 0: before the first one
	before     func(unit []events.Event) error // may refuse, or let things happen before, an append
}

const environment = people.Environment

// sick has the health check fail after a wave and ever after; 0: before the first one.
func (w *world) sick(after int, why error) {
	w.health = func(wave int) error {
		if wave < after {
			return nil
		}
		return why
	}
}

// begin is a world without a policy.
func begin(t tester) *world {
	t.Helper()
	w := &world{
		t: t, seen: map[events.EventID]bool{}, facts: catalogtest.NewFacts(), register: deletion.NewRegister(deletion.Genesis{}),
		keys: people.NewKeys("ana", "ben", "cleo", "dora", people.Planner, people.Portal), now: events.TimeOf(catalogtest.Start),
		rehearsal: events.DeletionRehearsed{Passed: true, Evidence: make([]byte, 32)}, health: func(int) error { return nil },
	}
	w.engine = deletion.New(deletion.Config{
		Service: w, Look: func(_ context.Context, f func(deletion.Lookup) error) error { return f(w) },
		Rehearsal: func(context.Context, events.PlanID, events.DeletionPlanned) (events.DeletionRehearsed, error) {
			return w.rehearsal, w.rehearsing
		},
		Recount: w.count, Check: func(_ context.Context, _ string, _ events.PlanID, wave int) error { return w.health(wave) },
		Now: func() events.Time { return w.now },
		NewID: func() (uuid.UUID, error) {
			w.ids++
			return events.DeriveID[events.PlanID](fmt.Sprint("id", w.ids)).UUID(), nil
		},
	})
	w.tick()
	return w
}

// governed is a world with a quick policy and some tenants out of service, each with two
// apps.
func governed(t tester, tenants int) *world {
	t.Helper()
	w := begin(t)
	w.adopt(w.quick())
	w.people(tenants)
	return w
}

func (w *world) quick() events.Policy {
	return people.QuickPolicy(w.keys.Roster(events.TimeOf(catalogtest.Start).Add(365 * 24 * time.Hour)))
}

// adopt puts a policy in force, the first or a stricter one.
func (w *world) adopt(p events.Policy) {
	w.t.Helper()
	changed, looser, err := w.propose(people.Planner, p)
	if err != nil || !changed {
		w.t.Fatalf("the policy is not in force: looser in %v, %v", looser, err)
	}
}

// propose asks for another policy, signed.
func (w *world) propose(author string, p events.Policy) (changed bool, looser []string, err error) {
	w.t.Helper()
	return w.engine.Propose(context.Background(), w.proposal(author, p))
}

// proposal is signed by its author.
func (w *world) proposal(author string, p events.Policy) events.PolicyProposed {
	w.t.Helper()
	policy, err := deletion.PolicyOf(w)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.keys.Propose(events.PolicyProposed{Version: policy.Version + 1, Author: author, Reason: "a test", Policy: p}, w.now)
}

func tenantID(n int) events.TenantID {
	return events.DeriveID[events.TenantID](fmt.Sprint("tenant", n))
}

func appID(n, k int) events.AppID {
	return events.DeriveID[events.AppID](fmt.Sprint("app", n, "/", k))
}

func accountID(n int) events.AccountID {
	return events.DeriveID[events.AccountID](fmt.Sprint("account", n%7))
}

func url(n int) string { return fmt.Sprintf("t%d.example.net", n) }

// people makes tenants 1 to n, the first of which is the vendor's own.
func (w *world) people(n int) {
	w.t.Helper()
	for i := range 7 {
		w.must(w.event(events.OfAccount(accountID(i)), events.AccountCreated{Name: "Example Ltd"}))
	}
	for i := 1; i <= n; i++ {
		about := events.OfTenant(tenantID(i))
		w.must(w.event(about, events.TenantCreated{
			URL: url(i), CloudID: events.DeriveID[events.PlanID](fmt.Sprint("cloud", i)).UUID(), Account: accountID(i), Region: "eu", Tier: "standard", Internal: i == 1,
		}))
		for k := range 2 {
			w.must(w.event(about, events.AppInstalled{App: appID(i, k), Name: fmt.Sprintf("app-%d", k)}))
		}
		w.must(w.event(about, events.TenantUsageReported{ActiveUsers: uint64(i), LastActivity: w.now.Add(-time.Duration(i) * 24 * time.Hour)}))
		w.must(w.event(about, events.TenantDeactivated{}))
	}
	w.pass(time.Minute)
}

func (w *world) event(about events.Aggregate, p events.Payload) events.Event {
	w.ids++
	return events.Event{
		ID: events.DeriveID[events.EventID](fmt.Sprint("event", w.ids)), Source: "/services/test", About: about,
		Time: w.now, Actor: "user_1", Payload: p,
	}
}

// pass lets time pass, with ticks.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	for d > 0 {
		step := min(d, catalogue.TickEvery)
		w.now = w.now.Add(step)
		d -= step
		w.tick()
	}
}

func (w *world) tick() {
	w.t.Helper()
	if err := w.engine.Tick(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) must(unit ...events.Event) {
	w.t.Helper()
	if err := w.append(unit...); err != nil {
		w.t.Fatal(err)
	}
}

// Publish is the write side's.
func (w *world) Publish(_ context.Context, _ catalogue.Credential, requests ...catalogue.Request) []catalogue.Verdict {
	out := make([]catalogue.Verdict, len(requests))
	for i, r := range requests {
		if w.before != nil {
			out[i].Err = w.before(r.Events)
		}
		if out[i].Err == nil {
			out[i].Err = w.append(r.Events...)
		}
	}
	return out
}

// append decides a unit and folds it, whole or not at all.
func (w *world) append(unit ...events.Event) error {
	w.t.Helper()
	layer := w.facts.Over()
	recorded := max(w.recorded, w.now)
	taken := make([]events.Event, 0, len(unit))
	for i, e := range unit {
		e.Seq, e.RecordedTime = w.seq+events.Seq(i)+1, recorded
		if w.seen[e.ID] {
			return catalogue.Refuse(catalogue.ErrIDReused, "", "%s stands already", e.ID)
		}
		if e.Governed() {
			if err := (deletion.Guard{Genesis: w.genesis}).Decide(layer, e); err != nil {
				return err
			}
		}
		if err := catalogue.Fold(layer, e); err != nil {
			w.t.Fatal(err)
		}
		if head, err := layer.Head(e.About); err != nil || head.Quarantined != 0 {
			w.t.Fatalf("%s does not fold: %v", e.Type(), err)
		}
		taken = append(taken, e)
	}
	layer.Keep()
	w.recorded = recorded
	w.seq += events.Seq(len(unit))
	for _, e := range taken {
		w.log, w.seen[e.ID] = append(w.log, e), true
		if err := w.register.Take(e); err != nil {
			w.t.Fatalf("the write side took %s at %d, the register does not: %v", e.Type(), e.Seq, err)
		}
	}
	return nil
}

// State is as in Lookup.
func (w *world) State(about events.Aggregate) catalogue.State { return w.facts.State(about) }

// Head is as in Lookup.
func (w *world) Head(about events.Aggregate) (catalogue.Head, error) {
	if about.Kind == events.AggregateTenant {
		w.looked++
	}
	return w.facts.Head(about)
}

// AsOf is as in Lookup.
func (w *world) AsOf() events.Seq { return w.seq }

// Tenant is as in Lookup.
func (w *world) Tenant(_ context.Context, id events.TenantID) (catalogue.MapState, catalogue.Head, error) {
	state, _ := w.facts.State(events.OfTenant(id)).(catalogue.MapState)
	head, err := w.facts.Head(events.OfTenant(id))
	return state, head, err
}

// AppOf is as in Lookup.
func (w *world) AppOf(_ context.Context, id events.AppID) (events.TenantID, bool, error) {
	about, found, err := w.facts.Issued(id.UUID())
	return about.Tenant(), found, err
}

// count counts as an independent reader does: from the states and the log.
func (w *world) count(_ context.Context, d events.Deletion, passage events.Passage) (events.DeletionWaveChecked, error) {
	var out events.DeletionWaveChecked
	done := 0
	for _, n := range d.Plan.Waves[:passage.Wave] {
		done += int(n)
	}
	from := done - int(d.Plan.Waves[passage.Wave-1])
	for i, target := range d.Plan.Targets {
		switch gone := w.gone(target); {
		case gone && i >= from && i < done:
			out.Gone++
		case !gone && i >= done:
			out.Kept++
		}
	}
	upTo := events.Seq(0) // of the last wave
	for _, e := range w.log {
		if p, ok := e.Payload.(events.DoorPassed); ok {
			upTo = e.Seq + events.Seq(p.Targets)
		}
		if e.Seq > passage.Mark.Seq && e.Seq > upTo && e.Type() == d.Plan.Kind.Tombstone() {
			out.Strays++
		}
	}
	if w.recount != nil {
		out = w.recount(out)
	}
	return out, nil
}

func (w *world) gone(t events.DeletionTarget) bool {
	state, _ := w.facts.State(events.OfTenant(t.Tenant)).(catalogue.MapState)
	record, _ := state.Tenant()
	if t.App.IsZero() {
		return record.Status == events.TenantStatusDeleted
	}
	app, found := state[events.AppKey(t.App)].(events.App)
	return !found || !app.Installed
}

// tombstones counts them in the log.
func (w *world) tombstones() (n int) {
	for _, e := range w.log {
		if e.Type().Tombstone() {
			n++
		}
	}
	return n
}

// ask is for the deletion of tenants.
func (w *world) ask(numbers ...int) deletion.Ask {
	a := deletion.Ask{
		Kind: events.DeletionOfTenants, Author: "author", Submitter: "author", Supplier: "analyst", Reason: "closed", Expected: len(numbers),
	}
	for _, n := range numbers {
		a.Targets = append(a.Targets, deletion.Asked{ID: tenantID(n).String(), Parent: accountID(n).String(), Name: url(n)})
	}
	return a
}

// askApps is for the deletion of the first app of tenants.
func (w *world) askApps(numbers ...int) deletion.Ask {
	a := w.ask(numbers...)
	a.Kind = events.DeletionOfApps
	for i, n := range numbers {
		a.Targets[i] = deletion.Asked{ID: appID(n, 0).String(), Parent: tenantID(n).String(), Name: "app-0"}
	}
	return a
}

func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i + 1
	}
	return out
}

// signed is what is asked for with a plan's id and its author's signature.
func (w *world) signed(a deletion.Ask) deletion.Ask {
	w.ids++
	a.ID = events.DeriveID[events.PlanID](fmt.Sprint("plan", w.ids))
	return w.keys.Ask(environment, a, w.now)
}

// tryPlan makes a plan that its author has signed.
func (w *world) tryPlan(a deletion.Ask) (deletion.Planned, error) {
	return w.engine.Plan(context.Background(), w.signed(a))
}

// plan makes a plan that must be taken.
func (w *world) plan(a deletion.Ask) deletion.Planned {
	w.t.Helper()
	p, err := w.tryPlan(a)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// confirm is the portal's word that an owner has confirmed.
func (w *world) confirm(p deletion.Planned, owner events.AccountID) error {
	w.ids++
	return w.engine.Confirm(context.Background(), p.ID, events.DeletionConfirmed{Owner: owner, By: "user_9", Approval: w.keys.Approve(people.Consent{
		Person: people.Portal, Action: deletion.ActionOwner, Environment: environment, Hash: p.Hash,
		Sentence: deletion.OwnerSentence(p.Deletion), Now: w.now, N: w.ids,
	})})
}

func (w *world) approve(p deletion.Planned, person string) error {
	w.ids++
	return w.engine.Approve(context.Background(), p.ID, w.keys.ApprovePlan(person, p.ID, p.Deletion, w.now, w.ids))
}

// ready is a plan that is approved, rehearsed and started.
func (w *world) ready(a deletion.Ask, persons ...string) deletion.Planned {
	w.t.Helper()
	p := w.plan(a)
	for _, person := range persons {
		if err := w.approve(p, person); err != nil {
			w.t.Fatal(err)
		}
	}
	w.rehearseAndStart(p)
	return p
}

func (w *world) rehearse(p deletion.Planned) {
	w.t.Helper()
	if _, err := w.engine.Rehearse(context.Background(), p.ID, "author"); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) rehearseAndStart(p deletion.Planned) {
	w.t.Helper()
	w.rehearse(p)
	if err := w.engine.Start(context.Background(), p.ID, "author"); err != nil {
		w.t.Fatal(err)
	}
}

// run steps through a plan until it is done or has to wait.
func (w *world) run(id events.PlanID) deletion.Step {
	w.t.Helper()
	for range 1000 {
		step, err := w.engine.Step(context.Background(), id)
		if err != nil {
			w.t.Fatal(err)
		}
		if step.Done || step.Wait > 0 {
			return step
		}
	}
	w.t.Fatal("the plan does not end")
	return deletion.Step{}
}

var (
	_ deletion.Lookup = (*world)(nil)
	_ tester          = (*testing.T)(nil)
)

func (w *world) door() events.Door {
	w.t.Helper()
	door, err := deletion.DoorOf(w)
	if err != nil {
		w.t.Fatal(err)
	}
	return door
}
