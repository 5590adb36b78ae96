// Package auth says who a caller is and what it may do, the same over NATS and
// HTTP. There are three sorts of caller, which are the clients' accounts of the
// bus (see events/bus): services, services that may ask for deletions, and operators. A
// caller without credentials is a service called anonymous.
//
// The credentials stand in two files of the data directory, readable by their
// owner only:
//
//	admin.json        the operators' credential, made by the daemon; it is also
//	                  a context of the nats CLI (see [Admin])
//	credentials.json  those of services, written by hand (see [ReadCredentials])
package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events/bus"
)

// ErrUnknown is returned for a name or password that is not on file.
var ErrUnknown = errors.New("there is no such credential, or the password is another")

// Caller is who asks.
type Caller struct {
	Name     string // stamped on what it writes
	Delete   bool   // may ask for deletions
	Operator bool   // may use the admin endpoints
}

// Anonymous is a caller without credentials.
func Anonymous() Caller { return Caller{Name: bus.Anonymous} }

// FromBus is the caller that the bus vouches for.
func FromBus(c bus.Caller) Caller {
	return Caller{Name: c.User, Delete: c.MayDelete(), Operator: c.MayAdminister()}
}

// Credential is what the Service is told of the caller.
func (c Caller) Credential() catalogue.Credential {
	out := catalogue.Credential{Via: c.Name}
	if c.Operator {
		out.Roles = append(out.Roles, catalogue.RoleOperator)
	}
	return out
}

// Table knows every credential. It is immutable.
type Table struct{ users map[string]entry }

type entry struct {
	password [sha256.Size]byte
	caller   Caller
}

// NewTable lists the operators' credential and those of services.
func NewTable(admin bus.Credential, services []bus.Credential) *Table {
	t := &Table{users: map[string]entry{}}
	t.add(admin, Caller{Name: admin.User, Delete: true, Operator: true})
	for _, c := range services {
		t.add(c, Caller{Name: c.User, Delete: slices.Contains(c.Roles, bus.RoleDelete)})
	}
	return t
}

func (t *Table) add(c bus.Credential, caller Caller) {
	t.users[c.User] = entry{password: sha256.Sum256([]byte(c.Password)), caller: caller}
}

// Check is the caller with that name and password. It takes as long for a name
// that is unknown as for a password that is wrong.
func (t *Table) Check(user, password string) (Caller, error) {
	known, ok := t.users[user]
	given := sha256.Sum256([]byte(password))
	if subtle.ConstantTimeCompare(given[:], known.password[:]) != 1 || !ok {
		return Caller{}, ErrUnknown
	}
	return known.caller, nil
}
