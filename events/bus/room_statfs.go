//go:build linux || darwin || freebsd

package bus

import (
	"fmt"
	"syscall"

	"tenantcatalogue/events"
)

// Room tells whether the disk has reserve bytes left for the log. The error
// matches events.ErrNoSpace. Ask before writing: a stream that meets the end
// of its disk stops answering and takes nothing more until the server starts
// again.
func (b *Bus) Room(reserve uint64) error {
	var fs syscall.Statfs_t
	dir := b.server.StoreDir()
	if err := syscall.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("look for room in %s: %w", dir, err)
	}
	if free := uint64(fs.Bavail) * uint64(fs.Bsize); free < reserve { //nolint:unconvert // the types differ between systems
		return fmt.Errorf("%w: %s has %d MiB free and needs %d; make room, writing goes on by itself",
			events.ErrNoSpace, dir, free>>20, reserve>>20)
	}
	return nil
}
