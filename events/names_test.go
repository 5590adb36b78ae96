package events_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tenantcatalogue/events"
)

// Names are what the schemas say they are, everywhere.
func TestNames(t *testing.T) {
	t.Parallel()
	raw, _ := openSchemas(t).Raw("common")
	var common struct {
		Defs map[string]struct{ Pattern string } `json:"$defs"`
	}
	if err := json.Unmarshal(raw, &common); err != nil {
		t.Fatal(err)
	}
	pattern := func(def string) func(string) bool {
		return regexp.MustCompile(strings.TrimSuffix(common.Defs[def].Pattern, "$") + `\z`).MatchString
	}
	person, opaque := pattern("person"), pattern("opaque_id")
	for text, want := range map[string]struct{ person, opaque bool }{
		"ana": {true, true}, "a": {true, true}, "script_cleanup-2.1": {true, true}, "7": {true, true}, strings.Repeat("a", 96): {true, true},
		"user:17": {false, true}, "Ana": {false, true}, "auth0/Xy~1+2": {false, true}, "anA": {false, true},
		"": {}, " ": {}, "jane.doe@example.com": {}, "Jane Doe": {}, "jane doe": {}, "jané": {}, "-ana": {}, ".": {}, "_x": {}, "ana\n": {}, "a\x00": {},
		"ana,ben": {}, "a*": {}, "<ana>": {}, "a\u202eb": {}, "\xff": {}, "a\xff": {}, strings.Repeat("a", 97): {}, "+491761234": {}, "~a": {},
	} {
		if got := events.IsPerson(text); got != want.person || got != person(text) {
			t.Errorf("a person: %q: %v, the schema says %v", text, got, person(text))
		}
		if got := events.IsOpaque(text); got != want.opaque || got != opaque(text) {
			t.Errorf("an opaque id: %q: %v, the schema says %v", text, got, opaque(text))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.StringN(0, 5, 100), rapid.StringMatching(`[0-9A-Za-z._:/~+@ -]{0,98}`)).Draw(t, "text")
		if events.IsPerson(text) != person(text) || events.IsOpaque(text) != opaque(text) {
			t.Fatalf("%q is another thing in the schema", text)
		}
	})
}
