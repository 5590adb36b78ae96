package schemas_test

import (
	"encoding/json"
	"strings"
	"testing"
)

func decode(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	var document map[string]any
	if err := json.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	return document
}

// unbounded reports every schema of an object that lets unknown fields
// through, of a text without a pattern or an end, of a list without an end and
// of a number without a range.
func unbounded(node any, where string, report func(where, why string)) {
	object, ok := node.(map[string]any)
	if !ok {
		return
	}
	has := func(keyword string) bool { _, ok := object[keyword]; return ok }
	switch object["type"] {
	case "object":
		// What an if and then refine further is closed there.
		if !has("additionalProperties") && !strings.HasSuffix(where, "entity/properties/value") {
			report(where, "an object with unknown fields")
		}
	case "string":
		if !has("pattern") && !strings.HasSuffix(where, "v1/properties/value") {
			report(where, "a text without a pattern")
		}
		if pattern, _ := object["pattern"].(string); !has("maxLength") && strings.ContainsAny(pattern, "*+") && strings.HasSuffix(pattern, "+$") {
			report(where, "a text without an end")
		}
	case "array":
		if !has("maxItems") {
			report(where, "a list without an end")
		}
	case "integer":
		if !has("minimum") || !has("maximum") {
			report(where, "a number without a range")
		}
	}
	for key, child := range object {
		if all, ok := child.([]any); ok && key == "allOf" {
			for _, c := range all {
				unbounded(c, where+"/allOf", report)
			}
		}
		unbounded(child, where+"/"+key, report)
	}
}
