package main

import (
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/projectors/apps"
	"tenantcatalogue/projectors/commerce"
	"tenantcatalogue/projectors/contacts"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/identity"
	"tenantcatalogue/projectors/pages"
	"tenantcatalogue/projectors/placement"
	"tenantcatalogue/projectors/tenants"
)

func (a *app) views() *cobra.Command {
	var w where
	cmd := &cobra.Command{
		Use:   "views",
		Short: "Show where the log and every view stand",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return query(a, cmd, w, operators+"views", struct{}{}, a.viewsTable)
		},
	}
	w.flags(cmd)
	return cmd
}

func (a *app) viewsTable(w *tabwriter.Writer, out api.ViewsResponse) {
	row(w, "VIEW", "SEQ", "LAG", "MIB", "QUARANTINED", "STATE")
	for _, v := range out.Views {
		state := "serves"
		switch {
		case v.Fault != "":
			state = v.Fault
		case v.Rebuilding:
			state = "serves; a new one is being built"
		}
		row(w, v.Name, v.Seq, v.Lag, v.DiskBytes>>20, len(v.Quarantined), state)
	}
	row(w, "log", out.Head, "", "", "", out.Log)
	if !out.Ready {
		a.say("not ready: %s", out.Reason)
	}
}

// viewNames are what rebuild can be asked for.
func viewNames() []string {
	return []string{tenants.Name, commerce.Name, identity.Name, placement.Name, apps.Name, contacts.Name, history.Name, pages.Name}
}

func (a *app) rebuild() *cobra.Command {
	var w where
	cmd := &cobra.Command{
		Use:   "rebuild VIEW",
		Short: "Fold a view anew from the log, beside the one that serves, and put it in its place",
		Args:  exactArgs("VIEW"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return viewNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			a.say("rebuilding %s from the log; the old one serves meanwhile", args[0])
			return query(a, cmd, w, operators+"rebuild", api.RebuildRequest{View: args[0]}, a.viewsTable)
		},
	}
	w.flags(cmd)
	return cmd
}
