package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/viewdb"
)

// Scratch is room for views that are folded to be compared and then thrown away.
type Scratch interface {
	// Open opens an empty view.
	Open(p projectors.Projector) (*viewdb.Home, error)
	// Close closes what was opened and removes it.
	Close() error
}

// Subject is a view to hold against the log, standing still: its own Seq is what
// the log is folded up to for it.
type Subject struct {
	Projector projectors.Projector
	Snapshot  *viewdb.Snapshot
}

// Refold is the log read again from its first event, checked in itself and folded
// into views of its own. It rests on no view and no checkpoint: views and
// restorations are held against it. Close it.
type Refold struct {
	log      Log
	stream   string
	scratch  Scratch
	subjects []Subject
	views    []*refolded
	history  *viewdb.Home
	upTo     events.Seq

	check   logCheck
	torn    bool // the log has a gap: nothing can be folded beyond it
	decoded []projectors.Recorded
}

// refolded is a subject with its fresh fold.
type refolded struct {
	Subject
	at   viewdb.Checkpoint // where the subject stands
	home *viewdb.Home
}

func (v *refolded) db() *viewdb.DB { return v.home.Current() }

// NewRefold folds the log for some subjects, each as far as it stands. progress,
// when set, hears how far it has come. scratch is the Refold's to close, whatever
// comes of it.
func NewRefold(ctx context.Context, log Log, stream string, subjects []Subject, scratch Scratch, progress func(at, of events.Seq)) (*Refold, error) {
	f := &Refold{log: log, stream: stream, scratch: scratch, subjects: subjects}
	if progress == nil {
		progress = func(events.Seq, events.Seq) {}
	}
	err := f.open()
	if err == nil {
		err = f.fold(ctx, progress)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("fold the log again: %w", err), scratch.Close())
	}
	return f, nil
}

// Close throws the folded views away.
func (f *Refold) Close() error { return f.scratch.Close() }

func (f *Refold) open() error {
	for _, s := range f.subjects {
		home, err := f.scratch.Open(s.Projector)
		if err != nil {
			return fmt.Errorf("view %s: %w", s.Projector.Name(), err)
		}
		at := s.Snapshot.Checkpoint()
		f.views = append(f.views, &refolded{Subject: s, at: at, home: home})
		f.upTo = max(f.upTo, at.Seq)
		if s.Projector.Name() == history.Name {
			f.history = home
		}
	}
	if f.history != nil {
		return nil
	}
	// The others are made from it.
	var err error
	f.history, err = f.scratch.Open(history.New())
	return err
}

// fold makes the views up to where the first subject stands all at once, and the
// rest, which is what has come between the subjects' snapshots, event by event.
func (f *Refold) fold(ctx context.Context, progress func(at, of events.Seq)) error {
	base := f.upTo
	for _, v := range f.views {
		base = min(base, v.at.Seq)
	}
	views := []projectors.View{{Projector: history.New(), Home: f.history}}
	for _, v := range f.views {
		if v.home != f.history {
			views = append(views, projectors.View{Projector: v.Projector, Home: v.home})
		}
	}
	source := stretch{Log: f.log, stream: f.stream, head: base}
	err := projectors.Fill(ctx, source, views, f.check.add, func(_ string, at, of events.Seq) { progress(at, of) })
	if damaged(err) {
		return f.foldTorn(ctx)
	}
	if err != nil {
		return err
	}
	return f.log.Read(ctx, base, f.upTo, func(stored []events.Stored) error {
		progress(stored[len(stored)-1].Seq, f.upTo)
		return errors.Join(f.foldOn(stored), ctx.Err())
	})
}

// foldTorn checks a log that has a gap, or ends too soon, as far as it can be read:
// that is among the faults, and no error.
func (f *Refold) foldTorn(ctx context.Context) error {
	f.torn, f.check = true, logCheck{}
	err := f.log.Read(ctx, 0, f.upTo, func(stored []events.Stored) error {
		f.add(stored)
		return ctx.Err()
	})
	if !damaged(err) {
		return err
	}
	fault := Fault{Seq: f.check.at + 1, What: err.Error()}
	if gap, ok := errors.AsType[*events.GapError](err); ok {
		fault.Seq = gap.Got
	}
	f.check.faults = append(f.check.faults, fault)
	return nil
}

// damaged tells whether an error says that the log is not what it was.
func damaged(err error) bool { return errors.Is(err, events.ErrGap) || errors.Is(err, events.ErrShort) }

// add checks events in themselves.
func (f *Refold) add(stored []events.Stored) {
	f.decoded = projectors.Decode(f.decoded, stored)
	for _, r := range f.decoded {
		f.torn = f.torn || r.Seq != f.check.at+1
		f.check.add(r)
	}
}

// foldOn folds events into every view whose subject stands behind them.
func (f *Refold) foldOn(stored []events.Stored) error {
	if f.add(stored); f.torn {
		return nil
	}
	var wg sync.WaitGroup
	errs := make([]error, len(f.views))
	for i, v := range f.views {
		n := len(stored)
		for n > 0 && stored[n-1].Seq > v.at.Seq {
			n--
		}
		if n > 0 {
			wg.Go(func() { errs[i] = projectors.Folder(v.db(), v.Projector, f.stream)(stored[:n]) })
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// stretch is a log that ends where it should be folded up to.
type stretch struct {
	Log
	stream string
	head   events.Seq
}

// Identity is that of the whole log.
func (s stretch) Identity() string { return s.stream }

// Head is the end of the stretch.
func (s stretch) Head(context.Context) (events.Seq, error) { return s.head, nil }

// At is how far the log was read.
func (f *Refold) At() events.Seq { return f.check.at }

// Hash is the rolling hash of the log up to there.
func (f *Refold) Hash() events.Rolling { return f.check.hash }

// History hands over the history that was made of the log.
func (f *Refold) History(fn func(*history.Reader) error) error {
	if f.torn {
		return fmt.Errorf("%w: nothing can be told behind it", events.ErrGap)
	}
	return history.View(f.history, fn)
}

// Report compares every subject with its fresh fold. It is to be asked once.
func (f *Refold) Report(ctx context.Context) (Report, error) {
	if err := f.check.end(ctx, f.log, f.upTo); err != nil {
		return Report{}, err
	}
	r := Report{Events: f.check.at, Faults: f.check.faults}
	if f.torn {
		return r, nil
	}
	r.Views = make([]ViewReport, len(f.views))
	faults := make([][]Fault, len(f.views))
	errs := make([]error, len(f.views))
	var wg sync.WaitGroup
	for i, v := range f.views {
		wg.Go(func() { r.Views[i], faults[i], errs[i] = v.compare() })
	}
	wg.Wait()
	for _, of := range faults {
		r.Faults = append(r.Faults, of...)
	}
	return r, errors.Join(errs...)
}

// Differing finds the aggregates whose entities are not what the log makes of
// them, in views that keep entities: one fault for each and each view.
func (f *Refold) Differing() (faults []Fault, err error) {
	for _, v := range f.views {
		if _, ok := v.Projector.(*projectors.EntityView); !ok {
			continue
		}
		have, err := projectors.Digests(v.Snapshot)
		if err != nil {
			return nil, err
		}
		want, err := projectors.Digests(v.db())
		if err != nil {
			return nil, err
		}
		for about, digest := range want {
			if got, found := have[about]; !found || got != digest {
				faults = append(faults, Fault{View: v.Projector.Name(), About: about, What: "its rows are not what the log makes of them"})
			}
			delete(have, about)
		}
		for about := range have {
			faults = append(faults, Fault{View: v.Projector.Name(), About: about, What: "it has rows where the log makes none"})
		}
	}
	return faults, nil
}

// Quarantined lists the aggregates with an event that could not be read or
// folded, each once.
func (f *Refold) Quarantined() (faults []Fault, err error) {
	seen := map[events.Aggregate]bool{}
	for _, v := range f.views {
		if _, ok := v.Projector.(*projectors.EntityView); !ok {
			continue
		}
		out, err := projectors.Quarantined(v.db())
		if err != nil {
			return nil, err
		}
		for about, q := range out {
			unread := slices.ContainsFunc(f.check.faults, func(f Fault) bool { return f.Seq == q.Seq })
			if !seen[about] && !unread {
				faults = append(faults, Fault{Seq: q.Seq, About: about, What: q.Why})
			}
			seen[about] = true
		}
	}
	return faults, nil
}
