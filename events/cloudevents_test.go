package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"tenantcatalogue/events"
)

const renamed = `{"specversion":"1.0","id":"event_01jc3rk3vefkht2s3cqm8wd5tb","source":"/services/commerce","type":"tenant.renamed.v1",` +
	`"subject":"tenant_01jc3rk3vefkht2s3cqm8wd5tb","time":"2022-04-05T07:38:00Z","datacontenttype":"application/json","actor":"user_7",` +
	`"data":{"url":"acme.example.net"}}`

// with is the event above with members put in, or taken out where the value is
// empty. Values are JSON.
func with(t testing.TB, members map[string]string) string {
	t.Helper()
	var event map[string]json.RawMessage
	if err := json.Unmarshal([]byte(renamed), &event); err != nil {
		t.Fatal(err)
	}
	for name, value := range members {
		if event[name] = json.RawMessage(value); value == "" {
			delete(event, name)
		}
	}
	raw, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestParseCloudEvent(t *testing.T) {
	t.Parallel()
	got, err := events.ParseCloudEvent([]byte(with(t, map[string]string{
		"run": `"run_01jc3rk3vefkht2s3cqm8wd5tb"`, "causationid": `"event_01jc3rk3vefkht2s3cqm8wd5ta"`, "correlationid": `"flow-1"`,
		"epoch": "3", "dataschema": `"urn:tenantcatalogue:schema:tenant.renamed.v1"`, "datacontenttype": "",
	})))
	if err != nil {
		t.Fatal(err)
	}
	tenant, err := events.ParseID[events.TenantID]("tenant_01jc3rk3vefkht2s3cqm8wd5tb")
	if err != nil {
		t.Fatal(err)
	}
	want := events.Event{
		Source: "/services/commerce", About: events.OfTenant(tenant), Time: 1649144280000000000, Actor: "user_7", Correlation: "flow-1", Epoch: 3,
		Payload: events.TenantRenamed{URL: "acme.example.net"}, ID: got.ID, Run: got.Run, Causation: got.Causation,
	}
	same(t, want, got.Event)
	same(t, `{"url":"acme.example.net"}`, string(got.Data))
	same(t, []string{"event_01jc3rk3vefkht2s3cqm8wd5tb", "run_01jc3rk3vefkht2s3cqm8wd5tb", "event_01jc3rk3vefkht2s3cqm8wd5ta"},
		[]string{got.ID.String(), got.Run.String(), got.Causation.String()})
}

// Each fault names the attribute or the field of data.
func TestParseCloudEventRefuses(t *testing.T) {
	t.Parallel()
	type put = map[string]string
	for _, c := range []struct {
		name  string
		put   put
		field string
		err   error
	}{
		{"no specversion", put{"specversion": ""}, "specversion", events.ErrMalformed},
		{"another specversion", put{"specversion": `"0.3"`}, "specversion", events.ErrMalformed},
		{"specversion is a number", put{"specversion": "1.0"}, "specversion", events.ErrMalformed},
		{"no id", put{"id": ""}, "id", events.ErrMalformed},
		{"empty id", put{"id": `""`}, "id", events.ErrMalformedID},
		{"id of the wrong kind", put{"id": `"tenant_01jc3rk3vefkht2s3cqm8wd5tb"`}, "id", events.ErrWrongKind},
		{"id is a number", put{"id": "7"}, "id", events.ErrMalformed},
		{"null id", put{"id": "null"}, "id", events.ErrMalformed},
		{"no source", put{"source": ""}, "source", events.ErrMalformed},
		{"no type", put{"type": ""}, "type", events.ErrMalformed},
		{"unknown type", put{"type": `"tenant.renamed.v9"`}, "type", events.ErrUnknownType},
		{"no subject", put{"subject": ""}, "subject", events.ErrMalformed},
		{"wildcard subject", put{"subject": `"tenant_*"`}, "subject", events.ErrMalformedID},
		{"subject of another kind", put{"subject": `"account_01jc3rk3vefkht2s3cqm8wd5tb"`}, "subject", events.ErrMalformed},
		{"subject is an app", put{"subject": `"app_01jc3rk3vefkht2s3cqm8wd5tb"`}, "subject", events.ErrWrongKind},
		{"no time", put{"time": ""}, "time", events.ErrMalformed},
		{"time of another zone", put{"time": `"2022-04-05T09:38:00+02:00"`}, "time", events.ErrMalformed},
		{"another content type", put{"datacontenttype": `"text/xml"`}, "datacontenttype", events.ErrMalformed},
		{"schema of another type", put{"dataschema": `"urn:tenantcatalogue:schema:tenant.deleted.v1"`}, "dataschema", events.ErrMalformed},
		{"no actor", put{"actor": ""}, "actor", events.ErrMalformed},
		{"actor is an address", put{"actor": `"jo@example.net"`}, "actor", events.ErrMalformed},
		{"run of the wrong kind", put{"run": `"plan_01jc3rk3vefkht2s3cqm8wd5tb"`}, "run", events.ErrWrongKind},
		{"causation of the wrong kind", put{"causationid": `"run_01jc3rk3vefkht2s3cqm8wd5tb"`}, "causationid", events.ErrWrongKind},
		{"epoch is a text", put{"epoch": `"3"`}, "epoch", events.ErrMalformed},
		{"negative epoch", put{"epoch": "-1"}, "epoch", events.ErrMalformed},
		{"broken epoch", put{"epoch": "1.5"}, "epoch", events.ErrMalformed},
		{"epoch beyond 32 bits", put{"epoch": "2147483648"}, "epoch", events.ErrMalformed},
		{"unknown attribute", put{"tenantid": `"x"`}, "tenantid", events.ErrMalformed},
		{"attribute in upper case", put{"Actor": `"x"`}, "Actor", events.ErrMalformed},
		{"recordedtime", put{"recordedtime": `"2022-04-05T07:38:00Z"`}, "recordedtime", events.ErrMalformed},
		{"via", put{"via": `"admin"`}, "via", events.ErrMalformed},
		{"seq", put{"seq": `"7"`}, "seq", events.ErrMalformed},
		{"unitmore", put{"unitmore": "1"}, "unitmore", events.ErrMalformed},
		{"data_base64", put{"data": "", "data_base64": `"e30="`}, "data_base64", events.ErrMalformed},
		{"no data", put{"data": ""}, "data", events.ErrMalformed},
		{"null data", put{"data": "null"}, "data", events.ErrMalformed},
		{"data is a text", put{"data": `"{}"`}, "data", events.ErrMalformed},
		{"data is a list", put{"data": "[]"}, "data", events.ErrMalformed},
		{"unknown field of data", put{"data": `{"url":"a.b","x":1}`}, "data", events.ErrMalformed},
		{"field of another JSON type", put{"data": `{"url":1}`}, "data.url", events.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := events.ParseCloudEvent([]byte(with(t, c.put)))
			var fault *events.FieldError
			if !errors.As(err, &fault) || fault.Field != c.field || !errors.Is(err, c.err) {
				t.Errorf("got %v, want a fault of %s that is %v", err, c.field, c.err)
			}
		})
	}
}

func TestParseCloudEventRefusesWhatIsAmbiguous(t *testing.T) {
	t.Parallel()
	edit := func(old, replacement string) string { return strings.Replace(renamed, old, replacement, 1) }
	for name, c := range map[string]struct{ text, want string }{
		"nothing":            {"", "event: is not JSON"},
		"a list":             {"[" + renamed + "]", "event: is not a JSON object"},
		"null":               {"null", "event: is not a JSON object"},
		"truncated":          {renamed[:len(renamed)-1], "event: is not JSON"},
		"two events":         {renamed + renamed, "event: is not JSON, or more than one"},
		"BOM":                {"\ufeff" + renamed, "event: is not JSON"},
		"not UTF-8":          {edit("user_7", "user_\xff"), "event: is not UTF-8"},
		"attribute twice":    {edit(`"actor"`, `"actor":"user_8","actor"`), "actor: is given twice"},
		"twice by an escape": {edit(`"actor"`, `"\u0061ctor":"user_8","actor"`), "actor: is given twice"},
		"field twice":        {edit(`{"url"`, `{"url":"c.d","url"`), "data.url: is given twice"},
		"lone surrogate":     {edit("acme", `\udc00`), "data.url: has a character that is no character"},
		"NUL":                {edit("acme", "\x00"), "is not JSON"},
		"too deep":           {edit(`"acme.example.net"`, strings.Repeat("[", 20000)), "is not JSON"},
	} {
		_, err := events.ParseCloudEvent([]byte(c.text))
		var fault *events.FieldError
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	large := edit("acme", strings.Repeat("a", events.MaxCloudEventBytes))
	if _, err := events.ParseCloudEvent([]byte(large)); !errors.Is(err, events.ErrTooLarge) {
		t.Error(err)
	}
}

// A fault never carries the value of a personal field.
func TestFaultsKeepPersonalValues(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"4930555", `["4930555"]`, `{"4930555":"4930555"}`, `"4930555","phone":"4930555"`, "4930555.5e3", "true"} {
		text := with(t, map[string]string{"type": `"account.contacts_updated.v1"`, "subject": `"account_01jc3rk3vefkht2s3cqm8wd5tb"`, "data": "{}"})
		text = strings.Replace(text, `"data":{}`, `"data":{"contacts":[{"kind":"billing","phone":`+value+`}]}`, 1)
		if _, err := events.ParseCloudEvent([]byte(text)); err == nil || strings.Contains(err.Error(), "4930555") || !strings.Contains(err.Error(), "phone") {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestParseRecorded(t *testing.T) {
	t.Parallel()
	ours := map[string]string{"recordedtime": `"2022-04-05T07:38:01Z"`, "via": `"services"`, "seq": `"18"`, "unitmore": "2"}
	got, err := events.ParseRecorded([]byte(with(t, ours)))
	if err != nil {
		t.Fatal(err)
	}
	if got.RecordedTime.String() != "2022-04-05T07:38:01Z" || got.Via != "services" || got.Seq != 18 || got.More != 2 {
		t.Errorf("%+v", got.Event)
	}
	for name, value := range map[string]string{"seq": `"0"`, "unitmore": "65536", "recordedtime": `"x"`, "via": `"a b"`} {
		refused(t, with(t, map[string]string{name: value}), name)
	}
	for _, seq := range []string{`18`, `""x`, `"018"`, `"+1"`, `"-1"`, `"9223372036854775808"`, `"1e3"`, `" 1"`} {
		if json.Valid([]byte(seq)) {
			refused(t, with(t, map[string]string{"seq": seq}), "seq")
		}
	}
}

func refused(t *testing.T, text, field string) {
	t.Helper()
	_, err := events.ParseRecorded([]byte(text))
	var fault *events.FieldError
	if !errors.As(err, &fault) || fault.Field != field {
		t.Errorf("got %v, want a fault of %s in %s", err, field, text)
	}
}

func TestABadItemDoesNotSpoilTheBatch(t *testing.T) {
	t.Parallel()
	bad := with(t, map[string]string{"id": ""})
	batch, err := events.ParseCloudEventBatch([]byte("["+renamed+","+bad+", 7 ,"+renamed+"]"), 4)
	if err != nil {
		t.Fatal(err)
	}
	var faults []bool
	for _, item := range batch {
		faults = append(faults, item.Err != nil)
	}
	same(t, []bool{false, true, true, false}, faults)
	if batch[3].Source != "/services/commerce" || string(batch[3].Data) != `{"url":"acme.example.net"}` {
		t.Errorf("%+v", batch[3])
	}
	if _, err := events.ParseCloudEventBatch([]byte("["+renamed+","+renamed+"]"), 1); !errors.Is(err, events.ErrTooLarge) {
		t.Errorf("two where one is allowed: %v", err)
	}
	if empty, err := events.ParseCloudEventBatch([]byte("[]"), 1); err != nil || len(empty) != 0 {
		t.Errorf("%v, %v", empty, err)
	}
	for _, text := range []string{"", "null", renamed, "[" + renamed, "[" + renamed + "]x", "7"} {
		if _, err := events.ParseCloudEventBatch([]byte(text), 9); !errors.Is(err, events.ErrMalformed) {
			t.Errorf("%.20s: %v", text, err)
		}
	}
}

func TestMarshalCloudEventRefusesWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	for field, edit := range map[string]func(*events.Event){
		"actor": func(e *events.Event) { e.Actor = "" },
		"epoch": func(e *events.Event) { e.Epoch = 1 << 31 },
		"data":  func(e *events.Event) { e.Payload = nil },
	} {
		e := anEvent()
		edit(&e)
		raw, err := events.MarshalCloudEvent(e)
		var fault *events.FieldError
		if !errors.As(err, &fault) || fault.Field != field {
			t.Errorf("%s: %s, %v", field, raw, err)
		}
	}
}

func FuzzParseCloudEvent(f *testing.F) {
	f.Add([]byte(renamed))
	for _, eventType := range events.Types() {
		f.Add(readGolden(f, eventType).json)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		first, err := events.ParseRecorded(raw)
		if err != nil {
			if _, ok := errors.AsType[*events.FieldError](err); !ok {
				t.Errorf("an error that names no field: %v", err)
			}
			return
		}
		written, err := events.MarshalCloudEvent(first.Event)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		second, err := events.ParseRecorded(written)
		if err != nil {
			if strings.HasPrefix(err.Error(), "data") && strings.Contains(err.Error(), `: "" is not `) {
				return // data that no schema takes: a required id or time is missing
			}
			t.Fatalf("what was written cannot be read: %v\n%s", err, written)
		}
		again, err := events.MarshalCloudEvent(second.Event)
		if err != nil || !bytes.Equal(written, again) {
			t.Errorf("not stable: %v\n%s\n%s", err, written, again)
		}
	})
}

func ExampleParseCloudEvent() {
	event, err := events.ParseCloudEvent([]byte(`{
		"specversion": "1.0",
		"id":      "event_01jc3rk3vefkht2s3cqm8wd5tb",
		"source":  "/services/commerce",
		"type":    "tenant.renamed.v1",
		"subject": "tenant_01jc3rk3vefkht2s3cqm8wd5tb",
		"time":    "2022-04-05T07:38:00Z",
		"actor":   "user_7",
		"data":    {"url": "acme.example.net"}
	}`))
	fmt.Println(event.Type(), event.About, err)
	fmt.Println(string(event.Data)) // for schemas.Set.Validate

	_, err = events.ParseCloudEvent([]byte(`{"specversion": "1.0", "id": "tenant_01jc3rk3vefkht2s3cqm8wd5tb"}`))
	fmt.Println(err)
	// Output:
	// tenant.renamed.v1 tenant_01jc3rk3vefkht2s3cqm8wd5tb <nil>
	// {"url": "acme.example.net"}
	// id: "tenant_01jc3rk3vefkht2s3cqm8wd5tb" is a tenant id, an event id is wanted
}

func BenchmarkParseCloudEvent(b *testing.B) {
	raw := readGolden(b, "tenant.created.v1").json
	b.ReportAllocs()
	for b.Loop() {
		if _, err := events.ParseRecorded(raw); err != nil {
			b.Fatal(err)
		}
	}
}
