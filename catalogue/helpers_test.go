package catalogue_test

import (
	"context"
	"fmt"
	"testing"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
)

// event is one about an aggregate; the name makes its id.
func event(name string, about events.Aggregate, p events.Payload) events.Event {
	return events.Event{
		ID: events.DeriveID[events.EventID](name), Source: "/services/test", About: about,
		Time: events.TimeOf(catalogtest.Start), Actor: "user_1", Payload: p,
	}
}

func inEpoch(epoch uint64, e events.Event) events.Event { e.Epoch = epoch; return e }

func inRun(run string, e events.Event) events.Event {
	e.Run = events.DeriveID[events.RunID](run)
	return e
}

func one(e ...events.Event) catalogue.Request { return catalogue.Request{Events: e} }

func accountID(n int) events.AccountID {
	return events.DeriveID[events.AccountID](fmt.Sprint("account", n))
}

func tenantID(n int) events.TenantID {
	return events.DeriveID[events.TenantID](fmt.Sprint("tenant", n))
}

func productID(n int) events.ProductID {
	return events.DeriveID[events.ProductID](fmt.Sprint("product", n))
}
func appID() events.AppID { return events.DeriveID[events.AppID]("app") }

func url(n int) string { return fmt.Sprintf("t%d.example.net", n) }

func anAccount(n int) events.Event {
	return event(fmt.Sprint("account created", n), events.OfAccount(accountID(n)), events.AccountCreated{Name: "Example Ltd"})
}

// created is what begins tenant n of account 1.
func created(n int) events.TenantCreated {
	return events.TenantCreated{
		URL: url(n), CloudID: events.DeriveID[events.PlanID](fmt.Sprint("cloud", n)).UUID(), Account: accountID(1),
		Region: "eu", Shard: "s1", Tier: "standard",
	}
}

func aTenant(n int) events.Event {
	return event(fmt.Sprint("tenant created", n), events.OfTenant(tenantID(n)), created(n))
}

// system is a Service over a log and a store in memory.
type system struct {
	t       testing.TB
	log     catalogue.Log
	store   *catalogtest.Store
	service *catalogue.Service
}

// open starts a Service on a log; the store is new, as after the loss of the
// write side's own.
func open(t testing.TB, log catalogue.Log) *system {
	t.Helper()
	s := &system{t: t, log: log, store: catalogtest.NewStore()}
	service, err := catalogue.Open(t.Context(), catalogue.Config{
		Log: log, Store: s.store, Seal: catalogtest.Seal{}, Clock: catalogtest.Ticking(), Guard: catalogtest.Unguarded{},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.service = service
	t.Cleanup(func() { _ = service.Close() })
	return s
}

// begin is a system with account 1 and tenants 1 to n.
func begin(t testing.TB, n int) *system {
	t.Helper()
	s := open(t, &hooked{MemoryLog: eventtest.NewMemoryLog("test")})
	s.must(anAccount(1))
	for i := range n {
		s.must(aTenant(i + 1))
	}
	return s
}

func (s *system) ask(r catalogue.Request) catalogue.Verdict {
	s.t.Helper()
	return s.service.Publish(context.Background(), catalogtest.Internal, r)[0]
}

// must publishes what has to be taken.
func (s *system) must(e ...events.Event) catalogue.Verdict {
	s.t.Helper()
	v := s.ask(one(e...))
	if v.Err != nil {
		s.t.Fatal(v.Err)
	}
	return v
}

func (s *system) events() []events.Stored { s.t.Helper(); return catalogtest.Read(s.t, s.log) }

// hooked is a log that calls out around an append.
type hooked struct {
	*eventtest.MemoryLog

	before func(units []events.Unit)
	head   func() error
}

func (h *hooked) Stage(base events.Seq, units []events.Unit) func(context.Context) []events.Appended {
	commit := h.MemoryLog.Stage(base, units)
	return func(ctx context.Context) []events.Appended {
		if h.before != nil {
			h.before(units)
		}
		return commit(ctx)
	}
}

func (h *hooked) Head(ctx context.Context) (events.Seq, error) {
	if h.head != nil {
		if err := h.head(); err != nil {
			return 0, err
		}
	}
	return h.MemoryLog.Head(ctx)
}
