package catalogue

import (
	"fmt"
	"slices"
	"time"

	"tenantcatalogue/events"
)

const (
	// RecentPassages is how many waves the door remembers for the budgets. When so
	// many have passed within a budget's time the budget counts as spent.
	RecentPassages = 2048
	// RecentSkips is how many stretches without ticks are kept each for itself. There is
	// more than an hour between two, so that these are the last 42 days at least: more
	// than any budget's time.
	RecentSkips = 1024
	// TickEvery is the longest time between two ticks that counts. What goes beyond
	// has been skipped: the catalogue was down, or a clock has jumped.
	TickEvery = time.Hour
)

// evolveGoverned folds what deletions are governed by: plans, the door, the policy,
// the clock, liens.
func evolveGoverned(s State, e events.Event) error {
	at := events.Mark{Seq: e.Seq, Time: e.RecordedTime}
	payload, err := events.ClonePayload(e.Payload) // whoever holds the event cannot change the state through it
	if err != nil {
		return err
	}
	switch e.About.Kind {
	case events.AggregateDeletion:
		return evolveDeletion(s, e.About, payload, at)
	case events.AggregateDoor:
		return evolveDoor(s, payload, at)
	case events.AggregatePolicy:
		return evolvePolicy(s, payload, at)
	case events.AggregateLien:
		return evolveLien(s, payload, at)
	case events.AggregateClock:
		return evolveClock(s, at.Time)
	case events.AggregateAlarm:
		return nil // it is told, and changes nothing
	case events.AggregateTenant, events.AggregateAccount, events.AggregateClaim, events.AggregateRestoration:
	}
	return fmt.Errorf("%w: there is no fold for %T", ErrFold, e.Payload)
}

func evolveDeletion(s State, about events.Aggregate, payload events.Payload, at events.Mark) error {
	key := events.Deletion{}.EntityKey()
	switch p := payload.(type) {
	case events.DeletionPlanned:
		hash, err := p.Hash(about.Plan())
		if err != nil {
			return err
		}
		return s.Put(events.Deletion{Plan: p, Hash: hash, Planned: at})
	case events.DeletionApproved:
		return change(s, key, func(d *events.Deletion) {
			d.Approvals = append(slices.Clip(d.Approvals), events.Given{Approval: p.Approval, Mark: at})
		})
	case events.DeletionConfirmed:
		return change(s, key, func(d *events.Deletion) { d.Confirmed = p })
	case events.DeletionRehearsed:
		return change(s, key, func(d *events.Deletion) { d.Rehearsed, d.Rehearsal = p, at })
	case events.DeletionStarted:
		return change(s, key, func(d *events.Deletion) { d.Executor, d.Started = p.Executor, at })
	case events.DeletionWaveChecked:
		return change(s, key, func(d *events.Deletion) {
			d.Checked, d.LastCheck = append(slices.Clip(d.Checked), p), at
		})
	case events.DeletionFinished:
		return change(s, key, func(d *events.Deletion) { d.Finished, d.Ended = p, at })
	}
	return nil // a plan that was refused is told, and leaves nothing
}

func evolveDoor(s State, payload events.Payload, at events.Mark) error {
	if !s.Keeps(events.EntityDoor) {
		return nil
	}
	door, _, err := Get[events.Door](s, events.Door{}.EntityKey())
	if err != nil {
		return err
	}
	switch p := payload.(type) {
	case events.DoorAdmitted:
		door.Open = append(slices.Clip(door.Open), events.Admitted{Plan: p.Plan, Kind: p.Kind, Expires: p.Expires, Owners: p.Owners, Mark: at})
	case events.DoorPassed:
		passage := events.Passage{Plan: p.Plan, Kind: p.Kind, Wave: p.Wave, Targets: p.Targets, Owners: p.Owners, Mark: at}
		recent := door.Recent[max(0, len(door.Recent)+1-RecentPassages):]
		door.Recent = append(slices.Clip(recent), passage)
		if err := s.Put(passage); err != nil {
			return err
		}
	case events.DoorLeft:
		door.Open = without(door.Open, func(a events.Admitted) bool { return a.Plan == p.Plan })
	case events.DoorHalted:
		door.Last = events.Mark{Seq: at.Seq, Time: max(at.Time, door.Last.Time)} // it is never refused, whatever time it has
		door.Open = nil
		if door.Halted.IsZero() { // another halt changes nothing of what is to be lifted
			door.Halt, door.Halted = p, at
		}
	case events.DoorReopened:
		door.Halt, door.Halted = events.DoorHalted{}, events.Mark{}
		door.Held = without(door.Held, func(id events.RestoreID) bool { return slices.Contains(p.LetGo, id) })
	case events.DoorHeld:
		if !slices.Contains(door.Held, p.Restoration) {
			door.Held = append(slices.Clip(door.Held), p.Restoration)
		}
	case events.DoorReleased:
		door.Held = without(door.Held, func(id events.RestoreID) bool { return id == p.Restoration })
	}
	return s.Put(door)
}

// without is a list without what is meant; nil when nothing is left.
func without[E any](list []E, meant func(E) bool) []E {
	out := slices.DeleteFunc(slices.Clone(list), meant)
	if len(out) == 0 {
		return nil
	}
	return out
}

// evolvePolicy folds the policy and what is proposed, which are kept together.
func evolvePolicy(s State, payload events.Payload, at events.Mark) error {
	if !s.Keeps(events.EntityPolicy) {
		return nil
	}
	key := events.Proposal{}.EntityKey()
	switch p := payload.(type) {
	case events.PolicyProposed:
		return s.Put(events.Proposal{Proposed: p, Mark: at})
	case events.PolicyApproved:
		return change(s, key, func(o *events.Proposal) {
			o.Approvals = append(slices.Clip(o.Approvals), events.Given{Approval: p.Approval, Mark: at})
		})
	case events.PolicyChanged:
		proposal, found, err := Get[events.Proposal](s, key)
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("%w: the policy it puts in force was not proposed", ErrFold)
		}
		if err := s.Put(events.InForce{Version: p.Version, Policy: proposal.Proposed.Policy, Since: at}); err != nil {
			return err
		}
		return s.Delete(key)
	}
	return nil
}

func evolveLien(s State, payload events.Payload, at events.Mark) error {
	list, _, err := Get[events.Liens](s, events.Liens{}.EntityKey())
	if err != nil {
		return err
	}
	switch p := payload.(type) {
	case events.LienPlaced:
		list.Liens = append(slices.Clip(list.Liens), events.Lien{Matter: p.Matter, Reason: p.Reason, Since: at})
	case events.LienLifted:
		list.Liens = without(list.Liens, func(l events.Lien) bool { return l.Matter == p.Matter })
	}
	if list.Liens == nil {
		return s.Delete(list.EntityKey())
	}
	return s.Put(list)
}

func evolveClock(s State, now events.Time) error {
	c, found, err := Get[events.Clock](s, events.Clock{}.EntityKey())
	if err != nil {
		return err
	}
	allowed := events.Time(TickEvery)
	gap := now - c.Last
	if found && gap <= 0 {
		return nil // time does not run backwards
	}
	if found && gap > allowed {
		c.Skips = append(merged(c.Skips), events.Skipped{At: c.Last + allowed, For: gap - allowed})
	}
	c.Last = now
	return s.Put(c)
}

// merged makes room for one more skip: the oldest is moved to right before the one after
// it, and is one with it then. What lies in between has had more time skipped since than
// it really had; nothing ever less.
func merged(skips []events.Skipped) []events.Skipped {
	if len(skips) < RecentSkips {
		return slices.Clip(skips)
	}
	out := slices.Clone(skips[1:])
	out[0].At -= skips[0].For
	out[0].For += skips[0].For
	return out
}
