package web_test

import (
	"testing"
	"time"

	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
)

// TestDeletedIsKept reads a tenant that was deleted through the door: what it had, what finds
// it, whom to reach, and until when all of it is kept. A clock that jumps by 40 days ends no
// retention, and a lien outlasts it.
func TestDeletedIsKept(t *testing.T) {
	t.Parallel()
	clock := catalogtest.NewClock(catalogtest.Start)
	r := startOn(t, daemon.Config{Clock: clock.Now})
	const retention = 7 * 24 * time.Hour
	crew, f := r.crew(), fixture("acme")
	policy := people.QuickPolicy(crew.Roster())
	policy.Retention = events.Seconds(retention / time.Second)
	if _, err := crew.Propose(t.Context(), policy, "begin"); err != nil {
		t.Fatal(err)
	}
	ticked := func(d time.Duration) {
		clock.Move(d)
		if err := r.Deletions().Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ticked(0)
	shelf := events.ResourceProvisioned{Service: "media", Kind: events.ResourceMediaBucket, Name: "bucket-7", Region: "eu-west"}
	r.publish(t, append(f.story(), f.event(0, shelf))...)
	wanted, err := crew.TakeOut(t.Context(), r.Service, events.DeriveID[events.RunID]("run"), f.line())
	if err != nil {
		t.Fatal(err)
	}
	plan, err := crew.Start(t.Context(), wanted)
	if err != nil {
		t.Fatal(err)
	}
	r.step(t, plan.ID)
	deletedAt := r.Now()

	show := func() api.Tenant {
		t.Helper()
		answer := r.do(t, ask{method: "GET", path: minSeq(f.path(), client.Verdict{Seq: r.head(t)})})
		if tag := answer.Header.Get("ETag"); tag != "" {
			t.Errorf("it is tagged %s, but what is left of its retention changes", tag)
		}
		out := read[api.TenantGetResponse](t, answer, 200).Tenant
		if d := out.Deleted; d == nil || d.Plan != plan.ID || d.At > deletedAt || d.Had == nil || d.Kept == nil {
			t.Fatalf("%+v", d)
		}
		return out
	}
	kept := func(what string, left time.Duration, liens int) {
		t.Helper()
		k := show().Deleted.Kept
		until := events.Time(0)
		if left > 0 {
			until = r.Now().Add(left)
		}
		// What passes between two readings of a clock that stands still is counted, too.
		if off := k.Until.Sub(until).Abs(); k.Left.Duration() != left || off > time.Second || k.Retention != policy.Retention || len(k.Liens) != liens {
			t.Errorf("%s: %+v, not %s until %s with %d liens", what, k, left, until, liens)
		}
	}
	tenant := show()
	if tenant.ID != f.tenant() || tenant.Status != events.TenantStatusDeleted || tenant.CloudID != f.cloudID() || tenant.URL != "acme-renamed.example.net" {
		t.Errorf("%+v", tenant.Record)
	}
	if had := tenant.Deleted.Had; had.Status != events.TenantStatusDeactivated || len(had.Resources) != 1 || had.Resources[0].Name != "bucket-7" ||
		len(had.Products) != 1 || had.Members != 1 || had.Region != "eu-west" {
		t.Errorf("it had %+v", had)
	}
	for _, query := range []string{"url=acme.example.net", "url=acme-renamed.example.net", "cloud_id=" + f.cloudID().String(), "account=" + f.account().String(), "contact=" + f.contact()} {
		found := get[api.LookupResponse](t, r, "/v1/lookup?"+query, r.admin())
		if len(found.Tenants) != 1 || found.Tenants[0].ID != f.tenant() || len(found.Accounts) != 1 || string(found.Accounts[0].Contacts[0].Email) != f.contact() {
			t.Errorf("%s: %+v", query, found)
		}
	}
	thief := fixture("thief")
	sameURL, sameCloudID := thief.created(), thief.created()
	sameURL.URL, sameCloudID.CloudID = tenant.URL, f.cloudID()
	r.publish(t, thief.event(0, events.AccountCreated{Name: "Thief"}))
	for i, taken := range []events.TenantCreated{sameURL, sameCloudID} {
		problem(t, r.do(t, one(cloud(t, thief.event(i, taken)))), 409, client.ErrClaimed)
	}

	kept("at first", retention, 0)
	ticked(time.Hour)
	kept("after an hour", retention-time.Hour, 0)
	clock.Move(40 * 24 * time.Hour)
	kept("the clock jumps, and nobody marks the time", retention-2*time.Hour, 0)
	ticked(0)
	kept("the clock has jumped", retention-2*time.Hour, 0)
	read[api.LienListResponse](t, r.do(t, r.post("/v1/liens", api.LienPlaceRequest{Tenant: f.tenant(), Matter: "legal/22"})), 200)
	kept("with a lien", retention-2*time.Hour, 1)
	for range retention / time.Hour {
		ticked(time.Hour)
	}
	kept("the retention is over", 0, 1)
	if lien := show().Deleted.Kept.Liens[0]; lien.Matter != "legal/22" || lien.Since.Seq == 0 {
		t.Errorf("%+v", lien)
	}
}
