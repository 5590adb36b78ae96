package catalogue

import (
	"errors"

	"tenantcatalogue/events"
)

// ErrGuarded is returned for what leads to deletions when there is no Guard.
var ErrGuarded = errors.New("deletions are not governed here")

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

// noGuard refuses everything that is governed but tombstones and restorations of tenants,
// for which the roles are enough then.
type noGuard struct{}

func (noGuard) Decide(_ Facts, e events.Event) error {
	if e.About.Kind == events.AggregateTenant {
		return nil
	}
	return Refuse(ErrGuarded, "give the Service a Guard", "%s is governed and there is no Guard", e.Type())
}

func (noGuard) Vouch(Facts, events.Event) error { return nil }
