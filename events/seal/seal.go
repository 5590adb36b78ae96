package seal

import (
	"errors"
	"strings"
	"sync"

	"tenantcatalogue/events"
)

// Erased stands where a field was whose key has been destroyed.
const Erased events.Personal = "[erased]"

// Sealer seals and opens personal fields under the keys of a ring. It is safe
// for concurrent use. While a Sealer is in use, keys are destroyed through its
// Erase and not through the ring, so that it keeps no copy of them.
type Sealer struct {
	ring  KeyRing
	index Key

	mu    sync.Mutex // guards the boxes; held over the look-up in the ring too
	boxes twoAges
}

// New makes a Sealer over a ring, which stays the caller's to close.
func New(ring KeyRing) *Sealer { return &Sealer{ring: ring, index: ring.IndexKey()} }

// Prepare makes the keys that sealing these events will need, all with one wait
// for the disk. It is never necessary: sealing makes a missing key itself.
// Owners that have been erased are left for sealing to refuse.
func (s *Sealer) Prepare(batch ...events.Event) error {
	var owners []events.Aggregate
	for _, e := range batch {
		if !hasPlain(e) {
			continue
		}
		if _, err := s.box(e.KeyOwner()); errors.Is(err, ErrNoKey) {
			owners = append(owners, e.KeyOwner())
		}
	}
	if len(owners) == 0 {
		return nil
	}
	return s.ring.Create(owners...)
}

// SealNew seals every personal field of an event that comes from a producer. A
// field that begins as sealed text does is refused: ErrForged. The error is an
// *events.FieldError and never holds the field's value.
func (s *Sealer) SealNew(e events.Event) (events.Event, error) {
	return mapEvent(e, func(path string, p events.Personal) (events.Personal, error) {
		return s.sealField(e.KeyOwner(), path, p)
	})
}

// SealEvent seals the personal fields of an event that the catalogue itself has
// made. Fields that are sealed already stay as they are, provided that they open
// under the event's owner (ErrBadSeal) or that the owner has been erased. The
// error is as SealNew's.
func (s *Sealer) SealEvent(e events.Event) (events.Event, error) {
	return mapEvent(e, func(path string, p events.Personal) (events.Personal, error) {
		if p == "" || !p.Sealed() {
			return s.sealField(e.KeyOwner(), path, p)
		}
		if _, err := s.OpenPersonal(e.KeyOwner(), p); err != nil && !errors.Is(err, ErrErased) {
			return "", fieldError(path, err)
		}
		return p, nil
	})
}

// OpenEvent opens every sealed field of the event. Fields of an erased owner
// read [Erased]. Other faults are as OpenPersonal's, in an *events.FieldError.
func (s *Sealer) OpenEvent(e events.Event) (events.Event, error) {
	return mapEvent(e, s.opener(e.KeyOwner(), "data."))
}

// OpenEntity opens every sealed field of an entity of that owner, as OpenEvent
// does.
func (s *Sealer) OpenEntity(owner events.Aggregate, entity events.Entity) (events.Entity, error) {
	personal, ok := entity.(events.PersonalEntity)
	if !ok {
		return entity, nil
	}
	opened, err := personal.MapPersonal(s.opener(owner, ""))
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// OpenPersonal opens one field of that owner; text that is not sealed is given
// back as it is. If the owner has been erased it returns Erased and ErrErased;
// ErrBadSeal and ErrNoKey say that the text is not what this ring sealed.
func (s *Sealer) OpenPersonal(owner events.Aggregate, p events.Personal) (events.Personal, error) {
	if p == "" || !p.Sealed() {
		return p, nil
	}
	b, err := s.box(owner)
	if errors.Is(err, ErrErased) {
		return Erased, err
	}
	if err != nil {
		return "", err
	}
	return b.open(p)
}

// Erase destroys the owners' keys: what they sealed cannot be opened again, here
// or in any copy of the log. It returns when that is durable.
func (s *Sealer) Erase(owners ...events.Aggregate) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, owner := range owners {
		s.boxes.drop(owner)
	}
	return s.ring.Destroy(owners...)
}

func (s *Sealer) sealField(owner events.Aggregate, path string, p events.Personal) (events.Personal, error) {
	if p == "" {
		return "", nil
	}
	if strings.HasPrefix(string(p), events.SealedPrefix) {
		return "", fieldError(path, ErrForged)
	}
	b, err := s.box(owner)
	if errors.Is(err, ErrNoKey) {
		if err = s.ring.Create(owner); err == nil {
			b, err = s.box(owner)
		}
	}
	if err != nil {
		return "", fieldError(path, err)
	}
	return b.seal(p), nil
}

func (s *Sealer) opener(owner events.Aggregate, under string) events.PersonalMap {
	return func(path string, p events.Personal) (events.Personal, error) {
		opened, err := s.OpenPersonal(owner, p)
		if err != nil && !errors.Is(err, ErrErased) {
			return "", &events.FieldError{Field: under + path, Err: err}
		}
		return opened, nil
	}
}

// box finds the owner's box or makes it. The look-up in the ring is under the
// lock so that it cannot put back what Erase has just dropped.
func (s *Sealer) box(owner events.Aggregate) (*box, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.boxes.get(owner); b != nil {
		return b, nil
	}
	key, err := s.ring.Key(owner)
	if err != nil {
		return nil, err
	}
	b := newBox(owner, key)
	s.boxes.put(owner, b)
	return b, nil
}

func mapEvent(e events.Event, f events.PersonalMap) (events.Event, error) {
	personal, ok := e.Payload.(events.PersonalPayload)
	if !ok {
		return e, nil
	}
	payload, err := personal.MapPersonal(f)
	if err != nil {
		return events.Event{}, err
	}
	e.Payload = payload
	return e, nil
}

// hasPlain tells whether a field of the event is still to be sealed.
func hasPlain(e events.Event) bool {
	plain := false
	_, err := mapEvent(e, func(_ string, p events.Personal) (events.Personal, error) {
		plain = plain || p != "" && !p.Sealed()
		return p, nil
	})
	return plain && err == nil
}

func fieldError(path string, err error) error {
	return &events.FieldError{Field: "data." + path, Err: err}
}

// boxesKept bounds the boxes that are kept at a time: about 1 KiB each.
const boxesKept = 8192

// twoAges is a cache of bounded size: when the young half is full, the old one
// is let go. What is used stays.
type twoAges struct{ young, old map[events.Aggregate]*box }

func (c *twoAges) get(owner events.Aggregate) *box {
	if b := c.young[owner]; b != nil {
		return b
	}
	b := c.old[owner]
	if b != nil {
		c.put(owner, b)
	}
	return b
}

func (c *twoAges) put(owner events.Aggregate, b *box) {
	if c.young == nil || len(c.young) >= boxesKept/2 {
		c.young, c.old = make(map[events.Aggregate]*box), c.young
	}
	c.young[owner] = b
}

func (c *twoAges) drop(owner events.Aggregate) {
	delete(c.young, owner)
	delete(c.old, owner)
}
