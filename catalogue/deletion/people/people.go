// Package people plays the persons of deletions, for drills, measurements and tests: they
// have keys that everybody knows, a policy under which nothing has to wait, and take
// deletions through the door.
package people

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
)

// Environment is that of the policies made here.
const Environment = "test"

// Portal is the name of the program that owners confirm their requests in.
const Portal = "portal"

// Planner is a person who plans and proposes, and approves nothing.
const Planner = "author"

// Keys are the keys of persons by their names.
type Keys map[string]ed25519.PrivateKey

// NewKeys gives each person a key, the same one every time.
func NewKeys(persons ...string) Keys {
	keys := Keys{}
	for _, p := range persons {
		seed := sha256.Sum256([]byte(p))
		keys[p] = ed25519.NewKeyFromSeed(seed[:])
	}
	return keys
}

// Roster lists the keys.
func (k Keys) Roster(expires events.Time) (out []events.RosterMember) {
	for _, person := range slices.Sorted(maps.Keys(k)) {
		public, _ := k[person].Public().(ed25519.PublicKey)
		role := events.RosterApprover
		switch person {
		case Planner:
			role = events.RosterAuthor
		case Portal:
			role = events.RosterPortal
		}
		out = append(out, events.RosterMember{Person: person, Role: role, Key: public, Expires: expires})
	}
	return out
}

// Consent is an approval that a person signs.
type Consent struct {
	Person      string
	Action      deletion.Action
	Environment string
	Hash        []byte
	First, Last int // waves
	Sentence    string
	Now         events.Time
	N           uint64 // makes the nonce
}

// Approve signs.
func (k Keys) Approve(c Consent) events.Approval {
	nonce := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, c.N), uint64(len(c.Person)))
	a, err := deletion.Sign(k[c.Person], c.Environment, c.Action, events.Approval{
		Hash: c.Hash, Person: c.Person, Nonce: nonce, Issued: c.Now, Expires: c.Now.Add(time.Hour),
		FirstWave: uint32(c.First), LastWave: uint32(c.Last), Sentence: c.Sentence,
	})
	if err != nil {
		panic(fmt.Sprint("sign: ", err)) // an approval can always be encoded
	}
	return a
}

// Ask has the author of what is asked for sign it. An owner's own request, and that of
// somebody without a key, stays as it is.
func (k Keys) Ask(environment string, ask deletion.Ask, now events.Time) deletion.Ask {
	key, known := k[ask.Author]
	if !known || !ask.Owner.IsZero() {
		return ask
	}
	var err error
	ask.Signed.Issued = now
	if ask.Signed, err = deletion.SignAsk(key, environment, ask); err != nil {
		panic(fmt.Sprint("sign: ", err)) // what is asked for can always be encoded
	}
	return ask
}

// Propose has the author of a proposal sign it.
func (k Keys) Propose(p events.PolicyProposed, now events.Time) events.PolicyProposed {
	var err error
	p.Signed.Issued = now
	if p.Signed, err = deletion.SignPolicy(k[p.Author], p); err != nil {
		panic(fmt.Sprint("sign: ", err)) // a policy can always be encoded
	}
	return p
}

// ApprovePlan signs all waves of a plan.
func (k Keys) ApprovePlan(person string, id events.PlanID, plan events.DeletionPlanned, now events.Time, n uint64) events.Approval {
	hash, err := plan.Hash(id)
	if err != nil {
		panic(fmt.Sprint("hash: ", err)) // a plan can always be encoded
	}
	return k.Approve(Consent{
		Person: person, Action: deletion.ActionDelete, Environment: plan.Environment, Hash: hash,
		First: 1, Last: len(plan.Waves), Sentence: deletion.Sentence(plan, 1, len(plan.Waves)), Now: now, N: n,
	})
}

// QuickPolicy is one under which much may go at once.
func QuickPolicy(roster []events.RosterMember) events.Policy {
	p := deletion.DefaultPolicy(Environment)
	p.Caps = []uint32{1000}
	p.Budget = events.Budget{Minute: 1 << 20, Day: 1 << 20, Month: 1 << 20, Owners: 1 << 20}
	p.Bakes = []events.Seconds{0}
	p.DeactivatedFor = 0
	p.Change = events.ChangeRule{Approvals: 1}
	p.Checks = []string{Well()}
	p.Roster = roster
	return p
}
