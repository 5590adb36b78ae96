package heads

import (
	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
)

var _ projectors.Gathered = Projector{}

// Gather begins to make the rows aggregate by aggregate.
func (Projector) Gather(rows projectors.Rows) projectors.Gatherer {
	g := &gatherer{rows: rows}
	g.overlay = newOverlay(nothing{})
	return g
}

// gatherer is the facts of one aggregate at a time. Answers stand under keys of
// their own and go out at once.
type gatherer struct {
	*overlay
	rows  projectors.Rows
	about events.Aggregate
	seq   events.Seq // of the event being folded
}

// Add folds the next event.
func (g *gatherer) Add(p *projectors.Archived) error {
	if p.About != g.about {
		if err := g.Close(); err != nil {
			return err
		}
		g.about = p.About
	}
	g.seq = p.Seq
	e, err := p.Decode()
	return fold(g, p.Stored, e, err)
}

// PutAnswer writes the answer's row; the last one to an id counts.
func (g *gatherer) PutAnswer(id events.EventID, a catalogue.Answer) error {
	raw, err := events.Marshal(&a)
	if err != nil {
		return err
	}
	return g.rows.Add(answerRow(id), raw, uint64(g.seq))
}

// Close writes the last aggregate's rows.
func (g *gatherer) Close() error {
	err := g.write(loadSink{g.rows, uint64(g.seq)})
	clear(g.entities)
	clear(g.heads)
	clear(g.issued)
	return err
}

// loadSink puts the rows of an aggregate, which come in the order of their keys,
// among the others; whom an id was issued to stands under the id. The last one
// counts.
type loadSink struct {
	projectors.Rows
	seq uint64
}

// Set puts a row.
func (s loadSink) Set(key, value []byte) error {
	if key[0] == rowIssued {
		return s.Add(key, value, s.seq)
	}
	return s.Rows.Set(key, value)
}

// Delete has nothing to take away: the store was empty.
func (loadSink) Delete([]byte) error { return nil }

// nothing is the facts before the first event.
type nothing struct{}

func (nothing) entity(events.Aggregate, events.EntityKey) (e events.Entity, err error) {
	return e, err
}

func (nothing) entityKeys(events.Aggregate, events.EntityKind) ([]events.EntityKey, error) {
	return nil, nil
}

// Head is the zero head.
func (nothing) Head(events.Aggregate) (catalogue.Head, error) { return catalogue.Head{}, nil }

// Answer finds none.
func (nothing) Answer(events.EventID) (a catalogue.Answer, found bool, err error) {
	return a, false, nil
}

// Issued finds none.
func (nothing) Issued(uuid.UUID) (a events.Aggregate, found bool, err error) { return a, false, nil }
