package catalogue_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// step is something that is published about an aggregate, in its epoch.
type step struct {
	about   events.Aggregate
	payload events.Payload
}

func t1(p events.Payload) step { return step{events.OfTenant(tenantID(1)), p} }
func t2(p events.Payload) step { return step{events.OfTenant(tenantID(2)), p} }
func t3(p events.Payload) step { return step{events.OfTenant(tenantID(3)), p} }
func ac(p events.Payload) step { return step{events.OfAccount(accountID(2)), p} }

func restoration(n int) events.Aggregate {
	return events.OfRestoration(events.DeriveID[events.RestoreID](fmt.Sprint("restoration", n)))
}

func rs(p events.Payload) step { return step{restoration(1), p} }

// back restores tenant 1 to a URL, in the epoch given.
func back(epoch uint64, host string) events.TenantRestored {
	record := events.Tenant{URL: host, CloudID: created(1).CloudID, Account: accountID(1), Tier: "standard", Status: events.TenantStatusActive}
	return events.TenantRestored{
		Restoration: restoration(1).Restoration(), Mode: events.Rewind, Epoch: epoch, Part: 1, Parts: 1,
		Entities: events.Entities{record, events.Placement{Region: "eu"}},
	}
}

func pinnedTo(region string) events.TenantCreated {
	p := created(3)
	p.Residency = region
	return p
}

func withURL(n int, host string) events.TenantCreated {
	p := created(n)
	p.URL = host
	return p
}

func withCloudOf(n, other int) events.TenantCreated {
	p := created(n)
	p.CloudID = created(other).CloudID
	return p
}

func ofAccount(n int) events.TenantCreated {
	p := created(3)
	p.Account = accountID(n)
	return p
}

var (
	activated   = events.ProductActivated{Product: productID(1), Name: "issue-tracker", Seats: 5}
	again       = events.ProductActivated{Product: productID(1)}
	inactive    = events.ProductDeactivated{Product: productID(1)}
	suspended   = events.ProductSuspended{Product: productID(1)}
	unsuspended = events.ProductUnsuspended{Product: productID(1)}
	licensed    = events.ProductLicenseUpdated{Product: productID(1), Edition: "premium", Seats: 9, Active: true}
	licensedV1  = events.ProductLicenseUpdatedV1{Product: productID(1), License: "premium", Users: 9}
	install     = events.AppInstalled{App: appID(), Name: "asset-tracker"}
	uninstall   = events.AppUninstalled{App: appID()}
	reinstall   = events.AppRestored{App: appID(), Name: "asset-tracker"}
	provision   = events.ResourceProvisioned{Service: "media", Kind: events.ResourceDatabase, Name: "db1", Region: "eu"}
	deprovision = events.ResourceDeprovisioned{Service: "media", Kind: events.ResourceDatabase, Name: "db1"}
	grant       = events.IdentityMemberGranted{User: "user_1", Roles: []string{events.RoleSiteAdmin}}
	revoke      = events.IdentityMemberRevoked{User: "user_1"}
	group       = events.IdentityGroupSet{Group: "group_1", Name: "admins"}
	ungroup     = events.IdentityGroupRemoved{Group: "group_1"}
	permit      = events.IdentityPermissionsChanged{Group: "group_1", Permissions: []string{"write"}}
	configure   = events.TenantConfigured{Metadata: map[string]string{"a": "b"}}
	usage       = events.TenantUsageReported{ActiveUsers: 3}
	relocate    = events.TenantRelocated{Region: "eu", Shard: "s2"}
	planned     = events.RestorationPlanned{Mode: events.Rewind, Part: 1, Parts: 1}
	plannedMore = events.RestorationPlanned{Mode: events.Rewind, Part: 2, Parts: 2}
	finished    = events.RestorationFinished{}

	deactivate, reactivate, remove = events.TenantDeactivated{}, events.TenantReactivated{}, events.TenantDeleted{}
	contacts                       = events.AccountContactsUpdated{Contacts: []events.ContactInfo{{Kind: events.ContactBilling}}}
)

// TestTransitions publishes what is given, which must be taken, and then the
// event in question to a catalogue with account 1 and its tenants 1 and 2.
// Where there is no error it must be taken too.
func TestTransitions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		given []step
		when  step
		want  error
		met   string // in the answer
	}{
		{name: "account", when: ac(events.AccountCreated{})},
		{"account twice", []step{ac(events.AccountCreated{})}, ac(events.AccountCreated{}), catalogue.ErrIDReused, "exists"},
		{"contacts", []step{ac(events.AccountCreated{})}, ac(contacts), nil, ""},
		{"contacts of nobody", nil, ac(contacts), catalogue.ErrNotFound, "account.created.v1 first"},

		{name: "create", when: t3(created(3))},
		{"create twice", nil, t1(created(3)), catalogue.ErrIDReused, "exists"},
		{"create what is deleted", []step{t1(remove)}, t1(created(3)), catalogue.ErrIDReused, "exists"},
		{"create for nobody", nil, t3(ofAccount(9)), catalogue.ErrNotFound, "account_"},
		{"create with a URL that is taken", nil, t3(withURL(3, url(1))), catalogue.ErrClaimed, "url t1.example.net belongs to tenant_"},
		{"create with a cloud id that is taken", nil, t3(withCloudOf(3, 1)), catalogue.ErrClaimed, "cloud_id"},
		{"create with the URL of a deleted tenant", []step{t1(remove)}, t3(withURL(3, url(1))), catalogue.ErrClaimed, "belongs to"},
		{"create with the cloud id of a deleted tenant", []step{t1(remove)}, t3(withCloudOf(3, 1)), catalogue.ErrClaimed, "belongs to"},
		{"create with a URL given up", []step{t1(events.TenantRenamed{URL: url(7)})}, t3(withURL(3, url(1))), nil, ""},
		{"create with a URL renamed to", []step{t1(events.TenantRenamed{URL: url(7)})}, t3(withURL(3, url(7))), catalogue.ErrClaimed, "belongs to"},
		{"create where it is pinned", nil, t3(pinnedTo("eu")), nil, ""},
		{"create where it must not be", nil, t3(pinnedTo("us")), catalogue.ErrIllegal, "pinned to us"},

		{"rename", nil, t1(events.TenantRenamed{URL: url(7)}), nil, ""},
		{"rename to the same", nil, t1(events.TenantRenamed{URL: url(1)}), catalogue.ErrIllegal, "already"},
		{"rename to another's", nil, t1(events.TenantRenamed{URL: url(2)}), catalogue.ErrClaimed, "belongs to"},
		{"rename back", []step{t1(events.TenantRenamed{URL: url(7)})}, t1(events.TenantRenamed{URL: url(1)}), nil, ""},
		{"rename in a ring", []step{t1(events.TenantRenamed{URL: url(7)}), t2(events.TenantRenamed{URL: url(1)})}, t1(events.TenantRenamed{URL: url(2)}), nil, ""},

		{"configure", nil, t1(configure), nil, ""},
		{"usage", nil, t1(usage), nil, ""},
		{"deactivate", nil, t1(deactivate), nil, ""},
		{"deactivate twice", []step{t1(deactivate)}, t1(deactivate), catalogue.ErrIllegal, "is deactivated, not active"},
		{"reactivate", []step{t1(deactivate)}, t1(reactivate), nil, ""},
		{"reactivate what is active", nil, t1(reactivate), catalogue.ErrIllegal, "is active, not deactivated"},
		{"delete what is deactivated", []step{t1(deactivate)}, t1(remove), nil, ""},
		{"delete twice", []step{t1(remove)}, t1(remove), catalogue.ErrIllegal, "is deleted"},
		{"relocate", nil, t1(relocate), nil, ""},
		{"relocate out of its residency", []step{t3(pinnedTo("eu"))}, t3(events.TenantRelocated{Region: "us"}), catalogue.ErrIllegal, "pinned to eu"},
		{"relocate within its residency", []step{t3(pinnedTo("eu"))}, t3(relocate), nil, ""},

		{"restore what lives", nil, t1(back(1, url(1))), nil, ""},
		{"restore what is deleted", []step{t1(remove)}, t1(back(2, url(1))), nil, ""},
		{"restore what never was", nil, t3(back(1, url(1))), catalogue.ErrNotFound, "there is no tenant_"},
		{"restore to a URL taken since", []step{t1(events.TenantRenamed{URL: url(7)}), t2(events.TenantRenamed{URL: url(1)})}, t1(back(1, url(1))), catalogue.ErrClaimed, "belongs to"},
		{"restore to a URL given up", []step{t1(events.TenantRenamed{URL: url(7)})}, t1(back(1, url(1))), nil, ""},
		{"restore twice", []step{t1(remove), t1(back(2, url(1)))}, t1(back(2, url(1))), catalogue.ErrEpoch, "is in epoch 2, the plan leads to 2"},
		{"life goes on after a restore", []step{t1(remove), t1(back(2, url(1)))}, t1(deactivate), nil, ""},

		{"activate", nil, t1(activated), nil, ""},
		{"activate without a name", nil, t1(again), catalogue.ErrIllegal, "no name"},
		{"activate what is active", []step{t1(activated)}, t1(activated), catalogue.ErrIllegal, "is active, not inactive"},
		{"activate what is suspended", []step{t1(activated), t1(suspended)}, t1(activated), catalogue.ErrIllegal, "is suspended, not inactive"},
		{"activate again", []step{t1(activated), t1(inactive)}, t1(activated), nil, ""},
		{"activate again without a name", []step{t1(activated), t1(inactive)}, t1(again), nil, ""},
		{
			"activate again by another name",
			[]step{t1(activated), t1(inactive)},
			t1(events.ProductActivated{Product: productID(1), Name: "wiki"}), catalogue.ErrIllegal, "is issue-tracker, the event says wiki",
		},
		{"activate another tenant's", []step{t2(activated)}, t1(activated), catalogue.ErrIDReused, "was issued to another tenant"},
		{"activate a deleted tenant's", []step{t2(activated), t2(remove)}, t1(activated), catalogue.ErrIDReused, "was issued to another tenant"},
		{"deactivate a product", []step{t1(activated)}, t1(inactive), nil, ""},
		{"deactivate a suspended product", []step{t1(activated), t1(suspended)}, t1(inactive), nil, ""},
		{"deactivate an inactive product", []step{t1(activated), t1(inactive)}, t1(inactive), catalogue.ErrIllegal, "is inactive"},
		{"deactivate no product", nil, t1(inactive), catalogue.ErrNotFound, "has no product_"},
		{"suspend", []step{t1(activated)}, t1(suspended), nil, ""},
		{"suspend twice", []step{t1(activated), t1(suspended)}, t1(suspended), catalogue.ErrIllegal, "is suspended"},
		{"suspend what is inactive", []step{t1(activated), t1(inactive)}, t1(suspended), catalogue.ErrIllegal, "is inactive"},
		{"suspend another tenant's", []step{t2(activated)}, t1(suspended), catalogue.ErrNotFound, "has no product_"},
		{"unsuspend", []step{t1(activated), t1(suspended)}, t1(unsuspended), nil, ""},
		{"unsuspend what is not", []step{t1(activated)}, t1(unsuspended), catalogue.ErrIllegal, "is active"},
		{"unsuspend nothing", nil, t1(unsuspended), catalogue.ErrNotFound, "has no product_"},
		{"license", []step{t1(activated), t1(suspended)}, t1(licensed), nil, ""},
		{"license as of old", []step{t1(activated)}, t1(licensedV1), nil, ""},
		{"license nothing", nil, t1(licensed), catalogue.ErrNotFound, "has no product_"},
		{"license nothing as of old", nil, t1(licensedV1), catalogue.ErrNotFound, "has no product_"},

		{"install", nil, t1(install), nil, ""},
		{"install twice", []step{t1(install)}, t1(install), catalogue.ErrIDReused, "is installed"},
		{"install what was uninstalled", []step{t1(install), t1(uninstall)}, t1(install), catalogue.ErrIDReused, "is uninstalled"},
		{"install another tenant's", []step{t2(install)}, t1(install), catalogue.ErrIDReused, "was issued to another tenant"},
		{"install a deleted tenant's", []step{t2(install), t2(remove)}, t1(install), catalogue.ErrIDReused, "was issued to another tenant"},
		{"uninstall", []step{t1(install)}, t1(uninstall), nil, ""},
		{"uninstall twice", []step{t1(install), t1(uninstall)}, t1(uninstall), catalogue.ErrIllegal, "is uninstalled"},
		{"uninstall nothing", nil, t1(uninstall), catalogue.ErrNotFound, "has no app_"},
		{"bring an app back", []step{t1(install), t1(uninstall)}, t1(reinstall), nil, ""},
		{"bring an installed app back", []step{t1(install)}, t1(reinstall), catalogue.ErrIllegal, "is installed"},
		{"bring nothing back", nil, t1(reinstall), catalogue.ErrNotFound, "has no app_"},

		{"grant", nil, t1(grant), nil, ""},
		{"grant again", []step{t1(grant)}, t1(grant), nil, ""},
		{"revoke", []step{t1(grant)}, t1(revoke), nil, ""},
		{"revoke nobody", nil, t1(revoke), catalogue.ErrNotFound, `has no member "user_1"`},
		{"group", nil, t1(group), nil, ""},
		{"remove a group", []step{t1(group)}, t1(ungroup), nil, ""},
		{"remove no group", nil, t1(ungroup), catalogue.ErrNotFound, `has no group "group_1"`},
		{"permit", []step{t1(group)}, t1(permit), nil, ""},
		{"permit no group", nil, t1(permit), catalogue.ErrNotFound, "has no group"},

		{"provision", nil, t1(provision), nil, ""},
		{"provision twice", []step{t1(provision)}, t1(provision), catalogue.ErrIllegal, "already"},
		{"provision out of residency", []step{t3(pinnedTo("eu"))}, t3(events.ResourceProvisioned{
			Service: "media", Kind: events.ResourceDatabase, Name: "db1", Region: "us",
		}), catalogue.ErrIllegal, "pinned to eu"},
		{"deprovision", []step{t1(provision)}, t1(deprovision), nil, ""},
		{"deprovision nothing", nil, t1(deprovision), catalogue.ErrNotFound, "has no resource"},

		{"plan", nil, rs(planned), nil, ""},
		{"plan twice", []step{rs(planned)}, rs(planned), catalogue.ErrIDReused, "is planned"},
		{"plan the second part first", nil, rs(plannedMore), catalogue.ErrNotFound, "plan it first"},
		{"plan two parts", []step{rs(planned)}, rs(plannedMore), nil, ""},
		{"finish", []step{rs(planned)}, rs(finished), nil, ""},
		{"finish twice", []step{rs(planned), rs(finished)}, rs(finished), catalogue.ErrIllegal, "is finished"},
		{"finish no plan", nil, rs(finished), catalogue.ErrNotFound, "plan it first"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := begin(t, 2)
			epochs := map[events.Aggregate]uint64{}
			publish := func(i int, st step) catalogue.Verdict {
				e := event(fmt.Sprint(c.name, i), st.about, st.payload)
				e.Epoch = epochs[st.about]
				v := s.ask(one(e))
				epochs[st.about] = v.Epoch
				return v
			}
			for i, st := range c.given {
				if v := publish(i, st); v.Err != nil {
					t.Fatal(v.Err)
				}
			}
			before := s.events()
			got := publish(len(c.given), c.when).Err
			if !errors.Is(got, c.want) {
				t.Fatalf("got %v, want %v", got, c.want)
			}
			if c.want == nil {
				return
			}
			var refused *catalogue.RefusedError
			if !errors.As(got, &refused) || !strings.Contains(got.Error(), c.met) || refused.About != c.when.about ||
				!strings.Contains(got.Error(), string(c.when.payload.EventType())) {
				t.Errorf("%q does not say %q of %s", got, c.met, c.when.about)
			}
			if after := s.events(); len(after) != len(before) {
				t.Errorf("%d events were written", len(after)-len(before))
			}
		})
	}
}

// TestWithoutTenant says that nothing but its creation can happen to a tenant
// that is not there, and nothing but its restoration to one that is deleted.
func TestWithoutTenant(t *testing.T) {
	t.Parallel()
	s := begin(t, 1)
	gone := s.must(event("gone", events.OfTenant(tenantID(1)), remove))
	for _, p := range []events.Payload{
		configure, usage, deactivate, reactivate, remove, relocate,
		events.TenantRenamed{URL: url(8)},
		activated, inactive, suspended, unsuspended, licensed, licensedV1, install, uninstall, reinstall,
		grant, revoke, group, ungroup, permit, provision, deprovision,
	} {
		name := string(p.EventType())
		v := s.ask(one(event(name+" of none", events.OfTenant(tenantID(3)), p)))
		if !errors.Is(v.Err, catalogue.ErrNotFound) {
			t.Errorf("%s of no tenant: %v", name, v.Err)
		}
		v = s.ask(one(inEpoch(gone.Epoch, event(name+" of gone", events.OfTenant(tenantID(1)), p))))
		if !errors.Is(v.Err, catalogue.ErrIllegal) || !strings.Contains(v.Err.Error(), "is deleted; only a restore") {
			t.Errorf("%s of a deleted tenant: %v", name, v.Err)
		}
	}
}
