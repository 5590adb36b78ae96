package viewdb

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// storeFormat is the version of Pebble's own format; explicit, so that a
	// newer Pebble does not write what an older one cannot read. Columnar
	// blocks, checksummed footers, write-ahead log with sync offsets.
	storeFormat = pebble.FormatTableFormatV6

	defaultCacheBytes    = 8 << 20
	defaultMemTableBytes = 16 << 20
	minMemTableBytes     = 256 << 10
	maxMemTableBytes     = 1 << 30
	maxBlockBytes        = 1 << 20
	openFiles            = 1000

	// Of blocks of 4, 16 and 32 KiB the last are best by far at whatever reads many
	// rows, take least room, and cost a single row nothing that can be measured
	// while its block is in the cache.
	defaultBlockBytes = 32 << 10

	// stalledMemTables is how many memtables may wait for the disk before a
	// commit waits.
	stalledMemTables = 4
	// stalledL0 is the read amplification at which a commit waits for
	// compactions. It is high because a bulk load writes faster than it can
	// compact, and reads matter little until it is done.
	stalledL0 = 1000
)

// Config says where a view is and what it is.
type Config struct {
	Dir    string // the directory of the view; of all views for OpenHome
	Name   string // of the view, e.g. tenants
	Format uint32 // the view's own format version, from 1; raised when its rows change

	Shared        *Shared // nil: a small cache of its own
	MemTableBytes int     // 256 KiB to 1 GiB; 0: 16 MiB. Take 64 MiB for a bulk rebuild
	BlockBytes    int     // how much is read, and unpacked, at once; 0: 32 KiB, for reading many rows
	Records       int     // how many records Decoded keeps at most; 0: 65,536, negative: none
	FS            vfs.FS  // nil: the disk
	ReadOnly      bool

	// OnFault, when set, hears once of a view that went out of service, on a
	// goroutine of its own, with a *FaultError; and of a generation OpenHome
	// found corrupt.
	OnFault func(name string, err error)
}

// Validate lists every fault of the configuration.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.Dir == "" {
		fault("Dir is missing; name a directory")
	}
	if c.Name == "" {
		fault("Name is missing; name the view")
	}
	if c.Format == 0 {
		fault("Format is missing; a view's formats count from 1")
	}
	if n := c.BlockBytes; n < 0 || n > maxBlockBytes {
		fault("BlockBytes is %d; up to %d are allowed", n, maxBlockBytes)
	}
	if n := c.MemTableBytes; n != 0 && (n < minMemTableBytes || n > maxMemTableBytes) {
		fault("MemTableBytes is %d; from %d to %d are allowed", n, minMemTableBytes, maxMemTableBytes)
	}
	return errors.Join(faults...)
}

// Shared is what many views in one process have in common: the block cache, the
// open table files, and how many of them compact at a time.
type Shared struct {
	cache       *pebble.Cache
	files       *pebble.FileCache
	compactions *compactions
}

// NewShared makes a block cache of that many bytes, which also pays for the
// views' memtables.
func NewShared(cacheBytes int64) *Shared {
	return &Shared{
		cache: pebble.NewCache(cacheBytes), files: pebble.NewFileCache(runtime.GOMAXPROCS(0), openFiles), compactions: newCompactions(),
	}
}

// Beside makes a cache that has only its compactions in common with s.
func (s *Shared) Beside(cacheBytes int64) *Shared {
	other := NewShared(cacheBytes)
	other.compactions = s.compactions
	return other
}

// Close gives the memory back once every view that uses it is closed.
func (s *Shared) Close() {
	s.files.Unref()
	s.cache.Unref()
}

// CacheBytes is how many bytes the block cache holds now.
func (s *Shared) CacheBytes() int64 { return s.cache.Metrics().Size }

func (db *DB) options(shared *Shared) *pebble.Options {
	memTable := db.cfg.MemTableBytes
	if memTable == 0 {
		memTable = defaultMemTableBytes
	}
	opts := &pebble.Options{
		FS:                          db.fs,
		Cache:                       shared.cache,
		FileCache:                   shared.files,
		FormatMajorVersion:          storeFormat,
		Merger:                      appender,
		MemTableSize:                uint64(memTable),
		MemTableStopWritesThreshold: stalledMemTables,
		L0CompactionThreshold:       2,
		L0StopWritesThreshold:       stalledL0,
		LBaseMaxBytes:               64 << 20,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		ReadOnly:                    db.cfg.ReadOnly,
		Logger:                      faultLogger{db},
		EventListener: &pebble.EventListener{
			BackgroundError: db.fail,
			DataCorruption: func(info pebble.DataCorruptionInfo) {
				db.fail(fmt.Errorf("%w: %s: %w", ErrCorrupt, info.Path, info.Details))
			},
		},
	}
	// A load is linked in with the manifest, not through the log: it is atomic
	// either way, and this way its end is not delayed to a later flush.
	opts.Experimental.DisableIngestAsFlushable = func() bool { return true }
	opts.Experimental.CompactionScheduler = db.compactor
	db.setLevels(opts)
	opts.EnsureDefaults()
	return opts
}

// setLevels gives every level a bloom filter: most lookups of a view are for
// keys that may not exist. Ten bits a key let one miss in a hundred through. The
// fastest compression takes 3% less room than Pebble's default, in the same time;
// the stronger ones take no less, because ids and hashes are most of what there is.
func (db *DB) setLevels(opts *pebble.Options) {
	opts.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		opts.Levels[i].BlockSize = cmp.Or(db.cfg.BlockBytes, defaultBlockBytes)
	}
}

// faultLogger is Pebble's logger. Nothing is logged below cmd; but where
// Pebble would end the process, the view is quarantined instead.
type faultLogger struct{ db *DB }

func (faultLogger) Infof(string, ...any)  {}
func (faultLogger) Errorf(string, ...any) {}

func (l faultLogger) Fatalf(format string, args ...any) { l.db.fail(fmt.Errorf(format, args...)) }
