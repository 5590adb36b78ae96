// Package deletions is the view of what deletions are governed by: plans and what became
// of them, the door and what has passed it, the policy and what is proposed, the clock,
// liens on tenants. What may not stand in the log is not in it.
//
// Read from one viewdb.Snapshot, so that a plan and the door are of one moment.
package deletions

import (
	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
)

// Name and Format are those of the view.
const (
	Name   = "deletions"
	Format = 2
)

// New is the view's projector.
func New() *projectors.EntityView {
	return &projectors.EntityView{
		ViewName: Name, ViewFormat: Format,
		Kinds: []events.EntityKind{
			events.EntityDeletion, events.EntityDoor, events.EntityPassage, events.EntityPolicy, events.EntityProposal,
			events.EntityClock, events.EntityLiens,
		},
	}
}

// State is what is known of a plan, the door, the policy, the clock or a tenant's liens,
// each entity read when it is asked for. Ask Quarantined whether it is to be trusted.
func State(r viewdb.Reader, about events.Aggregate) catalogue.State { return New().State(r, about) }

// Quarantined is the event about an aggregate that could not be read or folded; 0: there
// is none, and what is known is what the log says.
func Quarantined(r viewdb.Reader, about events.Aggregate) (events.Seq, error) {
	q, _, err := projectors.QuarantineOf(r, about)
	return q.Seq, err
}

// Each calls fn for every plan that was stored, the newest first. Ask Quarantined whether
// what is known of one is to be trusted. fn ends it with viewdb.ErrStop.
func Each(r viewdb.Reader, fn func(events.PlanID, events.Deletion) error) error {
	return projectors.EachReverse(r, events.EntityDeletion, func(about events.Aggregate, d events.Deletion) error {
		return fn(about.Plan(), d)
	})
}
