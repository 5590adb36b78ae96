package drill

import (
	"context"
	"errors"
	"fmt"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
)

// Path is a way on which somebody may try to have tenants deleted.
type Path struct {
	Name string
	// Try tries it with a list of tenants, and tells how many events or plans it has
	// tried to get in, and what the last answer was.
	Try func(ctx context.Context, list []deletion.Asked) (attempted int, answer error)
}

// Refusal is what became of such an attempt, counted in the log.
type Refusal struct {
	Path       string `json:"path"`
	Attempted  int    `json:"attempted"`
	Tombstones int    `json:"tombstones"`
	Events     int    `json:"events"`   // that it has left in the log
	Recorded   int    `json:"recorded"` // of those: records of the refusal
	Answer     string `json:"answer"`   // the last one
}

// refusals tries the wrong list on every path there is.
func (r *run) refusals(ctx context.Context) error {
	list := make([]deletion.Asked, len(r.job.doomed))
	for i, t := range r.job.doomed {
		list[i] = t.listed()
	}
	for _, path := range append(r.plans(), r.sys.Paths...) {
		if err := r.try(ctx, path, list); err != nil {
			return fmt.Errorf("%s: %w", path.Name, err)
		}
	}
	return nil
}

// plans are the ways by plans.
func (r *run) plans() []Path {
	// Under a policy that is looser in nothing but numbers these would still be refused.
	return []Path{
		{"a plan for apps that lists tenants", func(ctx context.Context, list []deletion.Asked) (int, error) {
			ask := r.ask(events.DeletionOfApps, r.job.wrong)
			ask.Targets = list
			return r.plan(ctx, ask)
		}},
		{"a plan for one app each", func(ctx context.Context, list []deletion.Asked) (n int, err error) {
			for _, asked := range list {
				ask := r.ask(events.DeletionOfApps, r.job.wrong)
				ask.Targets = []deletion.Asked{asked}
				if _, err = r.plan(ctx, ask); err == nil {
					return n, nil
				}
				n++
			}
			return n, err
		}},
		{"a plan for tenants with shifted columns", func(ctx context.Context, list []deletion.Asked) (int, error) {
			ask := r.ask(events.DeletionOfTenants, r.job.wrong)
			for _, asked := range list {
				ask.Targets = append(ask.Targets, deletion.Asked{ID: asked.Parent, Parent: asked.Name, Name: asked.ID})
			}
			return r.plan(ctx, ask)
		}},
		{"a plan for tenants of another environment", func(ctx context.Context, list []deletion.Asked) (int, error) {
			ask := r.ask(events.DeletionOfTenants, r.job.wrong)
			for _, t := range newJob(Config{Tenants: len(list) + 2*(rightRun+ownerDeletions), Deleted: len(list), Seed: ^r.cfg.Seed}).doomed {
				ask.Targets = append(ask.Targets, t.listed())
			}
			return r.plan(ctx, ask)
		}},
		{"a plan for tenants that are in service", func(ctx context.Context, list []deletion.Asked) (int, error) {
			ask := r.ask(events.DeletionOfTenants, r.job.wrong)
			ask.Targets = list
			return r.plan(ctx, ask)
		}},
	}
}

func (r *run) plan(ctx context.Context, ask deletion.Ask) (int, error) {
	_, err := r.crew.Plan(ctx, r.expecting(ask))
	return len(ask.Targets), err
}

// try counts what an attempt leaves in the log.
func (r *run) try(ctx context.Context, path Path, list []deletion.Asked) error {
	before, err := r.sys.Log.Head(ctx)
	if err != nil {
		return err
	}
	out := Refusal{Path: path.Name}
	var answer error
	if out.Attempted, answer = path.Try(ctx, list); answer == nil {
		answer = errors.New("it was taken")
	}
	out.Answer = answer.Error()
	after, err := r.sys.Log.Head(ctx)
	if err != nil {
		return err
	}
	out.Events = int(after - before)
	err = r.sys.Log.Read(ctx, before, after, func(stored []events.Stored) error {
		for _, s := range stored {
			if s.Type.Tombstone() {
				out.Tombstones++
			}
			if s.Type == (events.DeletionRefused{}).EventType() {
				out.Recorded++
			}
		}
		return nil
	})
	r.report.Refusals = append(r.report.Refusals, out)
	r.tell.line("%s: %d tried, %d tombstones; %.200s", out.Path, out.Attempted, out.Tombstones, out.Answer)
	return err
}
