package eventtest

import (
	"errors"
	"fmt"
	"testing"

	"tenantcatalogue/events"
)

func manyBatches(t *testing.T, l Log) {
	t.Helper()
	units := func(way string) (out []events.Unit) {
		for i := range 2500 {
			expected := events.Seq(0)
			if i >= 50 {
				expected = events.Follows
			}
			out = append(out, One(Event(fmt.Sprint(way, i%50), i), expected))
		}
		whole := events.Unit{}
		for i := range events.MaxUnitEvents {
			whole.Events = append(whole.Events, Event(way+"whole", i))
			whole.Expected = append(whole.Expected, 0)
		}
		return append(out, whole)
	}
	MustAppend(t, l, units("appended ")...)
	staged := l.Stage(3500, units("staged "))(t.Context())
	same(t, events.Appended{First: 6001, Last: 7000}, staged[2500])
	all := All(t, l)
	for i := range 2500 {
		same(t, at(Event(fmt.Sprint("appended ", i%50), i), events.Seq(i+1)), all[i])
		same(t, at(Event(fmt.Sprint("staged ", i%50), i), events.Seq(3500+i+1)), all[3500+i])
	}
}

// staged stages units, has another writer append before they are committed, and
// wants what is appended without staging.
func staged(t *testing.T, l Log) {
	t.Helper()
	MustAppend(t, l, One(Event("a", 1), 0), One(Event("b", 1), 0))
	for name, c := range map[string]struct {
		other []events.Unit // appended meanwhile
		stale int           // of the units staged; none if negative
	}{
		"nothing":               {nil, none},
		"of no concern":         {[]events.Unit{One(Event("c", 1), 0)}, none},
		"about what was staged": {[]events.Unit{One(Event("b", 2), 2)}, 1},
	} {
		head, err := l.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		last := func(about events.Aggregate) events.Seq {
			s, _, err := l.LastOf(t.Context(), about)
			if err != nil {
				t.Fatal(err)
			}
			return s.Seq
		}
		a, b, c1 := Event("a", 2), Event("b", 3), Event("new "+name, 1)
		units := []events.Unit{One(a, last(a.About)), One(b, last(b.About)), One(c1, 0)}
		l.Stage(head, units) // and forgotten
		commit := l.Stage(head, units)
		if c.other != nil {
			c.other[0].Expected[0] = last(c.other[0].Events[0].About)
			MustAppend(t, l, c.other...)
		}
		next := head + events.Seq(len(c.other))
		for i, got := range commit(t.Context()) {
			if i == c.stale {
				if !errors.Is(got.Err, events.ErrConflict) {
					t.Errorf("another writer appended %s: unit %d: %v", name, i, got)
				}
				continue
			}
			next++
			same(t, events.Appended{First: next, Last: next}, got)
		}
		if head, err := l.Head(t.Context()); head != next || err != nil {
			t.Errorf("another writer appended %s: the head is %d, want %d, %v", name, head, next, err)
		}
	}
}

// none is no unit.
const none = -1
