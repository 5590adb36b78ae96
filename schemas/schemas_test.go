package schemas_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tenantcatalogue/schemas"
)

func open(t *testing.T) *schemas.Set {
	t.Helper()
	set, err := schemas.New()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

const (
	account = "account_01jc3rk3vefkht2s3cqm8wd5tb"
	tenant  = "tenant_01jc3rk3vefkht2s3cqm8wd5tb"
	product = "product_01jc3rk3vefkht2s3cqm8wd5tb"
	cloudID = "018f3c4e-0000-7000-8000-000000000001"
	created = `"url":"acme.example.net","cloud_id":"` + cloudID + `","account":"` + account + `","region":"eu-west","tier":"standard"`
)

func TestValidate(t *testing.T) {
	t.Parallel()
	set := open(t)
	manyRoles := strings.TrimSuffix(strings.Repeat(`"r",`, 65), ",")
	for _, c := range []struct {
		name, eventType, data string
		want                  string // the error; empty: valid
	}{
		{"valid", "tenant.created.v1", `{` + created + `}`, ""},
		{"nothing required", "tenant.deleted.v1", `{}`, ""},
		{"missing", "tenant.renamed.v1", `{}`, `data lacks "url"`},
		{"unknown field", "tenant.renamed.v1", `{"url":"a.b","URL":"c.d"}`, `data has the unknown field "URL"`},
		{"twice", "tenant.renamed.v1", `{"url":"a.b","url":"c.d"}`, "data.url is given twice"},
		{"twice by escape", "tenant.renamed.v1", `{"url":"a.b","\u0075rl":"c.d"}`, "data.url is given twice"},
		{"twice, deep", "tenant.configured.v1", `{"metadata":{"a":"1","a":"2"}}`, "data.metadata.a is given twice"},
		{"upper case host", "tenant.renamed.v1", `{"url":"Acme.example.net"}`, "data.url is not a host name"},
		{"host without a dot", "tenant.renamed.v1", `{"url":"localhost"}`, "data.url is not a host name"},
		{"wildcard host", "tenant.renamed.v1", `{"url":"*.example.net"}`, "data.url is not a host name"},
		{"host with a line end", "tenant.renamed.v1", `{"url":"a.b\n"}`, "data.url is not a host name"},
		{"long host", "tenant.renamed.v1", `{"url":"` + strings.Repeat("a.", 127) + `b"}`, "data.url has 255 characters, at most 253"},
		{"scheme", "tenant.renamed.v1", `{"url":"https://a.b"}`, "data.url is not a host name"},
		{"null", "tenant.renamed.v1", `{"url":null}`, "data.url is of JSON type null, string is wanted"},
		{"empty text", "tenant.deleted.v1", `{"reason":""}`, "data.reason is not a text"},
		{"control character", "tenant.deleted.v1", `{"reason":"a\u0007"}`, "data.reason is not a text"},
		{"right-to-left override", "tenant.deleted.v1", `{"reason":"a\u202e"}`, "data.reason is not a text"},
		{"lone surrogate", "tenant.deleted.v1", `{"reason":"\ud800"}`, "data.reason has a character that is no character"},
		{"not UTF-8", "tenant.deleted.v1", "{\"reason\":\"\xff\"}", "data is not UTF-8"},
		{"BOM", "tenant.deleted.v1", "\ufeff{}", "data is not JSON"},
		{"truncated", "tenant.deleted.v1", `{"reason":"a"`, "data is not JSON"},
		{"nothing", "tenant.deleted.v1", ``, "data is not JSON"},
		{"two values", "tenant.deleted.v1", `{}{}`, "data is not JSON, or more than one"},
		{"no object", "tenant.deleted.v1", `[]`, "data is of JSON type array"},
		{"fraction", "tenant.usage_reported.v1", `{"active_users":1.0,"last_activity":"2022-04-05T07:38:00Z"}`, "data.active_users is a number that is no plain integer"},
		{"exponent", "tenant.usage_reported.v1", `{"active_users":1e9999999,"last_activity":"2022-04-05T07:38:00Z"}`, "data.active_users is a number that is no plain integer"},
		{"beyond JSON-safe", "tenant.usage_reported.v1", `{"active_users":9007199254740992,"last_activity":"2022-04-05T07:38:00Z"}`, "data.active_users is above 9007199254740991"},
		{"negative", "tenant.usage_reported.v1", `{"active_users":-1,"last_activity":"2022-04-05T07:38:00Z"}`, "data.active_users is below 0"},
		{"another zone", "tenant.usage_reported.v1", `{"active_users":1,"last_activity":"2022-04-05T07:38:00+02:00"}`, "data.last_activity is not an RFC 3339 time in UTC"},
		{"24:00", "tenant.usage_reported.v1", `{"active_users":1,"last_activity":"2022-04-05T24:00:00Z"}`, "data.last_activity is not"},
		{"id of the wrong kind", "tenant.created.v1", `{` + strings.Replace(created, account, tenant, 1) + `}`, "data.account is not the id of an account"},
		{"upper case UUID", "tenant.created.v1", `{` + strings.Replace(created, "018f3c4e", "018F3C4E", 1) + `}`, "data.cloud_id is not a UUID"},
		{"says nothing", "tenant.configured.v1", `{}`, "data says nothing"},
		{"key of metadata", "tenant.configured.v1", `{"metadata":{"a b":"1"}}`, "data.metadata has a key with a character"},
		{"user with an address", "identity.member_revoked.v1", `{"user":"jo@example.net"}`, "data.user is not an opaque id"},
		{"many roles", "identity.member_granted.v1", `{"user":"u","roles":[` + manyRoles + `]}`, "data.roles has 65 items, at most 64"},
		{"role twice", "identity.member_granted.v1", `{"user":"u","roles":["a","b","a"]}`, "data.roles has the same item at"},
		{"personal by name", "identity.member_granted.v1", `{"user":"u","name":"` + strings.Repeat("é", 200) + `"}`, ""},
		{"kind of contact", "account.contacts_updated.v1", `{"contacts":[{"kind":"boss"}]}`, "data.contacts.0.kind is none of [billing technical admin security]"},
		{"unlimited", "product.license_updated.v1", `{"product":"` + product + `","license":"standard/inactive","users":-1}`, ""},
		{"claim of a URL", "claim.taken.v1", `{"kind":"url","value":"a.b","tenant":"` + tenant + `"}`, ""},
		{"claim mixed up", "claim.taken.v1", `{"kind":"cloud_id","value":"a.b","tenant":"` + tenant + `"}`, "data.value is not a UUID"},
		{"NUL in a resource", "resource.deprovisioned.v1", `{"service":"media","kind":"shard","name":"a\u0000b"}`, "data.name is not the name of a resource"},
		{
			"entity", "tenant.restored.v1",
			`{"restoration":"restore_01jc3rk3vefkht2s3cqm8wd5tb","mode":"undo","cut":1,"as_of":2,"epoch":1,"part":1,"parts":1,"entities":[{"kind":"placement","value":{"region":"eu","x":1}}]}`,
			`data.entities.0.value has the unknown field "x"`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := set.Validate(c.eventType, []byte(c.data))
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var fault *schemas.Error
			if !errors.As(err, &fault) || !strings.Contains(err.Error(), c.eventType+": ") || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestNoSchemaForAnUnknownType(t *testing.T) {
	t.Parallel()
	set := open(t)
	for _, name := range []string{"", "common", "tenant.created", "tenant.created.v2", "../tenant.created.v1"} {
		if err := set.Validate(name, []byte(`{}`)); !errors.Is(err, schemas.ErrUnknownType) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, ok := set.Raw("tenant.created.v2"); ok {
		t.Error("there is no tenant.created.v2")
	}
	if raw, ok := set.Raw("common"); !ok || len(raw) == 0 {
		t.Error("common has no text")
	}
}

// A fault never carries the value of a personal field, whatever is wrong.
func TestFaultsKeepPersonalValues(t *testing.T) {
	t.Parallel()
	set := open(t)
	const secret = "Secret"
	long := strings.Repeat(secret, 60)
	for _, value := range []string{
		`"` + secret + `\u0000"`, `"` + long + `"`, `"sealed:` + secret + `"`, `["` + secret + `"]`, `{"` + "a" + `":"` + secret + `"}`,
		`"` + secret + `\ud800"`, "\"" + secret + "\xff\"", `"` + secret + `" "x"`,
	} {
		for _, field := range []string{"email", "phone", "name"} {
			err := set.Validate("account.contacts_updated.v1", []byte(`{"contacts":[{"kind":"billing","`+field+`":`+value+`}]}`))
			if err == nil {
				t.Errorf("%s %s was accepted", field, value)
			} else if strings.Contains(err.Error(), secret) {
				t.Errorf("%v", err)
			}
		}
	}
}

func TestPersonalPaths(t *testing.T) {
	t.Parallel()
	set := open(t)
	got := map[string][]string{}
	for _, name := range set.Names() {
		if p := set.Personal(name); len(p) > 0 {
			got[name] = p
		}
	}
	want := map[string][]string{
		"account.created.v1":          {"name"},
		"account.contacts_updated.v1": {"contacts.*.email", "contacts.*.name", "contacts.*.phone"},
		"identity.member_granted.v1":  {"email", "name"},
		"tenant.restored.v1":          {"entities.*.value.email", "entities.*.value.name"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Every object says what it may hold, every text and list has an end, and every
// schema calls itself by the name of its file.
func TestSchemasAreClosedAndBounded(t *testing.T) {
	t.Parallel()
	set := open(t)
	for _, name := range append(set.Names(), "common") {
		raw, _ := set.Raw(name)
		document := decode(t, raw)
		if document["$id"] != "urn:tenantcatalogue:schema:"+name {
			t.Errorf("%s calls itself %v", name, document["$id"])
		}
		if title, _ := document["title"].(string); title == "" {
			t.Errorf("%s has no title", name)
		}
		unbounded(document, name, func(where, why string) { t.Errorf("%s: %s", where, why) })
	}
}

func FuzzValidate(f *testing.F) {
	set, err := schemas.New()
	if err != nil {
		f.Fatal(err)
	}
	f.Add("tenant.created.v1", []byte(`{`+created+`}`))
	f.Add("tenant.configured.v1", []byte(`{"metadata":{"a":"1"},"flags":{"b":true},"unset":["c"]}`))
	f.Add("claim.taken.v1", []byte(`{"kind":"url","value":1e99,"tenant":{}}`))
	f.Fuzz(func(t *testing.T, eventType string, data []byte) {
		err := set.Validate(eventType, data)
		var fault *schemas.Error
		if err != nil && !errors.Is(err, schemas.ErrUnknownType) && !errors.As(err, &fault) {
			t.Errorf("an error of neither kind: %v", err)
		}
	})
}

func BenchmarkValidate(b *testing.B) {
	set, err := schemas.New()
	if err != nil {
		b.Fatal(err)
	}
	data := []byte(`{` + created + `}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := set.Validate("tenant.created.v1", data); err != nil {
			b.Fatal(err)
		}
	}
}
