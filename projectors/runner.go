package projectors

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

// Listener hears of what a Runner does. Any of its functions may be nil; they
// are called from the Runner's goroutines and must not block.
type Listener struct {
	Applied     func(view string, seq events.Seq, n int)              // n events, up to seq
	Faulted     func(view string, err error)                          // the view is out of service
	Recovered   func(view string, seq events.Seq)                     // it is back, with everything up to seq
	Quarantined func(about events.Aggregate, seq events.Seq, w error) // an event counts for nothing, see Recorded.Err
	Rebuilt     func(view string, seq events.Seq)                     // a new generation serves
}

// Hear takes note of an event that was read from the log.
func (l Listener) Hear(r Recorded) {
	if r.Err != nil && l.Quarantined != nil {
		l.Quarantined(r.About, r.Seq, r.Err)
	}
}

// View is one view of a Runner: its projector and where it lives.
type View struct {
	Projector Projector
	Home      *viewdb.Home
}

// Status is where a view stands.
type Status struct {
	Name       string
	Checkpoint viewdb.Checkpoint
	Lag        events.Seq // head minus checkpoint, as far as the Runner has read
	Rebuilding bool
	Fault      error
}

// Runner reads the log once and keeps every view at it.
type Runner struct {
	// Spare, when set before Run, is the time that views are filled and rebuilt in.
	Spare *Spare
	// Genesis, when set before Run, is what the first policy of the log is held against.
	Genesis deletion.Genesis

	source   Source
	listener Listener

	mu    sync.Mutex // held while events are applied, and while a view is swapped
	views []*slot
	head  events.Seq    // the last event read from the log
	moved chan struct{} // closed and replaced whenever a view has moved
}

// slot is a view with its state.
type slot struct {
	View
	rebuilding bool
	fault      error         // why it is not being applied to
	faulted    chan struct{} // wakes mend; holds one
}

// NewRunner makes a Runner for views that are open.
func NewRunner(source Source, views []View, listener Listener) *Runner {
	r := &Runner{source: source, listener: listener, moved: make(chan struct{})}
	for _, v := range views {
		r.views = append(r.views, &slot{View: v, faulted: make(chan struct{}, 1)})
	}
	return r
}

// Run applies events to the views as they come, until ctx ends or the log turns
// out not to be the one the views were built from. A view that faults is taken
// out, recovered and brought up to date beside the others, which go on. Call Run
// once at a time; the views' homes must stay open until it has returned.
func (r *Runner) Run(ctx context.Context) error {
	if err := r.fillEmptyViews(ctx); err != nil {
		return err
	}
	start, err := r.start(ctx)
	if err != nil {
		return err
	}
	voucher, err := r.voucherAt(ctx, start.Seq)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var menders sync.WaitGroup
	for _, s := range r.views {
		menders.Go(func() { r.mend(ctx, s) })
	}
	defer menders.Wait()
	defer stop()
	var recorded []Recorded
	rolling := start.Rolling
	return r.source.Tail(ctx, start.Seq, func(stored []events.Stored) error {
		recorded = voucher.Record(recorded, stored)
		rolls := make([]events.Rolling, len(stored))
		for i, s := range stored {
			rolling = rolling.Add(s)
			rolls[i] = rolling
			r.listener.Hear(recorded[i])
		}
		return r.apply(recorded, rolls)
	})
}

// fillEmptyViews fills the views that have nothing yet. One that breaks meanwhile
// is no reason to stop: it is mended like any other.
func (r *Runner) fillEmptyViews(ctx context.Context) error {
	views := make([]View, 0, len(r.views))
	for _, s := range r.views {
		views = append(views, s.View)
	}
	err := filling{source: r.source, genesis: r.Genesis, spare: r.Spare, hear: r.listener.Hear}.fill(ctx, views)
	for _, v := range views {
		if v.Home.Current().Fault() != nil {
			return nil //nolint:nilerr // the fault is the view's and known to it
		}
	}
	return err
}

// start checks every checkpoint against the log and finds the first one.
func (r *Runner) start(ctx context.Context) (first viewdb.Checkpoint, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, s := range r.views {
		at := s.Home.Current().Checkpoint()
		if err := CheckLog(ctx, r.source, at); err != nil {
			return first, fmt.Errorf("view %s: %w", s.Projector.Name(), err)
		}
		if i == 0 || at.Seq < first.Seq {
			first = at
		}
		r.head = max(r.head, at.Seq)
	}
	r.signal() // nobody was told of what they have been filled with
	return first, nil
}

// CheckLog holds a checkpoint against the log: the stream is the same, long
// enough, and has the same event at that Seq. Everything that was built on the
// checkpoint must stop when it does not: JetStream itself reports neither a
// lost tail nor sequences used twice.
func CheckLog(ctx context.Context, source Reader, at viewdb.Checkpoint) error {
	if at.Seq == 0 {
		return nil
	}
	if at.Stream != source.Identity() {
		return fmt.Errorf("%w: it was built from %s, this is %s; restore the log it belongs to, or rebuild the view", ErrOtherLog, at.Stream, source.Identity())
	}
	head, err := source.Head(ctx)
	if err != nil {
		return err
	}
	if head < at.Seq {
		return fmt.Errorf("%w: it ends at %d, the checkpoint is at %d; stop writers and restore the log from a copy", ErrLogBehind, head, at.Seq)
	}
	return source.Read(ctx, at.Seq-1, at.Seq, func(stored []events.Stored) error {
		for _, s := range stored {
			if s.ID != at.Event {
				return fmt.Errorf("%w: event %d is %s, the checkpoint says %s; sequences were used twice: stop writers and restore the log from a copy", ErrOtherLog, s.Seq, s.ID, at.Event)
			}
		}
		return nil
	})
}

// apply hands events to every view that is in service, once they fit the
// checkpoints of all of them.
func (r *Runner) apply(recorded []Recorded, rolls []events.Rolling) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.views {
		if err := s.fits(recorded, rolls); err != nil {
			return fmt.Errorf("view %s: %w", s.Projector.Name(), err)
		}
	}
	var wg sync.WaitGroup
	errs := make([]error, len(r.views))
	for i, s := range r.views {
		if s.fault == nil {
			wg.Go(func() { errs[i] = r.applyTo(s, recorded, rolls[len(rolls)-1]) })
		}
	}
	wg.Wait()
	r.head = max(r.head, recorded[len(recorded)-1].Seq)
	for i, s := range r.views {
		if errs[i] != nil {
			r.takeOut(s, errs[i])
		}
	}
	r.signal()
	return nil
}

// fits holds events against a view's checkpoint: where they overlap they must
// be the same, and nothing may be missing between them.
func (s *slot) fits(recorded []Recorded, rolls []events.Rolling) error {
	if s.fault != nil {
		return nil //nolint:nilerr // it is out of service, and told of already
	}
	at := s.Home.Current().Checkpoint()
	first := recorded[0].Seq
	if err := follow(min(first-1, at.Seq), recorded); err != nil {
		return err
	}
	if i := at.Seq - first; first <= at.Seq && i < events.Seq(len(rolls)) && rolls[i] != at.Rolling {
		return fmt.Errorf("%w: up to event %d the log is not what this view was built from; run verify", ErrOtherLog, at.Seq)
	}
	return nil
}

func (r *Runner) applyTo(s *slot, recorded []Recorded, rolling events.Rolling) error {
	db := s.Home.Current()
	last := recorded[len(recorded)-1].Seq
	at := db.Checkpoint().Seq
	if last <= at {
		return nil
	}
	n := int(last - at) // fits has seen that they follow
	if err := Apply(db, s.Projector, r.source.Identity(), recorded[len(recorded)-n:], rolling); err != nil {
		return err
	}
	if r.listener.Applied != nil {
		r.listener.Applied(s.Projector.Name(), last, n)
	}
	return nil
}

// Apply folds events, at least one, into a view and commits them with their
// checkpoint. rolling is the hash after the last of them. The error matches
// events.ErrGap when they do not follow the view's checkpoint and each other.
func Apply(db *viewdb.DB, p Projector, stream string, recorded []Recorded, rolling events.Rolling) error {
	if err := follow(db.Checkpoint().Seq, recorded); err != nil {
		return err
	}
	b := db.NewBatch()
	if err := p.Project(b, recorded); err != nil {
		return err
	}
	last := recorded[len(recorded)-1]
	return b.Commit(viewdb.Checkpoint{Stream: stream, Seq: last.Seq, Event: last.ID, Rolling: rolling})
}

// follow checks that events come right after a Seq and each other.
func follow(after events.Seq, recorded []Recorded) error {
	for _, e := range recorded {
		if e.Seq != after+1 {
			return fmt.Errorf("%w: event %d after %d", events.ErrGap, e.Seq, after)
		}
		after = e.Seq
	}
	return nil
}

// WaitFor waits until every view that is in service has applied seq, or ctx
// ends.
func (r *Runner) WaitFor(ctx context.Context, seq events.Seq) error {
	for {
		r.mu.Lock()
		reached := !slices.ContainsFunc(r.views, func(s *slot) bool {
			return s.fault == nil && s.Home.Current().Checkpoint().Seq < seq
		})
		moved := r.moved
		r.mu.Unlock()
		if reached {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("wait for the views to reach event %d: %w", seq, ctx.Err())
		}
	}
}

// Status lists where every view stands.
func (r *Runner) Status() []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Status, 0, len(r.views))
	for _, s := range r.views {
		at := s.Home.Current().Checkpoint()
		fault := s.fault
		if fault == nil {
			fault = s.Home.Current().Fault()
		}
		out = append(out, Status{
			Name: s.Projector.Name(), Checkpoint: at, Lag: r.head - min(at.Seq, r.head), Rebuilding: s.rebuilding, Fault: fault,
		})
	}
	return out
}

func (r *Runner) slot(name string) (*slot, error) {
	for _, s := range r.views {
		if s.Projector.Name() == name {
			return s, nil
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrNoView, name)
}

// signal wakes who waits; r.mu is held.
func (r *Runner) signal() {
	close(r.moved)
	r.moved = make(chan struct{})
}
