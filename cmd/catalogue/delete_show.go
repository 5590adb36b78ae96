package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
)

func (a *app) deleteShow() *cobra.Command {
	return a.ofPlan("show", "Show a plan as whoever approves it must see it",
		func(cmd *cobra.Command, w where, req api.DeletionRequest) error {
			return query(a, cmd, w, operators+"deletion.show", req, deletionTable)
		})
}

// deletionTable is what a reviewer needs first.
func deletionTable(w *tabwriter.Writer, d api.Deletion) {
	plan := d.Deletion
	for _, warning := range d.Warnings {
		row(w, "LOOK AGAIN", warning)
	}
	if d.ToSign != nil {
		row(w, "sentence", d.ToSign.Sentence)
	}
	row(w, "effect", fmt.Sprintf("apps %d, tenants %d", d.Effect.Apps, d.Effect.Tenants))
	row(w, "active users", d.Effect.Users)
	if plan.Kind == events.DeletionOfTenants {
		c := d.Cascade
		row(w, "with them", fmt.Sprintf("%d products, %d apps, %d members, %d groups, %d resources", c.Products, c.Apps, c.Members, c.Groups, c.Resources))
	}
	row(w, "environment", plan.Environment)
	row(w, "targets", fmt.Sprintf("%d %ss, %d expected", len(plan.Targets), plan.Kind, plan.Expected))
	row(w, "reason", plan.Reason)
	row(w, "author", fmt.Sprintf("%s; list from %s, brought by %s", plan.Author, plan.Supplier, plan.Submitter))
	if !plan.Signed.IsZero() {
		row(w, "signed", fmt.Sprintf("at %s with key %s", plan.Signed.Issued, plan.Signed.Key))
	}
	if !plan.Owner.IsZero() {
		row(w, "owner", fmt.Sprintf("%s asks for it", plan.Owner))
	}
	if plan.InactiveDays > 0 {
		row(w, "claim", fmt.Sprintf("inactive for %d days, checked", plan.InactiveDays))
	}
	if d.Last == nil {
		row(w, "last plan", "none of this author")
	} else {
		lastPlanRows(w, "last plan", d.Last)
	}
	if d.LastRun != nil {
		lastPlanRows(w, "last deletion", d.LastRun)
	}
	row(w, "waves", strings.Trim(fmt.Sprint(plan.Waves), "[]"))
	row(w, "as of", fmt.Sprintf("event %d, policy %d", plan.AsOf, plan.Policy))
	standingTable(w, d)
	row(w)
	row(w, "TENANT", "USERS", "TARGETS", "URL", "ACCOUNT", "")
	for _, t := range d.Largest {
		note := ""
		if t.Internal {
			note = "internal"
		}
		row(w, t.Tenant, t.Users, t.Targets, t.URL, t.Account, note)
	}
	row(w)
	shown := plan.Targets[:min(len(plan.Targets), shownTargets)]
	row(w, strings.ToUpper(string(plan.Kind)), "NAME", "PARENT")
	for _, t := range shown {
		if plan.Kind == events.DeletionOfApps {
			row(w, t.App, t.Name, t.Tenant)
		} else {
			row(w, t.Tenant, t.Name, t.Account)
		}
	}
	if more := len(plan.Targets) - len(shown); more > 0 {
		row(w, fmt.Sprintf("and %d more; -o json shows them", more))
	}
}

// lastPlanRows says what differs from a plan that the author has made before.
func lastPlanRows(w *tabwriter.Writer, which string, last *api.LastPlan) {
	row(w, which, fmt.Sprintf("%s of %s: %d %ss", last.Plan, last.Planned, last.Targets, last.Kind))
	for _, c := range last.Changed {
		row(w, "  "+strings.ReplaceAll(c.What, "_", " "), fmt.Sprintf("%q -> %q", c.Was, c.Is))
	}
	row(w, "  targets", fmt.Sprintf("%d new, %d same, %d gone", last.New.Count, last.Same, last.Gone.Count))
	for _, list := range []struct {
		what string
		api.SomeTargets
	}{{"new", last.New}, {"gone", last.Gone}} {
		for _, t := range list.First {
			row(w, "  "+list.what, t.ID+" "+t.Name)
		}
		if more := list.Count - len(list.First); more > 0 {
			row(w, "  "+list.what, fmt.Sprintf("and %d more", more))
		}
	}
}

// standingTable is where a plan stands.
func standingTable(w *tabwriter.Writer, d api.Deletion) {
	row(w, "plan", d.ID)
	row(w, "state", fmt.Sprintf("%s, wave %d of %d", d.State, d.Wave, d.Waves))
	if d.Why != "" {
		row(w, "why", d.Why)
	}
	if d.Waits != "" {
		row(w, "waits", d.Waits)
	}
	approvals := []string{}
	for _, given := range d.Approvals {
		p := given.Approval
		approvals = append(approvals, fmt.Sprintf("%s for waves %d to %d until %s", p.Person, p.FirstWave, p.LastWave, p.Expires))
	}
	if d.Confirmed != "" {
		approvals = append(approvals, "the owner, by "+d.Confirmed)
	}
	if len(approvals) == 0 {
		approvals = []string{"none"}
	}
	row(w, "approvals", fmt.Sprintf("%d needed: %s", d.Needed, strings.Join(approvals, "; ")))
	switch r := d.Rehearsed; {
	case r.At.IsZero():
		row(w, "rehearsal", "none")
	case r.Passed:
		row(w, "rehearsal", fmt.Sprintf("passed at %s", r.At))
	default:
		row(w, "rehearsal", fmt.Sprintf("NOT PASSED at %s: %s", r.At, r.Why))
	}
	for _, c := range d.Checked {
		health := "healthy"
		if !c.Healthy {
			health = "NOT HEALTHY: " + c.Detail
		}
		row(w, fmt.Sprintf("wave %d", c.Wave), fmt.Sprintf("%d gone, %d kept, %d others deleted, %s", c.Gone, c.Kept, c.Strays, health))
	}
	row(w, "expires", d.Deletion.Expires)
}

func (a *app) deleteStatus() *cobra.Command {
	var follow bool
	cmd := a.ofPlan("status", "Show where a plan stands, and what it waits for",
		func(cmd *cobra.Command, w where, req api.DeletionRequest) error {
			if !follow {
				return query(a, cmd, w, operators+"deletion.show", req, standingTable)
			}
			return w.with(cmd.Context(), func(ctx context.Context, r *remote) error { return a.followPlan(ctx, r, req) })
		})
	cmd.Flags().BoolVar(&follow, "follow", false, "wait until it is done or dead; exit code 5 when only part of it was done")
	return cmd
}

// followPlan waits until a plan has ended.
func (a *app) followPlan(ctx context.Context, r *remote, req api.DeletionRequest) error {
	p := newProgress(a.Err)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		raw, err := r.ask(ctx, operators+"deletion.show", req)
		if err != nil {
			return err
		}
		var d api.Deletion
		if err := decode(raw, &d); err != nil {
			return err
		}
		if !d.Open && slices.Contains([]string{api.StateDone, api.StateDead}, d.State) {
			p.clear()
			if err := a.print(raw, func(w *tabwriter.Writer) { standingTable(w, d) }); err != nil || d.State == api.StateDone {
				return err
			}
			return errDead(d)
		}
		p.at(d.Wave, d.Waves)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (a *app) deleteList() *cobra.Command {
	var w where
	var req api.DeletionListRequest
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the newest plans, the newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return query(a, cmd, w, operators+"deletion.list", req, func(w *tabwriter.Writer, out api.DeletionListResponse) {
				row(w, "PLAN", "KIND", "TARGETS", "STATE", "WAVE", "OF", "AUTHOR", "SUPPLIER", "PLANNED", "REASON")
				for _, d := range out.Deletions {
					row(w, d.ID, d.Kind, d.Targets, d.State, d.Wave, d.Waves, d.Author, d.Supplier, d.Planned, d.Reason)
				}
				for _, id := range out.Unread {
					row(w, id, "", "", "cannot be read; see catalogue verify")
				}
				if out.More {
					a.say("there are older ones: the same command with a larger --limit")
				}
			})
		},
	}
	w.flags(cmd)
	cmd.Flags().IntVar(&req.Limit, "limit", 0, "at most so many (default 100)")
	return cmd
}

// completePlans offers the ids of plans.
func completePlans(w *where) cobra.CompletionFunc {
	return complete(w, func(ctx context.Context, r *remote) (found []cobra.Completion, err error) {
		out, err := get[api.DeletionListResponse](ctx, r, operators+"deletion.list", struct{}{})
		for _, d := range out.Deletions {
			found = append(found, cobra.CompletionWithDesc(d.ID.String(), d.State+": "+d.Reason))
		}
		return found, err
	})
}
