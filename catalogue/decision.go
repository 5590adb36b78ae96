package catalogue

import (
	"fmt"

	"github.com/google/uuid"

	"tenantcatalogue/events"
)

// decision builds one unit on a layer of its own.
type decision struct {
	facts      Layer
	guard      Guard
	base, next events.Seq
	recorded   events.Time
	via        string

	events   []events.Event
	expected []events.Seq
}

// take decides one event of the request, with the claims that go with it.
func (d *decision) take(e events.Event, content Content) error {
	head, err := d.facts.Head(e.About)
	if err != nil {
		return err
	}
	if err := epoch(e, head); err != nil {
		return err
	}
	up, err := events.Upcast(e.Payload)
	if err != nil {
		return err
	}
	newest := e
	newest.Payload = up
	state := d.facts.State(e.About)
	if err := Decide(world{d.facts}, state, newest); err != nil {
		return err
	}
	claims, err := claimsOf(d.facts, state, newest)
	if err != nil {
		return err
	}
	for _, claim := range claims {
		content, err := ContentHash(claim)
		if err != nil {
			return err
		}
		if err := d.add(claim, claim, content); err != nil {
			return err
		}
	}
	return d.add(e, newest, content)
}

// add folds an event into the layer and puts it into the unit. stored is the
// event as it will be stored, newest the same in its newest version.
func (d *decision) add(stored, newest events.Event, content Content) error {
	head, err := d.facts.Head(stored.About)
	if err != nil {
		return err
	}
	expected := head.Seq
	if expected > d.base {
		expected = events.Follows
	}
	d.next++
	stored.Seq, newest.Seq = d.next, d.next
	stored.RecordedTime, stored.Via = d.recorded, d.via
	newest.RecordedTime = d.recorded // the fold keeps it with the answer
	if newest.Governed() {
		if err := d.guard.Decide(d.facts, newest); err != nil {
			return err
		}
	}
	d.events = append(d.events, stored)
	d.expected = append(d.expected, expected)
	if err := fold(d.facts, newest, content); err != nil {
		return err
	}
	after, err := d.facts.Head(stored.About)
	if err == nil && after.Quarantined != 0 {
		err = fmt.Errorf("%w: %s %s was decided and does not fold", ErrFold, stored.Type(), stored.ID)
	}
	return err
}

// unit is the stored form of what was taken.
func (d *decision) unit() (events.Unit, error) {
	u := events.Unit{Expected: d.expected, Events: make([]events.Stored, len(d.events))}
	if len(d.events) > events.MaxUnitEvents {
		return u, fmt.Errorf("%w: the unit has %d events, at most %d are allowed", events.ErrTooLarge, len(d.events), events.MaxUnitEvents)
	}
	size := 0
	for i, e := range d.events {
		e.More = uint16(len(d.events) - 1 - i)
		s, err := events.Encode(e)
		if err != nil {
			return u, err
		}
		u.Events[i] = s
		size += len(s.Data)
	}
	if size > events.MaxUnitBytes {
		return u, fmt.Errorf("%w: the unit has %d bytes, at most %d are allowed", events.ErrTooLarge, size, events.MaxUnitBytes)
	}
	return u, nil
}

// epoch fences writers that do not know of a delete or a restore.
func epoch(e events.Event, head Head) error {
	if e.About.Kind != events.AggregateTenant {
		return nil
	}
	if p, ok := e.Payload.(events.TenantRestored); ok {
		want := head.Epoch + 1
		if p.Part > 1 {
			want = head.Epoch
		}
		if p.Epoch != want {
			return Refuse(ErrEpoch, "plan the restoration again", "%s is in epoch %d, the plan leads to %d", e.About, head.Epoch, p.Epoch)
		}
		return nil
	}
	if e.Epoch == head.Epoch {
		return nil
	}
	named := "the event names none"
	if e.Epoch != 0 {
		named = fmt.Sprintf("the event names %d", e.Epoch)
	}
	return Refuse(ErrEpoch, "read the tenant again and name its epoch", "%s is in epoch %d, %s", e.About, head.Epoch, named)
}

// world answers a decision's questions from the facts.
type world struct{ facts Facts }

func (w world) Exists(a events.Aggregate) (bool, error) {
	h, err := w.facts.Head(a)
	return h.Seq != 0, err
}

func (w world) Claimed(claim events.Aggregate) (events.TenantID, error) {
	c, _, err := Get[events.Claim](w.facts.State(claim), events.Claim{}.EntityKey())
	return c.Tenant, err
}

func (w world) Issued(id uuid.UUID) (events.Aggregate, bool, error) { return w.facts.Issued(id) }
