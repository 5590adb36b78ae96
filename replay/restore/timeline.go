package restore

import (
	"fmt"
	"slices"

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
	stands  map[events.Seq]bool // events after the first cut that are in the state
	illegal []Illegal           // events after the first cut that the state they met refused
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
	cut := upTo
	for _, w := range out {
		cut = min(cut, w.cut)
	}
	result, rest, err := t.begin(upTo, cut, out)
	if err != nil {
		return result, err
	}
	for _, e := range rest {
		switch {
		case e.Seq > upTo:
			return result, nil
		case e.Seq <= cut:
			err = catalogue.Evolve(result.state, e)
		case !leftOut(e, out) && !isRestored(e):
			err = result.decideAgain(e)
		}
		if err != nil {
			return result, err
		}
	}
	return result, nil
}

// begin finds where to begin telling: with the last restoration between the
// cut and upTo that is not left out, since nothing before it shows any more; or
// with nothing and the first event.
func (t timeline) begin(upTo, cut events.Seq, out []without) (told, []events.Event, error) {
	for i := len(t.events) - 1; i >= 0 && t.events[i].Seq > cut; i-- {
		e := t.events[i]
		restored, ok := e.Payload.(events.TenantRestored)
		if !ok || restored.Part > 1 || e.Seq > upTo || leftOut(e, out) {
			continue
		}
		derived, err := t.restoreAgain(e.Seq, restored, out)
		return derived, t.events[i+1:], err
	}
	return told{state: catalogue.MapState{}, stands: map[events.Seq]bool{}}, t.events, nil
}

func leftOut(e events.Event, out []without) bool {
	for _, w := range out {
		if e.Seq > w.cut && w.cause.Selects(e) {
			return true
		}
	}
	return false
}

func (r *told) decideAgain(e events.Event) error {
	if err := catalogue.Decide(settled{}, r.state, e); err != nil {
		r.illegal = append(r.illegal, Illegal{Seq: e.Seq, ID: e.ID, Type: e.Type(), Why: err.Error()})
		return nil //nolint:nilerr // what cannot follow is told, and left out
	}
	r.stands[e.Seq] = true
	return catalogue.Evolve(r.state, e)
}

// restoreAgain derives what the restoration at seq brings back when something
// is left out before it.
func (t timeline) restoreAgain(seq events.Seq, restored events.TenantRestored, out []without) (told, error) {
	upTo := restored.Cut
	if restored.Mode == events.Undo {
		earlier, err := t.restoration(restored.Restoration)
		if err != nil {
			return told{}, fmt.Errorf("derive %s again at %d: %w", restored.Restoration, seq, err)
		}
		upTo = restored.AsOf
		out = append(slices.Clip(out), without{cut: restored.Cut, cause: earlier.Cause})
	}
	return t.tell(upTo, out)
}

// fates tells the events after a cut apart by what becomes of them. What an
// earlier restoration has undone and this one does not bring back is in none.
type fates struct {
	undone  []events.Event // the cause's
	kept    []events.Event // of others: in the state that comes back
	lost    []events.Event // of others: in the present state, or kept but illegal
	illegal []Illegal      // those of lost that the state they meet refuses
}

// fates compares the state as it stands at asOf with the one that comes back.
func (t timeline) fates(cut, asOf events.Seq, cause events.Cause, then told) (f fates, err error) {
	now, err := t.tell(asOf, []without{{cut: cut}}) // without nothing
	if err != nil {
		return f, err
	}
	refused := map[events.Seq]bool{}
	for _, i := range now.illegal {
		refused[i.Seq] = true // accepted by an earlier restoration
	}
	illegal := map[events.Seq]bool{}
	for _, i := range then.illegal {
		if i.Seq > cut && !refused[i.Seq] {
			f.illegal = append(f.illegal, i)
			illegal[i.Seq] = true
		}
	}
	for _, e := range t.events {
		switch {
		case e.Seq <= cut || e.Seq > asOf:
		case cause.Selects(e):
			f.undone = append(f.undone, e)
		case then.stands[e.Seq]:
			f.kept = append(f.kept, e)
		case now.stands[e.Seq] || illegal[e.Seq]:
			f.lost = append(f.lost, e)
		}
	}
	return f, nil
}

// settled is the world of events that were decided once: the ids they issue
// and the claims they take were theirs then. What has been claimed by others
// since is a conflict of the plan as a whole.
type settled struct{}

// Exists is always true.
func (settled) Exists(events.Aggregate) (bool, error) { return true, nil }

// Claimed is nobody.
func (settled) Claimed(events.Aggregate) (events.TenantID, error) { return events.TenantID{}, nil }

// Issued is always to nobody.
func (settled) Issued(uuid.UUID) (events.Aggregate, bool, error) {
	return events.Aggregate{}, false, nil
}
