package replay

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
)

// verification is views being held against the log.
type verification struct {
	ctx      context.Context //nolint:containedctx // of one verification
	log      Log
	subjects []*subject
	archive  projectors.Archive
	history  *subject   // the archive's
	upTo     events.Seq // where the history stands
	check    logCheck
	opts     Options
}

// subject is a Subject with the rows that it has, and those that it should have.
type subject struct {
	Subject
	at        viewdb.Checkpoint
	collected projectors.Collected // either this
	gathered  projectors.Gathered  // or this

	mu   sync.Mutex // guards have while it is summed up
	have viewdb.Tally
	want viewdb.Tally

	compared bool
	trusted  bool // compared, and equal
}

func newVerification(ctx context.Context, log Log, subjects []Subject, opts Options) (*verification, error) {
	v := &verification{ctx: ctx, log: log, opts: opts, check: logCheck{rolls: map[events.Seq]events.Rolling{}}}
	for _, given := range subjects {
		s := &subject{Subject: given, at: given.Snapshot.Checkpoint()}
		switch p := given.Projector.(type) {
		case projectors.Collected:
			s.collected = p
		case projectors.Gathered:
			s.gathered = p
		default:
			return nil, fmt.Errorf("view %s can be made neither of the log nor of the history", p.Name())
		}
		if a, ok := given.Projector.(projectors.Archive); ok {
			v.archive, v.history, v.upTo = a, s, s.at.Seq
		}
		v.check.rolls[s.at.Seq] = events.Rolling{}
		v.subjects = append(v.subjects, s)
	}
	if v.history == nil {
		return nil, ErrNoHistory
	}
	for _, s := range v.subjects {
		if s.at.Seq > v.upTo {
			return nil, fmt.Errorf("%w: it stands at %d, view %s at %d; try again", ErrNoHistory, v.upTo, s.Projector.Name(), s.at.Seq)
		}
	}
	return v, nil
}

// together does several things at once and waits for all.
func together(do ...func() error) error {
	var wg sync.WaitGroup
	errs := make([]error, len(do))
	for i, f := range do {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// scanParts is into how many parts a subject is cut.
const scanParts = 16

// scan sums up the rows of every subject.
func (v *verification) scan() error {
	type part struct {
		of           *subject
		lower, upper []byte
	}
	var parts []part
	for _, s := range v.subjects {
		cuts, err := s.Snapshot.Split(nil, nil, scanParts)
		if err != nil {
			return err
		}
		lower := []byte(nil)
		for _, cut := range cuts {
			parts = append(parts, part{s, lower, cut})
			lower = cut
		}
		parts = append(parts, part{s, lower, nil})
	}
	queue := make(chan part, len(parts))
	for _, p := range parts {
		queue <- p
	}
	close(queue)
	work := func() error {
		pace := v.opts.Spare.Pace()
		for p := range queue {
			var sum viewdb.Tally
			if err := p.of.Snapshot.Scan(p.lower, p.upper, v.pacing(pace, sum.Add)); err != nil {
				return err
			}
			p.of.mu.Lock()
			p.of.have.Plus(&sum)
			p.of.mu.Unlock()
		}
		return nil
	}
	workers := make([]func() error, runtime.GOMAXPROCS(0))
	for i := range workers {
		workers[i] = work
	}
	return together(workers...)
}

// pacing makes a scan that gives way, and ends when nobody waits for it any more.
func (v *verification) pacing(pace *projectors.Pace, each func(key, value []byte)) func(key, value []byte) error {
	return func(key, value []byte) error {
		each(key, value)
		return pace.Step(v.ctx)
	}
}

// progress tells how far it has come.
func (v *verification) progress(at events.Seq) {
	if v.opts.Progress != nil {
		v.opts.Progress(min(at, v.upTo), v.upTo)
	}
}

// tallied sums up what a projector makes.
type tallied struct{ *viewdb.Tally }

// Set adds a row.
func (r tallied) Set(key, value []byte) error { r.Tally.Add(key, value); return nil }

// Add adds a row.
func (r tallied) Add(key, value []byte, _ uint64) error { r.Tally.Add(key, value); return nil }

// fold reads the whole log, checks it, and makes the rows of those views that are
// made of it in its order.
func (v *verification) fold() error {
	var to []collectorUpTo
	for _, s := range v.subjects {
		if s.collected == nil {
			continue
		}
		c, err := s.collected.Collect(tallied{&s.want}, 0, nil)
		if err != nil {
			return err
		}
		to = append(to, collectorUpTo{c, s.at.Seq})
	}
	return v.readLog(projectors.NewVoucher(v.opts.Genesis), to, nil)
}

// collectorUpTo is a Collector that takes the events up to a Seq.
type collectorUpTo struct {
	projectors.Collector
	upTo events.Seq
}

// readLog reads the log from where a Voucher stands for the check, for collectors, and for each,
// when it is set, up to where it has a gap. A damaged log is among the faults, and
// no error.
func (v *verification) readLog(voucher *projectors.Voucher, to []collectorUpTo, each func(projectors.Recorded)) error {
	err := projectors.ReadDecoded(v.ctx, v.log, v.opts.Spare, voucher, v.upTo, func(recorded []projectors.Recorded) error {
		for _, r := range recorded {
			if v.check.add(r); v.check.torn {
				continue
			}
			for _, c := range to {
				if r.Seq > c.upTo {
					continue
				}
				if err := c.Add(r); err != nil {
					return err
				}
			}
			if each != nil {
				each(r)
			}
		}
		v.progress(v.check.at)
		return nil
	})
	if errors.Is(err, events.ErrGap) || errors.Is(err, events.ErrShort) {
		v.check.cut(err)
		return nil
	}
	for _, c := range to {
		err = errors.Join(err, c.Close())
	}
	return err
}

// gather makes, from the history, the rows of the views that are made by
// aggregate.
func (v *verification) gather() error {
	type part struct {
		of  *subject
		sum *viewdb.Tally
	}
	var parts []part
	begin := func() (to projectors.Gatherers) {
		to.Pace = v.opts.Spare.Pace()
		for _, s := range v.subjects {
			if s.gathered == nil {
				continue
			}
			sum := &viewdb.Tally{}
			parts = append(parts, part{s, sum})
			to.Each = append(to.Each, gathererUpTo{s.gathered.Gather(tallied{sum}), s.at.Seq})
		}
		return to
	}
	if err := projectors.Gather(v.ctx, v.archive, v.history.Snapshot, begin, v.progress); err != nil {
		return err
	}
	for _, p := range parts {
		p.of.want.Plus(p.sum)
	}
	return nil
}

// gathererUpTo is a Gatherer that takes the events up to a Seq.
type gathererUpTo struct {
	projectors.Gatherer
	seq events.Seq
}

// Add takes an event if it is not beyond.
func (g gathererUpTo) Add(p *projectors.Archived) error {
	if p.Seq > g.seq {
		return nil
	}
	return g.Gatherer.Add(p)
}
