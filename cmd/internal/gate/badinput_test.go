package gate_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
)

// TestBadInput sends every sort of bad input: each is refused, names the field,
// and leaves nothing in the log.
func TestBadInput(t *testing.T) {
	t.Parallel()
	r := start(t, daemon.Config{})
	nc := r.connect(t)
	f := fixture("acme")
	publish(t, nc, f.story()...)
	good := string(cloudOne(t, f.event(0, events.TenantConfigured{Metadata: map[string]string{"plan": "gold"}})))
	swap := func(from, to string) string {
		t.Helper()
		if !strings.Contains(good, from) {
			t.Fatalf("there is no %s in %s", from, good)
		}
		return strings.Replace(good, from, to, 1)
	}
	for name, c := range map[string]struct{ body, field string }{
		"empty":               {"", "request"},
		"no JSON":             {"hello", "event"},
		"truncated":           {good[:len(good)-5], "event"},
		"followed":            {good + "x", "event"},
		"not UTF-8":           {swap("gold", "g\xffld"), "event"},
		"oversized":           {swap("gold", strings.Repeat("x", 900<<10)), "data"},
		"wrong kind":          {swap(f.about().String(), f.account().String()), "subject"},
		"wrong kind of id":    {swap(f.event(0, events.TenantConfigured{}).ID.String(), f.tenant().String()), "id"},
		"unknown attribute":   {swap(`"actor"`, `"owner":"x","actor"`), "owner"},
		"unknown field":       {swap(`"metadata"`, `"metadata_":{},"metadata"`), "data"},
		"wrong version":       {swap("tenant.configured.v1", "tenant.configured.v7"), "type"},
		"not UTC":             {swap(`Z","datacontenttype"`, `+02:00","datacontenttype"`), "time"},
		"no zone":             {swap(`Z","datacontenttype"`, `","datacontenttype"`), "time"},
		"duplicate key":       {swap(`"plan":"gold"`, `"plan":"gold","plan":"iron"`), "data.metadata.plan"},
		"duplicate attribute": {swap(`"actor"`, `"actor":"x","actor"`), "actor"},
		"wildcard subject":    {swap(f.about().String(), "tenant_*"), "subject"},
		"all subjects":        {swap(f.about().String(), ">"), "subject"},
		"wildcard actor":      {swap("user:ops", "user.*"), "actor"},
		"line in a header":    {swap("/services/provisioning", `/services\r\nNats-Expected-Last-Sequence: 0`), "source"},
		"ours: seq":           {swap(`"actor"`, `"seq":"1","actor"`), "seq"},
		"ours: via":           {swap(`"actor"`, `"via":"admin","actor"`), "via"},
		"number for a text":   {swap(`"gold"`, `1`), "data"},
		"null":                {swap(`"user:ops"`, `null`), "actor"},
		"data is a list":      {swap(`{"metadata":{"plan":"gold"}}`, `[]`), "data"},
		"binary data":         {swap(`"data":`, `"data_base64":"","data":`), "data_base64"},
	} {
		for form, body := range map[string][]byte{"single": []byte(c.body), "batch": []byte("[" + c.body + "]")} {
			problem := ask1(t, r, body)
			if problem == nil || problem.Code != client.ErrMalformed && problem.Code != client.ErrTooLarge {
				t.Errorf("%s, %s: %+v", name, form, problem)
				continue
			}
			if form == "single" && (len(problem.Fields) == 0 || !strings.HasPrefix(problem.Fields[0].Field, c.field)) {
				t.Errorf("%s: the fault is at %+v, not at %s", name, problem.Fields, c.field)
			}
		}
	}
	for _, bad := range [][]byte{{0xc1}, {0xdd, 0xff, 0xff, 0xff, 0xff}, bytes.Repeat([]byte{0x91}, 10_000)} {
		out, err := r.api.Publish(t.Context(), anonymous(), events.ContentType, bad)
		if err == nil && (len(out.Verdicts) != 1 || out.Verdicts[0].Error == nil) {
			t.Errorf("%x is taken: %+v", bad[:min(8, len(bad))], out)
		}
	}
	if head, err := r.Log.Head(t.Context()); err != nil || head != storyEnd {
		t.Errorf("the log is at %d, %v", head, err)
	}
	// The one good item between bad ones is written.
	var verdicts []client.Verdict
	if p := ask(t, nc, "catalogue.v1.publish", []byte("[{},"+good+",7]"), &verdicts); p != nil || len(verdicts) != 3 {
		t.Fatalf("%+v, %+v", verdicts, p)
	}
	if verdicts[0].Error == nil || verdicts[1].Seq != storyEnd+1 || verdicts[2].Error == nil {
		raw, _ := json.Marshal(verdicts)
		t.Errorf("%s", raw)
	}
}

// ask1 publishes through the API itself, which knows no limit of a message, and
// gives the error of the request or of its one event.
func ask1(t *testing.T, r *running, body []byte) *client.Error {
	t.Helper()
	out, err := r.api.Publish(t.Context(), anonymous(), "", body)
	if err != nil {
		return errorOf(err)
	}
	if len(out.Verdicts) == 0 { // [] of nothing
		return &client.Error{Code: client.ErrMalformed, Fields: []client.FieldFault{{Field: "request"}}}
	}
	return out.Verdicts[0].Error
}

// TestBadRequests asks badly for what is no event.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	r := start(t, daemon.Config{})
	nc := r.connect(t)
	for _, c := range []struct{ subject, body, field string }{
		{"tenant.get", `{}`, "tenant"},
		{"tenant.get", `{"tenant":"account_01jc3rk3vefkht2s3cqm8wd5tb"}`, ""},
		{"tenant.get", `{"tenat":"x"}`, "request"},
		{"tenant.get", `{"tenant":"` + fixture("x").tenant().String() + `","min_seq":99}`, "min_seq"},
		{"tenant.record", `{}`, "tenant"},
		{"tenant.record", `{"tenant":"` + fixture("x").tenant().String() + `","min_seq":99}`, "min_seq"},
		{"tenant.asof", `{"tenant":"` + fixture("x").tenant().String() + `"}`, "at"},
		{"tenant.list", `{"limit":1001}`, "limit"},
		{"tenant.list", `{"page":"%%%"}`, "page"},
		{"tenant.list", `{"shard":"a","region":"b"}`, "shard"},
		{"lookup", `{}`, "request"},
		{"lookup", `{"url":"a","contact":"b"}`, "request"},
		{"history", `{"since":"yesterday"}`, "time"},
		{"history", `{"limit":"all"}`, "limit"},
		{"history", `{"run":"tenant_01jc3rk3vefkht2s3cqm8wd5tb"}`, ""},
		{"read", `{"after_seq":-1}`, "after_seq"},
		{"read", `{"format":"xml"}`, "format"},
		{"schemas", `{"name":"tenant.*"}`, "name"},
		{"schemas", `{} {}`, "request"},
	} {
		p := ask(t, nc, "catalogue.v1."+c.subject, []byte(c.body), nil)
		if p == nil || p.Status != 400 || c.field != "" && (len(p.Fields) == 0 || p.Fields[0].Field != c.field) {
			t.Errorf("%s %s: %+v", c.subject, c.body, p)
		}
	}
	for _, subject := range []string{"tenant.get", "tenant.record"} {
		if p := ask(t, nc, "catalogue.v1."+subject, []byte(`{"tenant":"`+fixture("x").tenant().String()+`"}`), nil); p == nil || p.Status != 404 {
			t.Errorf("%s of a tenant that never was: %+v", subject, p)
		}
	}
}
