package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/drill"
)

// drillPaths are the ways into a catalogue beside plans, each with the operators' own
// credential.
type drillPaths struct {
	sys *daemon.System
	api *api.API
	url string // of the server on HTTP
}

func (p drillPaths) list() []drill.Path {
	return []drill.Path{
		{Name: "events over NATS", Try: p.overNATS},
		{Name: "events over HTTP", Try: p.overHTTP},
		{Name: "import of events", Try: func(ctx context.Context, list []deletion.Asked) (int, error) { return p.byImport(ctx, list, 0) }},
		{Name: "import of a log that goes on from this one", Try: func(ctx context.Context, list []deletion.Asked) (int, error) {
			head, err := p.sys.Log.Head(ctx)
			if err != nil {
				return 0, err
			}
			return p.byImport(ctx, list, head)
		}},
	}
}

// tombstones makes the events that would delete the tenants of a list: those of a plan
// that nobody has made.
func (p drillPaths) tombstones(list []deletion.Asked) ([]events.Event, error) {
	plan := events.DeletionPlanned{Kind: events.DeletionOfTenants, Reason: "the app is part of the product now"}
	for _, asked := range list {
		id, err := events.ParseID[events.TenantID](asked.ID)
		if err != nil {
			return nil, err
		}
		plan.Targets = append(plan.Targets, events.DeletionTarget{Tenant: id})
	}
	out := deletion.Tombstones(plan)
	for i := range out {
		out[i].ID, out[i].Source = events.DeriveID[events.EventID](out[i].About.String(), "past the door"), source
		out[i].Time, out[i].Actor = p.sys.Now(), "user_campaign"
	}
	return out, nil
}

func (p drillPaths) overNATS(ctx context.Context, list []deletion.Asked) (int, error) {
	all, err := p.tombstones(list)
	if err != nil {
		return 0, err
	}
	c, err := client.Connect(client.Options{URL: p.sys.Bus.URL(), Name: "drill", User: p.sys.Admin.User, Password: p.sys.Admin.Password})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	verdicts, err := c.PublishBatch(ctx, all)
	for _, v := range verdicts {
		if v.Error == nil {
			return len(verdicts), nil // it was taken
		}
		err = v.Error
	}
	return len(all), err
}

func (p drillPaths) overHTTP(ctx context.Context, list []deletion.Asked) (n int, err error) {
	all, err := p.tombstones(list)
	if err != nil {
		return 0, err
	}
	for _, e := range all {
		if err = p.post(ctx, e); err == nil {
			return n, nil
		}
		n++
	}
	return n, err
}

// post publishes one event.
func (p drillPaths) post(ctx context.Context, e events.Event) (err error) {
	raw, err := events.MarshalCloudEvent(e)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/v1/events", bytes.NewReader(raw))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/cloudevents+json")
	r.SetBasicAuth(p.sys.Admin.User, p.sys.Admin.Password)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
	if err == nil && answer.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s: %s", answer.Status, body)
	}
	return err
}

// byImport imports a file of events; after, when it is not 0, makes a log of them that
// goes on there.
func (p drillPaths) byImport(ctx context.Context, list []deletion.Asked, after events.Seq) (int, error) {
	all, err := p.tombstones(list)
	if err != nil {
		return 0, err
	}
	var file bytes.Buffer
	for i, e := range all {
		if after > 0 {
			e.Seq, e.RecordedTime, e.Via = after+events.Seq(i)+1, e.Time, "provisioning"
		}
		raw, err := events.MarshalCloudEvent(e)
		if err != nil {
			return 0, err
		}
		file.Write(append(raw, '\n'))
	}
	who := auth.Caller{Name: p.sys.Admin.User, Operator: true}
	sent, err := p.api.ImportSend(ctx, who, api.ImportSendRequest{Data: file.Bytes()})
	if err != nil {
		return 0, err
	}
	report, err := p.api.ImportRun(ctx, who, api.ImportRunRequest{Import: sent.Import})
	if err == nil && report.Faults > 0 {
		err = fmt.Errorf("%d of %d lines are refused: %w", report.Faults, len(all), report.Refused[0].Error)
	}
	return len(all), err
}
