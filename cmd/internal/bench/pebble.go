package bench

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"tenantcatalogue/projectors/viewdb"
)

// barePebble is a copy of a view's files under Pebble alone, with the view's own
// options and a cache as large: what a lookup is held against.
type barePebble struct {
	db    *pebble.DB
	cache *pebble.Cache
	keys  [][]byte // of rows with a value, in an order of their own
}

// openBare copies a view into dir, which must not exist, and opens it.
func openBare(home *viewdb.Home, dir string, prefix []byte, most int) (*barePebble, error) {
	db, release, err := home.Acquire()
	if err != nil {
		return nil, err
	}
	err = db.SaveTo(dir)
	cacheBytes := db.Metrics().CacheBytes
	release()
	if err != nil {
		return nil, err
	}
	b := &barePebble{cache: pebble.NewCache(cacheBytes)}
	opts, err := optionsIn(dir)
	if err == nil {
		opts.Cache, opts.ReadOnly, opts.Logger = b.cache, true, quiet{}
		b.db, err = pebble.Open(dir, opts)
	}
	if err == nil {
		b.keys, err = b.someKeys(prefix, most)
	}
	if err != nil {
		b.close()
		return nil, fmt.Errorf("open a bare Pebble on a copy of view %s: %w", home.Dir(), err)
	}
	return b, nil
}

// optionsIn are the options that a store was written with.
func optionsIn(dir string) (*pebble.Options, error) {
	files, err := filepath.Glob(filepath.Join(dir, "OPTIONS-*"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no OPTIONS file in %s: %w", dir, err)
	}
	raw, err := os.ReadFile(files[len(files)-1])
	if err != nil {
		return nil, err
	}
	opts := &pebble.Options{}
	err = opts.Parse(string(raw), &pebble.ParseHooks{
		NewFilterPolicy: func(string) (pebble.FilterPolicy, error) { return bloom.FilterPolicy(10), nil },
		SkipUnknown:     func(string, string) bool { return true },
	})
	return opts, err
}

// someKeys draws up to most keys of rows with a value, shuffled.
func (b *barePebble) someKeys(prefix []byte, most int) (keys [][]byte, err error) {
	it, err := b.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: viewdb.PrefixEnd(prefix)})
	if err != nil {
		return nil, err
	}
	seen := 0
	for ok := it.First(); ok; ok = it.Next() {
		if len(it.Value()) == 0 {
			continue
		}
		seen++
		if len(keys) < most {
			keys = append(keys, bytes.Clone(it.Key()))
		} else if i := rand.IntN(seen); i < most {
			keys[i] = bytes.Clone(it.Key())
		}
	}
	rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	if err = it.Close(); err == nil && len(keys) == 0 {
		err = fmt.Errorf("no row begins with %q", prefix)
	}
	return keys, err
}

// get reads n rows one after the other.
func (b *barePebble) get(n int) (samples, error) {
	took := make(samples, n)
	for i := range took {
		began := time.Now()
		_, closer, err := b.db.Get(b.keys[i%len(b.keys)])
		if err == nil {
			err = closer.Close()
		}
		if err != nil {
			return nil, err
		}
		took[i] = time.Since(began)
	}
	return took, nil
}

// scan seeks to a row and reads on over a number of them, n times.
func (b *barePebble) scan(n, rows int) (samples, error) {
	took := make(samples, n)
	for i := range took {
		began := time.Now()
		it, err := b.db.NewIter(nil)
		if err != nil {
			return nil, err
		}
		ok := it.SeekGE(b.keys[i%len(b.keys)])
		for k := 1; k < rows && ok; k++ {
			ok = it.Next()
		}
		if err := it.Close(); err != nil {
			return nil, err
		}
		took[i] = time.Since(began)
	}
	return took, nil
}

func (b *barePebble) close() {
	if b.db != nil {
		_ = b.db.Close() // read only: nothing is lost
	}
	b.cache.Unref()
}

// quiet is a logger that says nothing: what fails is returned.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}

func (quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
