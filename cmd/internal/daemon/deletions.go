package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/apps"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
)

// Deletions makes the deletions of the system.
func (s *System) Deletions() *deletion.Engine {
	return deletion.New(deletion.Config{
		Service: s.Service, Look: s.Look, Rehearsal: s.rehearseDeletion, Recount: s.recount, Check: s.check,
		Now: s.Now, NewID: uuid.NewV7,
	})
}

// lookTime is how long the views may take to show what is in the log. What cannot be
// looked at in time is not deleted.
const lookTime = 30 * time.Second

// Look runs f on the catalogue as of the last event of the log. What it is given is
// good until f returns.
func (s *System) Look(ctx context.Context, f func(deletion.Lookup) error) (err error) {
	within, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	head, err := s.Log.Head(within)
	if err == nil {
		err = s.Runner.WaitFor(within, head)
	}
	if err != nil {
		return fmt.Errorf("look at the catalogue: %w", err)
	}
	return history.View(s.History, func(r *history.Reader) error {
		if r.Head() < head {
			return fmt.Errorf("look at the catalogue: %w: the history stands at %d, the log at %d", projectors.ErrBehind, r.Head(), head)
		}
		return f(&lookup{history: r, apps: s.Homes[apps.Name], snapshots: s.Snapshots, known: map[events.Aggregate]folded{}})
	})
}

// lookup is the catalogue as of one Seq: what the history makes of it.
type lookup struct {
	history   *history.Reader
	apps      *viewdb.Home // tells no more than where an app is to be looked for
	snapshots *replay.Snapshots
	known     map[events.Aggregate]folded
}

// folded is an aggregate as the history has it.
type folded struct {
	past replay.Past
	err  error
}

// AsOf is the Seq.
func (l *lookup) AsOf() events.Seq { return l.history.Head() }

// fold folds an aggregate; one without events is as one that is empty, and of one with an
// event that cannot be read the head says so.
func (l *lookup) fold(about events.Aggregate) folded {
	if f, ok := l.known[about]; ok {
		return f
	}
	var f folded
	f.past, f.err = l.snapshots.AsOf(l.history, about, l.AsOf())
	switch bad, quarantined := errors.AsType[*replay.QuarantinedError](f.err); {
	case quarantined:
		f.past.Head.Quarantined, f.err = bad.Seq, nil
	case errors.Is(f.err, replay.ErrUnknown):
		f.err = nil
	}
	l.known[about] = f
	return f
}

// State is the state of an aggregate.
func (l *lookup) State(about events.Aggregate) catalogue.State {
	f := l.fold(about)
	if f.err != nil {
		return unread{MapState: f.past.State, err: f.err}
	}
	return f.past.State
}

// unread is a state that could not be read.
type unread struct {
	catalogue.MapState
	err error
}

// Get gives the error.
func (u unread) Get(events.EntityKey) (events.Entity, error) { return nil, u.err }

// Head is the head of an aggregate.
func (l *lookup) Head(about events.Aggregate) (catalogue.Head, error) {
	f := l.fold(about)
	return f.past.Head, f.err
}

// Tenant is the state and the head of a tenant.
func (l *lookup) Tenant(ctx context.Context, id events.TenantID) (catalogue.MapState, catalogue.Head, error) {
	f := l.fold(events.OfTenant(id))
	return f.past.State, f.past.Head, errors.Join(f.err, ctx.Err())
}

// AppOf is the tenant that has an app, or had it.
func (l *lookup) AppOf(_ context.Context, id events.AppID) (tenant events.TenantID, found bool, err error) {
	err = l.apps.View(func(v *viewdb.Snapshot) error {
		app, known, err := apps.Get(v, id)
		tenant, found = app.Tenant, known
		return err
	})
	return tenant, found, err
}

// recount reads the log after a wave, and the tenants as they are now.
func (s *System) recount(ctx context.Context, d events.Deletion, passage events.Passage) (out events.DeletionWaveChecked, err error) {
	err = s.Look(ctx, func(look deletion.Lookup) error {
		door, err := deletion.DoorOf(look)
		if err != nil {
			return err
		}
		count := strays{waves: door.Recent}
		since := max(d.LastCheck.Seq, d.Started.Seq) // what was counted before is not counted again
		if err := s.Log.Read(ctx, min(since, passage.Mark.Seq), look.AsOf(), count.take); err != nil {
			return err
		}
		out.Strays = count.found
		from, to := deletion.TargetsOf(d.Plan, int(passage.Wave))
		for i, target := range d.Plan.Targets {
			gone, err := isGone(ctx, look, target)
			switch {
			case err != nil:
				return err
			case gone && i >= from && i < to:
				out.Gone++
			case !gone && i >= to:
				out.Kept++
			}
		}
		return nil
	})
	return out, err
}

func isGone(ctx context.Context, look deletion.Lookup, target events.DeletionTarget) (bool, error) {
	state, _, err := look.Tenant(ctx, target.Tenant)
	if err != nil {
		return false, err
	}
	record, _ := state.Tenant()
	if target.App.IsZero() {
		return record.Status == events.TenantStatusDeleted, nil
	}
	app, found := state[events.AppKey(target.App)].(events.App)
	return !found || !app.Installed, nil
}

// strays counts tombstones of either kind that stand in none of some waves of their kind.
type strays struct {
	waves []events.Passage
	found uint32
}

func (c *strays) take(stored []events.Stored) error {
	for _, s := range stored {
		within := func(p events.Passage) bool {
			return s.Type == p.Kind.Tombstone() && s.Seq > p.Mark.Seq && s.Seq <= p.Mark.Seq+events.Seq(p.Targets)
		}
		if s.Type.Tombstone() && !slices.ContainsFunc(c.waves, within) {
			c.found++
		}
	}
	return nil
}
