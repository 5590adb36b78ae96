package replay

// LayEvery lets snapshots lie closer together than a test has events.
func (s *Snapshots) LayEvery(n uint64) *Snapshots {
	s.every = n
	return s
}

// LongHistory is from how many events on an aggregate is not held in memory.
const LongHistory = longHistory
