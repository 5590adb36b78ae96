package daemon

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventlog"
	"tenantcatalogue/events/seal"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
)

// System is a running catalogue. What it exposes is safe for concurrent use and
// valid until Close.
type System struct {
	Service *catalogue.Service
	Runner  *projectors.Runner
	Log     *eventlog.Log
	Sealer  *seal.Sealer
	Bus     Bus
	// Homes are the views by name.
	Homes map[string]*viewdb.Home
	// History is the home of the history, which is one of Homes.
	History *viewdb.Home
	// Snapshots are for reads of the history that show something. Restorations,
	// certificates and Verify fold without them.
	Snapshots *replay.Snapshots
	// Heads is the home of the write side's store. Only the Service writes to
	// it, and what stands on its disk may lag behind the log.
	Heads *viewdb.Home
	// Views are the projectors with their homes, for verifying.
	Views []projectors.View

	Clock    func() time.Time
	Identity string      // which log this is
	Dir      string      // the data directory
	Admin    auth.Admin  // the operators' credential
	Auth     *auth.Table // every credential, for whoever asks over HTTP
	Logger   zerolog.Logger

	proofs    proofFile
	genesis   deletion.Genesis
	watching  watching
	executing sync.Mutex  // held while the executor appends
	paused    atomic.Bool // the catalogue appends nothing of its own accord
	logConn   *nats.Conn
	close     closer
	running   atomic.Bool // Open is done

	freshKeys bool          // there was no key ring before, and no log needs this one yet
	done      chan struct{} // closed when the system can go on no longer
	once      sync.Once
	mu        sync.Mutex
	failed    error
}

// Done is closed when the system has failed and must be stopped: the log turned
// out not to be the one it was, or the write side's store is out of service.
// Err says which.
func (s *System) Done() <-chan struct{} { return s.done }

// Err is why the system has failed; nil while it has not.
func (s *System) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// fail stops everything that writes. It does not block.
func (s *System) fail(err error) {
	s.once.Do(func() {
		s.mu.Lock()
		s.failed = err
		s.mu.Unlock()
		s.Logger.Error().Err(err).Msg("the catalogue cannot go on; it takes no more events")
		close(s.done)
	})
}

// Now is the time that an event would be recorded at now.
func (s *System) Now() events.Time { return s.Service.Now() }

// Seq is the last event that every view in service has applied; the largest of
// all while none is in service.
func (s *System) Seq() events.Seq {
	least := events.Seq(math.MaxUint64)
	for _, v := range s.Runner.Status() {
		if v.Fault == nil {
			least = min(least, v.Checkpoint.Seq)
		}
	}
	return least
}

// Ready is nil while the system serves; else it says what is wrong: it has
// failed, or a view is out of service or more than maxLag events behind.
func (s *System) Ready() error {
	errs := []error{s.Err()}
	for _, v := range s.Runner.Status() {
		switch {
		case v.Fault != nil:
			errs = append(errs, fmt.Errorf("view %s: %w", v.Name, v.Fault))
		case v.Lag > maxLag:
			errs = append(errs, fmt.Errorf("view %s is %d events behind", v.Name, v.Lag))
		}
	}
	return errors.Join(errs...)
}

// maxLag is how many events a view may be behind and still be called ready.
const maxLag = 100_000

// Close stops the system in the opposite order of Open: what was acknowledged
// is on disk already, what is queued is answered, the views are left where they
// stand. Whoever serves requests stops first. Closing again does nothing.
func (s *System) Close(ctx context.Context) error {
	err := s.close.run(ctx)
	s.Logger.Info().Err(err).Msg("the catalogue has stopped")
	return err
}

// closer is what is to be undone, the last first.
type closer struct {
	mu    sync.Mutex
	steps []closeStep
}

type closeStep struct {
	what string
	do   func(context.Context) error
}

func (c *closer) add(what string, do func(context.Context) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps = append(c.steps, closeStep{what, do})
}

func (c *closer) run(ctx context.Context) error {
	c.mu.Lock()
	steps := c.steps
	c.steps = nil
	c.mu.Unlock()
	var errs []error
	for _, step := range slices.Backward(steps) {
		if err := step.do(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", step.what, err))
		}
	}
	return errors.Join(errs...)
}

// plain makes a step of a function that takes no context.
func plain(do func() error) func(context.Context) error {
	return func(context.Context) error { return do() }
}

func closeFile(f *os.File) func(context.Context) error { return plain(f.Close) }
