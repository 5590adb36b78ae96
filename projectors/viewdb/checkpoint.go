package viewdb

import (
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"

	"tenantcatalogue/events"
)

// Checkpoint is the place in the log a view stands at: everything up to and
// including Seq is in its rows. The zero Checkpoint stands before the first
// event.
type Checkpoint struct {
	Stream  string         // identity of the stream, so that another one is not taken for it
	Seq     events.Seq     // last event applied
	Event   events.EventID // its id
	Rolling events.Rolling // hash over the log up to it
}

// IsZero tells whether nothing has been applied.
func (c Checkpoint) IsZero() bool { return c == Checkpoint{} }

// checkpointVersion is the first byte of the binary form.
const checkpointVersion = 1

// checkpointFixed is the length of the binary form without the stream's name.
const checkpointFixed = 1 + 8 + 16 + len(events.Rolling{})

// AppendBinary appends the binary form: a version byte, Seq big-endian, the
// event id, the rolling hash, and the stream's name up to the end.
func (c Checkpoint) AppendBinary(dst []byte) ([]byte, error) {
	id := c.Event.UUID()
	dst = binary.BigEndian.AppendUint64(append(dst, checkpointVersion), uint64(c.Seq))
	dst = append(append(dst, id[:]...), c.Rolling[:]...)
	return append(dst, c.Stream...), nil
}

// MarshalBinary is the binary form.
func (c Checkpoint) MarshalBinary() ([]byte, error) { return c.AppendBinary(nil) }

// ParseCheckpoint reads the binary form; the error matches ErrCorrupt.
func ParseCheckpoint(raw []byte) (Checkpoint, error) {
	if len(raw) < checkpointFixed {
		return Checkpoint{}, fmt.Errorf("%w: a checkpoint of %d bytes, at least %d are needed", ErrCorrupt, len(raw), checkpointFixed)
	}
	if raw[0] != checkpointVersion {
		return Checkpoint{}, fmt.Errorf("%w: a checkpoint of version %d, version %d is known", ErrCorrupt, raw[0], checkpointVersion)
	}
	c := Checkpoint{
		Seq:    events.Seq(binary.BigEndian.Uint64(raw[1:])),
		Event:  events.IDFromUUID[events.EventID](uuid.UUID(raw[9:25])),
		Stream: string(raw[checkpointFixed:]),
	}
	copy(c.Rolling[:], raw[25:])
	return c, nil
}
