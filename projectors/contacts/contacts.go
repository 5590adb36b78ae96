// Package contacts is the view that outlives the tenants: every account with
// its contacts, every tenant there ever was, and how to find one from what its
// people know: any URL it ever had, its account, an e-mail address or a phone
// number of a contact. It is what is left to work with when a tenant has been
// deleted that should not have been.
//
// # Personal data
//
// Names, addresses and numbers stand here as the log has them, sealed. To look
// one up, the view files a keyed hash of it, which the [Indexer] makes; only
// whoever has the key ring can make one. Every hit is opened and compared
// again, so that an account whose key has been destroyed is found no more from
// that moment. Its hashes go away when the view is rebuilt: rebuild it after an
// erasure.
//
// Read from one viewdb.Snapshot, so that index and row are of one moment.
package contacts

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"tenantcatalogue/events"
	"tenantcatalogue/events/seal"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
)

// Name and Format are those of the view.
const (
	Name   = "contacts"
	Format = 2
)

// Indexer opens personal fields and hashes them: a seal.Sealer.
type Indexer interface {
	// OpenPersonal opens a field; the error matches seal.ErrErased when the
	// owner's key has been destroyed.
	OpenPersonal(owner events.Aggregate, p events.Personal) (events.Personal, error)
	// Index is the keyed hash of a normalised value.
	Index(kind seal.IndexKind, normalized string) []byte
}

// The indexes.
const (
	byURL     = 'u' // any it ever had; ends in the tenant
	byAccount = 'a' // ends in the tenant
	byHash    = 'h' // kind and hash; ends in the account and the contact's place
)

// New is the view's projector.
func New(indexer Indexer) *projectors.EntityView {
	return &projectors.EntityView{
		ViewName: Name, ViewFormat: Format, Lasting: urls,
		Kinds: []events.EntityKind{events.EntityTenant, events.EntityAccount, events.EntityContact},
		Index: func(a events.Aggregate, e events.Entity) ([][]byte, error) {
			switch e := e.(type) {
			case events.Tenant:
				return [][]byte{projectors.IndexEntry(projectors.IndexKey(byAccount, e.Account.String()), a.ID, "")}, nil
			case events.Contact:
				return hashes(indexer, a, e)
			}
			return nil, nil
		},
		Check: func(a events.Aggregate, e events.Entity) error {
			contact, ok := e.(events.Contact)
			if !ok {
				return nil
			}
			_, err := hashes(indexer, a, contact)
			return err
		},
	}
}

// urls gives the URLs that an event brings to its tenant; they are kept for
// good.
func urls(e events.Event) [][]byte {
	entry := func(url string) [][]byte {
		return [][]byte{projectors.IndexEntry(projectors.IndexKey(byURL, url), e.About.ID, "")}
	}
	switch p := e.Payload.(type) {
	case events.TenantCreated:
		return entry(p.URL)
	case events.TenantRenamed:
		return entry(p.URL)
	case events.TenantRestored:
		for _, entity := range p.Entities {
			if t, ok := entity.(events.Tenant); ok {
				return entry(t.URL)
			}
		}
	}
	return nil
}

// hashes gives the entries of a contact.
func hashes(indexer Indexer, owner events.Aggregate, c events.Contact) ([][]byte, error) {
	var keys [][]byte
	for _, kind := range []seal.IndexKind{seal.IndexEmail, seal.IndexPhone} {
		hash, err := hashOf(indexer, owner, c, kind)
		if err != nil {
			return nil, err
		}
		if hash != nil {
			keys = append(keys, projectors.IndexEntry(hashKey(kind, hash), owner.ID, c.EntityKey().ID))
		}
	}
	return keys, nil
}

func hashKey(kind seal.IndexKind, hash []byte) []byte {
	return projectors.IndexKey(byHash, string(kind), string(hash))
}

// hashOf is the hash of a contact's address or number, nil when it has none or
// it has been erased.
func hashOf(indexer Indexer, owner events.Aggregate, c events.Contact, kind seal.IndexKind) ([]byte, error) {
	field := c.Email
	if kind == seal.IndexPhone {
		field = c.Phone
	}
	if field == "" {
		return nil, nil
	}
	plain, err := indexer.OpenPersonal(owner, field)
	switch {
	case errors.Is(err, seal.ErrErased):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("open the %s of a contact: %w", kind, err)
	}
	return hash(indexer, kind, string(plain)), nil
}

func hash(indexer Indexer, kind seal.IndexKind, plain string) []byte {
	if kind == seal.IndexPhone {
		return indexer.Index(kind, seal.NormalizePhone(plain))
	}
	return indexer.Index(kind, seal.NormalizeEmail(plain))
}

// Tenant is a tenant as it is looked up here, deleted or not.
type Tenant struct {
	ID          events.TenantID     `json:"tenant"`
	URL         string              `json:"url"` // now, or when it was deleted
	Account     events.AccountID    `json:"account"`
	Status      events.TenantStatus `json:"status"`
	Quarantined string              `json:"quarantined,omitzero"` // in lists: why there is no more than the id
}

// Get reads a tenant. The error matches projectors.ErrQuarantined when its row
// is not to be trusted.
func Get(r viewdb.Reader, id events.TenantID) (tenant Tenant, found bool, err error) {
	t, found, err := projectors.Entity[events.Tenant](r, events.OfTenant(id), events.Tenant{}.EntityKey())
	if err != nil || !found {
		return Tenant{}, false, err
	}
	return Tenant{ID: id, URL: t.URL, Account: t.Account, Status: t.Status}, true, nil
}

// ByURL lists every tenant that has or ever had a URL, in the order of their
// ids; after, next and limit are as in projectors.Page.
func ByURL(r viewdb.Reader, url string, after []byte, limit int) (tenants []Tenant, next []byte, err error) {
	return list(r, projectors.IndexKey(byURL, url), after, limit)
}

// ByAccount lists every tenant of an account, in the order of their ids; after,
// next and limit are as in projectors.Page.
func ByAccount(r viewdb.Reader, account events.AccountID, after []byte, limit int) (tenants []Tenant, next []byte, err error) {
	return list(r, projectors.IndexKey(byAccount, account.String()), after, limit)
}

func list(r viewdb.Reader, prefix, after []byte, limit int) ([]Tenant, []byte, error) {
	return projectors.Page(r, prefix, after, limit, func(rest []byte) (Tenant, bool, error) {
		about, _, err := projectors.CutEntry(rest)
		if err != nil {
			return Tenant{}, false, err
		}
		id := events.IDFromUUID[events.TenantID](about)
		tenant, found, err := Get(r, id)
		if why, err := projectors.Untrusted(err); why != "" || err != nil {
			return Tenant{ID: id, Quarantined: why}, true, err
		}
		return tenant, found, nil
	})
}

// AccountsByEmail lists the accounts that have a contact with an address, in
// the order of their ids. ByAccount lists their tenants.
func AccountsByEmail(r viewdb.Reader, indexer Indexer, address string) ([]events.AccountID, error) {
	return AccountsByHash(r, indexer, seal.IndexEmail, hash(indexer, seal.IndexEmail, address))
}

// AccountsByPhone lists the accounts that have a contact with a number, in the
// order of their ids. ByAccount lists their tenants.
func AccountsByPhone(r viewdb.Reader, indexer Indexer, number string) ([]events.AccountID, error) {
	return AccountsByHash(r, indexer, seal.IndexPhone, hash(indexer, seal.IndexPhone, number))
}

// AccountsByHash is AccountsByEmail and AccountsByPhone for whoever has the
// keyed hash already. A quarantined account is listed: what it is found by is
// from before.
func AccountsByHash(r viewdb.Reader, indexer Indexer, kind seal.IndexKind, hash []byte) ([]events.AccountID, error) {
	prefix := hashKey(kind, hash)
	var accounts []events.AccountID
	err := projectors.ScanIndex(r, prefix, nil, func(rest []byte) error {
		about, place, err := projectors.CutEntry(rest)
		if err != nil {
			return err
		}
		account := events.IDFromUUID[events.AccountID](about)
		if slices.Contains(accounts, account) {
			return nil
		}
		contact, _, err := projectors.Entity[events.Contact](r, events.OfAccount(account), events.EntityKey{Kind: events.EntityContact, ID: place})
		if why, err := projectors.Untrusted(err); err != nil || why != "" {
			accounts = append(accounts, account)
			return err
		}
		// The entry of an erased contact may still be there; so may the row.
		now, err := hashOf(indexer, events.OfAccount(account), contact, kind)
		if err == nil && bytes.Equal(now, hash) {
			accounts = append(accounts, account)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return accounts, nil
}

// Account reads an account; its name is sealed. The error matches
// projectors.ErrQuarantined when its rows are not to be trusted.
func Account(r viewdb.Reader, id events.AccountID) (account events.Account, found bool, err error) {
	return projectors.Entity[events.Account](r, events.OfAccount(id), events.Account{}.EntityKey())
}

// Contacts reads the contacts of an account in the order of its list; names,
// addresses and numbers are sealed. The error is as Account's.
func Contacts(r viewdb.Reader, account events.AccountID) ([]events.Contact, error) {
	return projectors.Entities[events.Contact](r, events.OfAccount(account), events.EntityContact)
}
