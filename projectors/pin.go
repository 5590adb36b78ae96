package projectors

import (
	"errors"
	"fmt"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

// Pinned is a snapshot of every view, all at one Seq.
type Pinned struct {
	Seq   events.Seq
	Views []PinnedView
}

// PinnedView is one view's snapshot.
type PinnedView struct {
	Projector Projector
	Snapshot  *viewdb.Snapshot
	release   func()
}

// Close lets go of the snapshots.
func (p *Pinned) Close() error {
	var errs []error
	for _, v := range p.Views {
		errs = append(errs, v.Snapshot.Close())
		v.release()
	}
	p.Views = nil
	return errors.Join(errs...)
}

// Pin takes a snapshot of every view between two events, so that all stand at
// one Seq, while traffic goes on. The error names the first view that is out of
// service or being caught up.
func (r *Runner) Pin() (*Pinned, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &Pinned{}
	for _, s := range r.views {
		if err := r.pin(p, s); err != nil {
			return nil, errors.Join(fmt.Errorf("pin view %s: %w", s.Projector.Name(), err), p.Close())
		}
	}
	return p, nil
}

func (r *Runner) pin(p *Pinned, s *slot) error {
	if s.fault != nil {
		return s.fault
	}
	db, release, err := s.Home.Acquire()
	if err != nil {
		return err
	}
	snapshot, err := db.Snapshot()
	if err != nil {
		release()
		return err
	}
	at := snapshot.Checkpoint().Seq
	p.Views = append(p.Views, PinnedView{Projector: s.Projector, Snapshot: snapshot, release: release})
	if len(p.Views) > 1 && at != p.Seq {
		return fmt.Errorf("%w: it stands at %d, the others at %d; try again when it has caught up", ErrBehind, at, p.Seq)
	}
	p.Seq = at
	return nil
}
