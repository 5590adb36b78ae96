package deletion

import (
	"errors"
	"fmt"
)

// The answers of this package. Match with errors.Is.
var (
	// ErrNoPlan is returned for a tombstone that no plan's wave makes.
	ErrNoPlan = errors.New("nothing is deleted but by a wave of an approved plan")
	// ErrHalted is returned while deletions are halted, and for plans from before a halt.
	ErrHalted = errors.New("deletions are halted")
	// ErrHeld is returned while a restoration is being applied.
	ErrHeld = errors.New("a restoration is being applied")
	// ErrDead is returned for a plan that will go no further.
	ErrDead = errors.New("the plan is dead")
	// ErrApproval is returned for an approval that does not count, or when there are too few.
	ErrApproval = errors.New("not approved")
	// ErrRehearsal is returned for a plan without a rehearsal that has passed and is fresh.
	ErrRehearsal = errors.New("not rehearsed")
	// ErrBudget is returned when more would go than the policy allows.
	ErrBudget = errors.New("over the budget")
	// ErrTooSoon is returned before something has waited as long as it must.
	ErrTooSoon = errors.New("too soon")
	// ErrNotStarted is returned for a plan that nobody has started.
	ErrNotStarted = errors.New("the plan was not started")
	// ErrPlan is returned for a plan that is not as a plan must be.
	ErrPlan = errors.New("the plan does not hold")
	// ErrRestoration is returned for what comes back and is not what a restoration planned.
	ErrRestoration = errors.New("no restoration brings that back")
	// ErrLetGo is returned for what comes back while its restoration does not hold the door.
	ErrLetGo = fmt.Errorf("%w while it does not hold the door", ErrRestoration)
	// ErrPolicy is returned for a change of policy that may not be made.
	ErrPolicy = errors.New("the policy does not allow it")
)
