package events

import (
	"errors"
	"fmt"
)

// The faults of a log that is not what it was. Match with errors.Is.
var (
	// ErrGap is returned when a Seq is missing or stands in the wrong place:
	// events do not follow each other.
	ErrGap = errors.New("the log has a gap")
	// ErrShort is returned when the log ends before a Seq that it is known to
	// have had, or is another log than the one that was opened.
	ErrShort = errors.New("the log is shorter than it was")
)

// GapError says where a log is not contiguous.
type GapError struct {
	Want Seq // what should have come
	Got  Seq // what came
}

// Error names both Seqs.
func (e *GapError) Error() string {
	return fmt.Sprintf("the log has a gap: event %d should come next, %d did; stop, and repair the log from a copy", e.Want, e.Got)
}

// Unwrap gives ErrGap.
func (e *GapError) Unwrap() error { return ErrGap }
