package web_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/restore"
)

// broken deletes a tenant in a run and asks for it back.
func (r *running) broken(t *testing.T, f fixture) restore.Ask {
	t.Helper()
	r.publish(t, f.story()...)
	run := events.DeriveID[events.RunID](string(f))
	r.deleted(t, f, run)
	return restore.Ask{Mode: events.Rewind, Point: "before " + run.String(), Cause: events.Cause{Runs: []events.RunID{run}}}
}

func (r *running) post(path string, body any) ask {
	return ask{method: "POST", path: path, who: r.admin(), body: body}
}

func TestRestore(t *testing.T) {
	t.Parallel()
	r := start(t)
	f := fixture("acme")
	wanted := r.broken(t, f)

	dry := wanted
	dry.DryRun = true
	if plan := read[api.RestorePlanResponse](t, r.do(t, r.post("/v1/restores", dry)), 200); plan.Recorded || plan.Restore != 1 {
		t.Errorf("a dry run: %+v", plan)
	}
	answer := r.do(t, r.post("/v1/restores", wanted))
	plan := read[api.RestorePlanResponse](t, answer, 201)
	where := answer.Header.Get("Location")
	if where != "/v1/restores/"+plan.ID.String() || plan.Ask.Actor != r.Admin.User {
		t.Errorf("Location %q, %+v", where, plan.Ask)
	}
	problem(t, r.do(t, ask{method: "GET", path: where + "/certificate", who: r.admin()}), 409, client.ErrNotFinished)
	for range 2 {
		if status := read[restore.Status](t, r.do(t, r.post(where+"/apply", nil)), 200); status.Restored != 1 || status.Finished.IsZero() {
			t.Errorf("%+v", status)
		}
	}
	if status := get[restore.Status](t, r, where, r.admin()); status.Restored != 1 {
		t.Errorf("%+v", status)
	}
	if certificate := get[restore.Certificate](t, r, where+"/certificate", r.admin()); !certificate.OK {
		t.Errorf("%+v", certificate)
	}
	if list := get[api.RestoreListResponse](t, r, "/v1/restores", r.admin()); len(list.Restorations) != 1 {
		t.Errorf("%+v", list)
	}
	if now := get[api.TenantGetResponse](t, r, f.path()); now.Tenant.Status != events.TenantStatusActive || now.Tenant.Epoch != 2 {
		t.Errorf("%+v", now.Tenant)
	}
	diff := r.do(t, ask{method: "GET", path: "/v1/diff?from=" + strings.ReplaceAll(wanted.Point, " ", "+") + "&tenant=" + f.tenant().String(), who: r.admin()})
	read[api.DiffResponse](t, diff, 200)
}

// TestApplyWithoutWaiting applies while nobody waits: the work goes on, is done
// once, and is finished before the server is.
func TestApplyWithoutWaiting(t *testing.T) {
	t.Parallel()
	r := start(t)
	plan := read[api.RestorePlanResponse](t, r.do(t, r.post("/v1/restores", r.broken(t, "acme"))), 201)
	where := "/v1/restores/" + plan.ID.String()
	apply := r.post(where+"/apply", nil)
	apply.header = map[string]string{"Prefer": "wait=100, respond-async"}
	for range 3 {
		answer := r.do(t, apply)
		if answer.StatusCode != http.StatusAccepted || answer.Header.Get("Location") != where || answer.Header.Get("Retry-After") == "" {
			t.Fatalf("%d %v: %s", answer.StatusCode, answer.Header, answer.raw)
		}
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	who, err := r.Auth.Check(r.Admin.User, r.Admin.Password)
	if err != nil {
		t.Fatal(err)
	}
	status, err := r.api.RestoreStatus(t.Context(), who, api.RestoreRequest{Restoration: plan.ID})
	if err != nil || status.Finished.IsZero() || status.Restored != 1 {
		t.Errorf("when the server has stopped: %+v, %v", status, err)
	}
}

func TestRestoreRefusals(t *testing.T) {
	t.Parallel()
	r := start(t)
	wanted := r.broken(t, "acme")
	nothing := wanted
	nothing.Cause = events.Cause{Runs: []events.RunID{events.DeriveID[events.RunID]("never")}}
	for name, c := range map[string]struct {
		body   any
		status int
		code   client.Code
	}{
		"empty":     {[]byte(` `), 400, client.ErrMalformed},
		"half":      {[]byte(`{"mode":`), 400, client.ErrMalformed},
		"unknown":   {[]byte(`{"colour":"red"}`), 400, client.ErrMalformed},
		"followed":  {[]byte(`{} {}`), 400, client.ErrMalformed},
		"mode":      {map[string]any{"mode": "forward", "point": wanted.Point, "cause": wanted.Cause}, 400, client.ErrMalformed},
		"point":     {map[string]any{"mode": "rewind", "point": "soon", "cause": wanted.Cause}, 400, client.ErrMalformed},
		"not UTC":   {map[string]any{"mode": "rewind", "point": "2022-04-05T09:00:00+02:00", "cause": wanted.Cause}, 400, client.ErrMalformed},
		"wildcard":  {map[string]any{"mode": "rewind", "point": wanted.Point, "tenants": []string{"tenant_*"}}, 400, client.ErrMalformed},
		"nothing":   {nothing, 404, client.ErrNotFound},
		"too large": {[]byte(`{"reason":"` + strings.Repeat("x", 8<<20) + `"}`), 413, client.ErrTooLarge},
	} {
		p := problem(t, r.do(t, r.post("/v1/restores", c.body)), c.status, c.code)
		if p.Detail == "" {
			t.Errorf("%s: %+v", name, p)
		}
	}
	text := r.post("/v1/restores", wanted)
	text.header = map[string]string{"Content-Type": "text/plain"}
	problem(t, r.do(t, text), 415, "unsupported_media_type")
	never := "/v1/restores/" + events.DeriveID[events.RestoreID]("never").String()
	for _, a := range []ask{{method: "GET", path: never}, {method: "POST", path: never + "/apply"}, {method: "GET", path: never + "/certificate"}} {
		a.who = r.admin()
		problem(t, r.do(t, a), 404, client.ErrNotFound)
	}
	problem(t, r.do(t, ask{method: "GET", path: "/v1/restores/" + fixture("acme").tenant().String(), who: r.admin()}), 400, client.ErrMalformed)
}

func TestViews(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.publish(t, fixture("acme").story()...)
	if views := get[api.ViewsResponse](t, r, "/v1/views", r.admin()); len(views.Views) != 9 || !views.Ready {
		t.Errorf("%+v", views)
	}
	if views := read[api.ViewsResponse](t, r.do(t, r.post("/v1/rebuild", api.RebuildRequest{View: "tenants"})), 200); !views.Ready {
		t.Errorf("%+v", views)
	}
	quick := r.post("/v1/rebuild", api.RebuildRequest{View: "history"})
	quick.header = map[string]string{"Prefer": "respond-async"}
	if answer := r.do(t, quick); answer.StatusCode != 202 || answer.Header.Get("Location") != "/v1/views" {
		t.Errorf("%d: %s", answer.StatusCode, answer.raw)
	}
	problem(t, r.do(t, r.post("/v1/rebuild", api.RebuildRequest{View: "../heads"})), 404, client.ErrNotFound)
	if report := read[api.VerifyResponse](t, r.do(t, r.post("/v1/verify", nil)), 200); !report.OK {
		t.Errorf("%+v", report)
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, path := range []string{"/livez", "/readyz"} {
		if answer := r.do(t, ask{method: "GET", path: path + "?verbose"}); answer.StatusCode != 200 {
			t.Errorf("%s: %d: %s", path, answer.StatusCode, answer.raw)
		}
	}
}

// TestMetrics scrapes what a day at the catalogue leaves behind.
func TestMetrics(t *testing.T) {
	t.Parallel()
	r := start(t)
	f := fixture("acme")
	list := f.story()
	last := r.publish(t, list...)[len(list)-1]
	r.do(t, one(cloud(t, f.event(0, f.created()))))
	problem(t, r.do(t, one(cloud(t, f.event(1, events.TenantDeleted{})))), 403, client.ErrForbidden)
	get[api.TenantGetResponse](t, r, minSeq(f.path(), last))

	answer := r.do(t, ask{method: "GET", path: "/metrics"})
	linted, err := promlint.New(bytes.NewReader(answer.raw)).Lint()
	if err != nil || len(linted) > 0 {
		t.Errorf("%v, %v", linted, err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(answer.raw)))
	if err != nil {
		t.Fatal(err)
	}
	value := func(name string, labels ...string) float64 {
		t.Helper()
		for _, m := range families[name].GetMetric() {
			given := ""
			for _, l := range m.GetLabel() {
				given += l.GetName() + "=" + l.GetValue() + " "
			}
			if given == strings.Join(append(labels, ""), " ") {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
		t.Errorf("there is no %s %v", name, labels)
		return -1
	}
	for code, want := range map[string]float64{"stored": float64(len(list)), "duplicate": 1, "forbidden": 1} {
		if got := value("catalogue_publish_verdicts_total", "code="+code); got != want {
			t.Errorf("%s: %v, want %v", code, got, want)
		}
	}
	if got := value("catalogue_view_seq", "view=tenants"); got != float64(last.Seq) {
		t.Errorf("the view is at %v", got)
	}
	if value("catalogue_view_lag_events", "view=history") != 0 || value("catalogue_ready") != 1 || value("catalogue_feed_clients") != 0 {
		t.Errorf("%s", answer.raw)
	}
	if got := value("catalogue_request_seconds", "door=http", "endpoint=GET /v1/tenants/{id}", "status=200"); got != 1 {
		t.Errorf("%v requests for a tenant", got)
	}
	for _, forbidden := range []string{"tenant_", "account_", "event_0", "event_7"} {
		for line := range strings.Lines(string(answer.raw)) {
			if strings.Contains(line, forbidden) {
				t.Errorf("an id in the metrics: %s", line)
			}
		}
	}
}

// TestShutdown wants requests under way to be answered, and nothing after.
func TestShutdown(t *testing.T) {
	t.Parallel()
	r := start(t)
	feed := r.send(t, r.request(t, ask{method: "GET", path: "/v1/feed"}))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := r.web.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(feed.Body)
	if err != nil || !strings.Contains(string(rest), ": the feed ends here") {
		t.Errorf("the feed ends with %v: %q", err, rest)
	}
	if _, err := http.DefaultClient.Do(r.request(t, ask{method: "GET", path: "/livez"})); err == nil { //nolint:bodyclose // there is none
		t.Error("it answers still")
	}
	if err := r.end(); err != nil {
		t.Error(err)
	}
}
