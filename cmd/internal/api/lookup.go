package api

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/contacts"
	"tenantcatalogue/projectors/tenants"
)

// LookupRequest says what is known of a tenant: exactly one thing. Deleted
// tenants are found too.
type LookupRequest struct {
	URL     string           `json:"url,omitzero"` // one it has or ever had
	CloudID uuid.UUID        `json:"cloud_id,omitzero"`
	Account events.AccountID `json:"account,omitzero"`
	Contact string           `json:"contact,omitzero"` // an e-mail address or a phone number
	MinSeq  events.Seq       `json:"min_seq,omitzero"`
}

// LookupResponse is the tenants that were found and whom to reach about them.
type LookupResponse struct {
	Seq      events.Seq        `json:"as_of_seq"`
	Tenants  []contacts.Tenant `json:"tenants"`
	Accounts []Account         `json:"accounts"`
	More     bool              `json:"more,omitzero"` // there are more tenants than are shown
}

// Account is a customer and whom to reach there. Operators see names, addresses
// and numbers, everyone else gets them sealed.
type Account struct {
	ID          events.AccountID `json:"account"`
	Name        events.Personal  `json:"name,omitzero"`
	Contacts    []events.Contact `json:"contacts"`
	Quarantined string           `json:"quarantined,omitzero"` // why there is no more than the id
}

// Lookup finds tenants by what people know of them.
func (r *Reads) Lookup(ctx context.Context, who auth.Caller, req LookupRequest) (out LookupResponse, err error) {
	if err := req.validate(); err != nil {
		return out, err
	}
	if err := r.waitFor(ctx, req.MinSeq); err != nil {
		return out, err
	}
	err = r.together(func(s snapshots) error {
		l := lookup{reads: r, who: who, snapshots: s, out: &out}
		return l.run(req)
	}, contacts.Name, tenants.Name)
	return out, err
}

func (r LookupRequest) validate() error {
	given := 0
	for _, set := range []bool{r.URL != "", r.CloudID != uuid.Nil, !r.Account.IsZero(), r.Contact != ""} {
		if set {
			given++
		}
	}
	if given != 1 {
		return badField("request", "names %d of url, cloud_id, account and contact; name one", given)
	}
	return nil
}

// lookup is one look-up.
type lookup struct {
	snapshots
	reads *Reads
	who   auth.Caller
	out   *LookupResponse
}

func (l *lookup) run(req LookupRequest) error {
	l.out.Seq, l.out.Tenants, l.out.Accounts = l.seq, []contacts.Tenant{}, []Account{}
	view := l.views[contacts.Name]
	var accounts []events.AccountID
	var err error
	switch {
	case req.URL != "":
		err = l.take(contacts.ByURL(view, strings.ToLower(req.URL), nil, maxLimit))
	case req.CloudID != uuid.Nil:
		err = l.byCloudID(req.CloudID)
	case !req.Account.IsZero():
		accounts = []events.AccountID{req.Account}
	case strings.Contains(req.Contact, "@"):
		accounts, err = contacts.AccountsByEmail(view, l.reads.opener, req.Contact)
	default:
		accounts, err = contacts.AccountsByPhone(view, l.reads.opener, req.Contact)
	}
	if err != nil {
		return err
	}
	for _, id := range accounts {
		if err := l.take(contacts.ByAccount(view, id, nil, maxLimit)); err != nil {
			return err
		}
	}
	for _, t := range l.out.Tenants {
		accounts = append(accounts, t.Account)
	}
	return l.accounts(accounts)
}

// take adds a page of tenants.
func (l *lookup) take(found []contacts.Tenant, next []byte, err error) error {
	room := maxLimit - len(l.out.Tenants)
	l.out.More = l.out.More || next != nil || len(found) > room
	l.out.Tenants = append(l.out.Tenants, found[:min(room, len(found))]...)
	return err
}

func (l *lookup) byCloudID(id uuid.UUID) error {
	record, found, err := tenants.ByCloudID(l.views[tenants.Name], id)
	if err != nil || !found {
		return err
	}
	t, found, err := contacts.Get(l.views[contacts.Name], record.ID)
	if found {
		l.out.Tenants = append(l.out.Tenants, t)
	}
	return err
}

// accounts adds whom to reach, each account once.
func (l *lookup) accounts(ids []events.AccountID) error {
	seen := map[events.AccountID]bool{{}: true} // a quarantined tenant shows none
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		account, found, err := l.reads.account(l.snapshots, l.who, id)
		if err != nil {
			return err
		}
		if found {
			l.out.Accounts = append(l.out.Accounts, account)
		}
	}
	return nil
}
