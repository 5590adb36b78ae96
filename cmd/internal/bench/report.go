package bench

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Result is a figure with its verdict. Of several runs Value, BaselineValue and
// Ratio are the medians; Ratio is taken in each run before.
type Result struct {
	Name          string   `json:"name"` // row, or row/figure
	Value         *float64 `json:"value"`
	Unit          string   `json:"unit"`
	Baseline      string   `json:"baseline,omitzero"` // what it is held beside
	BaselineValue *float64 `json:"baseline_value"`
	Ratio         *float64 `json:"ratio"`
	Target        string   `json:"target,omitzero"`
	Met           *bool    `json:"met"` // null: no target, or nothing to hold against it
	Range         *Range   `json:"range,omitzero"`
	Tenants       int      `json:"tenants"`
	Runs          int      `json:"runs"`
	Note          string   `json:"note,omitzero"` // why something is missing
}

// Range is the least and the greatest of several runs.
type Range struct {
	Value [2]float64  `json:"value"`
	Ratio *[2]float64 `json:"ratio,omitzero"`
}

// Report is the table, with what it was measured on.
type Report struct {
	Began   time.Time `json:"began"`
	Machine Machine   `json:"machine"`
	Rows    []Result  `json:"rows"`
}

// Failed are the figures that could not be measured.
func (r Report) Failed() (out []string) {
	for _, row := range r.Rows {
		if row.Value == nil {
			out = append(out, row.Name)
		}
	}
	return out
}

// results judges a row after its runs; failed is why there are none, or fewer
// than asked for.
func results(row Row, size int, runs [][]Value, rivals *Rivals, failed error) []Result {
	out := make([]Result, len(row.Figures))
	for i, f := range row.Figures {
		values := make([]Value, len(runs))
		for k, run := range runs {
			values[k] = run[i]
		}
		out[i] = judge(row.Name, f, size, values, rivals)
		if failed != nil {
			out[i].Note = strings.TrimPrefix(out[i].Note+"; "+failed.Error(), "; ")
		}
	}
	return out
}

// judge makes the result of one figure.
func judge(row string, f Figure, size int, values []Value, rivals *Rivals) Result {
	r := Result{Name: row, Unit: f.Unit, Baseline: f.Baseline, Target: f.Target.String(), Tenants: size, Runs: len(values)}
	if f.Name != "" {
		r.Name += "/" + f.Name
	}
	if len(values) == 0 {
		return r
	}
	if f.Rival != "" {
		rival, why := rivals.find(f.Rival, size)
		r.Note = why
		for i := range values {
			values[i].Baseline = rival
		}
	}
	of := func(pick func(Value) float64) []float64 {
		out := make([]float64, len(values))
		for i, v := range values {
			out[i] = pick(v)
		}
		slices.Sort(out)
		return out
	}
	value := of(func(v Value) float64 { return v.Value })
	if slices.ContainsFunc(value, math.IsNaN) {
		r.Note = "a run had no sample of it"
		return r
	}
	r.Value = new(median(value))
	r.Range = &Range{Value: ends(value)}
	held := *r.Value
	if values[0].Baseline != 0 {
		ratio := of(func(v Value) float64 { return v.Value / v.Baseline })
		r.BaselineValue = new(median(of(func(v Value) float64 { return v.Baseline })))
		r.Ratio = new(median(ratio))
		r.Range.Ratio = new(ends(ratio))
	}
	if f.Target.Ratio && r.Ratio != nil {
		held = *r.Ratio
	}
	switch {
	case f.Target.IsZero() || f.Target.Ratio && r.Ratio == nil:
	case size < f.Target.Tenants:
		r.Note = strings.TrimPrefix(r.Note+"; not judged: the target is for "+grouped(f.Target.Tenants)+" tenants", "; ")
	default:
		r.Met = new(f.Target.met(held))
	}
	return r
}

// median of sorted values; of an even number, the mean of the two in the middle.
func median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

func ends(sorted []float64) [2]float64 { return [2]float64{sorted[0], sorted[len(sorted)-1]} }

// samples are how long single calls took.
type samples []time.Duration

// percentile is the smallest sample that p of 100 do not exceed (nearest rank);
// 0 without samples.
func (s samples) percentile(p float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// p99 is the 99th percentile in ms; not a number without samples.
func (s samples) p99() float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	return millis(s.percentile(99))
}

// micros and millis are a duration as a figure.
func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// rate is how many a second.
func rate(n int, took time.Duration) float64 { return float64(n) / took.Seconds() }

// number is a figure with three significant digits, thousands grouped.
func number(v float64) string {
	if v >= 1000 {
		return grouped(int(math.Round(v)))
	}
	digits := 2 - int(math.Floor(math.Log10(math.Max(v, 1e-3))))
	text := strconv.FormatFloat(v, 'f', max(digits, 0), 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// grouped is a number as people write it, e.g. 20,000.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Number is a figure as the table shows it; "-" for none.
func Number(v *float64) string {
	if v == nil {
		return "-"
	}
	return number(*v)
}

// Spread is min/median/max of several runs, the figure alone of one.
func (r Result) Spread() string {
	if r.Value == nil || r.Runs < 2 {
		return Number(r.Value)
	}
	return fmt.Sprintf("%s/%s/%s", number(r.Range.Value[0]), Number(r.Value), number(r.Range.Value[1]))
}

// RatioSpread is Spread of the ratio.
func (r Result) RatioSpread() string {
	if r.Ratio == nil || r.Runs < 2 || r.Range.Ratio == nil {
		return Number(r.Ratio)
	}
	return fmt.Sprintf("%s/%s/%s", number(r.Range.Ratio[0]), Number(r.Ratio), number(r.Range.Ratio[1]))
}

// Verdict is the target as met, missed or open.
func (r Result) Verdict() string {
	switch {
	case r.Value == nil:
		return "NOT MEASURED"
	case r.Target == "":
		return ""
	case r.Met == nil:
		return "open"
	case *r.Met:
		return "met"
	}
	return "MISSED"
}
