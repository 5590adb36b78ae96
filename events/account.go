package events

import (
	"strconv"

	"tenantcatalogue/events/wire"
)

// AccountCreated begins an account: a customer, who may own many tenants.
type AccountCreated struct {
	Name Personal `json:"name"`
}

// AccountContactsUpdated replaces the account's contacts.
type AccountContactsUpdated struct {
	Contacts []ContactInfo `json:"contacts"`
}

// ContactInfo is one contact of an account.
type ContactInfo struct {
	Kind     ContactKind `json:"kind"`
	Name     Personal    `json:"name,omitzero"`
	Email    Personal    `json:"email,omitzero"`
	Phone    Personal    `json:"phone,omitzero"`
	Verified Time        `json:"verified,omitzero"` // when it was last found to be right
}

// Fields lists the fields in the order of the wire.
func (a *AccountCreated) Fields(w *wire.Coder) { wire.String(w, &a.Name) }

// Fields lists the fields in the order of the wire.
func (a *AccountContactsUpdated) Fields(w *wire.Coder) { wire.Structs(w, &a.Contacts) }

// Fields lists the fields in the order of the wire.
func (c *ContactInfo) Fields(w *wire.Coder) {
	wire.String(w, &c.Kind)
	wire.String(w, &c.Name)
	wire.String(w, &c.Email)
	wire.String(w, &c.Phone)
	wire.Int(w, &c.Verified)
}

// EventType names the type.
func (AccountCreated) EventType() Type { return "account.created.v1" }

// EventType names the type.
func (AccountContactsUpdated) EventType() Type { return "account.contacts_updated.v1" }

// MapPersonal maps the name.
func (a AccountCreated) MapPersonal(f PersonalMap) (Payload, error) {
	err := mapFields(f, "", personalField{"name", &a.Name})
	return a, err
}

// MapPersonal maps every contact's name, address and number.
func (a AccountContactsUpdated) MapPersonal(f PersonalMap) (Payload, error) {
	contacts := make([]ContactInfo, len(a.Contacts))
	for i, c := range a.Contacts {
		err := mapFields(f, "contacts."+strconv.Itoa(i)+".",
			personalField{"name", &c.Name}, personalField{"email", &c.Email}, personalField{"phone", &c.Phone})
		if err != nil {
			return nil, err
		}
		contacts[i] = c
	}
	a.Contacts = contacts
	return a, nil
}
