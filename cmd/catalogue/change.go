package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
	"tenantcatalogue/schemas"
)

// source is what the events of this program name as theirs.
const source = "/cli/catalogue"

// change is what every command that publishes an event takes.
type change struct {
	where
	event  events.EventID
	actor  string
	run    events.RunID
	dryRun bool
}

func (c *change) flags(cmd *cobra.Command) {
	c.where.flags(cmd)
	f := cmd.Flags()
	f.TextVar(&c.event, "id", events.EventID{}, "event id, to send again what was sent: the same command with the same id is written once")
	f.StringVar(&c.actor, "actor", "operator", "opaque id of who does it; no name and no address")
	f.TextVar(&c.run, "run", events.RunID{}, "the run it is part of")
	f.BoolVar(&c.dryRun, "dry-run", false, "have the daemon decide it as if it were published, show the event, and write nothing")
}

// begin makes the event's id, unless it was given. The event's time is the one
// in its id, and what ids the event needs derive from it, so that a command
// given again with --id makes the same event.
func (c *change) begin() (err error) {
	if c.event.IsZero() {
		c.event, err = events.NewID[events.EventID](uuid.NewV7)
		return err
	}
	if c.event.UUID().Version() != 7 {
		return usagef("--id %s: its UUID is not of version 7, which tells when; take the id of the attempt before, or leave it out", c.event)
	}
	return nil
}

// make makes the event.
func (c *change) make(about events.Aggregate, p events.Payload, epoch uint64) events.Event {
	sec, nsec := c.event.UUID().Time().UnixTime()
	return events.Event{
		ID: c.event, Source: source, About: about, Time: events.TimeOf(time.Unix(sec, nsec)),
		Actor: c.actor, Run: c.run, Epoch: epoch, Payload: p,
	}
}

// changed is the answer of a command that publishes.
type changed struct {
	client.Verdict
	Subject events.Aggregate `json:"subject"`
	Type    events.Type      `json:"type"`
	Event   *outsideEvent    `json:"event,omitzero"` // of a dry run
	DryRun  bool             `json:"dry_run,omitzero"`
}

// outsideEvent is an event that is written as CloudEvents JSON.
type outsideEvent struct{ events.Event }

// MarshalJSON is the outside form.
func (e outsideEvent) MarshalJSON() ([]byte, error) { return events.MarshalCloudEvent(e.Event) }

// ofTenant publishes an event about a tenant that there is, in its epoch.
func (a *app) ofTenant(cmd *cobra.Command, c *change, tenant string, p events.Payload) error {
	var id events.TenantID
	if err := parse("TENANT", tenant, &id); err != nil {
		return err
	}
	if err := c.begin(); err != nil {
		return err
	}
	return c.with(cmd.Context(), func(ctx context.Context, r *remote) error {
		now, err := get[api.TenantGetResponse](ctx, r, services+"tenant.get", api.TenantGetRequest{Tenant: id})
		if err != nil {
			return err
		}
		out, err := c.publish(ctx, r, c.make(events.OfTenant(id), p, now.Tenant.Epoch))
		if err != nil {
			return err
		}
		return a.printChanged(out)
	})
}

// publish has an event written, and waits until the views show it. It is held
// against its schema here first: a daemon that is asked has the same answer.
func (c *change) publish(ctx context.Context, r *remote, e events.Event) (out changed, err error) {
	out = changed{Subject: e.About, Type: e.Type()}
	if err := validate(e); err != nil {
		return out, usage(err)
	}
	raw, err := events.MarshalCloudEvent(e)
	if err != nil {
		return out, usage(err)
	}
	if c.dryRun {
		out.DryRun, out.Event = true, &outsideEvent{e}
		out.Verdict, err = rehearse(ctx, r, raw)
		return out, err
	}
	answer, err := r.send(ctx, services+"publish", raw)
	if err != nil {
		if _, refused := errors.AsType[*client.Error](err); !refused {
			err = fmt.Errorf("%w; to find out, give the same command again with --id %s", err, e.ID)
		}
		return out, err
	}
	if err := decode(answer, &out.Verdict); err != nil {
		return out, err
	}
	_, err = r.ask(ctx, services+"read", client.ReadRequest{After: out.Seq - 1, Limit: 1, MinSeq: out.Seq})
	return out, err
}

func validate(e events.Event) error {
	if err := e.Validate(); err != nil {
		return err
	}
	set, err := schemas.New()
	if err != nil {
		return err
	}
	data, err := events.DataJSON(e.Payload)
	if err != nil {
		return err
	}
	return set.Validate(string(e.Type()), data)
}

func (a *app) printChanged(list ...changed) error {
	var v any = list
	if len(list) == 1 {
		v = list[0]
	}
	return a.print(v, func(w *tabwriter.Writer) {
		row(w, "SUBJECT", "TYPE", "SEQ", "EPOCH", "EVENT", "")
		for _, c := range list {
			note := ""
			switch {
			case c.DryRun:
				note = "dry run: it would be accepted, nothing is written"
			case c.Superseded:
				note = "written before; a restoration has undone it since"
			case c.Duplicate:
				note = "written before"
			}
			row(w, c.Subject, c.Type, c.Seq, c.Epoch, c.ID, note)
		}
	})
}
