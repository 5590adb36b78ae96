package api

import (
	"context"
	"errors"
	"net/http"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
	"tenantcatalogue/events/bus"
	"tenantcatalogue/events/seal"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/restore"
	"tenantcatalogue/schemas"
)

// Problem is an error as RFC 9457 has it, with the catalogue's own members. Over
// NATS it is the payload beside micro's error headers.
type Problem struct {
	Type    string              `json:"type"`   // urn:tenantcatalogue:problem:<code>
	Title   string              `json:"title"`  // of the code
	Status  int                 `json:"status"` // of HTTP
	Detail  string              `json:"detail"` // what happened, to which id
	Code    client.Code         `json:"code"`
	Hint    string              `json:"hint,omitzero"`
	Fields  []client.FieldFault `json:"fields,omitzero"`
	Epoch   uint64              `json:"epoch,omitzero"`
	LastSeq events.Seq          `json:"last_seq,omitzero"`
	// Reasons are why a list of deletions was not taken.
	Reasons []events.RefusalReason `json:"reasons,omitzero"`
}

// sort is what a sentinel is to the outside.
type sort struct {
	is     error
	code   client.Code
	status int
}

// sorts is the one table of what goes wrong. The first that matches counts: a
// timeout comes before what it interrupted, the particular before the general.
func sorts() []sort {
	return []sort{
		{context.DeadlineExceeded, client.ErrTimeout, http.StatusGatewayTimeout},
		{context.Canceled, client.ErrTimeout, http.StatusGatewayTimeout},
		{errNotOperator, client.ErrForbidden, http.StatusForbidden},
		{auth.ErrUnknown, client.ErrUnauthorized, http.StatusUnauthorized},
		{bus.ErrNoCaller, client.ErrUnauthorized, http.StatusUnauthorized},
		{catalogue.ErrForbidden, client.ErrForbidden, http.StatusForbidden},
		{catalogue.ErrStopped, client.ErrStopping, http.StatusServiceUnavailable},
		{catalogue.ErrQuarantined, client.ErrQuarantined, http.StatusLocked},
		{projectors.ErrQuarantined, client.ErrQuarantined, http.StatusLocked},
		{replay.ErrQuarantined, client.ErrQuarantined, http.StatusLocked},
		{deletion.ErrHalted, client.ErrHalted, http.StatusConflict},
		{deletion.ErrHeld, client.ErrHeld, http.StatusConflict},
		{deletion.ErrDead, client.ErrDead, http.StatusConflict},
		{deletion.ErrApproval, client.ErrNotApproved, http.StatusForbidden},
		{deletion.ErrRehearsal, client.ErrNotRehearsed, http.StatusConflict},
		{deletion.ErrBudget, client.ErrOverBudget, http.StatusConflict},
		{deletion.ErrTooSoon, client.ErrTooSoon, http.StatusConflict},
		{deletion.ErrNotStarted, client.ErrNotStarted, http.StatusConflict},
		{deletion.ErrPlan, client.ErrBadPlan, http.StatusUnprocessableEntity},
		{deletion.ErrNoPlan, client.ErrNoPlan, http.StatusForbidden},
		{deletion.ErrPolicy, client.ErrPolicy, http.StatusConflict},
		{deletion.ErrLetGo, client.ErrConflict, http.StatusConflict},
		{catalogue.ErrIllegal, client.ErrIllegal, http.StatusConflict},
		{catalogue.ErrNotFound, client.ErrNotFound, http.StatusNotFound},
		{catalogue.ErrIDReused, client.ErrIDReused, http.StatusUnprocessableEntity},
		{catalogue.ErrClaimed, client.ErrClaimed, http.StatusConflict},
		{catalogue.ErrEpoch, client.ErrEpoch, http.StatusPreconditionFailed},
		{events.ErrConflict, client.ErrConflict, http.StatusConflict},
		{restore.ErrPlanStale, client.ErrConflict, http.StatusConflict},
		{seal.ErrErased, client.ErrErased, http.StatusGone},
		{seal.ErrForged, client.ErrMalformed, http.StatusBadRequest},
		{errNotFound, client.ErrNotFound, http.StatusNotFound},
		{replay.ErrUnknown, client.ErrNotFound, http.StatusNotFound},
		{replay.ErrBefore, client.ErrNotFound, http.StatusNotFound},
		{replay.ErrNoRun, client.ErrNotFound, http.StatusNotFound},
		{restore.ErrNoPlan, client.ErrNotFound, http.StatusNotFound},
		{restore.ErrNothing, client.ErrNotFound, http.StatusNotFound},
		{projectors.ErrNoView, client.ErrNotFound, http.StatusNotFound},
		{restore.ErrNotFinished, client.ErrNotFinished, http.StatusConflict},
		{restore.ErrAmbiguous, client.ErrMalformed, http.StatusBadRequest},
		{restore.ErrAsk, client.ErrMalformed, http.StatusBadRequest},
		{replay.ErrPoint, client.ErrMalformed, http.StatusBadRequest},
		{events.ErrTooLarge, client.ErrTooLarge, http.StatusRequestEntityTooLarge},
		{events.ErrUnknownType, client.ErrMalformed, http.StatusBadRequest},
		{schemas.ErrUnknownType, client.ErrMalformed, http.StatusBadRequest},
		{events.ErrMalformedID, client.ErrMalformed, http.StatusBadRequest},
		{events.ErrWrongKind, client.ErrMalformed, http.StatusBadRequest},
		{events.ErrMalformed, client.ErrMalformed, http.StatusBadRequest},
		{events.ErrNoSpace, client.ErrNoSpace, http.StatusInsufficientStorage},
		{viewdb.ErrNoSpace, client.ErrNoSpace, http.StatusInsufficientStorage},
		{events.ErrUnavailable, client.ErrUnavailable, http.StatusServiceUnavailable},
		{events.ErrShort, client.ErrUnavailable, http.StatusServiceUnavailable},
		{projectors.ErrBehind, client.ErrUnavailable, http.StatusServiceUnavailable},
		{viewdb.ErrQuarantined, client.ErrUnavailable, http.StatusServiceUnavailable},
		{viewdb.ErrClosed, client.ErrStopping, http.StatusServiceUnavailable},
	}
}

// titles of the codes.
func title(code client.Code) string {
	switch code {
	case client.ErrMalformed:
		return "The request is malformed"
	case client.ErrTooLarge:
		return "The request is too large"
	case client.ErrForbidden:
		return "Not allowed for this credential"
	case client.ErrUnauthorized:
		return "Unknown credential"
	case client.ErrNotFound:
		return "Not in the catalogue"
	case client.ErrConflict:
		return "Changed since"
	case client.ErrIllegal:
		return "Illegal transition"
	case client.ErrIDReused:
		return "The id is used for something else"
	case client.ErrClaimed:
		return "Claimed by another tenant"
	case client.ErrEpoch:
		return "The tenant was deleted or restored since"
	case client.ErrQuarantined:
		return "Quarantined"
	case client.ErrErased:
		return "The personal data has been erased"
	case client.ErrNotFinished:
		return "Not finished"
	case client.ErrStopping:
		return "The catalogue is stopping"
	case client.ErrUnavailable:
		return "Not available at the moment"
	case client.ErrTimeout:
		return "No answer in time"
	case client.ErrNoSpace:
		return "No space left"
	case client.ErrBadPlan, client.ErrNoPlan, client.ErrDead, client.ErrHalted, client.ErrHeld, client.ErrNotApproved, client.ErrNotRehearsed,
		client.ErrNotStarted, client.ErrOverBudget, client.ErrTooSoon, client.ErrPolicy:
		return titleOfDeletion(code)
	case client.ErrInternal:
	}
	return "A fault of the catalogue itself"
}

// titleOfDeletion is that of a code which deletions alone have.
func titleOfDeletion(code client.Code) string {
	return map[client.Code]string{
		client.ErrBadPlan:      "The plan does not hold",
		client.ErrNoPlan:       "Nothing is deleted without a plan",
		client.ErrDead:         "The plan is dead",
		client.ErrHalted:       "Deletions are halted",
		client.ErrHeld:         "A restoration is being applied",
		client.ErrNotApproved:  "Not approved",
		client.ErrNotRehearsed: "Not rehearsed",
		client.ErrNotStarted:   "Not started",
		client.ErrOverBudget:   "Over the budget",
		client.ErrTooSoon:      "Too soon",
		client.ErrPolicy:       "The policy does not allow it",
	}[code]
}

func sortOf(err error) sort {
	if _, ok := errors.AsType[*schemas.Error](err); ok {
		return sort{code: client.ErrMalformed, status: http.StatusBadRequest}
	}
	for _, s := range sorts() {
		if errors.Is(err, s.is) {
			return s
		}
	}
	return sort{code: client.ErrInternal, status: http.StatusInternalServerError}
}

// ErrorOf is an error as a verdict carries it; nil for nil.
func ErrorOf(err error) *client.Error {
	if err == nil {
		return nil
	}
	out := &client.Error{Code: sortOf(err).code, Message: err.Error(), Hint: catalogue.Hint(err)}
	if refused, ok := errors.AsType[*catalogue.RefusedError](err); ok {
		out.Message = refused.Err.Error()
		if refused.Met != "" {
			out.Message += ": " + refused.Met
		}
		out.Epoch, out.LastSeq = refused.Epoch, refused.Last
	}
	if conflict, ok := errors.AsType[*events.ConflictError](err); ok {
		out.LastSeq = conflict.Actual
	}
	if list, ok := errors.AsType[*deletion.ListError](err); ok {
		out.Reasons = list.Reasons
	}
	var invalid *schemas.Error
	var field *events.FieldError
	switch {
	case errors.As(err, &invalid):
		for _, f := range invalid.Faults {
			out.Fields = append(out.Fields, client.FieldFault{Field: f.Path, Why: f.Rule})
		}
	case errors.As(err, &field):
		why := field.Why
		if why == "" {
			why = field.Err.Error()
		}
		out.Fields = []client.FieldFault{{Field: field.Field, Why: why}}
	}
	return out
}

// ProblemOf is an error as an answer of its own.
func ProblemOf(err error) Problem {
	e := ErrorOf(err)
	return Problem{
		Type: "urn:tenantcatalogue:problem:" + string(e.Code), Title: title(e.Code), Status: sortOf(err).status,
		Detail: e.Message, Code: e.Code, Hint: e.Hint, Fields: e.Fields, Epoch: e.Epoch, LastSeq: e.LastSeq, Reasons: e.Reasons,
	}
}

// StatusOf is the HTTP status of a verdict's error.
func StatusOf(e *client.Error) int {
	for _, s := range sorts() {
		if s.code == e.Code {
			return s.status
		}
	}
	return http.StatusInternalServerError
}

// ProblemOfVerdict is a verdict's error as an answer of its own.
func ProblemOfVerdict(e *client.Error) Problem {
	return Problem{
		Type: "urn:tenantcatalogue:problem:" + string(e.Code), Title: title(e.Code), Status: StatusOf(e),
		Detail: e.Message, Code: e.Code, Hint: e.Hint, Fields: e.Fields, Epoch: e.Epoch, LastSeq: e.LastSeq, Reasons: e.Reasons,
	}
}

// errNotFound is returned for what a view does not have.
var errNotFound = errors.New("not in the catalogue")
