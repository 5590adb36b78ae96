package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"

	"tenantcatalogue/replay/drill"
)

// Options say how to run rows.
type Options struct {
	Rows     []Row
	Runs     int       // of each row, from 1
	Datasets []Dataset // all rows on each, from the smallest
	Program  []string  // the catalogue's own command, for rows that want a process
	Profiles string    // directory for a CPU profile of each row; empty: none
	Rivals   *Rivals   // figures to take ratios from; nil: none
	Soak     time.Duration
	Tell     drill.Tell
}

// Run measures rows and judges them. A row that cannot be measured is in the
// Report with the reason; the error is for what ends everything.
func Run(ctx context.Context, opts Options) (Report, error) {
	report := Report{Began: time.Now(), Machine: machine()}
	for _, d := range opts.Datasets {
		e, err := newEnv(d, opts)
		if err != nil {
			return report, err
		}
		if d.dir == "" {
			return report, errors.New("a data set without a directory")
		}
		rows, err := e.measureAll(ctx, opts)
		report.Rows = append(report.Rows, rows...)
		if err := errors.Join(err, e.close(ctx)); err != nil {
			return report, err
		}
	}
	report.Rows = append(report.Rows, growth(report.Rows)...)
	return report, nil
}

func (e *Env) measureAll(ctx context.Context, opts Options) (out []Result, err error) {
	for i, row := range opts.Rows {
		e.say("%s (%d of %d), %s tenants: %s", row.Name, i+1, len(opts.Rows), grouped(e.Tenants), row.What)
		stop, err := e.profile(opts.Profiles, row.Name)
		if err != nil {
			return out, err
		}
		runs, failed := e.measure(ctx, row, opts.Runs)
		if err := errors.Join(stop(), ctx.Err()); err != nil {
			return out, err
		}
		if failed != nil {
			// Whatever it left open or half-written is not to spoil the next.
			failed = errors.Join(failed, e.discard(ctx))
		}
		for _, r := range results(row, e.Tenants, runs, opts.Rivals, failed) {
			e.say("  %s", r.line())
			out = append(out, r)
		}
	}
	return out, nil
}

// measure runs a row several times.
func (e *Env) measure(ctx context.Context, row Row, n int) (runs [][]Value, err error) {
	for i := range n {
		values, err := row.Run(ctx, e)
		if err == nil && len(values) != len(row.Figures) {
			err = fmt.Errorf("the row has %d figures and gave %d", len(row.Figures), len(values))
		}
		if err != nil {
			return runs, fmt.Errorf("run %d of %d: %w", i+1, n, err)
		}
		runs = append(runs, values)
		runtime.GC() // what one run leaves behind is not the next one's to clear away
	}
	return runs, nil
}

// profile begins a CPU profile of a row.
func (e *Env) profile(dir, row string) (stop func() error, err error) {
	if dir == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s-%d.pprof", row, e.Tenants)))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

func (e *Env) say(format string, args ...any) {
	if e.tell.Line != nil {
		e.tell.Line(format, args...)
	}
}

func (e *Env) progress(done, of int) {
	if e.tell.Progress != nil {
		e.tell.Progress(done, of)
	}
}

// line is a result for people to read while the rest goes on.
func (r Result) line() string {
	text := fmt.Sprintf("%s %s %s", r.Name, r.Spread(), r.Unit)
	if r.Ratio != nil {
		text += fmt.Sprintf(", %s x %s (%s)", r.RatioSpread(), r.Baseline, Number(r.BaselineValue))
	}
	if r.Target != "" {
		text += fmt.Sprintf(", target %s: %s", r.Target, r.Verdict())
	}
	if r.Note != "" {
		text += " (" + r.Note + ")"
	}
	return text
}

// What is held to grow little with the catalogue, and by how much.
const (
	growthFigure = "restore/apply"
	growthLimit  = 1.3
)

// growth compares the smallest with the largest data set.
func growth(rows []Result) []Result {
	var small, large *Result
	for i := range rows {
		r := &rows[i]
		if r.Name != growthFigure || r.Value == nil {
			continue
		}
		if small == nil || r.Tenants < small.Tenants {
			small = r
		}
		if large == nil || r.Tenants > large.Tenants {
			large = r
		}
	}
	if small == nil || small.Tenants == large.Tenants {
		return nil
	}
	ratio, target := *large.Value / *small.Value, ratioAtMost(growthLimit)
	return []Result{{
		Name: growthFigure + "/growth", Value: large.Value, Unit: large.Unit, BaselineValue: small.Value,
		Baseline: fmt.Sprintf("the same at %s tenants", grouped(small.Tenants)),
		Ratio:    &ratio, Target: target.String(), Met: new(target.met(ratio)), Tenants: large.Tenants, Runs: large.Runs, Range: large.Range,
	}}
}
