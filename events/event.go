package events

// Type is an event type with its version, e.g. tenant.created.v1. It names the
// schema: schemas/<type>.json.
type Type string

// Payload is what an event says beyond its envelope: one Go type an event
// type. The registry lists them all.
type Payload interface {
	// EventType is the type the payload is stored under.
	EventType() Type
}

// Event is a fact of the catalogue. The producer sets the first group of
// fields, the gate the second, the log the third.
type Event struct {
	ID          EventID   // the producer's, for ever; a retry uses it again
	Source      string    // CloudEvents source: who produced it, e.g. /services/commerce
	About       Aggregate // CloudEvents subject: the tenant, account, ... it is about
	Time        Time      // when it happened, as the producer says
	Actor       string    // opaque id of who did it; never a name or an address
	Run         RunID     // the script run or campaign it is part of, if any
	Causation   EventID   // the event that led to it, if any
	Correlation string    // opaque id that ties a flow of work together, if any
	Epoch       uint64    // the tenant's epoch the producer knows; 0 until a delete or restore
	Payload     Payload   // what happened

	RecordedTime Time   // when the gate took it, by its own clock
	Via          string // the credential that brought it
	More         uint16 // how many events of the same unit still follow this one

	Seq Seq // its place in the stream; 0 until appended
}

// Type is the type of the payload.
func (e Event) Type() Type { return e.Payload.EventType() }

// Governed tells whether the rules of deletion have a say about the event: it is a
// tombstone, one of those that lead to it, or a restoration of a tenant, which could be a
// deletion by another name.
func (e Event) Governed() bool {
	switch e.About.Kind {
	case AggregateDeletion, AggregateDoor, AggregatePolicy, AggregateClock, AggregateAlarm, AggregateLien:
		return true
	case AggregateTenant, AggregateAccount, AggregateClaim, AggregateRestoration:
	}
	switch e.Payload.(type) {
	case TenantDeleted, AppUninstalled, TenantRestored:
		return true
	}
	return false
}

// MaxEventBytes bounds the stored form of one event: well below the bus's
// limit of 1 MiB a message.
const MaxEventBytes = 768 << 10

// Limits of the free-text attributes, in bytes.
const (
	MaxSource      = 128
	MaxActor       = 96
	MaxCorrelation = 96
	MaxVia         = 96
)

// Validate checks the envelope's own rules; the payload's are its schema's.
// The error names the field.
func (e Event) Validate() error {
	switch {
	case e.ID.IsZero():
		return malformed("id", "is missing; make an event_ id once and use it again in every retry")
	case e.About.IsZero():
		return malformed("subject", "is missing; name the tenant or account the event is about")
	case e.Time.IsZero():
		return malformed("time", "is missing; say when it happened, RFC 3339 in UTC")
	case e.Payload == nil:
		return malformed("data", "is missing")
	}
	for _, f := range []struct {
		name, value string
		max         int
		required    bool
	}{
		{"source", e.Source, MaxSource, true},
		{"actor", e.Actor, MaxActor, true},
		{"correlationid", e.Correlation, MaxCorrelation, false},
		{"via", e.Via, MaxVia, false},
	} {
		if err := opaque(f.name, f.value, f.max, f.required); err != nil {
			return err
		}
	}
	d, err := lookup(e.Type())
	if err != nil {
		return err
	}
	if d.about != e.About.Kind {
		return malformed("subject", "%s is about %s %s, not about the %s %s", e.Type(), article(d.about.String()), d.about, e.About.Kind, e.About)
	}
	return nil
}

// opaque accepts printable ASCII without spaces, quotes or an @: enough for
// paths and ids, nothing that could be an address, a header or an escape.
func opaque(field, value string, limit int, required bool) error {
	if value == "" {
		if required {
			return malformed(field, "is missing")
		}
		return nil
	}
	if len(value) > limit {
		return malformed(field, "has %d bytes, at most %d are allowed", len(value), limit)
	}
	for i := range len(value) {
		switch c := value[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '-', c == '_', c == '.', c == '/', c == ':', c == '~', c == '+':
		default:
			return malformed(field, "has the character %q; letters, digits and - _ . / : ~ + are allowed", c)
		}
	}
	return nil
}
