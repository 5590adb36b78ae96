// Package replaytest is a small whole catalogue for tests of what reads the past
// and brings it back: a log in memory, the Service, every view on files in
// memory, and a restore engine over them. A [World] is driven by hand, one event
// after the other, with epochs filled in; its clock moves by a millisecond each
// time it is read, or as the test says.
package replaytest

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
	"tenantcatalogue/events/seal"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/apps"
	"tenantcatalogue/projectors/commerce"
	"tenantcatalogue/projectors/contacts"
	"tenantcatalogue/projectors/heads"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/identity"
	"tenantcatalogue/projectors/placement"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/restore"
)

// World is a running catalogue.
type World struct {
	T       testing.TB
	Log     *eventtest.MemoryLog
	Service *catalogue.Service
	Runner  *projectors.Runner
	Homes   map[string]*viewdb.Home
	Views   []projectors.View

	proofs Proofs
	clock  atomic.Int64
	ids    atomic.Uint64
	mu     sync.Mutex // guards epochs
	epochs map[events.Aggregate]uint64
}

// All are the projectors of every view.
func All() []projectors.Projector {
	return []projectors.Projector{
		tenants.New(), commerce.New(), identity.New(), placement.New(), apps.New(), contacts.New(openSeal{}), history.New(),
	}
}

// Few are the two views without which nothing can be restored or certified.
func Few() []projectors.Projector { return []projectors.Projector{tenants.New(), history.New()} }

// New starts a catalogue with these views, which ends with the test.
func New(t testing.TB, views []projectors.Projector) *World {
	t.Helper()
	w, stop := Start(t, views)
	t.Cleanup(stop)
	return w
}

// Start starts a catalogue that the caller stops.
func Start(t testing.TB, views []projectors.Projector) (w *World, stop func()) {
	t.Helper()
	w = &World{
		T: t, Log: eventtest.NewMemoryLog("world"), Homes: map[string]*viewdb.Home{}, epochs: map[events.Aggregate]uint64{},
	}
	w.SetClock(catalogtest.Start)
	var closeService func()
	w.Service, closeService = w.OpenService()
	shared := viewdb.NewShared(8 << 20)
	fs := vfs.NewMem()
	for _, p := range views {
		home, err := viewdb.OpenHome(viewdb.Config{
			Dir: "views", Name: p.Name(), Format: p.Format(), FS: fs, Shared: shared,
		})
		w.check(err)
		w.Homes[p.Name()] = home
		w.Views = append(w.Views, projectors.View{Projector: p, Home: home})
	}
	w.Runner = projectors.NewRunner(w.Log, w.Views, projectors.Listener{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Runner.Run(ctx) }()
	return w, func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the runner ended: %v", err)
		}
		closeService()
		var errs []error
		for _, h := range w.Homes {
			errs = append(errs, h.Close())
		}
		shared.Close()
		if err := errors.Join(errs...); err != nil {
			t.Errorf("stop the catalogue: %v", err)
		}
	}
}

// OpenService opens one more Service on the log, as another process has it, with
// heads of its own.
func (w *World) OpenService() (s *catalogue.Service, stop func()) {
	w.T.Helper()
	home, err := viewdb.OpenHome(viewdb.Config{
		Dir: "heads", Name: heads.Name, Format: heads.Format, FS: vfs.NewMem(),
	})
	w.check(err)
	store, err := heads.Open(home.Current(), w.Log.Identity(), heads.DefaultItems)
	w.check(err)
	s, err = catalogue.Open(context.Background(), catalogue.Config{
		Log: w.Log, Store: store, Seal: catalogtest.Seal{}, Guard: guard{}, Clock: w.Now,
	})
	w.check(err)
	return s, func() {
		if err := errors.Join(s.Close(), home.Close()); err != nil {
			w.T.Errorf("stop a service: %v", err)
		}
	}
}

// guard holds restorations against the rules. Tombstones take the delete role only, and
// what tests make up passes.
type guard struct{}

func (guard) Vouch(f catalogue.Facts, e events.Event) error { return guard{}.Decide(f, e) }

func (guard) Decide(f catalogue.Facts, e events.Event) error {
	if e.Type().Tombstone() || e.Source == source {
		return nil
	}
	return deletion.Guard{}.Decide(f, e)
}

// Now reads the clock, which moves on by a millisecond.
func (w *World) Now() time.Time { return time.Unix(0, w.clock.Add(int64(time.Millisecond))).UTC() }

// SetClock sets the clock.
func (w *World) SetClock(t time.Time) { w.clock.Store(t.UnixNano()) }

// Pass moves the clock on.
func (w *World) Pass(d time.Duration) { w.clock.Add(int64(d)) }

// Engine is a restore engine on this catalogue, publishing through p: nil
// stands for the Service.
func (w *World) Engine(p restore.Publisher) *restore.Engine {
	if p == nil {
		p = w.Service
	}
	return restore.New(restore.Config{
		History: w.History, Service: p, Views: w.Runner, Log: w.Log, Proofs: &w.proofs, Now: w.Service.Now, NewID: w.newID,
	})
}

// Forget forgets what certificates have proven.
func (w *World) Forget() { w.proofs.Keep(replay.Proof{}) }

func (w *World) newID() (uuid.UUID, error) {
	return events.DeriveID[events.PlanID]("world", strconv.FormatUint(w.ids.Add(1), 10)).UUID(), nil
}

// History runs f on the history as it stands.
func (w *World) History(f func(*history.Reader) error) error {
	return history.View(w.Homes[history.Name], f)
}

// Read runs f on the history once every view has come to the end of the log.
func (w *World) Read(f func(*history.Reader) error) {
	w.T.Helper()
	w.Settle()
	w.check(w.History(f))
}

// Settle waits until every view has come to the end of the log.
func (w *World) Settle() { w.T.Helper(); w.check(w.Runner.WaitFor(context.Background(), w.Head())) }

// Head is the last Seq of the log.
func (w *World) Head() events.Seq {
	w.T.Helper()
	head, err := w.Log.Head(context.Background())
	w.check(err)
	return head
}

// Stored is the whole log.
func (w *World) Stored() []events.Stored { w.T.Helper(); return catalogtest.Read(w.T, w.Log) }

// Events is the whole log, decoded.
func (w *World) Events() []events.Event {
	w.T.Helper()
	var out []events.Event
	for _, s := range w.Stored() {
		e, err := events.Decode(s)
		w.check(err)
		out = append(out, e)
	}
	return out
}

// Fold is the state of an aggregate after the events up to seq, by the fold and
// nothing else.
func (w *World) Fold(about events.Aggregate, seq events.Seq) catalogue.MapState {
	w.T.Helper()
	state := catalogue.MapState{}
	for _, e := range w.Events() {
		if e.About == about && e.Seq <= seq {
			w.check(catalogue.Evolve(state, e))
		}
	}
	return state
}

// WithHeads are the views and the heads as they are after the log so far.
func (w *World) WithHeads() (views []projectors.View, release func()) {
	w.T.Helper()
	home, err := viewdb.OpenHome(viewdb.Config{Dir: "heads", Name: heads.Name, Format: heads.Format, FS: vfs.NewMem()})
	w.check(err)
	stored, rolling := w.Stored(), events.Rolling{}
	for _, s := range stored {
		rolling = rolling.Add(s)
	}
	w.check(projectors.Apply(home.Current(), heads.Projector{}, w.Log.Identity(), projectors.NewVoucher(deletion.Genesis{}).Record(nil, stored), rolling))
	return append(slices.Clone(w.Views), projectors.View{Projector: heads.Projector{}, Home: home}), func() { w.check(home.Close()) }
}

func (w *World) check(err error) {
	if err != nil {
		w.T.Helper()
		w.T.Fatal(err)
	}
}

// openSeal opens what catalogtest.Seal sealed.
type openSeal struct{}

func (openSeal) OpenPersonal(_ events.Aggregate, p events.Personal) (events.Personal, error) {
	text := []byte(strings.TrimPrefix(string(p), events.SealedPrefix))
	slices.Reverse(text)
	return events.Personal(text), nil
}

func (openSeal) Index(kind seal.IndexKind, normalized string) []byte {
	sum := sha256.Sum256([]byte(string(kind) + normalized))
	return sum[:seal.IndexSize]
}
