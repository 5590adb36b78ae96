package replaytest

import (
	"context"
	"fmt"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
)

// AccountID is the n-th account's.
func AccountID(n int) events.AccountID {
	return events.DeriveID[events.AccountID](fmt.Sprint("account", n))
}

// TenantID is the n-th tenant's.
func TenantID(n int) events.TenantID {
	return events.DeriveID[events.TenantID](fmt.Sprint("tenant", n))
}

// Tenant is the n-th tenant.
func Tenant(n int) events.Aggregate { return events.OfTenant(TenantID(n)) }

// ProductID is the n-th product's.
func ProductID(n int) events.ProductID {
	return events.DeriveID[events.ProductID](fmt.Sprint("product", n))
}

// AppID is the n-th app's.
func AppID(n int) events.AppID { return events.DeriveID[events.AppID](fmt.Sprint("app", n)) }

// Run is a run by name.
func Run(name string) events.RunID { return events.DeriveID[events.RunID](name) }

// URL is the n-th tenant's first.
func URL(n int) string { return fmt.Sprintf("t%d.example.net", n) }

// By says who does something, and as part of which run.
type By struct {
	Actor string
	Run   string // a name; empty: none
}

// Owner is a customer, who is part of no run; Script is a bad run.
var (
	Owner  = By{Actor: "owner"}
	Script = By{Actor: "script", Run: "bad"}
)

// source is that of what tests make up.
const source = "/services/test"

// Event is a new event by somebody; ids count up.
func (w *World) Event(by By, about events.Aggregate, p events.Payload) events.Event {
	id, _ := w.newID() // never fails
	e := events.Event{
		ID: events.IDFromUUID[events.EventID](id), Source: source, About: about,
		Time: events.TimeOf(w.Now()), Actor: by.Actor, Payload: p,
	}
	if by.Run != "" {
		e.Run = Run(by.Run)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	e.Epoch = w.epochs[about]
	return e
}

// Try publishes a new event about an aggregate and gives the answer.
func (w *World) Try(by By, about events.Aggregate, p events.Payload) catalogue.Verdict {
	v := w.Service.Publish(context.Background(), catalogtest.Internal, catalogue.Request{Events: []events.Event{w.Event(by, about, p)}})[0]
	w.mu.Lock()
	defer w.mu.Unlock()
	w.epochs[about] = v.Epoch
	return v
}

// Do publishes what must be taken and gives the last Seq.
func (w *World) Do(by By, about events.Aggregate, payloads ...events.Payload) (seq events.Seq) {
	w.T.Helper()
	for _, p := range payloads {
		v := w.Try(by, about, p)
		w.check(v.Err)
		seq = v.Seq
	}
	return seq
}

// Refresh reads the epochs of all tenants again, as a client does that was
// told of a newer one.
func (w *World) Refresh() {
	w.T.Helper()
	facts, err := catalogtest.Fold(w.Stored())
	w.check(err)
	w.mu.Lock()
	defer w.mu.Unlock()
	for a, h := range facts.Heads {
		w.epochs[a] = h.Epoch
	}
}

// Created is what begins the n-th tenant, of account 1.
func Created(n int) events.TenantCreated {
	return events.TenantCreated{
		URL: URL(n), CloudID: events.DeriveID[events.PlanID](fmt.Sprint("cloud", n)).UUID(), Account: AccountID(1),
		Region: "eu", Shard: "s1", Tier: "standard",
	}
}

// Begin makes account 1 and the tenants 1 to n, each with a product, an app, two
// members and some users.
func (w *World) Begin(n int) {
	w.T.Helper()
	w.Do(Owner, events.OfAccount(AccountID(1)), events.AccountCreated{Name: "Example Ltd"})
	for i := 1; i <= n; i++ {
		w.Do(Owner, Tenant(i), Created(i),
			events.ProductActivated{Product: ProductID(i), Name: "tracker", Seats: 10},
			events.AppInstalled{App: AppID(i), Name: "clock", Version: "1"},
			events.IdentityMemberGranted{User: "user_1", Name: "A", Email: "a@example.com", Roles: []string{events.RoleSiteAdmin}},
			events.IdentityMemberGranted{User: "user_2", Name: "B", Email: "b@example.com", Roles: []string{"user"}},
			events.TenantUsageReported{ActiveUsers: uint64(10 * i), LastActivity: events.TimeOf(w.Now())},
		)
	}
}

// Deleted is a tombstone.
func Deleted() events.TenantDeleted { return events.TenantDeleted{Reason: "asked for"} }

// Configured sets one key.
func Configured(key, value string) events.TenantConfigured {
	return events.TenantConfigured{Metadata: map[string]string{key: value}}
}
