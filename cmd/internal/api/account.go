package api

import (
	"fmt"

	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/contacts"
)

// account reads a customer as a caller may see it.
func (r *Reads) account(s snapshots, who auth.Caller, id events.AccountID) (out Account, found bool, err error) {
	view, owner := s.views[contacts.Name], events.OfAccount(id)
	out = Account{ID: id, Contacts: []events.Contact{}}
	record, found, err := contacts.Account(view, id)
	if why, err := projectors.Untrusted(err); why != "" || err != nil {
		out.Quarantined = why
		return out, true, err
	}
	if !found {
		return out, false, nil
	}
	people, err := contacts.Contacts(view, id)
	if err != nil {
		return out, false, err
	}
	opened, err := shown(r, who, owner, record)
	if err != nil {
		return out, false, err
	}
	out.Name = opened.Name
	for _, contact := range people {
		if contact, err = shown(r, who, owner, contact); err != nil {
			return out, false, err
		}
		out.Contacts = append(out.Contacts, contact)
	}
	return out, true, nil
}

// shown is an entity as a caller may see it.
func shown[E events.Entity](r *Reads, who auth.Caller, owner events.Aggregate, entity E) (E, error) {
	if !who.Operator {
		return entity, nil
	}
	opened, err := r.opener.OpenEntity(owner, entity)
	if err != nil {
		return entity, err
	}
	out, ok := opened.(E)
	if !ok {
		return entity, fmt.Errorf("open the personal fields of %s: a %T came back as a %T", owner, entity, opened)
	}
	return out, nil
}
