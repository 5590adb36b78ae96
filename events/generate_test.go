package events_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"tenantcatalogue/events"
	"tenantcatalogue/schemas"
)

// drawID draws an id; wrap is the IDFromUUID of its kind.
func drawID[I any](t *rapid.T, label string, wrap func(uuid.UUID) I) I {
	var u uuid.UUID
	copy(u[:], rapid.SliceOfN(rapid.Byte(), len(u), len(u)).Draw(t, label))
	u[15] |= 1 // never the one that stands for none
	return wrap(u)
}

// generator draws data that satisfies a schema, so that whatever the schema
// lets through is what the tests are about.
type generator struct {
	documents map[string]map[string]any
}

func newGenerator(t testing.TB, set *schemas.Set) *generator {
	t.Helper()
	g := &generator{documents: map[string]map[string]any{}}
	for _, name := range append(set.Names(), "common") {
		raw, _ := set.Raw(name)
		var document map[string]any
		if err := json.Unmarshal(raw, &document); err != nil {
			t.Fatal(err)
		}
		g.documents[name] = document
	}
	return g
}

// data draws the data of an event of that type.
func (g *generator) data(t *rapid.T, eventType string) map[string]any {
	value, ok := g.value(t, eventType, g.documents[eventType]).(map[string]any)
	if !ok {
		t.Fatalf("the data of a %s is no object", eventType)
	}
	if !strings.HasPrefix(eventType, "claim.") {
		return value
	}
	def := "uuid"
	if value["kind"] == "url" {
		def = "host_name"
	}
	value["value"] = g.value(t, eventType, map[string]any{"$ref": "urn:tenantcatalogue:schema:common#/$defs/" + def})
	return value
}

func (g *generator) value(t *rapid.T, document string, schema map[string]any) any {
	if ref, ok := schema["$ref"].(string); ok {
		document, schema = g.resolve(document, ref)
	}
	if choices, ok := schema["enum"].([]any); ok {
		return rapid.SampledFrom(choices).Draw(t, "choice")
	}
	switch schema["type"] {
	case "object":
		return g.object(t, document, schema)
	case "array":
		return g.array(t, document, schema)
	case "boolean":
		return rapid.Bool().Draw(t, "flag")
	case "integer":
		low, _ := schema["minimum"].(float64)
		high, _ := schema["maximum"].(float64)
		return rapid.Int64Range(int64(low), int64(high)).Draw(t, "number")
	}
	return g.text(t, schema)
}

func (g *generator) resolve(document, ref string) (string, map[string]any) {
	base, pointer, _ := strings.Cut(ref, "#/$defs/")
	if base != "" {
		document = strings.TrimPrefix(base, "urn:tenantcatalogue:schema:")
	}
	defs, _ := g.documents[document]["$defs"].(map[string]any)
	schema, _ := defs[pointer].(map[string]any)
	return document, schema
}

func (g *generator) text(t *rapid.T, schema map[string]any) string {
	pattern, _ := schema["pattern"].(string)
	title, _ := schema["title"].(string)
	if strings.Contains(title, "RFC 3339") {
		return drawTime(t).String()
	}
	if pattern == "" {
		return ""
	}
	limit := 1 << 20
	if n, ok := schema["maxLength"].(float64); ok {
		limit = int(n)
	}
	return rapid.StringMatching(pattern).Filter(func(s string) bool {
		return len([]rune(s)) <= limit && !strings.ContainsRune(s, '\ufffd') && !strings.HasPrefix(s, events.SealedPrefix)
	}).Draw(t, "text")
}

func (g *generator) array(t *rapid.T, document string, schema map[string]any) []any {
	items, _ := schema["items"].(map[string]any)
	out := []any{}
	seen := map[any]bool{}
	for range rapid.IntRange(0, 3).Draw(t, "items") {
		v := g.value(t, document, items)
		if unique, _ := schema["uniqueItems"].(bool); unique {
			if seen[v] {
				continue
			}
			seen[v] = true
		}
		out = append(out, v)
	}
	return out
}

func (g *generator) object(t *rapid.T, document string, schema map[string]any) map[string]any {
	out := map[string]any{}
	if values, ok := schema["additionalProperties"].(map[string]any); ok { // a map
		for range rapid.IntRange(0, 3).Draw(t, "keys") {
			key := rapid.StringMatching(`[0-9A-Za-z][0-9A-Za-z._-]{0,5}`).Draw(t, "key")
			out[key] = g.value(t, document, values)
		}
		return out
	}
	required := map[string]bool{}
	if names, ok := schema["required"].([]any); ok {
		for _, name := range names {
			if s, ok := name.(string); ok {
				required[s] = true
			}
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	if properties["kind"] != nil && properties["value"] != nil && schema["allOf"] != nil {
		return g.entity(t, document)
	}
	_, some := schema["minProperties"]
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		property, _ := properties[name].(map[string]any)
		if required[name] || some && len(out) == 0 || rapid.Bool().Draw(t, name) {
			out[name] = g.value(t, document, property)
		}
	}
	return out
}

func (g *generator) entity(t *rapid.T, document string) map[string]any {
	kind := rapid.SampledFrom([]string{"tenant", "placement", "product", "app", "member", "group", "resource"}).Draw(t, "kind")
	return map[string]any{"kind": kind, "value": g.value(t, document, map[string]any{"$ref": "#/$defs/" + kind})}
}

func drawTime(t *rapid.T) events.Time {
	low, _ := events.ParseTime("1678-01-01T00:00:00Z")
	high, _ := events.ParseTime("2261-12-31T23:59:59Z")
	return events.Time(rapid.Int64Range(int64(low), int64(high)).Filter(func(n int64) bool { return n != 0 }).Draw(t, "time"))
}
