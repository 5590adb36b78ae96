package seal

import (
	"strings"
	"unicode"
)

// IndexKind keeps the hashes of different sorts of value apart.
type IndexKind string

// The sorts of value that are looked up.
const (
	IndexEmail IndexKind = "email"
	IndexPhone IndexKind = "phone"
)

// IndexSize is the length of a hash of Sealer.Index, in bytes.
const IndexSize = 16

// Index is the keyed hash under which a view files what belongs to the value,
// which has been through NormalizeEmail or NormalizePhone. It says nothing to
// whoever has not the key ring, and tells equal values from different ones to
// whoever has the view.
func (s *Sealer) Index(kind IndexKind, normalized string) []byte {
	sum := s.index.sum([]byte(string(kind) + "\x00" + normalized))
	return sum[:IndexSize:IndexSize]
}

// NormalizeEmail gives the form of an address that is looked up: trimmed and in
// lower case.
func NormalizeEmail(address string) string { return strings.ToLower(strings.TrimSpace(address)) }

// NormalizePhone gives the form of a number that is looked up: its digits, with
// the plus sign in front if there was one.
func NormalizePhone(number string) string {
	number = strings.TrimSpace(number)
	digits := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII || !unicode.IsDigit(r) {
			return -1
		}
		return r
	}, number)
	if strings.HasPrefix(number, "+") {
		return "+" + digits
	}
	return digits
}
