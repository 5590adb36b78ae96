package events_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tenantcatalogue/events"
)

var update = flag.Bool("update", false, "write testdata/golden/*.hex anew and bring *.json into canonical form")

// golden is one event of a type in both forms, as they were written when the
// type was published. The files are never changed, only added to.
type golden struct {
	json   []byte // the line of NDJSON
	event  events.Event
	raw    []byte // the member data
	stored events.Stored
}

func goldenPath(eventType events.Type, ext string) string {
	return filepath.Join("testdata", "golden", string(eventType)+ext)
}

func readGolden(t testing.TB, eventType events.Type) golden {
	t.Helper()
	line, err := os.ReadFile(goldenPath(eventType, ".json"))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := events.ParseRecorded(line)
	if err != nil {
		t.Fatalf("%s: %v", eventType, err)
	}
	dump, err := os.ReadFile(goldenPath(eventType, ".hex"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := hex.DecodeString(strings.ReplaceAll(string(dump), "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	e := parsed.Event
	return golden{
		json: line, event: e, raw: parsed.Data,
		stored: events.Stored{Seq: e.Seq, About: e.About, ID: e.ID, Type: eventType, Source: e.Source, Data: data},
	}
}

// hexLines writes 32 bytes a line.
func hexLines(data []byte) []byte {
	var b bytes.Buffer
	for line := range slices.Chunk(data, 32) {
		b.WriteString(hex.EncodeToString(line) + "\n")
	}
	return b.Bytes()
}

func updateGolden(t *testing.T, eventType events.Type) {
	t.Helper()
	line, err := os.ReadFile(goldenPath(eventType, ".json"))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := events.ParseRecorded(line)
	if err != nil {
		t.Fatalf("%s: %v", eventType, err)
	}
	var canonical bytes.Buffer
	if err := events.WriteNDJSON(&canonical, parsed.Event); err != nil {
		t.Fatal(err)
	}
	stored, err := events.Encode(parsed.Event)
	if err != nil {
		t.Fatal(err)
	}
	for ext, content := range map[string][]byte{".json": canonical.Bytes(), ".hex": hexLines(stored.Data)} {
		if err := os.WriteFile(goldenPath(eventType, ext), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Every type of the registry has a schema and a golden event in both forms,
// which read the same for ever.
func TestGolden(t *testing.T) {
	t.Parallel()
	set := openSchemas(t)
	for _, eventType := range events.Types() {
		t.Run(string(eventType), func(t *testing.T) {
			t.Parallel()
			if *update {
				updateGolden(t, eventType)
			}
			g := readGolden(t, eventType)
			if g.event.Type() != eventType {
				t.Fatalf("the golden event is a %s", g.event.Type())
			}
			if err := set.Validate(string(eventType), g.raw); err != nil {
				t.Error(err)
			}
			var line bytes.Buffer
			if err := events.WriteNDJSON(&line, g.event); err != nil || line.String() != string(g.json) {
				t.Errorf("in JSON it is now\n%s(%v), and was\n%s", line.Bytes(), err, g.json)
			}
			stored, err := events.Encode(g.event)
			if err != nil {
				t.Fatal(err)
			}
			same(t, g.stored, stored)
			decoded, err := events.Decode(g.stored)
			if err != nil {
				t.Fatal(err)
			}
			want := g.event
			if want.Payload, err = events.Upcast(want.Payload); err != nil {
				t.Fatal(err)
			}
			same(t, want, decoded)
			checkEveryFieldIsSet(t, g.event.Payload)
		})
	}
}

// A golden event that leaves a field out says nothing about it.
func checkEveryFieldIsSet(t *testing.T, p events.Payload) {
	t.Helper()
	v := reflect.ValueOf(p)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s is not set", v.Type().Field(i).Name)
		}
	}
}

func TestSchemasAndGoldenFilesAreThoseOfTheRegistry(t *testing.T) {
	t.Parallel()
	var want []string
	for _, eventType := range events.Types() {
		want = append(want, string(eventType))
	}
	same(t, want, openSchemas(t).Names())
	for _, ext := range []string{".json", ".hex"} {
		paths, err := filepath.Glob(goldenPath("*", ext))
		if err != nil {
			t.Fatal(err)
		}
		for i := range paths {
			paths[i] = strings.TrimSuffix(filepath.Base(paths[i]), ext)
		}
		same(t, want, paths)
	}
}

func TestTypesAreNamedAsTheyAre(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^(account|tenant|product|app|identity|resource|claim|restoration|deletion|door|policy|clock|alarm|lien)\.[a-z]+(_[a-z]+)*\.v[1-9]$`)
	for _, eventType := range events.Types() {
		if !name.MatchString(string(eventType)) || eventType.About().String() == "unknown" {
			t.Errorf("%s about a %s", eventType, eventType.About())
		}
		g := readGolden(t, eventType)
		newest, err := events.Upcast(g.event.Payload)
		if err != nil {
			t.Errorf("%s: %v", eventType, err)
			continue
		}
		if newest.EventType().Superseded() {
			t.Errorf("%s ends at %s, which is not the newest", eventType, newest.EventType())
		}
		if moved := newest.EventType() != eventType; moved != eventType.Superseded() {
			t.Errorf("%s becomes %s; Superseded is %t", eventType, newest.EventType(), eventType.Superseded())
		}
	}
	same(t, []bool{true, false, true, false}, []bool{
		events.Type("tenant.deleted.v1").Tombstone(), events.Type("tenant.deactivated.v1").Tombstone(),
		events.Type("claim.taken.v1").Internal(), events.Type("tenant.created.v1").Internal(),
	})
}

// The schema, the Go types and MapPersonal agree on what is personal.
func TestPersonalFields(t *testing.T) {
	t.Parallel()
	set := openSchemas(t)
	for _, eventType := range events.Types() {
		t.Run(string(eventType), func(t *testing.T) {
			t.Parallel()
			payload := readGolden(t, eventType).event.Payload
			inGo := unique(personalFields(reflect.ValueOf(payload), ""))
			same(t, set.Personal(string(eventType)), inGo)
			same(t, inGo, unique(mappedFields(t, payload)))
		})
	}
}

// personalFields finds the fields of type Personal by their JSON paths.
func personalFields(v reflect.Value, path string) []string {
	var out []string
	switch {
	case v.Type() == reflect.TypeFor[events.Personal]():
		return []string{strings.TrimPrefix(path, ".")}
	case v.Type() == reflect.TypeFor[events.Entity]():
		return personalFields(v.Elem(), path+".value")
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			out = append(out, personalFields(v.Index(i), path+".*")...)
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				out = append(out, personalFields(v.Field(i), path+"."+name)...)
			}
		}
	}
	return out
}

// mappedFields finds the fields that MapPersonal visits. It names those of an
// entity without the member "value" that JSON puts between.
func mappedFields(t *testing.T, payload events.Payload) []string {
	t.Helper()
	p, ok := payload.(events.PersonalPayload)
	if !ok {
		return nil
	}
	var out []string
	index := regexp.MustCompile(`\.\d+\.`)
	mapped, err := p.MapPersonal(func(path string, v events.Personal) (events.Personal, error) {
		if v == "" {
			t.Errorf("%s is not set", path)
		}
		path = index.ReplaceAllString(path, ".*.")
		out = append(out, strings.Replace(path, "entities.*.", "entities.*.value.", 1))
		return "sealed:" + v, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	before, after := marshalJSON(t, payload), marshalJSON(t, mapped)
	if n := strings.Count(after, `"sealed:`); n != len(out) || strings.Contains(before, "sealed:") {
		t.Errorf("%d fields visited, %d changed; the original is now\n%s", len(out), n, before)
	}
	stop := errors.New("stop")
	if _, err := p.MapPersonal(func(string, events.Personal) (events.Personal, error) { return "", stop }); !errors.Is(err, stop) {
		t.Errorf("a failing map gives %v", err)
	}
	return out
}

func marshalJSON(t *testing.T, p events.Payload) string {
	t.Helper()
	raw, err := events.DataJSON(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func unique(in []string) []string {
	slices.Sort(in)
	return slices.Compact(in)
}
