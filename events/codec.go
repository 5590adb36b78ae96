package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"tenantcatalogue/events/wire"
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

// envelope lists the fields around the payload in the order of the wire; the
// payload is the last.
func envelope(e *Event, w *wire.Coder) {
	wire.Int(w, &e.Time)
	wire.Int(w, &e.RecordedTime)
	wire.Name(w, &e.Actor)
	e.Run.Wire(w)
	e.Causation.Wire(w)
	wire.String(w, &e.Correlation)
	wire.Uint(w, &e.Epoch)
	wire.Name(w, &e.Via)
	wire.Uint(w, &e.More)
}

// Encode makes the stored form. The payload keeps the version it has.
func Encode(e Event) (Stored, error) {
	w := wire.NewWriter()
	defer w.Release()
	s, err := encode(w, &e)
	s.Data = bytes.Clone(s.Data)
	return s, err
}

// encode is Encode with data that is valid until w is released.
func encode(w *wire.Coder, e *Event) (Stored, error) {
	s := Stored{Seq: e.Seq, About: e.About, ID: e.ID, Type: e.Type(), Source: e.Source}
	d, err := lookup(s.Type)
	if err != nil {
		return Stored{}, err
	}
	f := w.Open()
	envelope(e, w)
	d.write(w, e.Payload)
	w.Close(f)
	if s.Data, err = w.Written(); err != nil {
		return Stored{}, fmt.Errorf("encode %s %s: %w", s.Type, e.ID, err)
	}
	if len(s.Data) > MaxEventBytes {
		return Stored{}, &FieldError{
			Field: "data", Err: ErrTooLarge,
			Why: fmt.Sprintf("%s %s has %d bytes, at most %d are allowed", s.Type, e.ID, len(s.Data), MaxEventBytes),
		}
	}
	return s, nil
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
	e := Event{ID: s.ID, Source: s.Source, About: s.About, Seq: s.Seq}
	w := wire.NewReader(s.Data)
	defer w.Release()
	f := w.Open()
	envelope(&e, w)
	w.ShareTexts() // of the payload only: what is kept of it should not hold on to more
	e.Payload = d.read(w)
	w.Close(f)
	if err := w.End(); err != nil {
		return Event{}, &FieldError{Field: "data", Why: fmt.Sprintf("event %s: %v", s.ID, err), Err: ErrMalformed}
	}
	if d.upcast != nil {
		if e.Payload, err = Upcast(e.Payload); err != nil {
			return Event{}, err
		}
	}
	return e, nil
}

// ClonePayload is a copy of a payload that shares nothing with it.
func ClonePayload(p Payload) (Payload, error) {
	d, err := lookup(p.EventType())
	if err != nil {
		return nil, err
	}
	w := wire.NewWriter()
	defer w.Release()
	d.write(w, p)
	raw, err := w.Written()
	if err != nil {
		return nil, fmt.Errorf("copy a %s: %w", p.EventType(), err)
	}
	r := wire.NewReader(raw)
	defer r.Release()
	out := d.read(r)
	return out, r.End()
}

// Marshal is the canonical msgpack form of v.
func Marshal(v wire.Fields) ([]byte, error) { return wire.Marshal(v) }

// Unmarshal reads what Marshal wrote and refuses bytes after it. The error
// matches ErrMalformed.
func Unmarshal(raw []byte, v wire.Fields) error {
	if err := wire.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// Fields lists the fields in the order of the wire: an event on its way between
// the catalogue and its clients. Data that is read is part of the input.
func (s *Stored) Fields(w *wire.Coder) {
	wire.Uint(w, &s.Seq)
	s.About.Wire(w)
	s.ID.Wire(w)
	wire.String(w, &s.Type)
	wire.String(w, &s.Source)
	wire.Borrowed(w, &s.Data)
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
