package restore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
)

// Certificate is the proof of a restoration. It rests on the log, folded anew,
// and on snapshots of every view at one Seq; any process can compute it again.
type Certificate struct {
	Restoration events.RestoreID   `json:"restoration"`
	Mode        events.RestoreMode `json:"mode"`
	Cut         events.Seq         `json:"cut"`
	AsOf        events.Seq         `json:"as_of"`
	Begin       events.Seq         `json:"begin"`    // the restoration's events stand from here ...
	End         events.Seq         `json:"end"`      // ... to here
	Pinned      events.Seq         `json:"pinned"`   // the Seq the views were held against the log at
	LogHash     string             `json:"log_hash"` // rolling hash of the log up to there, hex

	// Restored tenants: the state right after the restoration is the one an
	// independent fold of the log leads to, and the views show what the log says.
	TenantsVerified  int `json:"tenants_verified"`
	DigestMismatches int `json:"digest_mismatches"`

	// Every other tenant: no event of the restoration on it; its rows equal the
	// fold; and where it had no event of its own since the plan, they are byte
	// for byte what they were.
	NeighboursChecked   int `json:"neighbours_checked"`
	NeighboursChanged   int `json:"neighbours_changed"`
	NeighboursUntouched int `json:"neighbours_untouched"` // had no event since the plan

	EventsUndone int `json:"events_undone"` // the cause's own
	EventsKept   int `json:"events_kept"`   // of others, after the cut, in the restored state
	EventsLost   int `json:"events_lost"`   // of others, after the cut, not in it

	Accounts    int    `json:"accounts"`
	ActiveUsers uint64 `json:"active_users"`

	RPOSeconds   float64 `json:"rpo_seconds"` // how far back lost events reach before the last of them
	RTOSeconds   float64 `json:"rto_seconds"` // from the plan to the end, recorded time
	RPOObjective float64 `json:"rpo_objective_seconds"`
	RTOObjective float64 `json:"rto_objective_seconds"`

	Views  []CertifiedView `json:"views"`
	Faults []replay.Fault  `json:"faults,omitzero"`
	OK     bool            `json:"ok"`
	// Same is a hash over what does not depend on when the restoration ran:
	// two runs of one plan have the same.
	Same string `json:"same"`
}

// CertifiedView is a view as it was held against the log.
type CertifiedView struct {
	Name   string `json:"name"`
	Rows   int    `json:"rows"`
	Digest string `json:"digest"` // hex
}

// Certificate computes the proof of a finished restoration, while traffic goes
// on. It reads the whole log.
func (e *Engine) Certificate(ctx context.Context, id events.RestoreID) (c Certificate, err error) {
	rec, err := e.load(id)
	if err != nil {
		return c, err
	}
	if rec.finished == nil {
		return c, fmt.Errorf("%w: %s; apply it to the end first", ErrNotFinished, id)
	}
	pinned, err := e.cfg.Views.Pin()
	if err != nil {
		return c, fmt.Errorf("certify %s: %w", id, err)
	}
	defer func() { err = errors.Join(err, pinned.Close()) }()
	ev := newEvidence(rec)
	ev.fold, err = replay.FoldLog(ctx, e.cfg.Log, pinned.Seq, ev.see)
	if err != nil {
		return c, fmt.Errorf("certify %s: %w", id, err)
	}
	return e.certify(rec, ev, pinned)
}

// evidence is what the log says of a restoration.
type evidence struct {
	rec     recorded
	fold    *replay.Independent
	targets map[events.TenantID]*target
	touched map[events.Aggregate]bool // no target's, with an event of the restoration
	since   map[events.TenantID]bool  // neighbours with an event of their own since the plan
	cutTime events.Time
}

// target is a restored tenant: its plan and its events.
type target struct {
	plan events.RestoreTarget
	line timeline
	last events.Seq // of its restored event's last part
	said []byte     // the digest that part carries
}

func newEvidence(rec recorded) *evidence {
	ev := &evidence{
		rec: rec, targets: map[events.TenantID]*target{}, touched: map[events.Aggregate]bool{}, since: map[events.TenantID]bool{},
	}
	failed := map[events.TenantID]bool{}
	for _, f := range rec.finished.Failed {
		failed[f.Tenant] = true
	}
	for _, t := range rec.plan.Targets {
		if !failed[t.Tenant] {
			ev.targets[t.Tenant] = &target{plan: t}
		}
	}
	return ev
}

// see takes note of one event of the log.
func (ev *evidence) see(e events.Event) {
	if e.Seq <= ev.rec.plan.Cut {
		ev.cutTime = e.RecordedTime
	}
	if e.Run == RunOf(ev.rec.id) && e.About != events.OfRestoration(ev.rec.id) && ev.targets[tenantOf(e)] == nil {
		ev.touched[e.About] = true
	}
	tenant := e.About.Tenant()
	if tenant.IsZero() {
		return
	}
	t := ev.targets[tenant]
	if t == nil {
		if e.Seq > ev.rec.planned {
			ev.since[tenant] = true
		}
		return
	}
	t.line.events = append(t.line.events, e)
	if p, ok := e.Payload.(events.TenantRestored); ok && p.Restoration == ev.rec.id {
		t.last, t.said = e.Seq, p.Digest
	}
}

// tenantOf is the tenant that an event, or a claim, is about.
func tenantOf(e events.Event) events.TenantID {
	switch p := e.Payload.(type) {
	case events.ClaimTaken:
		return p.Tenant
	case events.ClaimReleased:
		return p.Tenant
	}
	return e.About.Tenant()
}

// restoration tells what an earlier restoration set out to do, from the fold.
func (ev *evidence) restoration(id events.RestoreID) (events.Restoration, error) {
	past := ev.fold.States[events.OfRestoration(id)]
	if past == nil {
		return events.Restoration{}, fmt.Errorf("%w: %s", ErrNoPlan, id)
	}
	r, _ := past.State[events.Restoration{}.EntityKey()].(events.Restoration) // planned, so it is there
	return r, nil
}

func (e *Engine) certify(rec recorded, ev *evidence, pinned *projectors.Pinned) (Certificate, error) {
	plan, end := rec.plan, rec.finished
	c := Certificate{
		Restoration: rec.id, Mode: plan.Mode, Cut: plan.Cut, AsOf: plan.AsOf, Begin: end.Begin, End: end.End,
		Pinned: pinned.Seq, LogHash: ev.fold.HashHex(), Faults: ev.fold.Faults(),
		RTOSeconds:   rec.ended.Sub(rec.began).Seconds(),
		RPOObjective: e.cfg.Objectives.RPO.Seconds(), RTOObjective: e.cfg.Objectives.RTO.Seconds(),
	}
	wrong, err := c.views(ev, pinned)
	if err != nil {
		return c, err
	}
	accounts := map[events.AccountID]bool{}
	for tenant, t := range ev.targets {
		fault, err := c.verify(ev, t, accounts)
		if err != nil {
			return c, err
		}
		if fault == "" && wrong[events.OfTenant(tenant)] {
			fault = "a view does not show what the log says"
		}
		if fault != "" {
			c.DigestMismatches++
			c.Faults = append(c.Faults, replay.Fault{About: events.OfTenant(tenant), Seq: t.last, What: fault})
			continue
		}
		c.TenantsVerified++
	}
	c.Accounts = len(accounts)
	c.neighbours(ev, wrong)
	slices.SortStableFunc(c.Faults, func(a, b replay.Fault) int {
		return cmp.Or(cmp.Compare(a.View, b.View), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.About.String(), b.About.String()))
	})
	proven := len(c.Faults) == 0 && c.DigestMismatches == 0 && c.NeighboursChanged == 0 && len(end.Failed) == 0
	c.OK = proven && c.RPOSeconds <= c.RPOObjective && c.RTOSeconds <= c.RTOObjective
	c.Same, err = c.fingerprint(proven)
	return c, err
}

// views holds every view's rows against the fold, all at once, and tells which
// aggregates differ.
func (c *Certificate) views(ev *evidence, pinned *projectors.Pinned) (wrong map[events.Aggregate]bool, err error) {
	helds := make([]held, len(pinned.Views))
	errs := make([]error, len(pinned.Views))
	var wg sync.WaitGroup
	for i, v := range pinned.Views {
		wg.Go(func() { helds[i], errs[i] = hold(v, ev.fold) })
	}
	wg.Wait()
	wrong = map[events.Aggregate]bool{}
	for _, h := range helds {
		c.Views = append(c.Views, h.view)
		for _, f := range h.faults {
			wrong[f.About] = true
		}
		c.Faults = append(c.Faults, h.faults...)
	}
	return wrong, errors.Join(errs...)
}

// held is a view held against the fold.
type held struct {
	view   CertifiedView
	faults []replay.Fault // one for each aggregate that differs
}

func hold(v projectors.PinnedView, fold *replay.Independent) (h held, err error) {
	sum, rows, err := viewdb.Digest(v.Snapshot)
	if err != nil {
		return h, err
	}
	h.view = CertifiedView{Name: v.Projector.Name(), Rows: rows, Digest: hex.EncodeToString(sum[:])}
	view, ok := v.Projector.(*projectors.EntityView)
	if !ok {
		return h, nil // the history keeps events and no states; verify holds it against the log
	}
	have, err := projectors.Digests(v.Snapshot)
	if err != nil {
		return h, err
	}
	fault := func(about events.Aggregate, what string) {
		h.faults = append(h.faults, replay.Fault{View: view.ViewName, About: about, What: what})
	}
	for about, past := range fold.States {
		kept := catalogue.MapState{}
		for key, entity := range past.State {
			if view.Keeps(key.Kind) {
				kept[key] = entity
			}
		}
		got, found := have[about]
		delete(have, about)
		if !found && len(kept) == 0 {
			continue
		}
		want, err := kept.Digest()
		if err != nil {
			return h, err
		}
		if !found || got != want {
			fault(about, "its rows are not what the log makes of them")
		}
	}
	for about := range have {
		fault(about, "it has rows and no event in the log")
	}
	return h, nil
}

// verify holds one restored tenant against an independent telling of its
// events, and counts what became of them.
func (c *Certificate) verify(ev *evidence, t *target, accounts map[events.AccountID]bool) (fault string, err error) {
	if t.last == 0 {
		return "no restored event of it is in the log", nil
	}
	t.line.restoration = ev.restoration
	is, err := t.line.at(t.last)
	if err != nil {
		return "", err
	}
	var should told
	if ev.rec.plan.Mode == events.Undo {
		should, err = t.line.tell(ev.rec.plan.AsOf, []without{{cut: ev.rec.plan.Cut, cause: ev.rec.plan.Cause}})
	} else {
		should, err = t.line.at(ev.rec.plan.Cut)
	}
	if err != nil {
		return "", err
	}
	if err := c.count(ev, t, should); err != nil {
		return "", err
	}
	if record, ok := is.state.Tenant(); ok {
		accounts[record.Account] = true
		c.ActiveUsers += record.ActiveUsers
	}
	have, err := is.state.Digest()
	if err != nil {
		return "", err
	}
	want, err := should.state.Digest()
	switch {
	case err != nil:
		return "", err
	case have != want:
		return "it was not restored to what the log leads to", nil
	case !bytes.Equal(have[:], t.plan.Digest), !bytes.Equal(have[:], t.said):
		return "its plan or its event carries another digest", nil
	}
	return "", nil
}

// count tells what became of the tenant's events after the cut and before the
// restoration.
func (c *Certificate) count(ev *evidence, t *target, should told) error {
	what, err := t.line.fates(ev.rec.plan.Cut, ev.rec.plan.AsOf, ev.rec.plan.Cause, should)
	if err != nil {
		return err
	}
	c.EventsUndone += len(what.undone)
	c.EventsKept += len(what.kept)
	c.EventsLost += len(what.lost)
	for _, e := range what.lost {
		c.RPOSeconds = max(c.RPOSeconds, e.RecordedTime.Sub(ev.cutTime).Seconds())
	}
	return nil
}

func (c *Certificate) neighbours(ev *evidence, wrong map[events.Aggregate]bool) {
	for about := range ev.touched {
		c.Faults = append(c.Faults, replay.Fault{About: about, What: "it is no target and has an event of the restoration"})
	}
	for about := range ev.fold.States {
		tenant := about.Tenant()
		if tenant.IsZero() || ev.targets[tenant] != nil {
			continue
		}
		c.NeighboursChecked++
		switch {
		case ev.touched[about], wrong[about]:
			c.NeighboursChanged++
		case !ev.since[tenant]:
			c.NeighboursUntouched++
		}
	}
}

// fingerprint hashes everything but times, Seqs, event ids and what traffic
// beside the restoration changes.
func (c *Certificate) fingerprint(proven bool) (string, error) {
	raw, err := json.Marshal([]any{
		c.Restoration, c.Mode, c.Cut, c.AsOf, c.TenantsVerified, c.DigestMismatches, c.NeighboursChanged,
		c.EventsUndone, c.EventsKept, c.EventsLost, c.Accounts, c.ActiveUsers, proven,
	})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// Within tells whether the measured objectives were met, as text for people.
func (c *Certificate) Within() string {
	say := func(name string, measured, objective float64) string {
		verdict := "met"
		if measured > objective {
			verdict = "missed"
		}
		return fmt.Sprintf("%s %s of %s: %s", name, seconds(measured), seconds(objective), verdict)
	}
	return say("RPO", c.RPOSeconds, c.RPOObjective) + ", " + say("RTO", c.RTOSeconds, c.RTOObjective)
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond)
}
