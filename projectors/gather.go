package projectors

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

// Rows takes the rows of a view that is made from nothing, from one goroutine. A
// viewdb.Part loads them.
type Rows interface {
	// Set takes a row whose key is greater than those before it with the same
	// first byte.
	Set(key, value []byte) error
	// Add takes a row in any order; of those with one key the one with the
	// highest rank counts.
	Add(key, value []byte, rank uint64) error
}

// Collected is a projector that can make its rows in one pass over the log. Its
// rows are the same as Project makes.
type Collected interface {
	Projector
	// Collect begins to make the rows of the events after a Seq, which is 0 or not
	// behind what Since gives for what is to come. before shows the rows up to it.
	Collect(rows Rows, after events.Seq, before viewdb.Reader) (Collector, error)
	// Since is where collecting must begin for every row to be whole that an event
	// after seq has a part in.
	Since(seq events.Seq) (after events.Seq)
}

// Collector takes every event, in order, and Close at their end.
type Collector interface {
	Add(r Recorded) error
	Close() error
}

// Archive is the projector of a view that keeps every event, those about one
// aggregate side by side: what other views are made from anew.
type Archive interface {
	Collected
	Ledger
	// Split gives the bounds of at most n parts of the view, to be read side by
	// side: each begins where the one before ends, and none parts an aggregate.
	Split(s *viewdb.Snapshot, n int) (bounds [][]byte, err error)
	// Bounds are those of one aggregate.
	Bounds(about events.Aggregate) (lower, upper []byte)
	// Scan calls fn for the events between two bounds, by aggregate and then by
	// Seq. What fn gets is valid during the call only.
	Scan(r viewdb.Reader, lower, upper []byte, fn func(*Archived) error) error
}

// Gathered is a projector that can make its rows from an archive: those about an
// aggregate follow from the events about it alone, whatever happened in between.
// Its rows are the same as Project makes of the log.
type Gathered interface {
	Projector
	// Gather begins to make the rows of some aggregates.
	Gather(rows Rows) Gatherer
}

// Gatherer takes events by aggregate and then by Seq. It is for one goroutine.
type Gatherer interface {
	// Add takes the next event, which is valid during the call only.
	Add(p *Archived) error
	// Close ends a run of aggregates; another one may begin.
	Close() error
}

// Archived is an event as an archive has it. It is decoded when somebody asks.
type Archived struct {
	events.Stored
	// Unreadable says that it could not be decoded when it was archived; perhaps
	// it can be now.
	Unreadable bool
	// Refused is why it may not stand where it does; empty: it may.
	Refused string

	decoded bool
	event   events.Event
	err     error
}

// Decode decodes the event, once however often it is asked. The error says why it counts
// for nothing, as in Recorded.
func (p *Archived) Decode() (events.Event, error) {
	if !p.decoded {
		p.event, p.err = p.decode()
		p.decoded = true
	}
	return p.event, p.err
}

func (p *Archived) decode() (events.Event, error) {
	if p.Refused != "" {
		return events.Event{}, &RefusedError{p.Refused}
	}
	e, err := events.Decode(p.Stored)
	if err == nil && p.Unreadable && e.Governed() {
		return events.Event{}, errUnvouched
	}
	return e, err
}

// errUnvouched is returned for a governed event that could not be decoded when it was
// archived and can be now: nobody has held it against the rules.
var errUnvouched = errors.New("it could not be read when it was archived, and nobody has vouched for it since; rebuild view history")

// partsPerCore is into how many parts an archive is cut for each core, so that
// all cores end at about the same time.
const partsPerCore = 8

// told is after how many events progress is told.
const told = 4096

// Gatherers are what one goroutine of a Gather feeds.
type Gatherers struct {
	Each []Gatherer
	// Pace, when set, is that of the work.
	Pace *Pace
	// Ended, when set, is called when a run of aggregates has been closed.
	Ended func() error
}

// Gather reads a snapshot of an archive by aggregate, on every core. begin is
// called for each of the goroutines; every run of aggregates goes to the
// Gatherers of one of them. progress, when set, hears how many events were read.
func Gather(ctx context.Context, archive Archive, from *viewdb.Snapshot, begin func() Gatherers, progress func(events.Seq)) error {
	workers := runtime.GOMAXPROCS(0)
	bounds, err := archive.Split(from, partsPerCore*workers)
	if err != nil {
		return err
	}
	g := &sweep{ctx: ctx, archive: archive, from: from, bounds: bounds, progress: progress}
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for i := range workers {
		to := begin()
		wg.Go(func() { errs[i] = g.work(to) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// sweep is what the goroutines of a Gather share.
type sweep struct {
	ctx      context.Context //nolint:containedctx // of one call of Gather
	archive  Archive
	from     *viewdb.Snapshot
	bounds   [][]byte
	progress func(events.Seq)
	next     atomic.Int64 // part

	mu   sync.Mutex // guards done, and progress, which is told of it in order
	done events.Seq
}

// work gathers parts of the archive until none is left.
func (g *sweep) work(to Gatherers) error {
	n := 0
	each := func(p *Archived) error {
		if n++; n%told == 0 {
			g.tell()
		}
		if err := to.add(p); err != nil {
			return err
		}
		return to.Pace.Step(g.ctx)
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
		if err := to.close(); err != nil {
			return err
		}
	}
}

func (to Gatherers) add(p *Archived) error {
	for _, g := range to.Each {
		if err := g.Add(p); err != nil {
			return err
		}
	}
	return nil
}

func (to Gatherers) close() error {
	for _, g := range to.Each {
		if err := g.Close(); err != nil {
			return err
		}
	}
	if to.Ended == nil {
		return nil
	}
	return to.Ended()
}

func (g *sweep) tell() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.done += told
	if g.progress != nil {
		g.progress(g.done)
	}
}

// GatherOf is Gather for some aggregates, on the calling goroutine.
func GatherOf(ctx context.Context, archive Archive, from *viewdb.Snapshot, about []events.Aggregate, to Gatherers) error {
	each := func(p *Archived) error {
		if err := to.add(p); err != nil {
			return err
		}
		return to.Pace.Step(ctx)
	}
	for _, a := range about {
		lower, upper := archive.Bounds(a)
		if err := errors.Join(archive.Scan(from, lower, upper, each), ctx.Err()); err != nil {
			return err
		}
	}
	return to.close()
}

// ReadDecoded reads the log from where a Voucher stands up to a Seq, decoding on every
// core, and calls fn in order.
// All of that is work that can wait.
func ReadDecoded(ctx context.Context, source Log, spare *Spare, voucher *Voucher, upTo events.Seq, fn func([]Recorded) error) error {
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
			pace := spare.Pace()
			if err := errors.Join(fn(voucher.vouch(recorded)), pace.GiveWay(ctx)); err != nil {
				cancel(err)
			}
		}
	})
	err := source.Read(ctx, voucher.Seq(), upTo, func(stored []events.Stored) error {
		next := make(chan []Recorded, 1)
		select {
		case queue <- next:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		go func() {
			pace := spare.Pace()
			decoded := decode(nil, stored)
			_ = pace.GiveWay(ctx) // who takes it asks the context itself
			next <- decoded
		}()
		return nil
	})
	close(queue)
	used.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
