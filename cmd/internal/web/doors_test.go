package web_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
	"tenantcatalogue/events/bus"
)

// routes is every route. Whoever adds one looks whether a tombstone may follow from it:
// only what /v1/deletions/{id}/run starts deletes anything.
func routes() []string {
	lines := strings.Split(strings.TrimSpace(`
POST /v1/events
GET /v1/tenants
GET /v1/tenants/{id}
GET /v1/tenants/{id}/record
GET /v1/tenants/{id}/history
GET /v1/lookup
GET /v1/history
GET /v1/feed
GET /v1/schemas
GET /v1/schemas/{type}
GET /v1/openapi.yaml
POST /v1/restores
GET /v1/restores
GET /v1/restores/{id}
POST /v1/restores/{id}/apply
GET /v1/restores/{id}/certificate
POST /v1/deletions
GET /v1/deletions
GET /v1/deletions/{id}
POST /v1/deletions/{id}/approvals
POST /v1/deletions/{id}/confirm
POST /v1/deletions/{id}/rehearse
POST /v1/deletions/{id}/run
POST /v1/deletions/{id}/withdraw
POST /v1/halts
GET /v1/halts
POST /v1/halts/lift
GET /v1/policies
POST /v1/policies
POST /v1/policies/{version}/approvals
POST /v1/policies/{version}/change
GET /v1/alarms
GET /v1/liens
POST /v1/liens
POST /v1/liens/lift
GET /v1/diff
GET /v1/views
POST /v1/rebuild
POST /v1/verify
GET /livez
GET /readyz
GET /metrics`), "\n")
	return lines
}

// TestNoOtherRoute sends tombstones to every route there is, in every form, by every
// method that changes something, with every credential: none gets into the log, and
// nothing else does.
func TestNoOtherRoute(t *testing.T) {
	t.Parallel()
	r := start(t)
	var served []string
	for _, route := range r.web.Routes() {
		served = append(served, route.Method+" "+route.Path)
	}
	if diff := cmp.Diff(routes(), served); diff != "" {
		t.Fatalf("routes that were looked at (-) and that there are (+):\n%s", diff)
	}
	r.governed(t, "acme")
	plan := read[api.Deletion](t, r.do(t, r.planned(planOf("acme"))), 201)
	before := r.head(t)
	f := fixture("acme")
	gone := cloud(t, f.event(9, events.TenantDeleted{Reason: "closed"}))
	forms := [][]byte{
		gone, []byte("[" + string(gone) + "]"), cloud(t, f.event(9, events.AppUninstalled{App: events.DeriveID[events.AppID]("acme")})),
		[]byte(`{"event":` + string(gone) + `}`), bytes.Replace(gone, []byte("{"), []byte(`{"approval":{},"force":true,`), 1),
	}
	paths := map[string]bool{}
	for _, line := range routes() {
		_, path, _ := strings.Cut(line, " ")
		if path == "/v1/feed" || path == "/v1/verify" || strings.HasSuffix(path, "/rehearse") {
			continue // they take no body: one streams, one reads, one records what it found
		}
		id := f.tenant().String()
		if strings.HasPrefix(path, "/v1/deletions") {
			id = plan.ID.String()
		}
		paths[strings.NewReplacer("{id}", id, "{type}", "tenant.deleted.v1", "{version}", "1").Replace(path)] = true
	}
	for path := range paths {
		for _, who := range []*bus.Credential{nil, new(writer()), new(deleter()), r.admin()} {
			for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
				for i, raw := range forms {
					a := ask{method: method, path: path, who: who, body: raw}
					if strings.HasPrefix(path, "/v1/events") {
						a.header = map[string]string{"Content-Type": map[bool]string{true: api.TypeBatch, false: api.TypeEvent}[i == 1]}
					}
					r.do(t, a)
				}
			}
		}
	}
	if after := r.head(t); after != before {
		t.Errorf("the log went from %d to %d", before, after)
	}
	if now := get[api.TenantGetResponse](t, r, f.path()); now.Tenant.Status != events.TenantStatusDeactivated {
		t.Errorf("it is %s", now.Tenant.Status)
	}
}
