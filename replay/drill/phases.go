package drill

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/restore"
)

// callers is how many callers publish the month side by side.
const callers = 4

// batch is how many events one call carries: what the gate takes at most.
const batch = 1000

// event makes an event of the drill.
func (r *run) event(about events.Aggregate, name string, actor string, p events.Payload) events.Event {
	return events.Event{
		// Derived, so that the same seed makes the same events.
		ID:     events.DeriveID[events.EventID](fmt.Sprint(r.cfg.Seed), about.String(), name),
		Source: "/drill/services", About: about, Time: events.TimeOf(r.sys.Clock.Now()), Actor: actor, Payload: p,
	}
}

// publish asks for events one by one, each a unit of its own, in calls of at
// most a batch; the first refusal ends it.
func (r *run) publish(ctx context.Context, c catalogue.Credential, list []events.Event) ([]catalogue.Verdict, error) {
	var all []catalogue.Verdict
	for len(list) > 0 {
		n := min(batch, len(list))
		requests := make([]catalogue.Request, n)
		for i, e := range list[:n] {
			requests[i].Events = []events.Event{e}
		}
		verdicts := r.sys.Service.Publish(ctx, c, requests...)
		for _, v := range verdicts {
			if v.Err != nil {
				return all, v.Err
			}
		}
		all = append(all, verdicts...)
		list = list[n:]
	}
	return all, nil
}

// month publishes every tenant's life, step by step, so that the tenants'
// events are mixed in the log as they would be.
func (r *run) month(ctx context.Context) error {
	if err := r.accounts(ctx); err != nil {
		return err
	}
	span := rightRunAt.Sub(monthBegins)
	total := lifeSteps * len(r.job.tenants)
	done := 0
	for step := range lifeSteps {
		for from := 0; from < len(r.job.tenants); from += callers * batch {
			block := r.job.tenants[from:min(from+callers*batch, len(r.job.tenants))]
			r.sys.Clock.Set(monthBegins.Add(time.Duration(float64(span) * float64(done) / float64(total))))
			if err := r.lives(ctx, block, step); err != nil {
				return err
			}
			done += len(block)
			r.tell.progress(done, total)
		}
	}
	r.sys.Clock.Set(rightRunAt)
	head, err := r.sys.Log.Head(ctx)
	r.report.EventsBefore = head
	r.tell.line("%d tenants of %d accounts, %d events from %s to %s", len(r.job.tenants), len(r.job.owners), head, date(monthBegins), date(rightRunAt))
	return err
}

func (r *run) accounts(ctx context.Context) error {
	var list []events.Event
	for i, id := range r.job.owners {
		about := events.OfAccount(id)
		list = append(list,
			r.event(about, "created", "user_sales", events.AccountCreated{Name: events.Personal(fmt.Sprintf("Customer %d", i))}),
			r.event(about, "contacts", "user_sales", events.AccountContactsUpdated{Contacts: []events.ContactInfo{
				{Kind: events.ContactTechnical, Name: events.Personal(fmt.Sprintf("Contact %d", i)), Email: events.Personal(fmt.Sprintf("ops@c%06d.example.org", i))},
				{Kind: events.ContactBilling, Email: events.Personal(fmt.Sprintf("billing@c%06d.example.org", i)), Phone: "+1 555 0100"},
			}}))
	}
	_, err := r.publish(ctx, service, list)
	return err
}

// lives publishes one step of a block of tenants from several callers at once.
func (r *run) lives(ctx context.Context, block []*tenant, step int) error {
	var wg sync.WaitGroup
	errs := make([]error, callers)
	for i := range callers {
		from, to := i*len(block)/callers, (i+1)*len(block)/callers
		list := make([]events.Event, 0, to-from)
		for _, t := range block[from:to] {
			list = append(list, r.event(events.OfTenant(t.id), fmt.Sprintf("life/%d", step), "user_"+fmt.Sprint(t.n), r.job.life(t, step)))
		}
		wg.Go(func() { _, errs[i] = r.publish(ctx, service, list) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// rightRun removes the app from 30 tenants: the list that was made before the
// mix-up.
func (r *run) rightRun(ctx context.Context) error {
	var list []events.Event
	for _, t := range r.job.spared[:rightRun] {
		e := r.event(events.OfTenant(t.id), "right run", "user_campaign", events.AppUninstalled{App: t.legacy, Reason: "the app is part of the product now"})
		e.Run = r.job.right
		list = append(list, e)
	}
	verdicts, err := r.publish(ctx, script, list)
	r.report.RightRun = RightRun{ID: r.job.right, AppsUninstalled: len(verdicts)}
	r.tell.line("%s removed the app from %d tenants, as it should", r.job.right, len(verdicts))
	return err
}

// wrongRun deletes tenants for apps, one after the other over 23 minutes, while
// their owners and everybody else go on working: some change tenants that are
// about to go, a few delete their own.
func (r *run) wrongRun(ctx context.Context) error {
	r.sys.Clock.Set(beforeCut)
	if err := r.trafficStep(ctx, 0); err != nil {
		return err
	}
	doomed := r.job.doomed
	var first, last events.Seq
	for i, t := range doomed {
		at := wrongRunAt.Add(wrongRunEnds.Sub(wrongRunAt) * time.Duration(i) / time.Duration(max(1, len(doomed)-1)))
		if i == 0 {
			// Between the cut and the run, too, later-deleted tenants change.
			r.sys.Clock.Set(wrongRunAt.Add(-2 * time.Minute))
			if err := r.changeDoomed(ctx, doomed, "early", changesBetween/2); err != nil {
				return err
			}
		}
		r.sys.Clock.Set(at)
		if err := r.meanwhile(ctx, i); err != nil {
			return err
		}
		e := r.event(events.OfTenant(t.id), "wrong run", "user_campaign", events.TenantDeleted{Reason: "the app is part of the product now"})
		e.Run = r.job.wrong
		verdicts, err := r.publish(ctx, script, []events.Event{e})
		if err != nil {
			return err
		}
		if i == 0 {
			first = verdicts[0].Seq
		}
		last = verdicts[0].Seq
		r.report.BadRun.TenantsDeleted++
		r.tell.progress(i+1, len(doomed))
	}
	accounts := map[events.AccountID]bool{}
	for _, t := range doomed {
		accounts[t.account] = true
	}
	bad := &r.report.BadRun
	bad.ID, bad.FirstSeq, bad.LastSeq, bad.Accounts = r.job.wrong, first, last, len(accounts)
	bad.Minutes = wrongRunEnds.Sub(wrongRunAt).Minutes()
	if err := r.sys.Runner.WaitFor(ctx, last); err != nil {
		return err
	}
	gone, err := r.countDeleted(doomed)
	if err != nil {
		return err
	}
	bad.ActiveUsers, err = r.usersOf(doomed)
	r.tell.line("%s deleted %d tenants of %d customers (%d active users) in %.0f minutes; %d are gone from the views",
		r.job.wrong, bad.TenantsDeleted, bad.Accounts, bad.ActiveUsers, bad.Minutes, gone)
	return err
}

// meanwhile is what happens beside the i-th wrong deletion.
func (r *run) meanwhile(ctx context.Context, i int) error {
	doomed := r.job.doomed
	if every := max(1, len(doomed)/(changesBetween/2)); i%every == every-1 && i+1 < len(doomed) {
		if err := r.changeDoomed(ctx, doomed[i+1:], fmt.Sprintf("late/%d", i), 1); err != nil {
			return err
		}
	}
	if every := max(1, len(doomed)/ownerDeletions); i%every == every/2 && r.report.OwnerDeletions.Count < len(r.job.leaving) {
		t := r.job.leaving[r.report.OwnerDeletions.Count]
		e := r.event(events.OfTenant(t.id), "owner", "user_"+fmt.Sprint(t.n), events.TenantDeleted{Reason: "closed by its owner"})
		if _, err := r.publish(ctx, script, []events.Event{e}); err != nil {
			return err
		}
		r.report.OwnerDeletions.Count++
	}
	return r.trafficStep(ctx, i+1)
}

// changeDoomed changes n of the tenants that are still to be deleted, the last
// to go first: lost by a rewind, kept by an undo.
func (r *run) changeDoomed(ctx context.Context, left []*tenant, name string, n int) error {
	var list []events.Event
	for k := range min(n, len(left)) {
		t := left[len(left)-1-k]
		list = append(list, r.event(events.OfTenant(t.id), fmt.Sprintf("%s/%d", name, k), "user_"+fmt.Sprint(t.n), r.job.change(t, k)))
	}
	_, err := r.publish(ctx, service, list)
	r.report.BadRun.Changes += len(list)
	return err
}

// trafficStep is one event of traffic on tenants that stay.
func (r *run) trafficStep(ctx context.Context, i int) error {
	t := r.job.spared[i%len(r.job.spared)]
	e := r.event(events.OfTenant(t.id), fmt.Sprintf("traffic/%d", i), "user_"+fmt.Sprint(t.n), r.job.change(t, i))
	_, err := r.publish(ctx, service, []events.Event{e})
	r.report.Traffic.Events++
	return err
}

// countDeleted reads the tenants view.
func (r *run) countDeleted(list []*tenant) (n int, err error) {
	err = r.eachRecord(list, func(rec tenants.Record) {
		if rec.Status == events.TenantStatusDeleted {
			n++
		}
	})
	return n, err
}

func (r *run) usersOf(list []*tenant) (n uint64, err error) {
	err = r.eachRecord(list, func(rec tenants.Record) { n += rec.ActiveUsers })
	return n, err
}

func (r *run) eachRecord(list []*tenant, fn func(tenants.Record)) error {
	return r.sys.Tenants.View(func(s *viewdb.Snapshot) error {
		for _, t := range list {
			rec, found, err := tenants.Get(s, t.id)
			if err != nil {
				return err
			}
			if !found {
				return fmt.Errorf("%s is not in the tenants view", t.id)
			}
			fn(rec)
		}
		return nil
	})
}

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
			_, err := r.publish(context.WithoutCancel(ctx), service, []events.Event{e})
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
	still, err := r.countDeleted(r.job.leaving)
	r.report.OwnerDeletions.StillDeleted = still
	r.tell.line("%d views equal to ones rebuilt from %d events; %d of %d owners' deletions still stand", len(found.Views), found.Events, still, r.report.OwnerDeletions.Count)
	return err
}

func date(t time.Time) string { return t.Format("2006-01-02") }
