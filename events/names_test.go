package events_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tenantcatalogue/events"
)

// pattern is what the schemas have for a text of some kind.
func pattern(t *testing.T, def string) func(string) bool {
	t.Helper()
	raw, _ := openSchemas(t).Raw("common")
	var common struct {
		Defs map[string]struct{ Pattern string } `json:"$defs"`
	}
	if err := json.Unmarshal(raw, &common); err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(strings.TrimSuffix(common.Defs[def].Pattern, "$") + `\z`).MatchString
}

// Names are what the schemas say they are, everywhere.
func TestNames(t *testing.T) {
	t.Parallel()
	person, opaque := pattern(t, "person"), pattern(t, "opaque_id")
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

// What another system says is a text, whatever it says.
func TestOneLine(t *testing.T) {
	t.Parallel()
	text := pattern(t, "text")
	for said, want := range map[string]string{
		"a\nb\u2028c\u202ed": "a b c d", "bad\u0085\u009b31mgateway\x7f": "bad  31mgateway ", "\xff": "\ufffd", "grün": "grün",
		strings.Repeat("é", 600): strings.Repeat("é", 512),
	} {
		if got := events.OneLine(said); got != want || !text(got) {
			t.Errorf("%q of %q, want %q; a text: %v", got, said, want, text(got))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		said := rapid.OneOf(rapid.StringN(1, 600, -1), rapid.Custom(func(t *rapid.T) string {
			return string(rapid.SliceOfN(rapid.Byte(), 1, 600).Draw(t, "bytes"))
		})).Draw(t, "said")
		if got := events.OneLine(said); !text(got) || len([]rune(got)) > 512 {
			t.Fatalf("%q of %q", got, said)
		}
	})
}
