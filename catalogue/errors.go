package catalogue

import (
	"errors"
	"fmt"

	"tenantcatalogue/events"
)

// The answers of the Service. Match with errors.Is. Beside these it answers
// events.ErrConflict, events.ErrUnavailable, events.ErrNoSpace and
// events.ErrTooLarge.
var (
	// ErrIllegal is returned when an event cannot follow the state it met.
	ErrIllegal = errors.New("illegal transition")
	// ErrNotFound is returned when an event is about what the catalogue never had.
	ErrNotFound = errors.New("not in the catalogue")
	// ErrIDReused is returned when an id that was issued once is issued again,
	// or an event id comes again with other content.
	ErrIDReused = errors.New("an id is used for something else already")
	// ErrClaimed is returned when a URL or a cloud id belongs to another tenant.
	ErrClaimed = errors.New("claimed by another tenant")
	// ErrEpoch is returned when the tenant was deleted or restored since the
	// epoch the writer knows.
	ErrEpoch = errors.New("the tenant was deleted or restored since")
	// ErrForbidden is returned when the credential may not write this event.
	ErrForbidden = errors.New("not allowed for this credential")
	// ErrQuarantined is returned when the aggregate holds an event that cannot
	// be read or folded.
	ErrQuarantined = errors.New("quarantined")
	// ErrStopped is returned when the Service has stopped or is stopping.
	ErrStopped = errors.New("the catalogue is stopping")
	// ErrFold is returned when an event cannot be applied to the state before
	// it: the log was not written by this catalogue's rules.
	ErrFold = errors.New("the event does not fit the state before it")
)

// RefusedError is the answer to an event that was not written.
type RefusedError struct {
	Type  events.Type
	ID    events.EventID
	About events.Aggregate
	Err   error      // one of the sentinels
	Met   string     // the state it met, e.g. "tenant_… is deleted"
	Hint  string     // what to do next
	Epoch uint64     // the aggregate's epoch now
	Last  events.Seq // the aggregate's last event now
}

// Error names the event, what it met and what to do.
func (e *RefusedError) Error() string {
	text := fmt.Sprintf("%s %s refused: %v", e.Type, e.ID, e.Err)
	if e.Met != "" {
		text += ": " + e.Met
	}
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// Unwrap gives the sentinel.
func (e *RefusedError) Unwrap() error { return e.Err }

// ReasonError is a reason without the event it concerns yet.
type ReasonError struct {
	Err  error  // a sentinel
	Met  string // the state it met
	Hint string // what to do next
}

// Refuse makes a ReasonError.
func Refuse(err error, hint, met string, args ...any) *ReasonError {
	return &ReasonError{Err: err, Met: fmt.Sprintf(met, args...), Hint: hint}
}

// Error is the reason alone.
func (r *ReasonError) Error() string { return fmt.Sprintf("%v: %s", r.Err, r.Met) }

// Unwrap gives the sentinel.
func (r *ReasonError) Unwrap() error { return r.Err }

// Refused tells whether an error is a verdict on the event itself, which asking
// again will not change, rather than a failure to reach one.
func Refused(err error) bool {
	var refused *RefusedError
	return errors.As(err, &refused) || errors.Is(err, events.ErrConflict) || errors.Is(err, events.ErrTooLarge)
}

// Hint is what to do next, for errors that know it.
func Hint(err error) string {
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		return refused.Hint
	}
	if reason, ok := errors.AsType[*ReasonError](err); ok {
		return reason.Hint
	}
	return ""
}
