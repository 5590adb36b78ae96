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
	"maps"
	"slices"
	"time"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/internal/inorder"
)

// Certificate is the proof of a restoration. It rests on the log, folded anew, or
// anew since an earlier proof, and on snapshots of every view at one Seq; any
// process can compute it again.
type Certificate struct {
	Restoration events.RestoreID   `json:"restoration"`
	Mode        events.RestoreMode `json:"mode"`
	Cut         events.Seq         `json:"cut"`
	AsOf        events.Seq         `json:"as_of"`
	Begin       events.Seq         `json:"begin"`    // the restoration's events stand from here ...
	End         events.Seq         `json:"end"`      // ... to here
	Pinned      events.Seq         `json:"pinned"`   // the Seq the views were held against the log at
	LogHash     string             `json:"log_hash"` // rolling hash of the log up to there, hex
	// ProvenTo is the Seq up to which the views had been proven before, from the
	// log's first event on: this proof goes on from there. 0: it is whole in itself.
	ProvenTo events.Seq `json:"proven_to,omitzero"`

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
	Rows   int64  `json:"rows"`
	Digest string `json:"digest"` // viewdb.Sum of its rows, hex
}

// Certificate computes the proof of a finished restoration, while traffic goes
// on. Of the log it reads what came after the last proof, and all of it when there
// is none.
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
	if c, err = e.certify(ctx, rec, pinned); err != nil {
		err = fmt.Errorf("certify %s: %w", id, err)
	}
	return c, err
}

func (e *Engine) certify(ctx context.Context, rec recorded, pinned *projectors.Pinned) (c Certificate, err error) {
	found, err := replay.VerifySince(ctx, e.cfg.Log, replay.Subjects(pinned), e.cfg.Proofs.Load(), replay.Options{Spare: e.cfg.Spare, Genesis: e.cfg.Genesis})
	if err != nil {
		return c, err
	}
	plan, end := rec.plan, rec.finished
	c = Certificate{
		Restoration: rec.id, Mode: plan.Mode, Cut: plan.Cut, AsOf: plan.AsOf, Begin: end.Begin, End: end.End,
		Pinned: found.Events, ProvenTo: found.Since, LogHash: hex.EncodeToString(found.Hash[:]),
		RTOSeconds:   rec.ended.Sub(rec.began).Seconds(),
		RPOObjective: e.cfg.Objectives.RPO.Seconds(), RTOObjective: e.cfg.Objectives.RTO.Seconds(),
		Faults: found.Faults,
	}
	for _, v := range found.Views {
		c.Views = append(c.Views, CertifiedView{Name: v.Name, Rows: v.Rows, Digest: v.Digest})
	}
	if found.Told() { // the history is what the log says: it can be asked
		if err := c.tell(rec, pinned, found); err != nil {
			return c, err
		}
	}
	slices.SortStableFunc(c.Faults, func(a, b replay.Fault) int {
		return cmp.Or(cmp.Compare(a.View, b.View), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.About.String(), b.About.String()))
	})
	proven := len(c.Faults) == 0 && c.DigestMismatches == 0 && c.NeighboursChanged == 0 && len(end.Failed) == 0
	c.OK = proven && c.RPOSeconds <= c.RPOObjective && c.RTOSeconds <= c.RTOObjective
	if !found.Proof.IsZero() {
		e.cfg.Proofs.Keep(found.Proof)
	}
	c.Same, err = c.fingerprint(proven)
	return c, err
}

// tell tells the targets' and the neighbours' events again, from the history.
func (c *Certificate) tell(rec recorded, pinned *projectors.Pinned, found replay.Report) error {
	for _, v := range pinned.Views {
		if _, ok := v.Projector.(*projectors.EntityView); !ok {
			continue
		}
		out, err := projectors.Quarantined(v.Snapshot)
		if err != nil {
			return err
		}
		c.quarantined(out)
	}
	for _, v := range pinned.Views {
		if v.Projector.Name() != history.Name {
			continue
		}
		ev, err := newEvidence(rec, history.NewReader(v.Snapshot, pinned.Seq))
		if err != nil {
			return err
		}
		return errors.Join(c.targets(ev, found), c.neighbours(ev, found))
	}
	return replay.ErrNoHistory
}

// quarantined lists the aggregates with an event that could not be folded, or
// read, each once.
func (c *Certificate) quarantined(out map[events.Aggregate]projectors.Quarantine) {
	for about, q := range out {
		if !slices.ContainsFunc(c.Faults, func(f replay.Fault) bool { return f.View == "" && f.Seq == q.Seq }) {
			c.Faults = append(c.Faults, replay.Fault{Seq: q.Seq, About: about, What: q.Why})
		}
	}
}

// evidence is what the log says of a restoration.
type evidence struct {
	rec     recorded
	history *history.Reader // found to be what the log says
	targets map[events.TenantID]events.RestoreTarget
	touched map[events.Aggregate]bool // no target's, with an event of the restoration
	since   map[events.TenantID]bool  // neighbours with an event of their own since the plan
	cutTime events.Time

	restoration func(events.RestoreID) (events.Restoration, error)
}

func newEvidence(rec recorded, r *history.Reader) (*evidence, error) {
	ev := &evidence{
		rec: rec, history: r, restoration: restorations(r),
		targets: map[events.TenantID]events.RestoreTarget{}, touched: map[events.Aggregate]bool{}, since: map[events.TenantID]bool{},
	}
	for _, t := range rec.plan.Targets {
		ev.targets[t.Tenant] = t
	}
	for _, f := range rec.finished.Failed {
		delete(ev.targets, f.Tenant)
	}
	if s, found, err := r.Get(rec.plan.Cut); err != nil {
		return ev, err
	} else if e, err := events.Decode(s); found && err == nil {
		ev.cutTime = e.RecordedTime
	}
	return ev, errors.Join(
		r.Find(history.Query{Run: RunOf(rec.id)}, func(e events.Event) error {
			if _, target := ev.targets[tenantOf(e)]; !target && e.About != events.OfRestoration(rec.id) {
				ev.touched[e.About] = true
			}
			return nil
		}),
		r.Read(rec.planned, r.Head(), func(s events.Stored) error {
			if tenant := s.About.Tenant(); !tenant.IsZero() {
				ev.since[tenant] = true
			}
			return nil
		}),
	)
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

// targets holds every restored tenant against an independent telling of its
// events.
func (c *Certificate) targets(ev *evidence, found replay.Report) error {
	accounts := map[events.AccountID]bool{}
	planned := slices.SortedFunc(maps.Values(ev.targets), func(a, b events.RestoreTarget) int { return a.Tenant.Compare(b.Tenant) })
	err := inorder.Count(len(planned), func(i int) (tenantProof, error) { return ev.prove(planned[i]) }, func(i int, p tenantProof) error {
		about := events.OfTenant(planned[i].Tenant)
		if p.fault == "" && found.Wrong(about) {
			p.fault = "a view does not show what the log says"
		}
		c.count(ev, p)
		if p.account != (events.AccountID{}) {
			accounts[p.account] = true
		}
		if p.fault != "" {
			c.DigestMismatches++
			c.Faults = append(c.Faults, replay.Fault{About: about, Seq: p.last, What: p.fault})
			return nil
		}
		c.TenantsVerified++
		return nil
	})
	c.Accounts = len(accounts)
	return err
}

// tenantProof is what the log says of one restored tenant.
type tenantProof struct {
	last        events.Seq // of its restored event's last part
	fault       string
	fates       fates
	account     events.AccountID
	activeUsers uint64
}

// prove tells a restored tenant's events again.
func (ev *evidence) prove(planned events.RestoreTarget) (p tenantProof, err error) {
	line, err := readTimeline(ev.history, planned.Tenant, ev.restoration)
	if errors.Is(err, replay.ErrQuarantined) {
		p.fault = err.Error()
		return p, nil
	}
	if err != nil {
		return p, err
	}
	var said []byte // the digest that the restored event carries
	for _, e := range line.events {
		if r, ok := e.Payload.(events.TenantRestored); ok && r.Restoration == ev.rec.id {
			p.last, said = e.Seq, r.Digest
		}
	}
	if p.last == 0 {
		p.fault = "no restored event of it is in the log"
		return p, nil
	}
	plan := ev.rec.plan
	is, err := line.at(p.last)
	if err != nil {
		return p, err
	}
	var should told
	if plan.Mode == events.Undo {
		should, err = line.tell(plan.AsOf, []without{{cut: plan.Cut, cause: plan.Cause}})
	} else {
		should, err = line.at(plan.Cut)
	}
	if err != nil {
		return p, err
	}
	if p.fates, err = line.fates(plan.Cut, plan.AsOf, plan.Cause, should); err != nil {
		return p, err
	}
	if record, ok := is.state.Tenant(); ok {
		p.account, p.activeUsers = record.Account, record.ActiveUsers
	}
	have, err := is.state.Digest()
	if err != nil {
		return p, err
	}
	want, err := should.state.Digest()
	switch {
	case err != nil:
		return p, err
	case have != want:
		p.fault = "it was not restored to what the log leads to"
	case !bytes.Equal(have[:], planned.Digest), !bytes.Equal(have[:], said):
		p.fault = "its plan or its event carries another digest"
	}
	return p, nil
}

// count adds up what became of a tenant's events after the cut and before the
// restoration.
func (c *Certificate) count(ev *evidence, p tenantProof) {
	c.ActiveUsers += p.activeUsers
	c.EventsUndone += len(p.fates.undone)
	c.EventsKept += len(p.fates.kept)
	c.EventsLost += len(p.fates.lost)
	for _, e := range p.fates.lost {
		c.RPOSeconds = max(c.RPOSeconds, e.RecordedTime.Sub(ev.cutTime).Seconds())
	}
}

func (c *Certificate) neighbours(ev *evidence, found replay.Report) error {
	for about := range ev.touched {
		c.Faults = append(c.Faults, replay.Fault{About: about, What: "it is no target and has an event of the restoration"})
	}
	return ev.history.Aggregates(events.AggregateTenant, func(about events.Aggregate) error {
		tenant := about.Tenant()
		if _, target := ev.targets[tenant]; target {
			return nil
		}
		c.NeighboursChecked++
		switch {
		case ev.touched[about], found.Wrong(about):
			c.NeighboursChanged++
		case !ev.since[tenant]:
			c.NeighboursUntouched++
		}
		return nil
	})
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
