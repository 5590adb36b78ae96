package catalogtest

import (
	"maps"

	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// Facts is a catalogue.Facts in memory.
type Facts struct {
	States  map[events.Aggregate]catalogue.MapState
	Heads   map[events.Aggregate]catalogue.Head
	Answers map[events.EventID]catalogue.Answer
	IDs     map[uuid.UUID]events.Aggregate

	under *Facts
	kept  bool // its changes are in what it stands on
}

// below is what the layer stands on; those that were kept count no more.
func (f *Facts) below() *Facts {
	for f.under != nil && f.under.kept {
		f.under = f.under.under
	}
	return f.under
}

// NewFacts is without facts.
func NewFacts() *Facts {
	return &Facts{
		States:  map[events.Aggregate]catalogue.MapState{},
		Heads:   map[events.Aggregate]catalogue.Head{},
		Answers: map[events.EventID]catalogue.Answer{},
		IDs:     map[uuid.UUID]events.Aggregate{},
	}
}

// State is the entities of an aggregate. A layer copies them when they are
// first asked for.
func (f *Facts) State(a events.Aggregate) catalogue.State {
	if s := f.States[a]; s != nil {
		return s
	}
	s := f.find(a).Clone()
	if s == nil {
		s = catalogue.MapState{}
	}
	f.States[a] = s
	return s
}

func (f *Facts) find(a events.Aggregate) catalogue.MapState {
	for ; f != nil; f = f.below() {
		if s := f.States[a]; s != nil {
			return s
		}
	}
	return nil
}

// Head is the aggregate's head.
func (f *Facts) Head(a events.Aggregate) (catalogue.Head, error) {
	for ; f != nil; f = f.below() {
		if h, ok := f.Heads[a]; ok {
			return h, nil
		}
	}
	return catalogue.Head{}, nil
}

// PutHead never fails.
func (f *Facts) PutHead(a events.Aggregate, h catalogue.Head) error { f.Heads[a] = h; return nil }

// Answer is the first answer to an event id.
func (f *Facts) Answer(id events.EventID) (catalogue.Answer, bool, error) {
	for ; f != nil; f = f.below() {
		if a, ok := f.Answers[id]; ok {
			return a, true, nil
		}
	}
	return catalogue.Answer{}, false, nil
}

// PutAnswer never fails.
func (f *Facts) PutAnswer(id events.EventID, a catalogue.Answer) error { f.Answers[id] = a; return nil }

// Issued tells whom an id was issued to.
func (f *Facts) Issued(id uuid.UUID) (events.Aggregate, bool, error) {
	for ; f != nil; f = f.below() {
		if a, ok := f.IDs[id]; ok {
			return a, true, nil
		}
	}
	return events.Aggregate{}, false, nil
}

// PutIssued never fails.
func (f *Facts) PutIssued(id uuid.UUID, a events.Aggregate) error { f.IDs[id] = a; return nil }

// Begin opens a layer.
func (f *Facts) Begin() catalogue.Layer { return f.Over() }

// Over is Begin for those who look into the layer.
func (f *Facts) Over() *Facts {
	layer := NewFacts()
	layer.under = f
	return layer
}

// Keep moves the layer's changes into what it stands on.
func (f *Facts) Keep() {
	under := f.below()
	maps.Copy(under.States, f.States)
	maps.Copy(under.Heads, f.Heads)
	maps.Copy(under.Answers, f.Answers)
	maps.Copy(under.IDs, f.IDs)
	f.kept = true
}

// Digests are the states that are not empty, each by its digest.
func (f *Facts) Digests() (map[events.Aggregate][32]byte, error) {
	out := map[events.Aggregate][32]byte{}
	for a, s := range f.States {
		if len(s) == 0 {
			continue
		}
		sum, err := s.Digest()
		if err != nil {
			return nil, err
		}
		out[a] = sum
	}
	return out, nil
}

// Store is a catalogue.Store in memory. It is for one goroutine at a time.
type Store struct {
	*Facts

	At events.Seq // the last event folded
	// Fail, when set, is what Advance and Flush answer.
	Fail error
}

// NewStore is empty.
func NewStore() *Store { return &Store{Facts: NewFacts()} }

// Seq is the last event folded.
func (s *Store) Seq() events.Seq { return s.At }

// Advance moves on past what was folded.
func (s *Store) Advance(folded []events.Stored) error {
	s.At += events.Seq(len(folded))
	return s.Fail
}

// Flush does nothing.
func (s *Store) Flush() error { return s.Fail }

// Fold is the facts after a log, by the fold and nothing else.
func Fold(log []events.Stored) (*Facts, error) {
	f := NewFacts()
	for _, s := range log {
		e, err := events.Decode(s)
		if err != nil {
			err = catalogue.Quarantine(f, s)
		} else {
			err = catalogue.Fold(f, e)
		}
		if err != nil {
			return nil, err
		}
	}
	return f, nil
}
