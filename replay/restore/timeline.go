package restore

import (
	"fmt"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// timeline is the history of one tenant, told again without some of its events.
type timeline struct {
	events []events.Event // all of the tenant's, in order
	// restoration looks up what an earlier restoration set out to do.
	restoration func(events.RestoreID) (events.Restoration, error)
}

// without leaves out a cause's events after a cut.
type without struct {
	cut   events.Seq
	cause events.Cause
}

// told is what a timeline leads to.
type told struct {
	state   catalogue.MapState
	kept    int // events after the first cut that were decided again and stay
	undone  int // the causes' own
	illegal []Illegal
}

// Illegal is a kept event that the state it meets now refuses.
type Illegal struct {
	Seq  events.Seq     `json:"seq"`
	ID   events.EventID `json:"id"`
	Type events.Type    `json:"type"`
	Why  string         `json:"why"`
}

// at is the state after seq as it really was.
func (t timeline) at(seq events.Seq) (told, error) { return t.tell(seq, nil) }

// tell folds the events up to seq, without what is left out. Events up to the
// earliest cut stand as they are; each later one is decided again on the state
// it now meets. A restoration on the way carries a state that knows nothing of
// what is left out, so that state is derived again: a rewind's by telling the
// timeline up to its cut, an undo's by leaving out its cause as well.
func (t timeline) tell(upTo events.Seq, out []without) (told, error) {
	result := told{state: catalogue.MapState{}}
	cut := upTo
	for _, w := range out {
		cut = min(cut, w.cut)
	}
	for _, e := range t.events {
		if e.Seq > upTo {
			break
		}
		if e.Seq <= cut {
			if err := catalogue.Evolve(result.state, e); err != nil {
				return result, err
			}
			continue
		}
		if leftOut(e, out) {
			result.undone++
			continue
		}
		if err := t.decideAgain(&result, e, out); err != nil {
			return result, err
		}
	}
	return result, nil
}

func leftOut(e events.Event, out []without) bool {
	for _, w := range out {
		if e.Seq > w.cut && w.cause.Selects(e) {
			return true
		}
	}
	return false
}

func (t timeline) decideAgain(result *told, e events.Event, out []without) error {
	if restored, ok := e.Payload.(events.TenantRestored); ok {
		return t.restoreAgain(result, e, restored, out)
	}
	if err := catalogue.Decide(settled{}, result.state, e); err != nil {
		result.illegal = append(result.illegal, Illegal{Seq: e.Seq, ID: e.ID, Type: e.Type(), Why: err.Error()})
		return nil
	}
	result.kept++
	return catalogue.Evolve(result.state, e)
}

func (t timeline) restoreAgain(result *told, e events.Event, restored events.TenantRestored, out []without) error {
	if restored.Part > 1 {
		return nil // derived whole at its first part
	}
	upTo := restored.Cut
	if restored.Mode == events.Undo {
		earlier, err := t.restoration(restored.Restoration)
		if err != nil {
			return fmt.Errorf("derive %s again at %d: %w", restored.Restoration, e.Seq, err)
		}
		upTo = restored.AsOf
		out = append(out[:len(out):len(out)], without{cut: restored.Cut, cause: earlier.Cause})
	}
	derived, err := t.tell(upTo, out)
	if err != nil {
		return err
	}
	result.state = derived.state
	return nil
}

// settled is the world of events that were decided once: the ids they issue
// and the claims they take were theirs then. What has been claimed by others
// since is a conflict of the plan as a whole.
type settled struct{}

// Exists is always true.
func (settled) Exists(events.Aggregate) (bool, error) { return true, nil }

// Claimed is nobody.
func (settled) Claimed(events.Aggregate) (events.TenantID, error) { return events.TenantID{}, nil }

// Used is always false.
func (settled) Used(uuid.UUID) (bool, error) { return false, nil }
