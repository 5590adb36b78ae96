package events

import (
	"bytes"
	"crypto/sha256"
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
)

func (tenantKind) prefix() string  { return "tenant" }
func (accountKind) prefix() string { return "account" }
func (productKind) prefix() string { return "product" }
func (appKind) prefix() string     { return "app" }
func (eventKind) prefix() string   { return "event" }
func (runKind) prefix() string     { return "run" }
func (planKind) prefix() string    { return "plan" }
func (restoreKind) prefix() string { return "restore" }

type idKind interface{ prefix() string }

// idPrefixes lists every kind of id, for naming the wrong one in an error.
var idPrefixes = []string{"tenant", "account", "product", "app", "event", "run", "plan", "restore"}

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
	prefix, suffix, found := strings.Cut(text, "_")
	if !found {
		return I{}, &IDError{Text: text, Want: k.prefix(), Err: ErrMalformedID}
	}
	if prefix != k.prefix() {
		if slices.Contains(idPrefixes, prefix) {
			return I{}, &IDError{Text: text, Got: prefix, Want: k.prefix(), Err: ErrWrongKind}
		}
		return I{}, &IDError{Text: text, Want: k.prefix(), Err: ErrMalformedID}
	}
	u, ok := decodeSuffix(suffix)
	if !ok || u == uuid.Nil {
		return I{}, &IDError{Text: text, Want: k.prefix(), Err: ErrMalformedID}
	}
	return I(ID[K]{uuid: u}), nil
}

// KindOf tells which kind of id a text claims to be by its prefix.
func KindOf(text string) (kind string, ok bool) {
	prefix, _, found := strings.Cut(text, "_")
	if !found || !slices.Contains(idPrefixes, prefix) {
		return "", false
	}
	return prefix, true
}

// String is the text form; empty for the zero ID.
func (id ID[K]) String() string {
	if id.uuid == uuid.Nil {
		return ""
	}
	var k K
	p := k.prefix()
	out := make([]byte, len(p)+1+suffixLen)
	copy(out, p)
	out[len(p)] = '_'
	encodeSuffix(out[len(p)+1:], id.uuid)
	return string(out)
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
func (id ID[K]) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

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
)

func encodeSuffix(dst []byte, u uuid.UUID) {
	var acc uint32
	bits := 2 // the two zero bits in front
	at := 0
	for _, b := range u {
		acc = acc<<8 | uint32(b)
		bits += 8
		for bits >= 5 {
			bits -= 5
			dst[at] = alphabet[acc>>bits&31]
			at++
		}
	}
}

func decodeSuffix(s string) (u uuid.UUID, ok bool) {
	if len(s) != suffixLen || s[0] > '7' {
		return u, false
	}
	var acc uint32
	bits := -2
	at := 0
	for i := range len(s) {
		v := strings.IndexByte(alphabet, s[i])
		if v < 0 {
			return u, false
		}
		acc = acc<<5 | uint32(v)
		bits += 5
		if bits >= 8 {
			bits -= 8
			u[at] = byte(acc >> bits)
			at++
		}
	}
	return u, true
}
