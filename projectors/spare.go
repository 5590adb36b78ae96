package projectors

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// Spare is the processors' time that is left for work that can wait: whoever reads
// everything, to verify it or to make a view anew. While callers are served, all
// such work together gets no more than all processors but one have to give. A nil
// Spare gives all there is.
type Spare struct {
	busy   func() bool
	clock  func() time.Time
	others time.Duration // processors that it may use while busy

	mu    sync.Mutex
	taken time.Time // up to when its time is taken
}

// NewSpare makes a Spare; busy tells whether callers are being served. The clock is
// the machine's.
func NewSpare(busy func() bool, clock func() time.Time) *Spare {
	return &Spare{busy: busy, clock: clock, others: time.Duration(max(1, runtime.GOMAXPROCS(0)-1))}
}

// Pace begins to measure the work of one goroutine.
func (s *Spare) Pace() *Pace {
	p := &Pace{spare: s}
	if s != nil {
		p.since = s.clock()
	}
	return p
}

// Pace is that of one goroutine.
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
)

// Step is called after each row or event. It waits when others need the processors
// and this work has had its time. The error is the context's.
func (p *Pace) Step(ctx context.Context) error {
	if p.steps++; p.steps%stepsPerLook != 0 {
		return nil
	}
	return p.GiveWay(ctx)
}

// GiveWay is Step for whoever has done a good deal since the last.
func (p *Pace) GiveWay(ctx context.Context) error {
	if err := ctx.Err(); err != nil || p.spare == nil {
		return err
	}
	// Whoever has just become ready to run goes first.
	runtime.Gosched()
	if wait := p.pay(); wait >= shortest {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		p.since = p.spare.clock()
	}
	return ctx.Err()
}

// pay takes the time since the last time out of what is to spare, and gives how
// long to wait for it.
func (p *Pace) pay() (wait time.Duration) {
	s, now := p.spare, p.spare.clock()
	took := now.Sub(p.since)
	p.since = now
	if !s.busy() {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	wait = max(0, s.taken.Sub(now))
	s.taken = now.Add(wait + took/s.others)
	return wait
}
