package bus

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// Caller is who sent a request to the gate, as the server vouches for it.
type Caller struct {
	Account string // Services, Deleters or Operators
	User    string // the credential's name; Anonymous without one
}

// MayDelete tells whether the caller holds the delete role.
func (c Caller) MayDelete() bool { return c.Account == Deleters || c.Account == Operators }

// MayAdminister tells whether the caller may use the admin endpoints.
func (c Caller) MayAdminister() bool { return c.Account == Operators }

// ErrNoCaller is returned when a request does not say who sent it, or says it
// more than once.
var ErrNoCaller = errors.New("the request does not come through one of the clients' accounts")

// callerHeader is set by the server on every request that crosses an import
// with share. It removes what the client itself put there first.
const callerHeader = "Nats-Request-Info"

// CallerOf reads who sent a request. Call it on the header of every request
// before anything else; whoever gets an error is refused. The error matches
// ErrNoCaller.
func CallerOf(header map[string][]string) (Caller, error) {
	values := nats.Header(header).Values(callerHeader)
	if len(values) != 1 {
		return Caller{}, fmt.Errorf("%w: %d %s headers", ErrNoCaller, len(values), callerHeader)
	}
	var info struct {
		Account string `json:"acc"`
		User    string `json:"user"`
		Service string `json:"svc"` // set when the request came through a second import
	}
	if err := json.Unmarshal([]byte(values[0]), &info); err != nil {
		return Caller{}, fmt.Errorf("%w: %w", ErrNoCaller, err)
	}
	switch info.Account {
	case Services, Deleters, Operators:
		if info.User != "" && info.Service == "" {
			return Caller{Account: info.Account, User: info.User}, nil
		}
	}
	return Caller{}, fmt.Errorf("%w: account %.40q, user %.40q", ErrNoCaller, info.Account, info.User)
}
