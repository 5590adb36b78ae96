package main

import (
	"github.com/spf13/cobra"

	"tenantcatalogue/events"
)

func (a *app) product() *cobra.Command {
	cmd := group("product", "Publish what happens to a tenant's products")
	cmd.AddCommand(a.productActivate(), a.productLicense(),
		a.productWithReason("deactivate", "End the use of a product; its data stays", func(id events.ProductID, why string) events.Payload {
			return events.ProductDeactivated{Product: id, Reason: why}
		}),
		a.productWithReason("suspend", "Stop an active product for a while", func(id events.ProductID, why string) events.Payload {
			return events.ProductSuspended{Product: id, Reason: why}
		}), a.productUnsuspend())
	return cmd
}

func (a *app) productActivate() *cobra.Command {
	var c change
	var p events.ProductActivated
	cmd := &cobra.Command{
		Use:               "activate TENANT (--name NAME | --product PRODUCT)",
		Short:             "Begin a product of a tenant, or activate one again",
		Args:              exactArgs("TENANT"),
		ValidArgsFunction: completeTenants(&c.where),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.begin(); err != nil {
				return err
			}
			if p.Product.IsZero() {
				p.Product = events.DeriveID[events.ProductID](c.event.String())
			}
			return a.ofTenant(cmd, &c, args[0], p)
		},
	}
	c.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&p.Name, "name", "", "which product, e.g. issue-tracker")
	f.TextVar(&p.Product, "product", events.ProductID{}, "its id (default: a new one)")
	f.StringVar(&p.Edition, "edition", "", "of the licence")
	f.Uint64Var(&p.Seats, "seats", 0, "of the licence")
	cmd.MarkFlagsOneRequired("name", "product")
	return cmd
}

func (a *app) productLicense() *cobra.Command {
	var c change
	var p events.ProductLicenseUpdated
	cmd := &cobra.Command{
		Use:               "license TENANT PRODUCT --edition EDITION --seats N",
		Short:             "Change the licence of a product",
		Args:              exactArgs("TENANT", "PRODUCT"),
		ValidArgsFunction: completeTenants(&c.where),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := parse("PRODUCT", args[1], &p.Product); err != nil {
				return err
			}
			return a.ofTenant(cmd, &c, args[0], p)
		},
	}
	c.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&p.Edition, "edition", "", "e.g. standard")
	f.Uint64Var(&p.Seats, "seats", 0, "how many users it is for")
	f.BoolVar(&p.Active, "active", true, "whether the licence is active")
	required(cmd, "edition", "seats")
	return cmd
}

func (a *app) productUnsuspend() *cobra.Command {
	var c change
	cmd := &cobra.Command{
		Use:               "unsuspend TENANT PRODUCT",
		Short:             "Lift the suspension of a product",
		Args:              exactArgs("TENANT", "PRODUCT"),
		ValidArgsFunction: completeTenants(&c.where),
		RunE: func(cmd *cobra.Command, args []string) error {
			var id events.ProductID
			if err := parse("PRODUCT", args[1], &id); err != nil {
				return err
			}
			return a.ofTenant(cmd, &c, args[0], events.ProductUnsuspended{Product: id})
		},
	}
	c.flags(cmd)
	return cmd
}

func (a *app) productWithReason(name, short string, payload func(events.ProductID, string) events.Payload) *cobra.Command {
	var c change
	var reason string
	cmd := &cobra.Command{
		Use:               name + " TENANT PRODUCT",
		Short:             short,
		Args:              exactArgs("TENANT", "PRODUCT"),
		ValidArgsFunction: completeTenants(&c.where),
		RunE: func(cmd *cobra.Command, args []string) error {
			var id events.ProductID
			if err := parse("PRODUCT", args[1], &id); err != nil {
				return err
			}
			return a.ofTenant(cmd, &c, args[0], payload(id, reason))
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the history")
	return cmd
}

func (a *app) apps() *cobra.Command {
	cmd := group("app", "Publish what happens to a tenant's apps")
	cmd.AddCommand(a.appInstall())
	return cmd
}

func (a *app) appInstall() *cobra.Command {
	var c change
	var p events.AppInstalled
	cmd := &cobra.Command{
		Use:               "install TENANT --name NAME",
		Short:             "Install an app into a tenant",
		Args:              exactArgs("TENANT"),
		ValidArgsFunction: completeTenants(&c.where),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.begin(); err != nil {
				return err
			}
			if p.App.IsZero() {
				p.App = events.DeriveID[events.AppID](c.event.String())
			}
			return a.ofTenant(cmd, &c, args[0], p)
		},
	}
	c.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&p.Name, "name", "", "which app, e.g. asset-tracker")
	f.StringVar(&p.Version, "version", "", "of the app")
	f.TextVar(&p.App, "app", events.AppID{}, "its id (default: a new one)")
	required(cmd, "name")
	return cmd
}
