package seal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"

	"tenantcatalogue/events"
)

// DiskRing is a key ring in a directory of its own, for one process at a time:
//
//	master.key   the master key, made once; every other key is wrapped with it
//	owners.keys  one record an owner, appended; see keyfile.go for the layout
//	lock         held while the ring is open
//
// All are readable by their owner only, and a master key that others may read is
// refused. Keep a copy of both key files, the master key apart from the other:
// without them nothing personal in the log can ever be read. A copy of
// owners.keys that outlives a destroyed key still holds it, so copies must be
// replaced after an erasure, and within the time that was promised for it.
//
// Keys that many callers need at once become durable with one fsync. A crash
// loses at most keys that nobody was told of.
//
// Destroying a key writes down that it is gone and then overwrites it in place,
// both durably. On a disk that writes in place the key is gone; an SSD, a
// copy-on-write file system, a snapshot or a backup may keep the old block for a
// time that nobody can state. Where that matters, keep the directory on a volume
// that is encrypted under a key of its own and has no snapshots: destroying that
// volume's key at the end of its life ends what the disk may have kept.
type DiskRing struct {
	lock  *os.File
	check Key // ties owners.keys to master.key
	wrap  Key // wraps the owners' keys
	index Key

	disk    sync.Mutex // held by the one who writes; taken before mu
	file    keyFile
	records int64 // whole and durable
	closed  bool  // the file ends in a recordClosed
	broken  error // why nothing can be written any more

	mu      sync.RWMutex               // guards what follows
	at      map[events.Aggregate]int64 // where the durable key is, or destroyed
	next    *group                     // the keys that the next write makes durable
	writing *group                     // those that are being written
}

// keyFile is what a ring needs of owners.keys.
type keyFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
}

// group is the keys that become durable together.
type group struct {
	owners map[events.Aggregate]Key
	done   bool  // written or failed; guarded by DiskRing.disk
	err    error // guarded by DiskRing.disk
}

const (
	masterName = "master.key"
	keysName   = "owners.keys"
	lockName   = "lock"
)

// OpenKeyRing opens the key ring in a directory, or begins one if there is none.
// ErrLocked if another process has it open; ErrCorrupt if a file of it is
// damaged or missing. It finishes what a crash interrupted.
func OpenKeyRing(dir string) (*DiskRing, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open key ring: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("open key ring %s: %w", dir, err)
	}
	r, err := openFiles(dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open key ring %s: %w", dir, err), lock.Close())
	}
	r.lock = lock
	return r, nil
}

func openFiles(dir string) (*DiskRing, error) {
	master, err := openMaster(dir)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, keysName), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is %s and no %s; put it back from its copy", ErrCorrupt, masterName, keysName)
	}
	if err != nil {
		return nil, err
	}
	r, err := newDiskRing(master, file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return r, nil
}

// newDiskRing reads the key file and mends its end.
func newDiskRing(master Key, file *os.File) (*DiskRing, error) {
	r := &DiskRing{
		check: master.derive(purposeCheck), wrap: master.derive(purposeWrap), index: master.derive(purposeIndex),
		file: file,
	}
	if err := readHeader(file, r.check); err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	t, err := readKeyTable(file, info.Size())
	if err != nil {
		return nil, err
	}
	r.at, r.records, r.closed = t.at, t.records, t.closed
	if info.Size() != recordOffset(t.records) {
		if err := r.truncate(); err != nil {
			return nil, err
		}
	}
	return r, r.overwrite(t.scrub)
}

// IndexKey is as in KeyRing.
func (r *DiskRing) IndexKey() Key { return r.index }

// Key is as in KeyRing. ErrCorrupt if the record has been damaged since.
func (r *DiskRing) Key(owner events.Aggregate) (Key, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	switch at, known := r.at[owner]; {
	case !known:
		return Key{}, noKey(owner)
	case at == destroyed:
		return Key{}, isErased(owner)
	default:
		return r.read(owner, at)
	}
}

func (r *DiskRing) read(owner events.Aggregate, at int64) (Key, error) {
	var rec record
	if _, err := r.file.ReadAt(rec[:], recordOffset(at)); err != nil {
		return Key{}, fmt.Errorf("read the key of %s: %w", owner, err)
	}
	if found, _ := rec.owner(); !rec.valid() || rec.kind() != recordKey || found != owner {
		return Key{}, fmt.Errorf("%w: record %d of %s, the key of %s, cannot be read", ErrCorrupt, at, keysName, owner)
	}
	aead, err := chacha20poly1305.NewX(r.wrap[:])
	if err != nil {
		return Key{}, err
	}
	var key Key
	if _, err := aead.Open(key[:0], rec.nonce(), rec[wrappedAt:crcAt], rec[ownerAt:baseAt]); err != nil {
		return Key{}, fmt.Errorf("%w: the key of %s is not wrapped with this master key", ErrCorrupt, owner)
	}
	return key, nil
}

// Close gives the ring back. Nothing is lost without it.
func (r *DiskRing) Close() error {
	r.disk.Lock()
	defer r.disk.Unlock()
	if errors.Is(r.broken, ErrClosed) {
		return nil
	}
	var err error
	if r.broken == nil && !r.closed {
		err = r.append(newRecord(recordClosed, events.Aggregate{}, r.records)[:])
	}
	r.broken = ErrClosed
	return errors.Join(err, r.file.Close(), r.lock.Close())
}

// openMaster reads the master key, or begins a ring if there is none at all.
func openMaster(dir string) (Key, error) {
	path := filepath.Join(dir, masterName)
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return begin(dir)
	}
	if err != nil {
		return Key{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return Key{}, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Key{}, fmt.Errorf("%s may be read by others (mode %o): chmod 600 it, and find out who did", masterName, info.Mode().Perm())
	}
	var master Key
	if len(raw) != len(master) {
		return Key{}, fmt.Errorf("%w: %s has %d bytes, not %d", ErrCorrupt, masterName, len(raw), len(master))
	}
	copy(master[:], raw)
	return master, nil
}

// begin makes a ring. The key file comes first, so that one without a master
// key and without records is what a crash in between leaves.
func begin(dir string) (Key, error) {
	info, err := os.Stat(filepath.Join(dir, keysName))
	if err == nil && info.Size() > int64(headerSize) {
		return Key{}, fmt.Errorf("%w: there is %s and no %s; put the master key back from its copy", ErrCorrupt, keysName, masterName)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return Key{}, err
	}
	var master Key
	rand.Read(master[:])
	check := master.derive(purposeCheck)
	if err := writeDurably(filepath.Join(dir, keysName), append([]byte(keyMagic), check[:]...)); err != nil {
		return Key{}, err
	}
	return master, writeDurably(filepath.Join(dir, masterName), master[:])
}

// writeDurably puts a file there whole or not at all.
func writeDurably(path string, content []byte) error {
	temporary := path + ".new"
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
