package deletion

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

const (
	// lookAgain is how long to wait before looking again whether what stands against a
	// wave has passed.
	lookAgain = time.Minute
	// rehearseAgain is how long to wait before an owner's request is rehearsed again that
	// did not pass.
	rehearseAgain = 10 * time.Minute
	// byItself is the actor of what nobody does: what comes next of a plan.
	byItself = "deletion"
)

// Step is what an execution did last, and what comes next.
type Step struct {
	Wave  int           `json:"wave"`          // the last that has passed
	Waves int           `json:"waves"`         // how many there are
	Done  bool          `json:"done"`          // nothing is left to be done
	Why   string        `json:"why,omitzero"`  // it ended before all was done, or waits
	Wait  time.Duration `json:"wait,omitzero"` // nothing can be done before
}

// Step does the next thing of a plan that was started: it executes a wave, or counts and
// checks the one that has passed, or ends the plan. An owner's request that is confirmed it
// rehearses and starts. All it goes by stands in the log, so that it goes on after a crash
// wherever it was; what was done is not done again.
func (e *Engine) Step(ctx context.Context, id events.PlanID) (step Step, err error) {
	err = e.cfg.Look(ctx, func(look Lookup) (err error) {
		step, err = e.step(ctx, look, id)
		return err
	})
	return step, err
}

func (e *Engine) step(ctx context.Context, look Lookup, id events.PlanID) (Step, error) {
	d, err := PlanOf(look, id)
	if err != nil {
		return Step{}, err
	}
	x := &execution{
		Engine: e, look: look, id: id, d: d, step: Step{Wave: len(d.Checked), Waves: len(d.Plan.Waves)},
		rules: rules{Heads: look, e: events.Event{About: events.OfDeletion(id)}},
	}
	if err := x.rules.read(); err != nil {
		return x.step, err
	}
	x.rules.at.Time = max(e.cfg.Now(), x.rules.known())
	err = x.next(ctx)
	return x.step, err
}

// execution is one step of a plan.
type execution struct {
	*Engine
	look  Lookup
	id    events.PlanID
	d     events.Deletion
	rules rules
	step  Step
}

// next does what comes next.
func (x *execution) next(ctx context.Context) error {
	switch {
	case !x.d.Ended.IsZero():
		x.step.Done, x.step.Why = true, x.d.Finished.Why
		return nil
	case x.d.Started.IsZero():
		return x.start(ctx)
	}
	passage, passed, err := x.rules.passage(x.id, x.step.Wave+1)
	if err != nil {
		return err
	}
	if passed {
		x.step.Wave++
		return x.check(ctx, passage)
	}
	if x.step.Wave > 0 {
		if why := asPlanned(x.d, x.d.Checked[x.step.Wave-1]); why != "" {
			return x.end(ctx, events.DeletionFinished{Why: fmt.Sprintf("wave %d: %s", x.step.Wave, why)})
		}
	}
	if x.step.Wave == x.step.Waves {
		return x.end(ctx, events.DeletionFinished{Done: true})
	}
	err = x.rules.alive(x.id, x.d)
	if err == nil {
		return x.wave(ctx)
	}
	return x.put(ctx, err)
}

// start starts an owner's request that is confirmed and can still be carried out. Anything
// else somebody has to start.
func (x *execution) start(ctx context.Context) error {
	err := x.rules.alive(x.id, x.d)
	if x.d.Confirmed.By == "" {
		if errors.Is(err, ErrDead) || errors.Is(err, ErrHalted) {
			return x.put(ctx, err)
		}
		return catalogue.Refuse(ErrNotStarted, "catalogue delete run", "%s is to be started first", x.id)
	}
	if err == nil {
		err = x.rules.enough(x.d, 1, byItself)
	}
	if err == nil {
		err = x.unchanged(x.look, x.id, x.d, 1)
	}
	if err != nil {
		return x.put(ctx, err)
	}
	if fresh, err := x.rehearse(ctx); !fresh || err != nil {
		return err
	}
	return x.Start(ctx, x.id, byItself)
}

// rehearse rehearses an owner's request that has no fresh rehearsal. One that did not pass,
// for whatever reason, is recorded, and tried again in a while.
func (x *execution) rehearse(ctx context.Context) (fresh bool, err error) {
	stale := x.rules.fresh(x.d)
	if stale == nil {
		return true, nil
	}
	if left := rehearseAgain - x.rules.at.Time.Sub(x.d.Rehearsal.Time); !x.d.Rehearsal.IsZero() && !x.d.Rehearsed.Passed && left > 0 {
		x.step.Wait = left
		return false, x.put(ctx, stale)
	}
	found, err := x.cfg.Rehearsal(ctx, x.id, x.d.Plan)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		nothing := sha256.Sum256(nil)
		found = events.DeletionRehearsed{Why: events.OneLine(err.Error()), Evidence: nothing[:]}
	}
	return false, x.rehearsed(ctx, x.id, x.d, byItself, found)
}

// put deals with a reason not to go on: what may yet change is waited for, what cannot
// ends the plan, and a failure to find out is told.
func (x *execution) put(ctx context.Context, err error) error {
	refusal, refused := errors.AsType[*catalogue.ReasonError](err)
	switch {
	case !refused:
		return err
	case errors.Is(err, ErrHeld), errors.Is(err, ErrApproval), errors.Is(err, ErrRehearsal), errors.Is(err, ErrBudget), errors.Is(err, ErrTooSoon):
		x.step.Wait, x.step.Why = cmp.Or(x.step.Wait, lookAgain), refusal.Met
		return nil
	}
	return x.end(ctx, events.DeletionFinished{Why: refusal.Error()})
}

// end ends a plan.
func (x *execution) end(ctx context.Context, p events.DeletionFinished) error {
	p.Why = events.OneLine(p.Why)
	a := x.by(cmp.Or(x.d.Executor, byItself))
	a.finish(x.id, x.d.Plan.Kind, x.rules.door, p)
	err := a.publish(ctx)
	if err == nil {
		x.step.Done, x.step.Why = true, p.Why
	}
	return err
}

// wave executes the next wave, or tells how long it has to wait.
func (x *execution) wave(ctx context.Context) error {
	wave := x.step.Wave + 1
	if wave > 1 {
		bake := events.Time(bakeAfter(x.rules.policy.Policy, wave-1).Duration())
		if left := bake - x.rules.clock.since(x.d.LastCheck.Time, x.rules.at.Time); left > 0 {
			x.step.Wait = time.Duration(left)
			return nil
		}
	}
	a := x.by(x.d.Executor)
	a.wave(x.id, x.d, wave)
	// What the wave would be refused for is found out before its targets are looked at and
	// before it is asked for.
	if err := Vouch(x.look, x.preview(a.unit[0])); err != nil {
		if wave == 1 && x.d.Confirmed.By != "" && errors.Is(err, ErrRehearsal) {
			_, err := x.rehearse(ctx)
			return err
		}
		return x.put(ctx, err)
	}
	// What was well right after a wave may have gone bad while it baked; and what was bad
	// before the first one would not show what the wave has done.
	cause, bad, err := x.health(ctx, wave-1)
	switch {
	case err != nil:
		return err
	case bad != "":
		return x.halt(ctx, cause, wave, bad)
	}
	if err := x.unchanged(x.look, x.id, x.d, wave); err != nil {
		return x.put(ctx, err)
	}
	err = a.publish(ctx)
	if err == nil {
		x.step.Wave = wave
	}
	return err
}

// preview is an event as it would stand next.
func (x *execution) preview(e events.Event) events.Event {
	e.Seq, e.RecordedTime = x.look.AsOf()+1, x.rules.at.Time
	return e
}

// check counts what a wave has done, asks the health checks, and records both. Whatever
// is not as planned halts every deletion.
func (x *execution) check(ctx context.Context, passage events.Passage) error {
	found, err := x.cfg.Recount(ctx, x.d, passage)
	if err != nil {
		return err
	}
	cause, bad, err := x.health(ctx, int(passage.Wave))
	if err != nil {
		return err
	}
	found.Wave, found.Healthy, found.Detail = passage.Wave, bad == "", bad
	a := x.by(byItself)
	if why := asPlanned(x.d, found); why != "" {
		a.add(theDoor(), events.DoorHalted{Cause: cmp.Or(cause, events.HaltMismatch), Detail: events.OneLine(fmt.Sprintf("wave %d of %s: %s", passage.Wave, x.id, why))})
	}
	a.add(events.OfDeletion(x.id), found)
	return a.publish(ctx)
}

// health asks the health checks after a wave, 0: before the first one, and says of the
// first check that is bad why.
func (x *execution) health(ctx context.Context, wave int) (cause events.HaltCause, bad string, err error) {
	for _, check := range x.rules.policy.Policy.Checks {
		err := x.cfg.Check(ctx, check, x.id, wave)
		if ctx.Err() != nil {
			return "", "", ctx.Err() // nobody has answered that anything is bad
		}
		if err == nil {
			continue
		}
		cause = events.HaltHealth
		if errors.Is(err, ErrSilent) {
			cause = events.HaltNoHealth
		}
		return cause, events.OneLine(check + ": " + err.Error()), nil
	}
	return "", "", nil
}

// halt halts every deletion because of a health check, before a wave.
func (x *execution) halt(ctx context.Context, cause events.HaltCause, wave int, bad string) error {
	a := x.by(byItself)
	a.add(theDoor(), events.DoorHalted{Cause: cause, Detail: events.OneLine(fmt.Sprintf("before wave %d of %s: not healthy: %s", wave, x.id, bad))})
	return a.publish(ctx)
}
