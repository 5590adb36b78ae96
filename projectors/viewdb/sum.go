package viewdb

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/zeebo/xxh3"
)

// Sum is a digest of a set of rows which does not ask for their order: each row's
// hash of 256 bits taken as four numbers of 64, which are added up, each by itself
// and without carry. Rows can be added, and taken away again, one by one; sets of
// rows that are equal have equal Sums. It finds faults of every kind; it does not
// keep out somebody who may write rows of his own making into the files. The zero
// Sum is that of no rows.
type Sum struct {
	Rows  int64 // rows added less rows taken away
	lanes [sumLanes]uint64
}

// sumLanes numbers of 64 bits are one hash.
const sumLanes = 4

// RowSum is the Sum of one row: two XXH3 hashes of its value of 128 bits, seeded
// with the XXH3 hashes of its key of 64 bits with the seeds 0 and 1.
func RowSum(key, value []byte) Sum { return rowSum(xxh3.Hash(key), key, value) }

func rowSum(seed uint64, key, value []byte) Sum {
	one, two := xxh3.Hash128Seed(value, seed), xxh3.Hash128Seed(value, xxh3.HashSeed(key, 1))
	return Sum{Rows: 1, lanes: [sumLanes]uint64{one.Hi, one.Lo, two.Hi, two.Lo}}
}

// Plus is the Sum with the rows of another.
func (s Sum) Plus(other Sum) Sum {
	s.Rows += other.Rows
	for i, lane := range other.lanes {
		s.lanes[i] += lane
	}
	return s
}

// Minus is the Sum without the rows of another.
func (s Sum) Minus(other Sum) Sum {
	s.Rows -= other.Rows
	for i, lane := range other.lanes {
		s.lanes[i] -= lane
	}
	return s
}

// String is the Sum in 64 hex digits, without the number of rows.
func (s Sum) String() string {
	var raw []byte
	for _, lane := range s.lanes {
		raw = binary.BigEndian.AppendUint64(raw, lane)
	}
	return hex.EncodeToString(raw)
}

// ParseSum reads what String wrote, of so many rows.
func ParseSum(text string, rows int64) (Sum, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 8*sumLanes {
		return Sum{}, fmt.Errorf("%q is not the sum of rows: %d hex digits are", text, 16*sumLanes)
	}
	s := Sum{Rows: rows}
	for i := range s.lanes {
		s.lanes[i] = binary.BigEndian.Uint64(raw[8*i:])
	}
	return s, nil
}

// Bins is into how many bins a Tally sorts its rows.
const Bins = 1 << 10

// Bin is the bin of a Tally that the row with a key goes to, whatever its value.
func Bin(key []byte) int { return int(xxh3.Hash(key) % Bins) }

// Tally is a Sum in bins: where two of them differ, their bins tell which rows to
// look at. It is for one goroutine.
type Tally struct{ bins [Bins]Sum }

// Add adds a row.
func (t *Tally) Add(key, value []byte) {
	hash := xxh3.Hash(key)
	bin := &t.bins[hash%Bins]
	*bin = bin.Plus(rowSum(hash, key, value))
}

// Plus adds the rows of another Tally.
func (t *Tally) Plus(other *Tally) {
	for i := range t.bins {
		t.bins[i] = t.bins[i].Plus(other.bins[i])
	}
}

// Differ lists the bins in which two Tallies differ.
func (t *Tally) Differ(other *Tally) (bins []int) {
	for i := range t.bins {
		if t.bins[i] != other.bins[i] {
			bins = append(bins, i)
		}
	}
	return bins
}

// Sum is that of all bins.
func (t *Tally) Sum() (sum Sum) {
	for _, bin := range t.bins {
		sum = sum.Plus(bin)
	}
	return sum
}

// SumOf is the Sum of all rows that a Reader shows.
func SumOf(r Reader) (Sum, error) {
	var t Tally
	err := r.Scan(nil, nil, func(key, value []byte) error {
		t.Add(key, value)
		return nil
	})
	return t.Sum(), err
}
