package restore

import (
	"context"
	"errors"
	"fmt"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/replay/internal/inorder"
)

// Units are published in flights of this many tenants or bytes, some at once: one
// is worked out while another is decided, a third is on its way to the log and
// the views apply a fourth. A flight is large enough to be worth a batch, and
// small enough to hold in memory and to let others in between.
const (
	flightTenants = 250
	flightBytes   = 8 << 20
	flightsAtOnce = 4
)

// failureBytes bounds the reasons of all failures together: they go into one
// event.
const failureBytes = 256 << 10

// Apply brings the plan's targets back, each in one unit, and records the end.
// It may be called again, after a crash at any point or out of doubt: what was
// done is answered from the log and not done twice. A target that changed since
// the plan fails, with the reason, and the others go on.
func (e *Engine) Apply(ctx context.Context, id events.RestoreID, progress Progress) (Status, error) {
	rec, err := e.load(id)
	if err != nil {
		return Status{}, err
	}
	if rec.finished != nil {
		// It may have been cut off before the door was let go.
		return rec.status(), e.release(ctx, rec)
	}
	a := application{engine: e, rec: rec, progress: progress}
	err = e.shut(ctx, a.run, rec)
	if err != nil {
		return rec.status(), fmt.Errorf("apply %s: %w; apply it again to go on", id, err)
	}
	status, err := e.Status(ctx, id)
	status.Added = a.added
	return status, err
}

// shut holds the door shut until something is done to its end.
func (e *Engine) shut(ctx context.Context, do func(context.Context) error, rec recorded) error {
	door := e.cfg.Door
	if door == nil {
		return do(ctx)
	}
	if err := door.Hold(ctx, rec.actor, rec.id); err != nil {
		return err
	}
	if err := do(ctx); err != nil {
		return err
	}
	return e.release(ctx, rec)
}

func (e *Engine) release(ctx context.Context, rec recorded) error {
	if e.cfg.Door == nil {
		return nil
	}
	return e.cfg.Door.Release(ctx, rec.actor, rec.id)
}

func (e *Engine) load(id events.RestoreID) (rec recorded, err error) {
	err = e.cfg.History(func(r *history.Reader) error {
		rec, err = load(r, id)
		return err
	})
	return rec, err
}

// application is one call of Apply.
type application struct {
	engine   *Engine
	rec      recorded
	progress Progress

	next   flight        // being filled
	flying []chan landed // those on their way, oldest first

	done, added int
	end         events.Seq
	restored    uint32
	failed      []events.RestoreFailure
}

// flight is units that are published together.
type flight struct {
	tenants  []events.TenantID
	requests []catalogue.Request
	bytes    int
}

// landed is a flight with its answers.
type landed struct {
	flight
	verdicts []catalogue.Verdict
}

func (a *application) run(ctx context.Context) error {
	err := a.engine.cfg.History(func(r *history.Reader) (err error) {
		defer func() { err = errors.Join(err, a.settle(0)) }()
		// The plan was drawn at AsOf: seen from there, every target is again
		// what it was, whatever has come since.
		then := r.At(a.rec.plan.AsOf)
		p := Plan{Cut: a.rec.plan.Cut, AsOf: a.rec.plan.AsOf, Ask: Ask{
			Mode: a.rec.plan.Mode, Cause: a.rec.plan.Cause, Accept: acceptable,
		}, restoration: restorations(then)}
		targets := a.rec.plan.Targets
		err = inorder.Count(len(targets), func(i int) (Target, error) { return p.target(then, targets[i].Tenant) }, func(i int, t Target) error {
			if t.Waits() || string(t.digest) != string(targets[i].Digest) || t.Pinned != targets[i].Pinned {
				return fmt.Errorf("%w: %s would come back to another state now; verify the history", ErrPlanStale, t.Tenant)
			}
			return a.add(ctx, t)
		})
		if err != nil {
			return err
		}
		return a.publish(ctx)
	})
	if err != nil {
		return err
	}
	return a.finish(ctx)
}

// add queues the unit of one target.
func (a *application) add(ctx context.Context, t Target) error {
	unit := make([]events.Event, len(t.parts))
	for i, part := range t.parts {
		p := events.TenantRestored{
			Restoration: a.rec.id, Mode: a.rec.plan.Mode, Cut: a.rec.plan.Cut, AsOf: a.rec.plan.AsOf, Epoch: t.epoch,
			Part: uint32(i + 1), Parts: uint32(len(t.parts)), Entities: part,
		}
		if i == len(t.parts)-1 {
			p.Digest = t.digest
		}
		// Ids and times come from the plan: whoever applies it again makes the
		// same events.
		unit[i] = a.engine.event(a.rec.id, a.rec.actor, a.rec.at, fmt.Sprintf("%s/%d", t.Tenant, i+1), p)
		unit[i].About = events.OfTenant(t.Tenant)
	}
	pinned := t.Pinned
	next := &a.next
	next.tenants = append(next.tenants, t.Tenant)
	next.requests = append(next.requests, catalogue.Request{Events: unit, Expect: &pinned})
	next.bytes += len(t.parts) * partBytes / 2
	if len(t.parts) == 1 {
		next.bytes -= partBytes / 2 // most are small; the count bounds them
	}
	if len(next.requests) >= flightTenants || next.bytes >= flightBytes {
		return a.publish(ctx)
	}
	return nil
}

// publish asks the Service for the units that wait, once few enough others are on
// their way.
func (a *application) publish(ctx context.Context) error {
	if len(a.next.requests) == 0 {
		return nil
	}
	if err := a.settle(flightsAtOnce - 1); err != nil {
		return err
	}
	f, answers := a.next, make(chan landed, 1)
	a.next = flight{}
	a.flying = append(a.flying, answers)
	go func() {
		answers <- landed{f, a.engine.cfg.Service.Publish(ctx, credential, f.requests...)}
	}()
	return nil
}

// settle waits until no more than some flights are on their way. A unit that the
// Service refuses is a failed target; when it cannot answer, or the restoration was let go
// of, the application stops, to be taken up again.
func (a *application) settle(atMost int) (err error) {
	for len(a.flying) > atMost {
		got := <-a.flying[0]
		a.flying = a.flying[1:]
		for i, v := range got.verdicts {
			switch {
			case v.Err == nil:
				a.restored++
				a.end = max(a.end, v.Seq)
				if !v.Duplicate {
					a.added += len(got.requests[i].Events)
				}
			case catalogue.Refused(v.Err) && !errors.Is(v.Err, deletion.ErrLetGo):
				a.failed = append(a.failed, events.RestoreFailure{Tenant: got.tenants[i], Why: v.Err.Error()})
			default:
				err = v.Err
			}
			a.done++
		}
		if a.progress != nil {
			a.progress(a.done, len(a.rec.plan.Targets))
		}
	}
	return err
}

// finish records the end and waits until it shows in every view.
func (a *application) finish(ctx context.Context) error {
	for i, f := range a.failed {
		a.failed[i].Why = shorten(f.Why, failureBytes/len(a.failed))
	}
	end := a.engine.event(a.rec.id, a.rec.actor, a.rec.at, "finished", events.RestorationFinished{
		Begin: a.rec.planned + 1, End: max(a.end, a.rec.planned), Restored: a.restored, Failed: a.failed,
	})
	verdict := a.engine.cfg.Service.Publish(ctx, credential, catalogue.Request{Events: []events.Event{end}})[0]
	seq := verdict.Seq
	var refused *catalogue.RefusedError
	switch {
	case errors.As(verdict.Err, &refused) && errors.Is(refused, catalogue.ErrIDReused):
		seq = refused.Last // somebody else who applied it came first, and found other failures
	case verdict.Err != nil:
		return verdict.Err
	case !verdict.Duplicate:
		a.added++
	}
	return a.engine.cfg.Views.WaitFor(ctx, seq)
}
