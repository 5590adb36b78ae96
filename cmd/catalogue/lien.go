package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/cmd/internal/api"
)

func (a *app) liens() *cobra.Command {
	cmd := group("lien", "Keep tenants from being deleted, for a matter")
	cmd.AddCommand(a.lienPlace(), a.lienLift(), a.lienList())
	return cmd
}

// lien is a command about a lien on one tenant.
func (a *app) lien(name, short string, run func(cmd *cobra.Command, w where, req api.LienPlaceRequest) error) *cobra.Command {
	var w where
	var req api.LienPlaceRequest
	cmd := &cobra.Command{
		Use:               name + " TENANT --matter REFERENCE",
		Short:             short,
		Args:              exactArgs("TENANT"),
		ValidArgsFunction: completeTenants(&w),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := parse("TENANT", args[0], &req.Tenant); err != nil {
				return err
			}
			return run(cmd, w, req)
		},
	}
	w.flags(cmd)
	cmd.Flags().StringVar(&req.Matter, "matter", "", "what it is kept for, a reference such as legal/2022-17")
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why, for the history")
	required(cmd, "matter")
	return cmd
}

func (a *app) lienPlace() *cobra.Command {
	return a.lien("place", "Keep a tenant; nobody has to approve that",
		func(cmd *cobra.Command, w where, req api.LienPlaceRequest) error {
			return query(a, cmd, w, operators+"lien.place", req, lienTable)
		})
}

func (a *app) lienLift() *cobra.Command {
	var s signer
	cmd := a.lien("lift", "End a lien, with your key", func(cmd *cobra.Command, w where, req api.LienPlaceRequest) error {
		return w.with(cmd.Context(), func(ctx context.Context, r *remote) error { return a.liftLien(ctx, r, s, req) })
	})
	s.flags(cmd)
	required(cmd, "key", "person")
	return cmd
}

func (a *app) liftLien(ctx context.Context, r *remote, s signer, req api.LienPlaceRequest) error {
	out, err := get[api.LienListResponse](ctx, r, operators+"lien.list", struct{}{})
	if err != nil {
		return err
	}
	for _, l := range out.Liens {
		if l.Tenant != req.Tenant || l.Matter != req.Matter {
			continue
		}
		approval, err := a.sign(s, l.ToSign, deletion.LienHash(l.Tenant, l.Lien), deletion.LienSentence(l.Tenant, l.Lien))
		if err != nil {
			return err
		}
		raw, err := r.ask(ctx, operators+"lien.lift", api.LienLiftRequest{LienPlaceRequest: req, Approval: approval})
		if err != nil {
			return err
		}
		return show(a, raw, lienTable)
	}
	return fmt.Errorf("%w: %s is not kept for %s", errNotSigned, req.Tenant, req.Matter)
}

func (a *app) lienList() *cobra.Command {
	var w where
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List what is kept from being deleted",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return query(a, cmd, w, operators+"lien.list", struct{}{}, lienTable)
		},
	}
	w.flags(cmd)
	return cmd
}

func lienTable(w *tabwriter.Writer, out api.LienListResponse) {
	row(w, "TENANT", "MATTER", "SINCE", "REASON")
	for _, l := range out.Liens {
		row(w, l.Tenant, l.Matter, l.Since.Time, l.Reason)
	}
}
