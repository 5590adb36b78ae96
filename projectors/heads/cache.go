package heads

import (
	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// DefaultItems is how many heads and entities the younger half of the cache holds if
// nobody says otherwise: some 40 MB of them. One decision asks for the same few again
// and again, and a busy tenant's next event for the same as the last.
const DefaultItems = 1 << 17

// cache remembers rows that were read or written, absent ones too. It has two
// halves: what is asked for moves to the young one, and when that is full the old
// one goes.
type cache struct {
	rows
	young, old map[events.Aggregate]*known
	items      int // in young
	most       int // that young may hold
}

// known is what the cache holds of an aggregate.
type known struct {
	head     *catalogue.Head
	entities map[events.EntityKey]events.Entity // nil: there is none
}

func newCache(r rows, most int) *cache {
	return &cache{rows: r, young: map[events.Aggregate]*known{}, most: most}
}

// of is the aggregate's entry in the young half.
func (c *cache) of(a events.Aggregate) *known {
	if k := c.young[a]; k != nil {
		return k
	}
	if c.items >= c.most {
		c.young, c.old, c.items = map[events.Aggregate]*known{}, c.young, 0
	}
	k := c.old[a]
	if k == nil {
		k = &known{}
	}
	c.young[a] = k
	c.items += 1 + len(k.entities)
	return k
}

// Head is the aggregate's head.
func (c *cache) Head(a events.Aggregate) (catalogue.Head, error) {
	k := c.of(a)
	if k.head == nil {
		h, err := c.rows.Head(a)
		if err != nil {
			return h, err
		}
		k.head = &h
	}
	return *k.head, nil
}

func (c *cache) entity(a events.Aggregate, key events.EntityKey) (events.Entity, error) {
	k := c.of(a)
	if e, found := k.entities[key]; found {
		return e, nil
	}
	e, err := c.rows.entity(a, key)
	if err == nil {
		c.set(k, key, e)
	}
	return e, err
}

func (c *cache) set(k *known, key events.EntityKey, e events.Entity) {
	if _, found := k.entities[key]; !found {
		c.items++
	}
	if k.entities == nil { // most aggregates are claims, of which only the head is asked for
		k.entities = map[events.EntityKey]events.Entity{}
	}
	k.entities[key] = e
}

// wrote takes over what an overlay has written to the rows.
func (c *cache) wrote(o *overlay) {
	for a, h := range o.heads {
		c.of(a).head = &h
	}
	for a, entities := range o.entities {
		k := c.of(a)
		for key, e := range entities {
			c.set(k, key, e)
		}
	}
}
