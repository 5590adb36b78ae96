package bus

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"
)

// The accounts that clients live in. Which of them a request came from says
// what it may do.
const (
	Services  = "SERVICES"  // may publish, and read
	Deleters  = "DELETERS"  // may ask for deletions as well, and answer health checks
	Operators = "OPERATORS" // may do everything, the admin endpoints included
)

// Anonymous is the user that a client without credentials becomes: a member of
// Services.
const Anonymous = "anonymous"

// RoleDelete is the role that lets a credential ask for deletions.
const RoleDelete = "delete"

// Credential is a user and password of a service.
type Credential struct {
	User     string   // 1 to 64 letters, digits, - and _; it becomes the event's "via"
	Password string   // at least 16 bytes of printable ASCII
	Roles    []string // RoleDelete or none
}

// minPassword is the length from which a password is not guessed over a
// loopback listener.
const minPassword = 16

func (c Credential) validate() error {
	valid := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
	}
	printable := func(r rune) bool { return r > ' ' && r < 0x7f && r != '"' && r != '\\' }
	switch {
	case c.User == "" || len(c.User) > 64 || strings.ContainsFunc(c.User, func(r rune) bool { return !valid(r) }):
		return fmt.Errorf("credential %.70q: the name must be 1 to 64 letters, digits, - and _", c.User)
	case slices.Contains([]string{Anonymous, userLog, userGate}, c.User):
		return fmt.Errorf("credential %q: the name is taken by the bus itself; choose another", c.User)
	case len(c.Password) < minPassword || strings.ContainsFunc(c.Password, func(r rune) bool { return !printable(r) }):
		return fmt.Errorf("credential %q: the password must be at least %d printable characters without quotes and backslashes", c.User, minPassword)
	}
	for _, role := range c.Roles {
		if role != RoleDelete {
			return fmt.Errorf("credential %q: there is no role %q; %q is the only one", c.User, role, RoleDelete)
		}
	}
	return nil
}

const (
	userLog  = "log"
	userGate = "gate"
)

//go:embed accounts.conf.tmpl
var accountsTemplate string

// CheckPrefix is where health checks over NATS are asked: nats:catalogue.check.v1.NAME in
// a policy. Only a credential with RoleDelete can answer there, so that nobody who walks up
// says that all is well.
const CheckPrefix = "catalogue.check.v1."

type clientAccount struct {
	Account string
	Admin   bool
	Checks  bool // answers health checks
	Users   []Credential
}

// AccountsConfig is the accounts block of a NATS server's configuration that
// the catalogue needs: what Open uses, and what an external server has to be
// given. The passwords are those of the users log and gate.
func AccountsConfig(logPassword, gatePassword string, admin Credential, services []Credential) (string, error) {
	clients := []clientAccount{
		{Account: Services, Users: []Credential{{User: Anonymous}}},
		{Account: Deleters, Checks: true},
		{Account: Operators, Admin: true},
	}
	if admin.User != "" {
		clients[2].Users = []Credential{admin}
	}
	for _, c := range services {
		at := 0
		if slices.Contains(c.Roles, RoleDelete) {
			at = 1
		}
		clients[at].Users = append(clients[at].Users, c)
	}
	if err := validateUsers(clients); err != nil {
		return "", err
	}
	tmpl, err := template.New("accounts").Parse(accountsTemplate)
	if err != nil {
		return "", fmt.Errorf("accounts of the bus: %w", err)
	}
	var out strings.Builder
	err = tmpl.Execute(&out, struct {
		LogPassword, GatePassword string
		Clients                   []clientAccount
	}{logPassword, gatePassword, clients})
	if err != nil {
		return "", fmt.Errorf("accounts of the bus: %w", err)
	}
	return out.String(), nil
}

func validateUsers(clients []clientAccount) error {
	var errs []error
	seen := map[string]bool{}
	for _, account := range clients {
		for _, c := range account.Users {
			if seen[c.User] {
				errs = append(errs, fmt.Errorf("credential %q is given twice", c.User))
			}
			seen[c.User] = true
			if c.User != Anonymous || account.Account != Services {
				errs = append(errs, c.validate())
			}
		}
	}
	return errors.Join(errs...)
}
