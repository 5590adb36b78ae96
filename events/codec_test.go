package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"tenantcatalogue/events"
	"tenantcatalogue/schemas"
)

func TestStoredFormKeepsEverything(t *testing.T) {
	t.Parallel()
	for _, eventType := range events.Types() {
		g := readGolden(t, eventType)
		e := g.event
		var err error
		if e.Payload, err = events.Upcast(e.Payload); err != nil {
			t.Fatal(err)
		}
		stored, err := events.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := events.Decode(stored)
		if err != nil {
			t.Fatal(err)
		}
		same(t, e, back)
	}
}

// Whatever a schema lets through comes back the same from both forms: the two
// decoders agree, and neither loses anything.
func TestBothFormsSayTheSame(t *testing.T) {
	t.Parallel()
	set := openSchemas(t)
	g := newGenerator(t, set)
	for _, eventType := range events.Types() {
		t.Run(string(eventType), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { checkBothForms(t, set, eventType, g.data(t, string(eventType))) })
		})
	}
}

func checkBothForms(t *rapid.T, set *schemas.Set, eventType events.Type, data map[string]any) {
	given, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Validate(string(eventType), given); err != nil {
		t.Fatalf("the generator made what the schema refuses: %v\n%s", err, given)
	}
	parsed, err := events.ParseRecorded(drawEnvelope(t, eventType, given))
	if err != nil {
		t.Fatalf("the schema takes what the Go type refuses: %v\n%s", err, given)
	}
	line, err := events.MarshalCloudEvent(parsed.Event)
	if err != nil {
		t.Fatal(err)
	}
	again, err := events.ParseRecorded(line)
	if err != nil {
		t.Fatalf("%v\n%s", err, line)
	}
	if err := set.Validate(string(eventType), again.Data); err != nil {
		t.Fatalf("the schema refuses what was written: %v", err)
	}
	if want, got := withoutNothings(t, given), withoutNothings(t, again.Data); want != got {
		t.Fatalf("given   %s\nwritten %s", want, got)
	}
	stored, err := events.Encode(again.Event)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := events.Decode(stored)
	if err != nil {
		t.Fatal(err)
	}
	want := again.Event
	if want.Payload, err = events.Upcast(want.Payload); err != nil {
		t.Fatal(err)
	}
	wantLine, err := events.MarshalCloudEvent(want)
	if err != nil {
		t.Fatal(err)
	}
	gotLine, err := events.MarshalCloudEvent(decoded)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(wantLine, gotLine) {
		t.Fatalf("by JSON    %s\nby msgpack %s", wantLine, gotLine)
	}
}

// drawEnvelope puts data into a CloudEvent with any attributes.
func drawEnvelope(t *rapid.T, eventType events.Type, data []byte) []byte {
	subject := events.Aggregate{Kind: eventType.About(), ID: drawID(t, "subject", events.IDFromUUID[events.TenantID]).UUID()}
	w := map[string]any{
		"specversion": "1.0", "id": drawID(t, "id", events.IDFromUUID[events.EventID]), "type": eventType,
		"source": rapid.StringMatching(`/[a-z/]{1,20}`).Draw(t, "source"), "subject": subject, "time": drawTime(t),
		"actor": rapid.StringMatching(`[a-z0-9_.:~+-]{1,20}`).Draw(t, "actor"), "data": json.RawMessage(data),
	}
	for name, draw := range map[string]func() any{
		"run":           func() any { return drawID(t, "run", events.IDFromUUID[events.RunID]) },
		"causationid":   func() any { return drawID(t, "causation", events.IDFromUUID[events.EventID]) },
		"correlationid": func() any { return rapid.StringMatching(`[a-z]{1,9}`).Draw(t, "correlation") },
		"epoch":         func() any { return rapid.Uint32Range(0, 1<<31-1).Draw(t, "epoch") },
		"recordedtime":  func() any { return drawTime(t) },
		"via":           func() any { return rapid.StringMatching(`[a-z]{1,9}`).Draw(t, "via") },
		"seq":           func() any { return strconv.FormatUint(rapid.Uint64Range(1, 1<<63-1).Draw(t, "seq"), 10) },
		"unitmore":      func() any { return rapid.Uint16().Draw(t, "more") },
	} {
		if value := draw(); rapid.Bool().Draw(t, "with") {
			w[name] = value
		}
	}
	raw, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// withoutNothings is data with its keys sorted and without the members that
// are false or 0, which may be left out.
func withoutNothings(t *rapid.T, raw []byte) string {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		t.Fatal(err)
	}
	var strip func(v any, isMap bool)
	strip = func(v any, isMap bool) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				strip(item, false)
			}
		case map[string]any:
			for key, item := range v {
				if !isMap && (item == false || item == json.Number("0")) {
					delete(v, key)
				}
				strip(item, key == "flags")
			}
		}
	}
	strip(value, false)
	out, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	good, err := events.Encode(anEvent())
	if err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*events.Stored){
		"no subject":           func(s *events.Stored) { s.About = events.Aggregate{} },
		"no id":                func(s *events.Stored) { s.ID = events.EventID{} },
		"no data":              func(s *events.Stored) { s.Data = nil },
		"nil":                  func(s *events.Stored) { s.Data = []byte{0xc0} },
		"an empty array":       func(s *events.Stored) { s.Data = []byte{0x90} },
		"a byte less":          func(s *events.Stored) { s.Data = s.Data[:len(s.Data)-1] },
		"a byte more":          func(s *events.Stored) { s.Data = append(bytes.Clone(s.Data), 0) },
		"a field less":         func(s *events.Stored) { s.Data = append([]byte{0x99}, s.Data[1:]...) },
		"a nil for a text":     func(s *events.Stored) { s.Data = bytes.Replace(s.Data, []byte("\xa6user_1"), []byte{0xc0}, 1) },
		"payload of another":   func(s *events.Stored) { s.Type = "tenant.usage_reported.v1" },
		"no array":             func(s *events.Stored) { s.Data = []byte("{}") },
		"an endless announced": func(s *events.Stored) { s.Data = []byte{0xdd, 0xff, 0xff, 0xff, 0xff} },
	} {
		s := good
		edit(&s)
		if e, err := events.Decode(s); !errors.Is(err, events.ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
}

// A few bytes that announce gigabytes, or nest without end, cost nothing.
func TestDecodeIsBounded(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before) // not parallel, so that all of it is this test's
	decoded := uint64(0)
	lengths := [][]byte{
		{0xdd, 0xff, 0xff, 0xff, 0xff},
		{0xdf, 0xff, 0xff, 0xff, 0xff},
		{0xdb, 0x7f, 0xff, 0xff, 0xff},
		{0xc6, 0xff, 0xff, 0xff, 0xff},
		{0xc9, 0xff, 0xff, 0xff, 0xff},
		{0xdc, 0xff, 0xff},
		{0xde, 0xff, 0xff},
		{0xda, 0xff, 0xff},
		{0xc5, 0xff, 0xff},
		{0xd9, 0xff},
		{0xc4, 0xff},
		{0xd8},
		{0xcf},
		{0xd3},
		{0xcb},
		{0xc1},
		bytes.Repeat([]byte{0x91}, 100_000),
		{},
	}
	for _, eventType := range events.Types() {
		s := readGolden(t, eventType).stored
		whole := s.Data
		for at := range whole {
			for _, length := range lengths {
				s.Data = append(bytes.Clone(whole[:at]), length...)
				// Where a text was cut, the length may be taken for its end.
				if _, err := events.Decode(s); err != nil && !errors.Is(err, events.ErrMalformed) {
					t.Fatalf("%s cut at %d, then %.10x: %v", eventType, at, length, err)
				}
				decoded++
			}
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / decoded; each > 64<<10 {
		t.Errorf("%d bytes allocated for each of %d", each, decoded)
	}
}

func TestEncodeRefusesWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	e := anEvent()
	e.Payload = events.TenantDeleted{Reason: strings.Repeat("x", events.MaxEventBytes)}
	if _, err := events.Encode(e); !errors.Is(err, events.ErrTooLarge) || !strings.Contains(err.Error(), e.ID.String()) {
		t.Error(err)
	}
}

// The largest state that fits one event also fits one line of NDJSON.
func TestTheLargestEventFitsALine(t *testing.T) {
	t.Parallel()
	entities := make(events.Entities, 0, 1<<17)
	for range 131_000 { // six bytes each: the least that an entity takes
		entities = append(entities, events.Group{Group: "g"})
	}
	e := anEvent()
	e.Payload = events.TenantRestored{Restoration: events.DeriveID[events.RestoreID]("r"), Mode: events.Undo, Entities: entities}
	stored, err := events.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	line, err := events.MarshalCloudEvent(e)
	if err != nil {
		t.Fatal(err)
	}
	if len(stored.Data) < events.MaxEventBytes*99/100 || len(line) > events.MaxCloudEventBytes {
		t.Errorf("%d bytes stored, %d as a line of at most %d", len(stored.Data), len(line), events.MaxCloudEventBytes)
	}
}

// The log adds its own header of a message, its index and its checksum, about
// 40 bytes, to what is counted here; an event may take 390 in all.
func TestStoredFormIsSmall(t *testing.T) {
	t.Parallel()
	s, err := events.Encode(readGolden(t, "product.license_updated.v2").event)
	if err != nil {
		t.Fatal(err)
	}
	size := len(s.About.Subject()) + len(s.Data)
	for name, value := range map[string]string{
		events.HeaderSpecVersion: events.SpecVersion, events.HeaderID: s.ID.String(), events.HeaderType: string(s.Type),
		events.HeaderSource: s.Source, events.HeaderContentType: events.ContentType,
	} {
		size += len(name) + len(": \r\n") + len(value)
	}
	t.Logf("%d bytes: %d of data, %d of subject, the rest headers", size, len(s.Data), len(s.About.Subject()))
	if size > 350 {
		t.Errorf("%d bytes with every attribute set", size)
	}
}

// goldenPayload is the payload of a golden event.
func goldenPayload[P events.Payload](t testing.TB, eventType events.Type) P {
	t.Helper()
	p, ok := readGolden(t, eventType).event.Payload.(P)
	if !ok {
		t.Fatalf("the golden %s is none", eventType)
	}
	return p
}

func TestEntities(t *testing.T) {
	t.Parallel()
	product, app := events.DeriveID[events.ProductID]("p"), events.DeriveID[events.AppID]("a")
	plan, mark := events.DeriveID[events.PlanID]("p"), events.Mark{Seq: 8, Time: 9}
	approval := goldenPayload[events.DeletionApproved](t, "deletion.approved.v1").Approval
	proposed := goldenPayload[events.PolicyProposed](t, "policy.proposed.v1")
	passage := events.Passage{Plan: plan, Kind: events.DeletionOfTenants, Wave: 2, Targets: 3, Owners: true, Mark: mark}
	all := events.Entities{
		events.Tenant{
			URL: "a.b", CloudID: uuid.MustParse(tenantUUID), Account: events.DeriveID[events.AccountID]("a"), Tier: "free", Internal: true,
			Status: events.TenantStatusActive, Created: 5, Metadata: map[string]string{"b": "1", "a": "2"}, Flags: map[string]bool{"x": false},
			ActiveUsers: 7, LastActivity: 9,
		},
		events.Placement{Region: "eu", Shard: "s", Residency: "eu"},
		events.Product{ID: product, Name: "n", Status: events.ProductStatusSuspended, Edition: "e", Seats: events.UnlimitedSeats, Licensed: true},
		events.App{ID: app, Name: "n", Version: "1", Installed: true},
		events.Member{User: "u", Name: "N", Email: "e@f", Roles: []string{"a", "b"}, Groups: []string{"g"}},
		events.Group{Group: "g", Name: "G", Permissions: []string{"p"}},
		events.Resource{Service: "s", Kind: events.ResourceDatabase, Name: "n", Region: "eu", Shard: "s"},
		events.Account{Name: "N", Created: 5},
		events.Contact{Kind: events.ContactBilling, Place: 300, Name: "N", Email: "e@f", Phone: "1", Verified: 5},
		events.Claim{Kind: events.ClaimURL, Value: "a.b", Tenant: aTenant()},
		events.Restoration{Mode: events.Rewind, Cut: 1, AsOf: 2, Cause: events.Cause{Runs: []events.RunID{events.DeriveID[events.RunID]("r")}, Actors: []string{"a"}}, Targets: 3, Finished: true},
		events.Deletion{
			Plan: goldenPayload[events.DeletionPlanned](t, "deletion.planned.v1"), Hash: []byte{1}, Planned: mark,
			Approvals: []events.Given{{Approval: approval, Mark: mark}}, Confirmed: goldenPayload[events.DeletionConfirmed](t, "deletion.confirmed.v1"),
			Rehearsed: goldenPayload[events.DeletionRehearsed](t, "deletion.rehearsed.v1"), Rehearsal: mark, Executor: "e", Started: mark,
			Checked: []events.DeletionWaveChecked{{Wave: 1, Gone: 2, Kept: 3, Strays: 4, Healthy: true, Detail: "d"}}, LastCheck: mark,
			Finished: events.DeletionFinished{Done: true, Why: "w"}, Ended: mark,
		},
		events.Door{
			Open: []events.Admitted{{Plan: plan, Kind: events.DeletionOfApps, Expires: 5, Mark: mark}}, Halt: events.DoorHalted{Cause: events.HaltLag, Detail: "d"},
			Halted: mark, Last: mark, Held: []events.RestoreID{events.DeriveID[events.RestoreID]("r")}, Recent: []events.Passage{passage},
		},
		passage,
		events.InForce{Version: 2, Policy: proposed.Policy, Since: mark},
		events.Proposal{Proposed: proposed, Mark: mark, Approvals: []events.Given{{Approval: approval, Mark: mark}}},
		events.Clock{Last: 5, Skips: []events.Skipped{{At: 6, For: 7}}},
		events.Liens{Liens: []events.Lien{{Matter: "m", Reason: "r", Since: mark}}},
		events.Deactivation{Since: 5},
		events.RestoreTarget{Tenant: events.DeriveID[events.TenantID]("t"), Pinned: 1, Digest: []byte{1}, Parts: 2},
	}
	var kinds []events.EntityKind
	var last []byte
	for _, e := range all {
		key := e.EntityKey()
		kinds = append(kinds, key.Kind)
		if bytes.Compare(last, key.Append(nil)) >= 0 {
			t.Errorf("%s is out of order", key.Kind)
		}
		last = key.Append(nil)
		raw, err := events.EncodeEntity(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := events.DecodeEntity(key.Kind, raw)
		if err != nil {
			t.Fatal(err)
		}
		same(t, e, back)
	}
	same(t, events.EntityKinds, kinds)
	raw, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var back events.Entities
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	same(t, all, back)
	if _, err := events.DecodeEntity('?', []byte{0x90}); !errors.Is(err, events.ErrMalformed) {
		t.Error(err)
	}
}

func TestEntitiesRefuse(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no list":          `{}`,
		"unknown kind":     `[{"kind":"planet","value":{}}]`,
		"no kind":          `[{"value":{}}]`,
		"no value":         `[{"kind":"member"}]`,
		"unknown field":    `[{"kind":"member","value":{"user":"u","x":1}}]`,
		"unknown member":   `[{"kind":"member","value":{"user":"u"},"x":1}]`,
		"id of wrong kind": `[{"kind":"app","value":{"app":"` + aTenant().String() + `"}}]`,
	} {
		var es events.Entities
		if err := json.Unmarshal([]byte(text), &es); err == nil {
			t.Errorf("%s: %v", name, es)
		}
	}
}

// Two entities of the same place have the same key, others do not; the order
// of contacts is the order of their places.
func TestEntityKeysAreApart(t *testing.T) {
	t.Parallel()
	distinct := []events.EntityKey{
		events.MemberKey("a"), events.GroupKey("a"), events.ResourceKey("a", "b", "c"), events.ResourceKey("ab", "", "c"), events.ResourceKey("a", "bc", ""),
		events.Contact{Place: 1}.EntityKey(), events.Contact{Place: 256}.EntityKey(), events.Contact{Place: 257}.EntityKey(),
	}
	seen := map[string]bool{}
	for _, key := range distinct {
		k := string(key.Append(nil))
		if seen[k] {
			t.Errorf("%q twice", k)
		}
		seen[k] = true
	}
	if (events.Contact{Place: 255}).EntityKey().ID >= (events.Contact{Place: 256}).EntityKey().ID {
		t.Error("contacts are out of order")
	}
}

func FuzzDecode(f *testing.F) {
	types := events.Types()
	for i, eventType := range types {
		f.Add(uint8(i), readGolden(f, eventType).stored.Data)
	}
	f.Add(uint8(0), []byte{0x9a, 0, 0, 0xa0, 0xc0, 0xc0, 0xa0, 0, 0xa0, 0, 0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		base := anEvent()
		s := events.Stored{About: base.About, ID: base.ID, Source: base.Source, Type: types[int(which)%len(types)], Data: data}
		e, err := events.Decode(s)
		if err != nil {
			if !errors.Is(err, events.ErrMalformed) {
				t.Errorf("%v", err)
			}
			return
		}
		again, err := events.Encode(e)
		if errors.Is(err, events.ErrTooLarge) {
			return
		}
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, err := events.Decode(again)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if twice, err := events.Encode(back); err != nil || !bytes.Equal(again.Data, twice.Data) {
			t.Errorf("%x is written again as %x, %v", again.Data, twice.Data, err)
		}
	})
}
