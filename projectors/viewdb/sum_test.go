package viewdb_test

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tenantcatalogue/projectors/viewdb"
)

// A Sum tells which rows are there and not in what order they came, and rows can
// be taken away again; a Tally that differs names the bin of what differs.
func TestSum(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.MapOfN(rapid.StringN(1, 8, 8), rapid.String(), 1, 20).Draw(rt, "rows")
		var all, odd, even viewdb.Tally
		n := 0
		for key, value := range rows { // in any order
			all.Add([]byte(key), []byte(value))
			if n++; n%2 == 0 {
				even.Add([]byte(key), []byte(value))
			} else {
				odd.Add([]byte(key), []byte(value))
			}
		}
		whole := all.Sum()
		if whole.Rows != int64(len(rows)) {
			rt.Fatalf("%d rows, not %d", whole.Rows, len(rows))
		}
		if whole.Minus(odd.Sum()) != even.Sum() {
			rt.Fatal("taking away half of the rows leaves not the other half")
		}
		odd.Plus(&even)
		if odd.Sum() != whole || len(odd.Differ(&all)) != 0 {
			rt.Fatal("two halves are not the whole")
		}
		again, err := viewdb.ParseSum(whole.String(), whole.Rows)
		if err != nil || again != whole {
			rt.Fatalf("%s is read as %s: %v", whole, again, err)
		}
		key := rapid.SampledFrom(slices.Sorted(maps.Keys(rows))).Draw(rt, "changed")
		was, is := viewdb.RowSum([]byte(key), []byte(rows[key])), viewdb.RowSum([]byte(key), []byte(rows[key]+"x"))
		all.Add([]byte(key), []byte(rows[key]+"x"))
		if bins := all.Differ(&odd); len(bins) != 1 || bins[0] != viewdb.Bin([]byte(key)) || was == is {
			rt.Fatalf("a row more differs in bins %v, not %d", bins, viewdb.Bin([]byte(key)))
		}
	})
	// Where a key ends and its value begins counts.
	var one, other viewdb.Tally
	one.Add([]byte("ab"), []byte("c"))
	other.Add([]byte("a"), []byte("bc"))
	if one.Sum() == other.Sum() {
		t.Error("two rows have one sum")
	}
	for _, n := range []int{0, 1, 3, 8, 16, 128, 240, 1000} {
		long, same := make([]byte, n), make([]byte, n)
		if n > 0 {
			same[n-1] = 1
		}
		k1, k2 := []byte("k1"), []byte("k2")
		if viewdb.RowSum(k1, long) == viewdb.RowSum(k2, long) {
			t.Errorf("a value of %d bytes has one sum whatever its key", n)
		}
		right := viewdb.RowSum(k1, long).Plus(viewdb.RowSum(k2, same))
		if swapped := viewdb.RowSum(k1, same).Plus(viewdb.RowSum(k2, long)); n > 0 && right == swapped {
			t.Errorf("two values of %d bytes under each other's keys have the sum of those in their places", n)
		}
	}
	for _, bad := range []string{"", "00", "zz"} {
		if _, err := viewdb.ParseSum(bad, 0); err == nil {
			t.Errorf("%q is read as a sum", bad)
		}
	}
}
