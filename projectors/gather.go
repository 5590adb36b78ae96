package projectors

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

// Archive is the projector of a view that keeps every event, those about one
// aggregate side by side: what other views are made from anew.
type Archive interface {
	Projector
	// Collect begins to fill the empty view from the first event on.
	Collect(part *viewdb.Part) Collector
	// Split gives the bounds of at most n parts of the view, to be read side by
	// side: each begins where the one before ends, and none parts an aggregate.
	Split(db *viewdb.DB, n int) (bounds [][]byte, err error)
	// Scan calls fn for the events between two bounds, by aggregate and then by
	// Seq. What fn gets is valid during the call only.
	Scan(r viewdb.Reader, lower, upper []byte, fn func(*Past) error) error
}

// Collector takes every event, in order, and Close at their end.
type Collector interface {
	Add(r Recorded) error
	Close() error
}

// Gathered is a projector that can make its rows from an archive: those about an
// aggregate follow from the events about it alone, whatever happened in between.
// Its rows are the same as Project makes of the log.
type Gathered interface {
	Projector
	// Gather begins to make the rows of some aggregates.
	Gather(part *viewdb.Part) Gatherer
}

// Gatherer takes events by aggregate and then by Seq. It is for one goroutine.
type Gatherer interface {
	// Add takes the next event, which is valid during the call only.
	Add(p *Past) error
	// Close ends a run of aggregates; another one may begin.
	Close() error
}

// Past is an event as an archive has it. It is decoded when somebody asks.
type Past struct {
	events.Stored
	// Unreadable says that it could not be decoded when it was archived; perhaps
	// it can be now.
	Unreadable bool

	decoded bool
	event   events.Event
	err     error
}

// Decode decodes the event, once however often it is asked.
func (p *Past) Decode() (events.Event, error) {
	if !p.decoded {
		p.event, p.err = events.Decode(p.Stored)
		p.decoded = true
	}
	return p.event, p.err
}

// target is a view to fill, which is empty.
type target struct {
	Gathered
	db *viewdb.DB
}

// partsPerCore is into how many parts an archive is cut for each core, so that
// all cores end at about the same time.
const partsPerCore = 8

// told is after how many events progress is told, and the context asked.
const told = 4096

// gather fills views from a snapshot of an archive; after an error each of them
// is whole or empty.
func gather(ctx context.Context, archive Archive, db *viewdb.DB, from *viewdb.Snapshot, targets []target, progress func(events.Seq)) (err error) {
	workers := runtime.GOMAXPROCS(0)
	g := &gathering{ctx: ctx, archive: archive, from: from, progress: progress}
	if g.bounds, err = archive.Split(db, partsPerCore*workers); err != nil {
		return err
	}
	loads := make([]*viewdb.Load, 0, len(targets))
	defer func() {
		for _, l := range loads {
			err = errors.Join(err, l.Close())
		}
	}()
	for _, t := range targets {
		l, err := t.db.BeginLoad()
		if err != nil {
			return err
		}
		loads = append(loads, l)
	}
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for i := range workers {
		wg.Go(func() { errs[i] = g.work(targets, loads) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	errs = make([]error, len(loads))
	for i, l := range loads {
		wg.Go(func() { errs[i] = l.Commit(ctx, from.Checkpoint()) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// gathering is what its goroutines share.
type gathering struct {
	ctx      context.Context //nolint:containedctx // of one call of gather
	archive  Archive
	from     *viewdb.Snapshot
	bounds   [][]byte
	progress func(events.Seq)
	next     atomic.Int64 // part
	done     atomic.Uint64
}

// work gathers parts of the archive until none is left.
func (g *gathering) work(targets []target, loads []*viewdb.Load) error {
	parts := make([]*viewdb.Part, len(targets))
	gatherers := make([]Gatherer, len(targets))
	for i, t := range targets {
		parts[i] = loads[i].Part()
		gatherers[i] = t.Gather(parts[i])
	}
	n := 0
	each := func(p *Past) error {
		if n++; n%told == 0 {
			if err := g.tell(); err != nil {
				return err
			}
		}
		for _, to := range gatherers {
			if err := to.Add(p); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		at := int(g.next.Add(1))
		if at >= len(g.bounds) {
			return nil
		}
		if err := g.archive.Scan(g.from, g.bounds[at-1], g.bounds[at], each); err != nil {
			g.next.Store(int64(len(g.bounds))) // nobody need go on
			return err
		}
		for i := range gatherers {
			if err := errors.Join(gatherers[i].Close(), parts[i].Break()); err != nil {
				return err
			}
		}
	}
}

func (g *gathering) tell() error {
	done := g.done.Add(told)
	if g.progress != nil {
		g.progress(events.Seq(done))
	}
	return g.ctx.Err()
}

// collect fills an archive, which is empty, from the log, and in the same pass
// views that are made in order. each, when set, sees every event.
func collect(ctx context.Context, source Reader, archive Archive, db *viewdb.DB, along []View, upTo events.Seq, each func(Recorded), progress func(events.Seq)) (err error) {
	l, err := db.BeginLoad()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	c := archive.Collect(l.Part())
	at := viewdb.Checkpoint{Stream: source.Identity()}
	err = decoded(ctx, source, 0, upTo, func(recorded []Recorded) error {
		if err := follow(at.Seq, recorded); err != nil {
			return err
		}
		for _, r := range recorded {
			if each != nil {
				each(r)
			}
			if err := c.Add(r); err != nil {
				return err
			}
			at.Seq, at.Event, at.Rolling = r.Seq, r.ID, at.Rolling.Add(r.Stored)
		}
		for _, v := range along {
			if err := Apply(v.Home.Current(), v.Projector, at.Stream, recorded, at.Rolling); err != nil {
				return fmt.Errorf("view %s: %w", v.Projector.Name(), err)
			}
		}
		if progress != nil {
			progress(at.Seq)
		}
		return nil
	})
	if err = errors.Join(err, c.Close()); err != nil || at.Seq == 0 {
		return err
	}
	return l.Commit(ctx, at)
}

// decoded reads the log, decoding on every core, and calls fn in order.
func decoded(ctx context.Context, source Reader, after, upTo events.Seq, fn func([]Recorded) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan chan []Recorded, 2*runtime.GOMAXPROCS(0))
	var used sync.WaitGroup
	used.Go(func() {
		for next := range queue {
			recorded := <-next
			if ctx.Err() != nil {
				continue
			}
			if err := fn(recorded); err != nil {
				cancel(err)
			}
		}
	})
	err := source.Read(ctx, after, upTo, func(stored []events.Stored) error {
		next := make(chan []Recorded, 1)
		select {
		case queue <- next:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		go func() { next <- Decode(nil, stored) }()
		return nil
	})
	close(queue)
	used.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// Fill brings views that are empty to where the log stands, in one pass over it:
// the archive among them and those that are made in order from the log, and from
// the archive those that can be gathered.
// What is left is for a Runner. each, when set, sees every event that is read from
// the log, in order; progress, when set, hears how far it has come.
func Fill(ctx context.Context, source Reader, views []View, each func(Recorded), progress func(view string, at, of events.Seq)) error {
	archive, home := archiveOf(views)
	if archive == nil {
		return nil
	}
	head, err := source.Head(ctx)
	if err != nil {
		return err
	}
	tell := func(name string) func(events.Seq) {
		if progress == nil {
			return nil
		}
		return func(at events.Seq) { progress(name, at, head) }
	}
	if home.Current().Checkpoint().IsZero() && head > 0 {
		if err := collect(ctx, source, archive, home.Current(), onlyInOrder(views), head, each, tell(archive.Name())); err != nil {
			return fmt.Errorf("fill view %s from the log: %w", archive.Name(), err)
		}
	}
	var targets []target
	for _, v := range views {
		if p, ok := v.Projector.(Gathered); ok && v.Home.Current().Checkpoint().IsZero() {
			targets = append(targets, target{p, v.Home.Current()})
		}
	}
	return gatherFrom(ctx, source, archive, home, targets, tell("others"))
}

// onlyInOrder lists the empty views that can only be made of the log in its order.
func onlyInOrder(views []View) (out []View) {
	for _, v := range views {
		_, archive := v.Projector.(Archive)
		_, gathered := v.Projector.(Gathered)
		if !archive && !gathered && v.Home.Current().Checkpoint().IsZero() {
			out = append(out, v)
		}
	}
	return out
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

// gatherFrom fills views from the archive that a home has, once that is found to
// be of this log.
func gatherFrom(ctx context.Context, source Reader, archive Archive, home *viewdb.Home, targets []target, progress func(events.Seq)) error {
	if len(targets) == 0 {
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
		if err = CheckLog(ctx, source, from.Checkpoint()); err == nil {
			err = gather(ctx, archive, db, from, targets, progress)
		}
	}
	if err != nil {
		err = fmt.Errorf("from view %s: %w", archive.Name(), err)
	}
	return errors.Join(err, from.Close())
}
