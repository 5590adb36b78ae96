package events

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unambiguous refuses a text that two readers could read differently: one that
// is not UTF-8, is more than one value, gives a key twice, or holds a character
// that is none.
func unambiguous(raw []byte) error {
	switch {
	case !utf8.Valid(raw):
		return malformed("event", "is not UTF-8")
	case !json.Valid(raw):
		return malformed("event", "is not JSON, or more than one JSON value")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if a := walk(dec); a != nil {
		return a.fieldError()
	}
	return nil
}

// ambiguity is a fault of a JSON text, and where it is, the innermost first.
type ambiguity struct {
	path []string
	why  string
}

func (a *ambiguity) fieldError() error {
	if len(a.path) == 0 {
		return malformed("event", "%s", a.why)
	}
	var b strings.Builder
	for i, name := range slices.Backward(a.path) {
		b.WriteString(printable(name))
		if i > 0 {
			b.WriteByte('.')
		}
	}
	return malformed(b.String(), "%s", a.why)
}

func walk(dec *json.Decoder) *ambiguity {
	token, err := dec.Token()
	if err != nil {
		return &ambiguity{why: "is not JSON"}
	}
	switch t := token.(type) {
	case string:
		// The decoder makes this character of a lone surrogate.
		if strings.ContainsRune(t, utf8.RuneError) {
			return &ambiguity{why: "has a character that is no character of Unicode"}
		}
	case json.Delim:
		if t == '{' {
			return walkObject(dec)
		}
		return walkArray(dec)
	}
	return nil
}

func walkObject(dec *json.Decoder) *ambiguity {
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			return &ambiguity{why: "is not JSON"}
		}
		if seen[key] {
			return &ambiguity{path: []string{key}, why: "is given twice"}
		}
		seen[key] = true
		if a := walk(dec); a != nil {
			a.path = append(a.path, key)
			return a
		}
	}
	return walkEnd(dec)
}

func walkArray(dec *json.Decoder) *ambiguity {
	for n := 0; dec.More(); n++ {
		if a := walk(dec); a != nil {
			a.path = append(a.path, strconv.Itoa(n))
			return a
		}
	}
	return walkEnd(dec)
}

func walkEnd(dec *json.Decoder) *ambiguity {
	if _, err := dec.Token(); err != nil {
		return &ambiguity{why: "is not JSON"}
	}
	return nil
}
