package events

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"tenantcatalogue/events/wire"
)

// Unit is one or more events that stand or fall together: a tenant's event
// with its URL claim, the parts of a large restored state. A log appends a unit
// whole or not at all, its events next to each other and in order.
type Unit struct {
	Events []Stored
	// Expected, one for each event, is read at the first event of each
	// aggregate within the unit: the Seq of that aggregate's last event before
	// this unit, 0 if there is none, or Follows.
	Expected []Seq
}

// Follows is the expectation of whatever an earlier unit of the same call makes
// of the aggregate. If that unit is refused, so is this one.
const Follows Seq = 1<<64 - 1

// The limits of a unit, which are those of an atomic batch on the bus.
const (
	MaxUnitEvents = 1000
	MaxUnitBytes  = 24 << 20
)

// Appended is the answer to one unit.
type Appended struct {
	First, Last Seq   // where it stands in the stream, if Err is nil
	Err         error // ErrConflict, ErrUnavailable, ErrTooLarge or another
}

// The answers of a log. Match with errors.Is.
var (
	// ErrConflict is returned when an aggregate has had an event that the
	// writer did not expect. Nothing of the unit was written.
	ErrConflict = errors.New("the aggregate has changed since")
	// ErrUnavailable is returned when the log could not be reached, or did not
	// answer, and reading back did not settle whether the unit was written.
	ErrUnavailable = errors.New("the log is not available")
	// ErrNoSpace is returned when the log refused a unit for want of space.
	// Nothing of the unit was written.
	ErrNoSpace = errors.New("the log has no space left")
)

// ConflictError says which aggregate was not as expected.
type ConflictError struct {
	About    Aggregate
	Expected Seq // its last event, as the writer believed; Follows when it stood on a refused unit
	Actual   Seq // its last event, as the log has it
}

// Error names the aggregate and both Seqs.
func (e *ConflictError) Error() string {
	if e.Expected == Follows {
		return fmt.Sprintf("%s: an earlier event of the same request was refused; send this one again", e.About)
	}
	return fmt.Sprintf("%s: its last event is %d, %d was expected; read it again and retry", e.About, e.Actual, e.Expected)
}

// Unwrap gives ErrConflict.
func (e *ConflictError) Unwrap() error { return ErrConflict }

// Rolling is the hash over a log up to an event: each event's hash covers the
// one before, so that equal hashes at a Seq mean equal histories up to it. The
// zero value stands before the first event.
type Rolling [sha256.Size]byte

// Add is the rolling hash after s: SHA-256 over the hash before, the Seq, and
// the length and bytes of subject, id, type, source and data.
func (r Rolling) Add(s Stored) Rolling {
	var room [512]byte // enough for nearly every event
	id := s.ID.UUID()
	h := binary.BigEndian.AppendUint64(append(room[:0], r[:]...), uint64(s.Seq))
	h = s.About.AppendKey(binary.BigEndian.AppendUint64(h, aggregateKeyLen))
	h = append(binary.BigEndian.AppendUint64(h, uint64(len(id))), id[:]...)
	h = append(binary.BigEndian.AppendUint64(h, uint64(len(s.Type))), s.Type...)
	h = append(binary.BigEndian.AppendUint64(h, uint64(len(s.Source))), s.Source...)
	h = append(binary.BigEndian.AppendUint64(h, uint64(len(s.Data))), s.Data...)
	return sha256.Sum256(h)
}

// AddEvent is Add of the event's stored form, which it does not keep.
func (r Rolling) AddEvent(e Event) (Rolling, error) {
	w := wire.NewWriter()
	defer w.Release()
	s, err := encode(w, &e)
	if err != nil {
		return Rolling{}, err
	}
	return r.Add(s), nil
}
