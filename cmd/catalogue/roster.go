package main

import (
	"context"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
)

func (a *app) roster() *cobra.Command {
	cmd := group("roster", "Show and change who may approve; the roster is part of the policy")
	cmd.AddCommand(a.rosterList(), a.rosterAdd(), a.rosterRevoke())
	return cmd
}

func rosterTable(w *tabwriter.Writer, roster []events.RosterMember) {
	for _, m := range roster {
		row(w, m.Role, fmt.Sprintf("%s, key %s until %s", m.Person, deletion.KeyID(m.Key), m.Expires))
	}
}

func (a *app) rosterList() *cobra.Command {
	var w where
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the keys on the roster",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.with(cmd.Context(), func(ctx context.Context, r *remote) error {
				out, err := get[api.Policies](ctx, r, operators+"policy.show", struct{}{})
				if err != nil {
					return err
				}
				roster := append([]events.RosterMember{}, out.InForce.Policy.Roster...)
				return a.print(roster, func(w *tabwriter.Writer) { rosterTable(w, roster) })
			})
		},
	}
	w.flags(cmd)
	return cmd
}

// withRoster proposes the policy in force with another roster.
func (a *app) withRoster(cmd *cobra.Command, p proposing, change func([]events.RosterMember) ([]events.RosterMember, error)) error {
	return p.with(cmd.Context(), func(ctx context.Context, r *remote) error {
		out, err := get[api.Policies](ctx, r, operators+"policy.show", struct{}{})
		if err != nil {
			return err
		}
		policy := out.InForce.Policy
		if out.InForce.Version == 0 {
			return &client.Error{Code: client.ErrPolicy, Message: "there is no policy, and so no roster", Hint: "begin with catalogue policy show --default"}
		}
		if policy.Roster, err = change(policy.Roster); err != nil {
			return err
		}
		return a.propose(ctx, r, p, out, policy)
	})
}

func (a *app) rosterAdd() *cobra.Command {
	var p proposing
	cmd := &cobra.Command{
		Use:   "add FILE",
		Short: "Ask for a key to be put on the roster: what keygen -o json has printed",
		Args:  exactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			member, err := readPublic(args[0])
			if err != nil {
				return err
			}
			return a.withRoster(cmd, p, func(roster []events.RosterMember) ([]events.RosterMember, error) { return append(roster, member), nil })
		},
	}
	p.flags(cmd)
	return cmd
}

func (a *app) rosterRevoke() *cobra.Command {
	var p proposing
	cmd := &cobra.Command{
		Use:   "revoke KEY|PERSON",
		Short: "Take a key off the roster, or all of a person's; it counts at once, and ends every open plan",
		Args:  exactArgs("KEY or PERSON"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withRoster(cmd, p, func(roster []events.RosterMember) ([]events.RosterMember, error) {
				left := slices.DeleteFunc(slices.Clone(roster), func(m events.RosterMember) bool {
					return m.Person == args[0] || deletion.KeyID(m.Key) == args[0]
				})
				if len(left) == len(roster) {
					return nil, usagef("%s is neither a person nor a key on the roster; see catalogue roster list", args[0])
				}
				return left, nil
			})
		},
	}
	p.flags(cmd)
	return cmd
}
