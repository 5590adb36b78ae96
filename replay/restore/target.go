package restore

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/replay"
)

// target works out one tenant of the plan. It is safe for concurrent use.
func (p *Plan) target(r *history.Reader, tenant events.TenantID) (Target, error) {
	t := Target{Tenant: tenant}
	line, err := readTimeline(r, tenant, p.restoration)
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
	if record.Status == events.TenantStatusDeleted {
		t.conflict(ConflictDeleted, "it would be deleted: a restoration deletes nothing")
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
	what, err := line.fates(p.Cut, p.AsOf, p.Ask.Cause, then)
	if err != nil {
		return err
	}
	p.count(t, what)
	return p.compare(t, now.state)
}

// count tells what becomes of the events after the cut, and raises the
// conflicts that follow from it.
func (p *Plan) count(t *Target, what fates) {
	t.Undone, t.Kept, t.Lost = len(what.undone), len(what.kept), len(what.lost)
	var last events.Seq // of the cause's
	tombstone := false
	for _, e := range what.undone {
		last = e.Seq
		tombstone = tombstone || e.Type() == events.TenantDeleted{}.EventType()
	}
	after := 0
	for _, e := range what.lost {
		if e.Seq > last {
			after++
		}
	}
	if t.Undone == 0 && !p.Ask.Cause.IsZero() {
		t.conflict(ConflictNotTouched, "the cause has no event on it after %d", p.Cut)
	}
	if tombstone && t.From != events.TenantStatusDeleted {
		p.acceptable(t, Conflict{
			Kind: ConflictNotDeleted, Detail: fmt.Sprintf("the cause deleted it, and it is %s now", t.From),
		})
	}
	if p.Ask.Mode == events.Rewind && after > 0 && !p.Ask.Cause.IsZero() {
		p.acceptable(t, Conflict{
			Kind: ConflictChanged, Detail: fmt.Sprintf("it had %d events of others after the cause's last; a rewind loses them", after),
		})
	}
	if n := len(what.illegal); n > 0 {
		first := what.illegal[0]
		p.acceptable(t, Conflict{
			Kind: ConflictIllegal, Illegal: what.illegal,
			Detail: fmt.Sprintf("%d kept events are illegal without the cause's, the first at %d: %s", n, first.Seq, first.Why),
		})
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

// restorations looks up what earlier restorations set out to do, each once: a
// plan of thousands of targets is long to read.
func restorations(r *history.Reader) func(events.RestoreID) (events.Restoration, error) {
	var mu sync.Mutex // targets are worked out side by side
	known := map[events.RestoreID]events.Restoration{}
	return func(id events.RestoreID) (events.Restoration, error) {
		mu.Lock()
		defer mu.Unlock()
		if found, ok := known[id]; ok {
			return found, nil
		}
		past, err := replay.AsOf(r, events.OfRestoration(id), r.Head())
		if err != nil {
			return events.Restoration{}, err
		}
		known[id], _ = past.State[events.Restoration{}.EntityKey()].(events.Restoration) // planned, so it is there
		return known[id], nil
	}
}

// readTimeline reads a tenant's whole history. The error matches
// replay.ErrQuarantined when an event cannot be read, or may not stand where it does.
func readTimeline(r *history.Reader, tenant events.TenantID, restoration func(events.RestoreID) (events.Restoration, error)) (timeline, error) {
	line := timeline{restoration: restoration}
	err := r.Of(events.OfTenant(tenant), 0, r.Head(), func(s events.Stored) error {
		e, why, err := r.Decode(s)
		switch {
		case err != nil:
			return err
		case why != nil:
			return fmt.Errorf("%s: %w by event %d: %w", tenant, replay.ErrQuarantined, s.Seq, why)
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
func (p *Plan) acceptable(t *Target, c Conflict) {
	if slices.Contains(p.Ask.Accept, c.Kind) {
		t.Accepted = append(t.Accepted, c.Kind)
		return
	}
	t.Conflicts = append(t.Conflicts, c)
}
