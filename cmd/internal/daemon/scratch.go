package daemon

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventlog"
	"tenantcatalogue/events/seal"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/restore"
)

// scratch makes a System a copy of a part of another one: it begins with some of that
// one's events, seals with its keys, and deletes what is rehearsed.
type scratch struct {
	events []events.Event // in their order
	sealer *seal.Sealer
	guard  catalogue.Guard
}

// scratchCache is the memory of such a copy.
const scratchCache = 16 << 20

// rehearseDeletion deletes a plan's targets on a scratch copy made of their history, and
// brings them back, both as the catalogue itself does: what it tells is whether every
// tenant was again what it had been.
func (s *System) rehearseDeletion(ctx context.Context, id events.PlanID, plan events.DeletionPlanned) (found events.DeletionRehearsed, err error) {
	tenants := tenantsOf(plan)
	list, err := s.historyOf(ctx, tenants)
	if err != nil {
		return found, err
	}
	guard := rehearsalGuard{kind: plan.Kind, targets: map[events.Aggregate][]events.AppID{}}
	for _, t := range plan.Targets {
		about := events.OfTenant(t.Tenant)
		guard.targets[about] = append(guard.targets[about], t.App)
	}
	copied, err := Open(ctx, Config{
		Clock: s.Clock, CacheBytes: scratchCache, Stepped: true, Logger: s.Logger,
		scratch: &scratch{events: list, sealer: s.Sealer, guard: guard},
	})
	if err != nil {
		return found, fmt.Errorf("rehearse %s: %w", id, err)
	}
	defer func() { err = errors.Join(err, copied.Close(ctx)) }()
	r := rehearsal{System: copied, id: id, plan: plan, tenants: tenants, evidence: sha256.New()}
	why, err := r.play(ctx)
	if err != nil {
		return found, fmt.Errorf("rehearse %s: %w", id, err)
	}
	return events.DeletionRehearsed{Passed: why == "", Why: why, Evidence: r.evidence.Sum(nil)}, nil
}

// tenantsOf are the tenants that a plan's targets are or are in.
func tenantsOf(plan events.DeletionPlanned) (list []events.TenantID) {
	for _, t := range plan.Targets {
		list = append(list, t.Tenant)
	}
	slices.SortFunc(list, events.TenantID.Compare)
	return slices.Compact(list)
}

// historyOf collects the events about tenants and whatever else theirs refer to: their
// accounts, their claims, the restorations that they have come back by.
func (s *System) historyOf(ctx context.Context, tenants []events.TenantID) (list []events.Event, err error) {
	seen := map[events.Aggregate]bool{}
	err = s.Look(ctx, func(look deletion.Lookup) error {
		return history.View(s.History, func(r *history.Reader) error {
			r = r.At(look.AsOf())
			add := func(about ...events.Aggregate) error {
				for _, a := range about {
					if seen[a] {
						continue
					}
					seen[a] = true
					err := r.Lend(a, 0, r.Head(), func(stored events.Stored) error {
						e, err := events.Decode(stored)
						if err == nil {
							list = append(list, e)
						}
						return err
					})
					if err != nil {
						return err
					}
				}
				return nil
			}
			for _, id := range tenants {
				state, head, err := look.Tenant(ctx, id)
				if err == nil {
					err = add(aroundTenant(id, state, head)...)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
	slices.SortFunc(list, func(a, b events.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	return list, err
}

func aroundTenant(id events.TenantID, state catalogue.MapState, head catalogue.Head) []events.Aggregate {
	record, _ := state.Tenant()
	about := []events.Aggregate{
		events.OfTenant(id), events.OfAccount(record.Account),
		events.OfClaim(events.ClaimURL, record.URL), events.OfClaim(events.ClaimCloudID, record.CloudID.String()),
	}
	for _, mark := range head.Restores {
		about = append(about, events.OfRestoration(mark.Restoration))
	}
	return about
}

// fill puts the events into the log of the copy, one after the other: they have other
// Seqs there, and no units.
func (c *scratch) fill(ctx context.Context, log *eventlog.Log) error {
	last := map[events.Aggregate]events.Seq{}
	var units []events.Unit
	for i, e := range c.events {
		e.More = 0
		stored, err := events.Encode(e)
		if err != nil {
			return err
		}
		units = append(units, events.Unit{Events: []events.Stored{stored}, Expected: []events.Seq{last[e.About]}})
		last[e.About] = events.Seq(i + 1)
	}
	for units := range slices.Chunk(units, events.MaxUnitEvents/2) {
		for _, appended := range log.Append(ctx, units) {
			if appended.Err != nil {
				return fmt.Errorf("copy the history: %w", appended.Err)
			}
		}
	}
	return nil
}

// rehearsal is a deletion on a scratch copy, and what undoes it.
type rehearsal struct {
	*System
	id       events.PlanID
	plan     events.DeletionPlanned
	tenants  []events.TenantID
	evidence hash.Hash // of the digests before and after, in the order of the tenants
}

// play tells why the rehearsal has not passed, if it has not.
func (r *rehearsal) play(ctx context.Context) (why string, err error) {
	cut, err := r.Log.Head(ctx)
	if err != nil {
		return "", err
	}
	before, err := r.digests(ctx, cut)
	if err != nil {
		return "", err
	}
	for _, t := range r.plan.Targets {
		if digest := before[t.Tenant]; !bytes.Equal(digest[:], t.Digest) {
			return fmt.Sprintf("%s is not what was planned", t.Tenant), nil
		}
	}
	run := events.DeriveID[events.RunID](r.id.String(), "rehearsal")
	last, why := r.delete(ctx, run)
	if why != "" {
		return why, nil
	}
	gone, err := r.digests(ctx, last)
	if err != nil {
		return "", err
	}
	for _, t := range r.tenants {
		if gone[t] == before[t] {
			return fmt.Sprintf("%s was not changed by its deletion", t), nil
		}
	}
	if why, err = r.restore(ctx, run, cut); why != "" || err != nil {
		return why, err
	}
	head, err := r.Log.Head(ctx)
	if err != nil {
		return "", err
	}
	after, err := r.digests(ctx, head)
	if err != nil {
		return "", err
	}
	for _, t := range r.tenants {
		was, is := before[t], after[t]
		r.evidence.Write(was[:])
		r.evidence.Write(is[:])
		if was != is {
			return fmt.Sprintf("%s did not come back as it was", t), nil
		}
	}
	return "", nil
}

// delete appends the tombstones.
func (r *rehearsal) delete(ctx context.Context, run events.RunID) (last events.Seq, why string) {
	requests := make([]catalogue.Request, len(r.plan.Targets))
	for i, e := range deletion.Tombstones(r.plan) {
		e.ID = events.DeriveID[events.EventID](r.id.String(), fmt.Sprint(i))
		e.Time, e.Actor, e.Run = r.Now(), "rehearsal", run
		requests[i].Events = []events.Event{e}
	}
	who := catalogue.Credential{Via: "rehearsal", Roles: []catalogue.Role{catalogue.RoleInternal}}
	for _, v := range r.Service.Publish(ctx, who, requests...) {
		if v.Err != nil {
			return last, fmt.Sprintf("it cannot be deleted: %v", v.Err)
		}
		last = v.Seq
	}
	return last, ""
}

func (r *rehearsal) restore(ctx context.Context, run events.RunID, cut events.Seq) (why string, err error) {
	if err := r.shown(ctx); err != nil {
		return "", err
	}
	engine := r.Restorer()
	plan, err := engine.Plan(ctx, restore.Ask{
		Mode: events.Rewind, Point: fmt.Sprintf("seq:%d", cut), Cause: events.Cause{Runs: []events.RunID{run}},
		Reason: "rehearsal of " + r.id.String(), Actor: "rehearsal",
	})
	if err != nil {
		return fmt.Sprintf("it cannot be planned to be restored: %v", err), ctx.Err()
	}
	for _, t := range plan.Targets {
		if t.Waits() {
			return fmt.Sprintf("%s could not be brought back: %s", t.Tenant, t.Conflicts[0].Detail), nil
		}
	}
	if _, err = engine.Apply(ctx, plan.ID, nil); err != nil {
		return fmt.Sprintf("it cannot be restored: %v", err), ctx.Err()
	}
	proof, err := engine.Certificate(ctx, plan.ID)
	if err == nil && (!proof.OK || proof.TenantsVerified != len(r.tenants)) {
		why = fmt.Sprintf("its restoration is not proven: %d of %d tenants, %d faults", proof.TenantsVerified, len(r.tenants), len(proof.Faults))
	}
	return why, err
}

// shown waits for the views.
func (r *rehearsal) shown(ctx context.Context) error {
	head, err := r.Log.Head(ctx)
	if err == nil {
		err = r.Runner.WaitFor(ctx, head)
	}
	return err
}

// digests are those of the tenants as of a Seq.
func (r *rehearsal) digests(ctx context.Context, at events.Seq) (out map[events.TenantID][sha256.Size]byte, err error) {
	if err := r.shown(ctx); err != nil {
		return nil, err
	}
	out = map[events.TenantID][sha256.Size]byte{}
	err = r.History.View(func(s *viewdb.Snapshot) error {
		for _, t := range r.tenants {
			past, err := replay.AsOf(history.Of(s), events.OfTenant(t), at)
			if err != nil {
				return err
			}
			if out[t], err = past.State.Digest(); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// rehearsalGuard lets in what a rehearsal deletes, and holds everything else against the
// rules.
type rehearsalGuard struct {
	kind    events.DeletionKind
	targets map[events.Aggregate][]events.AppID // by tenant; of one that is the target itself the zero id
}

// Decide is as in catalogue.Guard.
func (g rehearsalGuard) Decide(f catalogue.Facts, e events.Event) error {
	if !e.Type().Tombstone() {
		return deletion.Guard{}.Decide(f, e)
	}
	var app events.AppID
	if p, ok := e.Payload.(events.AppUninstalled); ok {
		app = p.App
	}
	if e.Type() != g.kind.Tombstone() || !slices.Contains(g.targets[e.About], app) {
		return catalogue.Refuse(deletion.ErrNoPlan, "", "%s is not rehearsed", e.About)
	}
	return nil
}

// Vouch is as in catalogue.Guard.
func (g rehearsalGuard) Vouch(f catalogue.Facts, e events.Event) error {
	return deletion.Guard{}.Vouch(f, e)
}
