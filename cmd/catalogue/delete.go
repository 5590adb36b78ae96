package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
)

func (a *app) deletions() *cobra.Command {
	cmd := group("delete", "Plan, approve and run deletions: the only way anything is deleted")
	cmd.AddCommand(a.deletePlan(), a.deleteShow(), a.deleteApprove(), a.deleteRehearse(), a.deleteRun(), a.deleteStatus(), a.deleteList(), a.deleteWithdraw())
	return cmd
}

// listing is where a list comes from.
type listing struct{ file, format string }

func (l listing) read(a *app) (list []deletion.Asked, err error) {
	switch l.format {
	case "", formatCSV, formatNDJSON:
	default:
		return nil, usagef("--format %s: say csv or ndjson", l.format)
	}
	in := a.In
	if l.file != "-" {
		file, err := os.Open(l.file)
		if err != nil {
			return nil, usage(err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		in = file
	}
	if list, err = readList(in, l.format); err != nil {
		return nil, usage(err)
	}
	return list, nil
}

func (a *app) deletePlan() *cobra.Command {
	var w where
	var from listing
	var req api.DeletionPlanRequest
	var kind, status, key string
	cmd := &cobra.Command{
		Use:   "plan --kind KIND (--file FILE | --app-name NAME | --status STATUS…) --key FILE --author NAME --supplier NAME --reason TEXT --expect N",
		Short: "Sign a list of what is to be deleted, and record it as a plan",
		Long: `Looks up every line of a list, and records all of it as a plan, which others then
approve. If one line is wrong the list is refused, with every reason and how many lines
it is about, and nothing else happens.

A list is NDJSON, {"id":…,"parent":…,"name":…} a line, or CSV with the header
id,parent,name. An app's parent is its tenant and its name that of the app; a tenant's
parent is its account and its name its URL. They should come from two sources: what does
not fit together is refused. In place of a list, a query is resolved, once, now; what it finds
is shown, and is the list.

The author signs the list and all that is said of it here. --dry-run shows the plan without
a key; and what an owner asks for is proven when it is confirmed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			req.Kind, req.Query.Status = events.DeletionKind(kind), events.TenantStatus(status)
			if from.file != "" {
				if req.Targets, err = from.read(a); err != nil {
					return err
				}
			}
			if key == "" && !req.DryRun && req.Owner.IsZero() {
				return usagef("--key is missing: the author signs what is to be deleted; see catalogue keygen, or say --dry-run")
			}
			return w.with(cmd.Context(), func(ctx context.Context, r *remote) error {
				if key != "" && !req.DryRun {
					if req, err = a.signAsk(ctx, r, key, req); err != nil {
						return err
					}
				}
				raw, err := r.ask(ctx, services+"deletion.plan", req)
				if err != nil {
					return err
				}
				return show(a, raw, func(w *tabwriter.Writer, d api.Deletion) {
					deletionTable(w, d)
					if d.State != api.StateNotRecorded {
						a.say("to approve it: catalogue delete approve %s --key FILE --person NAME", d.ID)
					}
				})
			})
		},
	}
	w.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&kind, "kind", "", "tenant or app: what every target is")
	f.StringVar(&from.file, "file", "", "the list, or - for stdin")
	f.StringVar(&from.format, "format", "", "of the list: csv or ndjson (default: what its first line looks like)")
	f.StringVar(&req.Query.AppName, "app-name", "", "apps of this name, wherever they are installed")
	f.StringVar(&status, "status", "", "tenants of this status, e.g. deactivated")
	f.StringVar(&req.Query.Region, "region", "", "tenants in this region")
	f.StringVar(&req.Query.Tier, "tier", "", "tenants of this tier")
	f.TextVar(&req.Query.Account, "account", events.AccountID{}, "tenants of this account")
	f.StringVar(&key, "key", "", "file with the private key of the author; see catalogue keygen")
	_ = cmd.MarkFlagFilename("key") // of a flag that is there, it cannot fail
	f.StringVar(&req.Author, "author", "", "the person who plans it, in lower case, as on the roster")
	f.StringVar(&req.Supplier, "supplier", "", "the person or system the list comes from")
	f.TextVar(&req.Owner, "owner", events.AccountID{}, "this account asks for it, for one tenant of its own")
	f.StringVar(&req.Reason, "reason", "", "why")
	f.IntVar(&req.Expected, "expect", 0, "how many targets there should be")
	f.IntVar(&req.InactiveDays, "inactive-days", 0, "claim that nobody has used any of the tenants for so long; it is checked")
	f.TextVar(&req.Run, "run", events.RunID{}, "the run that the tombstones are to be part of")
	f.BoolVar(&req.DryRun, "dry-run", false, "show the plan and record nothing")
	required(cmd, "kind", "author", "supplier", "reason", "expect")
	for _, condition := range []string{"app-name", "status", "region", "tier", "account"} {
		cmd.MarkFlagsMutuallyExclusive("file", condition)
	}
	cmd.MarkFlagsOneRequired("file", "app-name", "status", "region", "tier", "account")
	return cmd
}

// ofPlan is a command about one plan.
func (a *app) ofPlan(name, short string, run func(cmd *cobra.Command, w where, req api.DeletionRequest) error) *cobra.Command {
	var w where
	cmd := &cobra.Command{
		Use:   name + " PLAN",
		Short: short,
		Args:  exactArgs("PLAN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var req api.DeletionRequest
			if err := parse("PLAN", args[0], &req.Plan); err != nil {
				return err
			}
			return run(cmd, w, req)
		},
	}
	cmd.ValidArgsFunction = completePlans(&w)
	w.flags(cmd)
	return cmd
}

func (a *app) deleteApprove() *cobra.Command {
	var s signer
	cmd := a.ofPlan("approve", "Look at a plan, and sign it with your key",
		func(cmd *cobra.Command, w where, req api.DeletionRequest) error {
			return w.with(cmd.Context(), func(ctx context.Context, r *remote) error {
				d, err := get[api.Deletion](ctx, r, operators+"deletion.show", req)
				if err != nil {
					return err
				}
				a.tell(func(w *tabwriter.Writer) { deletionTable(w, d) })
				if d.ToSign == nil || d.ToSign.Action != deletion.ActionDelete {
					return fmt.Errorf("%w: there is nothing of %s to be approved here; it is %s", errNotSigned, d.ID, d.State)
				}
				hash, err := d.Deletion.Hash(d.ID)
				if err != nil {
					return err
				}
				approval, err := a.sign(s, *d.ToSign, hash, deletion.Sentence(d.Deletion, int(d.ToSign.FirstWave), int(d.ToSign.LastWave)))
				if err != nil {
					return err
				}
				raw, err := r.ask(ctx, operators+"deletion.approve", api.DeletionApproveRequest{DeletionRequest: req, Approval: approval})
				if err != nil {
					return err
				}
				return show(a, raw, standingTable)
			})
		})
	s.flags(cmd)
	required(cmd, "key", "person")
	return cmd
}

func (a *app) deleteRehearse() *cobra.Command {
	return a.ofPlan("rehearse", "Delete and restore the targets on a scratch copy of their history",
		func(cmd *cobra.Command, w where, req api.DeletionRequest) error {
			return w.with(cmd.Context(), func(ctx context.Context, r *remote) error {
				raw, err := r.ask(ctx, operators+"deletion.rehearse", req)
				if err != nil {
					return err
				}
				var d api.Deletion
				if err := decode(raw, &d); err != nil {
					return err
				}
				if err := a.print(raw, func(w *tabwriter.Writer) { standingTable(w, d) }); err != nil {
					return err
				}
				if !d.Rehearsed.Passed {
					return fmt.Errorf("%w: the rehearsal of %s has not passed: %s", errDifferences, d.ID, d.Rehearsed.Why)
				}
				return nil
			})
		})
}

func (a *app) deleteRun() *cobra.Command {
	return a.ofPlan("run", "Let an approved and rehearsed plan go on, wave by wave, by itself",
		func(cmd *cobra.Command, w where, req api.DeletionRequest) error {
			return query(a, cmd, w, operators+"deletion.run", req, func(w *tabwriter.Writer, d api.Deletion) {
				standingTable(w, d)
				a.say("to see how far it is: catalogue delete status %s; to stop it: catalogue halt", d.ID)
			})
		})
}

func (a *app) deleteWithdraw() *cobra.Command {
	var why string
	cmd := a.ofPlan("withdraw", "End a plan before it is done; what is deleted stays deleted",
		func(cmd *cobra.Command, w where, req api.DeletionRequest) error {
			return query(a, cmd, w, operators+"deletion.withdraw", api.DeletionWithdrawRequest{DeletionRequest: req, Why: why}, standingTable)
		})
	cmd.Flags().StringVar(&why, "reason", "", "why, for the history")
	required(cmd, "reason")
	return cmd
}

// errDead is what is said of a plan that will not be done.
func errDead(d api.Deletion) error {
	if d.Wave > 0 {
		return fmt.Errorf("%w: %d of %d waves of %s have passed: %s", errPartial, d.Wave, d.Waves, d.ID, d.Why)
	}
	return &client.Error{Code: client.ErrDead, Message: fmt.Sprintf("%s is dead, nothing of it was deleted: %s", d.ID, d.Why), Hint: "make a new one"}
}
