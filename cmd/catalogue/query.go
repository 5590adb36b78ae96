package main

import (
	"context"
	"encoding"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tenantcatalogue/cmd/internal/api"
)

// query asks the daemon and prints the answer: as JSON and YAML just as it came,
// so that the fields are the API's, as a table what the function makes of it.
func query[Out any](a *app, cmd *cobra.Command, w where, subject string, in any, table func(*tabwriter.Writer, Out)) error {
	return w.with(cmd.Context(), func(ctx context.Context, r *remote) error {
		raw, err := r.ask(ctx, subject, in)
		if err != nil {
			return err
		}
		return show(a, raw, table)
	})
}

func show[Out any](a *app, raw json.RawMessage, table func(*tabwriter.Writer, Out)) error {
	var out Out
	if a.output == outputTable {
		if err := decode(raw, &out); err != nil {
			return err
		}
	}
	return a.print(raw, func(w *tabwriter.Writer) { table(w, out) })
}

func decode(raw []byte, into any) error {
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("the daemon's answer is not what this version of the program knows: %w; see catalogue version", err)
	}
	return nil
}

// more says on stderr how to get the next page of a table.
func (a *app) more(next string) {
	if next != "" {
		a.say("there is more: the same command with --page %s", next)
	}
}

func pageFlags(cmd *cobra.Command, limit *int, page *string) {
	cmd.Flags().IntVar(limit, "limit", 0, "at most so many in an answer (default 100)")
	cmd.Flags().StringVar(page, "page", "", "next of the page before")
}

// exactArgs wants one argument of each name.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return usagef("%s wants %s; %d arguments were given", cmd.CommandPath(), strings.Join(names, " and "), len(args))
		}
		return nil
	}
}

// required marks flags without which the command cannot run.
func required(cmd *cobra.Command, flags ...string) {
	for _, name := range flags {
		_ = cmd.MarkFlagRequired(name) // of a flag that is there, it cannot fail
	}
}

// parse reads an argument of the command line.
func parse(name, text string, into encoding.TextUnmarshaler) error {
	if err := into.UnmarshalText([]byte(text)); err != nil {
		return usagef("%s: %w", name, err)
	}
	return nil
}

// completeTenants offers the ids of tenants that there are.
func completeTenants(w *where) cobra.CompletionFunc {
	return complete(w, func(ctx context.Context, r *remote) (found []cobra.Completion, err error) {
		out, err := get[api.TenantListResponse](ctx, r, services+"tenant.list", api.TenantListRequest{Limit: 1000})
		for _, t := range out.Tenants {
			found = append(found, cobra.CompletionWithDesc(t.ID.String(), t.URL))
		}
		return found, err
	})
}

// complete offers what the daemon has for the first argument.
func complete(w *where, list func(context.Context, *remote) ([]cobra.Completion, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
		defer cancel()
		var found []cobra.Completion
		err := w.with(ctx, func(ctx context.Context, r *remote) (err error) {
			found, err = list(ctx, r)
			return err
		})
		if err != nil {
			return nil, cobra.ShellCompDirectiveError | cobra.ShellCompDirectiveNoFileComp
		}
		return slices.DeleteFunc(found, func(c cobra.Completion) bool { return !strings.HasPrefix(c, begun) }), cobra.ShellCompDirectiveNoFileComp
	}
}
