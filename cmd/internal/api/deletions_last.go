package api

import (
	"fmt"
	"strconv"
	"strings"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/deletions"
	"tenantcatalogue/projectors/viewdb"
)

// LastPlan is a plan that the author of another has made before, and what differs from it:
// nobody has looked at that yet.
type LastPlan struct {
	Plan    events.PlanID       `json:"plan"`
	Planned events.Time         `json:"planned"`
	Kind    events.DeletionKind `json:"kind"`
	Targets int                 `json:"targets"`
	Effect  events.Effect       `json:"effect"`
	Changed []Changed           `json:"changed"` // what the new one says otherwise, the kind first
	Same    int                 `json:"targets_same"`
	New     SomeTargets         `json:"targets_new"`
	Gone    SomeTargets         `json:"targets_gone"`
}

// Changed is what a plan says otherwise than another.
type Changed struct {
	What string `json:"what"` // the field of the plan
	Was  string `json:"was"`
	Is   string `json:"is"`
}

// SomeTargets is targets of a plan, the first of them shown.
type SomeTargets struct {
	Count int           `json:"count"`
	First []NamedTarget `json:"first"`
}

// NamedTarget is a target as a person knows it.
type NamedTarget struct {
	ID   string `json:"id"` // of the app or the tenant
	Name string `json:"name"`
}

const (
	// lookedBack is how many plans of an author are gone through for the last that has run.
	lookedBack = 100
	// targetsShown is how many targets are shown of those that are new, and of those that are
	// gone.
	targetsShown = 10
)

// sinceLast says what differs from the plan that its author has made before, and from the
// last of them that has deleted anything, if it is another: a plan that was withdrawn and made
// again differs from the former in nothing. An owner's own request is nobody's work.
func (a *API) sinceLast(d *Deletion) error {
	plan := d.Deletion
	if !plan.Owner.IsZero() {
		return nil
	}
	seen := 0
	err := a.together(func(s snapshots) error {
		return deletions.EachOf(s.views[deletions.Name], plan.Author, d.Planned.Seq, func(id events.PlanID, was events.Deletion) error {
			seen++
			if seen == 1 {
				d.Last = lastPlan(id, was, plan)
			}
			if len(was.Checked) > 0 {
				if seen > 1 {
					d.LastRun = lastPlan(id, was, plan)
				}
				return viewdb.ErrStop
			}
			if seen == lookedBack {
				return viewdb.ErrStop
			}
			return nil
		})
	}, deletions.Name)
	d.warn("plan", d.Last)
	d.warn("deletion", d.LastRun)
	return err
}

// warn says it first when the last plan was about another kind: that is how 883 sites were
// deleted in place of an app.
func (d *Deletion) warn(what string, last *LastPlan) {
	if last == nil || last.Kind == d.Deletion.Kind {
		return
	}
	d.Warnings = append(d.Warnings, fmt.Sprintf("the last %s of %s was of %s, this one is of %s",
		what, d.Deletion.Author, countKind(last.Targets, last.Kind), countKind(len(d.Deletion.Targets), d.Deletion.Kind)))
}

// countKind is loud: 883 TENANTS.
func countKind(n int, kind events.DeletionKind) string {
	text := fmt.Sprintf("%d %s", n, strings.ToUpper(string(kind)))
	if n != 1 {
		text += "S"
	}
	return text
}

// lastPlan says what differs between a plan and one that was made before.
func lastPlan(id events.PlanID, d events.Deletion, is events.DeletionPlanned) *LastPlan {
	was := d.Plan
	last := &LastPlan{Plan: id, Planned: d.Planned.Time, Kind: was.Kind, Targets: len(was.Targets), Effect: was.Effect, Changed: changes(was, is)}
	last.New, last.Same = beyond(is, was)
	last.Gone, _ = beyond(was, is)
	return last
}

// changes lists what is said of one plan and otherwise of another.
func changes(was, is events.DeletionPlanned) []Changed {
	number := func(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
	out := []Changed{}
	for _, c := range []Changed{
		{"kind", string(was.Kind), string(is.Kind)},
		{"effect", effectText(was.Effect), effectText(is.Effect)},
		{"active_users", strconv.FormatUint(was.Effect.Users, 10), strconv.FormatUint(is.Effect.Users, 10)},
		{"environment", was.Environment, is.Environment},
		{"supplier", was.Supplier, is.Supplier},
		{"reason", was.Reason, is.Reason},
		{"inactive_days", number(was.InactiveDays), number(is.InactiveDays)},
		{"expected", number(was.Expected), number(is.Expected)},
		{"policy", number(was.Policy), number(is.Policy)},
	} {
		if c.Was != c.Is {
			out = append(out, c)
		}
	}
	return out
}

func effectText(e events.Effect) string { return fmt.Sprintf("apps %d, tenants %d", e.Apps, e.Tenants) }

// targetID is what a tombstone will be about.
type targetID struct {
	tenant events.TenantID
	app    events.AppID
}

// beyond is the targets of a plan that another does not have, and how many both have.
func beyond(p, other events.DeletionPlanned) (out SomeTargets, same int) {
	has := map[targetID]bool{}
	for _, t := range other.Targets {
		has[targetID{t.Tenant, t.App}] = true
	}
	out.First = []NamedTarget{}
	for _, t := range p.Targets {
		if has[targetID{t.Tenant, t.App}] {
			same++
			continue
		}
		if out.Count++; len(out.First) < targetsShown {
			named := NamedTarget{ID: t.Tenant.String(), Name: t.Name}
			if !t.App.IsZero() {
				named.ID = t.App.String()
			}
			out.First = append(out.First, named)
		}
	}
	return out, same
}
