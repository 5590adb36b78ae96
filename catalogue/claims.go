package catalogue

import (
	"slices"

	"tenantcatalogue/events"
)

// claimsOf derives the claim events that go with a tenant's event in one unit:
// what it newly holds is taken, what it no longer is called is released. Their
// ids derive from the tenant event's, so that a retry makes the same unit.
func claimsOf(f Facts, s State, e events.Event) ([]events.Event, error) {
	switch p := e.Payload.(type) {
	case events.TenantCreated:
		return []events.Event{
			claim(e, events.ClaimTaken{Kind: events.ClaimURL, Value: p.URL, Tenant: e.About.Tenant()}),
			claim(e, events.ClaimTaken{Kind: events.ClaimCloudID, Value: p.CloudID.String(), Tenant: e.About.Tenant()}),
		}, nil
	case events.TenantRenamed:
		return moveURL(f, s, e, p.URL)
	case events.TenantRestored:
		for _, entity := range p.Entities {
			if record, ok := entity.(events.Tenant); ok {
				return moveURL(f, s, e, record.URL)
			}
		}
	}
	return nil, nil
}

// moveURL takes the new URL, unless the tenant has it, and releases the old.
func moveURL(f Facts, s State, e events.Event, url string) ([]events.Event, error) {
	tenant := e.About.Tenant()
	record, _, err := Get[events.Tenant](s, events.Tenant{}.EntityKey())
	if err != nil {
		return nil, err
	}
	var out []events.Event
	holder, err := world{f}.Claimed(events.OfClaim(events.ClaimURL, url))
	if err != nil {
		return nil, err
	}
	if holder != tenant {
		out = append(out, claim(e, events.ClaimTaken{Kind: events.ClaimURL, Value: url, Tenant: tenant}))
	}
	if record.URL == url {
		return out, nil
	}
	holder, err = world{f}.Claimed(events.OfClaim(events.ClaimURL, record.URL))
	if err != nil {
		return nil, err
	}
	if holder == tenant {
		out = append(out, claim(e, events.ClaimReleased{Kind: events.ClaimURL, Value: record.URL, Tenant: tenant}))
	}
	return out, nil
}

// claim makes the claim event that e causes.
func claim(e events.Event, p events.Payload) events.Event {
	c := e
	switch p := p.(type) {
	case events.ClaimTaken:
		c.About = events.OfClaim(p.Kind, p.Value)
	case events.ClaimReleased:
		c.About = events.OfClaim(p.Kind, p.Value)
	}
	c.ID = events.DeriveID[events.EventID](e.ID.String(), c.About.String(), string(p.EventType()))
	c.Causation = e.ID
	c.Epoch = 0
	c.Payload = p
	return c
}

// Superseded tells whether a restoration has undone the event at seq since: it
// lies after the cut of a rewind, or after the cut of an undo that took its run
// or its actor out, and no later restoration went back to before that.
func Superseded(f Facts, h Head, e events.Event, seq events.Seq) (bool, error) {
	upTo := h.Seq // restorations after this one have themselves been undone
	for _, r := range slices.Backward(h.Restores) {
		if r.Seq > upTo {
			continue
		}
		if seq >= r.Seq {
			return false, nil
		}
		if seq <= r.Cut {
			upTo = r.Cut
			continue
		}
		if r.Mode == events.Rewind {
			return true, nil
		}
		plan, found, err := Get[events.Restoration](f.State(events.OfRestoration(r.Restoration)), events.Restoration{}.EntityKey())
		if err != nil {
			return false, err
		}
		if found && plan.Cause.Selects(e) {
			return true, nil
		}
	}
	return false, nil
}
