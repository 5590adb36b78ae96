package heads

import (
	"hash/maphash"
	"sync/atomic"

	"tenantcatalogue/events"
)

// warmed remembers which aggregates somebody has warmed lately, or some other in
// their place.
type warmed struct {
	seed   maphash.Seed
	hashes [1 << 16]atomic.Uint64
}

func newWarmed() *warmed { return &warmed{seed: maphash.MakeSeed()} }

// again tells whether the aggregate was the last in its place.
func (w *warmed) again(a events.Aggregate) bool {
	hash := maphash.Comparable(w.seed, a)
	at := &w.hashes[hash%uint64(len(w.hashes))]
	return at.Load() == hash || at.Swap(hash) == hash
}

// Warm reads the block that a decision about an aggregate begins with, so that it is
// in memory when the decision is made: many callers wait for the disk at the same
// time, one goroutine decides. It is safe for concurrent use.
func (s *Store) Warm(a events.Aggregate) {
	if !s.warmed.again(a) {
		_, _, _ = s.db.Get(headRow(a)) // what is wrong with it shows when it is decided on
	}
}
