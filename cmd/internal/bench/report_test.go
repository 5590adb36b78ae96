package bench

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	hundred := make(samples, 100)
	for i := range hundred {
		hundred[99-i] = time.Duration(i + 1) // 1 to 100, not in order
	}
	for _, c := range []struct {
		of   samples
		p    float64
		want time.Duration
	}{
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 99.5, 100},
		{hundred, 0, 1},
		{hundred, 100, 100},
		{samples{7}, 99, 7},
		{samples{3, 1, 2}, 50, 2},
		{nil, 50, 0},
	} {
		if got := c.of.percentile(c.p); got != c.want {
			t.Errorf("percentile %v of %d samples is %d, not %d", c.p, len(c.of), got, c.want)
		}
	}
}

// TestPercentileOfAny holds the definition: it is a sample, at least p of 100 do
// not exceed it, and fewer than that lie below it.
func TestPercentileOfAny(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := samples(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.IntRange(0, 50).Draw(t, "took"))
		}), 1, 200).Draw(t, "samples"))
		p := rapid.Float64Range(0.1, 100).Draw(t, "p")
		got := s.percentile(p)
		upTo, below := 0, 0
		for _, d := range s {
			if d <= got {
				upTo++
			}
			if d < got {
				below++
			}
		}
		need := p / 100 * float64(len(s))
		if !slices.Contains(s, got) || float64(upTo) < need-1e-9 || float64(below) >= need+1e-9 {
			t.Fatalf("percentile %v of %v is %d", p, s, got)
		}
	})
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sorted []float64
		want   float64
	}{{[]float64{4}, 4}, {[]float64{1, 9}, 5}, {[]float64{1, 2, 9}, 2}} {
		if got := median(c.sorted); got != c.want {
			t.Errorf("the median of %v is %v", c.sorted, got)
		}
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{
		0: "0", 0.0712: "0.0712", 0.5: "0.5", 1: "1", 1.234: "1.23", 12.34: "12.3", 123.4: "123", 999.6: "1000", 1234.5: "1,235", 2_000_000: "2,000,000",
	} {
		if got := number(v); got != want {
			t.Errorf("%v is shown as %s, not %s", v, got, want)
		}
	}
}

// TestJudge judges three runs of which each was paired with a baseline of its own.
func TestJudge(t *testing.T) {
	t.Parallel()
	runs := []Value{{100, 50}, {90, 100}, {110, 100}} // ratios 2, 0.9, 1.1
	for name, c := range map[string]struct {
		figure  Figure
		size    int
		rivals  *Rivals
		ratio   float64 // 0: none
		verdict string
		note    string
	}{
		"a ratio that is met":         {figure: Figure{Target: ratioAtMost(1.2)}, ratio: 1.1, verdict: "met"},
		"a ratio that is missed":      {figure: Figure{Target: ratioAtLeast(1.2)}, ratio: 1.1, verdict: "MISSED"},
		"a limit that is met":         {figure: Figure{Target: atLeast(100)}, ratio: 1.1, verdict: "met"},
		"a limit that is missed":      {figure: Figure{Target: atMost(99)}, ratio: 1.1, verdict: "MISSED"},
		"no target":                   {ratio: 1.1},
		"too small to be judged":      {figure: Figure{Target: atMost(200).at(1000)}, size: 999, ratio: 1.1, verdict: "open", note: "not judged: the target is for 1,000 tenants"},
		"large enough":                {figure: Figure{Target: atMost(200).at(1000)}, size: 1000, ratio: 1.1, verdict: "met"},
		"a rival that was not there":  {figure: Figure{Rival: "x", Target: ratioAtLeast(2)}, verdict: "open", note: "rival not measured: run make bench-rivals"},
		"a rival":                     {figure: Figure{Rival: "x", Target: ratioAtLeast(2)}, rivals: &Rivals{Figures: map[string]float64{"x": 50}}, ratio: 2, verdict: "met"},
		"a rival of another size":     {figure: Figure{Rival: "x"}, size: 7, rivals: &Rivals{Figures: map[string]float64{"x": 50}}, ratio: 2, note: "the rival had 0 tenants"},
		"a rival without that figure": {figure: Figure{Rival: "x", Target: atLeast(2)}, rivals: &Rivals{}, verdict: "met", note: "the rivals have no x"},
	} {
		r := judge("row", c.figure, c.size, slices.Clone(runs), c.rivals)
		if r.Verdict() != c.verdict || r.Note != c.note || *r.Value != 100 || r.Range.Value != [2]float64{90, 110} {
			t.Errorf("%s: %+v, %s, %s", name, r, r.Verdict(), r.Note)
		}
		if (r.Ratio == nil) != (c.ratio == 0) || r.Ratio != nil && math.Abs(*r.Ratio-c.ratio) > 1e-9 {
			t.Errorf("%s: the ratio is %v, not %v", name, Number(r.Ratio), c.ratio)
		}
	}
}

// TestNotMeasured wants a row that failed to stay in the table.
func TestNotMeasured(t *testing.T) {
	t.Parallel()
	row := Row{Name: "publish", Figures: []Figure{{Name: "p50", Unit: "ms", Target: atMost(5)}, {Unit: "s"}}}
	got := results(row, 10, nil, nil, errors.New("no disk"))
	report := Report{Rows: got}
	if diff := cmp.Diff([]string{"publish/p50", "publish"}, report.Failed()); diff != "" {
		t.Error(diff)
	}
	for _, r := range got {
		if r.Verdict() != "NOT MEASURED" || r.Note != "no disk" || r.Met != nil {
			t.Errorf("%+v", r)
		}
	}
}

// TestNoSample wants a figure of which a run had no sample not to be a number.
func TestNoSample(t *testing.T) {
	t.Parallel()
	r := judge("row", Figure{Unit: "ms", Target: ratioAtMost(1.5)}, 10, []Value{{3, 2}, {samples(nil).p99(), 2}}, nil)
	if r.Value != nil || r.Ratio != nil || r.Met != nil || r.Note == "" {
		t.Errorf("%+v", r)
	}
}

// TestJSON pins the names that others read.
func TestJSON(t *testing.T) {
	t.Parallel()
	r := judge("row", Figure{Name: "p50", Unit: "ms", Baseline: "bare", Target: ratioAtMost(2)}, 10, []Value{{3, 2}}, nil)
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"name":"row/p50","value":3,"unit":"ms","baseline":"bare","baseline_value":2,"ratio":1.5,"target":"\u003c= 2 x","met":true,` +
		`"range":{"value":[3,3],"ratio":[1.5,1.5]},"tenants":10,"runs":1}`
	if diff := cmp.Diff(want, string(raw)); diff != "" {
		t.Error(diff)
	}
	raw, err = json.Marshal(judge("row", Figure{Unit: "s"}, 10, []Value{{Value: 1}}, nil))
	if err != nil {
		t.Fatal(err)
	}
	want = `{"name":"row","value":1,"unit":"s","baseline_value":null,"ratio":null,"met":null,"range":{"value":[1,1]},"tenants":10,"runs":1}`
	if diff := cmp.Diff(want, string(raw)); diff != "" {
		t.Error(diff)
	}
}

func TestGrowth(t *testing.T) {
	t.Parallel()
	at := func(tenants int, v float64) Result {
		return Result{Name: growthFigure, Value: &v, Tenants: tenants, Unit: "s", Runs: 1}
	}
	if got := growth([]Result{at(10, 1)}); got != nil {
		t.Errorf("growth of one size: %+v", got)
	}
	got := growth([]Result{at(1000, 1.2), at(10, 1), at(100, 5)})
	if len(got) != 1 || *got[0].Ratio != 1.2 || got[0].Verdict() != "met" || got[0].Tenants != 1000 {
		t.Errorf("%+v", got)
	}
}

// TestRows holds the table to what its readers rely on.
func TestRows(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, r := range Rows() {
		if r.Name == "" || r.What == "" || r.Run == nil || len(r.Figures) == 0 {
			t.Errorf("row %q is not whole", r.Name)
		}
		for _, f := range r.Figures {
			name := r.Name + "/" + f.Name
			if names[name] || f.Unit == "" {
				t.Errorf("figure %s is there twice or has no unit", name)
			}
			names[name] = true
			if f.Target.Ratio && f.Baseline == "" {
				t.Errorf("figure %s has a ratio to nothing as its target", name)
			}
		}
	}
	if _, err := Choose([]string{"no-such-row"}); err == nil {
		t.Error("a row that does not exist is chosen")
	}
	if some, err := Choose([]string{"verify", "as-of"}); err != nil || len(some) != 2 || some[0].Name != "as-of" {
		t.Errorf("chosen: %v, %v", rowNames(some), err)
	}
}
