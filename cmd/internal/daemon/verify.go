package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/google/uuid"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/heads"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/restore"
)

// Verify folds the whole log again and holds every view and the heads against
// it, while the system goes on. progress, when set, hears how far it has come.
func (s *System) Verify(ctx context.Context, progress func(at, of events.Seq)) (report replay.Report, err error) {
	if err := s.Service.Flush(ctx); err != nil {
		return report, fmt.Errorf("verify: write the heads to disk: %w", err)
	}
	var subjects []replay.Subject
	for _, v := range append(slices.Clip(s.Views), projectors.View{Projector: heads.Projector{}, Home: s.Heads}) {
		db, release, err := v.Home.Acquire()
		if err != nil {
			return report, err
		}
		defer release()
		snapshot, err := db.Snapshot()
		if err != nil {
			return report, err
		}
		defer func() { err = errors.Join(err, snapshot.Close()) }()
		subjects = append(subjects, replay.Subject{Projector: v.Projector, Snapshot: snapshot})
	}
	scratch, err := s.Scratch()
	if err != nil {
		return report, err
	}
	return replay.Verify(ctx, s.Log, s.Identity, subjects, scratch, progress)
}

// Restorer makes the restorations of the system.
func (s *System) Restorer() *restore.Engine {
	return restore.New(restore.Config{
		History: func(f func(*history.Reader) error) error { return history.View(s.History, f) },
		Service: s.Service, Views: s.Runner, Log: s.Log, Scratch: s.Scratch, Clock: s.Clock, NewID: uuid.NewV7,
	})
}

// Scratch makes room in the data directory to fold the log again.
func (s *System) Scratch() (replay.Scratch, error) {
	dir, err := os.MkdirTemp(s.Dir, "verify-")
	if err != nil {
		return nil, err
	}
	return &scratch{dir: dir, shared: viewdb.NewShared(scratchCacheBytes)}, nil
}

const scratchCacheBytes = 64 << 20

type scratch struct {
	dir    string
	shared *viewdb.Shared
	homes  []*viewdb.Home
}

// Open opens an empty view.
func (s *scratch) Open(p projectors.Projector) (*viewdb.Home, error) {
	home, err := viewdb.OpenHome(viewdb.Config{Dir: s.dir, Name: p.Name(), Format: p.Format(), Shared: s.shared})
	if err == nil {
		s.homes = append(s.homes, home)
	}
	return home, err
}

// Close closes the views and removes them.
func (s *scratch) Close() error {
	var errs []error
	for _, h := range s.homes {
		errs = append(errs, h.Close())
	}
	s.shared.Close()
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}
