package drill

import (
	"context"
	"errors"
	"fmt"

	"tenantcatalogue/events"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/restore"
)

// restore plans, applies and proves while traffic goes on, and applies once
// more, which must add nothing.
func (r *run) restore(ctx context.Context) error {
	r.sys.Clock.Set(restorationAt)
	r.sys.Clock.Go()
	stop := r.startTraffic(ctx)
	err := r.restoreUnder(ctx)
	return errors.Join(err, stop())
}

func (r *run) restoreUnder(ctx context.Context) error {
	wall := r.sys.Clock.Wall
	began := wall()
	plan, err := r.sys.Engine.Plan(ctx, restore.Ask{
		Mode: r.cfg.Mode, Point: "5m before " + r.job.wrong.String(), Cause: events.Cause{Runs: []events.RunID{r.job.wrong}},
		Reason: "tenant ids were given for app ids", Actor: "user_oncall",
	})
	if err != nil {
		return err
	}
	rep := &r.report.Restore
	rep.ID, rep.Mode, rep.Point, rep.CutSeq, rep.Planned = plan.ID, r.cfg.Mode, plan.Point, plan.Cut, plan.Restore
	rep.Conflicts = conflicts(plan)
	rep.Plan = wall().Sub(began).Seconds()
	r.tell.line("%s: %d tenants back to %d, %s before the run, by %s; %d wait", plan.ID, plan.Restore, plan.Cut, "5 minutes", r.cfg.Mode, plan.Waiting)

	began = wall()
	status, err := r.sys.Engine.Apply(ctx, plan.ID, restore.Progress(r.tell.progress))
	if err != nil {
		return err
	}
	rep.Seconds = wall().Sub(began).Seconds()
	rep.Restored, rep.Failed, rep.Failures = status.Restored, len(status.Failed), status.Failed
	r.tell.line("%d tenants are back in every view after %.2f s, under the same ids", rep.Restored, rep.Seconds)

	began = wall()
	r.report.Certificate, err = r.sys.Engine.Certificate(ctx, plan.ID)
	if err != nil {
		return err
	}
	rep.Proof = wall().Sub(began).Seconds()
	c := r.report.Certificate
	r.tell.line("certificate: %d tenants equal to a fold of the log, %d neighbours checked, %d changed; %d events kept, %d lost; %s",
		c.TenantsVerified, c.NeighboursChecked, c.NeighboursChanged, c.EventsKept, c.EventsLost, c.Within())

	if rep.InService, err = r.count(events.TenantStatusActive, r.job.doomed); err != nil {
		return err
	}
	again, err := r.sys.Engine.Apply(ctx, plan.ID, nil)
	rep.Again = again.Added
	return err
}

func conflicts(p restore.Plan) []ConflictCount {
	out := []ConflictCount{}
	at := map[restore.ConflictKind]int{}
	for _, t := range p.Targets {
		for _, c := range t.Conflicts {
			i, seen := at[c.Kind]
			if !seen {
				i = len(out)
				at[c.Kind] = i
				out = append(out, ConflictCount{Kind: c.Kind, Example: c.Detail})
			}
			out[i].Count++
		}
	}
	return out
}

// startTraffic publishes on tenants that stay, one event after the other, until
// it is stopped.
func (r *run) startTraffic(ctx context.Context) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 1_000_000; ctx.Err() == nil; i++ {
			t := r.job.spared[i%len(r.job.spared)]
			e := r.event(events.OfTenant(t.id), fmt.Sprintf("traffic/%d", i), "user_"+fmt.Sprint(t.n), r.job.change(t, i))
			// A call that has begun is let finish: its answer counts.
			err := r.publish(context.WithoutCancel(ctx), service, []events.Event{e})
			r.report.Traffic.Events++
			if err != nil {
				r.report.Traffic.Errors++
				if len(r.report.Traffic.First) < 5 {
					r.report.Traffic.First = append(r.report.Traffic.First, err.Error())
				}
			}
		}
	}()
	return func() error { cancel(); <-done; return nil }
}

// rebuild folds the whole log anew and holds every row against it.
func (r *run) rebuild(ctx context.Context) error {
	head, err := r.sys.Log.Head(ctx)
	if err != nil {
		return err
	}
	if err := r.sys.Runner.WaitFor(ctx, head); err != nil {
		return err
	}
	pinned, err := r.sys.Runner.Pin()
	if err != nil {
		return err
	}
	found, err := replay.Verify(ctx, r.sys.Log, replay.Subjects(pinned), replay.Options{
		Progress: func(at, of events.Seq) { r.tell.progress(int(at), int(of)) },
	})
	if err := errors.Join(err, pinned.Close()); err != nil {
		return err
	}
	r.report.Views, r.report.Faults = found.Views, found.Faults
	still, err := r.count(events.TenantStatusDeleted, r.job.leaving)
	r.report.OwnerDeletions.StillDeleted = still
	r.tell.line("%d views equal to ones rebuilt from %d events; %d of %d owners' deletions still stand", len(found.Views), found.Events, still, r.report.OwnerDeletions.Count)
	return err
}
