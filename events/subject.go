package events

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"tenantcatalogue/events/wire"
)

// AggregateKind is the middle token of a subject: what the events on it are
// about.
type AggregateKind byte

// The aggregates. A tenant's products, apps, members and resources belong to
// the tenant and share its subject, so that one expectation guards them all.
const (
	AggregateTenant      AggregateKind = 't'
	AggregateAccount     AggregateKind = 'a'
	AggregateClaim       AggregateKind = 'c'
	AggregateRestoration AggregateKind = 'r'
	AggregateDeletion    AggregateKind = 'd' // a plan and what became of it
	AggregateLien        AggregateKind = 'l' // of a tenant, under the tenant's UUID
)

// The aggregates of which there is one each.
const (
	AggregateDoor   AggregateKind = 'D' // what everything that is deleted goes through
	AggregatePolicy AggregateKind = 'P' // what deletions are held against
	AggregateClock  AggregateKind = 'T' // ticks, by which time is counted that a clock cannot jump over
	AggregateAlarm  AggregateKind = 'W' // what the watcher has seen
)

// AggregateKinds lists every kind.
var AggregateKinds = []AggregateKind{
	AggregateTenant, AggregateAccount, AggregateClaim, AggregateRestoration, AggregateDeletion, AggregateLien,
	AggregateDoor, AggregatePolicy, AggregateClock, AggregateAlarm,
}

// Alone tells whether there is one aggregate of the kind only, which has no id.
func (k AggregateKind) Alone() bool {
	switch k {
	case AggregateDoor, AggregatePolicy, AggregateClock, AggregateAlarm:
		return true
	case AggregateTenant, AggregateAccount, AggregateClaim, AggregateRestoration, AggregateDeletion, AggregateLien:
	}
	return false
}

// String is the subject token.
func (k AggregateKind) String() string {
	switch k {
	case AggregateTenant:
		return "tenant"
	case AggregateAccount:
		return "account"
	case AggregateClaim:
		return "claim"
	case AggregateRestoration:
		return "restoration"
	case AggregateDeletion:
		return "deletion"
	case AggregateLien:
		return "lien"
	case AggregateDoor:
		return "door"
	case AggregatePolicy:
		return "policy"
	case AggregateClock:
		return "clock"
	case AggregateAlarm:
		return "alarm"
	}
	return "unknown"
}

// Aggregate names what an event is about: a kind and its 16 bytes. It is
// comparable and orders as its Key does.
type Aggregate struct {
	Kind AggregateKind
	ID   uuid.UUID
}

// OfTenant is the aggregate of a tenant.
func OfTenant(id TenantID) Aggregate { return Aggregate{AggregateTenant, id.UUID()} }

// OfAccount is the aggregate of an account.
func OfAccount(id AccountID) Aggregate { return Aggregate{AggregateAccount, id.UUID()} }

// OfRestoration is the aggregate of a restoration.
func OfRestoration(id RestoreID) Aggregate { return Aggregate{AggregateRestoration, id.UUID()} }

// OfDeletion is the aggregate of a plan.
func OfDeletion(id PlanID) Aggregate { return Aggregate{AggregateDeletion, id.UUID()} }

// OfLiens is the aggregate of the liens on a tenant.
func OfLiens(id TenantID) Aggregate { return Aggregate{AggregateLien, id.UUID()} }

// TheOne is the aggregate of a kind that there is one of.
func TheOne(kind AggregateKind) Aggregate { return Aggregate{Kind: kind} }

// OfClaim is the aggregate of a claim: the first 16 bytes of a hash over what
// is claimed, so that a URL never reaches a subject as it is.
func OfClaim(kind ClaimKind, value string) Aggregate {
	return Aggregate{AggregateClaim, derive("claim", string(kind), value)}
}

// Tenant is the tenant's id, or the zero ID for any other aggregate.
func (a Aggregate) Tenant() TenantID {
	if a.Kind != AggregateTenant {
		return TenantID{}
	}
	return IDFromUUID[TenantID](a.ID)
}

// Account is the account's id, or the zero ID for any other aggregate.
func (a Aggregate) Account() AccountID {
	if a.Kind != AggregateAccount {
		return AccountID{}
	}
	return IDFromUUID[AccountID](a.ID)
}

// Restoration is the restoration's id, or the zero ID for any other aggregate.
func (a Aggregate) Restoration() RestoreID {
	if a.Kind != AggregateRestoration {
		return RestoreID{}
	}
	return IDFromUUID[RestoreID](a.ID)
}

// Plan is the plan's id, or the zero ID for any other aggregate.
func (a Aggregate) Plan() PlanID {
	if a.Kind != AggregateDeletion {
		return PlanID{}
	}
	return IDFromUUID[PlanID](a.ID)
}

// IsZero tells whether the aggregate is none.
func (a Aggregate) IsZero() bool { return a == Aggregate{} }

// String is the text form, as the CloudEvents attribute subject carries it:
// tenant_…, account_…, restore_… or claim_ and 32 hex digits.
func (a Aggregate) String() string {
	var text [maxSubjectLen]byte
	return string(a.appendTo(text[:0]))
}

// AppendText appends String.
func (a Aggregate) AppendText(dst []byte) ([]byte, error) { return a.appendTo(dst), nil }

// MarshalText is String.
func (a Aggregate) MarshalText() ([]byte, error) { return a.AppendText(nil) }

func (a Aggregate) appendTo(dst []byte) []byte {
	switch a.Kind {
	case AggregateTenant:
		return a.Tenant().appendTo(dst)
	case AggregateAccount:
		return a.Account().appendTo(dst)
	case AggregateRestoration:
		return a.Restoration().appendTo(dst)
	case AggregateDeletion:
		return a.Plan().appendTo(dst)
	case AggregateLien:
		return IDFromUUID[LienID](a.ID).appendTo(dst)
	case AggregateClaim:
		return hex.AppendEncode(append(dst, "claim_"...), a.ID[:])
	case AggregateDoor, AggregatePolicy, AggregateClock, AggregateAlarm:
		return append(dst, a.Kind.String()...)
	}
	return dst
}

// UnmarshalText is ParseAggregate.
func (a *Aggregate) UnmarshalText(text []byte) error {
	parsed, err := ParseAggregate(string(text))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}

// ParseAggregate reads the text form of a tenant, account, restoration or
// claim.
func ParseAggregate(text string) (Aggregate, error) {
	for _, kind := range AggregateKinds {
		if kind.Alone() && text == kind.String() {
			return TheOne(kind), nil
		}
	}
	prefix, rest, _ := strings.Cut(text, "_")
	switch prefix {
	case "account":
		id, err := ParseID[AccountID](text)
		return OfAccount(id), err
	case "restore":
		id, err := ParseID[RestoreID](text)
		return OfRestoration(id), err
	case "plan":
		id, err := ParseID[PlanID](text)
		return OfDeletion(id), err
	case "lien":
		id, err := ParseID[LienID](text)
		return Aggregate{AggregateLien, id.UUID()}, err
	case "claim":
		var u uuid.UUID
		raw, err := hex.DecodeString(rest)
		if err != nil || len(raw) != len(u) || strings.ToLower(rest) != rest {
			return Aggregate{}, &IDError{Text: text, Want: "claim", Err: ErrMalformedID}
		}
		copy(u[:], raw)
		return Aggregate{AggregateClaim, u}, nil
	}
	id, err := ParseID[TenantID](text)
	return OfTenant(id), err
}

// Wire codes the Key.
func (a *Aggregate) Wire(w *wire.Coder) {
	var key [aggregateKeyLen]byte
	a.AppendKey(key[:0])
	wire.Fixed(w, key[:])
	if !w.Reading() {
		return
	}
	ok := false
	if *a, ok = AggregateFromKey(key[:]); !ok {
		w.Fail(fmt.Errorf("%x is no aggregate", key))
	}
}

// aggregateKeyLen is the length of Key.
const aggregateKeyLen = 17

// Key is the kind byte and the 16 bytes: the aggregate in a store's key.
func (a Aggregate) Key() []byte { return a.AppendKey(make([]byte, 0, aggregateKeyLen)) }

// AppendKey appends Key to dst.
func (a Aggregate) AppendKey(dst []byte) []byte { return append(append(dst, byte(a.Kind)), a.ID[:]...) }

// AggregateFromKey reads what Key wrote.
func AggregateFromKey(key []byte) (Aggregate, bool) {
	if len(key) != aggregateKeyLen {
		return Aggregate{}, false
	}
	a := Aggregate{Kind: AggregateKind(key[0])}
	copy(a.ID[:], key[1:])
	return a, a.Kind.String() != "unknown"
}

// SubjectPrefix and FeedPrefix are the first token of every subject of the log
// and of the feed that repeats it.
const (
	SubjectPrefix = "catalogue."
	FeedPrefix    = "catalogue.feed."
)

// Subject is the log's subject for the aggregate: catalogue.<kind>.<id>. It is
// built from parsed ids only, so no wildcard or separator can get into it.
func (a Aggregate) Subject() string { return a.subject(SubjectPrefix) }

// FeedSubject is the feed's: catalogue.feed.<kind>.<id>.
func (a Aggregate) FeedSubject() string { return a.subject(FeedPrefix) }

func (a Aggregate) subject(prefix string) string {
	var subject [maxSubjectLen]byte
	dst := append(append(append(subject[:0], prefix...), a.Kind.String()...), '.')
	return string(a.appendTo(dst))
}

// maxSubjectLen is the length of the longest subject.
const maxSubjectLen = len(FeedPrefix) + len("restoration.restore_") + suffixLen

// ParseSubject reads a subject of the log.
func ParseSubject(subject string) (Aggregate, error) {
	rest, ok := strings.CutPrefix(subject, SubjectPrefix)
	kind, id, found := strings.Cut(rest, ".")
	if !ok || !found {
		return Aggregate{}, malformed("subject", "%.80q is not catalogue.<kind>.<id>", subject)
	}
	a, err := ParseAggregate(id)
	if err != nil {
		return Aggregate{}, &FieldError{Field: "subject", Err: err}
	}
	if a.Kind.String() != kind {
		return Aggregate{}, malformed("subject", "%.80q says %s and carries the id of a %s", subject, kind, a.Kind)
	}
	return a, nil
}
