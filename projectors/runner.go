package projectors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

// Listener hears of what a Runner does. Any of its functions may be nil; they
// are called from the Runner's goroutines and must not block.
type Listener struct {
	Applied     func(view string, seq events.Seq, n int)              // n events, up to seq
	Faulted     func(view string, err error)                          // the view is out of service
	Quarantined func(about events.Aggregate, seq events.Seq, w error) // an event could not be read
	Rebuilt     func(view string, seq events.Seq)                     // a new generation serves
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
	fault      error // why it is not being applied to
}

// NewRunner makes a Runner for views that are open.
func NewRunner(source Source, views []View, listener Listener) *Runner {
	r := &Runner{source: source, listener: listener, moved: make(chan struct{})}
	for _, v := range views {
		r.views = append(r.views, &slot{View: v})
	}
	return r
}

// Run applies events to the views as they come, until ctx ends or the log turns
// out not to be the one the views were built from. A view that faults is taken
// out, recovered and rebuilt; the others go on.
func (r *Runner) Run(ctx context.Context) error {
	start, err := r.start(ctx)
	if err != nil {
		return err
	}
	var recorded []Recorded
	rolling := start.Rolling
	return r.source.Tail(ctx, start.Seq, func(stored []events.Stored) error {
		recorded = Decode(recorded, stored)
		rolls := make([]events.Rolling, len(stored))
		for i, s := range stored {
			rolling = rolling.Add(s)
			rolls[i] = rolling
			if err := recorded[i].Err; err != nil && r.listener.Quarantined != nil {
				r.listener.Quarantined(s.About, s.Seq, err)
			}
		}
		if err := r.apply(recorded, rolls); err != nil {
			return err
		}
		r.heal(ctx)
		return nil
	})
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
	return first, nil
}

// CheckLog holds a checkpoint against the log: the stream is the same, long
// enough, and has the same event at that Seq. Everything that was built on the
// checkpoint must stop when it does not: JetStream itself reports neither a
// lost tail nor sequences used twice.
func CheckLog(ctx context.Context, source Source, at viewdb.Checkpoint) error {
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

// apply hands events to every view that is in service.
func (r *Runner) apply(recorded []Recorded, rolls []events.Rolling) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := recorded[len(recorded)-1].Seq
	var wg sync.WaitGroup
	errs := make([]error, len(r.views))
	for i, s := range r.views {
		if s.fault != nil {
			continue
		}
		wg.Go(func() { errs[i] = r.applyTo(s, recorded, rolls) })
	}
	wg.Wait()
	r.head = max(r.head, last)
	for i, s := range r.views {
		switch {
		case errs[i] == nil:
		case errors.Is(errs[i], ErrGap), errors.Is(errs[i], ErrOtherLog):
			return fmt.Errorf("view %s: %w", s.Projector.Name(), errs[i])
		default:
			r.takeOut(s, errs[i])
		}
	}
	r.signal()
	return nil
}

func (r *Runner) applyTo(s *slot, recorded []Recorded, rolls []events.Rolling) error {
	at := s.Home.Current().Checkpoint()
	skip := 0
	for skip < len(recorded) && recorded[skip].Seq <= at.Seq {
		if recorded[skip].Seq == at.Seq && rolls[skip] != at.Rolling {
			return fmt.Errorf("%w: up to event %d the log is not what this view was built from; run verify", ErrOtherLog, at.Seq)
		}
		skip++
	}
	recorded, rolls = recorded[skip:], rolls[skip:]
	if len(recorded) == 0 {
		return nil
	}
	if recorded[0].Seq != at.Seq+1 {
		return fmt.Errorf("%w: event %d after %d", ErrGap, recorded[0].Seq, at.Seq)
	}
	if err := Apply(s.Home.Current(), s.Projector, r.source.Identity(), recorded, rolls[len(rolls)-1]); err != nil {
		return err
	}
	if r.listener.Applied != nil {
		r.listener.Applied(s.Projector.Name(), recorded[len(recorded)-1].Seq, len(recorded))
	}
	return nil
}

// Apply folds events into a view and commits them with their checkpoint.
// rolling is the hash after the last of them.
func Apply(db *viewdb.DB, p Projector, stream string, recorded []Recorded, rolling events.Rolling) error {
	b := db.NewBatch()
	if err := p.Project(b, recorded); err != nil {
		return err
	}
	last := recorded[len(recorded)-1]
	return b.Commit(viewdb.Checkpoint{Stream: stream, Seq: last.Seq, Event: last.ID, Rolling: rolling})
}

// takeOut stops applying to a view; r.mu is held.
func (r *Runner) takeOut(s *slot, err error) {
	s.fault = err
	if r.listener.Faulted != nil {
		r.listener.Faulted(s.Projector.Name(), err)
	}
}

// heal puts views that faulted back into service: the home recovers what files
// it can, and the view is brought up to date beside the others. While the cause
// lasts, e.g. a full disk, it is tried again with the next events.
func (r *Runner) heal(ctx context.Context) {
	for _, s := range r.views {
		r.mu.Lock()
		faulted := s.fault != nil && !s.rebuilding
		if faulted {
			if err := s.Home.Recover(); err == nil {
				s.rebuilding = true
			} else {
				faulted = false
			}
		}
		r.mu.Unlock()
		if faulted {
			go r.catchUp(ctx, s)
		}
	}
}

// catchUp brings a recovered view from its checkpoint back to the others.
func (r *Runner) catchUp(ctx context.Context, s *slot) {
	err := r.fill(ctx, s.Home.Current(), s.Projector, nil, func() error { return nil })
	r.mu.Lock()
	defer r.mu.Unlock()
	s.rebuilding = false
	s.fault = err
	r.signal()
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
	next, err := s.Home.Begin()
	if err != nil {
		return fmt.Errorf("rebuild view %s: %w", name, err)
	}
	err = r.fill(ctx, next, s.Projector, progress, func() error {
		if err := s.Home.Swap(next); err != nil {
			return err
		}
		s.fault = nil
		return nil
	})
	if err != nil {
		return fmt.Errorf("rebuild view %s: %w", name, err)
	}
	if r.listener.Rebuilt != nil {
		r.listener.Rebuilt(name, next.Checkpoint().Seq)
	}
	return nil
}

// fill folds the log into db until it stands where the Runner does, and then,
// before the Runner can go on, calls done.
func (r *Runner) fill(ctx context.Context, db *viewdb.DB, p Projector, progress func(at, head events.Seq), done func() error) error {
	fold := Folder(db, p, r.source.Identity())
	for {
		head, err := r.source.Head(ctx)
		if err != nil {
			return err
		}
		err = r.source.Read(ctx, db.Checkpoint().Seq, head, func(stored []events.Stored) error {
			if progress != nil {
				defer func() { progress(db.Checkpoint().Seq, head) }()
			}
			return fold(stored)
		})
		if err != nil {
			return err
		}
		r.mu.Lock()
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

// closeBehind is how many events may be applied while every other view waits.
const closeBehind = 2000

// Folder returns a function that folds what a log hands over into a view.
func Folder(db *viewdb.DB, p Projector, stream string) func([]events.Stored) error {
	var recorded []Recorded
	rolling := db.Checkpoint().Rolling
	return func(stored []events.Stored) error {
		for _, s := range stored {
			rolling = rolling.Add(s)
		}
		recorded = Decode(recorded, stored)
		return Apply(db, p, stream, recorded, rolling)
	}
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
