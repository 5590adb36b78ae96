package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/restore"
)

func (a *app) restore() *cobra.Command {
	cmd := group("restore", "Plan, apply and prove restorations")
	cmd.AddCommand(a.restorePlan(), a.restoreApply(), a.restoreStatus(), a.restoreList(), a.restoreCertificate())
	return cmd
}

func (a *app) restorePlan() *cobra.Command {
	var w where
	var ask restore.Ask
	var mode string
	var runs, types, tenants, accept []string
	cmd := &cobra.Command{
		Use:   "plan --point POINT (--run RUN | --actor ACTOR | --tenant TENANT…)",
		Short: "Find out what a restoration would do, and record it",
		Long: `Finds the tenants that a run or an actor did something to, the one cut for all of them,
and for each what it comes back to and what stands against it; and records that as a
plan, which apply carries out. A tenant with a conflict waits until a plan accepts it.

Rewind brings back the state at the point. Undo takes out the cause's own events and
keeps everything else that happened since.

` + points,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ask.Mode = events.RestoreMode(mode)
			for _, kind := range accept {
				ask.Accept = append(ask.Accept, restore.ConflictKind(kind))
			}
			for _, t := range types {
				ask.Cause.Types = append(ask.Cause.Types, events.Type(t))
			}
			if err := parseAll("--run", runs, &ask.Cause.Runs); err != nil {
				return err
			}
			if err := parseAll("--tenant", tenants, &ask.Tenants); err != nil {
				return err
			}
			return query(a, cmd, w, operators+"restore.plan", ask, a.planTable)
		},
	}
	w.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&ask.Point, "point", "", "the restore point")
	f.StringVar(&mode, "mode", string(events.Rewind), "rewind or undo")
	f.StringSliceVar(&runs, "run", nil, "undo what these runs did")
	f.StringSliceVar(&ask.Cause.Actors, "by", nil, "undo what these actors did")
	f.StringSliceVar(&types, "type", nil, "of that, only events of these types")
	f.TextVar(&ask.Cause.Since, "since", events.Time(0), "of that, only what was recorded then or later")
	f.TextVar(&ask.Cause.Until, "until", events.Time(0), "of that, only what was recorded before")
	f.StringSliceVar(&tenants, "tenant", nil, "these tenants only")
	f.StringSliceVar(&accept, "accept", nil, "go ahead in spite of these conflicts: "+
		strings.Join([]string{string(restore.ConflictNotDeleted), string(restore.ConflictChanged), string(restore.ConflictIllegal)}, ", "))
	f.StringVar(&ask.Reason, "reason", "", "why, for the history")
	f.StringVar(&ask.Actor, "actor", "", "opaque id of who asks (default: the credential's name)")
	f.BoolVar(&ask.DryRun, "dry-run", false, "show the plan and record nothing")
	required(cmd, "point")
	return cmd
}

// parseAll reads ids.
func parseAll[T any, P interface {
	*T
	UnmarshalText([]byte) error
}](name string, texts []string, into *[]T) error {
	for _, text := range texts {
		var id T
		if err := parse(name, text, P(&id)); err != nil {
			return err
		}
		*into = append(*into, id)
	}
	return nil
}

// shownTargets is how many targets a table shows of each kind.
const shownTargets = 20

func (a *app) planTable(w *tabwriter.Writer, p api.RestorePlanResponse) {
	a.echo(p.Point)
	if p.Recorded {
		row(w, "plan", p.ID)
	} else {
		row(w, "plan", "not recorded")
	}
	row(w, "mode", p.Ask.Mode)
	row(w, "cut", fmt.Sprintf("event %d; planned as of event %d", p.Cut, p.AsOf))
	row(w, "to restore", fmt.Sprintf("%d tenants of %d accounts, %d active users", p.Restore, p.Accounts, p.Users))
	row(w, "waiting", p.Waiting)
	row(w, "events of others lost", p.Lost)
	examples := map[restore.ConflictKind]string{}
	counts := map[restore.ConflictKind]int{}
	for _, t := range p.Targets {
		for _, c := range t.Conflicts {
			counts[c.Kind]++
			examples[c.Kind] = cmp.Or(examples[c.Kind], fmt.Sprintf("%s: %s", t.Tenant, c.Detail))
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		row(w, "  "+string(kind), fmt.Sprintf("%d, e.g. %s", counts[kind], examples[kind]))
	}
	row(w)
	row(w, "TENANT", "FROM", "TO", "URL", "UNDONE", "KEPT", "LOST", "USERS")
	for i, t := range p.Targets {
		if i == shownTargets {
			row(w, fmt.Sprintf("and %d more; -o json shows them", len(p.Targets)+p.NotShown-i))
			break
		}
		to := string(t.To)
		if t.Waits() {
			to = "waits"
		}
		row(w, t.Tenant, t.From, to, t.URL, t.Undone, t.Kept, t.Lost, t.ActiveUsers)
	}
	if p.Recorded {
		a.say("to carry it out: catalogue restore apply %s", p.ID)
	}
}

// restoration is a command about one restoration.
func (a *app) restoration(name, short string, run func(cmd *cobra.Command, w where, req api.RestoreRequest) error) *cobra.Command {
	var w where
	cmd := &cobra.Command{
		Use:   name + " RESTORATION",
		Short: short,
		Args:  exactArgs("RESTORATION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var req api.RestoreRequest
			if err := parse("RESTORATION", args[0], &req.Restoration); err != nil {
				return err
			}
			return run(cmd, w, req)
		},
	}
	cmd.ValidArgsFunction = completeRestorations(&w)
	w.flags(cmd)
	return cmd
}

func (a *app) restoreApply() *cobra.Command {
	return a.restoration("apply", "Carry out a plan; again, if it was cut off",
		func(cmd *cobra.Command, w where, req api.RestoreRequest) error {
			return w.with(cmd.Context(), func(ctx context.Context, r *remote) error { return a.applyPlan(ctx, r, req) })
		})
}

func (a *app) applyPlan(ctx context.Context, r *remote, req api.RestoreRequest) error {
	before, err := get[restore.Status](ctx, r, operators+"restore.status", req)
	if err != nil {
		return err
	}
	p := newProgress(a.Err)
	p.line("restoring %d tenants to %s, by %s", before.Targets, before.Point, before.Mode)
	stop := watchApply(ctx, r, req, p)
	raw, err := r.ask(ctx, operators+"restore.apply", req)
	stop()
	if err != nil {
		return err
	}
	var s restore.Status
	if err := decode(raw, &s); err != nil {
		return err
	}
	if err := a.print(raw, func(w *tabwriter.Writer) { statusTable(w, s) }); err != nil {
		return err
	}
	if len(s.Failed) > 0 || len(s.Waiting) > 0 {
		return fmt.Errorf("%w: %d tenants are back, %d failed, %d wait for a choice; plan again for those, with --accept where they may go ahead",
			errPartial, s.Restored, len(s.Failed), len(s.Waiting))
	}
	a.say("for the proof: catalogue restore certificate %s", s.ID)
	return nil
}

// watchApply shows how far a restoration has come, until it is stopped.
func watchApply(ctx context.Context, r *remote, req api.RestoreRequest, p *progress) (stop func()) {
	return poll(ctx, p, func(ctx context.Context) bool {
		s, err := get[restore.Status](ctx, r, operators+"restore.status", req)
		if err != nil {
			return false // it is for show; apply itself says what goes wrong
		}
		p.at(s.Restored, s.Targets)
		return true
	})
}

// pollEvery is how often a daemon is asked how far it has come.
const pollEvery = time.Second / 2

// poll calls show now and then until it gives false or is stopped.
func poll(ctx context.Context, p *progress, show func(context.Context) bool) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(pollEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if !show(ctx) {
					return
				}
			}
		}
	}()
	return func() {
		cancel()
		<-ended
		p.clear()
	}
}

func (a *app) restoreStatus() *cobra.Command {
	return a.restoration("status", "Show where a restoration stands",
		func(cmd *cobra.Command, w where, req api.RestoreRequest) error {
			return query(a, cmd, w, operators+"restore.status", req, statusTable)
		})
}

func statusTable(w *tabwriter.Writer, s restore.Status) {
	row(w, "restoration", s.ID)
	row(w, "mode", s.Mode)
	row(w, "point", fmt.Sprintf("%s = event %d", s.Point, s.Cut))
	row(w, "planned", fmt.Sprintf("%s by %s", s.Planned, s.Actor))
	row(w, "reason", s.Reason)
	row(w, "restored", fmt.Sprintf("%d of %d", s.Restored, s.Targets))
	row(w, "finished", s.Finished)
	failures := func(what string, list []events.RestoreFailure) {
		for i, f := range list {
			if i == shownTargets {
				row(w, what, fmt.Sprintf("and %d more; -o json shows them", len(list)-i))
				break
			}
			row(w, what, f.Tenant, f.Why)
		}
	}
	failures("failed", s.Failed)
	failures("waiting", s.Waiting)
}

func (a *app) restoreList() *cobra.Command {
	var w where
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the restorations, oldest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return query(a, cmd, w, operators+"restore.list", struct{}{}, func(w *tabwriter.Writer, out api.RestoreListResponse) {
				row(w, "RESTORATION", "MODE", "PLANNED", "POINT", "CUT", "RESTORED", "OF", "FAILED", "WAITING", "FINISHED")
				for _, s := range out.Restorations {
					row(w, s.ID, s.Mode, s.Planned, s.Point, s.Cut, s.Restored, s.Targets, len(s.Failed), len(s.Waiting), s.Finished)
				}
			})
		},
	}
	w.flags(cmd)
	return cmd
}

func (a *app) restoreCertificate() *cobra.Command {
	return a.restoration("certificate", "Compute the proof of a finished restoration again, from the log",
		func(cmd *cobra.Command, w where, req api.RestoreRequest) error {
			return w.with(cmd.Context(), func(ctx context.Context, r *remote) error {
				raw, err := r.ask(ctx, operators+"restore.certificate", req)
				if err != nil {
					return err
				}
				var c restore.Certificate
				if err := decode(raw, &c); err != nil {
					return err
				}
				if err := a.print(raw, func(w *tabwriter.Writer) { certificateTable(w, c) }); err != nil {
					return err
				}
				if !c.OK {
					return fmt.Errorf("%w: the restoration is not proven", errDifferences)
				}
				return nil
			})
		})
}

func certificateTable(w *tabwriter.Writer, c restore.Certificate) {
	row(w, "restoration", c.Restoration)
	row(w, "mode", c.Mode)
	row(w, "cut", fmt.Sprintf("event %d; planned as of %d, done by %d to %d", c.Cut, c.AsOf, c.Begin, c.End))
	row(w, "tenants", fmt.Sprintf("%d equal to a fold of the log, %d mismatches", c.TenantsVerified, c.DigestMismatches))
	row(w, "neighbours", fmt.Sprintf("%d checked, %d changed", c.NeighboursChecked, c.NeighboursChanged))
	row(w, "events", fmt.Sprintf("%d undone; of others %d kept, %d lost", c.EventsUndone, c.EventsKept, c.EventsLost))
	row(w, "impact", fmt.Sprintf("%d accounts, %d active users", c.Accounts, c.ActiveUsers))
	row(w, "objectives", c.Within())
	if c.ProvenTo > 0 {
		row(w, "rests on", fmt.Sprintf("every view proven up to event %d before; folded again from there", c.ProvenTo))
	} else {
		row(w, "rests on", "the whole log, folded again")
	}
	for _, v := range c.Views {
		row(w, "view "+v.Name, fmt.Sprintf("%d rows, %.12s…", v.Rows, v.Digest))
	}
	for _, f := range c.Faults {
		row(w, "FAULT", f)
	}
	row(w, "same", c.Same)
	if c.OK {
		row(w, "verdict", "proven")
	} else {
		row(w, "verdict", "NOT PROVEN")
	}
}

// completeRestorations offers the ids of restorations.
func completeRestorations(w *where) cobra.CompletionFunc {
	return complete(w, func(ctx context.Context, r *remote) (found []cobra.Completion, err error) {
		out, err := get[api.RestoreListResponse](ctx, r, operators+"restore.list", struct{}{})
		for _, s := range out.Restorations {
			found = append(found, cobra.CompletionWithDesc(s.ID.String(), s.Reason))
		}
		return found, err
	})
}
