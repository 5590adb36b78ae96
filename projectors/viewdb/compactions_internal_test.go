package viewdb

import (
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// fakeStore is a store that wants some compactions, each of which lasts until it is
// ended.
type fakeStore struct {
	c       *compactor
	allowed int
	urgency float64
	holds   chan struct{} // when set, questions wait for it

	mu      sync.Mutex
	waiting int
	refuses int // grants that it does not take
	running []pebble.CompactionGrantHandle
}

func (f *fakeStore) GetAllowedWithoutPermission() int { return f.allowed }

func (f *fakeStore) GetWaitingCompaction() (bool, pebble.WaitingCompaction) {
	if f.holds != nil {
		<-f.holds
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.waiting > 0, pebble.WaitingCompaction{Priority: 80, Score: f.urgency}
}

func (f *fakeStore) Schedule(h pebble.CompactionGrantHandle) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waiting--; f.refuses > 0 {
		f.refuses--
		return false
	}
	f.running = append(f.running, h)
	return true
}

// want asks for a compaction as Pebble does, under its lock.
func (f *fakeStore) want() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waiting > 0 {
		f.waiting++
		return
	}
	if ok, h := f.c.TrySchedule(); ok {
		f.running = append(f.running, h)
	} else {
		f.waiting++
	}
}

// end ends a compaction.
func (f *fakeStore) end(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	if len(f.running) == 0 {
		f.mu.Unlock()
		t.Fatal("it is not compacting")
	}
	h := f.running[0]
	f.running = f.running[1:]
	f.mu.Unlock()
	h.Done()
}

func (f *fakeStore) runs() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.running)
}

func join(of *compactions, allowed int, urgency float64) *fakeStore {
	f := &fakeStore{c: &compactor{of: of}, allowed: allowed, urgency: urgency}
	f.c.Register(2, f)
	return f
}

func running(t *testing.T, what string, stores []*fakeStore, want ...int) {
	t.Helper()
	for i, f := range stores {
		if got := f.runs(); got != want[i] {
			t.Errorf("%s: store %d runs %d compactions, want %d", what, i, got, want[i])
		}
	}
}

func TestCompactionsTakeTurns(t *testing.T) {
	t.Parallel()
	all := newCompactions()
	all.limit = 2
	s := []*fakeStore{join(all, 1, 1), join(all, 2, 5), join(all, 2, 3)}
	s[0].want()
	running(t, "before it is open", s, 0, 0, 0)
	for _, f := range s {
		f.c.begin()
	}
	running(t, "one waited", s, 1, 0, 0)
	s[0].want()
	s[1].want()
	s[1].want()
	s[2].want()
	running(t, "as many as may", s, 1, 1, 0)
	s[1].end(t)
	running(t, "the most urgent next", s, 1, 1, 0)
	s[1].refuses, s[1].waiting = 1, 1
	s[1].end(t)
	running(t, "one that does not take it", s, 1, 0, 1)
	s[2].end(t)
	running(t, "no more than its own limit", s, 1, 0, 0)
	s[0].end(t)
	running(t, "its next", s, 1, 0, 0)
	s[0].end(t)
	running(t, "nobody waits", s, 0, 0, 0)
	if all.running != 0 {
		t.Errorf("%d are counted", all.running)
	}
}

func TestCompactionsEnd(t *testing.T) {
	t.Parallel()
	all := newCompactions()
	all.limit = 1
	s := []*fakeStore{join(all, 1, 1), join(all, 1, 2)}
	s[1].holds = make(chan struct{})
	s[0].c.begin()
	s[0].want()
	go s[1].c.begin() // asks, and gets no answer
	waitUntil(t, func() bool {
		all.mu.Lock()
		defer all.mu.Unlock()
		return len(all.open) == 2
	})
	s[1].want()
	ended := make(chan struct{})
	go func() {
		s[0].end(t)
		close(ended)
	}()
	waitUntil(t, func() bool {
		all.mu.Lock()
		defer all.mu.Unlock()
		return s[1].c.asked > 0
	})
	gone := make(chan struct{})
	go func() {
		s[1].c.Unregister()
		close(gone)
	}()
	select {
	case <-gone:
		t.Error("it is gone while it is being asked")
	case <-time.After(20 * time.Millisecond):
	}
	close(s[1].holds)
	<-gone
	<-ended
	if ok, _ := s[1].c.TrySchedule(); ok {
		t.Error("it compacts after its end")
	}
	s[0].want()
	running(t, "the other goes on", s[:1], 1)
}

func waitUntil(t *testing.T, done func() bool) {
	t.Helper()
	for began := time.Now(); !done(); time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatal("it does not come about")
		}
	}
}
