package drill

import (
	"context"
	"fmt"
	"time"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
)

// toll is what the log says of the wrong run.
type toll struct {
	out         map[events.Aggregate]events.Time // since when tenants are out of service
	first, last events.Event                     // of its tombstones
	waited      time.Duration                    // out of service, the tenant that was deleted soonest
}

func (t *toll) add(e events.Event) {
	switch e.Payload.(type) {
	case events.TenantDeactivated:
		t.out[e.About] = e.RecordedTime
	case events.TenantDeleted:
		var waited time.Duration
		if since, known := t.out[e.About]; known {
			waited = e.RecordedTime.Sub(since)
		}
		if t.first.Seq == 0 {
			t.first, t.waited = e, waited
		}
		t.last, t.waited = e, min(t.waited, waited)
	}
}

func (r *run) takeToll(ctx context.Context, upTo events.Seq) (toll, error) {
	t := toll{out: map[events.Aggregate]events.Time{}}
	return t, r.sys.Log.Read(ctx, r.report.EventsBefore, upTo, func(stored []events.Stored) error {
		for _, s := range stored {
			if s.About.Kind != events.AggregateTenant {
				continue
			}
			e, err := events.Decode(s)
			if err != nil {
				return err
			}
			if e.Run == r.job.wrong {
				t.add(e)
			}
		}
		return nil
	})
}

// countWrongRun reads from the log and the views what the wrong run has done.
func (r *run) countWrongRun(ctx context.Context) error {
	head, err := r.sys.Log.Head(ctx)
	if err == nil {
		err = r.sys.Runner.WaitFor(ctx, head)
	}
	if err != nil {
		return err
	}
	found, err := r.takeToll(ctx, head)
	if err != nil {
		return err
	}
	bad, first, last := &r.report.BadRun, found.first, found.last
	bad.ID, bad.OutOfService, bad.Waited = r.job.wrong, len(found.out), found.waited.Minutes()
	bad.FirstSeq, bad.LastSeq, bad.Minutes = first.Seq, last.Seq, last.RecordedTime.Sub(first.RecordedTime).Minutes()
	if bad.TenantsDeleted, err = r.count(events.TenantStatusDeleted, r.job.doomed); err != nil {
		return err
	}
	accounts := map[events.AccountID]bool{}
	for _, t := range r.job.doomed {
		accounts[t.account] = true
	}
	bad.Accounts = len(accounts)
	if bad.ActiveUsers, err = r.usersOf(r.job.doomed); err != nil {
		return err
	}
	halt := &r.report.Halt
	halt.TenantsGone, halt.Asked, halt.Bad = bad.TenantsDeleted, int(r.health.asked.Load()), int(r.health.bad.Load())
	r.tell.line("%s has put %d tenants of %d customers (%d active users) out of service and deleted %d of them, in %.0f minutes",
		r.job.wrong, bad.OutOfService, bad.Accounts, bad.ActiveUsers, bad.TenantsDeleted, bad.Minutes)
	return nil
}

// count reads from the tenants view how many have a status.
func (r *run) count(status events.TenantStatus, list []*tenant) (n int, err error) {
	err = r.eachRecord(list, func(rec tenants.Record) {
		if rec.Status == status {
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
