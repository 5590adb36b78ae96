// Package bench measures the table of docs/PERFORMANCE.md on an embedded
// catalogue. A [Row] is one line of it: a function that measures something and,
// in the same run and under the same load, the bare part it rests on, with the
// targets it is held against.
//
//	publish.go   the write side, beside bare fsynced JetStream
//	visible.go   the write side with every view at work
//	read.go      lookups, as-of reads, queries, beside a bare Pebble and a bare request
//	stream.go    what reads or folds everything, beside the fastest bare read of the stream
//	restore.go   883 tenants, by themselves and under live traffic
//	process.go   a daemon in a process of its own: start, memory; bytes on disk
//	soak.go      everything at once, for minutes; only when it is named
//	beyond.go    what more tenants than one stream holds would rest on; only when it is named
//
// # Rules
//
// Both sides have the same number in flight. The bare side writes the very bytes
// that the catalogue stored, to a stream with the log's own configuration, its
// feed and its fsync included. Percentiles come from raw samples. Where a row is
// measured more than once, the least, the median and the greatest are shown, and
// a ratio is taken within a run, never between two. A row that cannot be
// measured says why; it does not disappear.
//
// # Data
//
// Rows work on a data set: a catalogue with the drill's tenants and mix of
// events, made once by [Prepare]. Rows that only read open it as serve would;
// those that write do so in a copy.
package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Row is one line of the table.
type Row struct {
	Name    string
	What    string
	Figures []Figure
	// OnlyNamed leaves the row out unless somebody asks for it by its name.
	OnlyNamed bool
	// Run measures once and gives a Value for each of Figures.
	Run func(ctx context.Context, e *Env) ([]Value, error)
}

// Figure is one number of a row.
type Figure struct {
	Name     string // within the row; empty for a row's only one
	Unit     string
	Baseline string // what is measured beside it, in words
	// Rival, when set, names the figure of the rivals that is the baseline.
	Rival  string
	Target Target
}

// Target is what a figure is held against; the zero Target is none.
type Target struct {
	Limit   float64
	Least   bool // the limit is the least that will do, not the most
	Ratio   bool // of the ratio to the baseline, not of the figure itself
	Tenants int  // the size it is meant for; on a smaller one it proves nothing
}

func atLeast(limit float64) Target      { return Target{Limit: limit, Least: true} }
func atMost(limit float64) Target       { return Target{Limit: limit} }
func ratioAtLeast(limit float64) Target { return Target{Limit: limit, Least: true, Ratio: true} }
func ratioAtMost(limit float64) Target  { return Target{Limit: limit, Ratio: true} }

// at says for how many tenants a target is meant.
func (t Target) at(tenants int) Target {
	t.Tenants = tenants
	return t
}

// IsZero tells whether there is no target.
func (t Target) IsZero() bool { return t.Limit == 0 }

// String is the target as the table shows it, e.g. ">= 0.8 x".
func (t Target) String() string {
	if t.IsZero() {
		return ""
	}
	sign, of, size := "<=", "", ""
	if t.Least {
		sign = ">="
	}
	if t.Ratio {
		of = " x"
	}
	if t.Tenants > 0 {
		size = fmt.Sprintf(" at %s tenants", grouped(t.Tenants))
	}
	return fmt.Sprintf("%s %s%s%s", sign, number(t.Limit), of, size)
}

// met holds a figure against the target.
func (t Target) met(v float64) bool {
	if t.Least {
		return v >= t.Limit
	}
	return v <= t.Limit
}

// Value is what one run found for a figure. A Baseline of 0 stands for none.
type Value struct{ Value, Baseline float64 }

// Rows is the table, in an order that opens and closes as little as can be: first
// what reads, then what writes, last what wants a process of its own.
func Rows() []Row {
	return slices.Concat(readRows(), streamRows(), diskRows(), publishRows(), visibleRows(), restoreRows(), processRows(), soakRows(), beyondRows())
}

// Choose gives the rows of those names, in the table's order; if there are none, all
// but those that want to be named. The error lists the names there are.
func Choose(names []string) ([]Row, error) {
	all := Rows()
	if len(names) == 0 {
		return slices.DeleteFunc(all, func(r Row) bool { return r.OnlyNamed }), nil
	}
	known := map[string]bool{}
	for _, r := range all {
		known[r.Name] = true
	}
	for _, name := range names {
		if !known[name] {
			return nil, fmt.Errorf("there is no row %q; there are: %s", name, strings.Join(rowNames(all), " "))
		}
	}
	return slices.DeleteFunc(all, func(r Row) bool { return !slices.Contains(names, r.Name) }), nil
}

func rowNames(rows []Row) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r.Name
	}
	return out
}
