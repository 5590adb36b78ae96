package catalogue_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
)

// byValue lets cmp compare what hides its fields.
func byValue() cmp.Option {
	return cmpopts.EquateComparable(
		events.Aggregate{}, events.TenantID{}, events.AccountID{}, events.ProductID{}, events.AppID{}, events.EventID{},
		events.RunID{}, events.RestoreID{}, events.PlanID{}, uuid.UUID{},
	)
}

func same(t interface {
	Helper()
	Errorf(format string, args ...any)
}, what string, want, got any,
) {
	t.Helper()
	if d := cmp.Diff(want, got, byValue()); d != "" {
		t.Errorf("%s (-want +got)\n%s", what, d)
	}
}

// payloads holds one payload of every type in its newest version, to be folded
// in this order for an aggregate each.
var payloads = []events.Payload{
	events.AccountCreated{Name: "Example Ltd"},
	events.AccountContactsUpdated{Contacts: []events.ContactInfo{{Kind: events.ContactBilling, Name: "Ada"}}},
	events.ClaimTaken{Kind: events.ClaimURL, Value: "a", Tenant: tenantID(1)},
	events.ClaimReleased{Kind: events.ClaimURL, Value: "a", Tenant: tenantID(1)},
	events.RestorationPlanned{Mode: events.Undo, Part: 1, Parts: 1, Cause: events.Cause{
		Runs: []events.RunID{events.DeriveID[events.RunID]("run")}, Actors: []string{"user_1"}, Types: []events.Type{"tenant.deleted.v1"},
	}},
	events.RestorationFinished{},
	created(1),
	events.TenantConfigured{Metadata: map[string]string{"a": "b"}, Flags: map[string]bool{"f": true}},
	events.TenantRenamed{URL: url(5)},
	relocate, usage, deactivate, reactivate,
	activated, suspended, unsuspended, inactive, licensed, install, uninstall, reinstall,
	events.IdentityMemberGranted{User: "user_1", Roles: []string{"b", "a"}, Groups: []string{"d", "c"}},
	group,
	events.IdentityPermissionsChanged{Group: "group_1", Permissions: []string{"b", "a"}},
	provision,
	revoke, ungroup, deprovision, remove,
	events.TenantRestored{Epoch: 2, Part: 1, Parts: 1, Entities: events.Entities{
		events.Tenant{URL: url(1), Metadata: map[string]string{"a": "b"}, Flags: map[string]bool{"f": true}, Status: events.TenantStatusActive},
		events.Member{User: "user_1", Roles: []string{"a"}, Groups: []string{"c"}},
		events.Group{Group: "group_1", Permissions: []string{"a"}},
	}},
	events.DeletionPlanned{Waves: []uint32{1}, Targets: []events.DeletionTarget{{Digest: []byte{1}}}},
	events.DeletionApproved{Approval: anApproval},
	events.DeletionConfirmed{By: "user_1", Approval: anApproval},
	events.DeletionRehearsed{Passed: true, Evidence: []byte{1}},
	events.DeletionStarted{Executor: "user_1"},
	events.DeletionWaveChecked{Wave: 1},
	events.DeletionFinished{Done: true},
	events.DeletionRefused{},
	events.DoorAdmitted{Plan: events.DeriveID[events.PlanID]("p")},
	events.DoorPassed{Plan: events.DeriveID[events.PlanID]("p"), Wave: 1},
	events.DoorLeft{Plan: events.DeriveID[events.PlanID]("p")},
	events.DoorHalted{Cause: events.HaltByPerson},
	events.DoorReopened{Approval: anApproval},
	events.DoorHeld{Restoration: events.DeriveID[events.RestoreID]("r")},
	events.DoorReleased{Restoration: events.DeriveID[events.RestoreID]("r")},
	events.PolicyProposed{Version: 1, Policy: events.Policy{
		Caps: []uint32{1}, Bakes: []events.Seconds{1}, Checks: []string{"a"}, Roster: []events.RosterMember{{Key: []byte{1}}},
	}},
	events.PolicyApproved{Approval: anApproval},
	events.PolicyChanged{Version: 1},
	events.ClockTicked{},
	events.AlarmRaised{},
	events.LienPlaced{Matter: "a"},
	events.LienLifted{Matter: "a"},
}

var anApproval = events.Approval{Hash: []byte{1}, Nonce: []byte{1}, Signature: []byte{1}}

// TestEveryTypeHasAFold fails when a type is added to the registry and not to
// the fold, to Touches and to the list above.
func TestEveryTypeHasAFold(t *testing.T) {
	t.Parallel()
	seen := map[events.Type]bool{}
	states := map[events.AggregateKind]catalogue.MapState{}
	for i, p := range payloads {
		typ := p.EventType()
		seen[typ] = true
		state := states[typ.About()]
		if state == nil {
			state = catalogue.MapState{}
			states[typ.About()] = state
		}
		before := state.Clone()
		about := events.Aggregate{Kind: typ.About(), ID: uuid.UUID{1}}
		if err := catalogue.Evolve(state, event(string(typ), about, p)); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		switch p.(type) {
		case events.AlarmRaised, events.DeletionRefused:
			continue // they tell something, and that is all
		}
		if cmp.Equal(before, state, byValue()) {
			t.Errorf("%s changes nothing", typ)
		}
		if !slices.ContainsFunc(events.EntityKinds, func(k events.EntityKind) bool { return catalogue.Touches(p, k) }) {
			t.Errorf("%s touches nothing", typ)
		}
	}
	for _, typ := range events.Types() {
		if seen[typ] == typ.Superseded() {
			t.Errorf("%s: in the list of newest payloads: %v, superseded: %v", typ, seen[typ], typ.Superseded())
		}
	}
	old := event("old", events.OfTenant(tenantID(1)), licensedV1)
	if err := catalogue.Evolve(catalogue.MapState{}, old); !errors.Is(err, catalogue.ErrFold) {
		t.Errorf("an event that was not upcast is folded: %v", err)
	}
}

// TestFoldedEventsMayChange folds payloads, changes every map and list in them
// afterwards and finds the state as it was.
func TestFoldedEventsMayChange(t *testing.T) {
	t.Parallel()
	for _, p := range payloads {
		about := events.Aggregate{Kind: p.EventType().About(), ID: uuid.UUID{1}}
		state := catalogue.MapState{}
		switch p.(type) {
		case events.IdentityPermissionsChanged:
			state = catalogue.MapState{events.GroupKey("group_1"): events.Group{Group: "group_1"}}
		case events.TenantConfigured:
			state = catalogue.MapState{events.Tenant{}.EntityKey(): events.Tenant{}}
		case events.DeletionApproved, events.DeletionConfirmed, events.DeletionRehearsed:
			state = catalogue.MapState{events.Deletion{}.EntityKey(): events.Deletion{}}
		case events.PolicyApproved:
			state = catalogue.MapState{events.Proposal{}.EntityKey(): events.Proposal{}}
		case events.DeletionPlanned, events.PolicyProposed, events.RestorationPlanned, events.TenantRestored, events.IdentityMemberGranted, events.AccountContactsUpdated:
		default:
			continue // has neither map nor list
		}
		other := clone(t, p)
		if err := catalogue.Evolve(state, event("x", about, other)); err != nil {
			t.Fatal(err)
		}
		want := digest(t, state)
		spoil(other)
		if digest(t, state) != want {
			t.Errorf("the state changes with the %s that was folded", p.EventType())
		}
	}
}

// clone is a payload that shares nothing.
func clone(t testing.TB, p events.Payload) events.Payload {
	t.Helper()
	s, err := events.Encode(event("clone", events.Aggregate{Kind: p.EventType().About(), ID: uuid.UUID{1}}, p))
	if err != nil {
		t.Fatal(err)
	}
	e, err := events.Decode(s)
	if err != nil {
		t.Fatal(err)
	}
	return e.Payload
}

// spoil changes every map and list of a payload in place.
func spoil(p events.Payload) {
	text := func(lists ...[]string) {
		for _, list := range lists {
			for i := range list {
				list[i] = "spoilt"
			}
		}
	}
	bytes := func(lists ...[]byte) {
		for _, list := range lists {
			list[0]++
		}
	}
	switch p := p.(type) {
	case events.DeletionPlanned:
		p.Waves[0], p.Targets[0].Users = 9, 9
		bytes(p.Targets[0].Digest)
	case events.DeletionApproved:
		bytes(p.Approval.Hash, p.Approval.Nonce, p.Approval.Signature)
	case events.PolicyApproved:
		bytes(p.Approval.Hash, p.Approval.Nonce, p.Approval.Signature)
	case events.DeletionConfirmed:
		bytes(p.Approval.Hash, p.Approval.Nonce, p.Approval.Signature)
	case events.DeletionRehearsed:
		bytes(p.Evidence)
	case events.PolicyProposed:
		p.Policy.Caps[0], p.Policy.Bakes[0] = 9, 9
		bytes(p.Policy.Roster[0].Key)
		text(p.Policy.Checks)
	case events.TenantConfigured:
		p.Metadata["a"], p.Flags["f"] = "spoilt", false
	case events.IdentityMemberGranted:
		text(p.Roles, p.Groups)
	case events.IdentityPermissionsChanged:
		text(p.Permissions)
	case events.RestorationPlanned:
		p.Cause.Runs[0], p.Cause.Types[0] = events.RunID{}, "spoilt"
		text(p.Cause.Actors)
	case events.AccountContactsUpdated:
		p.Contacts[0].Name = "spoilt"
	case events.TenantRestored:
		for _, e := range p.Entities {
			switch e := e.(type) {
			case events.Tenant:
				e.Metadata["a"], e.Flags["f"] = "spoilt", false
			case events.Member:
				text(e.Roles, e.Groups)
			case events.Group:
				text(e.Permissions)
			}
		}
	}
}

func digest(t testing.TB, m catalogue.MapState) [32]byte {
	t.Helper()
	sum, err := m.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// TestRestoredForeignEntity says that an account's entity in a tenant's state
// is no state.
func TestRestoredForeignEntity(t *testing.T) {
	t.Parallel()
	p := back(1, url(1))
	p.Entities = append(p.Entities, events.Account{Name: "Example Ltd"})
	err := catalogue.Evolve(catalogue.MapState{}, event("x", events.OfTenant(tenantID(1)), p))
	if !errors.Is(err, catalogue.ErrFold) {
		t.Errorf("got %v", err)
	}
}

// keeping is a state that keeps some kinds only, as a view does.
type keeping struct {
	catalogue.MapState

	kinds []events.EntityKind
}

func (k keeping) Keeps(kind events.EntityKind) bool { return slices.Contains(k.kinds, kind) }

func (k keeping) Put(e events.Entity) error {
	if !k.Keeps(e.EntityKey().Kind) {
		return nil
	}
	return k.MapState.Put(e)
}

// TestFoldOfLegalHistories holds three things against any legal history: an
// event changes only the kinds that it touches, never an older entity in
// place, and a view of some kinds folds them as the whole state does.
func TestFoldOfLegalHistories(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := catalogtest.NewGenerator(catalogtest.Drawn(t))
		whole, views := catalogtest.NewFacts(), map[events.Aggregate]keeping{}
		kinds := rapid.SliceOfDistinct(rapid.SampledFrom(events.EntityKinds), rapid.ID[events.EntityKind]).Draw(t, "kinds")
		for seq := range rapid.IntRange(1, 60).Draw(t, "events") {
			r := g.Next()
			g.Took(r, catalogue.Verdict{Seq: events.Seq(seq + 1)})
			e := r.Events[0]
			e.Payload, _ = events.Upcast(e.Payload)
			if _, ok := views[e.About]; !ok {
				views[e.About] = keeping{catalogue.MapState{}, kinds}
			}
			state, _ := whole.State(e.About).(catalogue.MapState)
			before, kept := state.Clone(), digest2(t, state)
			if err := errors.Join(catalogue.Evolve(state, e), catalogue.Evolve(views[e.About], e)); err != nil {
				t.Fatal(err)
			}
			if digest2(t, before) != kept {
				t.Fatalf("%s changes an entity in place", e.Type())
			}
			for _, kind := range events.EntityKinds {
				if !catalogue.Touches(e.Payload, kind) {
					same(t, string(e.Type())+" changes what it does not touch", only(before, kind), only(state, kind))
				}
			}
			same(t, "view of "+string(e.Type()), only(state, kinds...), views[e.About].MapState)
		}
	})
}

func digest2(t *rapid.T, m catalogue.MapState) [32]byte {
	sum, err := m.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func only(m catalogue.MapState, kinds ...events.EntityKind) catalogue.MapState {
	out := m.Clone()
	maps.DeleteFunc(out, func(k events.EntityKey, _ events.Entity) bool { return !slices.Contains(kinds, k.Kind) })
	return out
}

// TestDigest says that the order in which a state came about is no part of its
// digest, and every field of every entity is.
func TestDigest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var entities events.Entities
		for i := range rapid.IntRange(0, 20).Draw(t, "entities") {
			entities = append(entities, events.Product{ID: productID(i), Seats: rapid.Uint64().Draw(t, "seats")})
		}
		settings := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "settings")
		flags := rapid.MapOf(rapid.String(), rapid.Bool()).Draw(t, "flags")
		entities = append(entities, events.Tenant{Metadata: settings, Flags: flags})
		a, b := catalogue.MapState{}, catalogue.MapState{}
		for _, e := range entities {
			_ = a.Put(e)
		}
		for _, e := range rapid.Permutation(entities).Draw(t, "order") {
			if x, ok := e.(events.Tenant); ok { // maps with another history
				x.Metadata, x.Flags = maps.Collect(maps.All(x.Metadata)), maps.Collect(maps.All(x.Flags))
				e = x
			}
			_ = b.Put(e)
		}
		if digest2(t, a) != digest2(t, b) {
			t.Fatal("the digest depends on the order")
		}
		other := b.Clone()
		_ = other.Put(events.Member{User: "user_1"})
		if digest2(t, other) == digest2(t, b) {
			t.Fatal("the digest does not see a member")
		}
		restored := catalogue.MapState{}
		_ = catalogue.Evolve(restored, event("x", events.OfTenant(tenantID(1)), events.TenantRestored{Part: 1, Parts: 1, Entities: a.Entities()}))
		if digest2(t, restored) != digest2(t, a) {
			t.Fatal("what is restored has another digest")
		}
	})
}
