// Package drill plays the April 2022 job on a scratch catalogue, through the real write
// side and the real door, with an injected clock: a month of tenants' lives; the wrong
// list on every path, which is refused; a policy loosened by its own rule; a right run
// that removes an app from 30 tenants; a wrong run whose plan is as it must be but for the
// list, which puts 883 tenants out of service and deletes them in 23 minutes, while traffic
// goes on; then the restoration, while it still goes on: planned at five minutes before the
// run, applied, proven.
//
// Nothing in it is asserted: every figure of the [Report] is read from the log,
// from the views, or from a view rebuilt from the log after the restoration.
package drill

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/restore"
)

// ErrFailed is returned when the drill ran and its figures are not what they
// must be.
var ErrFailed = errors.New("the drill failed")

// The figures of the review.
const (
	DefaultTenants = 20000
	DefaultDeleted = 883                             // in the wrong run
	ownersOf883    = 775                             // accounts that owned them
	rightRun       = 30                              // tenants of the right run
	ownerDeletions = 5                               // tenants that their owners deleted in the same minutes
	spare          = 2 * (rightRun + ownerDeletions) // tenants beside the wrong run's, at least
	haltedWithin   = 11                              // tenants are gone at most when a health check is bad
	changesBetween = 42                              // changes of later-deleted tenants between the cut and their deletion
)

// The instants of the review, UTC, and what must have come before.
var (
	monthBegins    = time.Date(2022, 3, 5, 8, 0, 0, 0, time.UTC)
	monthEnds      = time.Date(2022, 4, 1, 8, 0, 0, 0, time.UTC)
	loosenedAt     = time.Date(2022, 4, 4, 9, 0, 0, 0, time.UTC)
	rightRunAt     = time.Date(2022, 4, 4, 14, 0, 0, 0, time.UTC)
	ownersLeaveAt  = time.Date(2022, 4, 4, 18, 0, 0, 0, time.UTC)
	beforeCut      = time.Date(2022, 4, 5, 6, 32, 0, 0, time.UTC)
	outOfServiceAt = time.Date(2022, 4, 5, 6, 38, 0, 0, time.UTC)
	wrongRunAt     = time.Date(2022, 4, 5, 7, 38, 0, 0, time.UTC)
	restorationAt  = time.Date(2022, 4, 5, 8, 17, 0, 0, time.UTC)
)

const (
	outOfServiceTime = 23 * time.Minute // the wrong run takes to put its tenants out of service
	outOfService     = 37 * time.Minute // each is, at least, before it is deleted
	wrongRunTime     = 23 * time.Minute // and to delete them
)

// Begins is where the drill's clock has to stand at first.
var Begins = monthBegins

// System is the scratch catalogue the drill runs on.
type System struct {
	Service restore.Publisher
	Runner  *projectors.Runner
	Engine  *restore.Engine
	Log     interface {
		replay.Log
		Head(ctx context.Context) (events.Seq, error)
		Tail(ctx context.Context, after events.Seq, fn func([]events.Stored) error) error
	}
	Clock     *Clock
	Deletions *deletion.Engine
	Doors     []Door             // for plans
	Paths     []Path             // on which the wrong list is tried, beside plans
	Author    ed25519.PrivateKey // signs plans and policies
	// Tenants is the home of the tenants view.
	Tenants *viewdb.Home
}

// Config says how large the job is.
type Config struct {
	Tenants int
	Deleted int
	Seed    uint64
	Mode    events.RestoreMode
	Halt    bool // the health check of every wave is a service that misses what is deleted
}

// Validate lists every fault.
func (c Config) Validate() error {
	var errs []error
	if c.Deleted < 1 {
		errs = append(errs, fmt.Errorf("deleted is %d; at least 1 tenant must go", c.Deleted))
	}
	if c.Tenants < c.Deleted+spare {
		errs = append(errs, fmt.Errorf("tenants is %d; with %d deleted at least %d are needed", c.Tenants, c.Deleted, c.Deleted+spare))
	}
	if c.Mode != events.Rewind && c.Mode != events.Undo {
		errs = append(errs, fmt.Errorf("mode is %q; say rewind or undo", c.Mode))
	}
	return errors.Join(errs...)
}

// Report is what the drill found.
type Report struct {
	Tenants        int                 `json:"tenants"`
	Seed           uint64              `json:"seed"`
	EventsBefore   events.Seq          `json:"events_before"` // the runs
	Refusals       []Refusal           `json:"refusals"`
	RightRun       RightRun            `json:"right_run"`
	BadRun         BadRun              `json:"bad_run"`
	Halt           Halt                `json:"halt"`
	Restore        Restoration         `json:"restore"`
	Certificate    restore.Certificate `json:"certificate"`
	Views          []replay.ViewReport `json:"views"`
	OwnerDeletions OwnerDeletions      `json:"owner_deletions"`
	Traffic        Traffic             `json:"traffic"`
	Faults         []replay.Fault      `json:"faults,omitzero"` // of the log and the views
	Phases         []Phase             `json:"phases"`
	OK             bool                `json:"ok"`
}

// RightRun is the run whose list was right.
type RightRun struct {
	ID              events.RunID `json:"id"`
	AppsUninstalled int          `json:"apps_uninstalled"`
}

// BadRun is the run that took tenants for apps.
type BadRun struct {
	ID             events.RunID `json:"id"`
	OutOfService   int          `json:"tenants_out_of_service"`
	Waited         float64      `json:"minutes_out_of_service"` // before it was deleted: the tenant that was so for the shortest time
	TenantsDeleted int          `json:"tenants_deleted"`
	Accounts       int          `json:"accounts"`
	ActiveUsers    uint64       `json:"active_users"`
	FirstSeq       events.Seq   `json:"first_seq"`
	LastSeq        events.Seq   `json:"last_seq"`
	Minutes        float64      `json:"minutes"`
	Changes        int          `json:"changes_before_deletion"` // of its tenants, between the cut and their deletion
}

// Restoration is how it went.
type Restoration struct {
	ID        events.RestoreID        `json:"id"`
	Mode      events.RestoreMode      `json:"mode"`
	Point     replay.Point            `json:"point"`
	CutSeq    events.Seq              `json:"cut_seq"`
	Planned   int                     `json:"planned"`
	Restored  int                     `json:"restored"`
	InService int                     `json:"in_service"` // of the wrong run's tenants, afterwards
	Failed    int                     `json:"failed"`
	Failures  []events.RestoreFailure `json:"failures,omitzero"`
	Conflicts []ConflictCount         `json:"conflicts"`
	Seconds   float64                 `json:"seconds"` // apply: acked and visible in every view
	Plan      float64                 `json:"plan_seconds"`
	Proof     float64                 `json:"proof_seconds"` // the certificate
	Again     int                     `json:"events_added_by_second_apply"`
}

// ConflictCount counts the targets that wait for a reason, with one of them.
type ConflictCount struct {
	Kind    restore.ConflictKind `json:"kind"`
	Count   int                  `json:"count"`
	Example string               `json:"example"`
}

// OwnerDeletions are tenants deleted by their owners in the same minutes.
type OwnerDeletions struct {
	Count        int `json:"count"`
	StillDeleted int `json:"still_deleted"`
}

// Traffic is what went on meanwhile, from the cut to the proof.
type Traffic struct {
	Events int      `json:"events"`
	Errors int      `json:"errors"`
	First  []string `json:"first_errors,omitzero"`
}

// Phase is how long a part took, in real time.
type Phase struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// Tell hears what happens, for a person to follow: a line when a phase begins
// or something happened in it, and how far it has come.
type Tell struct {
	Line     func(format string, args ...any)
	Progress func(done, of int)
}

func (t Tell) line(format string, args ...any) {
	if t.Line != nil {
		t.Line(format, args...)
	}
}

func (t Tell) progress(done, of int) {
	if t.Progress != nil {
		t.Progress(done, of)
	}
}

// run is one drill under way.
type run struct {
	sys    System
	cfg    Config
	tell   Tell
	job    *job
	crew   *people.Crew
	health *product  // asked around every wave
	marked time.Time // the last tick
	report Report
}

// Run plays the job. The error matches ErrFailed when it was played and the
// figures are wrong; the Report is whole then too.
func Run(ctx context.Context, sys System, cfg Config, tell Tell) (Report, error) {
	if err := cfg.Validate(); err != nil {
		return Report{}, fmt.Errorf("drill: %w", err)
	}
	r := &run{sys: sys, cfg: cfg, tell: tell, job: newJob(cfg)}
	r.report = Report{Tenants: cfg.Tenants, Seed: cfg.Seed}
	if len(sys.Doors) == 0 || len(sys.Paths) == 0 {
		return r.report, errors.New("drill: there are no doors or no paths; name those that the wrong list is to be tried on")
	}
	r.crew = people.NewCrew(sys.Deletions, sys.Clock.Now)
	r.crew.Keys[people.Author] = sys.Author
	health, err := r.startProduct(ctx)
	if err != nil {
		return r.report, fmt.Errorf("drill: start a product service: %w", err)
	}
	r.health = health
	defer func() { _ = health.stop() }()
	for _, phase := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"a month of tenants' lives", r.month},
		{"the policy a catalogue begins with", r.adopt},
		{"the wrong list, on every path", r.refusals},
		{"the policy is loosened", r.loosen},
		{"the right run", r.rightRun},
		{"the wrong run, and traffic", r.wrongRun},
		{"restore, and traffic", r.restore},
		{"rebuild from the log and compare", r.rebuild},
	} {
		tell.line("%s", phase.name)
		began := sys.Clock.Wall()
		if err := phase.do(ctx); err != nil {
			return r.report, fmt.Errorf("drill: %s: %w", phase.name, err)
		}
		r.phase(phase.name, began)
	}
	return r.report, r.judge()
}

func (r *run) phase(name string, began time.Time) {
	r.report.Phases = append(r.report.Phases, Phase{Name: name, Seconds: r.sys.Clock.Wall().Sub(began).Seconds()})
}

// judge holds the figures against what they must be.
func (r *run) judge() error {
	rep := &r.report
	var errs []error
	must := func(what string, is, want int) {
		if err := differs(what, is, want); err != nil {
			errs = append(errs, err)
		}
	}
	for _, refusal := range rep.Refusals {
		for _, fault := range refusal.Faults {
			errs = append(errs, fmt.Errorf("%s: %s", refusal.Path, fault))
		}
	}
	must("put out of service by the wrong run", rep.BadRun.OutOfService, r.cfg.Deleted)
	if wait := outOfService.Minutes(); rep.BadRun.Waited < wait {
		errs = append(errs, fmt.Errorf("a tenant was deleted %.1f minutes after it was out of service, not %.0f", rep.BadRun.Waited, wait))
	}
	if r.cfg.Halt {
		if err := rep.Halt.stopped(); err != nil {
			errs = append(errs, err)
		}
	} else {
		must("bad answers about health", rep.Halt.Bad, 0)
		if rep.Halt.Cause != "" || rep.Halt.Asked == 0 {
			errs = append(errs, fmt.Errorf("the wrong run was halted (%q), or nobody asked for the health of a service, %d times", rep.Halt.Cause, rep.Halt.Asked))
		}
		must("deleted by the wrong run", rep.BadRun.TenantsDeleted, r.cfg.Deleted)
		must("owner deletions", rep.OwnerDeletions.Count, ownerDeletions)
	}
	if rep.Halt.Alarm == "" || rep.Halt.AlarmDelay > alarmTime.Seconds() {
		errs = append(errs, fmt.Errorf("the first alarm (%q) came %.2f s after what it is about, at most %s are allowed", rep.Halt.Alarm, rep.Halt.AlarmDelay, alarmTime))
	}
	must("restored", rep.Restore.Restored, r.cfg.Deleted)
	must("in service afterwards", rep.Restore.InService, r.cfg.Deleted)
	must("failed", rep.Restore.Failed, 0)
	must("tenants verified", rep.Certificate.TenantsVerified, r.cfg.Deleted)
	must("digest mismatches", rep.Certificate.DigestMismatches, 0)
	must("neighbours changed", rep.Certificate.NeighboursChanged, 0)
	must("neighbours checked", rep.Certificate.NeighboursChecked, r.cfg.Tenants-r.cfg.Deleted)
	must("owner deletions still deleted", rep.OwnerDeletions.StillDeleted, rep.OwnerDeletions.Count)
	must("traffic errors", rep.Traffic.Errors, 0)
	must("events added by applying again", rep.Restore.Again, 0)
	must("faults in the log and the views", len(rep.Faults), 0)
	if r.cfg.Mode == events.Undo {
		must("events lost", rep.Certificate.EventsLost, 0)
	}
	for _, v := range rep.Views {
		if v.Digest != v.RebuiltDigest {
			errs = append(errs, fmt.Errorf("view %s differs from one rebuilt from the log", v.Name))
		}
	}
	rep.OK = len(errs) == 0 && rep.Certificate.OK
	if rep.OK {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrFailed, errors.Join(append(errs, faults(rep.Certificate.Faults)...)...))
}

func faults(list []replay.Fault) []error {
	var errs []error
	for _, f := range list[:min(len(list), 10)] {
		errs = append(errs, errors.New(f.String()))
	}
	return errs
}

var service = catalogue.Credential{Via: "drill/services"}
