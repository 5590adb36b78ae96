package watch

import (
	"sync"
	"time"

	"tenantcatalogue/events"
)

// Behind tells for how long a reader of the log has been behind. It has to be asked now and
// then. It may be used from many goroutines.
type Behind struct {
	mu   sync.Mutex
	seen []sighting // heads that were not reached yet, the oldest first
}

type sighting struct {
	head events.Seq
	at   time.Time
}

// maxSightings bounds what is kept of a reader that does not come on. What is left out is
// newer than all of it.
const maxSightings = 600

// For is for how long the log has held something that a reader who stands at an event has
// not read, as far as was seen: at most one pause between two calls too short.
func (b *Behind) For(head, reader events.Seq, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.seen) > 0 && b.seen[0].head <= reader {
		b.seen = b.seen[1:]
	}
	if n := len(b.seen); head > reader && n < maxSightings && (n == 0 || b.seen[n-1].head < head) {
		b.seen = append(b.seen, sighting{head, now})
	}
	if len(b.seen) == 0 {
		return 0
	}
	return now.Sub(b.seen[0].at)
}
