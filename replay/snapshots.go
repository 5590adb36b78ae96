package replay

import (
	"cmp"
	"container/list"
	"fmt"
	"slices"
	"sync"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/events/wire"
)

const (
	// snapshotEvery is how many events lie between two snapshots of an aggregate at
	// least: what is folded after one takes about as long as reading it does.
	snapshotEvery = 256
	// snapshotBytes is how many bytes of a snapshot are paid for by one event
	// folded: a state of a megabyte is kept every 4,096 events.
	snapshotBytes = 256
	// snapshotShare is the part of the budget that one aggregate has at most.
	snapshotShare = 2
	// snapshotOverhead is what a snapshot takes beside its bytes, roughly.
	snapshotOverhead = 64
)

// Snapshots are states of aggregates with long histories, kept in memory, so that
// a read as of a Seq folds only what comes after the last of them before it. They
// are laid down while a read folds past them: the first read of a long history
// costs the whole fold. Histories are appended to and never changed, so that
// snapshots do not age.
//
// They are bounded in bytes. An aggregate that has more than its share of them
// keeps every other one; when all together are too many, the aggregates go that
// were not read for longest. States are kept as they stand in the log, personal
// fields sealed.
//
// Snapshots are safe for concurrent use. Nil are none: then everything is folded.
type Snapshots struct {
	budget int64
	every  uint64 // events between two snapshots at first

	mu     sync.Mutex
	bytes  int64
	trails map[trailKey]*list.Element // of a *trail
	recent list.List                  // of the trails, the latest read first
}

// NewSnapshots keeps at most so many bytes of states.
func NewSnapshots(bytes int64) *Snapshots {
	return &Snapshots{budget: bytes, every: snapshotEvery, trails: map[trailKey]*list.Element{}}
}

// trailKey keeps apart what was read of different logs, or of different copies of
// one: a copy that was damaged must not outlive its repair here.
type trailKey struct {
	origin string
	about  events.Aggregate
}

// trail is the snapshots of an aggregate.
type trail struct {
	key    trailKey
	states []snapshot // by Seq, and so by version
	every  uint64     // events that lie between two at least
	bytes  int64
}

// snapshot is a state after an event.
type snapshot struct {
	seq     events.Seq
	version uint64
	raw     []byte // of a savedPast; never changed
}

func (s snapshot) size() int64 { return int64(len(s.raw)) + snapshotOverhead }

// savedPast is what a snapshot says.
type savedPast struct {
	head     catalogue.Head
	entities events.Entities
}

// Fields lists the fields in the order of the wire.
func (p *savedPast) Fields(w *wire.Coder) {
	wire.Struct(w, &p.head)
	p.entities.Wire(w)
}

// AsOf gives what the function AsOf gives, from the last snapshot on.
func (s *Snapshots) AsOf(r Reader, about events.Aggregate, seq events.Seq) (Past, error) {
	origin := r.Origin()
	if s == nil || origin == "" {
		return AsOf(r, about, seq)
	}
	p := Past{About: about, State: catalogue.MapState{}}
	key := trailKey{origin, about}
	last, every := s.before(key, min(seq, r.Head()))
	if err := last.restore(&p); err != nil {
		return p, err
	}
	next := last.version + last.gap(every)
	err := r.Lend(about, p.Head.Seq, seq, func(stored events.Stored) error {
		if err := p.fold(r, stored); err != nil || p.Head.Version < next {
			return err
		}
		laid, err := p.snapshot()
		if err != nil {
			return err
		}
		every = s.lay(key, laid)
		next = laid.version + laid.gap(every)
		return nil
	})
	return p, p.found(r, seq, err)
}

// Bytes is how much is kept.
func (s *Snapshots) Bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// snapshot encodes a past.
func (p *Past) snapshot() (snapshot, error) {
	raw, err := events.Marshal(&savedPast{p.Head, p.State.Entities()})
	if err != nil {
		return snapshot{}, fmt.Errorf("keep %s as of %d: %w", p.About, p.Head.Seq, err)
	}
	return snapshot{p.Head.Seq, p.Head.Version, raw}, nil
}

// restore makes p what it was when the snapshot was taken; without one it stays
// as it is.
func (s snapshot) restore(p *Past) error {
	if s.seq == 0 {
		return nil
	}
	var saved savedPast
	if err := events.Unmarshal(s.raw, &saved); err != nil {
		return fmt.Errorf("read what was kept of %s as of %d: %w", p.About, s.seq, err)
	}
	p.Head = saved.head
	for _, e := range saved.entities {
		p.State[e.EntityKey()] = e
	}
	return nil
}

// gap is how many events on the next snapshot may come.
func (s snapshot) gap(every uint64) uint64 { return max(every, uint64(len(s.raw)/snapshotBytes)) }

// before is the last snapshot that was taken at seq or before it, if there is one,
// and how many events lie between two.
func (s *Snapshots) before(key trailKey, seq events.Seq) (snapshot, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.trails[key]
	if !ok {
		return snapshot{}, s.every
	}
	s.recent.MoveToFront(at)
	t, _ := at.Value.(*trail)
	i, found := t.place(seq)
	if found {
		i++
	}
	if i == 0 {
		return snapshot{}, t.every
	}
	return t.states[i-1], t.every
}

// lay adds a snapshot where there is none near it, and tells how many events lie
// between two from now on.
func (s *Snapshots) lay(key trailKey, laid snapshot) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.trails[key]
	if !ok {
		at = s.recent.PushFront(&trail{key: key, every: s.every})
		s.trails[key] = at
	}
	t, _ := at.Value.(*trail)
	before := t.bytes
	t.lay(laid, s.budget/snapshotShare)
	s.bytes += t.bytes - before
	if len(t.states) == 0 {
		s.drop(at)
	}
	for s.bytes > s.budget {
		s.drop(s.recent.Back())
	}
	return t.every
}

func (s *Snapshots) drop(at *list.Element) {
	t, _ := s.recent.Remove(at).(*trail)
	delete(s.trails, t.key)
	s.bytes -= t.bytes
}

// place is where a snapshot at seq belongs.
func (t *trail) place(seq events.Seq) (i int, found bool) {
	return slices.BinarySearchFunc(t.states, seq, func(s snapshot, seq events.Seq) int { return cmp.Compare(s.seq, seq) })
}

// lay adds a snapshot unless one is near: another reader may have been here. It
// keeps within so many bytes.
func (t *trail) lay(laid snapshot, share int64) {
	i, found := t.place(laid.seq)
	if found || i > 0 && laid.version-t.states[i-1].version < t.every ||
		i < len(t.states) && t.states[i].version-laid.version < t.every {
		return
	}
	t.states = slices.Insert(t.states, i, laid)
	t.bytes += laid.size()
	for t.bytes > share {
		t.thin()
	}
}

// thin drops every other snapshot; of one, that one.
func (t *trail) thin() {
	n := 0
	t.states = slices.DeleteFunc(t.states, func(s snapshot) bool {
		n++
		if n%2 == 1 {
			t.bytes -= s.size()
		}
		return n%2 == 1
	})
	t.every *= 2
}
