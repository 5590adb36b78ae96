package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/drill"
)

// paths are the ways into the catalogue beside plans.
func (o *operator) paths() []drill.Path {
	const byWaves = "tenant.deleted.v1 is written by a plan's wave and by nothing else"
	return []drill.Path{
		{Name: "events over NATS", Code: string(client.ErrForbidden), Why: byWaves, Try: o.eventsOverNATS},
		{Name: "events over HTTP", Code: strconv.Itoa(http.StatusForbidden), Why: byWaves, Try: o.eventsOverHTTP},
		{Name: "import of events", Code: exited(exitRefused), Why: byWaves, Try: func(ctx context.Context, list []deletion.Asked, heard func(int, drill.Answer)) error {
			return o.importEvents(ctx, list, 0, heard)
		}},
		{
			Name: "import of a log that goes on from this one", Code: exited(exitRefused), Why: "tenant.deleted.v1 goes into an empty one only",
			Try: func(ctx context.Context, list []deletion.Asked, heard func(int, drill.Answer)) error {
				head, err := o.sys.Log.Head(ctx)
				if err != nil {
					return err
				}
				return o.importEvents(ctx, list, head, heard)
			},
		},
	}
}

// tombstones makes the events that would delete the tenants of a list: those of a plan
// that nobody has made.
func (o *operator) tombstones(list []deletion.Asked) ([]events.Event, error) {
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
		out[i].Time, out[i].Actor = o.sys.Now(), "user_campaign"
	}
	return out, nil
}

// eventsOverNATS publishes them in one call, of which each has its own verdict.
func (o *operator) eventsOverNATS(ctx context.Context, list []deletion.Asked, heard func(int, drill.Answer)) error {
	all, err := o.tombstones(list)
	if err != nil {
		return err
	}
	c, err := client.Connect(client.Options{URL: o.sys.Bus.URL(), Name: "drill", User: o.sys.Admin.User, Password: o.sys.Admin.Password})
	if err != nil {
		return err
	}
	defer c.Close()
	verdicts, err := c.PublishBatch(ctx, all)
	for _, v := range verdicts {
		answer := drill.Answer{Code: "published"}
		if v.Error != nil {
			answer = drill.Answer{Code: string(v.Error.Code), Text: v.Error.Error()}
		}
		heard(1, answer)
	}
	return err
}

// eventsOverHTTP publishes them one by one.
func (o *operator) eventsOverHTTP(ctx context.Context, list []deletion.Asked, heard func(int, drill.Answer)) error {
	all, err := o.tombstones(list)
	if err != nil {
		return err
	}
	for _, e := range all {
		raw, err := events.MarshalCloudEvent(e)
		if err != nil {
			return err
		}
		answer, _, err := o.post(ctx, "/v1/events", "application/cloudevents+json", raw)
		if err != nil {
			return err
		}
		heard(1, answer)
	}
	return nil
}

// importEvents imports a file of them by command; after, when it is not 0, makes a log of
// them that goes on there.
func (o *operator) importEvents(ctx context.Context, list []deletion.Asked, after events.Seq, heard func(int, drill.Answer)) error {
	all, err := o.tombstones(list)
	if err != nil {
		return err
	}
	var raw bytes.Buffer
	for i, e := range all {
		if after > 0 {
			e.Seq, e.RecordedTime, e.Via = after+events.Seq(i)+1, e.Time, "provisioning"
		}
		line, err := events.MarshalCloudEvent(e)
		if err != nil {
			return err
		}
		raw.Write(append(line, '\n'))
	}
	file, err := o.file("events.ndjson", raw.Bytes())
	if err != nil {
		return err
	}
	done := o.run(ctx, "import", file, "--data", o.data)
	answer := drill.Answer{Code: exited(done.code), Text: done.said}
	var report api.ImportReport
	if err := json.Unmarshal([]byte(done.out), &report); err == nil && len(report.Refused) > 0 {
		answer.Text = fmt.Sprintf("%d of %d lines are refused: %v", report.Faults, report.Lines, report.Refused[0].Error)
	}
	heard(report.Faults, answer)
	return nil
}
