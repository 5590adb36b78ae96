package viewdb_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

// numbers is a record that could be changed by whoever gets it.
type numbers []uint64

func (n numbers) Clone() numbers { return append(numbers(nil), n...) }

var errNonsense = errors.New("nonsense")

func decodeNumbers(_, raw []byte) (numbers, bool, error) {
	if len(raw) != 8 {
		return nil, false, errNonsense
	}
	return numbers{binary.BigEndian.Uint64(raw)}, true, nil
}

func encodeNumber(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// Whatever is committed, and however many records are kept, what is read decoded
// is what is there: in the view, in a snapshot, over a batch.
func TestDecodedIsWhatIsThere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cfg := config("view", vfs.NewMem())
		cfg.Records = rapid.SampledFrom([]int{-1, 1, 8, 0}).Draw(t, "records")
		db, err := viewdb.Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		b := db.NewBatch()
		readers := []viewdb.Reader{db, b}
		var seq events.Seq
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		keys := rapid.IntRange(0, 12)
		t.Repeat(map[string]func(*rapid.T){
			"set":    func(t *rapid.T) { must(b.Set(rowKey(keys.Draw(t, "key")), encodeNumber(rapid.Uint64().Draw(t, "n")))) },
			"delete": func(t *rapid.T) { must(b.Delete(rowKey(keys.Draw(t, "key")))) },
			"commit": func(*rapid.T) {
				seq++
				must(b.Commit(at(seq)))
			},
			"snapshot": func(*rapid.T) {
				s, err := db.Snapshot()
				must(err)
				readers = append(readers, s)
			},
			"": func(t *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(t, "reads") {
					r, key := rapid.SampledFrom(readers).Draw(t, "reader"), rowKey(keys.Draw(t, "key"))
					got, found, err := viewdb.Decoded(r, key, decodeNumbers)
					must(err)
					raw, there, err := r.Get(key)
					must(err)
					if found != there || found && got[0] != binary.BigEndian.Uint64(raw) {
						t.Fatalf("%T: %s is %v, %v where %x stands", r, key, got, found, raw)
					}
					if found {
						got[0]++ // it is ours
					}
				}
			},
		})
	})
}

// While commits go on, a read shows no less than was committed before it began,
// and no less than any read that ended before it began; a snapshot shows what it
// did when it was taken.
func TestDecodedWhileCommitting(t *testing.T) {
	t.Parallel()
	const keys, commits, readers = 24, 3000, 4
	cfg := config("view", vfs.NewMem())
	cfg.Records = 16
	db := open(t, cfg)
	var seen [keys]atomic.Uint64
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		defer close(done)
		b := db.NewBatch()
		for i := range uint64(commits) {
			key := rand.IntN(keys)
			if err := errors.Join(b.Set(rowKey(key), encodeNumber(i+1)), b.Commit(at(events.Seq(i+1)))); err != nil {
				t.Error(err)
				return
			}
			raise(&seen[key], i+1)
		}
	})
	for range readers {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				key := rand.IntN(keys)
				least := seen[key].Load()
				got, found, err := viewdb.Decoded(db, rowKey(key), decodeNumbers)
				switch {
				case err != nil:
					t.Error(err)
				case !found && least > 0 || found && got[0] < least:
					t.Errorf("%d: %v, %v, after %d", key, got, found, least)
				case found:
					raise(&seen[key], got[0])
				}
				standsStill(t, db, key)
			}
		})
	}
	wg.Wait()
}

func raise(to *atomic.Uint64, n uint64) {
	for {
		if old := to.Load(); old >= n || to.CompareAndSwap(old, n) {
			return
		}
	}
}

// standsStill fails when a snapshot shows another record than row.
func standsStill(t *testing.T, db *viewdb.DB, key int) {
	t.Helper()
	s, err := db.Snapshot()
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = s.Close() }()
	for range 3 {
		raw, there, err := s.Get(rowKey(key))
		got, found, err2 := viewdb.Decoded(s, rowKey(key), decodeNumbers)
		if err != nil || err2 != nil || found != there || found && got[0] != binary.BigEndian.Uint64(raw) {
			t.Errorf("%d: %v, %v where %x stands: %v, %v", key, got, found, raw, err, err2)
		}
	}
}

// A record that is asked for again is not decoded again, nor is a row looked for
// again that is not there, until it is committed to.
func TestRecordsAreKept(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		records int
		decoded int // times, of three reads
	}{{"by default", 0, 1}, {"one set", 4, 1}, {"none", -1, 3}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := config("view", vfs.NewMem())
			cfg.Records = c.records
			db := open(t, cfg)
			b := db.NewBatch()
			for n := range uint64(3) {
				if err := errors.Join(b.Set(rowKey(1), encodeNumber(n)), b.Commit(at(events.Seq(n+1)))); err != nil {
					t.Fatal(err)
				}
				decoded := 0
				decode := func(key, raw []byte) (numbers, bool, error) {
					decoded++
					return decodeNumbers(key, raw)
				}
				for range 3 {
					if got, found, err := viewdb.Decoded(db, rowKey(1), decode); err != nil || !found || got[0] != n {
						t.Errorf("%v, %v, %v after %d", got, found, err, n)
					}
				}
				if decoded != c.decoded {
					t.Errorf("decoded %d times", decoded)
				}
			}
		})
	}
}

// What one pass over many rows asks for does not drive out what is asked for again.
func TestOnePassDrivesNothingOut(t *testing.T) {
	t.Parallel()
	const rows = 200
	cfg := config("view", vfs.NewMem())
	cfg.Records = 4
	db := open(t, cfg)
	b := db.NewBatch()
	for i := range rows {
		if err := b.Set(rowKey(i), encodeNumber(uint64(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Commit(at(1)); err != nil {
		t.Fatal(err)
	}
	decoded := 0
	read := func(i int) {
		_, found, err := viewdb.Decoded(db, rowKey(i), func(key, raw []byte) (numbers, bool, error) {
			decoded++
			return decodeNumbers(key, raw)
		})
		if err != nil || !found {
			t.Fatal(i, found, err)
		}
	}
	for i := range rows {
		read(i)
	}
	decoded = 0
	for i := range 4 {
		read(i)
	}
	if decoded > 0 {
		t.Errorf("%d of the first four are gone", decoded)
	}
	read(10)
	read(10) // the last to be asked for, again
	decoded = 0
	read(10)
	if decoded > 0 {
		t.Error("what is asked for again is not kept")
	}
}

// A row that cannot be decoded is an error each time; one that is loaded is seen,
// whatever was asked for before.
func TestDecodedAfterALoad(t *testing.T) {
	t.Parallel()
	db := open(t, config("view", vfs.NewMem()))
	for range 3 {
		if _, found, err := viewdb.Decoded(db, rowKey(1), decodeNumbers); err != nil || found {
			t.Fatal(found, err)
		}
	}
	l, err := db.BeginLoad()
	if err != nil {
		t.Fatal(err)
	}
	p := l.Part()
	err = errors.Join(p.Set(rowKey(1), encodeNumber(7)), p.Set(rowKey(2), []byte("seven")), l.Commit(t.Context(), at(1)), l.Close())
	if err != nil {
		t.Fatal(err)
	}
	if got, found, err := viewdb.Decoded(db, rowKey(1), decodeNumbers); err != nil || !found || got[0] != 7 {
		t.Error(got, found, err)
	}
	for range 3 {
		if _, _, err := viewdb.Decoded(db, rowKey(2), decodeNumbers); !errors.Is(err, errNonsense) {
			t.Error(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := viewdb.Decoded(db, rowKey(1), decodeNumbers); !errors.Is(err, viewdb.ErrClosed) {
		t.Errorf("a closed view answers: %v", err)
	}
}
