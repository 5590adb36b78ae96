package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"tenantcatalogue/events"
)

// The suffixes and UUIDs of the TypeID specification's list of valid ids.
func TestSuffixesOfTheSpecification(t *testing.T) {
	t.Parallel()
	for suffix, id := range map[string]string{
		"00000000000000000000000001": "00000000-0000-0000-0000-000000000001",
		"0000000000000000000000000a": "00000000-0000-0000-0000-00000000000a",
		"0000000000000000000000000g": "00000000-0000-0000-0000-000000000010",
		"00000000000000000000000010": "00000000-0000-0000-0000-000000000020",
		"7zzzzzzzzzzzzzzzzzzzzzzzzz": "ffffffff-ffff-ffff-ffff-ffffffffffff",
		"0123456789abcdefghjkmnpqrs": "0110c853-1d09-52d8-d73e-1194e95b5f19",
		"01h455vb4pex5vsknk084sn02q": "01890a5d-ac96-774b-bcce-b302099a8057",
	} {
		parsed, err := events.ParseID[events.TenantID]("tenant_" + suffix)
		if err != nil {
			t.Errorf("%s: %v", suffix, err)
			continue
		}
		if parsed.UUID() != uuid.MustParse(id) {
			t.Errorf("%s is %s, want %s", suffix, parsed.UUID(), id)
		}
		if parsed.String() != "tenant_"+suffix {
			t.Errorf("%s is written %s", suffix, parsed)
		}
	}
}

func TestMalformedIDs(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "_", "tenant", "tenant_", "tenant-01h455vb4pex5vsknk084sn02q",
		"_01h455vb4pex5vsknk084sn02q",
		"01h455vb4pex5vsknk084sn02q",
		"Tenant_01h455vb4pex5vsknk084sn02q",
		"TENANT_01h455vb4pex5vsknk084sn02q",
		" tenant_01h455vb4pex5vsknk084sn02q",
		"tenant_01h455vb4pex5vsknk084sn02q ",
		"tenant_01h455vb4pex5vsknk084sn02q\n",
		"tenant__01h455vb4pex5vsknk084sn02q",
		"tenant_00000000000000000000000000",  // no id
		"tenant_1234567890123456789012345",   // 25
		"tenant_123456789012345678901234567", // 27
		"tenant_0123456789ABCDEFGHJKMNPQRS",
		"tenant_123456789-123456789-123456",
		"tenant_ooooooiiiiiiuuuuuuulllllll",
		"tenant_i23456789ol23456789oi23456",
		"tenant_8zzzzzzzzzzzzzzzzzzzzzzzzz", // more than 128 bits
		"tenant_01h455vb4pex5vsknk084sn0*q",
		"tenant_01h455vb4pex5vsknk084sn0.>",
		"tenant_01h455vb4pex5vsknk084sn0\x00q",
		"tenant_01h455vb4pex5vsknk084snéq",
		"tenants_01h455vb4pex5vsknk084sn02q",
		tenantUUID,
	} {
		id, err := events.ParseID[events.TenantID](text)
		if !errors.Is(err, events.ErrMalformedID) || !id.IsZero() {
			t.Errorf("%q: %v, %v", text, id, err)
		}
	}
}

func TestAnIDOfTheWrongKindNamesBoth(t *testing.T) {
	t.Parallel()
	_, err := events.ParseID[events.AppID]("tenant_01h455vb4pex5vsknk084sn02q")
	if !errors.Is(err, events.ErrWrongKind) {
		t.Fatal(err)
	}
	want := `"tenant_01h455vb4pex5vsknk084sn02q" is a tenant id, an app id is wanted`
	if err.Error() != want {
		t.Errorf("got %s\nwant %s", err, want)
	}
}

func TestIDsRoundTripInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := drawID(t, "a", events.IDFromUUID[events.TenantID])
		b := drawID(t, "b", events.IDFromUUID[events.TenantID])
		parsed, err := events.ParseID[events.TenantID](a.String())
		if err != nil || parsed != a {
			t.Fatalf("%s is read as %s, %v", a, parsed, err)
		}
		ua, ub := a.UUID(), b.UUID()
		if byText, byBytes := strings.Compare(a.String(), b.String()), bytes.Compare(ua[:], ub[:]); byText != byBytes || a.Compare(b) != byBytes {
			t.Fatalf("%s and %s: order %d by text, %d by bytes, %d by Compare", a, b, byText, byBytes, a.Compare(b))
		}
		raw, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var back events.TenantID
		if err := json.Unmarshal(raw, &back); err != nil || back != a {
			t.Fatalf("%s comes back from JSON as %s, %v", a, back, err)
		}
	})
}

func TestDerivedIDs(t *testing.T) {
	t.Parallel()
	a := events.DeriveID[events.EventID]("claim", "url", "acme.example.net")
	if a != events.DeriveID[events.EventID]("claim", "url", "acme.example.net") {
		t.Error("the same names give another id")
	}
	if a == events.DeriveID[events.EventID]("claim", "urlacme.example.net") || a == events.DeriveID[events.EventID]("claimurl", "acme.example.net") {
		t.Error("names run together")
	}
	if u := a.UUID(); u.Version() != 8 || u.Variant() != uuid.RFC4122 {
		t.Errorf("version %d, variant %s", u.Version(), u.Variant())
	}
	// Ids in logs depend on it: it must never change.
	if got, want := a.String(), "event_10wwynmm9egtw8ev50rnvkxwgq"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNewIDReportsItsSource(t *testing.T) {
	t.Parallel()
	broken := errors.New("no entropy")
	if _, err := events.NewID[events.TenantID](func() (uuid.UUID, error) { return uuid.Nil, broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	if kind, ok := events.KindOf("restore_x"); !ok || kind != "restore" {
		t.Errorf("%q, %t", kind, ok)
	}
	for _, text := range []string{"", "restore", "claim_00", "x_y"} {
		if kind, ok := events.KindOf(text); ok {
			t.Errorf("%q is a %s", text, kind)
		}
	}
}

func TestAggregates(t *testing.T) {
	t.Parallel()
	restore := events.DeriveID[events.RestoreID]("r")
	account := events.DeriveID[events.AccountID]("a")
	for _, a := range []events.Aggregate{
		events.OfTenant(aTenant()), events.OfAccount(account), events.OfRestoration(restore),
		events.OfClaim(events.ClaimURL, "*.evil.>"), events.OfClaim(events.ClaimCloudID, tenantUUID),
	} {
		if back, err := events.ParseAggregate(a.String()); err != nil || back != a {
			t.Errorf("%s: %v, %v", a, back, err)
		}
		if back, err := events.ParseSubject(a.Subject()); err != nil || back != a {
			t.Errorf("%s: %v, %v", a.Subject(), back, err)
		}
		if back, ok := events.AggregateFromKey(a.Key()); !ok || back != a {
			t.Errorf("%x: %v", a.Key(), back)
		}
		checkSubject(t, a)
	}
	if events.OfTenant(aTenant()).Account() != (events.AccountID{}) || events.OfAccount(account).Tenant() != (events.TenantID{}) {
		t.Error("an aggregate has the id of another kind")
	}
}

func TestMalformedAggregatesAndSubjects(t *testing.T) {
	t.Parallel()
	tenant := aTenant().String()
	for _, text := range []string{
		"", "claim_", "claim_0", "claim_" + strings.Repeat("0", 31), "claim_" + strings.Repeat("A", 32), "claim_" + strings.Repeat("g", 32),
		"tenant_*", "tenant_>", "product_" + tenant[len("tenant_"):], "restoration_" + tenant[len("tenant_"):],
	} {
		if a, err := events.ParseAggregate(text); err == nil {
			t.Errorf("%q is %v", text, a)
		}
	}
	for _, subject := range []string{
		"", "catalogue", "catalogue.", "catalogue.tenant", "catalogue.tenant.", "catalogue.account." + tenant, "catalogue.*." + tenant,
		"catalogue.tenant.*", "catalogue.tenant.>", "catalogue.>", "catalogue.tenant." + tenant + ".x", "Catalogue.tenant." + tenant,
		"catalogue.feed.tenant." + tenant, "tenant." + tenant, "catalogue..tenant." + tenant,
	} {
		_, err := events.ParseSubject(subject)
		var fault *events.FieldError
		if !errors.As(err, &fault) || fault.Field != "subject" {
			t.Errorf("%q: %v", subject, err)
		}
	}
	if _, ok := events.AggregateFromKey([]byte("x0123456789abcdef")); ok {
		t.Error("there is no kind x")
	}
}

// checkSubject finds what must never get into a subject.
func checkSubject(t testing.TB, a events.Aggregate) {
	t.Helper()
	subject := a.Subject()
	if strings.Count(subject, ".") != 2 || strings.ContainsFunc(subject, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("_.-", r)
	}) {
		t.Errorf("%q is no subject", subject)
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("tenant_01h455vb4pex5vsknk084sn02q")
	f.Add("tenant_7zzzzzzzzzzzzzzzzzzzzzzzzz")
	f.Add("app_01h455vb4pex5vsknk084sn0.>")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := events.ParseID[events.TenantID](text)
		if err != nil {
			if !errors.Is(err, events.ErrMalformedID) && !errors.Is(err, events.ErrWrongKind) {
				t.Errorf("%v", err)
			}
			return
		}
		if id.String() != text {
			t.Errorf("%q is written %s", text, id)
		}
		checkSubject(t, events.OfTenant(id))
	})
}

func FuzzParseAggregate(f *testing.F) {
	f.Add("tenant_01h455vb4pex5vsknk084sn02q")
	f.Add("account_01h455vb4pex5vsknk084sn02q")
	f.Add("restore_01h455vb4pex5vsknk084sn02q")
	f.Add("claim_0123456789abcdef0123456789abcdef")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := events.ParseAggregate(text)
		if err != nil {
			return
		}
		if a.String() != text {
			t.Errorf("%q is written %s", text, a)
		}
		checkSubject(t, a)
		if back, err := events.ParseSubject(a.Subject()); err != nil || back != a {
			t.Errorf("%s is read as %s, %v", a.Subject(), back, err)
		}
	})
}

func ExampleNewID() {
	source := func() (uuid.UUID, error) { return uuid.Parse("01890a5d-ac96-774b-bcce-b302099a8057") } // uuid.NewV7 in earnest
	id, err := events.NewID[events.TenantID](source)
	fmt.Println(id, err)
	_, err = events.ParseID[events.AppID](id.String())
	fmt.Println(err)
	// Output:
	// tenant_01h455vb4pex5vsknk084sn02q <nil>
	// "tenant_01h455vb4pex5vsknk084sn02q" is a tenant id, an app id is wanted
}
