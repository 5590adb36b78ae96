package seal

import (
	"crypto/rand"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"tenantcatalogue/events"
)

// Create is as in KeyRing: callers that come while a write is under way share
// the next one.
func (r *DiskRing) Create(owners ...events.Aggregate) error {
	if err := checkOwners(owners); err != nil {
		return err
	}
	for {
		g, err := r.enlist(owners)
		if err != nil {
			return fmt.Errorf("make a key: %w", err)
		}
		if g == nil {
			return nil
		}
		if err := r.commit(g); err != nil {
			return fmt.Errorf("make a key: %w", err)
		}
	}
}

// enlist adds the owners that have no key to the next group. It returns the
// group to wait for, or nil if every owner has a durable key.
func (r *DiskRing) enlist(owners []events.Aggregate) (*group, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var missing []events.Aggregate
	for _, owner := range owners {
		switch at, known := r.at[owner]; {
		case known && at == destroyed:
			return nil, isErased(owner)
		case !known:
			missing = append(missing, owner)
		}
	}
	if len(missing) == 0 {
		return nil, nil //nolint:nilnil // no group: nothing to wait for
	}
	wait := r.writing
	for _, owner := range missing {
		if r.writing.has(owner) {
			continue
		}
		if r.next == nil {
			r.next = &group{owners: map[events.Aggregate]Key{}}
		}
		wait = r.next
		if r.next.has(owner) {
			continue
		}
		var key Key
		rand.Read(key[:])
		r.next.owners[owner] = key
	}
	return wait, nil
}

func (g *group) has(owner events.Aggregate) bool {
	if g == nil {
		return false
	}
	_, ok := g.owners[owner]
	return ok
}

// commit returns when the group is durable. Whoever gets the disk first writes
// it for all who wait.
func (r *DiskRing) commit(g *group) error {
	r.disk.Lock()
	defer r.disk.Unlock()
	if g.done {
		return g.err
	}
	r.mu.Lock()
	r.next, r.writing = nil, g // one group collects at a time, and this one is not done
	r.mu.Unlock()

	first := r.records
	var order []events.Aggregate
	order, g.err = r.write(g)
	g.done = true

	r.mu.Lock()
	defer r.mu.Unlock()
	r.writing = nil
	if g.err == nil {
		for i, owner := range order {
			r.at[owner] = first + int64(i)
		}
	}
	return g.err
}

// write appends the group's records durably and tells their order.
func (r *DiskRing) write(g *group) ([]events.Aggregate, error) {
	aead, err := chacha20poly1305.NewX(r.wrap[:])
	if err != nil {
		return nil, err
	}
	order := make([]events.Aggregate, 0, len(g.owners))
	out := make([]byte, 0, len(g.owners)*recordSize)
	for owner, key := range g.owners {
		rec := newRecord(recordKey, owner, r.records)
		rand.Read(rec.nonce())
		aead.Seal(rec[wrappedAt:wrappedAt], rec.nonce(), key[:], rec[ownerAt:baseAt])
		rec.sum()
		order, out = append(order, owner), append(out, rec[:]...)
	}
	return order, r.append(out)
}

// append writes whole records at the end, durably. If it fails the file is as it
// was before, or the ring is broken. The caller holds disk.
func (r *DiskRing) append(records []byte) error {
	if r.broken != nil {
		return r.broken
	}
	_, err := r.file.WriteAt(records, recordOffset(r.records))
	if err == nil {
		err = r.file.Sync()
	}
	if err != nil {
		r.broken = r.truncate()
		return errors.Join(fmt.Errorf("write %s: %w", keysName, err), r.broken)
	}
	r.records += int64(len(records) / recordSize)
	r.closed = false
	return nil
}

// truncate cuts the file to what is durable, so that nothing half written stands
// between that and the next record. The caller holds disk.
func (r *DiskRing) truncate() error {
	err := errors.Join(r.file.Truncate(recordOffset(r.records)), r.file.Sync())
	if err == nil {
		return nil
	}
	return fmt.Errorf("cut %s back to its %d whole records (open the key ring again when the disk is well): %w", keysName, r.records, err)
}

// Destroy is as in KeyRing: first it is written down that the keys are gone,
// then they are overwritten.
func (r *DiskRing) Destroy(owners ...events.Aggregate) error {
	if err := checkOwners(owners); err != nil {
		return err
	}
	r.disk.Lock()
	defer r.disk.Unlock()
	var out []byte
	for _, owner := range owners {
		out = append(out, newRecord(recordDestroyed, owner, r.records)[:]...)
	}
	if err := r.append(out); err != nil {
		return fmt.Errorf("destroy a key: %w", err)
	}
	if err := r.overwrite(r.forget(owners)); err != nil {
		return fmt.Errorf("destroy a key: it is out of use, and will be overwritten when the key ring is opened again: %w", err)
	}
	return nil
}

// forget takes the owners' keys out of use and tells where they stand in the
// file. The caller holds disk.
func (r *DiskRing) forget(owners []events.Aggregate) (places []int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, owner := range owners {
		if at, known := r.at[owner]; known && at != destroyed {
			places = append(places, at)
		}
		r.at[owner] = destroyed
		if r.next != nil { // whoever waits for that key learns that it is refused
			delete(r.next.owners, owner)
		}
	}
	return places
}

// overwrite puts records that say destroyed where keys were, durably. A crash in
// the middle of one leaves the owner's bytes as they are, since they do not
// change, and the next opening does it again. The caller holds disk.
func (r *DiskRing) overwrite(places []int64) error {
	if len(places) == 0 {
		return nil
	}
	for _, at := range places {
		var old record
		if _, err := r.file.ReadAt(old[:], recordOffset(at)); err != nil {
			return err
		}
		owner, _ := old.owner()
		if _, err := r.file.WriteAt(newRecord(recordDestroyed, owner, at)[:], recordOffset(at)); err != nil {
			return err
		}
	}
	return r.file.Sync()
}
