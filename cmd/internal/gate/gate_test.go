package gate_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
	"tenantcatalogue/events/bus"
	"tenantcatalogue/replay/restore"
)

// publish publishes a batch and wants every event to be written.
func publish(t testing.TB, nc *nats.Conn, list ...events.Event) []client.Verdict {
	t.Helper()
	var verdicts []client.Verdict
	if p := ask(t, nc, "catalogue.v1.publish", cloud(t, list...), &verdicts); p != nil {
		t.Fatalf("%+v", p)
	}
	if len(verdicts) != len(list) {
		t.Fatalf("%d verdicts on %d events", len(verdicts), len(list))
	}
	for i, v := range verdicts {
		if v.Error != nil {
			t.Fatalf("%s: %v", list[i].Type(), v.Error)
		}
	}
	return verdicts
}

func TestTenantThroughTheGate(t *testing.T) {
	t.Parallel()
	r := start(t, daemon.Config{})
	nc, admin := r.connect(t), r.connect(t, r.Admin.Credential())
	f := fixture("acme")
	verdicts := publish(t, nc, f.story()...)
	last := verdicts[len(verdicts)-1]

	var got api.TenantGetResponse
	if p := ask(t, nc, "catalogue.v1.tenant.get", api.TenantGetRequest{Tenant: f.tenant(), MinSeq: last.Seq}, &got); p != nil {
		t.Fatal(p)
	}
	if g := got.Tenant; g.URL != "acme-renamed.example.net" || g.Region != "eu-west" || len(g.Products) != 1 || g.Members != 1 ||
		!slices.Equal(g.SiteAdmins, []string{"user:one"}) || g.Version != 4 || g.Seq != last.Seq || got.Seq < last.Seq {
		t.Errorf("%+v", got)
	}

	var record api.TenantRecordResponse
	if p := ask(t, nc, "catalogue.v1.tenant.record", api.TenantGetRequest{Tenant: f.tenant(), MinSeq: last.Seq}, &record); p != nil {
		t.Fatal(p)
	}
	if !reflect.DeepEqual(record.Record, got.Tenant.Record) || record.Seq < last.Seq {
		t.Errorf("the record: %+v\nthe tenant: %+v", record, got)
	}

	var was api.TenantAsOfResponse
	if p := ask(t, nc, "catalogue.v1.tenant.asof", map[string]any{"tenant": f.tenant(), "at": "seq:" + verdicts[2].Seq.String()}, &was); p != nil {
		t.Fatal(p)
	}
	if w := was.Tenant; w.URL != "acme.example.net" || w.Members != 0 || w.Version != 1 || was.Point.Next == nil {
		t.Errorf("%+v", was)
	}

	for name, query := range map[string]map[string]any{
		"shard": {"shard": "shard-1"}, "region": {"region": "eu-west"}, "account": {"account": f.account()}, "all": {},
	} {
		var list api.TenantListResponse
		if p := ask(t, nc, "catalogue.v1.tenant.list", query, &list); p != nil || len(list.Tenants) != 1 || list.Tenants[0].ID != f.tenant() {
			t.Errorf("by %s: %+v, %v", name, list, p)
		}
	}

	// Found by everything its people know, deleted or not; read by operators only.
	gone := r.deleted(t, f, events.RunID{})
	for name, query := range map[string]map[string]any{
		"old URL": {"url": "acme.example.net"}, "URL": {"url": "acme-renamed.example.net"}, "account": {"account": f.account()},
		"cloud id": {"cloud_id": f.cloudID()}, "contact": {"contact": strings.ToUpper(f.contact())},
	} {
		query["min_seq"] = gone
		var found, opened api.LookupResponse
		if p := ask(t, nc, "catalogue.v1.lookup", query, &found); p != nil || len(found.Tenants) != 1 || len(found.Accounts) != 1 {
			t.Fatalf("by %s: %+v, %v", name, found, p)
		}
		if got := found.Tenants[0]; got.ID != f.tenant() || got.Status != events.TenantStatusDeleted {
			t.Errorf("by %s: %+v", name, got)
		}
		if got := found.Accounts[0].Contacts[0].Email; !got.Sealed() || got == "" {
			t.Errorf("a service reads %q", got)
		}
		if p := ask(t, admin, "catalogue.v1.lookup", query, &opened); p != nil || opened.Accounts[0].Contacts[0].Email != events.Personal(f.contact()) {
			t.Errorf("an operator does not read the address: %+v, %v", opened, p)
		}
	}
}

func cloudOne(t testing.TB, e events.Event) []byte {
	t.Helper()
	raw, err := events.MarshalCloudEvent(e)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestHistoryPages(t *testing.T) {
	t.Parallel()
	r := start(t, daemon.Config{})
	nc := r.connect(t, writer())
	f := fixture("acme")
	publish(t, nc, f.story()...)
	query := map[string]any{"subject": f.about(), "limit": 2, "min_seq": storyEnd}
	var seen []string
	for pages := 0; ; pages++ {
		var page api.HistoryResponse
		if p := ask(t, nc, "catalogue.v1.history", query, &page); p != nil {
			t.Fatal(p)
		}
		for _, raw := range page.Events {
			e, err := events.ParseRecorded(raw)
			if err != nil {
				t.Fatal(err)
			}
			if e.Via != "commerce" {
				t.Errorf("via %q", e.Via)
			}
			seen = append(seen, string(e.Type()))
		}
		if pages == 0 {
			// What comes between two pages belongs to neither.
			publish(t, nc, f.event(1, events.TenantUsageReported{ActiveUsers: 1, LastActivity: 1}))
		}
		if page.Next == "" {
			break
		}
		query["page"] = page.Next
	}
	want := []string{"tenant.created.v1", "identity.member_granted.v1", "product.activated.v1", "tenant.renamed.v1"}
	if !slices.Equal(seen, want) {
		t.Errorf("%v", seen)
	}
	query["actor"] = "user:else"
	if p := ask(t, nc, "catalogue.v1.history", query, nil); p == nil || p.Fields[0].Field != "page" {
		t.Errorf("a page of another query: %+v", p)
	}
}

func TestRefusalsAreTyped(t *testing.T) {
	t.Parallel()
	r := start(t, daemon.Config{})
	nc := r.connect(t)
	f := fixture("acme")
	publish(t, nc, f.story()...)
	product := events.DeriveID[events.ProductID]("acme")
	for name, c := range map[string]struct {
		event  events.Event
		code   client.Code
		status int
	}{
		"illegal":    {f.event(1, events.ProductUnsuspended{Product: product}), client.ErrIllegal, 409},
		"not found":  {fixture("other").event(1, events.TenantDeactivated{}), client.ErrNotFound, 404},
		"reused id":  {f.event(0, events.TenantRenamed{URL: "else.example.net"}), client.ErrIDReused, 422},
		"claimed":    {fixture("other").event(0, events.TenantCreated{URL: "acme-renamed.example.net", CloudID: fixture("other").cloudID(), Account: f.account(), Region: "eu-west", Tier: "standard"}), client.ErrClaimed, 409},
		"tombstone":  {f.event(1, events.TenantDeleted{}), client.ErrForbidden, 403},
		"ours alone": {f.event(1, events.TenantRestored{Epoch: 1, Part: 1, Parts: 1, Mode: events.Rewind, Restoration: events.DeriveID[events.RestoreID]("x"), Cut: 1, AsOf: 1, Entities: events.Entities{}}), client.ErrForbidden, 403},
	} {
		p := ask(t, nc, "catalogue.v1.publish", cloudOne(t, c.event), nil)
		if p == nil || p.Code != c.code || p.Status != c.status {
			t.Errorf("%s: %+v", name, p)
		}
	}
	// Once deleted, a writer must name the epoch.
	r.deleted(t, f, events.RunID{})
	if p := ask(t, nc, "catalogue.v1.publish", cloudOne(t, f.event(2, events.TenantDeactivated{})), nil); p == nil || p.Code != client.ErrEpoch || p.Epoch != 1 {
		t.Errorf("%+v", p)
	}
}

// TestHostileService tries everything that a service must not be able to do.
func TestHostileService(t *testing.T) {
	t.Parallel()
	r := start(t, daemon.Config{})
	f := fixture("acme")
	publish(t, r.connect(t), f.story()...)
	for _, who := range [][]bus.Credential{nil, {writer()}, {deleter()}} {
		denied := make(chan error, 10)
		nc, err := nats.Connect(r.Bus.URL(), func(o *nats.Options) error {
			o.Timeout, o.AsyncErrorCB = time.Minute, func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err }
			if len(who) > 0 {
				o.User, o.Password = who[0].User, who[0].Password
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		for _, subject := range []string{
			"catalogue.admin.v1.views", "catalogue.admin.v1.restore.apply", "catalogue.feed.tenant." + f.tenant().String(), "catalogue.feed.head",
			f.about().Subject(), "$JS.API.STREAM.INFO.CATALOGUE", "$JS.API.STREAM.DELETE.CATALOGUE", "$JS.API.STREAM.NAMES", "$SYS.REQ.SERVER.PING",
		} {
			if err := nc.Publish(subject, nil); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-denied:
				if !errors.Is(err, nats.ErrPermissionViolation) {
					t.Errorf("%s: %v", subject, err)
				}
			case <-time.After(time.Minute):
				t.Errorf("%s may be published to", subject)
			}
		}
		// The way round: let the gate's answer be delivered to the API of the log.
		for _, reply := range []string{"$JS.API.STREAM.DELETE.CATALOGUE", "$JS.API.STREAM.PURGE.CATALOGUE", f.about().Subject()} {
			if err := nc.PublishRequest("catalogue.v1.schemas", reply, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	head, err := r.Log.Head(t.Context())
	if err != nil || head != storyEnd {
		t.Errorf("the log is at %d, %v", head, err)
	}
}

func TestForgedCaller(t *testing.T) {
	t.Parallel()
	r := start(t, daemon.Config{})
	f := fixture("acme")
	nc := r.connect(t)
	publish(t, nc, f.story()...)
	m := nats.NewMsg("catalogue.v1.publish")
	m.Data = cloudOne(t, f.event(0, events.TenantDeleted{}))
	m.Header.Set("Nats-Request-Info", `{"acc":"OPERATORS","user":"admin"}`)
	answer, err := nc.RequestMsg(m, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.Header.Get("Nats-Service-Error-Code"); got != "403" {
		t.Errorf("a forged operator gets %q: %s", got, answer.Data)
	}
}

func TestRestoreByAnOperator(t *testing.T) {
	t.Parallel()
	r := start(t, daemon.Config{})
	admin := r.connect(t, r.Admin.Credential())
	f := fixture("acme")
	publish(t, r.connect(t), f.story()...)
	run := events.DeriveID[events.RunID]("bad")
	gone := r.deleted(t, f, run)
	var plan api.RestorePlanResponse
	if p := ask(t, admin, "catalogue.admin.v1.restore.plan", restore.Ask{
		Mode: events.Rewind, Point: "before " + run.String(), Cause: events.Cause{Runs: []events.RunID{run}},
	}, &plan); p != nil || plan.Restore != 1 {
		t.Fatalf("%+v, %+v", plan, p)
	}
	named := api.RestoreRequest{Restoration: plan.ID}
	var status restore.Status
	for range 2 {
		if p := ask(t, admin, "catalogue.admin.v1.restore.apply", named, &status); p != nil || status.Restored != 1 {
			t.Fatalf("%+v, %+v", status, p)
		}
	}
	var certificate restore.Certificate
	if p := ask(t, admin, "catalogue.admin.v1.restore.certificate", named, &certificate); p != nil || !certificate.OK {
		t.Errorf("%+v, %+v", certificate, p)
	}
	var list api.RestoreListResponse
	if p := ask(t, admin, "catalogue.admin.v1.restore.list", nil, &list); p != nil || len(list.Restorations) != 1 {
		t.Errorf("%+v, %+v", list, p)
	}
	var report api.VerifyResponse
	if p := ask(t, admin, "catalogue.admin.v1.verify", nil, &report); p != nil || !report.OK {
		t.Errorf("%+v, %+v", report, p)
	}
	var views api.ViewsResponse
	if p := ask(t, admin, "catalogue.admin.v1.rebuild", api.RebuildRequest{View: "tenants"}, &views); p != nil || !views.Ready || len(views.Views) != 9 {
		t.Errorf("%+v, %+v", views, p)
	}
	raw := json.RawMessage(`{}`)
	if p := ask(t, admin, "catalogue.admin.v1.diff", api.DiffRequest{From: "seq:10", To: "seq:" + gone.String()}, &raw); p != nil {
		t.Fatal(p)
	}
	if !strings.Contains(string(raw), `"status":"deleted"`) {
		t.Errorf("%s", raw)
	}
	if p := ask(t, admin, "catalogue.admin.v1.restore.status", api.RestoreRequest{Restoration: events.DeriveID[events.RestoreID]("none")}, nil); p == nil || p.Status != 404 {
		t.Errorf("%+v", p)
	}
}
