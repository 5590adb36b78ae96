package replaytest

import (
	"errors"

	"github.com/cockroachdb/pebble/v2/vfs"

	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
)

// Scratch makes room for views on files in memory.
func Scratch() (replay.Scratch, error) { return &scratch{fs: vfs.NewMem()}, nil }

type scratch struct {
	fs    vfs.FS
	homes []*viewdb.Home
}

// Open opens an empty view.
func (s *scratch) Open(p projectors.Projector) (*viewdb.Home, error) {
	home, err := viewdb.OpenHome(viewdb.Config{Dir: "scratch", Name: p.Name(), Format: p.Format(), FS: s.fs, MemTableBytes: 1 << 20})
	if err == nil {
		s.homes = append(s.homes, home)
	}
	return home, err
}

// Close closes the views; their files go with them.
func (s *scratch) Close() error {
	var errs []error
	for _, h := range s.homes {
		errs = append(errs, h.Close())
	}
	return errors.Join(errs...)
}
