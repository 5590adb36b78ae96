package projectors_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/apps"
	"tenantcatalogue/projectors/commerce"
	"tenantcatalogue/projectors/contacts"
	"tenantcatalogue/projectors/identity"
	"tenantcatalogue/projectors/placement"
	"tenantcatalogue/projectors/tenants"
)

// A quarantined tenant shows in lists, with its id and why, and is refused
// where it is asked for.
func TestListsShowWhatIsQuarantined(t *testing.T) {
	t.Parallel()
	life := aTenantsLife(t)
	bad := poison(aTenant, "one")
	bad.Seq = events.Seq(len(life) + 1)
	life = append(life, bad)
	tenant := aTenant.Tenant()
	product, app := events.DeriveID[events.ProductID]("p"), events.DeriveID[events.AppID]("a")
	for _, v := range allViews() {
		r := openDB(t, v, vfs.NewMem())
		if err := projectors.Folder(r, v, "test", projectors.NewVoucher(deletion.Genesis{}))(life); err != nil {
			t.Fatal(err)
		}
		var shown [][2]any // tenant and why
		var err error
		switch v.Name() {
		case tenants.Name:
			for _, f := range []tenants.Filter{{}, {Account: anAccount.Account()}, {Region: "eu"}, {Status: "active"}} {
				var list []tenants.Record
				list, _, err = tenants.List(r, f, nil, 9)
				for _, e := range list {
					shown = append(shown, [2]any{e.ID, e.Quarantined})
				}
			}
		case commerce.Name:
			var list []commerce.Product
			list, _, err = commerce.ByName(r, "issue-tracker", nil, 9)
			for _, e := range list {
				shown = append(shown, [2]any{e.Tenant, e.Quarantined})
				if e.ID != product {
					t.Errorf("the product is %s", e.ID)
				}
			}
		case identity.Name:
			var list []identity.Membership
			list, _, err = identity.TenantsOf(r, "user_1", nil, 9)
			for _, e := range list {
				shown = append(shown, [2]any{e.Tenant, e.Quarantined})
			}
			if _, _, err := identity.SiteAdmins(r, tenant, nil, 9); err == nil {
				t.Error("the admins of a quarantined tenant are listed")
			}
		case placement.Name:
			var list []placement.Tenant
			list, _, err = placement.InRegion(r, "eu", nil, 9)
			for _, e := range list {
				shown = append(shown, [2]any{e.Tenant, e.Quarantined})
			}
			resources, _, err := placement.ResourcesOn(r, "eu-1", nil, 9)
			if err != nil || len(resources) != 1 || resources[0].Quarantined == "" {
				t.Errorf("resources: %v, %v", resources, err)
			}
		case apps.Name:
			var list []apps.App
			list, _, err = apps.ByName(r, "asset-tracker", nil, 9)
			for _, e := range list {
				shown = append(shown, [2]any{e.Tenant, e.Quarantined})
				if e.ID != app {
					t.Errorf("the app is %s", e.ID)
				}
			}
		case contacts.Name:
			var list []contacts.Tenant
			list, _, err = contacts.ByURL(r, "a.example.net", nil, 9)
			for _, e := range list {
				shown = append(shown, [2]any{e.ID, e.Quarantined})
			}
		}
		if err != nil || len(shown) == 0 {
			t.Errorf("view %s: %v, %v", v.Name(), shown, err)
		}
		for _, s := range shown {
			if s[0] != tenant || s[1] == "" {
				t.Errorf("view %s shows %v", v.Name(), s)
			}
		}
	}
}
