package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
)

func (a *app) tenant() *cobra.Command {
	cmd := group("tenant", "Read tenants, and publish what happens to them")
	cmd.AddCommand(a.tenantGet(), a.tenantList(), a.tenantCreate(), a.tenantConfigure(), a.tenantRename(), a.tenantRelocate(),
		a.tenantWithReason("deactivate", "Take a tenant out of service; nothing is lost",
			func(why string) events.Payload { return events.TenantDeactivated{Reason: why} }),
		a.tenantWithReason("reactivate", "Put a deactivated tenant back into service",
			func(why string) events.Payload { return events.TenantReactivated{Reason: why} }))
	return cmd
}

// group is a command that only holds others.
func group(name, short string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("%s has no command %q; see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())
			}
			return usagef("%s needs a command; see %s --help", cmd.CommandPath(), cmd.CommandPath())
		},
	}
}

func (a *app) tenantGet() *cobra.Command {
	var w where
	cmd := &cobra.Command{
		Use:               "get TENANT",
		Short:             "Show a tenant as it is now",
		Args:              exactArgs("TENANT"),
		ValidArgsFunction: completeTenants(&w),
		RunE: func(cmd *cobra.Command, args []string) error {
			var req api.TenantGetRequest
			if err := parse("TENANT", args[0], &req.Tenant); err != nil {
				return err
			}
			return query(a, cmd, w, services+"tenant.get", req, func(w *tabwriter.Writer, out api.TenantGetResponse) {
				tenantTable(w, out.Tenant)
			})
		},
	}
	w.flags(cmd)
	return cmd
}

func tenantTable(w *tabwriter.Writer, t api.Tenant) {
	row(w, "tenant", t.ID)
	row(w, "status", t.Status)
	row(w, "url", t.URL)
	row(w, "cloud id", t.CloudID)
	row(w, "account", t.Account)
	row(w, "tier", t.Tier)
	row(w, "region, shard", strings.TrimRight(t.Region+" "+t.Shard, " "))
	row(w, "active users", t.ActiveUsers)
	for _, p := range t.Products {
		row(w, "product", p.ID, p.Name, p.Status, p.Edition)
	}
	for _, app := range t.Apps {
		state := "installed"
		if !app.Installed {
			state = "uninstalled"
		}
		row(w, "app", app.ID, app.Name, state, app.Version)
	}
	row(w, "resources", len(t.Resources))
	row(w, "members, groups", t.Members, t.Groups)
	row(w, "site admins", strings.Join(t.SiteAdmins, " "))
	row(w, "epoch, version", t.Epoch, t.Version)
	row(w, "last event", t.Seq)
	deletedTable(w, t.Deleted)
}

// deletedTable is what is known of a deleted tenant.
func deletedTable(w *tabwriter.Writer, d *api.Deleted) {
	if d == nil {
		return
	}
	by := "before there was a policy"
	if !d.Plan.IsZero() {
		by = "by " + d.Plan.String()
	}
	row(w, "deleted", fmt.Sprintf("at %s %s", d.At, by))
	switch k := d.Kept; {
	case k == nil:
		row(w, "kept", "no policy that can be read says how long")
	case k.Left == 0:
		row(w, "kept", fmt.Sprintf("the retention of %s is over; nothing is purged yet", k.Retention.Duration()))
	default:
		row(w, "kept", fmt.Sprintf("until %s at the earliest: %s of %s are left, of counted time", k.Until, k.Left.Duration(), k.Retention.Duration()))
	}
	if d.Kept != nil {
		for _, lien := range d.Kept.Liens {
			row(w, "lien", fmt.Sprintf("%s since %s: kept until it is lifted", lien.Matter, lien.Since.Time))
		}
	}
	had := d.Had
	row(w, "it had", fmt.Sprintf("products %d, apps %d, members %d, groups %d, in %s", len(had.Products), len(had.Apps), had.Members, had.Groups, strings.TrimRight(had.Region+" "+had.Shard, " ")))
	for _, r := range had.Resources {
		row(w, "resource", r.Service, r.Kind, r.Name)
	}
}

func (a *app) tenantList() *cobra.Command {
	var w where
	var req api.TenantListRequest
	var status string
	var internal bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List tenants in the order of their ids",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req.Status = events.TenantStatus(status)
			if cmd.Flags().Changed("internal") {
				req.Internal = &internal
			}
			return query(a, cmd, w, services+"tenant.list", req, func(w *tabwriter.Writer, out api.TenantListResponse) {
				row(w, "TENANT", "STATUS", "URL", "ACCOUNT", "TIER", "REGION", "SHARD", "SEQ")
				for _, t := range out.Tenants {
					row(w, t.ID, t.Status, t.URL, t.Account, t.Tier, t.Region, t.Shard, t.Seq)
				}
				a.more(out.Next)
			})
		},
	}
	w.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&req.Shard, "shard", "", "on this shard; goes with no other condition")
	f.StringVar(&req.Region, "region", "", "in this region")
	f.TextVar(&req.Account, "account", events.AccountID{}, "of this account")
	f.StringVar(&status, "status", "", "active, deactivated or deleted")
	f.StringVar(&req.Tier, "tier", "", "of this tier")
	f.BoolVar(&internal, "internal", false, "the vendor's own, or with =false all others")
	pageFlags(cmd, &req.Limit, &req.Page)
	return cmd
}
