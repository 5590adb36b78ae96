package daemon

import (
	"fmt"
	"sync"
	"syscall"
	"time"

	"tenantcatalogue/events"
)

// newRoom tells whether the disk has room for more events. It refuses while
// there still is some: a write that meets a full disk half-way takes more than
// itself down. Room that is freed is seen within roomFor.
func newRoom(dir string) func() error {
	var mu sync.Mutex
	var asked time.Time
	var answer error
	return func() error {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(asked) > roomFor {
			asked, answer = now, roomIn(dir)
		}
		return answer
	}
}

// roomFor is how long an answer about the disk holds.
const roomFor = 200 * time.Millisecond

func roomIn(dir string) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("look how full the disk of %s is: %w", dir, err)
	}
	free := fs.Bavail * uint64(fs.Bsize)
	if free < reserveBytes {
		return fmt.Errorf("%w: %d MiB are free on the disk of %s and %d MiB are kept in reserve; free some space",
			events.ErrNoSpace, free>>20, dir, reserveBytes>>20)
	}
	return nil
}
