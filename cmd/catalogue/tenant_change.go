package main

import (
	"context"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"tenantcatalogue/events"
)

func (a *app) tenantCreate() *cobra.Command {
	var c change
	var id events.TenantID
	var newAccount string
	var p events.TenantCreated
	cmd := &cobra.Command{
		Use:   "create --url HOST --region REGION --tier TIER (--account ACCOUNT | --new-account NAME)",
		Short: "Create a tenant, and the account that owns it if need be",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.begin(); err != nil {
				return err
			}
			if id.IsZero() {
				id = events.DeriveID[events.TenantID](c.event.String())
			}
			if p.CloudID == uuid.Nil {
				p.CloudID = uuid.NewSHA1(c.event.UUID(), []byte("cloud_id"))
			}
			if newAccount != "" {
				p.Account = events.DeriveID[events.AccountID](c.event.String())
			}
			return a.createTenant(cmd.Context(), &c, id, p, newAccount)
		},
	}
	c.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&p.URL, "url", "", "host name, e.g. acme.example.net")
	f.TextVar(&p.Account, "account", events.AccountID{}, "the account that owns it")
	f.StringVar(&newAccount, "new-account", "", "create the account first, with this name")
	f.StringVar(&p.Region, "region", "", "where it lives")
	f.StringVar(&p.Shard, "shard", "", "where in the region")
	f.StringVar(&p.Residency, "residency", "", "the region that its data must not leave")
	f.StringVar(&p.Tier, "tier", "", "e.g. free, standard, premium")
	f.BoolVar(&p.Internal, "internal", false, "it is the vendor's own")
	f.TextVar(&id, "tenant", events.TenantID{}, "its id (default: a new one)")
	f.TextVar(&p.CloudID, "cloud-id", uuid.Nil, "the UUID its owner knows it by (default: a new one)")
	required(cmd, "url", "region", "tier")
	cmd.MarkFlagsOneRequired("account", "new-account")
	cmd.MarkFlagsMutuallyExclusive("account", "new-account")
	return cmd
}

func (a *app) createTenant(ctx context.Context, c *change, id events.TenantID, p events.TenantCreated, newAccount string) error {
	return c.with(ctx, func(ctx context.Context, r *remote) error {
		var list []changed
		if newAccount != "" {
			account := c.make(events.OfAccount(p.Account), events.AccountCreated{Name: events.Personal(newAccount)}, 0)
			account.ID = events.DeriveID[events.EventID](c.event.String(), "account")
			out, err := c.publish(ctx, r, account)
			if err != nil {
				return err
			}
			list = append(list, out)
		}
		created := c.make(events.OfTenant(id), p, 0)
		if c.dryRun && newAccount != "" {
			// Its account does not exist, so that nobody can decide it alone.
			list = append(list, changed{Subject: created.About, Type: created.Type(), DryRun: true, Event: &outsideEvent{created}})
			return a.printChanged(list...)
		}
		out, err := c.publish(ctx, r, created)
		if err != nil {
			return err
		}
		return a.printChanged(append(list, out)...)
	})
}

func (a *app) tenantConfigure() *cobra.Command {
	var c change
	var p events.TenantConfigured
	var flags map[string]string
	cmd := &cobra.Command{
		Use:               "configure TENANT",
		Short:             "Set or unset metadata and feature flags of a tenant",
		Args:              exactArgs("TENANT"),
		ValidArgsFunction: completeTenants(&c.where),
		RunE: func(cmd *cobra.Command, args []string) error {
			for key, value := range flags {
				if value != "true" && value != "false" {
					return usagef("--flag %s=%s: say true or false", key, value)
				}
				if p.Flags == nil {
					p.Flags = map[string]bool{}
				}
				p.Flags[key] = value == "true"
			}
			return a.ofTenant(cmd, &c, args[0], p)
		},
	}
	c.flags(cmd)
	f := cmd.Flags()
	f.StringToStringVar(&p.Metadata, "metadata", nil, "key=value, set")
	f.StringToStringVar(&flags, "flag", nil, "feature=true or feature=false")
	f.StringSliceVar(&p.Unset, "unset", nil, "keys to take away")
	cmd.MarkFlagsOneRequired("metadata", "flag", "unset")
	return cmd
}

func (a *app) tenantRename() *cobra.Command {
	var c change
	cmd := &cobra.Command{
		Use:               "rename TENANT URL",
		Short:             "Give a tenant another URL",
		Args:              exactArgs("TENANT", "URL"),
		ValidArgsFunction: completeTenants(&c.where),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ofTenant(cmd, &c, args[0], events.TenantRenamed{URL: args[1]})
		},
	}
	c.flags(cmd)
	return cmd
}

func (a *app) tenantRelocate() *cobra.Command {
	var c change
	var p events.TenantRelocated
	cmd := &cobra.Command{
		Use:               "relocate TENANT --region REGION --shard SHARD",
		Short:             "Move a tenant to another region or shard",
		Args:              exactArgs("TENANT"),
		ValidArgsFunction: completeTenants(&c.where),
		RunE:              func(cmd *cobra.Command, args []string) error { return a.ofTenant(cmd, &c, args[0], p) },
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&p.Region, "region", "", "where to; a residency pin refuses another region")
	cmd.Flags().StringVar(&p.Shard, "shard", "", "where in the region")
	required(cmd, "region", "shard")
	return cmd
}

// tenantWithReason is a command whose event says no more than why.
func (a *app) tenantWithReason(name, short string, payload func(why string) events.Payload) *cobra.Command {
	var c change
	var reason string
	cmd := &cobra.Command{
		Use:               name + " TENANT",
		Short:             short,
		Args:              exactArgs("TENANT"),
		ValidArgsFunction: completeTenants(&c.where),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ofTenant(cmd, &c, args[0], payload(reason))
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the history")
	return cmd
}
