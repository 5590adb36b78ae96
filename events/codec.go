package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/vmihailenco/msgpack/v5"
)

// Stored is the stored form of one event, as the log keeps it: what CloudEvents
// requires stands in headers, the rest in one msgpack array. See the package
// comment for the bytes.
type Stored struct {
	Seq    Seq       // 0 until appended
	About  Aggregate // gives the subject
	ID     EventID   // header ce-id
	Type   Type      // header ce-type
	Source string    // header ce-source
	Data   []byte    // the msgpack array
}

// ContentType is the content type of the stored form.
const ContentType = "application/msgpack"

// The header names of the stored form.
const (
	HeaderSpecVersion = "ce-specversion"
	HeaderID          = "ce-id"
	HeaderType        = "ce-type"
	HeaderSource      = "ce-source"
	HeaderContentType = "Content-Type"
	SpecVersion       = "1.0"
)

// body is the msgpack array of the stored form. The order of the fields is
// the wire format.
type body struct {
	Time         Time
	RecordedTime Time
	Actor        string
	Run          RunID
	Causation    EventID
	Correlation  string
	Epoch        uint64
	Via          string
	More         uint16
	Payload      msgpack.RawMessage
}

// Encode makes the stored form. The payload keeps the version it has.
func Encode(e Event) (Stored, error) {
	payload, err := Marshal(e.Payload)
	if err != nil {
		return Stored{}, fmt.Errorf("encode %s %s: %w", e.Type(), e.ID, err)
	}
	data, err := Marshal(&body{
		Time: e.Time, RecordedTime: e.RecordedTime, Actor: e.Actor, Run: e.Run, Causation: e.Causation,
		Correlation: e.Correlation, Epoch: e.Epoch, Via: e.Via, More: e.More, Payload: payload,
	})
	if err != nil {
		return Stored{}, fmt.Errorf("encode %s %s: %w", e.Type(), e.ID, err)
	}
	if len(data) > MaxEventBytes {
		return Stored{}, &FieldError{
			Field: "data", Err: ErrTooLarge,
			Why: fmt.Sprintf("%s %s has %d bytes, at most %d are allowed", e.Type(), e.ID, len(data), MaxEventBytes),
		}
	}
	return Stored{Seq: e.Seq, About: e.About, ID: e.ID, Type: e.Type(), Source: e.Source, Data: data}, nil
}

// Decode reads the stored form. A payload of an older version is upcast, so
// that nobody above meets one. The error matches ErrUnknownType for a type
// this version of the program does not know, ErrMalformed for anything else.
func Decode(s Stored) (Event, error) {
	if s.About.IsZero() || s.ID.IsZero() {
		return Event{}, malformed("subject", "the event at %d has no subject or no id of this catalogue", s.Seq)
	}
	d, err := lookup(s.Type)
	if err != nil {
		return Event{}, err
	}
	var b body
	if err := Unmarshal(s.Data, &b); err != nil {
		return Event{}, &FieldError{Field: "data", Why: fmt.Sprintf("event %s: %v", s.ID, err), Err: ErrMalformed}
	}
	payload, err := d.decode(b.Payload)
	if err != nil {
		return Event{}, &FieldError{Field: "data", Why: fmt.Sprintf("event %s: %v", s.ID, err), Err: ErrMalformed}
	}
	if d.upcast != nil {
		if payload, err = Upcast(payload); err != nil {
			return Event{}, err
		}
	}
	return Event{
		ID: s.ID, Source: s.Source, About: s.About, Time: b.Time, Actor: b.Actor, Run: b.Run, Causation: b.Causation,
		Correlation: b.Correlation, Epoch: b.Epoch, Payload: payload,
		RecordedTime: b.RecordedTime, Via: b.Via, More: b.More, Seq: s.Seq,
	}, nil
}

// Marshal is the canonical msgpack form: structs as arrays, map keys sorted,
// the shortest integers.
func Marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := msgpack.GetEncoder()
	defer msgpack.PutEncoder(enc)
	enc.Reset(&buf)
	enc.UseArrayEncodedStructs(true)
	enc.SetSortMapKeys(true)
	enc.UseCompactInts(true)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// Unmarshal reads one value and refuses bytes after it.
func Unmarshal(raw []byte, v any) (err error) {
	defer func() {
		// The decoder is fed bytes from disk and from the wire: whatever it
		// trips over is a fault of the bytes, not of the process.
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrMalformed, r)
		}
	}()
	if err := bounded(raw); err != nil {
		return err
	}
	dec := msgpack.GetDecoder()
	defer msgpack.PutDecoder(dec)
	r := bytes.NewReader(raw)
	dec.Reset(r)
	if err := dec.Decode(v); err != nil {
		return err
	}
	if r.Len() > 0 {
		return fmt.Errorf("%w: %d bytes after the end", ErrMalformed, r.Len())
	}
	return nil
}

// strictJSON reads one JSON value and refuses unknown fields and anything
// after it.
func strictJSON(raw []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows the JSON value", ErrMalformed)
	}
	return nil
}
