package events

import "strings"

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
