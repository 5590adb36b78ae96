package events

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"tenantcatalogue/events/wire"
)

// The kinds of id. Each is a type of its own, so that handing a tenant id to
// something that wants an app id does not compile; in text form the prefix
// says the kind, so that it does not parse either.
type (
	tenantKind  struct{}
	accountKind struct{}
	productKind struct{}
	appKind     struct{}
	eventKind   struct{}
	runKind     struct{}
	planKind    struct{}
	restoreKind struct{}
	lienKind    struct{}
)

func (tenantKind) prefix() string  { return "tenant" }
func (accountKind) prefix() string { return "account" }
func (productKind) prefix() string { return "product" }
func (appKind) prefix() string     { return "app" }
func (eventKind) prefix() string   { return "event" }
func (runKind) prefix() string     { return "run" }
func (planKind) prefix() string    { return "plan" }
func (restoreKind) prefix() string { return "restore" }
func (lienKind) prefix() string    { return "lien" }

type idKind interface{ prefix() string }

// idPrefixes lists every kind of id, for naming the wrong one in an error.
var idPrefixes = []string{"tenant", "account", "product", "app", "event", "run", "plan", "restore", "lien"}

// ID is an identifier of one kind: a UUID (version 7 when made here) whose
// text form is a TypeID, e.g. tenant_01jc3rk3vefkht2s3cqm8wd5tb. Ids are never
// re-issued. The zero ID stands for "none" and has the empty text form.
type ID[K idKind] struct{ uuid uuid.UUID }

// The ids of the catalogue.
type (
	// TenantID names a tenant.
	TenantID = ID[tenantKind]
	// AccountID names an account, which may own tenants.
	AccountID = ID[accountKind]
	// ProductID names a product of a tenant.
	ProductID = ID[productKind]
	// AppID names an app of a tenant.
	AppID = ID[appKind]
	// EventID names an event.
	EventID = ID[eventKind]
	// RunID names the run of a script, or the campaign, that events are part of.
	RunID = ID[runKind]
	// PlanID names a plan.
	PlanID = ID[planKind]
	// RestoreID names a restoration.
	RestoreID = ID[restoreKind]
	// LienID names the liens on a tenant, under the tenant's own UUID.
	LienID = ID[lienKind]
)

// IDFromUUID wraps a UUID made elsewhere.
func IDFromUUID[I ID[K], K idKind](u uuid.UUID) I { return I(ID[K]{uuid: u}) }

// NewID makes an id from a source of UUIDs, which is uuid.NewV7 outside tests
// and drills.
func NewID[I ID[K], K idKind](source func() (uuid.UUID, error)) (I, error) {
	u, err := source()
	if err != nil {
		return I{}, fmt.Errorf("make an id: %w", err)
	}
	return I(ID[K]{uuid: u}), nil
}

// DeriveID makes the id that belongs to the given names: the same names give
// the same id in every process (UUID version 8 over SHA-256). What must be
// written once, however often it is attempted, gets its event id this way.
func DeriveID[I ID[K], K idKind](names ...string) I { return I(ID[K]{uuid: derive(names...)}) }

func derive(names ...string) (u uuid.UUID) {
	h := sha256.New()
	for _, n := range names {
		h.Write(fmt.Appendf(nil, "%d:%s", len(n), n))
	}
	copy(u[:], h.Sum(nil))
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return u
}

// ParseID reads the text form. The error for another kind's id names both
// kinds and matches ErrWrongKind; any other fault matches ErrMalformedID.
func ParseID[I ID[K], K idKind](text string) (I, error) {
	var k K
	want := k.prefix()
	if rest, ok := strings.CutPrefix(text, want); ok && rest != "" && rest[0] == '_' {
		if u, ok := decodeSuffix(rest[1:]); ok && u != uuid.Nil {
			return I(ID[K]{uuid: u}), nil
		}
	} else if got, ok := KindOf(text); ok {
		return I{}, &IDError{Text: text, Got: got, Want: want, Err: ErrWrongKind}
	}
	return I{}, &IDError{Text: text, Want: want, Err: ErrMalformedID}
}

// KindOf tells which kind of id a text claims to be by its prefix.
func KindOf(text string) (kind string, ok bool) {
	prefix, _, found := strings.Cut(text, "_")
	if !found || !slices.Contains(idPrefixes, prefix) {
		return "", false
	}
	return prefix, true
}

// IsID tells whether a text is an id, of any kind.
func IsID(text string) bool {
	_, suffix, _ := strings.Cut(text, "_")
	_, known := KindOf(text)
	u, ok := decodeSuffix(suffix)
	return known && ok && u != uuid.Nil
}

// String is the text form; empty for the zero ID.
func (id ID[K]) String() string {
	var text [maxIDLen]byte
	return string(id.appendTo(text[:0]))
}

// AppendText appends the text form.
func (id ID[K]) AppendText(dst []byte) ([]byte, error) { return id.appendTo(dst), nil }

func (id ID[K]) appendTo(dst []byte) []byte {
	if id.uuid == uuid.Nil {
		return dst
	}
	var k K
	return appendSuffix(append(append(dst, k.prefix()...), '_'), id.uuid)
}

// Kind is the prefix of this kind of id.
func (ID[K]) Kind() string { var k K; return k.prefix() }

// UUID is the identifier without its kind.
func (id ID[K]) UUID() uuid.UUID { return id.uuid }

// IsZero tells whether the ID stands for "none".
func (id ID[K]) IsZero() bool { return id.uuid == uuid.Nil }

// Compare orders ids as their text forms and their bytes do.
func (id ID[K]) Compare(other ID[K]) int { return bytes.Compare(id.uuid[:], other.uuid[:]) }

// MarshalText is the text form.
func (id ID[K]) MarshalText() ([]byte, error) { return id.AppendText(nil) }

// UnmarshalText parses the text form; an empty text is an error.
func (id *ID[K]) UnmarshalText(text []byte) error {
	parsed, err := ParseID[ID[K]](string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// Wire codes the 16 bytes, or nil for the zero ID.
func (id *ID[K]) Wire(w *wire.Coder) { wire.FixedOrNil(w, id.uuid[:]) }

// The suffix is 26 characters of Crockford's base 32 in lower case, as the
// TypeID specification 0.3 lays down: 128 bits, two zero bits in front.
const (
	suffixLen = 26
	alphabet  = "0123456789abcdefghjkmnpqrstvwxyz"
	maxIDLen  = len("account_") + suffixLen // of the longest prefix
)

// noDigit is what digits holds for a character that is not in the alphabet.
const noDigit = 0xff

var digits = func() (of [256]byte) {
	for c := range of {
		of[c] = noDigit
	}
	for value, c := range []byte(alphabet) {
		of[c] = byte(value)
	}
	return of
}()

// The first half of a UUID gives digits 0 (of three bits) to 12 and a bit of
// digit 13, the second half the other four bits and the last twelve digits.
func appendSuffix(dst []byte, u uuid.UUID) []byte {
	first, second := binary.BigEndian.Uint64(u[:8]), binary.BigEndian.Uint64(u[8:])
	var s [suffixLen]byte
	for i := range 13 {
		s[i] = alphabet[first>>(61-5*i)&31]
	}
	s[13] = alphabet[first&1<<4|second>>60]
	for i := range 12 {
		s[14+i] = alphabet[second>>(55-5*i)&31]
	}
	return append(dst, s[:]...)
}

func decodeSuffix(s string) (u uuid.UUID, ok bool) {
	if len(s) != suffixLen || s[0] > '7' {
		return u, false
	}
	var first, second uint64
	var seen byte
	for i := range 13 {
		d := digits[s[i]]
		seen |= d
		first = first<<5 | uint64(d)
	}
	shared := digits[s[13]]
	seen |= shared
	first, second = first<<1|uint64(shared>>4), uint64(shared&15)
	for i := 14; i < suffixLen; i++ {
		d := digits[s[i]]
		seen |= d
		second = second<<5 | uint64(d)
	}
	binary.BigEndian.PutUint64(u[:8], first)
	binary.BigEndian.PutUint64(u[8:], second)
	return u, seen < 32
}
