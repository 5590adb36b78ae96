package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tenantcatalogue/cmd/internal/bench"
	"tenantcatalogue/replay/drill"
)

// benchFlags are the command's.
type benchFlags struct {
	tenants, runs                     int
	data                              []string
	prepare, export, rivals, profiles string
	list                              bool
	soak                              time.Duration
}

// benchTenants is the size that the table is about.
const benchTenants = 100_000

func (a *app) bench() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench [ROW...]",
		Short: "Measure the catalogue, each figure beside the bare part it rests on",
		Long: `Measures the table of docs/PERFORMANCE.md on an embedded catalogue: every row that is
named, or all, each beside a bare baseline taken in the same run, and holds it against its
target. A target that is missed is reported; only a row that could not be measured at all
makes the command fail.

Rows work on a data set, which takes a while to make: make it once with --prepare DIR and
name it with --data DIR. Given several sizes, all are measured and their growth is judged.`,
		Example: `  catalogue bench --list
  catalogue bench --prepare /var/tmp/bench-100k
  catalogue bench --data /var/tmp/bench-100k publish-one restore`,
		RunE: func(cmd *cobra.Command, args []string) error {
			rows, err := bench.Choose(args)
			if err != nil {
				return usage(err)
			}
			switch {
			case f.list:
				return a.listBench(rows)
			case f.runs < 1:
				return usagef("--runs %d: at least 1", f.runs)
			case f.soak < 10*time.Second:
				return usagef("--soak %s: at least 10s", f.soak)
			}
			return a.runBench(cmd.Context(), rows, f)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&f.tenants, "tenants", benchTenants, "how many tenants, with some 20 events each, a data set has that is made")
	flags.StringSliceVar(&f.data, "data", nil, "data set to measure on, made by --prepare (default: a temporary one); may be given several times")
	flags.StringVar(&f.prepare, "prepare", "", "make a data set in this directory, measure nothing")
	flags.StringVar(&f.export, "export", "", "write the data set into this directory as files for a database, measure nothing")
	flags.StringVar(&f.rivals, "rivals", "", "figures of others, a file that make bench-rivals writes, to take ratios from")
	flags.StringVar(&f.profiles, "profiles", "", "write a CPU profile of each row into this directory")
	flags.IntVar(&f.runs, "runs", 3, "how often to measure each row; the least, the median and the greatest are shown")
	flags.DurationVar(&f.soak, "soak", 10*time.Minute, "how long the row soak takes, which is measured only when it is named")
	flags.BoolVar(&f.list, "list", false, "list the rows with their targets, measure nothing")
	return cmd
}

func (a *app) listBench(rows []bench.Row) error {
	type figure struct {
		Name     string `json:"name"`
		What     string `json:"what"`
		Unit     string `json:"unit"`
		Baseline string `json:"baseline,omitzero"`
		Target   string `json:"target,omitzero"`
	}
	var list []figure
	for _, r := range rows {
		for _, f := range r.Figures {
			name := strings.TrimSuffix(r.Name+"/"+f.Name, "/")
			list = append(list, figure{name, r.What, f.Unit, f.Baseline, f.Target.String()})
		}
	}
	return a.print(map[string]any{"rows": list}, func(w *tabwriter.Writer) {
		row(w, "FIGURE", "UNIT", "TARGET", "BESIDE", "WHAT")
		for _, f := range list {
			row(w, f.Name, f.Unit, f.Target, f.Baseline, f.What)
		}
	})
}

func (a *app) runBench(ctx context.Context, rows []bench.Row, f benchFlags) (err error) {
	p := newProgress(a.Err)
	tell := drill.Tell{Line: p.line, Progress: p.at}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	opts := bench.Options{Rows: rows, Runs: f.runs, Program: []string{program}, Profiles: f.profiles, Soak: f.soak, Tell: tell}
	if f.rivals != "" {
		if opts.Rivals, err = bench.ReadRivals(f.rivals); err != nil {
			return usage(err)
		}
	}
	if f.prepare != "" {
		d, err := bench.Prepare(ctx, f.prepare, f.tenants, tell)
		p.clear()
		if err != nil {
			return err
		}
		return a.print(d, func(w *tabwriter.Writer) {
			row(w, "data set", f.prepare)
			row(w, "tenants", d.Tenants)
			row(w, "events", d.Events)
			row(w, "made in", fmt.Sprintf("%.0f s", d.Seconds))
		})
	}
	datasets, remove, err := benchData(ctx, f, tell)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	opts.Datasets = datasets
	if f.export != "" {
		return datasets[0].Export(ctx, f.export, tell)
	}
	report, err := bench.Run(ctx, opts)
	p.clear()
	if err != nil {
		return err
	}
	if err := a.print(report, func(w *tabwriter.Writer) { benchTable(w, report) }); err != nil {
		return err
	}
	if failed := report.Failed(); len(failed) > 0 {
		return fmt.Errorf("%d figures could not be measured: %s", len(failed), strings.Join(failed, " "))
	}
	return nil
}

// benchData opens the data sets that are named, or makes one for this time.
func benchData(ctx context.Context, f benchFlags, tell drill.Tell) (list []bench.Dataset, remove func() error, err error) {
	for _, dir := range f.data {
		d, err := bench.OpenDataset(dir)
		if err != nil {
			return nil, nil, usage(err)
		}
		list = append(list, d)
	}
	if len(list) > 0 {
		return list, func() error { return nil }, nil
	}
	dir, err := os.MkdirTemp("", "catalogue-bench-")
	if err != nil {
		return nil, nil, err
	}
	d, err := bench.Prepare(ctx, dir, f.tenants, tell)
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return []bench.Dataset{d}, func() error { return os.RemoveAll(dir) }, nil
}

func benchTable(w *tabwriter.Writer, r bench.Report) {
	row(w, r.Machine)
	row(w, "FIGURE", "TENANTS", "VALUE", "UNIT", "RATIO", "BASELINE", "TARGET", "", "BESIDE")
	for _, f := range r.Rows {
		beside := f.Baseline
		if f.Note != "" {
			beside = strings.TrimPrefix(beside+"; "+f.Note, "; ")
		}
		row(w, f.Name, f.Tenants, f.Spread(), f.Unit, f.RatioSpread(), bench.Number(f.BaselineValue), f.Target, f.Verdict(), beside)
	}
}
