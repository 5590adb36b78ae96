package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"

	"tenantcatalogue/events"
)

// KeyRing holds one key an owner. It is safe for concurrent use.
type KeyRing interface {
	// Key is the owner's key. ErrNoKey if there is none, ErrErased if it has been
	// destroyed. A key that is handed out is durable.
	Key(owner events.Aggregate) (Key, error)
	// Create makes a key for every owner that has none and returns when all of
	// them are durable. ErrErased if one has been destroyed: nothing is made then.
	Create(owners ...events.Aggregate) error
	// Destroy makes the owners' keys unreadable for ever, those of owners that
	// never had one too, and returns when that is durable. Doing it again is no
	// error.
	Destroy(owners ...events.Aggregate) error
	// IndexKey keys the hashes of Sealer.Index. It never changes.
	IndexKey() Key
}

// Key is a secret of 256 bits. It does not print.
type Key [32]byte

// Format writes a placeholder, whatever the verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "key(hidden)") }

// derive makes the key for one purpose out of another key.
func (k Key) derive(purpose string) Key { return k.sum([]byte(purpose)) }

func (k Key) sum(message []byte) (out Key) {
	h := hmac.New(sha256.New, k[:])
	h.Write(message)
	h.Sum(out[:0])
	return out
}

// checkOwners refuses what owns no personal data.
func checkOwners(owners []events.Aggregate) error {
	for _, owner := range owners {
		if owner.Kind != events.AggregateTenant && owner.Kind != events.AggregateAccount {
			return fmt.Errorf("key of %q: %w", owner, ErrOwner)
		}
	}
	return nil
}

func noKey(owner events.Aggregate) error    { return fmt.Errorf("key of %s: %w", owner, ErrNoKey) }
func isErased(owner events.Aggregate) error { return fmt.Errorf("key of %s: %w", owner, ErrErased) }

// MemoryRing is a key ring for tests and drills: nothing of it is kept. Its keys
// are derived from one seed, so that the same seed gives the same sealed text in
// whatever order owners come; only a [DiskRing] truly destroys a key.
type MemoryRing struct {
	seed Key
	mu   sync.RWMutex
	live map[events.Aggregate]bool // false: destroyed
}

// NewMemoryRing reads the seed, 32 bytes, from rand.
func NewMemoryRing(rand io.Reader) (*MemoryRing, error) {
	r := &MemoryRing{live: map[events.Aggregate]bool{}}
	if _, err := io.ReadFull(rand, r.seed[:]); err != nil {
		return nil, fmt.Errorf("seed a key ring: %w", err)
	}
	return r, nil
}

// Key is as in KeyRing.
func (r *MemoryRing) Key(owner events.Aggregate) (Key, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	switch live, known := r.live[owner]; {
	case !known:
		return Key{}, noKey(owner)
	case !live:
		return Key{}, isErased(owner)
	}
	return r.seed.sum(owner.Key()), nil
}

// Create is as in KeyRing.
func (r *MemoryRing) Create(owners ...events.Aggregate) error {
	if err := checkOwners(owners); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, owner := range owners {
		if live, known := r.live[owner]; known && !live {
			return isErased(owner)
		}
	}
	for _, owner := range owners {
		r.live[owner] = true
	}
	return nil
}

// Destroy is as in KeyRing.
func (r *MemoryRing) Destroy(owners ...events.Aggregate) error {
	if err := checkOwners(owners); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, owner := range owners {
		r.live[owner] = false
	}
	return nil
}

// IndexKey is as in KeyRing.
func (r *MemoryRing) IndexKey() Key { return r.seed.derive(purposeIndex) }
