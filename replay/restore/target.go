package restore

import (
	"errors"
	"fmt"
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/replay"
)

// target works out one tenant of the plan.
func (p *Plan) target(r *history.Reader, tenant events.TenantID) (Target, error) {
	t := Target{Tenant: tenant}
	line, err := readTimeline(r, tenant)
	switch {
	case errors.Is(err, replay.ErrQuarantined):
		t.conflict(ConflictQuarantined, "%v", err)
		return t, nil
	case err != nil:
		return t, err
	case len(line.events) == 0:
		t.conflict(ConflictUnknown, "%s was never in the catalogue", tenant)
		return t, nil
	case line.events[0].Seq > p.Cut && p.Ask.Mode == events.Rewind:
		t.conflict(ConflictNotYet, "its first event is %d, the cut is %d", line.events[0].Seq, p.Cut)
		return t, nil
	}
	if err := p.fill(&t, line); err != nil {
		if errors.Is(err, catalogue.ErrFold) {
			t.conflict(ConflictQuarantined, "%v", err)
			return t, nil
		}
		return t, err
	}
	if t.Waits() {
		return t, nil
	}
	return t, p.fit(r, &t)
}

// fill computes where the tenant is, where it goes, and what becomes of the
// events in between.
func (p *Plan) fill(t *Target, line timeline) error {
	now, err := line.at(p.AsOf)
	if err != nil {
		return err
	}
	var then told
	if p.Ask.Mode == events.Undo {
		then, err = line.tell(p.AsOf, []without{{cut: p.Cut, cause: p.Ask.Cause}})
	} else {
		then, err = line.at(p.Cut)
	}
	if err != nil {
		return err
	}
	t.state = then.state
	record, exists := then.state.Tenant()
	if !exists {
		t.conflict(ConflictNotYet, "without the cause's events it never existed")
		return nil
	}
	t.Account, t.URL, t.ActiveUsers, t.To = record.Account, record.URL, record.ActiveUsers, record.Status
	t.Entities = len(then.state)
	if current, ok := now.state.Tenant(); ok {
		t.From = current.Status
	}
	head := catalogue.Head{}
	for _, e := range line.events {
		head = head.Advance(e)
	}
	t.Pinned, t.epoch = head.Seq, head.Epoch+1
	p.count(t, line, then)
	return p.compare(t, now.state)
}

// count tells what becomes of the events after the cut, and raises the
// conflicts that follow from them.
func (p *Plan) count(t *Target, line timeline, then told) {
	var others, after int // events of others: all, and those after the cause's last
	tombstone := false
	for _, e := range line.events {
		if e.Seq <= p.Cut || isRestored(e) && !p.Ask.Cause.Selects(e) {
			continue
		}
		if p.Ask.Cause.Selects(e) {
			t.Undone++
			after = 0
			tombstone = tombstone || e.Type() == events.TenantDeleted{}.EventType()
			continue
		}
		others++
		after++
	}
	if p.Ask.Mode == events.Undo {
		t.Kept, t.Lost = others-len(then.illegal), len(then.illegal)
	} else {
		t.Lost = others
	}
	if t.Undone == 0 && !p.Ask.Cause.IsZero() {
		t.conflict(ConflictNotTouched, "the cause has no event on it after %d", p.Cut)
	}
	if tombstone && t.From != events.TenantStatusDeleted {
		p.acceptable(t, ConflictNotDeleted, "the cause deleted it, and it is %s now", t.From)
	}
	if p.Ask.Mode == events.Rewind && after > 0 && !p.Ask.Cause.IsZero() {
		p.acceptable(t, ConflictChanged, "it had %d events of others after the cause's last; a rewind loses them", after)
	}
	if len(then.illegal) > 0 {
		p.acceptable(t, ConflictIllegal, "%d kept events are illegal without the cause's, the first at %d: %s",
			len(then.illegal), then.illegal[0].Seq, then.illegal[0].Why)
		if n := len(t.Conflicts); n > 0 && t.Conflicts[n-1].Kind == ConflictIllegal {
			t.Conflicts[n-1].Illegal = then.illegal
		}
	}
}

func isRestored(e events.Event) bool {
	_, ok := e.Payload.(events.TenantRestored)
	return ok
}

// compare sees whether there is anything to do.
func (p *Plan) compare(t *Target, now catalogue.MapState) error {
	have, err := now.Digest()
	if err != nil {
		return err
	}
	want, err := t.state.Digest()
	if err != nil {
		return err
	}
	t.digest = want[:]
	if have == want {
		t.conflict(ConflictSame, "it has that state already")
	}
	return nil
}

// fit checks what only shows against the rest of the catalogue and the log.
func (p *Plan) fit(r *history.Reader, t *Target) error {
	holder, err := holderOf(r, events.ClaimURL, t.URL)
	if err != nil {
		return err
	}
	if !holder.IsZero() && holder != t.Tenant {
		t.conflict(ConflictURLTaken, "%s belongs to %s now; let that tenant be renamed first", t.URL, holder)
	}
	t.parts, err = split(t.state.Entities())
	if errors.Is(err, events.ErrTooLarge) {
		t.conflict(ConflictTooLarge, "%v", err)
		return nil
	}
	return err
}

func holderOf(r *history.Reader, kind events.ClaimKind, value string) (events.TenantID, error) {
	past, err := replay.AsOf(r, events.OfClaim(kind, value), r.Head())
	if errors.Is(err, replay.ErrUnknown) {
		return events.TenantID{}, nil
	}
	if err != nil {
		return events.TenantID{}, err
	}
	claim, _ := past.State[events.Claim{}.EntityKey()].(events.Claim) // released: no entity, nobody
	return claim.Tenant, nil
}

// partBytes is how many bytes of entities one event carries at most; an entity
// that is larger stands alone.
const partBytes = 256 << 10

// split packs a state into the parts of a restored event. The error matches
// events.ErrTooLarge when they do not fit one unit.
func split(entities events.Entities) ([]events.Entities, error) {
	const claims = 3 // events of the same unit at most
	var parts []events.Entities
	size, total := partBytes, 0
	for _, e := range entities {
		raw, err := events.EncodeEntity(e)
		if err != nil {
			return nil, err
		}
		total += len(raw)
		if size+len(raw) > partBytes {
			parts = append(parts, nil)
			size = 0
		}
		size += len(raw)
		last := len(parts) - 1
		parts[last] = append(parts[last], e)
	}
	if len(parts) > events.MaxUnitEvents-claims || total > events.MaxUnitBytes/2 {
		return nil, fmt.Errorf("%w: its state has %d bytes in %d entities, one unit holds %d", events.ErrTooLarge,
			total, len(entities), events.MaxUnitBytes/2)
	}
	return parts, nil
}

// readTimeline reads a tenant's whole history. The error matches
// replay.ErrQuarantined when an event cannot be read.
func readTimeline(r *history.Reader, tenant events.TenantID) (timeline, error) {
	line := timeline{restoration: func(id events.RestoreID) (events.Restoration, error) {
		past, err := replay.AsOf(r, events.OfRestoration(id), r.Head())
		found, _ := past.State[events.Restoration{}.EntityKey()].(events.Restoration) // there when err is nil
		return found, err
	}}
	err := r.Of(events.OfTenant(tenant), 0, r.Head(), func(s events.Stored) error {
		e, err := events.Decode(s)
		if err != nil {
			return fmt.Errorf("%s: %w by event %d: %w", tenant, replay.ErrQuarantined, s.Seq, err)
		}
		line.events = append(line.events, e)
		return nil
	})
	return line, err
}

// conflict notes a reason to wait.
func (t *Target) conflict(kind ConflictKind, format string, args ...any) {
	t.Conflicts = append(t.Conflicts, Conflict{Kind: kind, Detail: fmt.Sprintf(format, args...)})
}

// acceptable notes a reason to wait, unless it was accepted.
func (p *Plan) acceptable(t *Target, kind ConflictKind, format string, args ...any) {
	if slices.Contains(p.Ask.Accept, kind) {
		t.Accepted = append(t.Accepted, kind)
		return
	}
	t.conflict(kind, format, args...)
}
