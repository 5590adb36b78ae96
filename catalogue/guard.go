package catalogue

import "tenantcatalogue/events"

// Guard has the say about everything that is governed (events.Event.Governed): tombstones,
// what leads to them, and restorations of tenants. Both its answers are nil, a *ReasonError, or a failure to reach one.
type Guard interface {
	// Decide tells whether an event may be appended after the facts. Its Seq and
	// recorded time are set.
	Decide(f Facts, e events.Event) error
	// Vouch tells whether an event that was found in the log may stand there, after
	// the facts. An event about a tenant that may not quarantines the tenant; anything
	// else is passed over.
	Vouch(f Facts, e events.Event) error
}
