package projectors_test

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/apps"
	"tenantcatalogue/projectors/commerce"
	"tenantcatalogue/projectors/contacts"
	"tenantcatalogue/projectors/identity"
	"tenantcatalogue/projectors/placement"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
)

// tuples gathers lines, each about one thing, to compare lists with.
type tuples map[string]int

func (s tuples) add(fields ...any) { s[fmt.Sprintln(fields...)]++ }

// pages reads every page of a list, three items at a time.
func pages[T any](t testing.TB, list func(after []byte, limit int) ([]T, []byte, error)) (all []T) {
	t.Helper()
	var after []byte
	for {
		page, next, err := list(after, 3)
		if err != nil || len(page) > 3 {
			t.Fatalf("a page of %d: %v", len(page), err)
		}
		all = append(all, page...)
		if next == nil {
			return all
		}
		after = next
	}
}

// Every query of every view answers what a search through the whole of the
// folded states would.
func TestQueriesAnswerWhatTheStatesHold(t *testing.T) {
	t.Parallel()
	log := someHistory(t, 21, 3000)
	facts, err := catalogtest.Fold(log)
	if err != nil {
		t.Fatal(err)
	}
	folded := map[string]*viewdb.DB{}
	for _, v := range allViews() {
		folded[v.Name()] = openDB(t, v, vfs.NewMem())
		if err := projectors.Folder(folded[v.Name()], v, "test", projectors.NewVoucher(deletion.Genesis{}))(log); err != nil {
			t.Fatal(err)
		}
	}
	for name, query := range map[string]func(testing.TB, viewdb.Reader, *catalogtest.Facts) (want, got tuples){
		tenants.Name: queryTenants, commerce.Name: queryCommerce, identity.Name: queryIdentity,
		placement.Name: queryPlacement, apps.Name: queryApps, contacts.Name: queryContacts,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, got := query(t, folded[name], facts)
			if len(want) < 20 {
				t.Errorf("%d answers only: the test means little", len(want))
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// each calls fn for every entity of a type in the states of tenants.
func each[E events.Entity](facts *catalogtest.Facts, fn func(events.TenantID, catalogue.MapState, E)) {
	for about, state := range facts.States {
		for _, entity := range state {
			if e, ok := entity.(E); ok && about.Kind == events.AggregateTenant {
				fn(about.Tenant(), state, e)
			}
		}
	}
}

func queryTenants(t testing.TB, r viewdb.Reader, facts *catalogtest.Facts) (want, got tuples) {
	t.Helper()
	want, got = tuples{}, tuples{}
	filters := []tenants.Filter{
		{},
		{Region: "eu"},
		{Status: events.TenantStatusDeleted},
		{Status: events.TenantStatusActive, Region: "us"},
		{Internal: new(bool)},
		{Tier: "standard"},
		{Tier: "premium"},
	}
	each(facts, func(_ events.TenantID, _ catalogue.MapState, e events.Tenant) {
		if len(filters) < 10 {
			filters = append(filters, tenants.Filter{Account: e.Account}, tenants.Filter{Account: e.Account, Status: e.Status})
		}
	})
	each(facts, func(id events.TenantID, state catalogue.MapState, e events.Tenant) {
		at, _ := state[events.Placement{}.EntityKey()].(events.Placement)
		head := facts.Heads[events.OfTenant(id)]
		record := []any{id, e, at, head.Epoch, head.Version, head.Seq}
		for _, by := range []string{"id", "cloud id", "url"} {
			want.add(append([]any{by}, record...)...)
		}
		for i, f := range filters {
			if (f.Account.IsZero() || f.Account == e.Account) && (f.Region == "" || f.Region == at.Region) &&
				(f.Status == "" || f.Status == e.Status) && f.Tier != "premium" && (f.Internal == nil || !e.Internal) {
				want.add(append([]any{i}, record...)...)
			}
		}
		add := func(by any, r tenants.Record, found bool, err error) {
			if err != nil || !found {
				t.Errorf("%s by %v: %v, %v", id, by, found, err)
			}
			got.add(by, r.ID, r.Tenant, r.Placement, r.Epoch, r.Version, r.Seq)
		}
		record1, found, err := tenants.Get(r, id)
		add("id", record1, found, err)
		record1, found, err = tenants.ByCloudID(r, e.CloudID)
		add("cloud id", record1, found, err)
		record1, found, err = tenants.ByURL(r, e.URL)
		add("url", record1, found, err)
	})
	for i, f := range filters {
		for _, r := range pages(t, func(after []byte, limit int) ([]tenants.Record, []byte, error) {
			return tenants.List(r, f, after, limit)
		}) {
			got.add(i, r.ID, r.Tenant, r.Placement, r.Epoch, r.Version, r.Seq)
		}
	}
	if _, found, err := tenants.ByURL(r, "nobody.example.net"); found || err != nil {
		t.Errorf("a URL nobody has: %v, %v", found, err)
	}
	return want, got
}

func queryCommerce(t testing.TB, r viewdb.Reader, facts *catalogtest.Facts) (want, got tuples) {
	t.Helper()
	want, got = tuples{}, tuples{}
	names, statuses, owners := map[string]bool{}, map[events.ProductStatus]bool{}, map[events.TenantID]bool{}
	each(facts, func(id events.TenantID, _ catalogue.MapState, p events.Product) {
		names[p.Name], statuses[p.Status], owners[id] = true, true, true
		for _, by := range []string{"id", "tenant", "name " + p.Name, "status " + string(p.Status)} {
			want.add(by, id, p)
		}
		one, found, err := commerce.Get(r, p.ID)
		if err != nil || !found {
			t.Errorf("%s: %v, %v", p.ID, found, err)
		}
		got.add("id", one.Tenant, one.Product)
	})
	for id := range owners {
		list, err := commerce.OfTenant(r, id)
		if err != nil {
			t.Error(err)
		}
		for _, p := range list {
			got.add("tenant", id, p)
		}
	}
	for name := range names {
		for _, p := range pages(t, func(after []byte, limit int) ([]commerce.Product, []byte, error) {
			return commerce.ByName(r, name, after, limit)
		}) {
			got.add("name "+name, p.Tenant, p.Product)
		}
	}
	for status := range statuses {
		for _, p := range pages(t, func(after []byte, limit int) ([]commerce.Product, []byte, error) {
			return commerce.ByStatus(r, status, after, limit)
		}) {
			got.add("status "+string(status), p.Tenant, p.Product)
		}
	}
	return want, got
}

func queryIdentity(t testing.TB, r viewdb.Reader, facts *catalogtest.Facts) (want, got tuples) {
	t.Helper()
	want, got = tuples{}, tuples{}
	users := map[string]bool{}
	each(facts, func(id events.TenantID, _ catalogue.MapState, m events.Member) {
		users[m.User] = true
		want.add("member", id, m)
		want.add("tenant of", m.User, id, m.Roles, m.Groups)
		for _, role := range m.Roles {
			if role == events.RoleSiteAdmin {
				want.add("admin", id, m)
			}
		}
		if one, found, err := identity.Member(r, id, m.User); err != nil || !found || one.User != m.User {
			t.Errorf("%s of %s: %v, %v", m.User, id, found, err)
		}
	})
	each(facts, func(id events.TenantID, _ catalogue.MapState, g events.Group) { want.add("group", id, g) })
	each(facts, func(id events.TenantID, _ catalogue.MapState, _ events.Tenant) {
		for _, m := range pages(t, func(after []byte, limit int) ([]events.Member, []byte, error) {
			return identity.Members(r, id, after, limit)
		}) {
			got.add("member", id, m)
		}
		for _, m := range pages(t, func(after []byte, limit int) ([]events.Member, []byte, error) {
			return identity.SiteAdmins(r, id, after, limit)
		}) {
			got.add("admin", id, m)
		}
		for _, g := range pages(t, func(after []byte, limit int) ([]events.Group, []byte, error) {
			return identity.Groups(r, id, after, limit)
		}) {
			got.add("group", id, g)
		}
	})
	for user := range users {
		for _, m := range pages(t, func(after []byte, limit int) ([]identity.Membership, []byte, error) {
			return identity.TenantsOf(r, user, after, limit)
		}) {
			got.add("tenant of", user, m.Tenant, m.Roles, m.Groups)
		}
	}
	return want, got
}

func queryPlacement(t testing.TB, r viewdb.Reader, facts *catalogtest.Facts) (want, got tuples) {
	t.Helper()
	want, got = tuples{}, tuples{}
	regions, shards := map[string]bool{}, map[string]bool{}
	each(facts, func(id events.TenantID, _ catalogue.MapState, at events.Placement) {
		regions[at.Region], shards[at.Shard] = true, true
		want.add("region", at.Region, id, at)
		want.add("shard", at.Shard, id, at)
		if one, found, err := placement.Of(r, id); err != nil || !found || one != at {
			t.Errorf("%s: %v, %v, %v", id, one, found, err)
		}
	})
	each(facts, func(id events.TenantID, _ catalogue.MapState, e events.Resource) { want.add("resource", id, e) })
	each(facts, func(id events.TenantID, _ catalogue.MapState, _ events.Tenant) {
		for _, e := range pages(t, func(after []byte, limit int) ([]events.Resource, []byte, error) {
			return placement.Resources(r, id, after, limit)
		}) {
			got.add("resource", id, e)
		}
	})
	for region := range regions {
		for _, e := range pages(t, func(after []byte, limit int) ([]placement.Tenant, []byte, error) {
			return placement.InRegion(r, region, after, limit)
		}) {
			got.add("region", region, e.Tenant, e.Placement)
		}
	}
	for shard := range shards {
		for _, e := range pages(t, func(after []byte, limit int) ([]placement.Tenant, []byte, error) {
			return placement.OnShard(r, shard, after, limit)
		}) {
			got.add("shard", shard, e.Tenant, e.Placement)
		}
	}
	return want, got
}

func queryApps(t testing.TB, r viewdb.Reader, facts *catalogtest.Facts) (want, got tuples) {
	t.Helper()
	want, got = tuples{}, tuples{}
	names := map[string]bool{}
	each(facts, func(id events.TenantID, _ catalogue.MapState, a events.App) {
		names[a.Name] = true
		want.add("id", id, a)
		want.add("tenant", id, a)
		if a.Installed {
			want.add("name "+a.Name, id, a)
			want.add("installed", id, a)
		}
		one, found, err := apps.Get(r, a.ID)
		if err != nil || !found {
			t.Errorf("%s: %v, %v", a.ID, found, err)
		}
		got.add("id", one.Tenant, one.App)
	})
	each(facts, func(id events.TenantID, _ catalogue.MapState, _ events.Tenant) {
		all, err := apps.OfTenant(r, id)
		if err != nil {
			t.Error(err)
		}
		for _, a := range all {
			got.add("tenant", id, a)
		}
		installed, err := apps.Installed(r, id)
		if err != nil {
			t.Error(err)
		}
		for _, a := range installed {
			got.add("installed", id, a)
		}
	})
	for name := range names {
		for _, a := range pages(t, func(after []byte, limit int) ([]apps.App, []byte, error) { return apps.ByName(r, name, after, limit) }) {
			got.add("name "+name, a.Tenant, a.App)
		}
	}
	return want, got
}

func queryContacts(t testing.TB, r viewdb.Reader, facts *catalogtest.Facts) (want, got tuples) {
	t.Helper()
	want, got = tuples{}, tuples{}
	each(facts, func(id events.TenantID, _ catalogue.MapState, e events.Tenant) {
		want.add("account", e.Account, id, e.URL, e.Status)
		tenant, found, err := contacts.Get(r, id)
		if err != nil || !found || tenant.URL != e.URL || tenant.Status != e.Status || tenant.Account != e.Account {
			t.Errorf("%s: %+v, %v, %v", id, tenant, found, err)
		}
	})
	mails := map[string]bool{}
	for about, state := range facts.States {
		if about.Kind != events.AggregateAccount {
			continue
		}
		account := about.Account()
		if _, found, err := contacts.Account(r, account); err != nil || !found {
			t.Errorf("%s: %v, %v", account, found, err)
		}
		for _, entity := range state {
			if c, ok := entity.(events.Contact); ok {
				mail, err := openSeal{}.OpenPersonal(about, c.Email)
				if err != nil {
					t.Fatal(err)
				}
				mails[string(mail)] = true
				want.add("contact", account, c)
				want[fmt.Sprintln("mail", mail, account)] = 1
			}
		}
		list, err := contacts.Contacts(r, account)
		if err != nil {
			t.Error(err)
		}
		for _, c := range list {
			got.add("contact", account, c)
		}
		for _, e := range pages(t, func(after []byte, limit int) ([]contacts.Tenant, []byte, error) {
			return contacts.ByAccount(r, account, after, limit)
		}) {
			got.add("account", account, e.ID, e.URL, e.Status)
		}
	}
	for mail := range mails {
		accounts, err := contacts.AccountsByEmail(r, openSeal{}, " "+mail)
		if err != nil {
			t.Error(err)
		}
		for _, account := range accounts {
			got.add("mail", mail, account)
		}
	}
	return want, got
}
