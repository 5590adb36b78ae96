// Package restore brings tenants back: it plans, applies and certifies
// restorations in the live system.
//
//	plan        who comes back, to which state, and what stands against it; one cut for all
//	apply       through catalogue.Service, one unit a tenant; resumable, idempotent
//	certificate proof, computed again from the log: restored as planned, neighbours untouched
//
// A restoration is an aggregate of its own: its plan and its end are events, so
// that any process can take it up after a crash, and any other can recompute
// its certificate. Everything it writes is derived from the plan, event ids
// included; whoever applies it again gets first answers and adds nothing.
//
// Two modes. A rewind brings back the state at the cut. An undo tells the
// tenant's history again without the cause's events after the cut: every other
// event is decided again on the state it then meets, and one that has become
// illegal is a conflict, which somebody must accept; nothing is dropped quietly.
package restore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/replay"
)

// The faults of this package. Match with errors.Is.
var (
	// ErrAsk is returned when a request for a plan does not say enough.
	ErrAsk = errors.New("this cannot be planned")
	// ErrNothing is returned when there is nothing to restore.
	ErrNothing = errors.New("nothing to restore")
	// ErrAmbiguous is returned when a time stands for more than one place in
	// the log.
	ErrAmbiguous = errors.New("the time is ambiguous")
	// ErrNoPlan is returned when there is no recorded plan of that id.
	ErrNoPlan = errors.New("there is no such restoration")
	// ErrPlanStale is returned when a plan cannot be derived again as it was
	// recorded.
	ErrPlanStale = errors.New("the plan does not match the history")
	// ErrNotFinished is returned when a certificate is asked for before the
	// restoration has finished.
	ErrNotFinished = errors.New("the restoration is not finished")
)

// Publisher is the Service.
type Publisher interface {
	Publish(ctx context.Context, c catalogue.Credential, requests ...catalogue.Request) []catalogue.Verdict
}

// Views is the Runner.
type Views interface {
	// WaitFor waits until every view has applied seq.
	WaitFor(ctx context.Context, seq events.Seq) error
	// Pin takes a snapshot of every view, all at one Seq.
	Pin() (*projectors.Pinned, error)
}

// Log is the log itself, for what must not rest on a view.
type Log interface {
	// Identity tells this log from any other.
	Identity() string
	// Read hands over the events after one Seq up to another, in order.
	Read(ctx context.Context, after, upTo events.Seq, fn func([]events.Stored) error) error
}

// Proofs keeps the last proof that every view is what the log makes of it. Its
// zero value is that there is none.
type Proofs interface {
	Load() replay.Proof
	Keep(p replay.Proof)
}

// Door is what everything that is deleted goes through: it is held shut while a
// restoration is being applied.
type Door interface {
	// Hold shuts it. Of a restoration that holds it already it does nothing.
	Hold(ctx context.Context, actor string, id events.RestoreID) error
	// Release is the end of Hold, once the restoration is finished.
	Release(ctx context.Context, actor string, id events.RestoreID) error
}

// Objectives are what a restoration is held against.
type Objectives struct {
	RPO time.Duration // data that may be lost, as time
	RTO time.Duration // from the plan to the end
}

// DefaultObjectives are those of the review the catalogue was built after: an
// hour of data; and, where it took 14 days, a quarter of an hour.
var DefaultObjectives = Objectives{RPO: time.Hour, RTO: 15 * time.Minute}

// Config is what an Engine is made of.
type Config struct {
	History    func(f func(*history.Reader) error) error
	Service    Publisher
	Views      Views
	Log        Log
	Proofs     Proofs
	Door       Door               // nil: nothing is deleted there
	Spare      *projectors.Spare  // what a certificate may use of the processors; nil: all
	Genesis    deletion.Genesis   // what a certificate holds the first policy against
	Now        func() events.Time // recorded time: catalogue.Service.Now
	NewID      func() (uuid.UUID, error)
	Objectives Objectives
}

// Engine plans, applies and certifies restorations. It is safe for concurrent
// use.
type Engine struct{ cfg Config }

// New makes an Engine.
func New(cfg Config) *Engine {
	if cfg.Objectives == (Objectives{}) {
		cfg.Objectives = DefaultObjectives
	}
	return &Engine{cfg: cfg}
}

// credential is the catalogue's own.
var credential = catalogue.Credential{Via: "catalogue/restore", Roles: []catalogue.Role{catalogue.RoleInternal}}

// RunOf is the run that a restoration's events carry.
func RunOf(id events.RestoreID) events.RunID { return events.DeriveID[events.RunID](id.String()) }

// source is the CloudEvents source of a restoration's events.
const source = "/catalogue/restore"

// A planned event lists at most so many targets, and so many that wait, so that
// both fit below events.MaxEventBytes.
const (
	targetsPerEvent = 4000
	waitingPerEvent = 1000
	whyBytes        = 300 // of the reason why one waits
)

// record appends the plan as one unit.
func (e *Engine) record(ctx context.Context, p Plan) error {
	var targets []events.RestoreTarget
	var waiting []events.RestoreFailure
	for _, t := range p.Targets {
		if t.Waits() {
			waiting = append(waiting, events.RestoreFailure{Tenant: t.Tenant, Why: shorten(t.Conflicts[0].Detail, whyBytes)})
			continue
		}
		targets = append(targets, events.RestoreTarget{
			Tenant: t.Tenant, Pinned: t.Pinned, Digest: t.digest, Parts: uint32(len(t.parts)),
		})
	}
	parts := max(chunks(len(targets), targetsPerEvent), chunks(len(waiting), waitingPerEvent))
	unit := make([]events.Event, parts)
	for i := range unit {
		unit[i] = e.event(p.ID, p.Ask.Actor, e.cfg.Now(), fmt.Sprintf("planned/%d", i+1), events.RestorationPlanned{
			Mode: p.Ask.Mode, Cut: p.Cut, AsOf: p.AsOf, Point: p.Ask.Point, Cause: p.Ask.Cause, Reason: p.Ask.Reason,
			Part: uint32(i + 1), Parts: uint32(parts),
			Targets: chunk(targets, i, targetsPerEvent), Waiting: chunk(waiting, i, waitingPerEvent),
		})
	}
	verdict := e.cfg.Service.Publish(ctx, credential, catalogue.Request{Events: unit})[0]
	if verdict.Err != nil {
		return verdict.Err
	}
	return e.cfg.Views.WaitFor(ctx, verdict.Seq)
}

func chunks(n, size int) int { return (n + size - 1) / size }

func chunk[T any](list []T, i, size int) []T {
	from := min(i*size, len(list))
	return list[from:min(from+size, len(list))]
}

// shorten cuts a text to at most limit bytes, at a character's edge.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "")
}

// event makes an event of the restoration itself; name makes its id.
func (e *Engine) event(id events.RestoreID, actor string, at events.Time, name string, p events.Payload) events.Event {
	return events.Event{
		ID:     events.DeriveID[events.EventID](id.String(), name),
		Source: source, About: events.OfRestoration(id), Time: at, Actor: actor, Run: RunOf(id), Payload: p,
	}
}

// recorded is a restoration as its events tell it.
type recorded struct {
	id       events.RestoreID
	plan     events.RestorationPlanned // with the targets of all parts
	actor    string
	planned  events.Seq  // of the plan's last part
	at       events.Time // the plan's own time
	began    events.Time // recorded time of the plan
	finished *events.RestorationFinished
	ended    events.Time // recorded time of the end
}

func load(r *history.Reader, id events.RestoreID) (recorded, error) {
	rec := recorded{id: id}
	err := r.Of(events.OfRestoration(id), 0, r.Head(), func(s events.Stored) error {
		e, err := events.Decode(s)
		if err != nil {
			return err
		}
		rec.add(e)
		return nil
	})
	if err == nil && rec.planned == 0 {
		err = fmt.Errorf("%w: %s; list them with restore list", ErrNoPlan, id)
	}
	return rec, err
}

func (rec *recorded) add(e events.Event) {
	switch p := e.Payload.(type) {
	case events.RestorationPlanned:
		if p.Part == 1 {
			rec.plan, rec.actor, rec.at, rec.began = p, e.Actor, e.Time, e.RecordedTime
		} else {
			rec.plan.Targets = append(rec.plan.Targets, p.Targets...)
			rec.plan.Waiting = append(rec.plan.Waiting, p.Waiting...)
		}
		rec.planned = e.Seq
	case events.RestorationFinished:
		rec.finished, rec.ended = &p, e.RecordedTime
	}
}

// Status is where a restoration stands.
type Status struct {
	ID       events.RestoreID        `json:"restoration"`
	Mode     events.RestoreMode      `json:"mode"`
	Point    string                  `json:"point"`
	Cut      events.Seq              `json:"cut"`
	AsOf     events.Seq              `json:"as_of"`
	Cause    events.Cause            `json:"cause"`
	Reason   string                  `json:"reason,omitzero"`
	Actor    string                  `json:"actor"`
	Planned  events.Time             `json:"planned"`
	Targets  int                     `json:"targets"`
	Restored int                     `json:"restored"`
	Failed   []events.RestoreFailure `json:"failed,omitzero"`
	Waiting  []events.RestoreFailure `json:"waiting,omitzero"`
	Begin    events.Seq              `json:"begin,omitzero"`
	End      events.Seq              `json:"end,omitzero"`
	Finished events.Time             `json:"finished,omitzero"`
	Added    int                     `json:"added,omitzero"` // events written by this very call
}

func (rec *recorded) status() Status {
	s := Status{
		ID: rec.id, Mode: rec.plan.Mode, Point: rec.plan.Point, Cut: rec.plan.Cut, AsOf: rec.plan.AsOf,
		Cause: rec.plan.Cause, Reason: rec.plan.Reason, Actor: rec.actor, Planned: rec.began,
		Targets: len(rec.plan.Targets), Waiting: rec.plan.Waiting,
	}
	if f := rec.finished; f != nil {
		s.Restored, s.Failed, s.Begin, s.End, s.Finished = int(f.Restored), f.Failed, f.Begin, f.End, rec.ended
	}
	return s
}

// Status tells where a restoration stands; while it is not finished, by
// counting the tenants that have come back.
func (e *Engine) Status(_ context.Context, id events.RestoreID) (s Status, err error) {
	err = e.cfg.History(func(r *history.Reader) error {
		rec, err := load(r, id)
		if err != nil {
			return err
		}
		s = rec.status()
		if rec.finished != nil {
			return nil
		}
		restored := map[events.TenantID]bool{}
		err = r.Find(history.Query{Run: RunOf(id), After: rec.planned}, func(e events.Event) error {
			if isRestored(e) {
				restored[e.About.Tenant()] = true
			}
			return nil
		})
		s.Restored = len(restored)
		return err
	})
	return s, err
}

// List tells where every restoration stands, oldest first.
func (e *Engine) List(context.Context) (list []Status, err error) {
	err = e.cfg.History(func(r *history.Reader) error {
		seen := map[events.Aggregate]bool{}
		q := history.Query{Type: events.RestorationPlanned{}.EventType()}
		return r.Find(q, func(e events.Event) error {
			if seen[e.About] {
				return nil
			}
			seen[e.About] = true
			rec, err := load(r, e.About.Restoration())
			if err != nil {
				return err
			}
			list = append(list, rec.status())
			return nil
		})
	})
	return list, err
}

// Progress hears how many targets are answered, of how many.
type Progress func(done, of int)
