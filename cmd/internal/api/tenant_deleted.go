package api

import (
	"errors"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/deletions"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/tenants"
)

// Deleted is what is known of a tenant that is deleted, and kept: by whom, what it had, and
// until when. Its record, its claims and its account's contacts are where they were.
type Deleted struct {
	At   events.Time   `json:"at"`            // recorded
	Plan events.PlanID `json:"plan,omitzero"` // that it was a target of; none: it went before there was a policy, or the view deletions is not here
	Had  *Tenant       `json:"had"`           // right before: what a restoration brings back
	Kept *Kept         `json:"kept,omitzero"` // nil: no policy that can be read says how long
}

// Kept is how long a deleted tenant is kept, in time that is counted: what a clock jumps over
// does not count. Nothing is purged afterwards yet.
type Kept struct {
	Retention events.Seconds `json:"retention"`      // as the policy in force says
	Left      events.Seconds `json:"left"`           // of it
	Until     events.Time    `json:"until,omitzero"` // at the earliest; none: it is over
	Liens     []events.Lien  `json:"liens,omitzero"` // they keep it beyond
}

// ofDeleted are the views that tell of a deleted tenant.
var ofDeleted = []string{history.Name, deletions.Name}

// deleted tells what the views that are there know of a deleted tenant.
func (r *Reads) deleted(s snapshots, record tenants.Record) (*Deleted, error) {
	past, rules := s.views[history.Name], s.views[deletions.Name]
	if past == nil {
		return nil, nil //nolint:nilnil // a sidecar that keeps no history says so in NotHere
	}
	about, log := events.OfTenant(record.ID), history.Of(past)
	had, err := r.snapshots.AsOf(log, about, record.Seq-1) // nothing but a restoration follows a tombstone
	if err != nil {
		return nil, err
	}
	now, err := r.snapshots.AsOf(log, about, record.Seq)
	if err != nil {
		return nil, err
	}
	before := tenantOf(record.ID, had)
	out := &Deleted{Had: &before}
	since, _, err := catalogue.Get[events.Deactivation](now.State, events.Deactivation{}.EntityKey())
	if out.At = since.Since; err != nil || rules == nil {
		return out, err
	}
	wave, _, err := deletions.WaveOf(rules, record.Seq)
	if err != nil {
		return out, err
	}
	out.Plan = wave.Plan
	out.Kept, err = r.kept(deletedHeads{deletions.NewLook(rules), about, now.State}, record.ID)
	return out, err
}

func (r *Reads) kept(look deletion.Heads, id events.TenantID) (*Kept, error) {
	now := r.now()
	keeping, err := deletion.KeepingOf(look, id, now)
	if errors.Is(err, deletion.ErrPolicy) || errors.Is(err, catalogue.ErrQuarantined) {
		return nil, nil //nolint:nilnil // it is kept while nothing that can be read says how long
	}
	if err != nil {
		return nil, err
	}
	out := &Kept{Retention: keeping.Retention, Left: events.Seconds((keeping.Left + time.Second - 1) / time.Second), Liens: keeping.Liens}
	if out.Left > 0 {
		out.Until = now.Add(keeping.Left)
	}
	return out, nil
}

// deletedHeads is what is asked how long a tenant is kept: the tenant's own state is not in
// the view deletions.
type deletedHeads struct {
	*deletions.Look

	tenant events.Aggregate
	state  catalogue.State
}

// State is as in deletion.States.
func (d deletedHeads) State(about events.Aggregate) catalogue.State {
	if about == d.tenant {
		return d.state
	}
	return d.Look.State(about)
}
