package api

import (
	"context"
	"slices"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/cmd/internal/auth"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
)

// HaltRequest halts every deletion.
type HaltRequest struct {
	Detail string `json:"detail,omitzero"` // why
}

// HaltResponse is what is recorded.
type HaltResponse struct {
	By string `json:"by"`
	events.DoorHalted
}

// Halt halts every deletion, at once. It takes nobody's approval and looks at nothing
// that could be behind.
func (a *API) Halt(ctx context.Context, who auth.Caller, req HaltRequest) (out HaltResponse, err error) {
	if err := deleter(who); err != nil {
		return out, err
	}
	out.By, out.DoorHalted = who.Name, events.DoorHalted{Cause: events.HaltByPerson, Detail: req.Detail}
	if err := a.valid(out.DoorHalted); err != nil {
		return out, err
	}
	return out, a.sys.Deletions().Halt(ctx, who.Name, out.DoorHalted)
}

// Door is the door that every deletion goes through.
type Door struct {
	Halt   *events.DoorHalted `json:"halt,omitzero"`   // nil: nothing is halted
	Halted events.Mark        `json:"halted,omitzero"` // when
	ToSign *ToSign            `json:"to_sign,omitzero"`
	Open   []events.Admitted  `json:"open"` // plans that may go on
	Held   []events.RestoreID `json:"held"` // restorations that are being applied
}

// DoorRequest asks how the door stands.
type DoorRequest struct {
	LetGo []events.RestoreID `json:"let_go,omitzero"` // what is to be let go of when the halt is lifted
}

// DoorShow tells whether deletions are halted, and what it takes to lift that.
func (a *API) DoorShow(ctx context.Context, who auth.Caller, req DoorRequest) (out Door, err error) {
	if err := operator(who); err != nil {
		return out, err
	}
	err = a.sys.Look(ctx, func(look deletion.Lookup) error {
		door, err := deletion.DoorOf(look)
		if err != nil {
			return err
		}
		policy, err := deletion.PolicyOf(look)
		if err != nil {
			return err
		}
		out.Open, out.Held = append([]events.Admitted{}, door.Open...), append([]events.RestoreID{}, door.Held...)
		if door.Halted.IsZero() {
			return nil
		}
		out.Halt, out.Halted = &door.Halt, door.Halted
		out.ToSign = &ToSign{
			Environment: policy.Policy.Environment, Action: deletion.ActionReopen, Hash: deletion.HaltHash(door.Halted, req.LetGo),
			Sentence: deletion.ReopenSentence(policy.Policy.Environment, door.Halted, req.LetGo), Life: policy.Policy.ApprovalLife, Now: a.sys.Now(),
		}
		return nil
	})
	return out, err
}

// LiftRequest lifts the halt in force.
type LiftRequest struct {
	Reason   string             `json:"reason"`
	Approval events.Approval    `json:"approval"`
	LetGo    []events.RestoreID `json:"let_go,omitzero"` // restorations that hold the door and cannot be applied to their end
}

// HaltLift lifts a halt. The plans that it has killed stay dead.
func (a *API) HaltLift(ctx context.Context, who auth.Caller, req LiftRequest) (out Door, err error) {
	if err := operator(who); err != nil {
		return out, err
	}
	lifted := events.DoorReopened{Approval: req.Approval, Reason: req.Reason, LetGo: req.LetGo}
	if err := a.valid(lifted); err != nil {
		return out, err
	}
	if err := a.sys.Deletions().Reopen(ctx, who.Name, lifted); err != nil {
		return out, err
	}
	return a.DoorShow(ctx, who, DoorRequest{})
}

// AlarmsRequest asks for the newest alarms.
type AlarmsRequest struct {
	Limit int `json:"limit,omitzero"`
}

// AlarmsResponse is alarms, the newest first.
type AlarmsResponse struct {
	Alarms []Alarm `json:"alarms"`
}

// Alarm is what the watcher saw in the log.
type Alarm struct {
	Seq  events.Seq  `json:"seq"`
	Time events.Time `json:"recorded"`
	events.AlarmRaised
}

// Alarms lists alarms.
func (a *API) Alarms(ctx context.Context, who auth.Caller, req AlarmsRequest) (out AlarmsResponse, err error) {
	if err := operator(who); err != nil {
		return out, err
	}
	n, err := limit(req.Limit)
	if err != nil {
		return out, err
	}
	if err := a.waitForHead(ctx); err != nil {
		return out, err
	}
	out.Alarms = []Alarm{}
	err = a.history(func(r *history.Reader) error {
		return r.Of(events.TheOne(events.AggregateAlarm), 0, r.Head(), func(s events.Stored) error {
			e, err := events.Decode(s)
			if raised, ok := e.Payload.(events.AlarmRaised); err == nil && ok { // what cannot be read, verify shows
				out.Alarms = append(out.Alarms[max(0, len(out.Alarms)+1-n):], Alarm{Seq: e.Seq, Time: e.RecordedTime, AlarmRaised: raised})
			}
			return nil
		})
	})
	slices.Reverse(out.Alarms)
	return out, err
}
