package projectors

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// Spare is the processors' time that is left for work that can wait: whoever reads
// everything, to verify it or to make a view anew. While callers wait for an
// answer, all such work together gets as much as all processors but one have to
// give, of one the half. A nil Spare gives all there is.
type Spare struct {
	busy  func() bool
	clock func() time.Time
	share float64 // of one processor's time

	mu    sync.Mutex
	taken time.Time // up to when its time is taken
}

// NewSpare makes a Spare of the processors that there are now; busy tells whether
// callers are waiting. The clock is the machine's.
func NewSpare(busy func() bool, clock func() time.Time) *Spare {
	return &Spare{busy: busy, clock: clock, share: max(0.5, float64(runtime.GOMAXPROCS(0)-1))}
}

// Pace begins to measure the work of one goroutine.
func (s *Spare) Pace() *Pace {
	p := &Pace{spare: s}
	if s != nil {
		p.since = s.clock()
	}
	return p
}

// Pace is that of one goroutine. A nil Pace never waits.
type Pace struct {
	spare *Spare
	steps int
	since time.Time // up to when its work is paid for
}

const (
	// stepsPerLook is how many steps, of a few microseconds each, go by before
	// the clock and the context are looked at.
	stepsPerLook = 64
	// shortest is the shortest wait that is worth a timer.
	shortest = 500 * time.Microsecond
	// longest is the most that is paid for, and waited, at once: what took longer
	// was waiting for something itself, and whom it waits for may be gone by then.
	longest = 20 * time.Millisecond
)

// Step is called after each row or event. It waits when others need the processors
// and this work has had its time. The error is the context's.
func (p *Pace) Step(ctx context.Context) error {
	if p == nil {
		return ctx.Err()
	}
	if p.steps++; p.steps%stepsPerLook != 0 {
		return nil
	}
	return p.GiveWay(ctx)
}

// GiveWay is Step for whoever has done a good deal since the last.
func (p *Pace) GiveWay(ctx context.Context) error {
	if err := ctx.Err(); err != nil || p == nil || p.spare == nil {
		return err
	}
	// Whoever has just become ready to run goes first.
	runtime.Gosched()
	for until := p.pay(); p.spare.busy(); {
		wait := until.Sub(p.spare.clock())
		if wait < shortest {
			break
		}
		if err := sleep(ctx, min(wait, longest)); err != nil {
			return err
		}
	}
	p.since = p.spare.clock()
	return nil
}

// pay takes the time since the last time out of what is to spare, if others need
// it, and tells from when on there is some again.
func (p *Pace) pay() (until time.Time) {
	s, now := p.spare, p.spare.clock()
	if !s.busy() {
		return now
	}
	took := min(now.Sub(p.since), longest)
	s.mu.Lock()
	defer s.mu.Unlock()
	if until = s.taken; until.Before(now) {
		until = now
	}
	s.taken = until.Add(time.Duration(float64(took) / s.share))
	return until
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
