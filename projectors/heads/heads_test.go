package heads_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/heads"
	"tenantcatalogue/projectors/viewdb"
)

func openDB(t testing.TB, fs vfs.FS) *viewdb.DB {
	t.Helper()
	db, err := viewdb.Open(viewdb.Config{Dir: "heads", Name: heads.Name, Format: heads.Format, FS: fs, MemTableBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func openStore(t testing.TB, db *viewdb.DB) *heads.Store {
	t.Helper()
	s, err := heads.Open(db, "test", heads.DefaultItems)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fold folds events into a store as the Service does.
func fold(t testing.TB, s *heads.Store, stored []events.Stored) {
	t.Helper()
	layer := s.Begin()
	foldInto(t, layer, stored)
	layer.Keep()
	if err := s.Advance(stored); err != nil {
		t.Fatal(err)
	}
}

func foldInto(t testing.TB, f catalogue.Facts, stored []events.Stored) {
	t.Helper()
	for _, s := range stored {
		e, err := events.Decode(s)
		if err != nil {
			err = catalogue.Quarantine(f, s)
		} else {
			err = catalogue.Fold(f, e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func digest(t testing.TB, db *viewdb.DB) viewdb.Sum {
	t.Helper()
	sum, err := viewdb.SumOf(db)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// However the store is layered, flushed and opened again, it holds the rows
// that the projector makes in however many batches, and stands at the same
// checkpoint.
func TestStoreAndProjectorMakeTheSameRows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		log := catalogtest.History(t, catalogtest.Drawn(rt), rapid.IntRange(1, 60).Draw(rt, "requests"))
		garbage := log[rapid.IntRange(0, len(log)-1).Draw(rt, "poisoned")]
		garbage.ID, garbage.Data = events.DeriveID[events.EventID]("garbage"), []byte("garbage")
		garbage.Seq = events.Seq(len(log) + 1)
		log = append(log, garbage)

		live, rebuilt := openDB(t, vfs.NewMem()), openDB(t, vfs.NewMem())
		store := openStore(t, live)
		project := projectors.Folder(rebuilt, heads.Projector{}, "test", projectors.NewVoucher(deletion.Genesis{}))
		for rest := log; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "batch")
			switch rapid.SampledFrom([]string{"fold", "drop", "flush", "reopen"}).Draw(rt, "what") {
			case "drop": // a decision that came to nothing
				foldInto(t, store.Begin(), rest[:n])
				continue
			case "flush":
				if err := store.Flush(); err != nil {
					t.Fatal(err)
				}
				continue
			case "reopen": // a crash: what was not flushed is folded again
				store = openStore(t, live)
				rest = log[store.Seq():]
				continue
			}
			fold(t, store, rest[:n])
			rest = rest[n:]
		}
		if err := store.Flush(); err != nil {
			t.Fatal(err)
		}
		for rest := log; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "projected")
			if err := project(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if live.Checkpoint() != rebuilt.Checkpoint() || store.Checkpoint() != live.Checkpoint() {
			t.Fatalf("the store stands at %+v, on disk at %+v, the projector at %+v", store.Checkpoint(), live.Checkpoint(), rebuilt.Checkpoint())
		}
		if digest(t, live) != digest(t, rebuilt) {
			t.Fatal("the store and the projector made different rows")
		}
		for _, db := range []*viewdb.DB{live, rebuilt} {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// The store answers what facts in memory answer, before a flush and after it.
func TestStoreKnowsWhatTheFoldMakes(t *testing.T) {
	t.Parallel()
	log := catalogtest.History(t, catalogtest.Seeded(1), 600)
	want, err := catalogtest.Fold(log)
	if err != nil {
		t.Fatal(err)
	}
	store := openStore(t, openDB(t, vfs.NewMem()))
	half := len(log) / 2
	fold(t, store, log[:half])
	if err := store.Flush(); err != nil {
		t.Fatal(err)
	}
	fold(t, store, log[half:]) // half on disk, half in the overlay
	checkFacts(t, store, want)
	if err := store.Flush(); err != nil {
		t.Fatal(err)
	}
	checkFacts(t, store, want)
	if store.Seq() != events.Seq(len(log)) {
		t.Errorf("it stands at %d of %d", store.Seq(), len(log))
	}
}

func checkFacts(t testing.TB, store *heads.Store, want *catalogtest.Facts) {
	t.Helper()
	facts := store.Begin()
	ids := cmp.Comparer(func(a, b events.RestoreID) bool { return a == b })
	for about, head := range want.Heads {
		got, err := facts.Head(about)
		if d := cmp.Diff(head, got, ids); err != nil || d != "" {
			t.Errorf("head of %s: %v %s", about, err, d)
		}
	}
	for about, state := range want.States {
		for key, entity := range state {
			got, err := facts.State(about).Get(key)
			if err != nil {
				t.Fatal(err)
			}
			wantRaw, _ := events.EncodeEntity(entity)
			if gotRaw, err := events.EncodeEntity(got); err != nil || string(gotRaw) != string(wantRaw) {
				t.Errorf("%s of %s: %v, %v", key.Kind, about, got, err)
			}
		}
	}
	for id, answer := range want.Answers {
		if got, found, err := facts.Answer(id); err != nil || !found || got != answer {
			t.Errorf("answer to %s: %v, %v, %v", id, got, found, err)
		}
	}
	for id, about := range want.IDs {
		if got, found, err := facts.Issued(id); err != nil || !found || got != about {
			t.Errorf("%s was issued to %s, %v, %v", id, got, found, err)
		}
	}
	stranger := events.OfTenant(events.DeriveID[events.TenantID]("stranger"))
	if h, err := facts.Head(stranger); err != nil || h.Seq != 0 {
		t.Errorf("the head of a stranger: %v, %v", h, err)
	}
	if _, found, err := facts.Answer(events.DeriveID[events.EventID]("stranger")); found || err != nil {
		t.Errorf("an answer to a stranger: %v, %v", found, err)
	}
	if _, found, err := facts.Issued(stranger.ID); found || err != nil {
		t.Errorf("a stranger's id was issued: %v, %v", found, err)
	}
}

// The machine loses power after any flush, with none, half or all of what was
// not synced kept: the store opens behind, and the log gives back the rest.
func TestPowerLossCostsNothing(t *testing.T) {
	t.Parallel()
	log := catalogtest.History(t, catalogtest.Seeded(2), 500)
	mem := vfs.NewCrashableMem()
	live := openDB(t, mem)
	store := openStore(t, live)
	var clones []*vfs.MemFS
	rng := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < len(log); i += 20 {
		fold(t, store, log[i:min(i+20, len(log))])
		if err := store.Flush(); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			if err := live.Flush(); err != nil { // onto the disk for certain
				t.Fatal(err)
			}
		}
		clones = append(clones, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(3) * 50, RNG: rng}))
	}
	want := digest(t, openDBFolded(t, log))
	stood := map[events.Seq]bool{}
	for _, clone := range clones {
		db := openDB(t, clone)
		after := openStore(t, db)
		stood[after.Seq()] = true
		if after.Seq() < events.Seq(len(log)) {
			fold(t, after, log[after.Seq():])
		}
		if err := after.Flush(); err != nil {
			t.Fatal(err)
		}
		if digest(t, db) != want {
			t.Error("rows differ after a power loss")
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(stood) < 2 {
		t.Errorf("the harness is blind: the stores stood at %v", stood)
	}
}

func openDBFolded(t testing.TB, log []events.Stored) *viewdb.DB {
	t.Helper()
	db := openDB(t, vfs.NewMem())
	if err := projectors.Folder(db, heads.Projector{}, "test", projectors.NewVoucher(deletion.Genesis{}))(log); err != nil {
		t.Fatal(err)
	}
	return db
}

// A layer over a layer changes nothing beneath it until both are kept.
func TestLayers(t *testing.T) {
	t.Parallel()
	log := catalogtest.History(t, catalogtest.Seeded(3), 20)
	about := log[0].About
	store := openStore(t, openDB(t, vfs.NewMem()))
	outer := store.Begin()
	inner := outer.Begin()
	foldInto(t, inner, log)
	seq := func(f catalogue.Facts) events.Seq {
		h, err := f.Head(about)
		if err != nil {
			t.Fatal(err)
		}
		return h.Seq
	}
	if seq(inner) == 0 || seq(outer) != 0 {
		t.Errorf("before Keep: %d in the layer, %d beneath", seq(inner), seq(outer))
	}
	inner.Keep()
	if seq(outer) == 0 || seq(store.Begin()) != 0 {
		t.Errorf("after one Keep: %d, %d beneath", seq(outer), seq(store.Begin()))
	}
	outer.Keep()
	if seq(store.Begin()) == 0 {
		t.Error("after both, the store has not got it")
	}
}

func TestOverlayIsWrittenBeforeItGrowsLarge(t *testing.T) {
	t.Parallel()
	db := openDB(t, vfs.NewMem())
	store := openStore(t, db)
	log := catalogtest.History(t, catalogtest.Seeded(4), 9000)
	for i := 0; i < len(log); i += 100 {
		fold(t, store, log[i:min(i+100, len(log))])
	}
	// The first overlay was written before the second one was begun to be.
	if at := db.Checkpoint().Seq; at < 4000 || at >= events.Seq(len(log)) {
		t.Errorf("without a flush the disk stands at %d of %d", at, len(log))
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	log := catalogtest.History(t, catalogtest.Seeded(5), 20)
	db := openDBFolded(t, log)
	if _, err := heads.Open(db, "other", heads.DefaultItems); !errors.Is(err, projectors.ErrOtherLog) {
		t.Errorf("heads of another log: %v", err)
	}
	if err := openStore(t, db).Advance(log[:1]); !errors.Is(err, events.ErrGap) {
		t.Errorf("events that do not follow: %v", err)
	}
}

// TestFailedFlushIsNotForgotten loses one flush: no later one may write a
// checkpoint beyond what it should have written.
func TestFailedFlushIsNotForgotten(t *testing.T) {
	t.Parallel()
	db := openDB(t, vfs.NewMem())
	store := openStore(t, db)
	const ahead = 500 // where the disk is made to stand, so that it refuses the first flush
	log := catalogtest.History(t, catalogtest.Seeded(6), ahead+100)
	if err := db.NewBatch().Commit(viewdb.Checkpoint{Stream: "ahead", Seq: ahead}); err != nil {
		t.Fatal(err)
	}
	fold(t, store, log[:40])
	if err := store.Flush(); !errors.Is(err, viewdb.ErrBackwards) {
		t.Fatalf("a flush that the disk refuses: %v", err)
	}
	if err := store.Advance(log[40:]); !errors.Is(err, viewdb.ErrBackwards) {
		t.Errorf("on after a failed flush: %v", err)
	}
	if err := store.Flush(); !errors.Is(err, viewdb.ErrBackwards) || db.Checkpoint().Seq != ahead {
		t.Errorf("the next flush: %v, the disk stands at %d", err, db.Checkpoint().Seq)
	}
}
