package contacts_test

import (
	"crypto/rand"
	"errors"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/events/seal"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/contacts"
	"tenantcatalogue/projectors/viewdb"
)

var (
	anAccount = events.OfAccount(events.DeriveID[events.AccountID]("a"))
	another   = events.OfAccount(events.DeriveID[events.AccountID]("b"))
	aTenant   = events.OfTenant(events.DeriveID[events.TenantID]("t"))
)

// view is a contacts view with what is needed to write to it.
type view struct {
	*viewdb.DB
	t      testing.TB
	sealer *seal.Sealer
	log    []events.Stored
}

func newView(t testing.TB) *view {
	t.Helper()
	ring, err := seal.NewMemoryRing(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	v := &view{t: t, sealer: seal.New(ring)}
	v.open()
	return v
}

// open folds the log into a view of its own.
func (v *view) open() {
	v.t.Helper()
	db, err := viewdb.Open(viewdb.Config{Dir: "v", Name: contacts.Name, Format: contacts.Format, FS: vfs.NewMem()})
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { _ = db.Close() })
	v.DB = db
	if len(v.log) > 0 {
		v.fold(v.log...)
	}
}

func (v *view) fold(stored ...events.Stored) {
	v.t.Helper()
	if err := projectors.Folder(v.DB, contacts.New(v.sealer), "test", projectors.NewVoucher(deletion.Genesis{}))(stored); err != nil {
		v.t.Fatal(err)
	}
}

// add writes an event, sealed.
func (v *view) add(about events.Aggregate, p events.Payload) {
	v.t.Helper()
	seq := events.Seq(len(v.log) + 1)
	e, err := v.sealer.SealNew(events.Event{
		ID: events.DeriveID[events.EventID](seq.String()), Source: "/services/test", About: about, Time: events.Time(seq),
		Actor: "user_1", Payload: p, Seq: seq,
	})
	if err != nil {
		v.t.Fatal(err)
	}
	s, err := events.Encode(e)
	if err != nil {
		v.t.Fatal(err)
	}
	v.log = append(v.log, s)
	v.fold(s)
}

func contactsOf(mails ...events.Personal) events.AccountContactsUpdated {
	var p events.AccountContactsUpdated
	for _, m := range mails {
		p.Contacts = append(p.Contacts, events.ContactInfo{Kind: events.ContactAdmin, Email: m, Phone: "+1 (555) 0100"})
	}
	return p
}

func (v *view) byMail(mail string, want ...events.Aggregate) {
	v.t.Helper()
	got, err := contacts.AccountsByEmail(v, v.sealer, mail)
	v.check(mail, got, err, want)
}

func (v *view) byPhone(number string, want ...events.Aggregate) {
	v.t.Helper()
	got, err := contacts.AccountsByPhone(v, v.sealer, number)
	v.check(number, got, err, want)
}

func (v *view) check(what string, got []events.AccountID, err error, want []events.Aggregate) {
	v.t.Helper()
	var ids []events.AccountID
	for _, a := range want {
		ids = append(ids, a.Account())
	}
	slices.SortFunc(ids, events.AccountID.Compare)
	if err != nil || !slices.Equal(got, ids) {
		v.t.Errorf("%s finds %v, %v; %v is wanted", what, got, err, ids)
	}
}

func TestContactsAreFoundByWhatTheyAre(t *testing.T) {
	t.Parallel()
	v := newView(t)
	v.add(anAccount, events.AccountCreated{Name: "A"})
	v.add(another, events.AccountCreated{Name: "B"})
	v.add(anAccount, contactsOf("One@example.com", "two@example.com"))
	v.add(another, contactsOf("two@example.com"))
	v.byMail("one@EXAMPLE.com ", anAccount)
	v.byMail("two@example.com", anAccount, another)
	v.byMail("three@example.com")
	v.byPhone("+1-555-0100", anAccount, another)
	v.add(anAccount, contactsOf("three@example.com"))
	v.byMail("one@example.com")
	v.byMail("two@example.com", another)
	v.byMail("three@example.com", anAccount)
	hash := v.sealer.Index(seal.IndexEmail, "three@example.com")
	got, err := contacts.AccountsByHash(v, v.sealer, seal.IndexEmail, hash)
	v.check("the hash", got, err, []events.Aggregate{anAccount})
}

// Whoever has been erased is not found from that moment, and a rebuilt view
// holds nothing to find them by.
func TestTheErasedAreNotFound(t *testing.T) {
	t.Parallel()
	v := newView(t)
	v.add(anAccount, events.AccountCreated{Name: "A"})
	v.add(another, events.AccountCreated{Name: "B"})
	v.add(anAccount, contactsOf("two@example.com"))
	v.add(another, contactsOf("two@example.com"))
	if err := v.sealer.Erase(anAccount); err != nil {
		t.Fatal(err)
	}
	v.byMail("two@example.com", another)
	v.byPhone("+1 555 0100", another)
	v.add(anAccount, contactsOf()) // what the view filed for them cannot be computed any more
	v.byMail("two@example.com", another)
	v.open()
	v.byMail("two@example.com", another)
	n := 0
	err := projectors.ScanIndex(v, projectors.IndexKey('h'), nil, func([]byte) error { n++; return nil })
	if err != nil || n != 2 {
		t.Errorf("the rebuilt view has %d entries for one contact with an address and a number: %v", n, err)
	}
}

// A field that does not open quarantines its account, and nobody else.
func TestAFieldThatDoesNotOpenQuarantines(t *testing.T) {
	t.Parallel()
	v := newView(t)
	v.add(anAccount, events.AccountCreated{Name: "A"})
	v.add(anAccount, contactsOf("one@example.com"))
	moved := v.log[1]
	moved.About, moved.Seq = another, 3
	v.fold(moved) // sealed under another's key
	if _, err := contacts.Contacts(v, another.Account()); !errors.Is(err, projectors.ErrQuarantined) {
		t.Errorf("got %v", err)
	}
	v.byMail("one@example.com", anAccount)
}

// A tenant is found by every URL it ever had, by its account, and after it has
// been deleted.
func TestATenantIsFoundForGood(t *testing.T) {
	t.Parallel()
	v := newView(t)
	v.add(anAccount, events.AccountCreated{Name: "A"})
	v.add(anAccount, contactsOf("one@example.com"))
	v.add(aTenant, events.TenantCreated{URL: "first.example.net", Account: anAccount.Account(), Region: "eu", Tier: "standard"})
	v.add(aTenant, events.TenantRenamed{URL: "second.example.net"})
	v.add(aTenant, events.TenantDeleted{})
	want := []contacts.Tenant{{
		ID: aTenant.Tenant(), URL: "second.example.net", Account: anAccount.Account(), Status: events.TenantStatusDeleted,
	}}
	check := func() {
		t.Helper()
		for _, url := range []string{"first.example.net", "second.example.net"} {
			got, next, err := contacts.ByURL(v, url, nil, 10)
			if d := cmp.Diff(want, got, cmp.Comparer(sameTenant), cmp.Comparer(sameAccount)); d != "" || next != nil || err != nil {
				t.Errorf("%s: %s %v", url, d, err)
			}
		}
		got, _, err := contacts.ByAccount(v, anAccount.Account(), nil, 10)
		if d := cmp.Diff(want, got, cmp.Comparer(sameTenant), cmp.Comparer(sameAccount)); d != "" || err != nil {
			t.Errorf("by account: %s %v", d, err)
		}
	}
	check()
	state, found, err := projectors.Entity[events.Tenant](v, aTenant, events.Tenant{}.EntityKey())
	if err != nil || !found {
		t.Fatal(err)
	}
	state.Status, state.URL = events.TenantStatusActive, "third.example.net"
	v.add(aTenant, events.TenantRestored{Epoch: 2, Part: 1, Parts: 1, Entities: events.Entities{state}})
	want[0].Status, want[0].URL = events.TenantStatusActive, "third.example.net"
	check()
	if got, _, err := contacts.ByURL(v, "third.example.net", nil, 10); err != nil || len(got) != 1 {
		t.Errorf("the URL it was restored with: %v, %v", got, err)
	}
	if list, err := contacts.Contacts(v, anAccount.Account()); err != nil || len(list) != 1 || !list[0].Email.Sealed() {
		t.Errorf("contacts: %v, %v", list, err)
	}
}

func sameTenant(a, b events.TenantID) bool   { return a == b }
func sameAccount(a, b events.AccountID) bool { return a == b }
