// Package deletions is the view of what deletions are governed by: plans and what became
// of them, the door and what has passed it, the policy and what is proposed, the clock,
// liens on tenants. What may not stand in the log is not in it, and a list that was refused
// leaves nothing here, however many there are.
//
// Read from one viewdb.Snapshot, so that a plan and the door are of one moment.
package deletions

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/viewdb"
)

// Name and Format are those of the view.
const (
	Name   = "deletions"
	Format = 4
)

// The indexes, each of them in the order of the log, the newest first. A plan's id does not
// say when it was made: whoever signs it chooses it.
const (
	byPlanned = 'p'
	byAuthor  = 'a' // plans that their authors have signed; an owner's request is nobody's
	byWave    = 'w' // waves that have passed
)

// New is the view's projector.
func New() *projectors.EntityView {
	return &projectors.EntityView{
		ViewName: Name, ViewFormat: Format, Index: index,
		Kinds: []events.EntityKind{
			events.EntityDeletion, events.EntityDoor, events.EntityPassage, events.EntityPolicy, events.EntityProposal,
			events.EntityClock, events.EntityLiens,
		},
	}
}

func index(a events.Aggregate, e events.Entity) ([][]byte, error) {
	var keys [][]byte
	add := func(seq events.Seq, index byte, fields ...string) {
		keys = append(keys, projectors.IndexEntry(appendBefore(projectors.IndexKey(index, fields...), seq), a.ID, e.EntityKey().ID))
	}
	switch e := e.(type) {
	case events.Deletion:
		add(e.Planned.Seq, byPlanned)
		if e.Plan.Owner.IsZero() {
			add(e.Planned.Seq, byAuthor, e.Plan.Author)
		}
	case events.Passage:
		add(e.Mark.Seq, byWave)
	}
	return keys, nil
}

// appendBefore appends a Seq so that the last sorts first.
func appendBefore(key []byte, seq events.Seq) []byte {
	return binary.BigEndian.AppendUint64(key, ^uint64(seq))
}

// Look is what the rules look at, as of one moment: what is read once is kept.
type Look struct {
	rows   viewdb.Reader
	states map[events.Aggregate]catalogue.State
}

// NewLook looks at a view. It is for one goroutine, and good for as long as what it reads.
func NewLook(r viewdb.Reader) *Look {
	return &Look{r, map[events.Aggregate]catalogue.State{}}
}

// State is as in deletion.States.
func (l *Look) State(about events.Aggregate) catalogue.State {
	state, known := l.states[about]
	if !known {
		state = State(l.rows, about)
		l.states[about] = state
	}
	return state
}

// Head tells whether what is known of an aggregate is to be trusted, and no more.
func (l *Look) Head(about events.Aggregate) (h catalogue.Head, err error) {
	h.Quarantined, err = Quarantined(l.rows, about)
	return h, err
}

// State is what is known of a plan, the door, the policy, the clock or a tenant's liens,
// each entity read when it is asked for. Ask Quarantined whether it is to be trusted.
func State(r viewdb.Reader, about events.Aggregate) catalogue.State { return New().State(r, about) }

// Quarantined is the event about an aggregate that could not be read or folded; 0: there
// is none, and what is known is what the log says.
func Quarantined(r viewdb.Reader, about events.Aggregate) (events.Seq, error) {
	q, _, err := projectors.QuarantineOf(r, about)
	return q.Seq, err
}

// Each calls fn for every plan that was stored, the newest first. Ask Quarantined whether
// what is known of one is to be trusted. fn ends it with viewdb.ErrStop.
func Each(r viewdb.Reader, fn func(events.PlanID, events.Deletion) error) error {
	return each(r, projectors.IndexKey(byPlanned), nil, fn)
}

// Unread lists the plans of which nothing could be read, and so nothing is known, in the order
// of their ids.
func Unread(r viewdb.Reader) (ids []events.PlanID, err error) {
	out, err := projectors.Quarantined(r)
	for about := range out {
		if about.Kind != events.AggregateDeletion {
			continue
		}
		_, known, getErr := catalogue.Get[events.Deletion](State(r, about), events.Deletion{}.EntityKey())
		if err = cmp.Or(err, getErr); !known {
			ids = append(ids, about.Plan())
		}
	}
	slices.SortFunc(ids, events.PlanID.Compare)
	return ids, err
}

// EachOf calls fn for the plans that an author has signed and that were stored before a Seq,
// 0: ever, the newest first, as Each does.
func EachOf(r viewdb.Reader, author string, before events.Seq, fn func(events.PlanID, events.Deletion) error) error {
	prefix := projectors.IndexKey(byAuthor, author)
	return each(r, prefix, appendBefore(slices.Clip(prefix), before-1), fn)
}

// WaveOf is the wave that a tombstone belongs to; false for one from before there was a policy.
func WaveOf(r viewdb.Reader, tombstone events.Seq) (wave events.Passage, found bool, err error) {
	prefix := projectors.IndexKey(byWave)
	err = projectors.ScanIndex(r, prefix, appendBefore(slices.Clip(prefix), tombstone-1), func(rest []byte) error {
		_, id, err := projectors.CutEntry(rest[min(8, len(rest)):])
		if err == nil {
			key := events.EntityKey{Kind: events.EntityPassage, ID: id}
			wave, found, err = catalogue.Get[events.Passage](State(r, events.TheOne(events.AggregateDoor)), key)
		}
		return cmp.Or(err, viewdb.ErrStop)
	})
	if found = found && tombstone <= wave.Mark.Seq+events.Seq(wave.Targets); !found {
		return events.Passage{}, false, err
	}
	return wave, found, err
}

func each(r viewdb.Reader, prefix, from []byte, fn func(events.PlanID, events.Deletion) error) error {
	return projectors.ScanIndex(r, prefix, from, func(rest []byte) error {
		id, _, err := projectors.CutEntry(rest[min(8, len(rest)):])
		if err != nil {
			return err
		}
		plan := events.IDFromUUID[events.PlanID](id)
		d, found, err := catalogue.Get[events.Deletion](State(r, events.OfDeletion(plan)), events.Deletion{}.EntityKey())
		if err == nil && !found {
			err = fmt.Errorf("%w: the index names %s, which is not there", viewdb.ErrCorrupt, plan)
		}
		if err != nil {
			return err
		}
		return fn(plan, d)
	})
}
