package viewdb

import (
	"bytes"
	"fmt"
	"slices"
)

// split is Snapshot.Split: tables tell as much of any commit.
func (db *DB) split(lower, upper []byte, n int) ([][]byte, error) {
	if err := db.use(); err != nil {
		return nil, err
	}
	defer db.release()
	levels, err := db.pebble.SSTables()
	if err != nil {
		return nil, fmt.Errorf("split view %s: %w", db.cfg.Name, db.noted(err))
	}
	type table struct {
		first []byte
		size  uint64
	}
	var tables []table
	var total uint64
	for _, level := range levels {
		for _, t := range level {
			if first := t.Smallest.UserKey; bytes.Compare(first, lower) > 0 && (upper == nil || bytes.Compare(first, upper) < 0) {
				tables = append(tables, table{first, t.Size})
				total += t.Size
			}
		}
	}
	slices.SortFunc(tables, func(a, b table) int { return bytes.Compare(a.first, b.first) })
	var cuts [][]byte
	var before uint64
	for _, t := range tables {
		if before >= total*uint64(len(cuts)+1)/uint64(n) {
			cuts = append(cuts, bytes.Clone(t.first))
		}
		before += t.size
	}
	return slices.CompactFunc(cuts, bytes.Equal), nil
}

// Split gives keys, at most n-1, that cut the rows from lower (inclusive) to upper
// (exclusive; nil: no bound) into parts of about the same size on disk. It knows
// where tables begin and no more: of few rows it may give no keys.
func (s *Snapshot) Split(lower, upper []byte, n int) ([][]byte, error) {
	return s.db.split(lower, upper, n)
}
