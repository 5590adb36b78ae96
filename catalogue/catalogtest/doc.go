// Package catalogtest is for tests of whatever stands on the catalogue: legal
// histories, a clock that is set, and a write-side store in memory.
//
// A [Generator] makes one legal request after the other, its choices drawn from
// a [Pick]: [Seeded] for speed, [Drawn] for rapid, which can then shrink them.
// [History] is the log that a generator's requests lead to, claims included.
package catalogtest

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
)

// Pick chooses a number from 0 to below n; label says what for.
type Pick func(label string, n int) int

// Seeded picks by a seed.
func Seeded(seed uint64) Pick {
	rnd := rand.New(rand.NewPCG(seed, 0))
	return func(_ string, n int) int { return rnd.IntN(n) }
}

// Drawn picks by rapid.
func Drawn(t *rapid.T) Pick {
	return func(label string, n int) int { return rapid.IntRange(0, n-1).Draw(t, label) }
}

// Internal is the catalogue's own credential.
var Internal = catalogue.Credential{Via: "test", Roles: []catalogue.Role{catalogue.RoleInternal}}

// Unguarded lets everything happen that the fold allows: for tests of what is not about
// deletions and has tombstones nevertheless.
type Unguarded struct{}

// Decide lets it happen.
func (Unguarded) Decide(catalogue.Facts, events.Event) error { return nil }

// Vouch believes everything.
func (Unguarded) Vouch(catalogue.Facts, events.Event) error { return nil }

// Start is when every test's clock starts: half an hour before the incident.
var Start = time.Date(2022, 4, 5, 7, 8, 0, 0, time.UTC)

// Ticking is a clock that moves on by a millisecond each time it is read. It
// is for one goroutine.
func Ticking() func() time.Time {
	now := Start
	return func() time.Time {
		now = now.Add(time.Millisecond)
		return now
	}
}

// History is the log after n requests of a generator.
func History(t testing.TB, pick Pick, n int) []events.Stored {
	t.Helper()
	log := eventtest.NewMemoryLog("history")
	service, err := catalogue.Open(t.Context(), catalogue.Config{Log: log, Store: NewStore(), Seal: Seal{}, Clock: Ticking(), Guard: Unguarded{}})
	if err != nil {
		t.Fatal(err)
	}
	g := NewGenerator(pick)
	for range n {
		r := g.Next()
		v := service.Publish(t.Context(), Internal, r)[0]
		if v.Err != nil {
			t.Fatalf("a generated request was refused: %v", v.Err)
		}
		g.Took(r, v)
	}
	if err := service.Close(); err != nil {
		t.Fatal(err)
	}
	return Read(t, log)
}

// Read is everything a log holds.
func Read(t testing.TB, log catalogue.Log) (all []events.Stored) {
	t.Helper()
	head, err := log.Head(t.Context())
	if err == nil {
		err = log.Read(t.Context(), 0, head, func(some []events.Stored) error {
			all = append(all, some...)
			return nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Seal is a Sealer that seals nothing secret: it turns a text round.
type Seal struct{}

// SealNew seals what is plain.
func (Seal) SealNew(e events.Event) (events.Event, error) {
	p, ok := e.Payload.(events.PersonalPayload)
	if !ok {
		return e, nil
	}
	payload, err := p.MapPersonal(func(_ string, p events.Personal) (events.Personal, error) { return Sealed(p), nil })
	e.Payload = payload
	return e, err
}

// SealEvent is SealNew.
func (s Seal) SealEvent(e events.Event) (events.Event, error) { return s.SealNew(e) }

// Prepare has nothing to do.
func (Seal) Prepare(...events.Event) error { return nil }

// Sealed is the text as Seal seals it.
func Sealed(p events.Personal) events.Personal {
	if p.Sealed() {
		return p
	}
	out := []byte(events.SealedPrefix)
	for i := len(p) - 1; i >= 0; i-- {
		out = append(out, p[i])
	}
	return events.Personal(out)
}
