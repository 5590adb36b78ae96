// Package sidecar keeps views of the catalogue beside a service, or within it,
// because a catalogue is read a thousand times for each write:
//
//	c, err := client.Connect(client.Options{URL: "nats://catalogue:4222", Name: "billing"})
//	s, err := sidecar.Open(ctx, c, sidecar.Config{Dir: "views", Views: []projectors.Projector{tenants.New()}})
//	err = s.View(tenants.Name, func(v *viewdb.Snapshot) error {
//		record, found, err := tenants.Get(v, id)
//		…
//	})
//
// A read is a look into local files, without a round trip, and is answered while
// the catalogue cannot be reached, too. How far it may be behind is what Status
// tells. A
// service that has published reads its own writes after WaitFor with the Seq of
// its verdict.
//
// # What it trusts
//
// The events come through the gate and are checked: they belong to the log that
// the views were built from, none is missing, none stands twice, a tombstone stands
// where the rules of deletion allow it (if not, its tenant is quarantined), and wherever the
// sidecar comes to the end of the log, the hash over everything it was ever given
// is the catalogue's own. When that does not hold, the sidecar stops and says why
// (Done, Err): the views stay readable as they are, and nothing is built on them.
//
// # Faults
//
// A view whose files are damaged is made again from the log beside the others,
// which go on. After a crash a view goes on from its last checkpoint on disk. The
// directory may be removed at any time while no sidecar runs on it.
package sidecar

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/ledger"
	"tenantcatalogue/projectors/viewdb"
)

// Config says which views to keep and where.
type Config struct {
	// Dir is the directory of the views, one beneath it each. One sidecar at a
	// time has it.
	Dir string
	// Views are what to keep, e.g. tenants.New(). Without the history among them the
	// ledger is kept, too: what the sidecar must know to see that an event is forged.
	Views []projectors.Projector
	// CacheBytes is the block cache that the views share; 64 MiB if 0.
	CacheBytes int64
	// Records is how many decoded records each view keeps at hand beside that, of
	// a tenant some 1 KiB each; 65,536 if 0, none if negative.
	Records int
	// Genesis is what the first policy of the log is held against: what the catalogue
	// itself is served with (serve --environment, --first-key). The zero one takes any.
	Genesis deletion.Genesis
	// Listener hears of what happens to the views.
	Listener projectors.Listener
}

const (
	defaultCacheBytes = 64 << 20
	// syncEvery bounds what is read again after a crash.
	syncEvery = 5 * time.Second
)

// Validate lists every fault of the configuration.
func (c Config) Validate() error {
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("sidecar.Config: Dir is missing; name a directory for the views"))
	}
	if len(c.Views) == 0 {
		errs = append(errs, errors.New("sidecar.Config: Views is empty; name at least one"))
	}
	seen := map[string]bool{}
	for _, p := range c.Views {
		if seen[p.Name()] {
			errs = append(errs, fmt.Errorf("sidecar.Config: Views names %s twice", p.Name()))
		}
		seen[p.Name()] = true
	}
	if c.CacheBytes < 0 {
		errs = append(errs, fmt.Errorf("sidecar.Config: CacheBytes is %d; give a size, or 0 for the default", c.CacheBytes))
	}
	return errors.Join(errs...)
}

// ErrStopped is returned by whoever waits for a sidecar that has stopped.
var ErrStopped = errors.New("the sidecar has stopped")

// Sidecar keeps views at the catalogue's log. It is safe for concurrent use.
type Sidecar struct {
	log    atomic.Pointer[client.Log] // nil until the catalogue has answered
	read   atomic.Uint64              // the last event that was read
	runner *projectors.Runner
	views  []projectors.View
	shared *viewdb.Shared

	following context.Context //nolint:containedctx // ends when the log is followed no more; its cause says why
	stop      context.CancelFunc
	working   sync.WaitGroup

	mu     sync.RWMutex // held while the views are used, and while they are closed
	closed bool
}

// Open opens the views and begins to follow the log. It does not wait for the
// catalogue: reads may begin at once and show what the views have. When the views
// turn out to be of another log than the catalogue's, or that log ends before
// what was seen of it, the Sidecar stops by itself (see Err). The client stays the
// caller's, and must outlive the Sidecar.
func Open(ctx context.Context, c *client.Client, cfg Config) (*Sidecar, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("open a sidecar: %w", err)
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = defaultCacheBytes
	}
	s := &Sidecar{shared: viewdb.NewShared(cfg.CacheBytes)}
	if err := s.openViews(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("open a sidecar in %s: %w", cfg.Dir, err), s.closeViews())
	}
	s.runner = projectors.NewRunner(checked{s}, s.views, cfg.Listener)
	s.runner.Genesis = cfg.Genesis
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	following, ended := context.WithCancelCause(context.WithoutCancel(ctx))
	s.following = following
	s.working.Go(func() {
		err := s.follow(ctx, c)
		if ctx.Err() != nil {
			err = ErrStopped
		}
		ended(err)
	})
	s.working.Go(func() { s.syncNowAndThen(ctx) })
	return s, nil
}

func (s *Sidecar) openViews(cfg Config) error {
	kept := cfg.Views
	if !slices.ContainsFunc(kept, isLedger) {
		kept = append(slices.Clip(kept), ledger.New())
	}
	for _, p := range kept {
		home, err := viewdb.OpenHome(viewdb.Config{
			Dir: cfg.Dir, Name: p.Name(), Format: p.Format(), Shared: s.shared, Records: cfg.Records,
			OnFault: cfg.Listener.Faulted,
		})
		if err != nil {
			return err
		}
		s.views = append(s.views, projectors.View{Projector: p, Home: home})
	}
	return nil
}

func isLedger(p projectors.Projector) bool { _, ok := p.(projectors.Ledger); return ok }

// follow keeps the views at the log, once it is found.
func (s *Sidecar) follow(ctx context.Context, c *client.Client) error {
	log, err := s.openLog(ctx, c)
	if err != nil {
		return err
	}
	s.log.Store(log)
	return s.runner.Run(ctx)
}

// openLog finds the catalogue's log, as far as the views have seen it.
func (s *Sidecar) openLog(ctx context.Context, c *client.Client) (*client.Log, error) {
	known := events.Seq(0)
	for _, v := range s.views {
		known = max(known, v.Home.Current().Checkpoint().Seq)
	}
	log, err := c.Log(ctx, 0)
	if err != nil {
		return nil, err
	}
	for _, v := range s.views {
		at := v.Home.Current().Checkpoint()
		if at.Seq > 0 && at.Stream != log.Identity() {
			// Before anything is asked by Seq: the other log's mean something else.
			return nil, fmt.Errorf("view %s: %w: it was built from %s, the catalogue has %s; connect to the one it belongs to, or remove the directory",
				v.Projector.Name(), projectors.ErrOtherLog, at.Stream, log.Identity())
		}
	}
	return c.Log(ctx, known)
}

// syncNowAndThen has the views synced, so that a crash leaves them not far behind.
func (s *Sidecar) syncNowAndThen(ctx context.Context) {
	t := time.NewTicker(syncEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			for _, v := range s.views {
				if db, release, err := v.Home.Acquire(); err == nil {
					_ = db.Sync() // a fault takes the view out of service, and Status says so
					release()
				}
			}
		case <-ctx.Done():
			return
		}
	}
}

// Identity tells the log that the views are built from; it is empty before
// anything is known of it.
func (s *Sidecar) Identity() (name string) {
	if log := s.log.Load(); log != nil {
		return log.Identity()
	}
	for _, v := range s.views {
		if db, release, err := v.Home.Acquire(); err == nil {
			name = max(name, db.Checkpoint().Stream)
			release()
		}
	}
	return name
}

// Views are the projectors with their homes, in the order of Config, and perhaps the
// ledger after them.
func (s *Sidecar) Views() []projectors.View { return s.views }

func (s *Sidecar) home(name string) (*viewdb.Home, error) {
	i := slices.IndexFunc(s.views, func(v projectors.View) bool { return v.Projector.Name() == name })
	if i < 0 {
		return nil, fmt.Errorf("%w here: %q", projectors.ErrNoView, name)
	}
	return s.views[i].Home, nil
}

// View runs f on a snapshot of a view: everything that it reads is of one moment.
func (s *Sidecar) View(name string, f func(*viewdb.Snapshot) error) error {
	home, err := s.home(name)
	if err != nil {
		return err
	}
	return home.View(f)
}

// Acquire gives a view to read from directly, each read by itself as new as can
// be, until release is called, which must be once.
func (s *Sidecar) Acquire(name string) (r viewdb.Reader, release func(), err error) {
	home, err := s.home(name)
	if err != nil {
		return nil, nil, err
	}
	return home.Acquire()
}

// Pin takes snapshots of all views at one Seq; see projectors.Runner.
func (s *Sidecar) Pin() (*projectors.Pinned, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, ErrStopped
	}
	return s.runner.Pin()
}

// WaitFor waits until every view in service has applied the event at seq, such
// as a verdict's: whoever has published reads its own write then. The error is
// ctx's, or matches ErrStopped.
func (s *Sidecar) WaitFor(ctx context.Context, seq events.Seq) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return ErrStopped
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.following, cancel)() //nolint:contextcheck // it is the one that ends when the sidecar does
	err := s.runner.WaitFor(ctx, seq)
	if err != nil && s.following.Err() != nil {
		return fmt.Errorf("wait for event %d: %w", seq, s.stopped())
	}
	return err
}

// stopped is why the log is followed no more; it matches ErrStopped.
func (s *Sidecar) stopped() error {
	cause := context.Cause(s.following)
	if cause == nil || errors.Is(cause, ErrStopped) {
		return cause
	}
	return fmt.Errorf("%w: %w", ErrStopped, cause)
}

// Status is where the sidecar stands.
type Status struct {
	Log  string     // which log
	Head events.Seq // the catalogue's last event, as far as is known
	Live bool       // the catalogue can be reached: Head is not older than some seconds
	Read events.Seq // the last event that was read; the views are about to show it
	// Views are where each view stands, its lag counted from Head.
	Views []projectors.Status
	Err   error // why the sidecar has stopped; nil while it runs
}

// Seq is the last event that every view in service has applied.
func (s Status) Seq() (least events.Seq) {
	first := true
	for _, v := range s.Views {
		if v.Fault == nil && (first || v.Checkpoint.Seq < least) {
			least, first = v.Checkpoint.Seq, false
		}
	}
	return least
}

// Lag is how many events the view that is furthest behind has still to apply.
func (s Status) Lag() (most events.Seq) {
	for _, v := range s.Views {
		most = max(most, v.Lag)
	}
	return most
}

// Status tells where the views stand. It asks nobody.
func (s *Sidecar) Status() Status {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := Status{Log: s.Identity(), Read: events.Seq(s.read.Load()), Err: s.stopped()}
	if log := s.log.Load(); log != nil {
		out.Head, out.Live = log.Furthest(), log.Live() && out.Err == nil
	}
	if s.closed {
		return out
	}
	out.Views = s.runner.Status()
	for _, v := range out.Views {
		out.Head = max(out.Head, v.Checkpoint.Seq)
	}
	for i := range out.Views {
		out.Views[i].Lag = out.Head - out.Views[i].Checkpoint.Seq
	}
	return out
}

// Head asks the catalogue for its last event, where Status has what is known of
// it; it waits as long as ctx lasts. It matches ErrStopped after the Sidecar has
// stopped.
func (s *Sidecar) Head(ctx context.Context) (events.Seq, error) {
	log := s.log.Load()
	if err := s.stopped(); err != nil || log == nil {
		return s.Status().Head, err
	}
	return log.Head(ctx)
}

// Done is closed when the sidecar follows the log no more: after Close, or
// because the log turned out not to be what the views were built from.
func (s *Sidecar) Done() <-chan struct{} { return s.following.Done() }

// Err is why the sidecar has stopped by itself; nil while it runs and after Close.
func (s *Sidecar) Err() error {
	if err := s.stopped(); err != nil && context.Cause(s.following) != ErrStopped { //nolint:errorlint // itself, not what matches it
		return err
	}
	return nil
}

// Close stops to follow the log and closes the views; whoever still reads gets
// viewdb.ErrClosed. Closing again does nothing.
func (s *Sidecar) Close() error {
	s.stop()
	s.working.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.closeViews()
}

func (s *Sidecar) closeViews() error {
	var errs []error
	for _, v := range s.views {
		errs = append(errs, v.Home.Recover(), v.Home.Close()) // leaves no damage for the next start to meet
	}
	s.shared.Close()
	return errors.Join(errs...)
}
