package projectors

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

// Fill brings views that are empty to where the log stands: in one pass over it
// the archive and whatever else can be collected, and then from the archive those
// that can be gathered. What is left is for a Runner. hear, when set, sees every
// event that is read from the log, in order.
func Fill(ctx context.Context, source Reader, views []View, g deletion.Genesis, hear func(Recorded)) error {
	return filling{source: source, genesis: g, hear: hear}.fill(ctx, views)
}

func (f filling) fill(ctx context.Context, views []View) error {
	archive, home := archiveOf(views)
	if archive == nil {
		return nil
	}
	head, err := f.source.Head(ctx)
	if err != nil {
		return err
	}
	var collected []collection
	var gathered []gathering
	for _, v := range views {
		db := v.Home.Current()
		if !db.Checkpoint().IsZero() {
			continue
		}
		switch p := v.Projector.(type) {
		case Collected:
			collected = append(collected, collection{p, db})
		case Gathered:
			gathered = append(gathered, gathering{p, db})
		}
	}
	if err := f.collect(ctx, collected, head); err != nil {
		return err
	}
	return f.gatherFrom(ctx, archive, home, gathered)
}

// archiveOf finds the archive among views.
func archiveOf(views []View) (Archive, *viewdb.Home) {
	for _, v := range views {
		if a, ok := v.Projector.(Archive); ok {
			return a, v.Home
		}
	}
	return nil, nil
}

// filling is how views are filled.
type filling struct {
	source   Reader
	genesis  deletion.Genesis
	spare    *Spare           // may be nil
	hear     func(Recorded)   // see Fill; may be nil
	progress func(events.Seq) // may be nil
}

func (f filling) tell(at events.Seq) {
	if f.progress != nil {
		f.progress(at)
	}
}

// collection is a view to fill from the log, which is empty.
type collection struct {
	Collected
	db *viewdb.DB
}

// collect fills views from the log up to a Seq, all of them in one pass.
func (f filling) collect(ctx context.Context, views []collection, upTo events.Seq) (err error) {
	if len(views) == 0 || upTo == 0 {
		return nil
	}
	loads := make([]*viewdb.Load, len(views))
	collectors := make([]Collector, len(views))
	for i, v := range views {
		if loads[i], err = v.db.BeginLoad(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, loads[i].Close()) }()
		if collectors[i], err = v.Collect(loads[i].Part(), 0, nil); err != nil {
			return err
		}
	}
	at := viewdb.Checkpoint{Stream: f.source.Identity()}
	err = ReadDecoded(ctx, f.source, f.spare, NewVoucher(f.genesis), upTo, func(recorded []Recorded) error {
		if err := follow(at.Seq, recorded); err != nil {
			return err
		}
		for _, r := range recorded {
			if f.hear != nil {
				f.hear(r)
			}
			for _, c := range collectors {
				if err := c.Add(r); err != nil {
					return err
				}
			}
			at.Seq, at.Event, at.Rolling = r.Seq, r.ID, at.Rolling.Add(r.Stored)
		}
		f.tell(at.Seq)
		return nil
	})
	for i, c := range collectors {
		if err = errors.Join(err, c.Close()); err == nil {
			err = loads[i].Commit(ctx, at)
		}
	}
	if err != nil {
		err = fmt.Errorf("fill view %s from the log: %w", views[0].Name(), err)
	}
	return err
}

// gathering is a view to fill from an archive, which is empty.
type gathering struct {
	Gathered
	db *viewdb.DB
}

// gatherFrom fills views from the archive that a home has, once that is found to
// be of this log.
func (f filling) gatherFrom(ctx context.Context, archive Archive, home *viewdb.Home, views []gathering) error {
	if len(views) == 0 {
		return nil
	}
	db, release, err := home.Acquire()
	if err != nil {
		return err
	}
	defer release()
	from, err := db.Snapshot()
	if err != nil {
		return err
	}
	if !from.Checkpoint().IsZero() {
		if err = CheckLog(ctx, f.source, from.Checkpoint()); err == nil {
			err = f.gather(ctx, archive, from, views)
		}
	}
	if err != nil {
		err = fmt.Errorf("from view %s: %w", archive.Name(), err)
	}
	return errors.Join(err, from.Close())
}

// gather fills views from a snapshot of an archive; after an error each of them
// is whole or empty.
func (f filling) gather(ctx context.Context, archive Archive, from *viewdb.Snapshot, views []gathering) (err error) {
	loads := make([]*viewdb.Load, len(views))
	for i, v := range views {
		if loads[i], err = v.db.BeginLoad(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, loads[i].Close()) }()
	}
	begin := func() Gatherers {
		parts := make([]*viewdb.Part, len(views))
		to := Gatherers{Pace: f.spare.Pace(), Ended: func() error {
			var errs []error
			for _, p := range parts {
				errs = append(errs, p.Break())
			}
			return errors.Join(errs...)
		}}
		for i, v := range views {
			parts[i] = loads[i].Part()
			to.Each = append(to.Each, v.Gather(parts[i]))
		}
		return to
	}
	if err := Gather(ctx, archive, from, begin, f.tell); err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make([]error, len(loads))
	for i, l := range loads {
		wg.Go(func() { errs[i] = l.Commit(ctx, from.Checkpoint()) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
