package catalogue

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tenantcatalogue/events"
)

// State is the entities of one aggregate, as the fold reads and changes them.
type State interface {
	// Keeps tells whether the state holds entities of this kind at all. A view
	// keeps the kinds it is about; the write side and replays keep all.
	Keeps(kind events.EntityKind) bool
	// Get returns the entity at key, or nil when there is none.
	Get(key events.EntityKey) (events.Entity, error)
	// Put sets an entity; of a kind that is not kept it does nothing.
	Put(e events.Entity) error
	// Delete removes the entity at key, if there is one.
	Delete(key events.EntityKey) error
	// Clear removes every entity of a kind.
	Clear(kind events.EntityKind) error
}

// MapState is the whole state of one aggregate in memory.
type MapState map[events.EntityKey]events.Entity

// Keeps is always true.
func (MapState) Keeps(events.EntityKind) bool { return true }

// Get never fails.
func (m MapState) Get(key events.EntityKey) (events.Entity, error) { return m[key], nil }

// Put never fails.
func (m MapState) Put(e events.Entity) error { m[e.EntityKey()] = e; return nil }

// Delete never fails.
func (m MapState) Delete(key events.EntityKey) error { delete(m, key); return nil }

// Clear never fails.
func (m MapState) Clear(kind events.EntityKind) error {
	maps.DeleteFunc(m, func(k events.EntityKey, _ events.Entity) bool { return k.Kind == kind })
	return nil
}

// Entities lists the state in key order.
func (m MapState) Entities() events.Entities {
	out := make(events.Entities, len(m))
	for i, at := range m.sorted() {
		out[i] = at.entity
	}
	return out
}

// placed is an entity with its place in the state.
type placed struct {
	key    events.EntityKey
	entity events.Entity
}

func (m MapState) sorted() []placed {
	out := make([]placed, 0, len(m))
	for k, e := range m {
		out = append(out, placed{k, e})
	}
	slices.SortFunc(out, func(a, b placed) int {
		if a.key.Kind != b.key.Kind {
			return int(a.key.Kind) - int(b.key.Kind)
		}
		return strings.Compare(a.key.ID, b.key.ID)
	})
	return out
}

// Tenant is the tenant's record, if the state has one.
func (m MapState) Tenant() (events.Tenant, bool) {
	t, ok := m[events.EntityKey{Kind: events.EntityTenant}].(events.Tenant)
	return t, ok
}

// Clone is a copy that can be changed without touching m.
func (m MapState) Clone() MapState { return maps.Clone(m) }

// Digest is SHA-256 over the entities in key order: length and bytes of each
// key and of each entity's stored form. Two states are equal exactly when
// their digests are; Seqs, versions and epochs are no part of a state.
func (m MapState) Digest() (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	var n [8]byte
	write := func(b []byte) {
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	var key, raw []byte
	for _, at := range m.sorted() {
		if raw, err = events.AppendEntity(raw[:0], at.entity); err != nil {
			return sum, fmt.Errorf("digest a state: %w", err)
		}
		key = at.key.Append(key[:0])
		write(key)
		write(raw)
	}
	h.Sum(sum[:0])
	return sum, nil
}

// Get reads an entity of a known type.
func Get[E events.Entity](s State, key events.EntityKey) (entity E, found bool, err error) {
	got, err := s.Get(key)
	if err != nil || got == nil {
		return entity, false, err
	}
	entity, found = got.(E)
	if !found {
		return entity, false, fmt.Errorf("%w: a %T stands where a %T belongs", ErrFold, got, entity)
	}
	return entity, true, nil
}
