package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/drill"
)

// The exit codes.
const (
	exitOK       = 0
	exitFailure  = 1 // anything not named below
	exitUsage    = 2 // the command line is wrong
	exitConflict = 3 // somebody else was first: read again and retry
	exitRefused  = 4 // refused by a rule or a safeguard: asking again will not help
	exitPartial  = 5 // some of it was done, some not
	exitVerify   = 6 // a verification found differences
)

// usageError is a fault of the command line.
type usageError struct{ err error }

// Error is the cause's.
func (e *usageError) Error() string { return e.err.Error() }

// Unwrap gives the cause.
func (e *usageError) Unwrap() error { return e.err }

func usage(err error) error { return &usageError{err} }

func usagef(format string, args ...any) error { return usage(fmt.Errorf(format, args...)) }

// errPartial marks an answer that is only partly good; the data says which part.
var errPartial = errors.New("not everything could be done")

// errDifferences marks a verification that found some.
var errDifferences = errors.New("differences were found")

func exitCode(err error) int {
	var wrongUsage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &wrongUsage):
		return exitUsage
	case errors.Is(err, errPartial):
		return exitPartial
	case errors.Is(err, errDifferences), errors.Is(err, drill.ErrFailed):
		return exitVerify
	case errors.Is(err, events.ErrConflict), errors.Is(err, client.ErrConflict):
		return exitConflict
	case errors.Is(err, client.ErrMalformed), errors.Is(err, client.ErrTooLarge):
		return exitUsage // all of a request comes from the command line
	case refused(err), errors.Is(err, errImportRefused), errors.Is(err, errNotOperator), errors.Is(err, errNotSigned):
		return exitRefused
	case errors.Is(err, catalogue.ErrIllegal), errors.Is(err, catalogue.ErrForbidden), errors.Is(err, catalogue.ErrClaimed),
		errors.Is(err, catalogue.ErrEpoch), errors.Is(err, catalogue.ErrIDReused), errors.Is(err, catalogue.ErrNotFound):
		return exitRefused
	}
	return exitFailure
}

// refused tells whether the daemon has refused by a rule.
func refused(err error) bool {
	for _, code := range []client.Code{
		client.ErrIllegal, client.ErrForbidden, client.ErrUnauthorized, client.ErrClaimed, client.ErrEpoch, client.ErrIDReused,
		client.ErrNotFound, client.ErrQuarantined, client.ErrErased, client.ErrNotFinished,
		client.ErrBadPlan, client.ErrNoPlan, client.ErrDead, client.ErrHalted, client.ErrHeld, client.ErrNotApproved, client.ErrNotRehearsed,
		client.ErrNotStarted, client.ErrOverBudget, client.ErrTooSoon, client.ErrPolicy,
	} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

// explain is the error as people read it: cobra's own faults get a pointer to
// the help.
func explain(err error) string {
	text := err.Error()
	var wrongUsage *usageError
	if errors.As(err, &wrongUsage) && !strings.Contains(text, "--help") {
		return text + "; see catalogue --help"
	}
	if errors.Is(err, context.Canceled) {
		return text + " (interrupted)"
	}
	return text
}
