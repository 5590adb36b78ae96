package client

import (
	"context"
	"encoding/json"
	"fmt"

	"tenantcatalogue/events"
	"tenantcatalogue/events/wire"
)

// maxBatchBytes bounds a request: the bus takes messages of 1 MiB.
const maxBatchBytes = 900 << 10

// Publish publishes one event and gives its verdict. It sends the event again,
// as it is, until the catalogue has answered or ctx ends. The error is the
// verdict's and final, matching a Code; or ctx's: the event may have been
// written then, and may be published again.
func (c *Client) Publish(ctx context.Context, e events.Event) (Verdict, error) {
	verdicts, err := c.PublishBatch(ctx, []events.Event{e})
	if err != nil {
		return Verdict{ID: e.ID}, err
	}
	return verdicts[0], verdicts[0].Err()
}

// PublishBatch publishes events in order and gives each its verdict; one that is
// refused does not hold up the others. Long lists are sent in parts. The error
// is ctx's, or that of a request the catalogue could not take apart: nothing is
// known then of the events without a verdict, and all may be published again.
func (c *Client) PublishBatch(ctx context.Context, list []events.Event) ([]Verdict, error) {
	stored := make([]events.Stored, len(list))
	for i, e := range list {
		var err error
		if stored[i], err = outgoing(e); err != nil {
			return nil, err
		}
	}
	verdicts := make([]Verdict, 0, len(list))
	for len(stored) > 0 {
		n := part(stored)
		some, err := c.publishPart(ctx, stored[:n])
		verdicts = append(verdicts, some...)
		if err != nil {
			return verdicts, err
		}
		stored = stored[n:]
	}
	return verdicts, nil
}

// outgoing is an event as a producer sends it.
func outgoing(e events.Event) (events.Stored, error) {
	if err := e.Validate(); err != nil {
		return events.Stored{}, fmt.Errorf("publish %s: %w", e.ID, err)
	}
	e.RecordedTime, e.Via, e.More, e.Seq = 0, "", 0, 0 // the catalogue's to say
	return events.Encode(e)
}

// part is how many events go into one request.
func part(list []events.Stored) int {
	const overhead = 64 // at most, beside the texts
	size := 0
	for i, s := range list {
		size += len(s.Data) + len(s.Type) + len(s.Source) + overhead
		if i == MaxBatch || i > 0 && size > maxBatchBytes {
			return i
		}
	}
	return len(list)
}

// publishPart publishes what fits in one request. Where the catalogue could not
// take an event at the moment, it is sent again with all that follow: what
// follows may build on it.
func (c *Client) publishPart(ctx context.Context, list []events.Stored) ([]Verdict, error) {
	verdicts := make([]Verdict, len(list))
	from := 0
	for wait := firstBackoff; ; wait = min(2*wait, maxBackoff) {
		some, err := c.send(ctx, list[from:])
		if err != nil {
			return verdicts[:from], err
		}
		for i, v := range some {
			if known := verdicts[from+i]; known.Seq == 0 {
				verdicts[from+i] = v
			}
		}
		again := firstPassing(verdicts[from:])
		if again < 0 {
			return verdicts, nil
		}
		from += again
		c.onTrouble(fmt.Errorf("publish %s: %w; it is sent again", verdicts[from].ID, verdicts[from].Error))
		if err := c.pause(ctx, wait); err != nil {
			return verdicts[:from], err
		}
	}
}

// firstPassing is the first verdict that says to ask again; -1: there is none.
func firstPassing(verdicts []Verdict) int {
	for i, v := range verdicts {
		if v.Error != nil && v.Error.Code.passing() {
			return i
		}
	}
	return -1
}

func (c *Client) send(ctx context.Context, list []events.Stored) ([]Verdict, error) {
	w := wire.NewWriter()
	defer w.Release()
	wire.Structs(w, &list)
	body, err := w.Written()
	if err != nil {
		return nil, fmt.Errorf("publish %d events: %w", len(list), err)
	}
	answer, err := c.request(ctx, subjectPublish, events.ContentType, body, c.attempt)
	if err != nil {
		return nil, err
	}
	var verdicts []Verdict
	if err := json.Unmarshal(answer, &verdicts); err != nil {
		return nil, fmt.Errorf("publish %d events: the answer: %w", len(list), err)
	}
	if len(verdicts) != len(list) {
		return nil, fmt.Errorf("publish %d events: %w: there are %d verdicts", len(list), ErrInternal, len(verdicts))
	}
	return verdicts, nil
}
