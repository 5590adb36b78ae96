package web_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
	"tenantcatalogue/events/bus"
)

func TestPublishOne(t *testing.T) {
	t.Parallel()
	r := start(t)
	f, raw := fixture("acme"), []byte(nil)
	for _, e := range f.story() {
		raw = cloud(t, e)
		v := read[client.Verdict](t, r.do(t, one(raw)), 201)
		if v.ID != e.ID || v.Seq == 0 || v.Duplicate {
			t.Errorf("%s: %+v", e.Type(), v)
		}
	}
	first := read[client.Verdict](t, r.do(t, one(raw)), 200)
	if !first.Duplicate || first.Seq == 0 {
		t.Errorf("the same event again: %+v", first)
	}
}

func TestPublishRefusals(t *testing.T) {
	t.Parallel()
	r := start(t)
	f, other := fixture("acme"), fixture("other")
	r.publish(t, f.story()...)
	taken := other.created()
	taken.URL, taken.Account = "acme-renamed.example.net", f.account()
	product := events.DeriveID[events.ProductID]("acme")
	before := r.head(t)
	for name, c := range map[string]struct {
		event  events.Event
		status int
		code   client.Code
	}{
		"illegal":    {f.event(1, events.ProductUnsuspended{Product: product}), 409, client.ErrIllegal},
		"not found":  {other.event(1, events.TenantDeactivated{}), 404, client.ErrNotFound},
		"reused id":  {f.event(0, events.TenantRenamed{URL: "else.example.net"}), 422, client.ErrIDReused},
		"claimed":    {other.event(0, taken), 409, client.ErrClaimed},
		"tombstone":  {f.event(1, events.TenantDeleted{}), 403, client.ErrForbidden},
		"ours alone": {f.event(1, events.TenantRestored{Epoch: 1, Part: 1, Parts: 1, Mode: events.Rewind, Restoration: events.DeriveID[events.RestoreID]("x"), Cut: 1, AsOf: 1, Entities: events.Entities{}}), 403, client.ErrForbidden},
	} {
		p := problem(t, r.do(t, one(cloud(t, c.event))), c.status, c.code)
		if p.ID != c.event.ID || p.Type != "urn:tenantcatalogue:problem:"+string(c.code) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	for _, tombstone := range []events.Payload{events.TenantDeleted{}, events.AppUninstalled{App: events.DeriveID[events.AppID]("acme")}} {
		for _, who := range []*bus.Credential{nil, new(deleter()), r.admin()} {
			if p := problem(t, r.do(t, one(cloud(t, f.event(1, tombstone)), who)), 403, client.ErrForbidden); p.Hint != "make a plan: catalogue delete plan" {
				t.Errorf("the hint is %q", p.Hint)
			}
		}
	}
	if after := r.head(t); after != before {
		t.Errorf("refused events moved the log from %d to %d", before, after)
	}
	r.deleted(t, f, events.RunID{})
	if p := problem(t, r.do(t, one(cloud(t, f.event(2, events.TenantDeactivated{})))), 412, client.ErrEpoch); p.Epoch != 1 {
		t.Errorf("which epoch it is now is not said: %+v", p)
	}
}

func TestIfMatch(t *testing.T) {
	t.Parallel()
	r := start(t)
	f := fixture("acme")
	verdicts := r.publish(t, f.story()...)
	seen := r.do(t, ask{method: "GET", path: minSeq(f.path(), verdicts[len(verdicts)-1])})
	tag := seen.Header.Get("ETag")
	with := func(a ask, value string) ask {
		a.header["If-Match"] = value
		return a
	}
	v := read[client.Verdict](t, r.do(t, with(one(cloud(t, f.used(1))), tag)), 201)
	again := read[client.Verdict](t, r.do(t, with(one(cloud(t, f.used(1))), tag)), 200)
	if !again.Duplicate || again.Seq != v.Seq {
		t.Errorf("a retry gets %+v, the first answer was %+v", again, v)
	}
	if p := problem(t, r.do(t, with(one(cloud(t, f.used(2))), tag)), 412, client.ErrConflict); p.LastSeq != v.Seq {
		t.Errorf("%+v", p)
	}
	if p := problem(t, r.do(t, with(one([]byte(`{"specversion":"1.0"}`)), tag)), 400, client.ErrMalformed); len(p.Fields) == 0 {
		t.Errorf("%+v", p)
	}
	for _, value := range []string{"*", "7", `W/"7"`, `"7", "8"`, `"-1"`, `"x"`, `"`, `""`, `"99999999999999999999"`} {
		problem(t, r.do(t, with(one(cloud(t, f.used(3))), value)), 400, client.ErrMalformed)
	}
	problem(t, r.do(t, with(many(batch(t, f.used(3))), tag)), 400, client.ErrMalformed)
	if r.head(t) != v.Seq {
		t.Error("a refused event was written")
	}
}

// TestSameVerdicts wants HTTP to say what package api says.
func TestSameVerdicts(t *testing.T) {
	t.Parallel()
	over, direct := start(t), start(t)
	f := fixture("acme")
	list := append(f.story(), f.story()...)
	list = append(list, f.event(1, events.TenantDeleted{}), f.event(1, events.TenantReactivated{}), fixture("other").used(1),
		f.event(0, events.TenantRenamed{URL: "else.example.net"}))
	raw := batch(t, list...)
	raw = append(raw[:len(raw)-1], []byte(`,{"id":"`+f.used(9).ID.String()+`","specversion":"1.0"},7,null,{"a":1,"a":2}]`)...)
	got := read[[]client.Verdict](t, over.do(t, many(raw)), 200)
	want, err := direct.api.Publish(t.Context(), auth.Anonymous(), api.TypeBatch, raw)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(lines(t, want.Verdicts), lines(t, got)); diff != "" {
		t.Errorf("over HTTP (+) it is not what it is (-):\n%s", diff)
	}
	if len(got) != len(list)+4 {
		t.Errorf("%d verdicts", len(got))
	}
}

// lines is each verdict in JSON.
func lines(t *testing.T, verdicts []client.Verdict) (out []string) {
	t.Helper()
	for _, v := range verdicts {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(raw))
	}
	return out
}

// TestHostileBodies sends what is no event in many ways: each is refused with
// the field at fault, and nothing of it is written.
func TestHostileBodies(t *testing.T) {
	t.Parallel()
	r := start(t)
	f := fixture("acme")
	good := string(cloud(t, f.event(0, f.created())))
	swap := func(old, replacement string) []byte {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in %s", old, good)
		}
		return []byte(strings.Replace(good, old, replacement, 1))
	}
	nested := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	for name, raw := range map[string][]byte{
		"empty":           {},
		"white space":     []byte(" \n"),
		"no JSON":         []byte("<event/>"),
		"half":            []byte(good[:len(good)/2]),
		"followed":        []byte(good + good),
		"an array":        []byte("[" + good + "]"),
		"a number":        []byte("7"),
		"null":            []byte("null"),
		"not UTF-8":       swap("acme.example", "acme\xff.example"),
		"duplicate key":   swap(`"specversion"`, `"specversion":"1.0","specversion"`),
		"unknown":         swap(`"specversion"`, `"colour":"red","specversion"`),
		"unknown in data": swap(`"data":{`, `"data":{"colour":"red",`),
		"deep":            swap(`"data":{`, `"data":{"metadata":`+nested+`,`),
		"deeper":          []byte(nested),
		"wildcard id":     swap(f.tenant().String(), "tenant_*"),
		"wildcards":       swap(f.tenant().String(), "tenant_>"),
		"other kind":      swap(`"subject":"tenant_`, `"subject":"account_`),
		"event id kind":   swap(`"id":"event_`, `"id":"run_`),
		"not in UTC":      swap(`:38:00Z"`, `:38:00+02:00"`),
		"no time":         swap(`"time":"2022`, `"time":"yesterday`),
		"version":         swap("tenant.created.v1", "tenant.created.v9"),
		"type":            swap("tenant.created.v1", "tenant.>"),
		"spec version":    swap(`"specversion":"1.0"`, `"specversion":"0.3"`),
		"ours":            swap(`"specversion"`, `"seq":"1","specversion"`),
		"via":             swap(`"specversion"`, `"via":"admin","specversion"`),
		"wrong type":      swap(`"url":"acme.example.net"`, `"url":7`),
	} {
		p := problem(t, r.do(t, one(raw)), 400, client.ErrMalformed)
		if len(p.Fields) == 0 || p.Fields[0].Field == "" || p.Fields[0].Why == "" {
			t.Errorf("%s: no field is named: %+v", name, p)
		}
	}
	huge := swap("acme.example.net", strings.Repeat("a", events.MaxCloudEventBytes))
	problem(t, r.do(t, one(huge)), 413, client.ErrTooLarge)
	problem(t, r.do(t, many([]byte("["+strings.Repeat("7,", client.MaxBatch)+"7]"))), 413, client.ErrTooLarge)
	problem(t, r.do(t, many([]byte(good))), 400, client.ErrMalformed)
	problem(t, r.do(t, many([]byte(`[`+good))), 400, client.ErrMalformed)
	if none := read[[]client.Verdict](t, r.do(t, many([]byte(`[]`))), 200); len(none) != 0 {
		t.Errorf("%v", none)
	}
	if r.head(t) != 0 {
		t.Error("something was written")
	}
}

func TestMediaTypes(t *testing.T) {
	t.Parallel()
	r := start(t)
	raw := cloud(t, fixture("acme").event(0, fixture("acme").created()))
	for _, kind := range []string{
		"", "application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/cloudevents+xml",
		api.TypeMsgpack, api.TypeEvent + "; charset=latin1", ";", "application/cloudevents+json; charset",
	} {
		a := one(raw)
		a.header["Content-Type"] = kind
		problem(t, r.do(t, a), 415, "unsupported_media_type")
	}
	zipped := one(raw)
	zipped.header["Content-Encoding"] = "gzip"
	problem(t, r.do(t, zipped), 415, "unsupported_media_type")
	spelled := one(cloud(t, fixture("acme").event(0, events.AccountCreated{Name: "Somebody"})))
	spelled.header["Content-Type"] = "Application/CloudEvents+JSON; charset=UTF-8"
	read[client.Verdict](t, r.do(t, spelled), 201)
}

// TestBodySizeIsBounded sends bodies that do not say how long they are, or lie.
func TestBodySizeIsBounded(t *testing.T) {
	t.Parallel()
	r := start(t)
	endless := r.request(t, one(nil))
	endless.Body = &repeated{}
	endless.ContentLength = -1
	if answer := r.send(t, endless); answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("an endless body: %d", answer.StatusCode)
	}
	// One that promises more than it sends.
	conn := r.dial(t, "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: "+api.TypeEvent+"\r\nContent-Length: 100\r\n\r\n{")
	if err := errors.Join(conn.SetDeadline(time.Now().Add(10*time.Second)), conn.CloseWrite()); err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, 64)
	if n, err := conn.Read(raw); err == nil && !bytes.Contains(raw[:n], []byte(" 400 ")) {
		t.Errorf("a body cut short: %q", raw[:n])
	}
	if r.head(t) != 0 {
		t.Error("something was written")
	}
}

// repeated is a body without an end.
type repeated struct{}

func (*repeated) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
func (*repeated) Close() error { return nil }

// FuzzPublish wants an answer to whatever is sent, as described.
func FuzzPublish(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0"}`), true)
	f.Add([]byte(`[{"specversion":"1.0","id":"event_01h455vb4pex5vsknk084sn02q"},{}]`), false)
	f.Add([]byte(`{"specversion":"1.0","id":"event_01h455vb4pex5vsknk084sn02q","source":"/s","type":"tenant.deactivated.v1","subject":"tenant_01h455vb4pex5vsknk084sn02q","time":"2022-04-05T07:38:00Z","actor":"a","data":{}}`), true)
	r := start(f)
	f.Fuzz(func(t *testing.T, raw []byte, single bool) {
		a := many(raw)
		if single {
			a = one(raw)
		}
		if answer := r.do(t, a); answer.StatusCode >= 500 || !json.Valid(answer.raw) {
			t.Errorf("%d: %s", answer.StatusCode, answer.raw)
		}
	})
}
