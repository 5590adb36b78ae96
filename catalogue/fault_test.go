package catalogue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
)

func (s *system) hooked() *hooked {
	s.t.Helper()
	log, ok := s.log.(*hooked)
	if !ok {
		s.t.Fatalf("%T has no hooks", s.log)
	}
	return log
}

// consistent fails when the store is not the fold of the log.
func (s *system) consistent() {
	s.t.Helper()
	noDoubles(s.t, s.events())
	want, err := catalogtest.Fold(s.events())
	if err != nil {
		s.t.Fatal(err)
	}
	wantSums, err := want.Digests()
	if err != nil {
		s.t.Fatal(err)
	}
	gotSums, err := s.store.Digests()
	if err != nil {
		s.t.Fatal(err)
	}
	same(s.t, "states", wantSums, gotSums)
	same(s.t, "heads", want.Heads, s.store.Heads)
	same(s.t, "answers", want.Answers, s.store.Answers)
	same(s.t, "issued", want.IDs, s.store.IDs)
}

// TestLostAck answers ErrUnavailable and finds the event when it comes again.
func TestLostAck(t *testing.T) {
	t.Parallel()
	s := begin(t, 2)
	s.hooked().LoseNextAck()
	e := event("lost", about(1), usage)
	isErr(t, s.ask(one(e)), events.ErrUnavailable)
	other := s.must(event("next", about(2), usage))
	v := s.must(e)
	if !v.Duplicate || v.Seq != other.Seq-1 {
		t.Errorf("%+v after %+v", v, other)
	}
	s.consistent()
}

// TestUnavailable writes nothing while the log is away and goes on after it.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	s := begin(t, 1)
	for _, want := range []error{events.ErrUnavailable, events.ErrNoSpace} {
		s.hooked().FailNext(fmt.Errorf("append: %w", want))
		isErr(t, s.ask(one(event("x", about(1), usage))), want)
	}
	s.hooked().head = func() error { return errors.New("away") }
	isErr(t, s.ask(one(event("x", about(1), usage))), events.ErrUnavailable) // to be caught up first
	s.hooked().head = nil
	if v := s.must(event("x", about(1), usage)); v.Duplicate {
		t.Errorf("%+v", v)
	}
	s.hooked().head = func() error { return errors.New("away") }
	isErr(t, s.ask(one(event("y", about(1), reactivate))), events.ErrUnavailable) // a refusal nobody can vouch for
	if v := s.must(event("x", about(1), usage)); !v.Duplicate {
		t.Errorf("a first answer needs no log: %+v", v)
	}
	s.hooked().head = nil
	isErr(t, s.ask(one(event("y", about(1), reactivate))), catalogue.ErrIllegal)
	s.consistent()
}

// TestRefusedOnAFailedBatch decides again what was refused because of an event
// of the same batch that was then not written.
func TestRefusedOnAFailedBatch(t *testing.T) {
	t.Parallel()
	s := begin(t, 2)
	s.hooked().FailNext(events.ErrNoSpace)
	got := s.service.Publish(t.Context(), catalogtest.Internal,
		one(event("a", about(1), events.TenantRenamed{URL: url(9)})),
		one(event("b", about(2), events.TenantRenamed{URL: url(9)})),
		one(event("c", about(2), reactivate)))
	isErr(t, got[0], events.ErrNoSpace)
	isErr(t, got[1], nil)
	isErr(t, got[2], catalogue.ErrIllegal)
	s.consistent()
}

// TestForeignWriter has another process write between a decision and its
// append: what that made stale is decided again, in order, all else stands.
func TestForeignWriter(t *testing.T) {
	t.Parallel()
	s := begin(t, 3)
	foreign := open(t, s.hooked().MemoryLog)
	once := sync.OnceFunc(func() {
		foreign.must(event("f1", about(1), deactivate))
		foreign.must(event("f2", about(2), events.TenantRenamed{URL: url(9)}))
		foreign.must(event("f3", about(3), usage))
	})
	s.hooked().before = func([]events.Unit) { once() }
	got := s.service.Publish(t.Context(), catalogtest.Internal,
		one(event("a", about(1), deactivate)),                        // came second
		one(event("b", about(1), reactivate)),                        // legal only after what came between
		one(event("c", about(2), activated)),                         // stale, and still legal
		one(event("d", about(3), events.TenantRenamed{URL: url(9)})), // taken meanwhile
		one(event("e", events.OfAccount(accountID(1)), contacts)),    // not concerned
		one(event("f3", about(3), usage)))                            // the very same event
	isErr(t, got[0], catalogue.ErrIllegal)
	isErr(t, got[1], nil)
	isErr(t, got[2], nil)
	isErr(t, got[3], catalogue.ErrClaimed)
	if got[4].Err != nil || got[4].Duplicate {
		t.Errorf("not concerned: %+v", got[4])
	}
	if got[5].Err != nil || !got[5].Duplicate {
		t.Errorf("the foreign writer's event: %+v", got[5])
	}
	s.consistent()
}

// TestStaleRefusal does not refuse by what another process has changed since.
func TestStaleRefusal(t *testing.T) {
	t.Parallel()
	s := begin(t, 1)
	s.must(event("a", about(1), deactivate))
	foreign := open(t, s.hooked().MemoryLog)
	foreign.must(event("f", about(1), reactivate))
	s.must(event("b", about(1), deactivate))
	s.consistent()
}

// TestContended gives up with ErrConflict where another process is always
// first.
func TestContended(t *testing.T) {
	t.Parallel()
	s := begin(t, 1)
	foreign := open(t, s.hooked().MemoryLog)
	n := 0
	s.hooked().before = func([]events.Unit) {
		n++
		foreign.must(event(fmt.Sprint("f", n), about(1), usage))
	}
	isErr(t, s.ask(one(event("a", about(1), usage))), events.ErrConflict)
	s.hooked().before = nil
	s.must(event("a", about(1), usage))
	s.consistent()
}

// TestStoreFails answers what is durable, and refuses everything after it.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	s := begin(t, 1)
	fault := errors.New("the store is broken")
	s.store.Fail = fault
	e := event("a", about(1), usage)
	v := s.must(e)
	isErr(t, s.ask(one(event("b", about(1), usage))), fault)
	if err := s.service.Close(); !errors.Is(err, fault) {
		t.Errorf("closed with %v", err)
	}
	again := open(t, s.log)
	if got := again.must(e); got.Seq != v.Seq || !got.Duplicate {
		t.Errorf("%+v, first %+v", got, v)
	}
}

// failing is facts whose reads of one aggregate's state fail.
type failing struct {
	*catalogtest.Facts

	fault error
}

func (f failing) State(events.Aggregate) catalogue.State {
	return failingState{catalogue.MapState{}, f.fault}
}

type failingState struct {
	catalogue.MapState

	fault error
}

func (s failingState) Get(events.EntityKey) (events.Entity, error) { return nil, s.fault }

// TestFaultIsNoQuarantine tells a store that cannot be read from an event that
// does not fit.
func TestFaultIsNoQuarantine(t *testing.T) {
	t.Parallel()
	f := failing{catalogtest.NewFacts(), errors.New("input/output error")}
	if err := catalogue.Fold(f, event("a", about(1), deactivate)); !errors.Is(err, f.fault) {
		t.Errorf("got %v", err)
	}
	facts := catalogtest.NewFacts()
	e := event("a", about(1), deactivate)
	e.Seq = 7
	if err := catalogue.Fold(facts, e); err != nil || facts.Heads[about(1)].Quarantined != 7 {
		t.Errorf("%v, %+v", err, facts.Heads[about(1)])
	}
}

// TestQuarantine refuses events about what cannot be read, and about nothing
// else.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	s := begin(t, 2)
	raw := events.Stored{About: about(1), ID: events.DeriveID[events.EventID]("?"), Type: "tenant.painted.v1", Source: "/x", Data: []byte{1}}
	head := s.store.Heads[about(1)].Seq
	answer := s.log.Stage(0, []events.Unit{{Events: []events.Stored{raw}, Expected: []events.Seq{head}}})(context.Background())
	if answer[0].Err != nil {
		t.Fatal(answer[0].Err)
	}
	v := s.ask(one(event("a", about(1), usage)))
	if !errors.Is(v.Err, catalogue.ErrQuarantined) || !strings.Contains(v.Err.Error(), "cannot be read") {
		t.Errorf("got %v", v.Err)
	}
	s.must(event("b", about(2), usage))
	if v := s.must(aTenant(1)); !v.Duplicate {
		t.Errorf("its first answers are kept: %+v", v)
	}
	s.consistent()
	isErr(t, open(t, s.log).ask(one(event("a", about(1), usage))), catalogue.ErrQuarantined)
}

// TestShortLog does not start on a log that lacks what the store has folded.
func TestShortLog(t *testing.T) {
	t.Parallel()
	s := begin(t, 2)
	log := eventtest.NewMemoryLog("short")
	_, err := catalogue.Open(t.Context(), catalogue.Config{Log: log, Store: s.store, Seal: catalogtest.Seal{}, Clock: catalogtest.Ticking(), Guard: catalogtest.Unguarded{}})
	if err == nil {
		t.Error("it started")
	}
}
