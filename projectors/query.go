package projectors

import (
	"errors"
	"fmt"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

// Entity reads one entity of a view that has a row for each. The error matches ErrQuarantined when its
// aggregate's rows are not to be trusted.
func Entity[E events.Entity](r viewdb.Reader, a events.Aggregate, key events.EntityKey) (entity E, found bool, err error) {
	if err := Trusted(r, a); err != nil {
		return entity, false, err
	}
	raw, found, err := r.Get(entityRow(a, key))
	if err != nil || !found {
		return entity, false, err
	}
	entity, err = decodeAs[E](a, key.Kind, raw)
	return entity, err == nil, err
}

// Entities reads every entity of a kind of an aggregate, in key order, from a
// view that has a row for each.
func Entities[E events.Entity](r viewdb.Reader, a events.Aggregate, kind events.EntityKind) ([]E, error) {
	if err := Trusted(r, a); err != nil {
		return nil, err
	}
	prefix := entityRow(a, events.EntityKey{Kind: kind})
	var out []E
	err := r.Scan(prefix, viewdb.PrefixEnd(prefix), func(_, raw []byte) error {
		entity, err := decodeAs[E](a, kind, raw)
		out = append(out, entity)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ReadState reads all entities that a view keeps of an aggregate.
func ReadState(r viewdb.Reader, a events.Aggregate) (catalogue.MapState, error) {
	if err := Trusted(r, a); err != nil {
		return nil, err
	}
	prefix := a.AppendKey([]byte{rowEntity})
	out := catalogue.MapState{}
	err := r.Scan(prefix, viewdb.PrefixEnd(prefix), func(row, raw []byte) error {
		if len(row) == wholeRowSize {
			return readWholeState(out, a, raw)
		}
		e, err := events.DecodeEntity(events.EntityKind(row[len(prefix)]), raw)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", viewdb.ErrCorrupt, a, err)
		}
		return out.Put(e)
	})
	return out, err
}

// readWholeState puts the entities of an aggregate's only row into out.
func readWholeState(out catalogue.MapState, a events.Aggregate, raw []byte) error {
	w, err := readWhole(a, raw)
	if err != nil {
		return err
	}
	list, err := w.unpack(a)
	for _, e := range list {
		err = errors.Join(err, out.Put(e))
	}
	return err
}

// ScanIndex calls fn with what follows prefix in each index key that starts
// with it and sorts after the key after (nil: from the first). fn ends the scan
// with viewdb.ErrStop.
func ScanIndex(r viewdb.Reader, prefix, after []byte, fn func(rest []byte) error) error {
	lower := indexRow(prefix)
	if after != nil {
		lower = append(indexRow(after), 0)
	}
	return r.Scan(lower, viewdb.PrefixEnd(indexRow(prefix)), func(row, _ []byte) error {
		return fn(row[1+len(prefix):])
	})
}

// Quarantined lists the aggregates of a view whose rows are not to be trusted.
func Quarantined(r viewdb.Reader) (map[events.Aggregate]Quarantine, error) {
	out := map[events.Aggregate]Quarantine{}
	prefix := []byte{rowQuarantine}
	err := r.Scan(prefix, viewdb.PrefixEnd(prefix), func(row, raw []byte) error {
		q, _, err := decodeQuarantine(row, raw)
		if err != nil {
			return err
		}
		a, _ := events.AggregateFromKey(row[1:]) // zero: an event that named none of ours
		out[a] = q
		return nil
	})
	return out, err
}

// SetQuarantine marks an aggregate's rows as not to be trusted.
func SetQuarantine(b rowSink, a events.Aggregate, q Quarantine) error {
	raw, err := events.Marshal(&q)
	if err != nil {
		return err
	}
	return b.Set(a.AppendKey([]byte{rowQuarantine}), raw)
}

// Trusted is nil, or an error that matches ErrQuarantined and says why the rows of
// an aggregate are not to be trusted.
func Trusted(r viewdb.Reader, a events.Aggregate) error {
	q, found, err := QuarantineOf(r, a)
	if err != nil || !found {
		return err
	}
	return q.of(a)
}

// QuarantineOf is why the rows of an aggregate are not to be trusted, if they are not.
func QuarantineOf(r viewdb.Reader, a events.Aggregate) (q Quarantine, found bool, err error) {
	return viewdb.Decoded(r, a.AppendKey(append(make([]byte, 0, wholeRowSize), rowQuarantine)), decodeQuarantine)
}

func decodeQuarantine(_, raw []byte) (q Quarantine, found bool, err error) {
	if err := events.Unmarshal(raw, &q); err != nil {
		return q, false, fmt.Errorf("%w: %w", viewdb.ErrCorrupt, err)
	}
	return q, true, nil
}

func getEntity(r viewdb.Reader, a events.Aggregate, key events.EntityKey) (events.Entity, error) {
	raw, found, err := r.Get(entityRow(a, key))
	if err != nil || !found {
		return nil, err
	}
	e, err := events.DecodeEntity(key.Kind, raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", viewdb.ErrCorrupt, a, err)
	}
	return e, nil
}

// decodeAs decodes an entity's row into the type that belongs there.
func decodeAs[E events.Entity](a events.Aggregate, kind events.EntityKind, raw []byte) (entity E, err error) {
	got, err := events.DecodeEntity(kind, raw)
	if err != nil {
		return entity, fmt.Errorf("%w: %s: %w", viewdb.ErrCorrupt, a, err)
	}
	entity, ok := got.(E)
	if !ok {
		return entity, fmt.Errorf("%w: a %T of %s stands where a %T belongs", viewdb.ErrCorrupt, got, a, entity)
	}
	return entity, nil
}
