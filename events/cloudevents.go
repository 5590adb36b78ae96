package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// CloudEvent is an event in its outside form. Whoever lets events in validates
// Data against the schema of its type (schemas.Set.Validate); here it is only
// known to fit the Go type.
type CloudEvent struct {
	Event
	Data json.RawMessage // the member data as it was given
}

// Parsed is one item of a batch: an event, or why it is none.
type Parsed struct {
	CloudEvent
	Err error
}

// MaxCloudEventBytes bounds the outside form of one event, which is also the
// longest line of NDJSON. No event within MaxEventBytes grows more than
// eightfold in JSON.
const MaxCloudEventBytes = 8 * MaxEventBytes

// maxInteger is the greatest integer of a CloudEvents attribute.
const maxInteger = math.MaxInt32

const (
	jsonContentType = "application/json"
	schemaPrefix    = "urn:tenantcatalogue:schema:"
)

// attributes is the JSON form of a CloudEvent; the order of the fields is the
// canonical one. Seq is a text, as CloudEvents integers have 32 bits only.
type attributes struct {
	SpecVersion  string          `json:"specversion"`
	ID           EventID         `json:"id"`
	Source       string          `json:"source"`
	Type         Type            `json:"type"`
	Subject      Aggregate       `json:"subject"`
	Time         Time            `json:"time"`
	ContentType  string          `json:"datacontenttype"`
	DataSchema   string          `json:"dataschema,omitzero"` // read, never written
	Actor        string          `json:"actor"`
	Run          RunID           `json:"run,omitzero"`
	Causation    EventID         `json:"causationid,omitzero"`
	Correlation  string          `json:"correlationid,omitzero"`
	Epoch        uint64          `json:"epoch,omitzero"`
	RecordedTime Time            `json:"recordedtime,omitzero"`
	Via          string          `json:"via,omitzero"`
	Seq          string          `json:"seq,omitzero"`
	More         uint16          `json:"unitmore,omitzero"`
	Data         json.RawMessage `json:"data"`
}

// attribute is where the attribute of that name is read into, and whether the
// catalogue alone sets it; nil for an unknown name.
func (w *attributes) attribute(name string) (target any, ours bool) {
	switch name {
	case "specversion":
		return &w.SpecVersion, false
	case "id":
		return &w.ID, false
	case "source":
		return &w.Source, false
	case "type":
		return &w.Type, false
	case "subject":
		return &w.Subject, false
	case "time":
		return &w.Time, false
	case "datacontenttype":
		return &w.ContentType, false
	case "dataschema":
		return &w.DataSchema, false
	case "actor":
		return &w.Actor, false
	case "run":
		return &w.Run, false
	case "causationid":
		return &w.Causation, false
	case "correlationid":
		return &w.Correlation, false
	case "epoch":
		return &w.Epoch, false
	case "recordedtime":
		return &w.RecordedTime, true
	case "via":
		return &w.Via, true
	case "seq":
		return &w.Seq, true
	case "unitmore":
		return &w.More, true
	case "data":
		return &w.Data, false
	}
	return nil, false
}

// ParseCloudEvent reads an event from a producer: CloudEvents 1.0 in JSON,
// structured mode. It is strict: an attribute that is unknown, given twice, of
// another kind or set by the catalogue itself is an error, which is a
// *FieldError naming the attribute or the field of data.
func ParseCloudEvent(raw []byte) (CloudEvent, error) { return parse(raw, false) }

// ParseRecorded reads what MarshalCloudEvent wrote, with the attributes that
// the catalogue has set, where there are any. It is as strict.
func ParseRecorded(raw []byte) (CloudEvent, error) { return parse(raw, true) }

// ParseCloudEventBatch reads a JSON array of at most limit events from a
// producer. Each item gets a verdict of its own: a bad one does not spoil the
// others. The error is for the array as a whole.
func ParseCloudEventBatch(raw []byte, limit int) ([]Parsed, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil || items == nil {
		return nil, malformed("batch", "is not a JSON array of CloudEvents")
	}
	if len(items) > limit {
		return nil, &FieldError{Field: "batch", Err: ErrTooLarge, Why: fmt.Sprintf("has %d events, at most %d are allowed; send several", len(items), limit)}
	}
	out := make([]Parsed, len(items))
	for i, item := range items {
		out[i].CloudEvent, out[i].Err = ParseCloudEvent(item)
	}
	return out, nil
}

func parse(raw []byte, recorded bool) (CloudEvent, error) {
	if len(raw) > MaxCloudEventBytes {
		return CloudEvent{}, &FieldError{Field: "event", Err: ErrTooLarge, Why: fmt.Sprintf("has %d bytes, at most %d are allowed", len(raw), MaxCloudEventBytes)}
	}
	if err := unambiguous(raw); err != nil {
		return CloudEvent{}, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return CloudEvent{}, malformed("event", "is not a JSON object")
	}
	var w attributes
	for _, name := range slices.Sorted(maps.Keys(members)) { // sorted: the same fault is named each time
		if err := w.read(name, members[name], recorded); err != nil {
			return CloudEvent{}, err
		}
	}
	return w.event()
}

func (w *attributes) read(name string, raw json.RawMessage, recorded bool) error {
	target, ours := w.attribute(name)
	switch {
	case name == "data_base64":
		return malformed(name, "is not supported; give the payload as a JSON object in data")
	case target == nil:
		return malformed(printable(name), "is not an attribute of this catalogue's events")
	case ours && !recorded:
		return malformed(name, "is set by the catalogue; leave it out")
	case raw[0] == 'n':
		return malformed(name, "is null; leave it out")
	}
	return fieldFault(name, json.Unmarshal(raw, target))
}

// event checks what needs more than one attribute and builds the Event.
func (w *attributes) event() (CloudEvent, error) {
	seq, err := w.check()
	if err != nil {
		return CloudEvent{}, err
	}
	d, err := lookup(w.Type)
	if err != nil {
		return CloudEvent{}, err
	}
	payload, err := d.fromJSON(w.Data)
	if err != nil {
		return CloudEvent{}, fieldFault("data", err)
	}
	e := Event{
		ID: w.ID, Source: w.Source, About: w.Subject, Time: w.Time, Actor: w.Actor, Run: w.Run, Causation: w.Causation,
		Correlation: w.Correlation, Epoch: w.Epoch, Payload: payload,
		RecordedTime: w.RecordedTime, Via: w.Via, More: w.More, Seq: seq,
	}
	return CloudEvent{Event: e, Data: w.Data}, e.Validate()
}

func (w *attributes) check() (Seq, error) {
	switch {
	case w.SpecVersion != SpecVersion:
		return 0, malformed("specversion", "is %.20q; %q is wanted", w.SpecVersion, SpecVersion)
	case w.Type == "":
		return 0, malformed("type", "is missing; name the event type with its version, e.g. tenant.created.v1")
	case w.ContentType != "" && w.ContentType != jsonContentType:
		return 0, malformed("datacontenttype", "is %.60q; %s is wanted, or nothing", w.ContentType, jsonContentType)
	case w.DataSchema != "" && w.DataSchema != schemaPrefix+string(w.Type):
		return 0, malformed("dataschema", "is %.80q; %s%s is wanted, or nothing", w.DataSchema, schemaPrefix, w.Type)
	case w.Epoch > maxInteger:
		return 0, malformed("epoch", "is above %d", maxInteger)
	case len(w.Data) == 0:
		return 0, malformed("data", "is missing")
	case w.Data[0] != '{':
		return 0, malformed("data", "is not a JSON object")
	case w.Seq == "":
		return 0, nil
	}
	seq, err := strconv.ParseUint(w.Seq, 10, 63)
	if err != nil || seq == 0 || Seq(seq).String() != w.Seq {
		return 0, malformed("seq", "is %.20q; a decimal number from 1 is wanted", w.Seq)
	}
	return Seq(seq), nil
}

// MarshalCloudEvent writes an event in its outside form, its attributes in
// canonical order: equal events give equal bytes. What it writes of an event
// whose data satisfies its schema, ParseRecorded reads. A faulty envelope is
// refused with a *FieldError.
func MarshalCloudEvent(e Event) ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	if e.Epoch > maxInteger {
		return nil, malformed("epoch", "is above %d", maxInteger)
	}
	data, err := DataJSON(e.Payload)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", e.ID, err)
	}
	w := attributes{
		SpecVersion: SpecVersion, ID: e.ID, Source: e.Source, Type: e.Type(), Subject: e.About, Time: e.Time,
		ContentType: jsonContentType, Actor: e.Actor, Run: e.Run, Causation: e.Causation, Correlation: e.Correlation,
		Epoch: e.Epoch, RecordedTime: e.RecordedTime, Via: e.Via, More: e.More, Data: data,
	}
	if e.Seq != 0 {
		w.Seq = e.Seq.String()
	}
	raw, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", e.ID, err)
	}
	return raw, nil
}

// DataJSON is the payload in JSON, the form its schema describes.
func DataJSON(p Payload) ([]byte, error) {
	raw, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("write the data of a %s: %w", p.EventType(), err)
	}
	return raw, nil
}

// fieldFault turns an error of encoding/json into one that names the field and
// the JSON type it has, but no value: it may be that of a personal field.
func fieldFault(field string, err error) error {
	var ours *FieldError
	var id *IDError
	var wrongType *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ours):
		return &FieldError{Field: field, Why: ours.Why, Err: ours.Err}
	case errors.As(err, &id):
		return &FieldError{Field: field, Err: id}
	case errors.As(err, &wrongType):
		if wrongType.Field != "" {
			field += "." + wrongType.Field
		}
		jsonType, _, _ := strings.Cut(wrongType.Value, " ")
		return malformed(field, "is a JSON %s; that does not fit here", jsonType)
	}
	return malformed(field, "%s", strings.TrimPrefix(err.Error(), "json: "))
}

// printable is a name from outside, fit for an error.
func printable(name string) string { return strings.Trim(fmt.Sprintf("%.40q", name), `"`) }
