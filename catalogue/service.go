package catalogue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tenantcatalogue/events"
)

// Log is what the Service needs of the log.
type Log interface {
	// Stage makes ready to append units to a log that ends at base, where what
	// they expect holds. They are appended when commit is called, each whole or not
	// at all, in their order, wherever the log ends then if what they expect still
	// holds; until then nothing has happened.
	Stage(base events.Seq, units []events.Unit) (commit func(context.Context) []events.Appended)
	// Read hands over the events after one Seq up to another, in order.
	Read(ctx context.Context, after, upTo events.Seq, fn func([]events.Stored) error) error
	// Head is the Seq of the last event.
	Head(ctx context.Context) (events.Seq, error)
}

// Store is the write-side store: facts folded up to a Seq. Only the Service's
// own goroutine uses it.
type Store interface {
	// Seq is the last event folded.
	Seq() events.Seq
	// Begin opens a layer over the facts.
	Begin() Layer
	// Advance moves the store past events whose layer was kept.
	Advance(folded []events.Stored) error
	// Flush makes what was folded outlive the process.
	Flush() error
}

// Layer is facts with changes that may yet be dropped.
type Layer interface {
	Facts
	// Begin opens a layer over this one.
	Begin() Layer
	// Keep moves the changes into what the layer stands on; layers over it stand
	// on that from then on. A layer that is not kept is dropped.
	Keep()
}

// Sealer seals the personal fields of an event.
type Sealer interface {
	// SealNew seals a producer's event and refuses sealed fields in it.
	SealNew(e events.Event) (events.Event, error)
	// SealEvent seals an event of the catalogue's own.
	SealEvent(e events.Event) (events.Event, error)
	// Prepare makes what sealing these events will need, with one wait for the
	// disk. The error is the disk's.
	Prepare(batch ...events.Event) error
}

// Role is what a credential may do beyond publishing.
type Role string

// The roles.
const (
	RoleOperator Role = "operator" // may plan and apply restorations
	RoleInternal Role = "internal" // the catalogue itself; no credential has it
)

// Credential is who brings an event.
type Credential struct {
	Via   string // its name, stamped on every event
	Roles []Role
}

// Has tells whether the credential has the role.
func (c Credential) Has(role Role) bool {
	return slices.Contains(c.Roles, role)
}

// Request asks for one unit: one or more events about one aggregate that stand
// or fall together.
type Request struct {
	Events []events.Event
	Expect *events.Seq // when set: the aggregate's last event must be this one
	// Recorded, when set, says where and how the events stood in another
	// catalogue's log, of which this one is a copy: they are to stand here in
	// the same way, or not at all. Only the catalogue itself may say so.
	Recorded *Recorded

	content []Content // of each event, once it is sealed
}

// Recorded is what a log has added to the events of a unit.
type Recorded struct {
	Last events.Seq  // where the unit's last event stands
	Time events.Time // when the gate took it
	Via  string      // the credential that brought it
}

// Verdict is the answer to a request.
type Verdict struct {
	ID         events.EventID // of the request's last event
	Seq        events.Seq     // where that event stands
	Recorded   events.Time    // when that event was taken
	Version    uint64         // the aggregate's version after it
	Epoch      uint64         // the aggregate's epoch now
	Duplicate  bool           // the event was stored before: this is its first answer
	Superseded bool           // a restoration has undone it since
	Err        error          // why nothing was written
}

// Config is what a Service is made of.
type Config struct {
	Log   Log
	Store Store
	Seal  Sealer
	Clock func() time.Time // time.Now, whose readings tell how much time has passed, too
	Guard Guard            // has the say about deletions
}

// Validate names everything that is missing.
func (c Config) Validate() error {
	var errs []error
	for name, missing := range map[string]bool{
		"Log": c.Log == nil, "Store": c.Store == nil, "Seal": c.Seal == nil, "Clock": c.Clock == nil, "Guard": c.Guard == nil,
	} {
		if missing {
			errs = append(errs, fmt.Errorf("catalogue.Config: %s is missing", name))
		}
	}
	return errors.Join(errs...)
}

// Service is the only writer of the log. Callers' requests queue up; one
// goroutine decides them in order against the write-side store, has what may
// happen appended as one batch, and answers when the batch is durable. Requests
// that arrive meanwhile are decided for the next batch, so that the load sets its
// size. A halt does not queue: it waits for the batch that is on its way and the one
// staged behind it, and for no other.
type Service struct {
	writer *writer
	seal   Sealer
	jobs   chan *job
	urgent chan *job    // taken before jobs
	asking atomic.Int64 // calls that wait for an answer

	mu      sync.RWMutex // guards stopped against a send on a closed channel
	stopped bool
	done    chan struct{}
	failed  error // of the last flush; read after done
}

// job is one call of Publish on its way through the writer.
type job struct {
	credential Credential
	requests   []Request
	verdicts   []Verdict
	flush      bool  // write the store to disk once the requests are answered
	flushed    error // what came of that
	done       chan struct{}
}

// Calls waiting.
const (
	queueLength  = 4096
	urgentLength = 64
)

// overtakes tells whether a job goes ahead of whatever waits: a halt alone does. One that
// is copied from another log has its place.
func (j *job) overtakes() bool {
	if len(j.requests) != 1 || len(j.requests[0].Events) != 1 || j.requests[0].Recorded != nil {
		return false
	}
	_, halt := j.requests[0].Events[0].Payload.(events.DoorHalted)
	return halt
}

// Open brings the store up to the head of the log and starts the Service.
// Until it returns nothing is published.
func Open(ctx context.Context, c Config) (*Service, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	w := &writer{log: c.Log, store: c.Store, guard: c.Guard, times: newTimes(c.Clock)}
	if err := w.catchUp(ctx); err != nil {
		return nil, fmt.Errorf("open the catalogue: %w", err)
	}
	s := &Service{
		writer: w, seal: c.Seal, done: make(chan struct{}),
		jobs: make(chan *job, queueLength), urgent: make(chan *job, urgentLength),
	}
	// A batch on its way is finished whatever becomes of ctx: it may be in the
	// log already. Stopping goes through Close, which lets the queue run dry.
	go func() {
		defer close(s.done)
		s.failed = newFlow(w, s.urgent).run(context.WithoutCancel(ctx), s.jobs)
	}()
	return s, nil
}

// Now is the time that an event would be recorded at now. It is never less than that of an
// event that stands in the log.
func (s *Service) Now() events.Time { return s.writer.times.now() }

// Publish asks for the requests in order and answers each. It returns when
// everything that was written is durable. When ctx ends first the verdicts not
// known yet carry its error: such an event may have been written, and the same
// event with the same id may be sent again. Events are never changed, neither
// here nor by the caller once he has handed them over.
func (s *Service) Publish(ctx context.Context, c Credential, requests ...Request) []Verdict {
	verdicts := make([]Verdict, len(requests))
	var admitted []int // which requests the writer gets
	for i, r := range requests {
		if err := check(c, r); err != nil {
			verdicts[i] = refusedVerdict(r, err)
			continue
		}
		admitted = append(admitted, i)
	}
	j := &job{credential: c, done: make(chan struct{})}
	for at, sealed := range s.sealAll(c, requests, admitted, verdicts) {
		if verdicts[admitted[at]].Err == nil {
			j.requests = append(j.requests, sealed)
		}
	}
	answers := s.ask(ctx, j)
	for _, i := range admitted {
		if verdicts[i].Err == nil {
			verdicts[i], answers = answers[0], answers[1:]
		}
	}
	return verdicts
}

// ask hands a job to the writer and waits for its answers.
func (s *Service) ask(ctx context.Context, j *job) []Verdict {
	if len(j.requests) == 0 {
		return nil
	}
	s.asking.Add(1)
	defer s.asking.Add(-1)
	j.verdicts = make([]Verdict, len(j.requests))
	if err := s.enqueue(ctx, j); err != nil {
		return refuseAll(j.requests, err)
	}
	select {
	case <-j.done:
		return j.verdicts
	case <-ctx.Done():
		return refuseAll(j.requests, fmt.Errorf("%w before the answer came; send it again with the same id", ctx.Err()))
	}
}

func refuseAll(requests []Request, err error) []Verdict {
	verdicts := make([]Verdict, len(requests))
	for i, r := range requests {
		verdicts[i] = refusedVerdict(r, err)
	}
	return verdicts
}

// check holds a request against what needs no state: its envelopes and the
// credential.
func check(c Credential, r Request) error {
	if len(r.Events) == 0 {
		return fmt.Errorf("%w: a request without events", events.ErrMalformed)
	}
	if r.Recorded != nil && !c.Has(RoleInternal) {
		return Refuse(ErrForbidden, "import the log it stands in", "%s may not say when an event was recorded", c.Via)
	}
	if n := len(r.Events); n > events.MaxUnitEvents {
		return fmt.Errorf("%w: the unit has %d events, at most %d are allowed", events.ErrTooLarge, n, events.MaxUnitEvents)
	}
	ids := make(map[events.EventID]bool, len(r.Events))
	for _, e := range r.Events {
		if ids[e.ID] {
			return Refuse(ErrIDReused, "make an id for each event of the unit", "%s stands in the unit twice", e.ID)
		}
		ids[e.ID] = true
		if err := e.Validate(); err != nil {
			return err
		}
		if e.About != r.Events[0].About && !c.Has(RoleInternal) {
			return fmt.Errorf("%w: a unit is about one aggregate, this one about %s and %s", events.ErrMalformed, r.Events[0].About, e.About)
		}
		if err := authorise(c, e); err != nil {
			return err
		}
	}
	return nil
}

// sealAll seals the personal fields of the admitted requests and hashes their
// content, in the caller's goroutine. The keys they need are made first, all with one wait for the disk.
// What cannot be sealed gets its verdict.
func (s *Service) sealAll(c Credential, requests []Request, admitted []int, verdicts []Verdict) []Request {
	var all []events.Event
	for _, i := range admitted {
		all = append(all, requests[i].Events...)
	}
	prepared := s.seal.Prepare(all...)
	seal := s.seal.SealNew
	if c.Has(RoleInternal) {
		seal = s.seal.SealEvent
	}
	out := make([]Request, len(admitted))
	for at, i := range admitted {
		r := requests[i]
		sealed := make([]events.Event, len(r.Events))
		r.content = make([]Content, len(r.Events))
		err := prepared
		for k := 0; k < len(r.Events) && err == nil; k++ {
			if sealed[k], err = seal(r.Events[k]); err == nil {
				r.content[k], err = ContentHash(sealed[k])
			}
		}
		if err != nil {
			verdicts[i] = refusedVerdict(r, err)
		}
		r.Events = sealed
		out[at] = r
	}
	return out
}

func authorise(c Credential, e events.Event) error {
	switch {
	case c.Has(RoleInternal):
		return nil
	case e.Type().Internal():
		return Refuse(ErrForbidden, "use the command it belongs to", "%s is written by the catalogue itself", e.Type())
	case e.Type().Tombstone():
		return Refuse(ErrForbidden, "make a plan: catalogue delete plan", "%s is written by a plan's wave and by nothing else", e.Type())
	}
	return nil
}

func (s *Service) enqueue(ctx context.Context, j *job) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.stopped {
		return ErrStopped
	}
	queue := s.jobs
	if j.overtakes() {
		queue = s.urgent
	}
	select {
	case queue <- j:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w before the event was taken: nothing was written", ctx.Err())
	}
}

// Flush writes the store to disk, so that whoever reads it there sees all that
// was answered before. Nothing needs it but looking at the store from outside:
// what is not on its disk is in the log.
func (s *Service) Flush(ctx context.Context) error {
	j := &job{flush: true, done: make(chan struct{})}
	if err := s.enqueue(ctx, j); err != nil {
		return err
	}
	select {
	case <-j.done:
		return j.flushed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Busy tells whether callers are waiting for an answer.
func (s *Service) Busy() bool { return s.asking.Load() > 0 }

// Close answers what is queued, flushes the store and stops.
func (s *Service) Close() error {
	s.mu.Lock()
	if !s.stopped {
		s.stopped = true
		close(s.jobs)
		close(s.urgent)
	}
	s.mu.Unlock()
	<-s.done
	return s.failed
}

func refusedVerdict(r Request, err error) Verdict {
	if len(r.Events) == 0 {
		return Verdict{Err: err}
	}
	return refusedEvent(r.Events[len(r.Events)-1], Head{}, err)
}

// refusedEvent says which event an error is about, where it does not yet.
func refusedEvent(e events.Event, h Head, err error) Verdict {
	v := Verdict{ID: e.ID, Epoch: h.Epoch, Err: err}
	if reason, ok := errors.AsType[*ReasonError](err); ok {
		v.Err = &RefusedError{
			Type: e.Type(), ID: e.ID, About: e.About, Err: reason.Err, Met: reason.Met, Hint: reason.Hint,
			Epoch: h.Epoch, Last: h.Seq,
		}
	}
	return v
}
