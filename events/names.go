package events

import (
	"strings"
	"unicode"
)

// What stands in the log for ever names persons by opaque ids, and never by a name or an
// address. The schemas say the same (common: person, opaque_id).

// IsPerson tells whether a text can be the id of somebody who plans, approves or executes a
// deletion, or of a program that does. It takes lower case only, so that nobody is two persons.
func IsPerson(text string) bool {
	return isName(text, "._-", func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' })
}

// IsOpaque tells whether a text can be the opaque id of a user, as another system has it.
func IsOpaque(text string) bool {
	return isName(text, "._:/~+-", func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
	})
}

// isName takes what begins with a letter or a digit and goes on with those and some marks.
func isName(text, marks string, letter func(c byte) bool) bool {
	if text == "" || len(text) > MaxActor || !letter(text[0]) {
		return false
	}
	for i := range len(text) {
		if !letter(text[i]) && strings.IndexByte(marks, text[i]) < 0 {
			return false
		}
	}
	return true
}

// maxText is the length of a text in an event, in characters (common: text).
const maxText = 512

// OneLine makes of what another system has said, which may be anything, a text for an event:
// of one line, without control characters, cut off where it is too long.
func OneLine(said string) string {
	text := []rune(strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, said))
	return string(text[:min(len(text), maxText)])
}
