package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
	"tenantcatalogue/events/wire"
)

// The content types of what is published.
const (
	TypeEvent   = "application/cloudevents+json"
	TypeBatch   = "application/cloudevents-batch+json"
	TypeMsgpack = events.ContentType
)

// Published is the answer to what was published.
type Published struct {
	Batch    bool // an array was sent: answer with an array
	Verdicts []client.Verdict
}

// Publish takes one CloudEvent, a JSON array of at most client.MaxBatch of them,
// or, when contentType is TypeMsgpack, a msgpack array of events in the stored
// form without what the catalogue adds. Each gets a verdict of its own, in
// order; the error is for a request that cannot be taken apart.
func (a *API) Publish(ctx context.Context, who auth.Caller, contentType string, body []byte) (Published, error) {
	out, items, err := a.parse(contentType, body)
	if err != nil {
		return Published{}, err
	}
	out.Verdicts = make([]client.Verdict, len(items))
	requests := make([]catalogue.Request, 0, len(items))
	places := make([]int, 0, len(items)) // of each request among the items
	for i, item := range items {
		if item.Err != nil {
			out.Verdicts[i] = client.Verdict{ID: item.ID, Error: ErrorOf(item.Err)}
			continue
		}
		requests = append(requests, catalogue.Request{Events: []events.Event{item.Event}})
		places = append(places, i)
	}
	for i, v := range a.sys.Service.Publish(ctx, who.Credential(), requests...) {
		out.Verdicts[places[i]] = verdictOf(v)
	}
	a.tally.published(out.Verdicts)
	return out, nil
}

// parse takes a request apart and validates every item.
func (a *API) parse(contentType string, body []byte) (out Published, items []events.Parsed, err error) {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	switch {
	case len(body) == 0:
		return out, nil, badField("request", "is empty; send a CloudEvent in JSON, or an array of them")
	case contentType == TypeMsgpack:
		out.Batch = true
		items, err = parseMsgpack(body)
	case len(trimmed) > 0 && trimmed[0] == '[':
		out.Batch = true
		items, err = events.ParseCloudEventBatch(body, client.MaxBatch)
		a.placeFaults(body, items)
	default:
		e, err := events.ParseCloudEvent(body)
		if err != nil {
			e.ID = idIn(body)
			err = a.placeFault(body, err)
		}
		items = []events.Parsed{{CloudEvent: e, Err: err}}
	}
	for i := range items {
		if items[i].Err == nil {
			items[i].Err = a.validate(items[i].CloudEvent)
		}
	}
	return out, items, err
}

// validate holds the data against the schema of its type.
func (a *API) validate(e events.CloudEvent) error {
	if e.Type().Internal() {
		return nil // nobody may publish it, and the Service says so
	}
	return a.schemas.Validate(string(e.Type()), e.Data)
}

// placeFaults is placeFault for every item of a batch.
func (a *API) placeFaults(body []byte, items []events.Parsed) {
	if !slices.ContainsFunc(items, func(p events.Parsed) bool { return p.Err != nil }) {
		return
	}
	var raw []json.RawMessage
	if json.Unmarshal(body, &raw) != nil || len(raw) != len(items) {
		return
	}
	for i := range items {
		if items[i].Err != nil {
			items[i].Err = a.placeFault(raw[i], items[i].Err)
		}
	}
}

// placeFault names the field within the data that a fault is in, where the
// schema can tell: whoever decodes the data only knows that it is there.
func (a *API) placeFault(raw []byte, err error) error {
	fault, ok := errors.AsType[*events.FieldError](err)
	if !ok || fault.Field != "data" {
		return err
	}
	var e struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if json.Unmarshal(raw, &e) != nil || len(e.Data) == 0 {
		return err
	}
	if placed := a.schemas.Validate(e.Type, e.Data); placed != nil {
		return placed
	}
	return err
}

// idIn finds the id in an event that is at fault otherwise, for its verdict.
func idIn(raw []byte) events.EventID {
	var envelope struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(raw, &envelope) != nil {
		return events.EventID{}
	}
	id, _ := events.ParseID[events.EventID](envelope.ID) // zero: it has none
	return id
}

// parseMsgpack reads the Go client's batch.
func parseMsgpack(body []byte) ([]events.Parsed, error) {
	var raw [][]byte
	w := wire.NewReader(body)
	defer w.Release()
	wire.List(w, &raw, func(b *[]byte, w *wire.Coder) { wire.Raw(w, b) })
	if err := w.End(); err != nil {
		return nil, badField("batch", "is not a msgpack array of events")
	}
	if len(raw) > client.MaxBatch {
		return nil, &events.FieldError{
			Field: "batch", Err: events.ErrTooLarge,
			Why: fmt.Sprintf("has %d events, at most %d are allowed; send several", len(raw), client.MaxBatch),
		}
	}
	items := make([]events.Parsed, len(raw))
	for i := range raw {
		items[i].CloudEvent, items[i].Err = parseStored(raw[i])
	}
	return items, nil
}

// parseStored reads an event of a producer in the stored form.
func parseStored(raw []byte) (out events.CloudEvent, err error) {
	var s events.Stored
	if err := events.Unmarshal(raw, &s); err != nil {
		return out, badField("event", "is not in the stored form")
	}
	out.ID = s.ID
	e, err := events.Decode(s)
	if err != nil {
		return out, err
	}
	for _, ours := range []struct {
		name string
		set  bool
	}{{"seq", e.Seq != 0}, {"recordedtime", e.RecordedTime != 0}, {"via", e.Via != ""}, {"unitmore", e.More != 0}} {
		if ours.set {
			return out, badField(ours.name, "is set by the catalogue; leave it out")
		}
	}
	out.Event = e
	if out.Data, err = events.DataJSON(e.Payload); err != nil {
		return out, badField("data", "cannot be written as JSON: %v", err)
	}
	return out, e.Validate()
}
