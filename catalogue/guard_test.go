package catalogue_test

import (
	"errors"
	"testing"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
)

// says is a guard that says the same of everything.
type says struct{ refusal *catalogue.ReasonError }

func (s says) Decide(catalogue.Facts, events.Event) error {
	if s.refusal == nil {
		return nil
	}
	return s.refusal
}

func (s says) Vouch(f catalogue.Facts, e events.Event) error { return s.Decide(f, e) }

var (
	yes = says{}
	no  = says{catalogue.Refuse(errNo, "", "whatever it is")}

	errNo = errors.New("the guard says no")
)

// guarded starts a Service with a guard on a log.
func guarded(t *testing.T, log catalogue.Log, g catalogue.Guard) *system {
	t.Helper()
	s := &system{t: t, log: log, store: catalogtest.NewStore()}
	service, err := catalogue.Open(t.Context(), catalogue.Config{
		Log: log, Store: s.store, Seal: catalogtest.Seal{}, Guard: g, Clock: catalogtest.Ticking(),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.service = service
	t.Cleanup(func() { _ = service.Close() })
	return s
}

// ofTheGuard is what a guard has the say about, each about something else.
func ofTheGuard() []events.Event {
	return []events.Event{
		event("halted", events.TheOne(events.AggregateDoor), events.DoorHalted{Cause: events.HaltByPerson}),
		event("uninstalled", events.OfTenant(tenantID(3)), events.AppUninstalled{App: appID()}),
		event("restored", events.OfTenant(tenantID(2)), events.TenantRestored{
			Restoration: events.DeriveID[events.RestoreID]("r"), Mode: events.Rewind, Cut: 1, AsOf: 1, Epoch: 1, Part: 1, Parts: 1,
			Entities: events.Entities{events.Tenant{URL: url(2), Account: accountID(1), Status: events.TenantStatusActive}},
		}),
		event("deleted", events.OfTenant(tenantID(1)), events.TenantDeleted{}),
	}
}

func TestGuardIsAskedBeforeAnythingIsAppended(t *testing.T) {
	t.Parallel()
	s := begin(t, 3)
	s.must(event("installed", events.OfTenant(tenantID(3)), events.AppInstalled{App: appID(), Name: "clock"}))
	strict, before := guarded(t, s.log, no), len(s.events())
	for _, e := range ofTheGuard() {
		if v := strict.ask(one(e)); !errors.Is(v.Err, errNo) || !catalogue.Refused(v.Err) {
			t.Errorf("%s: %v", e.Type(), v.Err)
		}
	}
	if n := len(s.events()) - before; n != 0 {
		t.Errorf("%d events were appended", n)
	}
	strict.must(event("used", events.OfTenant(tenantID(1)), events.TenantUsageReported{ActiveUsers: 1}))
	lax := guarded(t, s.log, yes)
	for _, e := range ofTheGuard() {
		lax.must(e)
	}
}

// What somebody has appended and the guard does not vouch for puts its tenant out, and
// counts for nothing elsewhere.
func TestGuardIsAskedAboutWhatOthersAppend(t *testing.T) {
	t.Parallel()
	s := begin(t, 4)
	s.must(event("installed", events.OfTenant(tenantID(3)), events.AppInstalled{App: appID(), Name: "clock"}))
	lax, strict := guarded(t, s.log, yes), guarded(t, s.log, no)
	for _, e := range ofTheGuard() {
		lax.must(e)
	}
	for n := 1; n <= 4; n++ {
		v := strict.ask(one(event("used"+url(n), events.OfTenant(tenantID(n)), events.TenantUsageReported{ActiveUsers: 1})))
		if out := errors.Is(v.Err, catalogue.ErrQuarantined); out != (n <= 3) {
			t.Errorf("tenant %d: %v", n, v.Err)
		}
	}
	door := events.TheOne(events.AggregateDoor)
	head, err := strict.store.Head(door)
	if err != nil || head.Seq == 0 || head.Quarantined != 0 {
		t.Errorf("the door: %+v, %v", head, err)
	}
	if _, found, err := catalogue.Get[events.Door](strict.store.State(door), events.Door{}.EntityKey()); found || err != nil {
		t.Errorf("a halt that nobody vouches for counts: %v", err)
	}
}
