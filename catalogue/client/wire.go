package client

import (
	"fmt"
	"slices"

	"tenantcatalogue/events"
	"tenantcatalogue/events/wire"
)

// The subjects of the gate that the client uses.
const (
	subjectPublish = "catalogue.v1.publish"
	subjectRead    = "catalogue.v1.read"
)

// HeadSubject is where the head of the log is told, once a second. It is a hint:
// whoever doubts reads.
const HeadSubject = events.FeedPrefix + "head"

// Head is the message on HeadSubject, in JSON.
type Head struct {
	Seq events.Seq `json:"seq"`
	Log string     `json:"log,omitzero"` // which log it is
}

// MaxBatch is how many events the gate takes at once.
const MaxBatch = 1000

// Code says why the catalogue did not do what it was asked. It is stable, and an
// error to match with errors.Is.
type Code string //nolint:errname // a code that is matched as an error

// The codes.
const (
	ErrMalformed    Code = "malformed"          // not what the schema or the wire format says
	ErrTooLarge     Code = "too_large"          // more than a limit allows
	ErrForbidden    Code = "forbidden"          // not for this credential
	ErrNotFound     Code = "not_found"          // not in the catalogue
	ErrConflict     Code = "conflict"           // changed since the expectation
	ErrIllegal      Code = "illegal_transition" // cannot follow the state it met
	ErrIDReused     Code = "id_reused"          // the id stands for something else
	ErrClaimed      Code = "claimed"            // the URL or cloud id is another tenant's
	ErrEpoch        Code = "epoch"              // the tenant was deleted or restored since
	ErrQuarantined  Code = "quarantined"        // an event of the tenant cannot be read
	ErrErased       Code = "erased"             // the owner's personal data has been erased
	ErrNotFinished  Code = "not_finished"       // ask again when it has finished
	ErrStopping     Code = "stopping"           // the daemon is stopping; ask again
	ErrUnavailable  Code = "unavailable"        // no answer from the log; ask again
	ErrTimeout      Code = "timeout"            // no answer in time; ask again with the same id
	ErrNoSpace      Code = "no_space"           // the log's disk is full
	ErrInternal     Code = "internal"           // a fault of the catalogue itself
	ErrUnauthorized Code = "unauthorized"       // no such credential

	ErrBadPlan      Code = "bad_plan"      // the list or the plan of a deletion does not hold
	ErrNoPlan       Code = "no_plan"       // nothing is deleted but by an approved plan
	ErrDead         Code = "dead"          // the plan goes no further; make another
	ErrHalted       Code = "halted"        // deletions are halted
	ErrHeld         Code = "held"          // a restoration is being applied
	ErrNotApproved  Code = "not_approved"  // too few approvals, or one that does not count
	ErrNotRehearsed Code = "not_rehearsed" // without a fresh rehearsal
	ErrNotStarted   Code = "not_started"   // nobody has started the plan
	ErrOverBudget   Code = "over_budget"   // more than the policy lets go
	ErrTooSoon      Code = "too_soon"      // it has to wait
	ErrPolicy       Code = "policy"        // the policy does not allow it
)

// Error is the code.
func (c Code) Error() string { return string(c) }

// passing tells whether the same request may succeed a little later. An event
// that was sent may have been written: it is sent again as it was.
func (c Code) passing() bool {
	return c == ErrStopping || c == ErrUnavailable || c == ErrTimeout || c == ErrNoSpace
}

// Error is why an event was not written, or a request not answered. It matches
// its Code.
type Error struct {
	Code    Code         `json:"code"`
	Message string       `json:"message"`
	Hint    string       `json:"hint,omitzero"`     // what to do next
	Fields  []FieldFault `json:"fields,omitzero"`   // what is malformed, by field
	Epoch   uint64       `json:"epoch,omitzero"`    // the tenant's epoch now
	LastSeq events.Seq   `json:"last_seq,omitzero"` // the tenant's last event now
	// Reasons are why a list of deletions was not taken, the most frequent first.
	Reasons []events.RefusalReason `json:"reasons,omitzero"`
}

// FieldFault is what is wrong with a field, without its value.
type FieldFault struct {
	Field string `json:"field"` // attribute or path, e.g. "time" or "data.url"
	Why   string `json:"why"`
}

// Error is the message, the hint and the code.
func (e *Error) Error() string {
	if e.Hint == "" {
		return fmt.Sprintf("%s (%s)", e.Message, e.Code)
	}
	return fmt.Sprintf("%s; %s (%s)", e.Message, e.Hint, e.Code)
}

// Unwrap gives the Code.
func (e *Error) Unwrap() error { return e.Code }

// Verdict is the answer to one event.
type Verdict struct {
	ID         events.EventID `json:"id,omitzero"`
	Seq        events.Seq     `json:"seq,omitzero"`        // where it stands in the log
	Version    uint64         `json:"version,omitzero"`    // of its tenant or account, after it
	Epoch      uint64         `json:"epoch,omitzero"`      // of its tenant, now
	Duplicate  bool           `json:"duplicate,omitzero"`  // it was stored before; this is its first answer
	Superseded bool           `json:"superseded,omitzero"` // a restoration has undone it since
	Error      *Error         `json:"error,omitzero"`      // nothing of it was written
}

// Err is the verdict's error, or nil.
func (v Verdict) Err() error {
	if v.Error == nil {
		return nil
	}
	return v.Error
}

// ReadRequest asks for the log itself.
type ReadRequest struct {
	After  events.Seq `json:"after_seq"`        // the last event known; 0: from the first
	Limit  int        `json:"limit,omitzero"`   // at most; 0: as many as fit in an answer
	MinSeq events.Seq `json:"min_seq,omitzero"` // wait a moment for the catalogue to have come this far
	Filter Filter     `json:"filter,omitzero"`
	Format string     `json:"format,omitzero"` // FormatStored, FormatPages, or empty for CloudEvents in JSON
}

// The formats of an answer.
const (
	// FormatStored asks for the stored form: a ReadResponse in msgpack.
	FormatStored = "stored"
	// FormatPages asks for all events as they are kept for bulk reading: a Pages,
	// see its MarshalBinary. It takes no filter.
	FormatPages = "pages"
)

// Filter selects events; what is empty does not filter.
type Filter struct {
	About events.Aggregate `json:"subject,omitzero"` // one tenant or account
	Kinds []string         `json:"kinds,omitzero"`   // of events.AggregateKinds
	Types []events.Type    `json:"types,omitzero"`
}

// IsZero tells whether everything passes.
func (f Filter) IsZero() bool { return f.About.IsZero() && len(f.Kinds) == 0 && len(f.Types) == 0 }

// Passes tells whether an event passes the filter.
func (f Filter) Passes(s events.Stored) bool {
	return (f.About.IsZero() || f.About == s.About) &&
		(len(f.Kinds) == 0 || slices.Contains(f.Kinds, s.About.Kind.String())) &&
		(len(f.Types) == 0 || slices.Contains(f.Types, s.Type))
}

// ReadResponse is, in msgpack (events.Marshal), the events that were asked for.
type ReadResponse struct {
	Head    events.Seq // the last event of the catalogue, as far as it can be read
	Through events.Seq // everything up to here has been looked at: read on after it
	Events  []events.Stored
}

// Fields lists the fields in the order of the wire.
func (r *ReadResponse) Fields(w *wire.Coder) {
	wire.Uint(w, &r.Head)
	wire.Uint(w, &r.Through)
	wire.Structs(w, &r.Events)
}
