package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tenantcatalogue/cmd/internal/api"
)

func (a *app) verify() *cobra.Command {
	var w where
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Fold the whole log again and hold every view against it",
		Long: `Folds the whole log again, independently, checks it in itself (gaps, ids that come twice,
events that cannot be read), and compares every row of every view and of the write side's
store with the fold, while the catalogue goes on. What it has proven, certificates go on from.

Events that the rules of deletion refuse where they stand, and that every view passes over,
are told of; they are no difference. Somebody has written past the catalogue.

Exit code 6 when anything differs.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.with(cmd.Context(), a.runVerify)
		},
	}
	w.flags(cmd)
	return cmd
}

func (a *app) runVerify(ctx context.Context, r *remote) error {
	newProgress(a.Err).line("folding the log of %s again", r.from)
	raw, err := r.ask(ctx, operators+"verify", struct{}{})
	if err != nil {
		return err
	}
	var out api.VerifyResponse
	if err := decode(raw, &out); err != nil {
		return err
	}
	err = a.print(raw, func(w *tabwriter.Writer) {
		row(w, "VIEW", "SEQ", "ROWS", "DIGEST", "")
		for _, v := range out.Views {
			verdict := "equal to a fold of the log"
			switch v.RebuiltDigest {
			case v.Digest:
			case "":
				verdict = "not compared: the history it is made from differs"
			default:
				verdict = "DIFFERS from a fold of the log"
			}
			row(w, v.Name, v.Seq, v.Rows, fmt.Sprintf("%.12s…", v.Digest), verdict)
		}
		for _, f := range out.PassedOver {
			row(w, "PASSED OVER", f)
		}
		for _, f := range out.Faults {
			row(w, "FAULT", f)
		}
	})
	if err == nil && !out.OK {
		err = fmt.Errorf("%w: %d faults; rebuild a view that differs, and keep a copy of everything first when it is the log itself",
			errDifferences, len(out.Faults))
	}
	return err
}
