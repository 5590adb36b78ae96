package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventlog"
	"tenantcatalogue/events/seal"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/apps"
	"tenantcatalogue/projectors/commerce"
	"tenantcatalogue/projectors/contacts"
	"tenantcatalogue/projectors/deletions"
	"tenantcatalogue/projectors/heads"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/identity"
	"tenantcatalogue/projectors/pages"
	"tenantcatalogue/projectors/placement"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
)

// Open starts a catalogue. It returns when everything is checked and events can
// be published; the views may still be catching up. The error matches ErrLocked
// when another process has the directory, ErrLostLog when the log is not the
// one that the directory belongs to.
func Open(ctx context.Context, cfg Config) (*System, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	s := &System{
		Clock: cfg.Clock, Logger: cfg.Logger, genesis: cfg.Genesis, Homes: map[string]*viewdb.Home{}, done: make(chan struct{}),
		Snapshots: replay.NewSnapshots(cfg.SnapshotBytes),
	}
	for _, step := range []func(context.Context, Config) error{
		s.openDir, s.openBusAndStores, s.openLog, s.fillScratch, s.fillHeads, s.openService, s.startRunner,
		s.startFeed, s.startBeat, s.startWatch, s.startDeletions,
	} {
		if err := step(ctx, cfg); err != nil {
			return nil, errors.Join(fmt.Errorf("open the catalogue in %s: %w", s.Dir, err), s.close.run(context.WithoutCancel(ctx)), s.dropFreshKeys())
		}
	}
	s.running.Store(true)
	s.Logger.Info().Str("data", s.Dir).Str("nats", s.Bus.URL()).Str("log", s.Identity).Msg("the catalogue is open")
	return s, nil
}

func (s *System) openDir(_ context.Context, cfg Config) error {
	dir, cleanup, err := cfg.makeDataDir()
	s.Dir = dir
	if err != nil {
		return err
	}
	s.close.add("the scratch directory", plain(cleanup))
	s.proofs.path, s.proofs.clock, s.proofs.logger = filepath.Join(dir, ProofFile), s.Clock, s.Logger
	lock, err := lockDir(dir)
	if err != nil {
		return err
	}
	s.close.add("the lock", closeFile(lock))
	if err := tidy(dir); err != nil {
		return err
	}
	s.Admin, err = auth.OpenAdmin(dir)
	return err
}

// openBusAndStores does two things at once that both take long: the server recovers
// the log, and the keys and, after a crash, the stores' write-ahead logs are read.
func (s *System) openBusAndStores(ctx context.Context, cfg Config) error {
	var stores error
	var wg sync.WaitGroup
	wg.Go(func() {
		if stores = s.openKeys(cfg); stores == nil {
			stores = s.openStores(cfg)
		}
	})
	err := s.openBus(ctx, cfg)
	wg.Wait()
	return errors.Join(err, stores)
}

func (s *System) keysDir() string { return filepath.Join(s.Dir, "keys") }

func (s *System) openKeys(cfg Config) error {
	if cfg.scratch != nil {
		s.Sealer = cfg.scratch.sealer
		return nil
	}
	dir := s.keysDir()
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		s.freshKeys = true
	}
	ring, err := seal.OpenKeyRing(dir)
	if err != nil {
		return err
	}
	s.close.add("the key ring", plain(ring.Close))
	s.Sealer = seal.New(ring)
	return nil
}

// Beside are the views that may be kept beside a service, too: they need no keys.
func Beside() []projectors.Projector {
	return []projectors.Projector{tenants.New(), commerce.New(), identity.New(), placement.New(), apps.New(), history.New()}
}

// openStores opens the views and the heads. What is corrupt or of another
// format begins empty, and is filled from the log before it serves.
func (s *System) openStores(cfg Config) error {
	// Whoever reads everything wears out a cache, and keeps its locks taken. What
	// decisions are made from, and the archive, by far the most to read, have
	// caches of their own, so that neither gets in the way of the views.
	shown := s.keepCache(viewdb.NewShared(cfg.CacheBytes / 2))
	deciding, archived := s.keepCache(shown.Beside(cfg.CacheBytes/4)), s.keepCache(shown.Beside(cfg.CacheBytes/4))
	for _, p := range append(Beside(), contacts.New(s.Sealer), pages.New(), deletions.New()) {
		cache := shown
		if _, ok := p.(projectors.Archive); ok {
			cache = archived
		}
		home, err := s.openHome("views", p, viewdb.Config{Shared: cache})
		if err != nil {
			return err
		}
		s.Homes[p.Name()] = home
		s.Views = append(s.Views, projectors.View{Projector: p, Home: home})
	}
	s.History = s.Homes[history.Name]
	var err error
	s.Heads, err = s.openHome("", heads.Projector{}, viewdb.Config{Shared: deciding, BlockBytes: headsBlockBytes})
	return err
}

func (s *System) keepCache(shared *viewdb.Shared) *viewdb.Shared {
	s.close.add("the cache", plain(func() error { shared.Close(); return nil }))
	return shared
}

// openHome opens a store with what cfg says of its memory.
func (s *System) openHome(under string, p projectors.Projector, cfg viewdb.Config) (*viewdb.Home, error) {
	cfg.Dir, cfg.Name, cfg.Format, cfg.OnFault = filepath.Join(s.Dir, under), p.Name(), p.Format(), s.onFault
	home, err := viewdb.OpenHome(cfg)
	if err != nil {
		return nil, err
	}
	s.close.add("view "+p.Name(), plain(func() error { return closeHome(home) }))
	return home, nil
}

// onFault hears of a store that is out of service. The Runner puts a view back.
// Without the heads nothing can be decided: the daemon has to start again.
func (s *System) onFault(name string, err error) {
	s.Logger.Error().Err(err).Str("view", name).Msg("a store is out of service; it is made again from the log")
	if name == heads.Name && s.running.Load() {
		s.fail(fmt.Errorf("%w; start the daemon again", err))
	}
}

// closeHome leaves no damage behind for the next start to meet: a store that
// opens may still be damaged where it has not been read yet.
func closeHome(home *viewdb.Home) error {
	return errors.Join(home.Recover(), home.Close())
}

// openLog opens the log, having made sure that it is the one this directory
// belongs to. A stream is made only in a directory that never had one.
func (s *System) openLog(ctx context.Context, cfg Config) error {
	known, err := readLogFile(s.Dir)
	if err != nil {
		return err
	}
	stores := map[string]viewdb.Checkpoint{heads.Name: s.Heads.Current().Checkpoint()}
	for name, home := range s.Homes {
		stores[name] = home.Current().Checkpoint()
	}
	s.logConn, err = s.Bus.LogConn()
	if err != nil {
		return err
	}
	s.close.add("the log's connection", plain(func() error { s.logConn.Close(); return nil }))
	replicas := 1
	if cfg.External != nil {
		replicas = cfg.External.Replicas
	}
	s.Log, err = eventlog.Open(ctx, s.logConn, eventlog.Config{
		Create: known.Log == "" && allZero(stores), Room: newRoom(s.Dir), Replicas: replicas,
	})
	if errors.Is(err, eventlog.ErrNoStream) {
		return fmt.Errorf("%w: %w", ErrLostLog, err)
	}
	if err != nil {
		return err
	}
	s.Identity = s.Log.Identity()
	if err := known.check(s.Identity); err != nil {
		return err
	}
	for name, at := range stores {
		if err := projectors.CheckLog(ctx, s.Log, at); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrLostLog, name, err)
		}
	}
	head, err := s.Log.Head(ctx)
	if err != nil {
		return err
	}
	if head > 0 && s.freshKeys {
		return ErrLostKeys
	}
	if err := (logFile{Log: s.Identity}).write(s.Dir, known); err != nil {
		return err
	}
	s.freshKeys = false
	return nil
}

// dropFreshKeys removes a key ring that was made for a log which was not reached:
// the next start is to see, too, that there was none.
func (s *System) dropFreshKeys() error {
	if !s.freshKeys {
		return nil
	}
	return os.RemoveAll(s.keysDir())
}

func allZero(stores map[string]viewdb.Checkpoint) bool {
	for _, at := range stores {
		if at.Seq != 0 {
			return false
		}
	}
	return true
}

// fillScratch gives a copy what it is to begin with.
func (s *System) fillScratch(ctx context.Context, cfg Config) error {
	if cfg.scratch == nil {
		return nil
	}
	return cfg.scratch.fill(ctx, s.Log)
}

// fillHeads makes empty heads from the history, because nothing can be decided
// without them and the log gives them one event at a time; every other store
// that is empty is filled on the way. Without a history the Service has the log.
func (s *System) fillHeads(ctx context.Context, _ Config) error {
	if !s.Heads.Current().Checkpoint().IsZero() {
		return nil
	}
	views := append(slices.Clip(s.Views), projectors.View{Projector: heads.Projector{}, Home: s.Heads})
	err := projectors.Fill(ctx, s.Log, views, s.genesis, projectors.Listener{Quarantined: s.quarantined}.Hear)
	if err != nil && s.History.Current().Fault() != nil {
		s.Logger.Error().Err(err).Msg("the heads cannot be made from the history; they are made from the log, which takes longer")
		return nil //nolint:nilerr // told, and the history is mended
	}
	return err
}

// quarantined hears of an event that cannot be read.
func (s *System) quarantined(about events.Aggregate, seq events.Seq, why error) {
	s.Logger.Error().Err(why).Stringer("about", about).Stringer("seq", seq).Msg("an event cannot be read; its aggregate is quarantined")
}

// bytesPerItem gives heads.DefaultItems for the default cache.
const bytesPerItem = defaultCacheBytes / heads.DefaultItems

// openService starts the only writer. It waits until the heads have reached the
// end of the log.
func (s *System) openService(ctx context.Context, cfg Config) error {
	store, err := heads.Open(s.Heads.Current(), s.Identity, int(cfg.CacheBytes/bytesPerItem))
	if err != nil {
		return err
	}
	// An environment keeps its name: it need not be the last policy that is looked at.
	if err := cfg.Genesis.Check(store.Begin()); err != nil {
		return err
	}
	var guard catalogue.Guard = deletion.Guard{Genesis: cfg.Genesis}
	if cfg.scratch != nil {
		guard = cfg.scratch.guard
	}
	s.Service, err = catalogue.Open(ctx, catalogue.Config{Log: s.Log, Store: store, Seal: s.Sealer, Clock: s.Clock, Guard: guard})
	if err != nil {
		return err
	}
	s.close.add("the service", plain(s.Service.Close))
	return nil
}

// startRunner keeps the views at the log. When the log turns out not to be what
// they were built from, everything that writes stops.
func (s *System) startRunner(ctx context.Context, cfg Config) error {
	s.Runner = projectors.NewRunner(s.Log, s.Views, projectors.Listener{
		Faulted: func(view string, err error) {
			s.Logger.Error().Err(err).Str("view", view).Msg("the view cannot be applied to; it is taken out and rebuilt")
		},
		Quarantined: s.quarantined,
		Rebuilt: func(view string, seq events.Seq) {
			s.Logger.Info().Str("view", view).Stringer("seq", seq).Msg("the view is rebuilt and serves")
		},
	})
	s.Runner.Spare, s.Runner.Genesis = projectors.NewSpare(s.Service.Busy, time.Now), s.genesis
	if cfg.Paused {
		return nil
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Runner.Run(ctx); err != nil && ctx.Err() == nil {
			s.fail(fmt.Errorf("read the log: %w", err))
			// Nobody may write to a log that is not the one it was.
			if err := s.Service.Close(); err != nil {
				s.Logger.Error().Err(err).Msg("the service did not stop cleanly")
			}
		}
	}()
	s.close.add("the views' reader", func(context.Context) error {
		cancel()
		<-ended
		return nil
	})
	return nil
}
