package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/events"
)

// Door is a way in for plans, as operators use it. The right run's plan goes in by the
// first door and the wrong run's by the last, so that one which refuses whatever it is
// given fails the drill.
type Door struct {
	Name    string
	Refused string // the code of its answer to a list that is refused
	// Plan has the author sign what is asked for, and sends it. The error is for what could
	// not be asked.
	Plan func(ctx context.Context, ask deletion.Ask) (Answer, error)
}

// Answer is what came back.
type Answer struct {
	Code string        // an exit code, a status, or the code of a refusal
	Text string        // for people
	Plan events.PlanID // that was taken; zero: none
}

// Path is a way on which somebody may try to have tenants deleted.
type Path struct {
	Name  string
	Code  string // of every answer
	Why   string // stands in every answer; of plans, after the number of lines that it is about
	Plans bool   // each attempt is a plan, whose refusal is recorded
	// Try tries it with a list of tenants, and tells every answer with the number of
	// tenants it is about. The error is for what could not be asked.
	Try func(ctx context.Context, list []deletion.Asked, heard func(n int, a Answer)) error
}

// wrong says in what an answer is not the refusal that it must be.
func (p Path) wrong(n int, a Answer) error {
	why := p.Why
	if p.Plans {
		why = fmt.Sprintf("%d of %d %s", n, n, p.Why)
	}
	switch {
	case !a.Plan.IsZero():
		return fmt.Errorf("it was taken: %s", a.Plan)
	case a.Code != p.Code:
		return fmt.Errorf("the answer is %s, not %s: %.200s", a.Code, p.Code, a.Text)
	case !strings.Contains(a.Text, why):
		return fmt.Errorf("the answer does not say %q: %.200s", why, a.Text)
	}
	return nil
}

// records tells whether an event is the record of a refusal for this reason alone.
func (p Path) records(s events.Stored) (lines int, err error) {
	if s.Type != (events.DeletionRefused{}).EventType() {
		return 0, nil
	}
	e, err := events.Decode(s)
	if err != nil {
		return 0, err
	}
	refused, _ := e.Payload.(events.DeletionRefused)
	if refused.Author != people.Author || len(refused.Reasons) != 1 || refused.Reasons[0].Why != p.Why || refused.Reasons[0].Count != refused.Targets {
		return 0, nil
	}
	return int(refused.Targets), nil
}

// Refusal is what became of the attempts on a path, counted in the log.
type Refusal struct {
	Path       string   `json:"path"`
	Attempted  int      `json:"attempted"`
	Tombstones int      `json:"tombstones"`
	Events     int      `json:"events"`   // that it has left in the log
	Recorded   int      `json:"recorded"` // of those: records of the refusal, for the right reason
	Code       string   `json:"code"`     // of the last answer
	Answer     string   `json:"answer"`
	Seconds    float64  `json:"seconds"`
	Faults     []string `json:"faults,omitzero"` // what is not as it must be, the first of them
}

// maxFaults is how many faults of a path are told.
const maxFaults = 5

func (r *Refusal) must(err error) {
	if err != nil && len(r.Faults) < maxFaults {
		r.Faults = append(r.Faults, err.Error())
	}
}

// refusals tries the wrong list on every path there is.
func (r *run) refusals(ctx context.Context) error {
	list := listed(r.job.doomed)
	for _, path := range append(r.plans(), r.sys.Paths...) {
		if err := r.try(ctx, path, list); err != nil {
			return fmt.Errorf("%s: %w", path.Name, err)
		}
	}
	return nil
}

// mistake is how a list of tenants comes to be a wrong plan.
type mistake struct {
	name, why string
	kind      events.DeletionKind
	each      bool // a plan for every line
	spoil     func(list []deletion.Asked) []deletion.Asked
}

func (r *run) mistakes() []mistake {
	const tenants = "ids are those of tenants, the plan says app"
	return []mistake{
		{name: "a plan for apps that lists tenants", why: tenants, kind: events.DeletionOfApps},
		{name: "a plan for one app each", why: tenants, kind: events.DeletionOfApps, each: true},
		{"a plan for tenants with shifted columns", "ids are those of accounts, the plan says tenant", events.DeletionOfTenants, false, shifted},
		{"a plan for tenants of another environment", "tenants are not in this catalogue", events.DeletionOfTenants, false, r.elsewhere},
		{name: "a plan for tenants that are in service", why: "is active", kind: events.DeletionOfTenants},
	}
}

// shifted has every column one to the left.
func shifted(list []deletion.Asked) []deletion.Asked {
	out := make([]deletion.Asked, len(list))
	for i, asked := range list {
		out[i] = deletion.Asked{ID: asked.Parent, Parent: asked.Name, Name: asked.ID}
	}
	return out
}

// elsewhere is such a list of a catalogue like this one.
func (r *run) elsewhere(list []deletion.Asked) []deletion.Asked {
	return listed(newJob(Config{Tenants: len(list) + spare, Deleted: len(list), Seed: ^r.cfg.Seed}).doomed)
}

// plans are the ways by plans: every mistake at every door.
func (r *run) plans() (out []Path) {
	for _, door := range r.sys.Doors {
		for _, m := range r.mistakes() {
			out = append(out, Path{
				Name: door.Name + ": " + m.name, Code: door.Refused, Why: m.why, Plans: true,
				Try: func(ctx context.Context, list []deletion.Asked, heard func(int, Answer)) error {
					return r.tryPlans(ctx, door, m, list, heard)
				},
			})
		}
	}
	return out
}

func (r *run) tryPlans(ctx context.Context, door Door, m mistake, list []deletion.Asked, heard func(int, Answer)) error {
	if m.spoil != nil {
		list = m.spoil(list)
	}
	size := len(list)
	if m.each {
		size = 1
	}
	for part := range slices.Chunk(list, size) {
		answer, err := door.Plan(ctx, r.ask(m.kind, r.job.wrong, part))
		if err != nil {
			return err
		}
		heard(len(part), answer)
	}
	return nil
}

// try counts what the attempts on a path leave in the log.
func (r *run) try(ctx context.Context, path Path, list []deletion.Asked) error {
	out := Refusal{Path: path.Name}
	began := r.sys.Clock.Wall()
	before, err := r.sys.Log.Head(ctx)
	if err != nil {
		return err
	}
	answers := 0
	err = path.Try(ctx, list, func(n int, a Answer) {
		answers++
		out.Attempted += n
		out.Code, out.Answer = a.Code, a.Text
		out.must(path.wrong(n, a))
		r.tell.progress(out.Attempted, len(list))
	})
	if err != nil {
		return err
	}
	after, err := r.sys.Log.Head(ctx)
	if err != nil {
		return err
	}
	lines := 0
	err = r.sys.Log.Read(ctx, before, after, func(stored []events.Stored) error {
		for _, s := range stored {
			if s.Type.Tombstone() {
				out.Tombstones++
			}
			n, err := path.records(s)
			if err != nil {
				return err
			}
			if n > 0 {
				out.Recorded, lines = out.Recorded+1, lines+n
			}
		}
		return nil
	})
	out.Events, out.Seconds = int(after-before), r.sys.Clock.Wall().Sub(began).Seconds()
	out.must(differs("tried", out.Attempted, len(list)))
	out.must(differs("tombstones", out.Tombstones, 0))
	out.must(differs("events that are no records of this refusal", out.Events-out.Recorded, 0))
	if path.Plans {
		out.must(differs("records", out.Recorded, answers))
		out.must(differs("lines in the records", lines, len(list)))
	}
	r.report.Refusals = append(r.report.Refusals, out)
	r.tell.line("%s: %d tried, %d tombstones; %s: %.200s", out.Path, out.Attempted, out.Tombstones, out.Code, out.Answer)
	return err
}

// differs says that a figure is not what it must be.
func differs(what string, is, want int) error {
	if is == want {
		return nil
	}
	return fmt.Errorf("%s is %d, not %d", what, is, want)
}

// enter takes a plan in by a door, and has it approved, rehearsed and started.
func (r *run) enter(ctx context.Context, door Door, ask deletion.Ask) (p deletion.Planned, err error) {
	answer, err := door.Plan(ctx, ask)
	if err == nil && answer.Plan.IsZero() {
		err = errors.New(answer.Text)
	}
	if err != nil {
		return p, fmt.Errorf("a plan that is as it must be, %s: %w", door.Name, err)
	}
	d, err := r.sys.Deletions.Deletion(ctx, answer.Plan)
	if err != nil {
		return p, err
	}
	p = deletion.Planned{ID: answer.Plan, Deletion: d.Plan, Hash: d.Hash}
	return p, r.crew.Begin(ctx, p)
}
