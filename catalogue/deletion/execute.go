package deletion

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tenantcatalogue/events"
)

// heldFor is how long to wait before looking again whether a restoration is finished.
const heldFor = time.Minute

// Step is what an execution did last, and what comes next.
type Step struct {
	Wave  int           `json:"wave"`          // the last that has passed
	Waves int           `json:"waves"`         // how many there are
	Done  bool          `json:"done"`          // nothing is left to be done
	Why   string        `json:"why,omitzero"`  // it ended before all was done
	Wait  time.Duration `json:"wait,omitzero"` // nothing can be done before
}

// Step does the next thing of a plan that was started: it executes a wave, or counts and
// checks the one that has passed, or ends the plan. All it goes by stands in the log, so
// that it goes on after a crash wherever it was; what was done is not done again.
func (e *Engine) Step(ctx context.Context, id events.PlanID) (step Step, err error) {
	err = e.cfg.Look(ctx, func(look Lookup) (err error) {
		step, err = e.step(ctx, look, id)
		return err
	})
	return step, err
}

func (e *Engine) step(ctx context.Context, look Lookup, id events.PlanID) (Step, error) {
	d, err := known(look, id)
	if err != nil {
		return Step{}, err
	}
	x := &execution{
		Engine: e, look: look, id: id, d: d, step: Step{Wave: len(d.Checked), Waves: len(d.Plan.Waves)},
		rules: rules{States: look, e: events.Event{About: events.OfDeletion(id)}, at: events.Mark{Time: e.now()}},
	}
	if err := x.rules.read(); err != nil {
		return x.step, err
	}
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
	if !x.d.Ended.IsZero() {
		x.step.Done, x.step.Why = true, x.d.Finished.Why
		return nil
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
			return x.end(ctx, fmt.Sprintf("wave %d: %s", x.step.Wave, why))
		}
	}
	if x.step.Wave == x.step.Waves {
		x.step.Done = true
		return x.finish(ctx, x.look, x.id, x.d, x.d.Executor, events.DeletionFinished{Done: true})
	}
	switch err := x.rules.alive(x.id, x.d); {
	case errors.Is(err, ErrHeld):
		x.step.Wait = heldFor
		return nil
	case err != nil:
		return x.end(ctx, err.Error())
	}
	return x.wave(ctx)
}

// end ends a plan that cannot go on.
func (x *execution) end(ctx context.Context, why string) error {
	x.step.Done, x.step.Why = true, why
	return x.finish(ctx, x.look, x.id, x.d, "deletion", events.DeletionFinished{Why: clipText(why)})
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
	if err := x.unchanged(x.look, x.id, x.d, wave); err != nil {
		return x.end(ctx, err.Error())
	}
	err := x.publish(ctx, x.acts(x.d.Executor).wave(x.id, x.d, wave)...)
	if dead(err) {
		return x.end(ctx, err.Error())
	}
	if err == nil {
		x.step.Wave = wave
	}
	return err
}

// dead tells whether asking again would be in vain: the rules refuse the wave for good.
// A budget may have room again; what comes of a halt is decided by the next look.
func dead(err error) bool {
	return errors.Is(err, ErrApproval) || errors.Is(err, ErrPlan)
}

// check counts what a wave has done, asks the health checks, and records both. Whatever
// is not as planned halts every deletion.
func (x *execution) check(ctx context.Context, passage events.Passage) error {
	found, err := x.cfg.Recount(ctx, x.d, passage)
	if err != nil {
		return err
	}
	found.Wave, found.Healthy = passage.Wave, true
	cause := events.HaltMismatch
	for _, check := range x.rules.policy.Policy.Checks {
		if err := x.cfg.Check(ctx, check, x.id, int(passage.Wave)); err != nil {
			found.Healthy, found.Detail, cause = false, clipText(check+": "+err.Error()), events.HaltHealth
			if errors.Is(err, ErrSilent) {
				cause = events.HaltNoHealth
			}
			break
		}
	}
	checked := x.acts("deletion").event(events.OfDeletion(x.id), found, fmt.Sprint(passage.Wave))
	why := asPlanned(x.d, found)
	if why == "" {
		return x.publish(ctx, checked)
	}
	// The halt first: it must not depend on anything else.
	halt := events.DoorHalted{Cause: cause, Detail: clipText(fmt.Sprintf("wave %d of %s: %s", passage.Wave, x.id, why))}
	return errors.Join(x.Halt(ctx, "deletion", halt), x.publish(ctx, checked))
}

// clipText makes a text fit a field of one line.
func clipText(text string) string {
	out := make([]rune, 0, len(text))
	for _, c := range text {
		if c < ' ' || c == 0x7f || c >= 0x2028 && c <= 0x202e || c >= 0x2066 && c <= 0x2069 || c == '\ufffd' {
			c = ' '
		}
		if out = append(out, c); len(out) == 512 {
			break
		}
	}
	return string(out)
}
