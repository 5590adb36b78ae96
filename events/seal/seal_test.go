package seal_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"tenantcatalogue/events"
	"tenantcatalogue/events/seal"
)

func tenant(n int) events.Aggregate {
	return events.OfTenant(events.DeriveID[events.TenantID](fmt.Sprint("tenant", n)))
}

func account(n int) events.Aggregate {
	return events.OfAccount(events.DeriveID[events.AccountID](fmt.Sprint("account", n)))
}

func newSealer(tb testing.TB) *seal.Sealer {
	tb.Helper()
	ring, err := seal.NewMemoryRing(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return seal.New(ring)
}

func about(owner events.Aggregate, p events.Payload) events.Event {
	return events.Event{About: owner, Payload: p}
}

const canary = "canary.person@example.net"

// personalEvents has one event of every type that has personal fields.
func personalEvents() map[string]events.Event {
	member := events.Member{User: "u1", Name: canary, Email: canary, Roles: []string{events.RoleSiteAdmin}}
	return map[string]events.Event{
		"account": about(account(1), events.AccountCreated{Name: canary}),
		"contacts": about(account(1), events.AccountContactsUpdated{Contacts: []events.ContactInfo{
			{Kind: events.ContactBilling, Name: canary, Email: canary, Phone: canary},
			{Kind: events.ContactSecurity, Email: canary},
		}}),
		"member":   about(tenant(1), events.IdentityMemberGranted{User: "u1", Name: canary, Email: canary}),
		"restored": about(tenant(1), events.TenantRestored{Part: 1, Parts: 1, Entities: events.Entities{events.Tenant{URL: "a.example.net"}, member}}),
	}
}

func asJSON(tb testing.TB, v any) string {
	tb.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return string(raw)
}

func TestEveryPersonalFieldIsSealedAndOpens(t *testing.T) {
	t.Parallel()
	for name, e := range personalEvents() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSealer(t)
			sealed, err := s.SealNew(e)
			if err != nil {
				t.Fatal(err)
			}
			if text := asJSON(t, sealed.Payload); strings.Contains(text, "canary") {
				t.Errorf("plain text in the sealed form: %s", text)
			}
			again, err := s.SealNew(e)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(asJSON(t, sealed.Payload), asJSON(t, again.Payload)); diff != "" {
				t.Errorf("sealed twice, two results: %s", diff)
			}
			trusted, err := s.SealEvent(sealed)
			if err != nil {
				t.Fatalf("seal what is sealed: %v", err)
			}
			if diff := cmp.Diff(asJSON(t, sealed.Payload), asJSON(t, trusted.Payload)); diff != "" {
				t.Errorf("sealing what is sealed changed it: %s", diff)
			}
			opened, err := s.OpenEvent(sealed)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(asJSON(t, e.Payload), asJSON(t, opened.Payload)); diff != "" {
				t.Errorf("opened is not what was sealed: %s", diff)
			}
		})
	}
}

func TestEventsWithoutPersonalFieldsNeedNoKey(t *testing.T) {
	t.Parallel()
	ring := &countingRing{}
	s := seal.New(ring)
	e := about(tenant(1), events.TenantDeleted{Reason: "closed"})
	if err := s.Prepare(e, about(tenant(2), events.IdentityMemberGranted{User: "u"})); err != nil {
		t.Error(err)
	}
	for name, f := range map[string]func(events.Event) (events.Event, error){"new": s.SealNew, "own": s.SealEvent, "open": s.OpenEvent} {
		got, err := f(e)
		if err != nil || got.Payload != e.Payload {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if len(ring.created) != 0 {
		t.Errorf("keys made for %v", ring.created)
	}
}

// countingRing remembers what was asked of a ring that makes no keys.
type countingRing struct {
	seal.KeyRing
	created [][]events.Aggregate
}

func (r *countingRing) IndexKey() seal.Key                     { return seal.Key{} }
func (r *countingRing) Key(events.Aggregate) (seal.Key, error) { return seal.Key{}, seal.ErrNoKey }

func (r *countingRing) Create(owners ...events.Aggregate) error {
	r.created = append(r.created, owners)
	return nil
}
func (r *countingRing) Destroy(...events.Aggregate) error { return nil }

func TestPrepareAsksForAllKeysAtOnce(t *testing.T) {
	t.Parallel()
	ring := &countingRing{}
	batch := []events.Event{
		about(tenant(1), events.IdentityMemberGranted{User: "u", Name: "A"}),
		about(tenant(2), events.IdentityMemberGranted{User: "u", Name: "B"}),
		about(tenant(3), events.TenantDeleted{}),
		about(account(1), events.AccountCreated{Name: "C"}),
	}
	if err := seal.New(ring).Prepare(batch...); err != nil {
		t.Fatal(err)
	}
	want := [][]events.Aggregate{{tenant(1), tenant(2), account(1)}}
	if diff := cmp.Diff(want, ring.created); diff != "" {
		t.Error(diff)
	}
}

func TestForgedTextIsRefused(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	theirs, err := s.SealNew(about(tenant(1), events.IdentityMemberGranted{User: "u", Name: "Secret Person"}))
	if err != nil {
		t.Fatal(err)
	}
	genuine := nameIn(theirs.Payload)
	tests := []struct {
		name  string
		owner events.Aggregate
		text  events.Personal
		fresh error // of SealNew
		own   error // of SealEvent
	}{
		{"real text, its owner", tenant(1), genuine, seal.ErrForged, nil},
		{"real text, another owner", tenant(2), genuine, seal.ErrForged, seal.ErrNoKey},
		{"made up", tenant(1), "sealed:1:AAAA", seal.ErrForged, seal.ErrBadSeal},
		{"other version", tenant(1), "sealed:2:" + genuine[9:], seal.ErrForged, seal.ErrBadSeal},
		{"the prefix alone", tenant(1), "sealed:", seal.ErrForged, seal.ErrForged},
		{"the prefix further on", tenant(1), "is sealed:", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := about(tt.owner, events.IdentityMemberGranted{User: "u", Name: tt.text})
			_, err := s.SealNew(e)
			check(t, "SealNew", err, tt.fresh)
			_, err = s.SealEvent(e)
			check(t, "SealEvent", err, tt.own)
		})
	}
}

func check(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
	if want == nil {
		return
	}
	var field *events.FieldError
	if !errors.As(err, &field) || field.Field != "data.name" {
		t.Errorf("%s: %v does not name the field", what, err)
	}
}

func sealOne(tb testing.TB, s *seal.Sealer, owner events.Aggregate, plain events.Personal) events.Personal {
	tb.Helper()
	var payload events.Payload = events.IdentityMemberGranted{User: "u", Name: plain}
	if owner.Kind == events.AggregateAccount {
		payload = events.AccountCreated{Name: plain}
	}
	e, err := s.SealNew(about(owner, payload))
	if err != nil {
		tb.Fatal(err)
	}
	return nameIn(e.Payload)
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	rapid.Check(t, func(t *rapid.T) {
		plain := events.Personal(rapid.String().Filter(func(s string) bool { return !strings.HasPrefix(s, "sealed:") }).Draw(t, "plain"))
		a, b := tenant(rapid.IntRange(0, 3).Draw(t, "a")), tenant(rapid.IntRange(0, 3).Draw(t, "b"))
		sealA := mustSeal(t, s, a, plain)
		if got, err := s.OpenPersonal(a, sealA); err != nil || got != plain {
			t.Fatalf("opened %q, %v", got, err)
		}
		if plain == "" {
			if sealA != "" {
				t.Fatalf("an empty field was sealed to %q", sealA)
			}
			return
		}
		if !sealA.Sealed() {
			t.Fatalf("%q does not say that it is sealed", sealA)
		}
		if sealB := mustSeal(t, s, b, plain); (sealA == sealB) != (a == b) {
			t.Fatalf("same text of %s and %s: %q and %q", a, b, sealA, sealB)
		}
		if a != b {
			if got, err := s.OpenPersonal(b, sealA); !errors.Is(err, seal.ErrBadSeal) || got != "" {
				t.Fatalf("another owner opened %q, %v", got, err)
			}
		}
	})
}

// nameIn is the name in a payload that has one.
func nameIn(p events.Payload) events.Personal {
	switch p := p.(type) {
	case events.AccountCreated:
		return p.Name
	case events.IdentityMemberGranted:
		return p.Name
	}
	return "no name"
}

func mustSeal(t *rapid.T, s *seal.Sealer, owner events.Aggregate, plain events.Personal) events.Personal {
	e, err := s.SealNew(about(owner, events.IdentityMemberGranted{User: "u", Name: plain}))
	if err != nil {
		t.Fatal(err)
	}
	return nameIn(e.Payload)
}

func TestEveryChangeIsNoticed(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	sealed := string(sealOne(t, s, tenant(1), "Anna Example"))
	for i := len("sealed:"); i < len(sealed); i++ {
		for _, c := range "A_z\n=" {
			forged := sealed[:i] + string(c) + sealed[i+1:]
			if forged == sealed {
				continue
			}
			if got, err := s.OpenPersonal(tenant(1), events.Personal(forged)); !errors.Is(err, seal.ErrBadSeal) {
				t.Fatalf("with %q at %d: opened %q, %v", c, i, got, err)
			}
		}
	}
	for n := len("sealed:") + 1; n < len(sealed); n++ {
		if got, err := s.OpenPersonal(tenant(1), events.Personal(sealed[:n])); !errors.Is(err, seal.ErrBadSeal) {
			t.Fatalf("cut to %d: opened %q, %v", n, got, err)
		}
	}
	for _, forged := range []string{sealed + "A", sealed + "\n", sealed[:20] + "\r\n" + sealed[20:], sealed + "="} {
		if got, err := s.OpenPersonal(tenant(1), events.Personal(forged)); !errors.Is(err, seal.ErrBadSeal) {
			t.Fatalf("%q: opened %q, %v", forged, got, err)
		}
	}
}

func TestEraseEndsWhatOneOwnerSealed(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	member := events.IdentityMemberGranted{User: "u", Name: "Anna", Email: "anna@example.net"}
	gone, err := s.SealNew(about(tenant(1), member))
	if err != nil {
		t.Fatal(err)
	}
	kept := sealOne(t, s, tenant(2), "Bert")
	for range 2 { // doing it again is no error
		if err := s.Erase(tenant(1)); err != nil {
			t.Fatal(err)
		}
	}

	opened, err := s.OpenEvent(gone)
	want := events.IdentityMemberGranted{User: "u", Name: seal.Erased, Email: seal.Erased}
	if diff := cmp.Diff(events.Payload(want), opened.Payload); err != nil || diff != "" {
		t.Errorf("open the event: %v %s", err, diff)
	}
	sealedName := nameIn(gone.Payload)
	entity, err := s.OpenEntity(tenant(1), events.Member{User: "u", Name: sealedName})
	if diff := cmp.Diff(events.Entity(events.Member{User: "u", Name: seal.Erased}), entity); err != nil || diff != "" {
		t.Errorf("open the entity: %v %s", err, diff)
	}
	if got, err := s.OpenPersonal(tenant(1), sealedName); !errors.Is(err, seal.ErrErased) || got != seal.Erased {
		t.Errorf("open the field: %q, %v", got, err)
	}
	if _, err := s.SealNew(about(tenant(1), member)); !errors.Is(err, seal.ErrErased) {
		t.Errorf("seal for an erased owner: %v", err)
	}
	if err := s.Prepare(about(tenant(1), member), about(tenant(3), member)); err != nil {
		t.Errorf("an erased owner in a batch: %v", err)
	}
	if again, err := s.SealEvent(gone); err != nil || !cmp.Equal(again.Payload, gone.Payload) {
		t.Errorf("restore what was sealed: %+v, %v", again, err)
	}
	if got, err := s.OpenPersonal(tenant(2), kept); err != nil || got != "Bert" {
		t.Errorf("the neighbour: %q, %v", got, err)
	}
}

func TestOpenEntity(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	name := sealOne(t, s, account(1), "Acme")
	got, err := s.OpenEntity(account(1), events.Account{Name: name})
	if want := events.Entity(events.Account{Name: "Acme"}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	plain := events.Product{Name: "wiki"}
	if got, err := s.OpenEntity(tenant(1), plain); err != nil || got != events.Entity(plain) {
		t.Errorf("without personal fields: %+v, %v", got, err)
	}
	if _, err := s.OpenEntity(account(2), events.Account{Name: name}); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("with an owner who never had a key: %v", err)
	}
	if _, err := s.OpenEvent(about(account(2), events.AccountCreated{Name: name})); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("an event of an owner who never had a key: %v", err)
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	t.Parallel()
	key := seal.Key{1, 2, 3}
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%d", "%q"} {
		if got := fmt.Sprintf(verb, key); got != "key(hidden)" {
			t.Errorf("%s: %s", verb, got)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	ring, err := seal.OpenKeyRing(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ring.Close() })
	s := seal.New(ring)
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 50 {
				plain := events.Personal(fmt.Sprint("person ", g, i))
				e, err := s.SealNew(about(tenant(i), events.IdentityMemberGranted{User: "u", Name: plain}))
				if i%10 == 9 && errors.Is(err, seal.ErrErased) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if i%10 == 9 {
					if err := s.Erase(tenant(i)); err != nil {
						t.Error(err)
					}
					continue
				}
				if opened, err := s.OpenEvent(e); err != nil || nameIn(opened.Payload) != plain {
					t.Errorf("%+v, %v", opened, err)
				}
			}
		})
	}
	wg.Wait()
	for i := 9; i < 50; i += 10 {
		if _, err := ring.Key(tenant(i)); !errors.Is(err, seal.ErrErased) {
			t.Errorf("erased %d: %v", i, err)
		}
	}
}

func FuzzOpenPersonal(f *testing.F) {
	s := newSealer(f)
	owner := events.OfTenant(events.IDFromUUID[events.TenantID](uuid.Max))
	f.Add(string(sealOne(f, s, owner, "Anna")))
	f.Add("sealed:1:")
	f.Add("sealed:1:AAAA\n")
	f.Add("plain")
	f.Fuzz(func(t *testing.T, text string) {
		opened, err := s.OpenPersonal(owner, events.Personal(text))
		switch p := events.Personal(text); {
		case err != nil && (!errors.Is(err, seal.ErrBadSeal) || opened != ""):
			t.Errorf("%q, %v", opened, err)
		case err == nil && !p.Sealed() && opened != p:
			t.Errorf("plain text %q became %q", p, opened)
		case err == nil && p != "" && p.Sealed():
			if again := sealOne(t, s, owner, opened); again != p {
				t.Errorf("%q opens and %q is how it is written", p, again)
			}
		}
	})
}
