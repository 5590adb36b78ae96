package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/heads"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
)

// Verify folds the whole log again and holds every view and the heads against
// it, while the system goes on. progress, when set, hears how far it has come.
func (s *System) Verify(ctx context.Context, progress func(at, of events.Seq)) (report replay.Report, err error) {
	dir, err := os.MkdirTemp(s.Dir, "verify-")
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	shared := viewdb.NewShared(scratchCacheBytes)
	defer shared.Close()
	if err := s.Service.Flush(ctx); err != nil {
		return report, fmt.Errorf("verify: write the heads to disk: %w", err)
	}
	scratch := func(p projectors.Projector) (*viewdb.DB, error) {
		return viewdb.Open(viewdb.Config{Dir: dir + "/" + p.Name(), Name: p.Name(), Format: p.Format(), Shared: shared})
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
	return replay.Verify(ctx, s.Log, s.Identity, subjects, scratch, progress)
}

const scratchCacheBytes = 64 << 20
