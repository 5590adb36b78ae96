package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/internal/inorder"
)

// Ask is what an operator asks for.
type Ask struct {
	Mode    events.RestoreMode `json:"mode"`
	Point   string             `json:"point"`            // restore point, see replay.ResolvePoint
	Cause   events.Cause       `json:"cause"`            // whose events are undone; it chooses the tenants
	Tenants []events.TenantID  `json:"tenants,omitzero"` // when set: these tenants only
	Accept  []ConflictKind     `json:"accept,omitzero"`  // conflicts to go ahead in spite of
	Reason  string             `json:"reason,omitzero"`
	Actor   string             `json:"actor"`            // who asks
	DryRun  bool               `json:"dry_run,omitzero"` // show the plan and record nothing
}

// ConflictKind says why a tenant waits for a choice.
type ConflictKind string

// The kinds of conflict. Those marked (a) can be accepted in the Ask.
const (
	ConflictUnknown     ConflictKind = "unknown"      // the catalogue never had it
	ConflictNotYet      ConflictKind = "not_yet"      // it did not exist at the cut
	ConflictDeleted     ConflictKind = "deleted"      // it would come back as deleted, and nothing is deleted but through the door
	ConflictURLTaken    ConflictKind = "url_taken"    // its URL belongs to another tenant now
	ConflictURLShared   ConflictKind = "url_shared"   // another target comes back to its URL, too
	ConflictTooLarge    ConflictKind = "too_large"    // its state does not fit one unit
	ConflictQuarantined ConflictKind = "quarantined"  // an event of it cannot be read
	ConflictNotTouched  ConflictKind = "not_touched"  // listed, but the cause did nothing to it
	ConflictNotDeleted  ConflictKind = "not_deleted"  // (a) deleted by the cause, but alive now
	ConflictChanged     ConflictKind = "changed"      // (a) it lived on after the cause; a rewind loses that
	ConflictIllegal     ConflictKind = "illegal"      // (a) a kept event is illegal without the cause's
	ConflictSame        ConflictKind = "already_same" // it has that state already
)

var acceptable = []ConflictKind{ConflictNotDeleted, ConflictChanged, ConflictIllegal}

// Conflict is a reason why a tenant waits for a choice.
type Conflict struct {
	Kind    ConflictKind `json:"kind"`
	Detail  string       `json:"detail"`
	Illegal []Illegal    `json:"illegal,omitzero"`
}

// Target is what a plan does to one tenant: from what, to what.
type Target struct {
	Tenant      events.TenantID     `json:"tenant"`
	Account     events.AccountID    `json:"account,omitzero"`
	URL         string              `json:"url,omitzero"`          // the one it comes back to
	ActiveUsers uint64              `json:"active_users,omitzero"` // in the state that comes back
	From        events.TenantStatus `json:"from,omitzero"`
	To          events.TenantStatus `json:"to,omitzero"`
	Entities    int                 `json:"entities"`           // how many come back
	Pinned      events.Seq          `json:"pinned"`             // its last event when planned
	Undone      int                 `json:"undone"`             // events of the cause
	Kept        int                 `json:"kept"`               // later events of others that stay
	Lost        int                 `json:"lost"`               // later events of others that do not
	Conflicts   []Conflict          `json:"conflicts,omitzero"` // those not accepted
	Accepted    []ConflictKind      `json:"accepted,omitzero"`

	digest []byte
	state  catalogue.MapState
	epoch  uint64 // after the restoration
	parts  []events.Entities
}

// Waits tells whether the target waits for a choice and is left out.
func (t *Target) Waits() bool { return len(t.Conflicts) > 0 }

// Plan is what a restoration will do.
type Plan struct {
	ID       events.RestoreID `json:"restoration"`
	Ask      Ask              `json:"ask"`
	Point    replay.Point     `json:"point"`
	Cut      events.Seq       `json:"cut"`
	AsOf     events.Seq       `json:"as_of"`
	Targets  []Target         `json:"targets"`
	Restore  int              `json:"restore"`      // targets that will be restored
	Waiting  int              `json:"waiting"`      // targets left out until somebody chooses
	Lost     int              `json:"events_lost"`  // events of others that the targets lose
	Accounts int              `json:"accounts"`     // whose tenants they are
	Users    uint64           `json:"active_users"` // of the targets
	Recorded bool             `json:"recorded"`

	restoration func(events.RestoreID) (events.Restoration, error)
}

// Plan finds the tenants, the cut, and for each tenant what it comes back to
// and what stands against it; and records that, unless the Ask is a dry run. A
// plan is immutable: what changes until it is applied is a conflict then.
func (e *Engine) Plan(ctx context.Context, ask Ask) (Plan, error) {
	if err := ask.validate(); err != nil {
		return Plan{}, err
	}
	id, err := events.NewID[events.RestoreID](e.cfg.NewID)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{ID: id, Ask: ask}
	err = e.cfg.History(func(r *history.Reader) error { return p.draw(r, e.cfg.Now()) })
	if err != nil {
		return p, fmt.Errorf("plan a restoration: %w", err)
	}
	if ask.DryRun {
		return p, nil
	}
	if p.Restore == 0 {
		return p, fmt.Errorf("plan a restoration: %w; look at the conflicts", ErrNothing)
	}
	if err := e.record(ctx, p); err != nil {
		return p, fmt.Errorf("record plan %s: %w", id, err)
	}
	p.Recorded = true
	return p, nil
}

func (a Ask) validate() error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%w: "+format, append([]any{ErrAsk}, args...)...))
	}
	if a.Mode != events.Rewind && a.Mode != events.Undo {
		fault("mode is %q; say rewind or undo", a.Mode)
	}
	if a.Point == "" {
		fault("point is missing; say e.g. 5m before run_…")
	}
	if a.Cause.IsZero() && len(a.Tenants) == 0 {
		fault("neither a cause nor tenants: name a run, an actor, or a list")
	}
	if a.Mode == events.Undo && a.Cause.IsZero() {
		fault("undo takes a cause's events out; name a run or an actor, or rewind")
	}
	if a.Actor == "" {
		fault("actor is missing; say who asks")
	}
	for _, k := range a.Accept {
		if !slices.Contains(acceptable, k) {
			fault("%q cannot be accepted; not_deleted, changed and illegal can", k)
		}
	}
	return errors.Join(faults...)
}

// draw fills in the plan.
func (p *Plan) draw(r *history.Reader, now events.Time) error {
	point, err := replay.ResolvePoint(r, p.Ask.Point, now)
	if err != nil {
		return err
	}
	if len(point.Ambiguous) > 0 {
		return fmt.Errorf("%q stands for %d, but %w: events recorded by then come later, the first at %d; choose a seq:N",
			p.Ask.Point, point.Seq, ErrAmbiguous, point.Ambiguous[0].Seq)
	}
	p.Point, p.Cut, p.AsOf, p.restoration = point, point.Seq, r.Head(), restorations(r)
	chosen, err := p.choose(r)
	if err != nil {
		return err
	}
	err = inorder.Count(len(chosen), func(i int) (Target, error) { return p.target(r, chosen[i]) }, func(_ int, t Target) error {
		p.Targets = append(p.Targets, t)
		return nil
	})
	if err != nil {
		return err
	}
	p.tellRivals()
	p.sum()
	return nil
}

// tellRivals finds the targets that would come back to one URL: each had it, one
// after the other, and no rule says whose it is.
func (p *Plan) tellRivals() {
	comeBackTo := map[string][]*Target{}
	for i := range p.Targets {
		if t := &p.Targets[i]; !t.Waits() {
			comeBackTo[t.URL] = append(comeBackTo[t.URL], t)
		}
	}
	for url, rivals := range comeBackTo {
		if len(rivals) == 1 {
			continue
		}
		for i, t := range rivals {
			next := rivals[(i+1)%len(rivals)]
			t.conflict(ConflictURLShared, "%d targets come back to %s, %s is another one; choose whose it is, and plan without the others", len(rivals), url, next.Tenant)
		}
	}
}

// sum adds up what the plan does.
func (p *Plan) sum() {
	accounts := map[events.AccountID]bool{}
	for i := range p.Targets {
		t := &p.Targets[i]
		if t.Waits() {
			p.Waiting++
			continue
		}
		p.Restore++
		p.Lost += t.Lost
		p.Users += t.ActiveUsers
		accounts[t.Account] = true
	}
	p.Accounts = len(accounts)
}

// choose lists the tenants: the ones asked for, or those the cause touched
// after the cut, in the order of its first events on them.
func (p *Plan) choose(r *history.Reader) ([]events.TenantID, error) {
	if len(p.Ask.Tenants) > 0 {
		seen := map[events.TenantID]bool{}
		for _, t := range p.Ask.Tenants {
			if seen[t] {
				return nil, fmt.Errorf("%w: %s is listed twice", ErrAsk, t)
			}
			seen[t] = true
		}
		return p.Ask.Tenants, nil
	}
	first := map[events.TenantID]events.Seq{}
	note := func(e events.Event) error {
		t := e.About.Tenant()
		if t.IsZero() || !p.Ask.Cause.Selects(e) {
			return nil
		}
		if at, seen := first[t]; !seen || e.Seq < at {
			first[t] = e.Seq
		}
		return nil
	}
	for _, q := range queries(p.Ask.Cause, p.Cut) {
		if err := r.Find(q, note); err != nil {
			return nil, err
		}
	}
	if len(first) == 0 {
		return nil, fmt.Errorf("%w: the cause has no tenant's event after %d; check the run and the cut", ErrNothing, p.Cut)
	}
	chosen := make([]events.TenantID, 0, len(first))
	for t := range first {
		chosen = append(chosen, t)
	}
	slices.SortFunc(chosen, func(a, b events.TenantID) int { return int(first[a]) - int(first[b]) })
	return chosen, nil
}

// queries are the index reads that find a cause's events.
func queries(c events.Cause, cut events.Seq) []history.Query {
	base := history.Query{After: cut, Since: c.Since, Until: c.Until}
	var out []history.Query
	with := func(set func(*history.Query)) {
		q := base
		set(&q)
		out = append(out, q)
	}
	for _, run := range c.Runs {
		with(func(q *history.Query) { q.Run = run })
	}
	for _, actor := range c.Actors {
		with(func(q *history.Query) { q.Actor = actor })
	}
	if len(out) > 0 {
		return out
	}
	for _, t := range c.Types {
		with(func(q *history.Query) { q.Type = t })
	}
	if len(out) == 0 {
		out = append(out, base)
	}
	return out
}
