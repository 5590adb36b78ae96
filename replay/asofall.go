package replay

import (
	"sync"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/internal/inorder"
)

const (
	// batchEvents is how many events are folded in one go, so that handing them
	// from one goroutine to another costs nothing beside the fold.
	batchEvents = 1024
	// longHistory is from how many events on an aggregate is read by whoever folds
	// it, one event after the other, in place of being held in memory at once.
	longHistory = 16 * batchEvents
)

// AsOfAll folds every aggregate of a kind up to a Seq, on all processors, and
// leaves out those that were not there yet. work makes of each what is wanted of
// it, on any goroutine, many at a time; each is given that, in key order, on the
// caller's. An aggregate that cannot be folded comes to work with its error, which
// matches ErrQuarantined; an error that work or each returns ends it all. The
// Past's State is valid during the call of work only.
func AsOfAll[T any](r Reader, kind events.AggregateKind, seq events.Seq, work func(Past, error) (T, error), each func(T) error) error {
	free := sync.Pool{New: func() any { return new(batch) }}
	give := func(hand func(*batch) error) error { return batches(r, kind, seq, &free, hand) }
	fold := func(b *batch) (made []T, err error) {
		defer free.Put(b)
		err = b.fold(r, seq, func(p Past, failed error) error {
			one, err := work(p, failed)
			made = append(made, one)
			return err
		})
		return made, err
	}
	return inorder.Do(give, fold, func(made []T) error {
		for _, one := range made {
			if err := each(one); err != nil {
				return err
			}
		}
		return nil
	})
}

// batch is the events of some aggregates, all that are to be folded of each, and
// perhaps an aggregate after them whose events are too many.
type batch struct {
	events []events.Stored
	data   []byte // of the events
	long   events.Aggregate
	state  catalogue.MapState
}

// batches reads the history into batches and hands them over.
func batches(r Reader, kind events.AggregateKind, seq events.Seq, free *sync.Pool, hand func(*batch) error) error {
	fresh := func() *batch { b, _ := free.Get().(*batch); b.clear(); return b }
	b := fresh()
	var about events.Aggregate
	begin := 0 // of about in b
	err := r.LendAll(kind, seq, func(s events.Stored) error {
		if s.About != about {
			if len(b.events) >= batchEvents || !b.long.IsZero() {
				if err := hand(b); err != nil {
					return err
				}
				b = fresh()
			}
			about, begin = s.About, len(b.events)
		}
		switch {
		case !b.long.IsZero():
		case len(b.events)-begin == longHistory:
			b.events, b.long = b.events[:begin], about
		default:
			b.add(s)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return hand(b)
}

func (b *batch) clear() {
	b.events, b.data, b.long = b.events[:0], b.data[:0], events.Aggregate{}
	if b.state == nil {
		b.state = catalogue.MapState{}
	}
}

// add keeps an event that is lent.
func (b *batch) add(s events.Stored) {
	at := len(b.data)
	b.data = append(b.data, s.Data...)
	s.Data = b.data[at:] // stays what it is when b.data moves
	b.events = append(b.events, s)
}

// fold folds the aggregates one after the other, all into the same map.
func (b *batch) fold(r Reader, seq events.Seq, fn func(Past, error) error) error {
	for rest := b.events; len(rest) > 0; {
		p := Past{About: rest[0].About, State: b.state}
		clear(p.State)
		var failed error
		n := 0
		for ; n < len(rest) && rest[n].About == p.About; n++ {
			if failed == nil {
				failed = p.fold(r, rest[n])
			}
		}
		rest = rest[n:]
		if err := fn(p, failed); err != nil {
			return err
		}
	}
	if b.long.IsZero() {
		return nil
	}
	return fn(AsOf(r, b.long, seq))
}
