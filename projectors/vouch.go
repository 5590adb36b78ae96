package projectors

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

// RefusedError is why an event that can be read counts for nothing where it stands.
type RefusedError struct {
	Why string // as the rules of deletion put it
}

// Error says that it is refused, and why.
func (e *RefusedError) Error() string { return "refused: " + e.Why }

// PassedOver tells what becomes of an event about an aggregate that counts for nothing. If
// it may not stand where it does and is no tombstone, it is passed over: what governs
// deletions stays in force as it was. Anything else quarantines its aggregate, since
// somebody has to look.
func PassedOver(about events.Aggregate, why error) bool {
	if why == nil || about.Kind == events.AggregateTenant {
		return false
	}
	_, refused := errors.AsType[*RefusedError](why)
	return refused
}

// Voucher makes Recorded of what a log hands over: it decodes each event and holds it
// against the rules of deletion, on the states that the events before it have made. Whoever
// folds a log has one that stands where the fold does. It is for one goroutine.
type Voucher struct {
	register *deletion.Register
	seq      events.Seq
}

// NewVoucher makes one that stands before the first event.
func NewVoucher(g deletion.Genesis) *Voucher { return &Voucher{register: deletion.NewRegister(g)} }

// Seq is the last event it has seen.
func (v *Voucher) Seq() events.Seq { return v.seq }

// Record decodes the events that come next in the log and vouches for them, into a slice
// that is reused.
func (v *Voucher) Record(into []Recorded, stored []events.Stored) []Recorded {
	return v.vouch(decode(into, stored))
}

// decode decodes events, into a slice that is reused.
func decode(into []Recorded, stored []events.Stored) []Recorded {
	into = slices.Grow(into[:0], len(stored))
	for _, s := range stored {
		e, err := events.Decode(s)
		into = append(into, Recorded{Stored: s, Event: e, Err: err})
	}
	return into
}

// vouch holds decoded events that come next against the rules.
func (v *Voucher) vouch(recorded []Recorded) []Recorded {
	for i := range recorded {
		r := &recorded[i]
		v.seq = r.Seq
		if r.Err != nil {
			v.register.Unreadable(r.Stored)
			continue
		}
		// What does not fit is found by whoever folds it, too.
		if err := v.register.Take(r.Event); err != nil && !errors.Is(err, catalogue.ErrFold) {
			r.Event, r.Err = events.Event{}, &RefusedError{err.Error()}
		}
	}
	return recorded
}

// Ledger is the projector of a view that keeps the events that a Voucher must have seen.
type Ledger interface {
	Projector
	// Kind calls fn for the events about the aggregates of a kind up to a Seq, with data
	// that is valid during the call only. They come in any order.
	Kind(r viewdb.Reader, kind events.AggregateKind, upTo events.Seq, fn func(events.Stored) error) error
}

// VoucherFrom makes one that stands after an event, from a ledger that has got that far.
func VoucherFrom(g deletion.Genesis, l Ledger, r viewdb.Reader, at events.Seq) (*Voucher, error) {
	var list []events.Stored
	for _, kind := range events.AggregateKinds {
		if !deletion.Keeps(kind) {
			continue
		}
		err := l.Kind(r, kind, at, func(s events.Stored) error {
			s.Data = bytes.Clone(s.Data)
			list = append(list, s)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	v := NewVoucher(g)
	v.seq = at
	return v, v.register.Load(list)
}

// VoucherAt makes one that stands after an event, from the log.
func VoucherAt(ctx context.Context, g deletion.Genesis, log Log, at events.Seq) (*Voucher, error) {
	v := NewVoucher(g)
	if at == 0 {
		return v, nil
	}
	var kept []events.Stored
	err := log.Read(ctx, 0, at, func(stored []events.Stored) error {
		for _, s := range stored {
			if deletion.Keeps(s.About.Kind) {
				kept = append(kept, s)
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return v, err
	}
	v.seq = at
	return v, v.register.Load(kept)
}

// voucherAt makes one that stands after an event, from a ledger in service, or else from
// the log, which takes longer.
func (r *Runner) voucherAt(ctx context.Context, at events.Seq) (*Voucher, error) {
	for _, view := range r.inService() {
		l, ok := view.Projector.(Ledger)
		if !ok || at == 0 {
			continue
		}
		var v *Voucher
		err := view.Home.View(func(s *viewdb.Snapshot) (err error) {
			if has := s.Checkpoint(); has.Stream == r.source.Identity() && has.Seq >= at {
				v, err = VoucherFrom(r.Genesis, l, s, at)
			}
			return err
		})
		if err == nil && v != nil {
			return v, nil
		}
	}
	return VoucherAt(ctx, r.Genesis, r.source, at)
}
