package events

import (
	"errors"
	"fmt"
)

// The faults of this package. Match with errors.Is.
var (
	// ErrMalformedID is returned when a text is not a TypeID of a known kind.
	ErrMalformedID = errors.New("malformed id")
	// ErrWrongKind is returned when an id of one kind stands where another
	// kind is wanted.
	ErrWrongKind = errors.New("id of the wrong kind")
	// ErrUnknownType is returned when an event type is not in the registry.
	ErrUnknownType = errors.New("unknown event type")
	// ErrMalformed is returned when bytes or a field are not what the wire
	// format or the schema says.
	ErrMalformed = errors.New("malformed event")
	// ErrTooLarge is returned when an event exceeds MaxEventBytes.
	ErrTooLarge = errors.New("event too large")
)

// IDError says which text was no id of the wanted kind.
type IDError struct {
	Text string // as given, shortened
	Got  string // the kind it is, when it is a known one
	Want string // the kind that was wanted
	Err  error  // ErrMalformedID or ErrWrongKind
}

// Error names the text and both kinds.
func (e *IDError) Error() string {
	if e.Got != "" {
		return fmt.Sprintf("%.60q is %s %s id, %s %s id is wanted", e.Text, article(e.Got), e.Got, article(e.Want), e.Want)
	}
	return fmt.Sprintf("%.60q is not %s %s id (%s_ and 26 characters)", e.Text, article(e.Want), e.Want, e.Want)
}

// Unwrap gives the sentinel.
func (e *IDError) Unwrap() error { return e.Err }

func article(noun string) string {
	switch noun[0] {
	case 'a', 'e', 'i', 'o', 'u':
		return "an"
	}
	return "a"
}

// FieldError says which field of an event is at fault, and why.
type FieldError struct {
	Field string // attribute or JSON path, e.g. "time" or "data.url"
	Why   string // what is wrong with it, without the value of a personal field
	Err   error  // ErrMalformed, ErrUnknownType, ErrTooLarge or an *IDError
}

// Error names the field first.
func (e *FieldError) Error() string {
	if e.Why == "" {
		return fmt.Sprintf("%s: %v", e.Field, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Field, e.Why)
}

// Unwrap gives the sentinel or the cause.
func (e *FieldError) Unwrap() error { return e.Err }

func malformed(field, format string, args ...any) error {
	return &FieldError{Field: field, Why: fmt.Sprintf(format, args...), Err: ErrMalformed}
}
