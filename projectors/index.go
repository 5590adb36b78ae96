package projectors

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

// IndexKey makes the start of index keys: the letter that names the index, and
// fields, each ended so that no two lists of them run into each other.
func IndexKey(index byte, fields ...string) []byte {
	size := 1 + 2*len(fields) + 2*len(uuid.UUID{}) // and room for what IndexEntry appends
	for _, f := range fields {
		size += len(f)
	}
	key := append(make([]byte, 0, size), index)
	for _, f := range fields {
		key = viewdb.AppendString(key, f)
	}
	return key
}

// IndexEntry appends to a key the aggregate and the id of the entity that the
// entry stands for; the id is empty where the aggregate has one such entity.
func IndexEntry(key []byte, about uuid.UUID, entityID string) []byte {
	return append(append(key, about[:]...), entityID...)
}

// CutEntry reads what IndexEntry appended; the error matches viewdb.ErrCorrupt.
func CutEntry(rest []byte) (about uuid.UUID, entityID string, err error) {
	if len(rest) < len(about) {
		return about, "", fmt.Errorf("%w: an index entry ends in %d bytes where an id of 16 belongs", viewdb.ErrCorrupt, len(rest))
	}
	copy(about[:], rest)
	return about, string(rest[len(about):]), nil
}

// CutIDEntry is CutEntry where the entity's id is a UUID.
func CutIDEntry(rest []byte) (about, id uuid.UUID, err error) {
	about, text, err := CutEntry(rest)
	if err != nil {
		return about, id, err
	}
	if id, err = uuid.FromBytes([]byte(text)); err != nil {
		return about, id, fmt.Errorf("%w: an index entry names the entity %x: %w", viewdb.ErrCorrupt, text, err)
	}
	return about, id, nil
}

// Page reads index entries with a prefix, in order: fn gets what follows the
// prefix in each and returns an item, or false to pass over the entry. after is
// the next of the page before, nil for the first; next is nil when there are no
// more entries. limit is the most items; it must be positive.
func Page[T any](r viewdb.Reader, prefix, after []byte, limit int, fn func(rest []byte) (T, bool, error)) (items []T, next []byte, err error) {
	from := after
	if after != nil {
		from = append(slices.Clip(prefix), after...)
	}
	var last []byte // the entry of the last item
	err = ScanIndex(r, prefix, from, func(rest []byte) error {
		if len(items) >= limit {
			next = last
			return viewdb.ErrStop
		}
		item, ok, err := fn(rest)
		if err != nil || !ok {
			return err
		}
		items = append(items, item)
		last = append(last[:0], rest...)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return items, next, nil
}

// EntityPage reads the entities of a kind of an aggregate in key order, a page
// at a time; after, next and limit are as in Page.
func EntityPage[E events.Entity](
	r viewdb.Reader, a events.Aggregate, kind events.EntityKind, after []byte, limit int,
) (entities []E, next []byte, err error) {
	if err := Trusted(r, a); err != nil {
		return nil, nil, err
	}
	prefix := entityRow(a, events.EntityKey{Kind: kind})
	lower := prefix
	if after != nil {
		lower = append(append(slices.Clip(prefix), after...), 0)
	}
	var last []byte
	err = r.Scan(lower, viewdb.PrefixEnd(prefix), func(row, raw []byte) error {
		if len(entities) >= limit {
			next = last
			return viewdb.ErrStop
		}
		entity, err := decodeAs[E](a, kind, raw)
		if err != nil {
			return err
		}
		entities = append(entities, entity)
		last = append(last[:0], row[len(prefix):]...)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return entities, next, nil
}

// Untrusted splits ErrQuarantined off an error. A list shows a quarantined
// aggregate by its id and why, without data; it neither fails for it nor leaves
// it out.
func Untrusted(err error) (why string, rest error) {
	if errors.Is(err, ErrQuarantined) {
		return err.Error(), nil
	}
	return "", err
}
