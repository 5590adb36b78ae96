package web_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
)

func TestTenant(t *testing.T) {
	t.Parallel()
	r := start(t)
	f := fixture("acme")
	verdicts := r.publish(t, f.story()...)
	last := verdicts[len(verdicts)-1]

	answer := r.do(t, ask{method: "GET", path: minSeq(f.path(), last)})
	now := read[api.TenantGetResponse](t, answer, 200).Tenant
	if now.URL != "acme-renamed.example.net" || len(now.Products) != 1 || now.Members != 1 || now.Seq != last.Seq {
		t.Errorf("%+v", now)
	}
	tag := answer.Header.Get("ETag")
	if tag != `"`+last.Seq.String()+`"` {
		t.Errorf("ETag %s", tag)
	}
	for _, known := range []string{tag, `"1", ` + tag, "W/" + tag, "*"} {
		same := r.do(t, ask{method: "GET", path: f.path(), header: map[string]string{"If-None-Match": known}})
		if same.StatusCode != 304 || len(same.raw) != 0 || same.Header.Get("ETag") != tag {
			t.Errorf("If-None-Match %s: %d, %s", known, same.StatusCode, same.raw)
		}
	}
	if other := r.do(t, ask{method: "GET", path: f.path(), header: map[string]string{"If-None-Match": `"1"`}}); other.StatusCode != 200 {
		t.Errorf("another tag: %d", other.StatusCode)
	}
	if head := r.do(t, ask{method: "HEAD", path: f.path()}); head.StatusCode != 200 || head.Header.Get("ETag") != tag || len(head.raw) != 0 {
		t.Errorf("HEAD: %d, %s", head.StatusCode, head.raw)
	}
	recorded := r.do(t, ask{method: "GET", path: f.path() + "/record"})
	if rec := read[api.TenantRecordResponse](t, recorded, 200).Record; rec.URL != now.URL || rec.Seq != now.Seq || recorded.Header.Get("ETag") != tag {
		t.Errorf("%+v, %s", rec, recorded.Header)
	}
	same := r.do(t, ask{method: "GET", path: f.path() + "/record", header: map[string]string{"If-None-Match": tag}})
	if same.StatusCode != 304 || len(same.raw) != 0 {
		t.Errorf("the same record: %d, %s", same.StatusCode, same.raw)
	}
	then := get[api.TenantAsOfResponse](t, r, f.path()+"?at=seq:"+verdicts[2].Seq.String())
	if then.Tenant.URL != "acme.example.net" || then.Tenant.Members != 0 || then.Point.Next == nil {
		t.Errorf("%+v", then)
	}
}

func TestTenantList(t *testing.T) {
	t.Parallel()
	r := start(t)
	names := []fixture{"acme", "beta", "gamma"}
	var last client.Verdict
	for _, f := range names {
		verdicts := r.publish(t, f.story()...)
		last = verdicts[len(verdicts)-1]
	}
	for query, want := range map[string]int{
		"": 3, "shard=shard-1": 3, "region=eu-west": 3, "region=us": 0, "account=" + names[1].account().String(): 1, "status=active&tier=standard": 3,
		"internal=true": 0, "internal=false": 3,
	} {
		if list := get[api.TenantListResponse](t, r, minSeq("/v1/tenants?"+query, last)); len(list.Tenants) != want {
			t.Errorf("%s: %d tenants, want %d", query, len(list.Tenants), want)
		}
	}
	var seen []events.TenantID
	for page := ""; ; {
		list := get[api.TenantListResponse](t, r, "/v1/tenants?limit=2&region=eu-west"+page)
		for _, tenant := range list.Tenants {
			seen = append(seen, tenant.ID)
		}
		if list.Next == "" {
			break
		}
		problem(t, r.do(t, ask{method: "GET", path: "/v1/tenants?page=" + list.Next}), 400, client.ErrMalformed)
		page = "&page=" + url.QueryEscape(list.Next)
	}
	if len(seen) != 3 || !slices.IsSortedFunc(seen, events.TenantID.Compare) {
		t.Errorf("%v", seen)
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	r := start(t)
	f := fixture("acme")
	verdicts := r.publish(t, f.story()...)
	last := verdicts[len(verdicts)-1]
	for path, want := range map[string]int{
		f.path() + "/history":                               4,
		f.path() + "/history?type=tenant.renamed.v1":        1,
		"/v1/history?subject=" + f.account().String():       2,
		"/v1/history?actor=user:ops&type=tenant.created.v1": 1,
		"/v1/history?actor=nobody":                          0,
		"/v1/history?since=2200-01-01T00:00:00Z":            0,
		"/v1/history?run=run_01h455vb4pex5vsknk084sn02q":    0,
		fixture("never").path() + "/history":                0,
		f.path() + "/history?until=2200-01-01T00:00:00Z":    4,
		f.path() + "/history?limit=2&actor=user:ops&page=":  -1,
	} {
		if want < 0 {
			problem(t, r.do(t, ask{method: "GET", path: path}), 400, client.ErrMalformed)
			continue
		}
		page := get[api.HistoryResponse](t, r, minSeq(path, last))
		if len(page.Events) != want {
			t.Errorf("%s: %d events, want %d", path, len(page.Events), want)
		}
	}
	for who, sealed := range map[string]bool{"": true, "admin": false} {
		a := ask{method: "GET", path: "/v1/history?type=account.created.v1"}
		if who != "" {
			a.who = r.admin()
		}
		page := read[api.HistoryResponse](t, r.do(t, a), 200)
		if readable := strings.Contains(string(page.Events[0]), "Owner of acme"); readable == sealed {
			t.Errorf("%q reads %s", who, page.Events[0])
		}
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	r := start(t)
	f := fixture("acme")
	r.publish(t, f.story()...)
	gone := r.deleted(t, f, events.RunID{})
	for _, query := range []string{
		"url=acme.example.net", "url=ACME-renamed.example.net", "cloud_id=" + f.cloudID().String(), "account=" + f.account().String(),
		"contact=" + url.QueryEscape(f.contact()),
	} {
		found := get[api.LookupResponse](t, r, minSeq("/v1/lookup?"+query, gone))
		if len(found.Tenants) != 1 || found.Tenants[0].ID != f.tenant() || found.Tenants[0].Status != events.TenantStatusDeleted || len(found.Accounts) != 1 {
			t.Errorf("%s: %+v", query, found)
		}
	}
	if got := get[api.LookupResponse](t, r, "/v1/lookup?url=acme.example.net").Accounts[0].Contacts[0].Email; !got.Sealed() || got == "" {
		t.Errorf("a service reads %q", got)
	}
	if got := get[api.LookupResponse](t, r, "/v1/lookup?url=acme.example.net", r.admin()).Accounts[0].Contacts[0].Email; string(got) != f.contact() {
		t.Errorf("an operator reads %q", got)
	}
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	r := start(t)
	names := get[api.SchemasResponse](t, r, "/v1/schemas").Names
	if len(names) == 0 {
		t.Fatal("there are none")
	}
	for _, name := range append(names, "common") {
		schema := get[struct {
			ID string `json:"$id"`
		}](t, r, "/v1/schemas/"+name)
		if schema.ID != "urn:tenantcatalogue:schema:"+name {
			t.Errorf("%s has the id %q", name, schema.ID)
		}
	}
	if answer := r.do(t, ask{method: "GET", path: "/v1/openapi.yaml"}); answer.StatusCode != 200 || !strings.HasPrefix(string(answer.raw), "openapi: 3.1") {
		t.Errorf("%d: %.60s", answer.StatusCode, answer.raw)
	}
}

// TestHostileQueries asks wrongly in many ways.
func TestHostileQueries(t *testing.T) {
	t.Parallel()
	r := start(t)
	f := fixture("acme")
	r.publish(t, f.story()...)
	for path, status := range map[string]int{
		fixture("never").path():                                404,
		fixture("never").path() + "?at=seq:1":                  404,
		f.path() + "?at=before+run_01h455vb4pex5vsknk084sn02q": 404,
		"/v1/schemas/tenant.created.v9":                        400,
		"/v1/schemas/..%2f..%2fopenapi.yaml":                   400,
		"/v1/tenants/*":                                        400,
		"/v1/tenants/%3E":                                      400,
		"/v1/tenants/tenant_%00":                               400,
		"/v1/tenants/" + f.account().String():                  400,
		"/v1/tenants/" + strings.Repeat("a", 5000):             400,
		"/v1/tenants/*/history":                                400,
		"/v1/tenants/*/record":                                 400,
		f.path() + "/record?at=seq:1":                          400,
		f.path() + "?at=2022-04-05T09:00:00%2B02:00":           400,
		f.path() + "?at=seq:99999":                             400,
		f.path() + "?at=soon":                                  400,
		f.path() + "?at=":                                      400,
		f.path() + "?at=seq:1&min_seq=1":                       400,
		f.path() + "?min_seq=99999":                            400,
		f.path() + "?min_seq=-1":                               400,
		f.path() + "?min_seq=1&min_seq=2":                      400,
		f.path() + "?%zz":                                      400,
		f.path() + "?a;b":                                      400,
		"/v1/tenants?limit=0":                                  400,
		"/v1/tenants?limit=1001":                               400,
		"/v1/tenants?limit=99999999999":                        400,
		"/v1/tenants?page=x":                                   400,
		"/v1/tenants?page=AAAA":                                400,
		"/v1/tenants?account=" + f.tenant().String():           400,
		"/v1/tenants?internal=maybe":                           400,
		"/v1/tenants?shard=a&region=b":                         400,
		"/v1/history?since=yesterday":                          400,
		"/v1/history?since=2022-04-05T09:00:00%2B02:00":        400,
		"/v1/history?subject=tenant_*":                         400,
		"/v1/history?run=" + f.tenant().String():               400,
		"/v1/lookup":                                           400,
		"/v1/lookup?url=a&contact=b":                           400,
		"/v1/lookup?cloud_id=x":                                400,
	} {
		answer := r.do(t, ask{method: "GET", path: path})
		var p api.Problem
		if err := json.Unmarshal(answer.raw, &p); err != nil || answer.StatusCode != status || p.Status != status || p.Detail == "" {
			t.Errorf("%.100s: %d, want %d: %s", path, answer.StatusCode, status, answer.raw)
		}
	}
}
