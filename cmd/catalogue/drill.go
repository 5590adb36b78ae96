package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tenantcatalogue/events"
	"tenantcatalogue/replay/drill"
)

func (a *app) drill() *cobra.Command {
	var cfg drill.Config
	var data, mode string
	cmd := &cobra.Command{
		Use:   "drill",
		Short: "Play the April 2022 incident on a scratch catalogue, and restore what the wrong run deleted",
		Long: `Plays April 2022 on a scratch catalogue within this process: a month of tenants'
lives; the wrong list, 883 tenants in a plan for apps, on every path there is, by
commands, requests, events and files, each of which refuses it for what it is; the policy is loosened by its own rule, on the drill's clock; a right
run removes an app from 30 tenants; a wrong run, approved and rehearsed, puts 883 tenants
out of service and deletes them in 23 minutes while traffic goes on. Then, traffic still
going on, it plans a restoration at five minutes before the run, applies it, proves it,
and rebuilds every view from the log to compare.

With --halt a service that fails for deleted tenants is asked before the first wave and
after every one, and the wrong run is halted after the first.

Exit code 6 when any figure is not what it must be.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Mode = events.RestoreMode(mode)
			if err := cfg.Validate(); err != nil {
				return usage(err)
			}
			return a.runDrill(cmd.Context(), cfg, data)
		},
	}
	f := cmd.Flags()
	f.IntVar(&cfg.Tenants, "tenants", drill.DefaultTenants, "how many tenants the catalogue has")
	f.IntVar(&cfg.Deleted, "deleted", drill.DefaultDeleted, "how many of them the wrong run deletes")
	f.Uint64Var(&cfg.Seed, "seed", 1, "the same seed plays the same job")
	f.StringVar(&mode, "mode", string(events.Rewind), "how to restore: rewind (the state at the cut) or undo (all but the run's own events)")
	f.BoolVar(&cfg.Halt, "halt", false, "a service of the vendor's that fails for deleted tenants is the health check of every wave")
	f.StringVar(&data, "data", "", "keep the scratch catalogue in this empty directory (default: a temporary one, removed)")
	return cmd
}

func (a *app) runDrill(ctx context.Context, cfg drill.Config, data string) (err error) {
	if err := mustBeEmpty(data); err != nil {
		return usage(err)
	}
	s, err := openStage(ctx, data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	p := newProgress(a.Err)
	report, err := drill.Run(ctx, s.System, cfg, drill.Tell{Line: p.line, Progress: p.at})
	p.clear()
	if err != nil && !errors.Is(err, drill.ErrFailed) {
		return err
	}
	return errors.Join(a.print(report, func(w *tabwriter.Writer) { drillTable(w, report) }), err)
}

func mustBeEmpty(dir string) error {
	if dir == "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("--data %s: it is not empty; a drill wants a catalogue of its own", dir)
	}
	return err
}

func drillTable(w *tabwriter.Writer, r drill.Report) {
	row := func(what, format string, args ...any) { row(w, what, fmt.Sprintf(format, args...)) }
	row("catalogue", "%d tenants, %d events", r.Tenants, r.EventsBefore)
	for _, refusal := range r.Refusals {
		row("refused", "%s: %d tried, %d tombstones, %s", refusal.Path, refusal.Attempted, refusal.Tombstones, refusal.Code)
	}
	row("right run", "%s removed the app from %d tenants", r.RightRun.ID, r.RightRun.AppsUninstalled)
	row("wrong run", "%s put %d tenants of %d customers, %d active users, out of service and deleted %d, events %d to %d, in %.0f minutes", r.BadRun.ID,
		r.BadRun.OutOfService, r.BadRun.Accounts, r.BadRun.ActiveUsers, r.BadRun.TenantsDeleted, r.BadRun.FirstSeq, r.BadRun.LastSeq, r.BadRun.Minutes)
	if r.Halt.Alarm != "" {
		row("alarm", "%s, %.2f s after its first tombstone, %.2f s after what it is about", r.Halt.Alarm, r.Halt.SecondsToAlarm, r.Halt.AlarmDelay)
	}
	if r.Halt.Cause != "" {
		row("halt", "%s, %.2f s after its first tombstone: %d tenants were gone", r.Halt.Cause, r.Halt.SecondsToHalt, r.Halt.TenantsGone)
	}
	row("restore point", "%s = event %d", r.Restore.Point.Text, r.Restore.CutSeq)
	row("restored", "%d of %d by %s, %d failed, %d are in service, in %.2f s (plan %.2f s, proof %.2f s)", r.Restore.Restored,
		r.Restore.Planned, r.Restore.Mode, r.Restore.Failed, r.Restore.InService, r.Restore.Seconds, r.Restore.Plan, r.Restore.Proof)
	for _, c := range r.Restore.Conflicts {
		row("  waits", "%d: %s, e.g. %s", c.Count, c.Kind, c.Example)
	}
	c := r.Certificate
	row("proof", "%d tenants equal to a fold of the log, %d mismatches", c.TenantsVerified, c.DigestMismatches)
	row("neighbours", "%d checked, %d changed", c.NeighboursChecked, c.NeighboursChanged)
	row("others' events", "%d after the cut kept, %d lost", c.EventsKept, c.EventsLost)
	row("objectives", "%s", c.Within())
	row("owners' deletions", "%d of %d still stand", r.OwnerDeletions.StillDeleted, r.OwnerDeletions.Count)
	row("traffic meanwhile", "%d events, %d errors", r.Traffic.Events, r.Traffic.Errors)
	for _, v := range r.Views {
		verdict := "equal to a rebuild from the log"
		if v.Digest != v.RebuiltDigest {
			verdict = "DIFFERS from a rebuild from the log"
		}
		row("view "+v.Name, "%d rows, %s…, %s", v.Rows, v.Digest[:12], verdict)
	}
	for _, p := range r.Phases {
		row(strings.TrimSpace(p.Name), "%.2f s", p.Seconds)
	}
	if r.OK {
		row("verdict", "everything the run deleted is back, nothing else was touched")
	} else {
		row("verdict", "FAILED")
	}
}
