package projectors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

// takeOut stops applying to a view; r.mu is held.
func (r *Runner) takeOut(s *slot, err error) {
	s.fault = err
	select {
	case s.faulted <- struct{}{}:
	default: // mend is about to look anyway
	}
	if r.listener.Faulted != nil {
		r.listener.Faulted(s.Projector.Name(), err)
	}
}

// mendEvery is how long a view stays out of service after an attempt to put it
// back has failed, and how long a fault that only a reader met goes unnoticed.
const mendEvery = time.Second

// mend puts a view back into service each time it has faulted, until ctx ends.
// While the cause lasts, e.g. a full disk, it tries again and again.
func (r *Runner) mend(ctx context.Context, s *slot) {
	tick := time.NewTicker(mendEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.faulted:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if !r.toMend(s) {
			continue
		}
		err := r.bringBack(ctx, s)
		r.mu.Lock()
		s.rebuilding = false
		if err != nil {
			s.fault = err
		} else if r.listener.Recovered != nil {
			r.listener.Recovered(s.Projector.Name(), s.Home.Current().Checkpoint().Seq)
		}
		r.signal()
		r.mu.Unlock()
	}
}

// toMend tells whether a view is out of service with nobody at it, and takes it
// on if so.
func (r *Runner) toMend(s *slot) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.rebuilding {
		return false
	}
	if fault := s.Home.Current().Fault(); s.fault == nil && fault != nil {
		r.takeOut(s, fault)
	}
	s.rebuilding = s.fault != nil
	return s.rebuilding
}

// bringBack recovers what it can of a view's files and brings it from its
// checkpoint to where the others are.
func (r *Runner) bringBack(ctx context.Context, s *slot) error {
	if err := s.Home.Recover(); err != nil {
		return err
	}
	err := r.fill(ctx, s.Home.Current(), s.Projector, nil, func() error {
		s.fault = nil
		return nil
	})
	if errors.Is(err, viewdb.ErrCorrupt) && s.Home.Current().Fault() == nil {
		return r.replace(ctx, s, nil) // the files are whole, and hold what does not belong there
	}
	return err
}

// Rebuild folds a view anew from the log, beside the one that serves, and puts
// it in its place. progress, when set, hears how far it has come.
func (r *Runner) Rebuild(ctx context.Context, name string, progress func(at, head events.Seq)) error {
	s, err := r.slot(name)
	if err != nil {
		return err
	}
	r.mu.Lock()
	busy := s.rebuilding
	s.rebuilding = true
	r.mu.Unlock()
	if busy {
		return fmt.Errorf("rebuild view %s: it is being rebuilt already", name)
	}
	defer func() {
		r.mu.Lock()
		s.rebuilding = false
		r.mu.Unlock()
	}()
	if err := r.replace(ctx, s, progress); err != nil {
		return fmt.Errorf("rebuild view %s: %w", name, err)
	}
	return nil
}

func (r *Runner) replace(ctx context.Context, s *slot, progress func(at, head events.Seq)) error {
	next, err := s.Home.Begin()
	if err != nil {
		return err
	}
	err = r.fill(ctx, next, s.Projector, progress, func() error {
		if err := s.Home.Swap(next); err != nil {
			return err
		}
		s.fault = nil
		return nil
	})
	if err == nil && r.listener.Rebuilt != nil {
		r.listener.Rebuilt(s.Projector.Name(), next.Checkpoint().Seq)
	}
	return err
}

// fill folds the log into db until it stands where the Runner does, and then,
// before the Runner can go on, calls done. An empty view gets most of it from
// the archive, or collects it from the log.
func (r *Runner) fill(ctx context.Context, db *viewdb.DB, p Projector, progress func(at, head events.Seq), done func() error) error {
	if db.Checkpoint().IsZero() {
		if err := r.fillEmpty(ctx, db, p, progress); err != nil {
			return err
		}
	}
	voucher, err := r.voucherAt(ctx, db.Checkpoint().Seq)
	if err != nil {
		return err
	}
	fold, pace := Folder(db, p, r.source.Identity(), voucher), r.Spare.Pace()
	for {
		head, err := r.source.Head(ctx)
		if err != nil {
			return err
		}
		err = r.source.Read(ctx, db.Checkpoint().Seq, head, func(stored []events.Stored) error {
			if progress != nil {
				defer func() { progress(db.Checkpoint().Seq, head) }()
			}
			if err := fold(stored); err != nil {
				return err
			}
			return pace.GiveWay(ctx)
		})
		if err != nil {
			return err
		}
		r.mu.Lock() // nobody waits for a processor from here on
		if at := db.Checkpoint().Seq; at < r.head && r.head-at > closeBehind {
			r.mu.Unlock()
			continue // the log ran ahead meanwhile: catch up more before stopping it
		}
		err = r.source.Read(ctx, db.Checkpoint().Seq, r.head, fold)
		if err == nil {
			err = done()
		}
		r.mu.Unlock()
		return err
	}
}

// fillEmpty gives an empty view what there is to be had faster than by folding
// the log event by event.
func (r *Runner) fillEmpty(ctx context.Context, db *viewdb.DB, p Projector, progress func(at, head events.Seq)) error {
	head, err := r.source.Head(ctx)
	if err != nil {
		return err
	}
	f := filling{source: r.source, genesis: r.Genesis, spare: r.Spare}
	if progress != nil {
		f.progress = func(at events.Seq) { progress(min(at, head), head) }
	}
	if collected, ok := p.(Collected); ok {
		return f.collect(ctx, []collection{{collected, db}}, head)
	}
	gathered, ok := p.(Gathered)
	if !ok {
		return nil
	}
	archive, home := r.archive()
	if archive == nil {
		return nil
	}
	err = f.gatherFrom(ctx, archive, home, []gathering{{gathered, db}})
	if err != nil && home.Current().Fault() != nil && db.Fault() == nil && db.Checkpoint().IsZero() {
		return nil // the archive broke on the way: the log has everything too
	}
	return err
}

// archive is the archive while it is in service.
func (r *Runner) archive() (Archive, *viewdb.Home) { return archiveOf(r.inService()) }

func (r *Runner) inService() (views []View) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.views {
		if s.fault == nil {
			views = append(views, s.View)
		}
	}
	return views
}

// closeBehind is how many events may be applied while every other view waits.
const closeBehind = 2000

// Folder returns a function that folds what a log hands over into a view. The Voucher
// stands where the view does.
func Folder(db *viewdb.DB, p Projector, stream string, voucher *Voucher) func([]events.Stored) error {
	var recorded []Recorded
	rolling := db.Checkpoint().Rolling
	return func(stored []events.Stored) error {
		for _, s := range stored {
			rolling = rolling.Add(s)
		}
		recorded = voucher.Record(recorded, stored)
		return Apply(db, p, stream, recorded, rolling)
	}
}
