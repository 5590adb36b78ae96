package restore

import (
	"context"
	"errors"
	"fmt"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
)

// Units are published this many tenants or bytes at a time: enough to fill the
// bus's batches, little enough to hold in memory and to let others in between.
const (
	chunkTenants = 400
	chunkBytes   = 8 << 20
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
		return rec.status(), nil
	}
	a := application{engine: e, rec: rec, progress: progress}
	if err := a.run(ctx); err != nil {
		return rec.status(), fmt.Errorf("apply %s: %w; apply it again to go on", id, err)
	}
	status, err := e.Status(ctx, id)
	status.Added = a.added
	return status, err
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

	tenants  []events.TenantID // of the requests that wait
	requests []catalogue.Request
	bytes    int

	done, added int
	end         events.Seq
	restored    uint32
	failed      []events.RestoreFailure
}

func (a *application) run(ctx context.Context) error {
	err := a.engine.cfg.History(func(r *history.Reader) error {
		// The plan was drawn at AsOf: seen from there, every target is again
		// what it was, whatever has come since.
		then := r.At(a.rec.plan.AsOf)
		p := Plan{Cut: a.rec.plan.Cut, AsOf: a.rec.plan.AsOf, Ask: Ask{
			Mode: a.rec.plan.Mode, Cause: a.rec.plan.Cause, Accept: acceptable,
		}, restoration: restorations(then)}
		for _, planned := range a.rec.plan.Targets {
			t, err := p.target(then, planned.Tenant)
			if err != nil {
				return err
			}
			if t.Waits() || string(t.digest) != string(planned.Digest) || t.Pinned != planned.Pinned {
				return fmt.Errorf("%w: %s would come back to another state now; verify the history", ErrPlanStale, planned.Tenant)
			}
			if err := a.add(ctx, t); err != nil {
				return err
			}
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
	a.tenants = append(a.tenants, t.Tenant)
	a.requests = append(a.requests, catalogue.Request{Events: unit, Expect: &pinned})
	a.bytes += len(t.parts) * partBytes / 2
	if len(t.parts) == 1 {
		a.bytes -= partBytes / 2 // most are small; the count bounds them
	}
	if len(a.requests) >= chunkTenants || a.bytes >= chunkBytes {
		return a.publish(ctx)
	}
	return nil
}

// publish asks the Service for the units that wait. A unit that it refuses is a
// failed target; when it cannot answer, the application stops, to be taken up
// again.
func (a *application) publish(ctx context.Context) error {
	if len(a.requests) == 0 {
		return nil
	}
	verdicts := a.engine.cfg.Service.Publish(ctx, credential, a.requests...)
	for i, v := range verdicts {
		switch {
		case v.Err == nil:
			a.restored++
			a.end = max(a.end, v.Seq)
			if !v.Duplicate {
				a.added += len(a.requests[i].Events)
			}
		case catalogue.Refused(v.Err):
			a.failed = append(a.failed, events.RestoreFailure{Tenant: a.tenants[i], Why: v.Err.Error()})
		default:
			return v.Err
		}
		a.done++
	}
	if a.progress != nil {
		a.progress(a.done, len(a.rec.plan.Targets))
	}
	a.tenants, a.requests, a.bytes = a.tenants[:0], nil, 0
	return nil
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
