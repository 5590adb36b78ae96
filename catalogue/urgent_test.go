package catalogue_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
)

// governed is a system whose deletions are governed, and what counts its decisions.
func governed(t testing.TB, log catalogue.Log) (*system, *decisions) {
	t.Helper()
	s := &system{t: t, log: log, store: catalogtest.NewStore()}
	counted := &decisions{more: make(chan struct{}, 1)}
	clock := catalogtest.Ticking()
	service, err := catalogue.Open(t.Context(), catalogue.Config{
		Log: log, Store: s.store, Seal: catalogtest.Seal{}, Guard: deletion.Guard{},
		Clock: func() time.Time { counted.add(); return clock() },
	})
	if err != nil {
		t.Fatal(err)
	}
	s.service = service
	t.Cleanup(func() { _ = service.Close() })
	return s, counted
}

// decisions counts how often a Service has asked for the time, which it does for every
// request that it decides.
type decisions struct {
	n    atomic.Int64
	more chan struct{}
}

func (d *decisions) add() {
	d.n.Add(1)
	select {
	case d.more <- struct{}{}:
	default:
	}
}

// reach waits until so many were made.
func (d *decisions) reach(t testing.TB, n int64) {
	t.Helper()
	deadline := time.After(time.Minute)
	for d.n.Load() < n {
		select {
		case <-d.more:
		case <-deadline:
			t.Fatalf("%d decisions, want %d", d.n.Load(), n)
		}
	}
}

func halt(name string) events.Event {
	return event(name, events.TheOne(events.AggregateDoor), events.DoorHalted{Cause: events.HaltByPerson})
}

// usages are requests that nothing refuses.
func usages(name string, n int) (out []catalogue.Request) {
	for i := range n {
		out = append(out, one(event(fmt.Sprint(name, i), about(1), usage)))
	}
	return out
}

// TestHaltOvertakes holds a round in the log, with a full one open behind it and calls
// that wait: a halt is right behind the first. With a full one staged another is right
// behind that.
func TestHaltOvertakes(t *testing.T) {
	t.Parallel()
	log := &hooked{MemoryLog: eventtest.NewMemoryLog("urgent")}
	s, counted := governed(t, log)
	s.must(anAccount(1))
	s.must(aTenant(1))
	held, release := make(chan struct{}, 1), make(chan struct{})
	hold := true
	log.before = func([]events.Unit) {
		if hold {
			held <- struct{}{}
			<-release
		}
	}
	var wg sync.WaitGroup
	publish := func(requests ...catalogue.Request) func() []catalogue.Verdict {
		var got []catalogue.Verdict
		wg.Go(func() { got = s.service.Publish(context.Background(), catalogtest.Internal, requests...) })
		return func() []catalogue.Verdict { return got }
	}
	const full = events.MaxUnitEvents
	begun := counted.n.Load()
	flying := publish(one(event("flying", about(1), usage)))
	<-held
	later := publish(usages("open", full-1)...)
	counted.reach(t, begun+full)
	first := publish(one(halt("first")))
	counted.reach(t, begun+full+1+full-1) // what was overtaken is decided again
	release <- struct{}{}                 // the first halt is on its way
	<-held
	filled := publish(usages("filled", full)...) // together with those before they are staged
	counted.reach(t, begun+3*full)
	waiting := publish(usages("waiting", full)...)
	counted.reach(t, begun+4*full)
	second := publish(one(halt("second")))
	for s.service.UrgentWaiting() == 0 {
		runtime.Gosched()
	}
	release <- struct{}{} // a full round is on its way
	<-held
	counted.reach(t, begun+4*full+1+full)
	hold = false
	close(release)
	wg.Wait()
	at := flying()[0].Seq
	if v := first()[0]; v.Err != nil || v.Seq != at+1 {
		t.Errorf("the halt stands at %d behind %d, %v", v.Seq, at, v.Err)
	}
	if v := second()[0]; v.Err != nil || v.Seq != at+1+2*full {
		t.Errorf("the other stands at %d, want %d, %v", v.Seq, at+1+2*full, v.Err)
	}
	before := at + 1
	for _, v := range slices.Concat(later(), filled(), waiting()) {
		if v.Err != nil || v.Seq <= before {
			t.Fatalf("behind %d: %+v", before, v)
		}
		before = v.Seq
	}
	s.consistent()
}

// TestHaltWhileTheLogIsAway is refused like anything else, and taken when it is back.
func TestHaltWhileTheLogIsAway(t *testing.T) {
	t.Parallel()
	log := &hooked{MemoryLog: eventtest.NewMemoryLog("away")}
	s, _ := governed(t, log)
	log.FailNext(events.ErrUnavailable)
	isErr(t, s.ask(one(halt("a"))), events.ErrUnavailable)
	log.LoseNextAck()
	isErr(t, s.ask(one(halt("b"))), events.ErrUnavailable)
	if v := s.must(halt("b")); !v.Duplicate {
		t.Errorf("%+v", v)
	}
	if v := s.must(halt("a")); v.Duplicate {
		t.Errorf("%+v", v)
	}
	if v := s.service.Publish(t.Context(), catalogue.Credential{Via: "somebody"}, one(halt("c")))[0]; v.Err == nil {
		t.Error("anybody may halt")
	}
	s.consistent()
	if err := s.service.Close(); err != nil {
		t.Error(err)
	}
	isErr(t, s.ask(one(halt("d"))), catalogue.ErrStopped)
}

// TestHaltsAmongOthers publishes halts beside everything else, through a log that
// somebody else writes to as well: nothing is lost, twice or out of a call's order.
func TestHaltsAmongOthers(t *testing.T) {
	t.Parallel()
	log := &hooked{MemoryLog: eventtest.NewMemoryLog("among")}
	s, _ := governed(t, log)
	s.must(anAccount(1))
	s.must(aTenant(1))
	foreign := open(t, log.MemoryLog)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 20 {
				name := fmt.Sprint(g, "/", i)
				requests := usages(name, 1+(g*i)%7)
				if g%4 == 0 {
					requests = []catalogue.Request{one(halt(name))}
				}
				by := s
				if g == 7 {
					by = foreign
				}
				before := events.Seq(0)
				for _, v := range by.service.Publish(t.Context(), catalogtest.Internal, requests...) {
					if v.Err != nil || v.Seq <= before {
						t.Errorf("behind %d: %+v", before, v)
					}
					before = v.Seq
				}
				if g == 6 {
					if err := s.service.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	s.must(event("last", about(1), usage))
	if err := s.service.Close(); err != nil {
		t.Error(err)
	}
	noDoubles(t, s.events())
	s.consistent()
}

// saturate keeps more calls waiting than the queue holds, until stop. each is told of
// every answer, and whether the call waited before halting was set.
func saturate(s *system, halting *atomic.Bool, each func(early bool, v catalogue.Verdict)) (stop func()) {
	const callers = 6000
	var wg sync.WaitGroup
	var stopped atomic.Bool
	full := make(chan struct{})
	var begun atomic.Int64
	for c := range callers {
		wg.Go(func() {
			for i := 0; !stopped.Load(); i++ {
				if begun.Add(1) == 3*callers {
					close(full)
				}
				early := !halting.Load()
				each(early, s.service.Publish(context.Background(), catalogtest.Internal, one(event(fmt.Sprint(c, "/", i), about(1+c%100), usage)))[0])
			}
		})
	}
	<-full
	return func() { stopped.Store(true); wg.Wait() }
}

// TestHaltUnderOverload halts while thousands of calls wait on a real log.
func TestHaltUnderOverload(t *testing.T) {
	t.Parallel()
	log, _ := eventtest.NewLog(t)
	s, _ := governed(t, log)
	s.must(anAccount(1))
	for i := range 100 {
		s.must(aTenant(i + 1))
	}
	var halting atomic.Bool
	var mu sync.Mutex
	var waited []events.Seq
	stop := saturate(s, &halting, func(early bool, v catalogue.Verdict) {
		if v.Err != nil {
			t.Error(v.Err)
		}
		if early && halting.Load() {
			mu.Lock()
			defer mu.Unlock()
			waited = append(waited, v.Seq)
		}
	})
	halting.Store(true)
	began := time.Now()
	v := s.must(halt("now"))
	took := time.Since(began)
	stop()
	later := 0
	for _, seq := range waited {
		if seq > v.Seq {
			later++
		}
	}
	t.Logf("%v; %d calls that waited before it were answered after it, %d before", took, later, len(waited)-later)
	if later < 1000 {
		t.Errorf("the halt took %v and overtook %d of %d calls", took, later, len(waited))
	}
}

// BenchmarkHalt is how long a halt takes while 6,000 calls wait.
func BenchmarkHalt(b *testing.B) {
	log, _ := eventtest.NewLog(b)
	s, _ := governed(b, log)
	s.must(anAccount(1))
	for i := range 100 {
		s.must(aTenant(i + 1))
	}
	var halting atomic.Bool
	stop := saturate(s, &halting, func(bool, catalogue.Verdict) {})
	defer stop()
	longest, n := time.Duration(0), 0
	for b.Loop() {
		n++
		began := time.Now()
		s.must(halt(fmt.Sprint("halt", n)))
		longest = max(longest, time.Since(began))
	}
	b.ReportMetric(longest.Seconds()*1000, "ms-max")
}
