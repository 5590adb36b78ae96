package api

import (
	"context"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
)

// PublishIf publishes one CloudEvent, provided that the last event of what it is
// about is the one at a Seq; else the verdict's code is client.ErrConflict. An
// event that is stored already gets its first answer all the same.
func (a *API) PublishIf(ctx context.Context, who auth.Caller, body []byte, last events.Seq) (client.Verdict, error) {
	out, items, err := a.parse(TypeEvent, body)
	switch {
	case err != nil:
		return client.Verdict{}, err
	case out.Batch:
		return client.Verdict{}, badField("request", "is a batch; an expectation goes with one event")
	}
	item := items[0]
	verdict := client.Verdict{ID: item.ID, Error: ErrorOf(item.Err)}
	if item.Err == nil {
		v := a.sys.Service.Publish(ctx, who.Credential(), catalogue.Request{Events: []events.Event{item.Event}, Expect: &last})[0]
		verdict = verdictOf(v)
	}
	a.tally.published([]client.Verdict{verdict})
	return verdict, nil
}

// verdictOf is a verdict of the Service as callers get it.
func verdictOf(v catalogue.Verdict) client.Verdict {
	return client.Verdict{
		ID: v.ID, Seq: v.Seq, Version: v.Version, Epoch: v.Epoch, Duplicate: v.Duplicate, Superseded: v.Superseded,
		Error: ErrorOf(v.Err),
	}
}
