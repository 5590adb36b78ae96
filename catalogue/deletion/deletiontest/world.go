// Package deletiontest forges: it appends to a log what the rules of deletion allow and what
// they do not.
package deletiontest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/events"
)

// Log is a log that events can be appended to around everybody.
type Log interface {
	catalogue.Log
	Append(ctx context.Context, units []events.Unit) []events.Appended
}

// T is what *testing.T and *rapid.T have in common.
type T interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// World appends to a log what the rules of deletion allow, and, forged, what they do not. It
// folds what it finds in the log into Facts, by the rules and the fold alone. It is for one
// goroutine.
type World struct {
	T      T
	Log    Log
	Engine *deletion.Engine
	Keys   people.Keys
	Facts  *catalogtest.Facts
	// Refused are the events that may not stand where they do.
	Refused map[events.Seq]error

	now events.Time
	seq events.Seq
	ids uint64
}

// NewWorld begins with a tick, and with what the log has already.
func NewWorld(t T, log Log) *World {
	t.Helper()
	w := &World{
		T: t, Log: log, Keys: people.NewKeys("ana", "ben", people.Planner, people.Portal), Facts: catalogtest.NewFacts(), Refused: map[events.Seq]error{},
		now: events.TimeOf(catalogtest.Start),
	}
	w.Engine = deletion.New(deletion.Config{
		Service: w, Look: func(_ context.Context, f func(deletion.Lookup) error) error { return f(w) },
		Rehearsal: func(context.Context, events.PlanID, events.DeletionPlanned) (events.DeletionRehearsed, error) {
			return events.DeletionRehearsed{Passed: true, Evidence: make([]byte, 32)}, nil
		},
		Recount: recount, Check: func(context.Context, string, events.PlanID, int) error { return nil },
		Now: func() events.Time { return w.now }, NewID: w.newID,
	})
	w.follow(context.Background())
	w.Pass(time.Second)
	return w
}

// Govern puts a quick policy in force.
func (w *World) Govern() {
	w.T.Helper()
	roster := w.Keys.Roster(events.TimeOf(catalogtest.Start).Add(365 * 24 * time.Hour))
	changed, _, err := w.Engine.Propose(context.Background(), events.PolicyProposed{
		Version: 1, Author: people.Planner, Reason: "a test", Policy: people.QuickPolicy(roster),
	})
	if err != nil || !changed {
		w.T.Fatalf("the policy is not in force: %v", err)
	}
}

// Tenant is the n-th tenant.
func Tenant(n int) events.Aggregate {
	return events.OfTenant(events.DeriveID[events.TenantID](fmt.Sprint("tenant", n)))
}

// App is the n-th tenant's app.
func App(n int) events.AppID { return events.DeriveID[events.AppID](fmt.Sprint("app", n)) }

func account(n int) events.AccountID {
	return events.DeriveID[events.AccountID](fmt.Sprint("account", n))
}

func url(n int) string { return fmt.Sprintf("t%d.example.net", n) }

// People makes some tenants, each with an app, which are out of service.
func (w *World) People(numbers ...int) {
	w.T.Helper()
	for _, n := range numbers {
		w.Do(events.OfAccount(account(n)), events.AccountCreated{Name: "Example Ltd"})
		w.Do(Tenant(n), events.TenantCreated{
			URL: url(n), CloudID: events.DeriveID[events.PlanID](fmt.Sprint("cloud", n)).UUID(), Account: account(n), Region: "eu", Tier: "standard",
		})
		w.Do(Tenant(n), events.AppInstalled{App: App(n), Name: "clock"})
		w.Do(Tenant(n), events.TenantDeactivated{})
	}
}

// Pass lets time pass, by less than an hour, with a tick.
func (w *World) Pass(d time.Duration) {
	w.T.Helper()
	w.now = w.now.Add(d)
	if err := w.Engine.Tick(context.Background()); err != nil {
		w.T.Fatal(err)
	}
}

// Plan makes a plan to delete tenants, which is approved, rehearsed and started.
func (w *World) Plan(numbers ...int) events.PlanID {
	w.T.Helper()
	w.ids++
	ask := deletion.Ask{
		ID:   events.DeriveID[events.PlanID](fmt.Sprint("planned", w.ids)),
		Kind: events.DeletionOfTenants, Author: people.Planner, Submitter: people.Planner, Supplier: "analyst", Reason: "closed", Expected: len(numbers),
	}
	for _, n := range numbers {
		ask.Targets = append(ask.Targets, deletion.Asked{ID: Tenant(n).String(), Parent: account(n).String(), Name: url(n)})
	}
	ctx := context.Background()
	p, err := w.Engine.Plan(ctx, w.Keys.Ask(people.Environment, ask, w.now))
	if err == nil {
		w.ids++
		err = w.Engine.Approve(ctx, p.ID, w.Keys.ApprovePlan("ana", p.ID, p.Deletion, w.now, w.ids))
	}
	if err == nil {
		_, err = w.Engine.Rehearse(ctx, p.ID, "author")
	}
	if err == nil {
		err = w.Engine.Start(ctx, p.ID, "author")
	}
	if err != nil {
		w.T.Fatal(err)
	}
	return p.ID
}

// Run steps through a plan to its end and tells why that came before all was done.
func (w *World) Run(id events.PlanID) (why string) {
	w.T.Helper()
	for range 100 {
		step, err := w.Engine.Step(context.Background(), id)
		switch {
		case err != nil || step.Wait > 0:
			w.T.Fatalf("%s waits: %s, %v", id, step.Why, err)
		case step.Done:
			return step.Why
		}
	}
	w.T.Fatalf("%s does not end", id)
	return ""
}

// Do appends an event that must be allowed.
func (w *World) Do(about events.Aggregate, p events.Payload) events.Seq {
	w.T.Helper()
	if err := w.decide(context.Background(), w.Event(about, p)); err != nil {
		w.T.Fatal(err)
	}
	return w.seq
}

// Forge appends events as one unit, whatever the rules say, and gives the Seq of the last.
func (w *World) Forge(unit ...events.Event) events.Seq {
	w.T.Helper()
	w.append(context.Background(), unit)
	return w.seq
}

// Event is a new event.
func (w *World) Event(about events.Aggregate, p events.Payload) events.Event {
	id, _ := w.newID() // never fails
	return events.Event{
		ID: events.IDFromUUID[events.EventID](id), Source: "/services/test", About: about, Time: w.now, Actor: "user_1", Payload: p,
	}
}

func (w *World) newID() (uuid.UUID, error) {
	w.ids++
	return events.DeriveID[events.PlanID](fmt.Sprint("deletiontest", w.ids)).UUID(), nil
}

// Publish is the write side's.
func (w *World) Publish(ctx context.Context, _ catalogue.Credential, requests ...catalogue.Request) []catalogue.Verdict {
	out := make([]catalogue.Verdict, len(requests))
	for i, r := range requests {
		out[i].Err = w.decide(ctx, r.Events...)
	}
	return out
}

// decide appends a unit if the rules allow it.
func (w *World) decide(ctx context.Context, unit ...events.Event) error {
	layer := w.Facts.Over()
	for i, e := range unit {
		e.Seq, e.RecordedTime = w.seq+events.Seq(i)+1, w.now
		if e.Governed() {
			if err := (deletion.Guard{}).Decide(layer, e); err != nil {
				return err
			}
		}
		if err := catalogue.Fold(layer, e); err != nil {
			return err
		}
	}
	w.append(ctx, unit)
	return nil
}

// Garbage appends an event about an aggregate that cannot be read.
func (w *World) Garbage(about events.Aggregate) {
	w.T.Helper()
	e := w.Event(about, nil)
	w.put(context.Background(), events.Stored{About: about, ID: e.ID, Source: e.Source, Type: events.TenantDeactivated{}.EventType(), Data: []byte("garbage")})
}

func (w *World) append(ctx context.Context, list []events.Event) {
	w.T.Helper()
	unit := make([]events.Stored, len(list))
	for i, e := range list {
		e.RecordedTime, e.Via, e.More = w.now, "test", uint16(len(list)-1-i)
		stored, err := events.Encode(e)
		if err != nil {
			w.T.Fatal(err)
		}
		unit[i] = stored
	}
	w.put(ctx, unit...)
}

func (w *World) put(ctx context.Context, list ...events.Stored) {
	w.T.Helper()
	unit := events.Unit{Events: list}
	for _, s := range list {
		head, _ := w.Facts.Head(s.About) // never fails
		unit.Expected = append(unit.Expected, head.Seq)
	}
	if err := w.Log.Append(ctx, []events.Unit{unit})[0].Err; err != nil {
		w.T.Fatal(err)
	}
	w.follow(ctx)
}

// follow folds what has come to the log.
func (w *World) follow(ctx context.Context) {
	w.T.Helper()
	head, err := w.Log.Head(ctx)
	if err == nil {
		err = w.Log.Read(ctx, w.seq, head, func(stored []events.Stored) (err error) {
			for _, s := range stored {
				err = errors.Join(err, w.fold(s))
				w.seq = s.Seq
			}
			return err
		})
	}
	if err != nil {
		w.T.Fatal(err)
	}
}

func (w *World) fold(s events.Stored) error {
	e, err := events.Decode(s)
	if err != nil {
		return catalogue.Quarantine(w.Facts, s)
	}
	w.now = max(w.now, e.RecordedTime)
	why := deletion.Vouch(w.Facts, e)
	switch {
	case why == nil:
		return catalogue.Fold(w.Facts, e)
	case s.About.Kind == events.AggregateTenant:
		err = catalogue.Quarantine(w.Facts, s)
	default:
		err = catalogue.Pass(w.Facts, s)
	}
	w.Refused[s.Seq] = why
	return err
}

// State is as in Lookup.
func (w *World) State(about events.Aggregate) catalogue.State { return w.Facts.State(about) }

// Head is as in Lookup.
func (w *World) Head(about events.Aggregate) (catalogue.Head, error) { return w.Facts.Head(about) }

// AsOf is as in Lookup.
func (w *World) AsOf() events.Seq { return w.seq }

// Tenant is as in Lookup.
func (w *World) Tenant(_ context.Context, id events.TenantID) (catalogue.MapState, catalogue.Head, error) {
	head, err := w.Facts.Head(events.OfTenant(id))
	state, _ := w.Facts.State(events.OfTenant(id)).(catalogue.MapState) // Facts have no other
	return state, head, err
}

// AppOf is as in Lookup.
func (w *World) AppOf(_ context.Context, id events.AppID) (events.TenantID, bool, error) {
	about, found, err := w.Facts.Issued(id.UUID())
	return about.Tenant(), found, err
}

// recount finds what was planned: the rules have let nothing else through.
func recount(_ context.Context, d events.Deletion, passage events.Passage) (events.DeletionWaveChecked, error) {
	done := uint32(0)
	for _, n := range d.Plan.Waves[:passage.Wave] {
		done += n
	}
	return events.DeletionWaveChecked{Gone: d.Plan.Waves[passage.Wave-1], Kept: uint32(len(d.Plan.Targets)) - done}, nil
}

var _ deletion.Lookup = (*World)(nil)
