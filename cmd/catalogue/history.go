package main

import (
	"encoding/json"
	"text/tabwriter"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
	"tenantcatalogue/replay"
)

func (a *app) history() *cobra.Command {
	var w where
	var req api.HistoryRequest
	var tenant events.TenantID
	var eventType string
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show who did what, in the order of the log",
		Long: `Shows the events that the conditions select, in the order of the log, a page at a time.
All pages are as of the same event. Times are those at which the catalogue took them.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !tenant.IsZero() {
				req.Subject = events.OfTenant(tenant)
			}
			req.Type = events.Type(eventType)
			return query(a, cmd, w, services+"history", req, a.historyTable)
		},
	}
	w.flags(cmd)
	f := cmd.Flags()
	f.TextVar(&tenant, "tenant", events.TenantID{}, "about this tenant")
	f.TextVar(&req.Subject, "subject", events.Aggregate{}, "about this tenant, account, restoration or claim")
	f.StringVar(&req.Actor, "actor", "", "by this actor")
	f.TextVar(&req.Run, "run", events.RunID{}, "of this run")
	f.StringVar(&eventType, "type", "", "of this type, e.g. tenant.deleted.v1")
	f.TextVar(&req.Since, "since", events.Time(0), "recorded then or later, e.g. 2022-04-05T07:38:00Z")
	f.TextVar(&req.Until, "until", events.Time(0), "recorded before then")
	pageFlags(cmd, &req.Limit, &req.Page)
	cmd.MarkFlagsMutuallyExclusive("tenant", "subject")
	_ = cmd.RegisterFlagCompletionFunc("tenant", completeTenants(&w)) // of a flag that is there, it cannot fail
	return cmd
}

func (a *app) historyTable(w *tabwriter.Writer, out api.HistoryResponse) {
	row(w, "SEQ", "RECORDED", "TYPE", "SUBJECT", "ACTOR", "RUN", "VIA")
	for _, raw := range out.Events {
		e, err := events.ParseRecorded(raw)
		if err != nil {
			row(w, "", "", "cannot be shown: "+err.Error())
			continue
		}
		row(w, e.Seq, e.RecordedTime, e.Type(), e.About, e.Actor, e.Run, e.Via)
	}
	a.more(out.Next)
}

func (a *app) asOf() *cobra.Command {
	var w where
	var req api.TenantAsOfRequest
	cmd := &cobra.Command{
		Use:               "as-of TENANT --at POINT",
		Short:             "Show a tenant as it was",
		Long:              "Shows a tenant as it was at a point.\n\n" + points,
		Args:              exactArgs("TENANT"),
		ValidArgsFunction: completeTenants(&w),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := parse("TENANT", args[0], &req.Tenant); err != nil {
				return err
			}
			return query(a, cmd, w, services+"tenant.asof", req, func(w *tabwriter.Writer, out api.TenantAsOfResponse) {
				a.echo(out.Point)
				tenantTable(w, out.Tenant)
			})
		},
	}
	w.flags(cmd)
	cmd.Flags().StringVar(&req.At, "at", "", "the point")
	required(cmd, "at")
	return cmd
}

// points is how a point in time is said.
const points = `A point is one of
  2022-04-05T07:33:00Z   everything recorded up to then
  -2h                    everything recorded up to two hours ago
  seq:4711               everything up to that event
  before run_…           everything before the run's first event
  5m before run_…        everything recorded up to five minutes before it`

// echo tells on stderr what a point stands for, with the events on both sides.
func (a *app) echo(p replay.Point) {
	at := ""
	if p.Time != 0 {
		at = " (" + p.Time.String() + ")"
	}
	a.say("%s%s is event %d", p.Text, at, p.Seq)
	side := func(what string, n *replay.Neighbour) {
		if n != nil {
			a.say("  %s  %d %s %s of %s by %s %s", what, n.Seq, n.RecordedTime, n.Type, n.About, n.Actor, n.Run)
		}
	}
	side("last event in it  ", p.Last)
	side("first left out    ", p.Next)
	for _, n := range p.Ambiguous {
		side("recorded then too", &n)
	}
	if p.Next != nil {
		a.say("  left out in all     %d", p.Count)
	}
}

// diffResponse is api.DiffResponse with entities of any kind.
type diffResponse struct {
	From    replay.Point `json:"from"`
	To      replay.Point `json:"to"`
	Tenants []struct {
		Tenant  events.TenantID `json:"tenant"`
		Fault   string          `json:"fault"`
		Changes []struct {
			Kind   string          `json:"kind"`
			Before json.RawMessage `json:"before"`
			After  json.RawMessage `json:"after"`
		} `json:"changes"`
	} `json:"tenants"`
	Next string `json:"next"`
}

func (a *app) diff() *cobra.Command {
	var w where
	var req api.DiffRequest
	cmd := &cobra.Command{
		Use:               "diff [TENANT…] --from POINT [--to POINT]",
		Short:             "Show what differs between two points",
		Long:              "Shows what differs between two points, of the tenants named or of all that had events in between.\n\n" + points,
		ValidArgsFunction: completeTenants(&w),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, arg := range args {
				var id events.TenantID
				if err := parse("TENANT", arg, &id); err != nil {
					return err
				}
				req.Tenants = append(req.Tenants, id)
			}
			return query(a, cmd, w, operators+"diff", req, a.diffTable)
		},
	}
	w.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&req.From, "from", "", "the earlier point")
	f.StringVar(&req.To, "to", "", "the later point (default: now)")
	pageFlags(cmd, &req.Limit, &req.Page)
	required(cmd, "from")
	return cmd
}

func (a *app) diffTable(w *tabwriter.Writer, out diffResponse) {
	a.echo(out.From)
	a.echo(out.To)
	for _, t := range out.Tenants {
		row(w, t.Tenant, t.Fault)
		for _, c := range t.Changes {
			if c.Before != nil {
				row(w, "  - "+c.Kind, string(c.Before))
			}
			if c.After != nil {
				row(w, "  + "+c.Kind, string(c.After))
			}
		}
	}
	a.more(out.Next)
}

func (a *app) lookup() *cobra.Command {
	var w where
	var req api.LookupRequest
	cmd := &cobra.Command{
		Use:   "lookup (--url HOST | --account ACCOUNT | --contact ADDRESS | --cloud-id UUID)",
		Short: "Find tenants by what people know of them, deleted ones too",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return query(a, cmd, w, services+"lookup", req, a.lookupTable)
		},
	}
	w.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&req.URL, "url", "", "a URL it has or ever had")
	f.TextVar(&req.Account, "account", events.AccountID{}, "the account that owns it")
	f.StringVar(&req.Contact, "contact", "", "an e-mail address or a telephone number of its account")
	f.TextVar(&req.CloudID, "cloud-id", uuid.Nil, "the UUID its owner knows it by")
	cmd.MarkFlagsOneRequired("url", "account", "contact", "cloud-id")
	cmd.MarkFlagsMutuallyExclusive("url", "account", "contact", "cloud-id")
	return cmd
}

func (a *app) lookupTable(w *tabwriter.Writer, out api.LookupResponse) {
	row(w, "TENANT", "STATUS", "URL", "ACCOUNT")
	for _, t := range out.Tenants {
		row(w, t.ID, t.Status, t.URL, t.Account)
	}
	for _, account := range out.Accounts {
		row(w)
		row(w, account.ID, account.Name)
		for _, c := range account.Contacts {
			row(w, "  "+string(c.Kind), c.Name, c.Email, c.Phone)
		}
	}
	if out.More {
		a.say("there are more tenants than are shown")
	}
}
