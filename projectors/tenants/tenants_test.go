package tenants_test

import (
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
)

func openView(t testing.TB, records int) *viewdb.DB {
	t.Helper()
	db, err := viewdb.Open(viewdb.Config{Dir: "view", Name: tenants.Name, Format: tenants.Format, FS: vfs.NewMem(), Records: records})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func fold(t testing.TB, db *viewdb.DB, id events.TenantID, payloads ...events.Payload) {
	t.Helper()
	var list []events.Stored
	for i, p := range payloads {
		list = append(list, stored(t, db.Checkpoint().Seq+events.Seq(i+1), events.OfTenant(id), p))
	}
	if err := projectors.Folder(db, tenants.New(), "test", projectors.NewVoucher(deletion.Genesis{}))(list); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, r viewdb.Reader, id events.TenantID) tenants.Record {
	t.Helper()
	record, found, err := tenants.Get(r, id)
	if err != nil || !found {
		t.Fatalf("%s: %v, %v", id, found, err)
	}
	return record
}

var aTenant = events.IDFromUUID[events.TenantID](uuid.MustParse("01890000-0000-7000-8000-000000000001"))

// The row of a tenant, byte by byte: to change it is to raise the format.
const goldenRow = "93" + // head, quarantine, entities
	"95" + "03" + "03" + "00" + "00" + "c0" + // seq, version, epoch, quarantined never, restored never
	"92" + "00" + "a0" + // no event and no reason
	"94" + // two kinds with an entity each
	"41" + "9b" + "b3" + "743030303030372e6578616d706c652e6e6574" + // A: its URL,
	"c410" + "3d5f0fd838608f1fbc5b2a7cf3cfaa32" + "c410" + "673aeeb08cfb800b91e5e3c60b5ba318" + // cloud id, account,
	"a8" + "7374616e64617264" + "c2" + "a6" + "616374697665" + "cf16e2ee5918682000" + // tier, not internal, status, created,
	"82" + "a8" + "6c616e6775616765" + "a2" + "656e" + "a8" + "74696d657a6f6e65" + "a3" + "555443" + // metadata,
	"81" + "aa" + "6e65772d656469746f72" + "c2" + "07" + "cf16e2ee5918682000" + // flags, users, last activity
	"42" + "93" + "aa" + "65752d63656e7472616c" + "ad" + "65752d63656e7472616c2d3037" + "a0" // B: region, shard, residency

func TestRow(t *testing.T) {
	t.Parallel()
	db := openView(t, 0)
	fold(t, db, aTenant, aLife(7)...)
	raw, found, err := db.Get(projectors.WholeRow(events.OfTenant(aTenant)))
	if err != nil || !found {
		t.Fatal(found, err)
	}
	if got := hex.EncodeToString(raw); got != goldenRow {
		t.Errorf("the row is\n%s, not\n%s", got, goldenRow)
	}
}

// What a caller does with a record is nothing to the next one.
func TestRecordsAreTheCallers(t *testing.T) {
	t.Parallel()
	db := openView(t, 0)
	fold(t, db, aTenant, aLife(7)...)
	want := get(t, db, aTenant)
	for range 5 {
		s, err := db.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []viewdb.Reader{db, s} {
			got := get(t, r, aTenant)
			if d := cmp.Diff(want, got, cmp.Comparer(func(a, b events.TenantID) bool { return a == b }), cmp.Comparer(func(a, b events.AccountID) bool { return a == b })); d != "" {
				t.Fatal(d)
			}
			got.Metadata["language"], got.Flags["new-editor"] = "spoilt", true
			delete(got.Metadata, "timezone")
			got.URL = "spoilt.example.net"
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// While tenants change, whoever reads one sees every event that was there before.
func TestReadYourWrites(t *testing.T) {
	t.Parallel()
	db := openView(t, 8)
	ids := make([]events.TenantID, 12)
	for i := range ids {
		ids[i] = events.DeriveID[events.TenantID](string(rune('a' + i)))
		fold(t, db, ids[i], aLife(i)...)
	}
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			last := map[events.TenantID]events.Seq{}
			for {
				select {
				case <-done:
					return
				default:
				}
				id := ids[rand.IntN(len(ids))]
				record, found, err := tenants.Get(db, id)
				if err != nil || !found || record.Seq < last[id] {
					t.Errorf("%s: %v, %v, event %d after %d", id, found, err, record.Seq, last[id])
				}
				last[id] = record.Seq
				record.Metadata["language"] = "spoilt"
			}
		})
	}
	for i := range 500 {
		id := ids[rand.IntN(len(ids))]
		fold(t, db, id, events.TenantUsageReported{ActiveUsers: uint64(i)})
		record := get(t, db, id)
		if record.ActiveUsers != uint64(i) || record.Seq != db.Checkpoint().Seq || record.Metadata["language"] != "en" {
			t.Errorf("after event %d: %+v", db.Checkpoint().Seq, record)
		}
	}
	close(done)
	wg.Wait()
}

// A tenant without an event is not found; one with an event that cannot be read is
// refused, even if it had none before; nonsense in its row is damage. None of it
// is forgotten or taken for another answer.
func TestGetRefuses(t *testing.T) {
	t.Parallel()
	db := openView(t, 0)
	poisoned, spoilt, unknown := events.DeriveID[events.TenantID]("p"), events.DeriveID[events.TenantID]("s"), events.DeriveID[events.TenantID]("u")
	fold(t, db, aTenant, aLife(1)...)
	fold(t, db, spoilt, aLife(2)...)
	for _, id := range []events.TenantID{aTenant, spoilt} {
		get(t, db, id)
	}
	if _, found, err := tenants.Get(db, poisoned); err != nil || found {
		t.Error(found, err)
	}
	for _, id := range []events.TenantID{aTenant, poisoned} {
		bad := stored(t, db.Checkpoint().Seq+1, events.OfTenant(id), events.TenantDeactivated{})
		bad.Data = []byte("garbage")
		if err := projectors.Folder(db, tenants.New(), "test", projectors.NewVoucher(deletion.Genesis{}))([]events.Stored{bad}); err != nil {
			t.Fatal(err)
		}
	}
	b := db.NewBatch()
	row := projectors.WholeRow(events.OfTenant(spoilt))
	if err := errors.Join(b.Set(row, []byte{0x93, 0x95}), b.Commit(db.Checkpoint())); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, id := range []events.TenantID{aTenant, poisoned} {
			if _, _, err := tenants.Get(db, id); !errors.Is(err, projectors.ErrQuarantined) {
				t.Error(err)
			}
			if err := projectors.Trusted(db, events.OfTenant(id)); !errors.Is(err, projectors.ErrQuarantined) {
				t.Error(err)
			}
		}
		if _, _, err := tenants.Get(db, spoilt); !errors.Is(err, viewdb.ErrCorrupt) {
			t.Error(err)
		}
		if _, found, err := tenants.Get(db, unknown); err != nil || found {
			t.Error(found, err)
		}
	}
	list, err := projectors.Quarantined(db)
	if err != nil || len(list) != 2 {
		t.Error(list, err)
	}
}
