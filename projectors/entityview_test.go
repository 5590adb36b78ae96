package projectors_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/events/wire"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
)

// Whatever happens to the tenants, however the events are batched and whichever
// of them are unreadable, a view has the rows that the fold of whole states
// makes, an index entry for each and none besides.
func TestViewsHoldWhatTheFoldMakes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		log := catalogtest.History(t, catalogtest.Drawn(rt), rapid.IntRange(1, 60).Draw(rt, "requests"))
		log = withPoison(rt, log)
		for _, v := range allViews() {
			db := openDB(t, v, vfs.NewMem())
			fold := projectors.Folder(db, v, "test", projectors.NewVoucher(deletion.Genesis{}))
			for rest := log; len(rest) > 0; {
				n := rapid.IntRange(1, len(rest)).Draw(rt, "batch")
				if err := fold(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			checkRows(t, v, db, log)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// withPoison puts up to two unreadable events among those of a history.
func withPoison(rt *rapid.T, log []events.Stored) []events.Stored {
	for i := range rapid.IntRange(0, 2).Draw(rt, "poison") {
		about := log[rapid.IntRange(0, len(log)-1).Draw(rt, "whose")].About
		at := rapid.IntRange(0, len(log)).Draw(rt, "where")
		log = slices.Insert(log, at, poison(about, fmt.Sprint(i)))
	}
	for i := range log {
		log[i].Seq = events.Seq(i + 1)
	}
	return log
}

// A view of all of an aggregate's kinds reads back the state that MapState is,
// whether it has a row for each entity or one for all.
func TestReadStateIsTheFold(t *testing.T) {
	t.Parallel()
	log := someHistory(t, 1, 600)
	facts, err := catalogtest.Fold(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, whole := range []bool{false, true} {
		v := &projectors.EntityView{ViewName: "all", ViewFormat: 1, Kinds: events.EntityKinds, Whole: whole}
		db := openDB(t, v, vfs.NewMem())
		if err := projectors.Folder(db, v, "test", projectors.NewVoucher(deletion.Genesis{}))(log); err != nil {
			t.Fatal(err)
		}
		for about, state := range facts.States {
			want, err := state.Digest()
			if err != nil {
				t.Fatal(err)
			}
			got, err := projectors.ReadState(db, about)
			if err != nil {
				t.Fatal(err)
			}
			if sum, err := got.Digest(); err != nil || sum != want {
				t.Errorf("%s: %v, %v", about, got, err)
			}
			if whole {
				checkWhole(t, db, about, facts.Heads[about])
			}
		}
	}
}

// checkWhole fails when an aggregate's row has another head.
func checkWhole(t *testing.T, r viewdb.Reader, about events.Aggregate, head catalogue.Head) {
	t.Helper()
	row := projectors.WholeRow(about)
	raw, found, err := r.Get(row)
	if err != nil || !found {
		t.Fatalf("%s: %v, %v", about, found, err)
	}
	a, got, err := projectors.DecodeWhole(row, raw, nothing{})
	if err != nil || a != about {
		t.Errorf("%s is %s, %v", about, a, err)
	}
	if d := cmp.Diff(head, got, cmp.Comparer(func(a, b events.RestoreID) bool { return a == b })); d != "" {
		t.Errorf("head of %s: %s", about, d)
	}
}

// nothing reads no entity.
type nothing struct{}

func (nothing) Into(events.EntityKind) wire.Fields { return nil }

// A tenant that is deleted takes its rows out of every view, contacts aside, and
// a restoration puts the very same rows back.
func TestDeletedRowsComeBackIdentical(t *testing.T) {
	t.Parallel()
	before := aTenantsLife(t)
	for _, v := range allViews() {
		t.Run(v.Name(), func(t *testing.T) {
			t.Parallel()
			db := openDB(t, v, vfs.NewMem())
			fold := projectors.Folder(db, v, "test", projectors.NewVoucher(deletion.Genesis{}))
			apply := func(stored ...events.Stored) map[string]string {
				if err := fold(stored); err != nil {
					t.Fatal(err)
				}
				rows := gotRows(t, db)
				for key, raw := range rows {
					if v.Whole && key[0] == 'e' { // a restored tenant has its old state and a new head
						var row wholeRow
						if err := events.Unmarshal([]byte(raw), &row); err != nil {
							t.Fatal(err)
						}
						rows[key] = fmt.Sprint(row.entities)
					}
				}
				return rows
			}
			full := apply(before...)
			next := events.Seq(len(before) + 1)
			deleted := apply(stored(t, next, aTenant, 0, events.TenantDeleted{}))
			state, err := catalogtest.Fold(before)
			if err != nil {
				t.Fatal(err)
			}
			restored := apply(stored(t, next+1, aTenant, 1, events.TenantRestored{
				Mode: events.Rewind, Cut: next - 1, Epoch: 2, Part: 1, Parts: 1, Entities: state.States[aTenant].Entities(),
			}))
			if d := cmp.Diff(hexed(full), hexed(restored)); d != "" {
				t.Errorf("the restored rows differ: %s", d)
			}
			kept := 0
			for row := range deleted {
				if _, ok := full[row]; ok {
					kept++
				}
			}
			switch v.Name() {
			case "contacts":
				if kept != len(full) {
					t.Errorf("%d of %d rows survived the deletion", kept, len(full))
				}
			case "tenants":
				if kept == 0 || kept == len(full) {
					t.Errorf("%d of %d rows survived the deletion", kept, len(full))
				}
			default:
				if len(full) == 0 || len(deleted) != 0 {
					t.Errorf("%d of %d rows are there after the deletion", len(deleted), len(full))
				}
			}
		})
	}
}

var (
	anAccount = events.OfAccount(events.DeriveID[events.AccountID]("account"))
	aTenant   = events.OfTenant(events.DeriveID[events.TenantID]("tenant"))
)

// aTenantsLife is an account and a tenant with something of every kind.
func aTenantsLife(t testing.TB) []events.Stored {
	t.Helper()
	var log []events.Stored
	add := func(about events.Aggregate, p events.Payload) {
		log = append(log, stored(t, events.Seq(len(log)+1), about, 0, p))
	}
	add(anAccount, events.AccountCreated{Name: "A Company"})
	add(anAccount, events.AccountContactsUpdated{Contacts: []events.ContactInfo{
		{Kind: events.ContactAdmin, Email: "Admin@example.com", Phone: "+1 555 0100"},
	}})
	add(aTenant, events.TenantCreated{
		URL: "a.example.net", CloudID: events.DeriveID[events.PlanID]("cloud").UUID(), Account: anAccount.Account(),
		Region: "eu", Shard: "eu-1", Tier: "standard",
	})
	add(aTenant, events.ProductActivated{Product: events.DeriveID[events.ProductID]("p"), Name: "issue-tracker", Seats: 5})
	add(aTenant, events.AppInstalled{App: events.DeriveID[events.AppID]("a"), Name: "asset-tracker", Version: "1"})
	add(aTenant, events.AppInstalled{App: events.DeriveID[events.AppID]("b"), Name: "asset-tracker", Version: "1"})
	add(aTenant, events.AppUninstalled{App: events.DeriveID[events.AppID]("b")})
	add(aTenant, events.IdentityMemberGranted{User: "user_1", Roles: []string{events.RoleSiteAdmin}})
	add(aTenant, events.IdentityMemberGranted{User: "user_2", Groups: []string{"group_1"}})
	add(aTenant, events.IdentityGroupSet{Group: "group_1", Name: "team"})
	add(aTenant, events.ResourceProvisioned{Service: "media", Kind: events.ResourceDatabase, Name: "db", Region: "eu", Shard: "eu-1"})
	return log
}

// stored is an event in its stored form.
func stored(t testing.TB, seq events.Seq, about events.Aggregate, epoch uint64, p events.Payload) events.Stored {
	t.Helper()
	s, err := events.Encode(events.Event{
		ID: events.DeriveID[events.EventID](seq.String(), about.String()), Source: "/services/test", About: about,
		Time: events.TimeOf(catalogtest.Start), Actor: "user_1", Epoch: epoch, Payload: p, Seq: seq,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// An event that cannot be read, or be folded, puts its aggregate's rows out of
// bounds, says why, and touches nobody else.
func TestPoisonQuarantinesItsAggregate(t *testing.T) {
	t.Parallel()
	other := events.OfTenant(events.DeriveID[events.TenantID]("other"))
	life := aTenantsLife(t)
	next := events.Seq(len(life) + 1)
	garbage := poison(aTenant, "garbage")
	unknown := stored(t, next, aTenant, 0, events.TenantDeactivated{})
	unknown.Type = "tenant.forgotten.v1"
	for name, c := range map[string]struct {
		event events.Stored
		why   error
	}{
		"garbage":       {garbage, events.ErrMalformed},
		"unknown type":  {unknown, events.ErrUnknownType},
		"does not fold": {stored(t, next, aTenant, 0, events.ProductSuspended{Product: events.DeriveID[events.ProductID]("?")}), catalogue.ErrFold},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := &projectors.EntityView{ViewName: "all", ViewFormat: 1, Kinds: events.EntityKinds}
			db := openDB(t, v, vfs.NewMem())
			c.event.Seq = next
			created := events.TenantCreated{URL: "b.example.net", Account: anAccount.Account(), Region: "eu", Tier: "standard"}
			log := append(slices.Clone(life), c.event,
				stored(t, next+1, other, 0, created), stored(t, next+2, aTenant, 0, events.TenantRenamed{URL: "c.example.net"}))
			if err := projectors.Folder(db, v, "test", projectors.NewVoucher(deletion.Genesis{}))(log); err != nil {
				t.Fatal(err)
			}
			q, err := projectors.Quarantined(db)
			if err != nil || len(q) != 1 || q[aTenant].Seq != next || q[aTenant].Why == "" {
				t.Errorf("quarantined: %v, %v", q, err)
			}
			_, _, err = projectors.Entity[events.Tenant](db, aTenant, events.Tenant{}.EntityKey())
			if !errors.Is(err, projectors.ErrQuarantined) {
				t.Errorf("Entity: %v", err)
			}
			if _, err = projectors.Entities[events.App](db, aTenant, events.EntityApp); !errors.Is(err, projectors.ErrQuarantined) {
				t.Errorf("Entities: %v", err)
			}
			if _, _, err = projectors.EntityPage[events.App](db, aTenant, events.EntityApp, nil, 1); !errors.Is(err, projectors.ErrQuarantined) {
				t.Errorf("EntityPage: %v", err)
			}
			if _, err = projectors.ReadState(db, aTenant); !errors.Is(err, projectors.ErrQuarantined) {
				t.Errorf("ReadState: %v", err)
			}
			got, found, err := projectors.Entity[events.Tenant](db, other, events.Tenant{}.EntityKey())
			if err != nil || !found || got.URL != "b.example.net" {
				t.Errorf("the neighbour: %v, %v, %v", got, found, err)
			}
		})
	}
}

// An event about nothing we know is set aside too, and shows.
func TestPoisonOfNobody(t *testing.T) {
	t.Parallel()
	v := allViews()[0]
	db := openDB(t, v, vfs.NewMem())
	stray := events.Stored{Seq: 1, Type: "?"}
	if err := projectors.Folder(db, v, "test", projectors.NewVoucher(deletion.Genesis{}))(append([]events.Stored{stray}, reseq(aTenantsLife(t), 2)...)); err != nil {
		t.Fatal(err)
	}
	if q, err := projectors.Quarantined(db); err != nil || q[events.Aggregate{}].Seq != 1 {
		t.Errorf("quarantined: %v, %v", q, err)
	}
	if _, found, err := tenants.Get(db, aTenant.Tenant()); err != nil || !found {
		t.Errorf("the neighbour: %v, %v", found, err)
	}
}

// reseq numbers events from first.
func reseq(log []events.Stored, first events.Seq) []events.Stored {
	for i := range log {
		log[i].Seq = first + events.Seq(i)
	}
	return log
}

// A row that holds what does not belong there is an error, not an answer.
func TestForeignRowsAreCorrupt(t *testing.T) {
	t.Parallel()
	v := &projectors.EntityView{ViewName: "all", ViewFormat: 1, Kinds: events.EntityKinds}
	db := openDB(t, v, vfs.NewMem())
	key := events.AppKey(events.DeriveID[events.AppID]("a"))
	spoil(t, db, string(key.Append(append([]byte{'e'}, aTenant.Key()...))), "nonsense")
	if _, _, err := projectors.Entity[events.App](db, aTenant, key); !errors.Is(err, viewdb.ErrCorrupt) {
		t.Errorf("Entity: %v", err)
	}
	if _, err := projectors.Entities[events.App](db, aTenant, key.Kind); !errors.Is(err, viewdb.ErrCorrupt) {
		t.Errorf("Entities: %v", err)
	}
	if _, _, err := projectors.EntityPage[events.App](db, aTenant, key.Kind, nil, 1); !errors.Is(err, viewdb.ErrCorrupt) {
		t.Errorf("EntityPage: %v", err)
	}
	if _, err := projectors.ReadState(db, aTenant); !errors.Is(err, viewdb.ErrCorrupt) {
		t.Errorf("ReadState: %v", err)
	}
}

// spoil sets a row behind the projector's back.
func spoil(t testing.TB, db *viewdb.DB, key, value string) {
	t.Helper()
	b := db.NewBatch()
	if err := b.Set([]byte(key), []byte(value)); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(db.Checkpoint()); err != nil {
		t.Fatal(err)
	}
}

// Pages put together are the whole, whatever their size, and none is empty.
func TestPages(t *testing.T) {
	t.Parallel()
	v := allViews()[0]
	db := openDB(t, v, vfs.NewMem())
	log := someHistory(t, 3, 400)
	if err := projectors.Folder(db, v, "test", projectors.NewVoucher(deletion.Genesis{}))(log); err != nil {
		t.Fatal(err)
	}
	prefix := projectors.IndexKey('i')
	every := func(rest []byte) (string, bool, error) { return string(rest), true, nil }
	whole, next, err := projectors.Page(db, prefix, nil, 1<<20, every)
	if err != nil || next != nil || len(whole) < 10 {
		t.Fatalf("%d entries, next %x, %v", len(whole), next, err)
	}
	for limit := 1; limit <= len(whole)+1; limit++ {
		var got []string
		var after []byte
		for {
			page, next, err := projectors.Page(db, prefix, after, limit, every)
			if err != nil || len(page) == 0 || len(page) > limit {
				t.Fatalf("limit %d: a page of %d, %v", limit, len(page), err)
			}
			got = append(got, page...)
			if next == nil {
				break
			}
			after = next
		}
		if d := cmp.Diff(whole, got); d != "" {
			t.Errorf("limit %d: %s", limit, d)
		}
	}
}
