package daemon

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/heads"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/restore"
)

// Verify folds the whole log again and holds every view and the heads against
// it, while the system goes on. What it has proven, certificates go on from.
// progress, when set, hears how far it has come.
func (s *System) Verify(ctx context.Context, progress func(at, of events.Seq)) (report replay.Report, err error) {
	if err := s.Service.Flush(ctx); err != nil {
		return report, fmt.Errorf("verify: write the heads to disk: %w", err)
	}
	db, release, err := s.Heads.Acquire()
	if err != nil {
		return report, err
	}
	defer release()
	written, err := db.Snapshot()
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, written.Close()) }()
	// The history has to be as far as the heads are.
	if err := s.Runner.WaitFor(ctx, written.Checkpoint().Seq); err != nil {
		return report, err
	}
	pinned, err := s.Runner.Pin()
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, pinned.Close()) }()
	subjects := append(replay.Subjects(pinned), replay.Subject{Projector: heads.Projector{}, Snapshot: written})
	report, err = replay.Verify(ctx, s.Log, subjects, replay.Options{Progress: progress, Spare: s.Runner.Spare, Genesis: s.genesis})
	if err == nil {
		s.watching.verifiedAs(report, true)
	}
	if err != nil || report.Proof.IsZero() {
		return report, err
	}
	s.proofs.Keep(report.Proof)
	return report, nil
}

// Restorer makes the restorations of the system.
func (s *System) Restorer() *restore.Engine {
	return restore.New(restore.Config{
		History: func(f func(*history.Reader) error) error { return history.View(s.History, f) },
		Service: s.Service, Views: s.Runner, Log: s.Log, Proofs: &s.proofs, Door: s.Deletions(),
		Spare: s.Runner.Spare, Genesis: s.genesis, Now: s.Now, NewID: uuid.NewV7,
	})
}
