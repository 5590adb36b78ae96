package eventtest

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"tenantcatalogue/events"
)

// model is a log as the documentation has it: units one after the other.
type model struct {
	stored []events.Stored
	heads  map[events.Aggregate]events.Seq
}

// append gives the answer to each unit, nil errors meaning stored.
func (m *model) append(units []events.Unit) []events.Appended {
	out := make([]events.Appended, len(units))
	const none, stored, refused = 0, 1, 2
	fate := map[events.Aggregate]int{} // what the call has made of the aggregate
	for i, u := range units {
		ok := true
		first := map[events.Aggregate]bool{}
		for k, e := range u.Events {
			if first[e.About] {
				continue
			}
			first[e.About] = true
			if u.Expected[k] == events.Follows {
				ok = ok && fate[e.About] == stored
			} else {
				ok = ok && u.Expected[k] == m.heads[e.About]
			}
		}
		for about := range first {
			if ok {
				fate[about] = stored
			} else {
				fate[about] = refused
			}
		}
		if !ok {
			out[i].Err = events.ErrConflict
			continue
		}
		out[i].First = events.Seq(len(m.stored)) + 1
		for _, e := range u.Events {
			e.Seq = events.Seq(len(m.stored)) + 1
			m.stored = append(m.stored, e)
			m.heads[e.About] = e.Seq
		}
		out[i].Last = events.Seq(len(m.stored))
	}
	return out
}

// againstModel makes calls of random units about few aggregates, with
// expectations that are right, stale, from the future or Follows.
func againstModel(t *testing.T, l Log) {
	t.Helper()
	m := &model{heads: map[events.Aggregate]events.Seq{}}
	n, runs := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		for range rapid.IntRange(1, 4).Draw(rt, "calls") {
			touched := map[events.Aggregate]bool{}
			unit := rapid.Custom(func(rt *rapid.T) events.Unit {
				u := events.Unit{}
				for range rapid.IntRange(1, 3).Draw(rt, "events") {
					n++
					e := Event(fmt.Sprintf("%d-%d", runs, rapid.IntRange(0, 4).Draw(rt, "about")), n)
					expected := m.heads[e.About]
					switch rapid.IntRange(0, 9).Draw(rt, "expectation") {
					case 0:
						expected += events.Seq(rapid.IntRange(1, 3).Draw(rt, "future"))
					case 1:
						expected /= 2
					case 2, 3, 4, 5:
						if touched[e.About] {
							expected = events.Follows
						}
					}
					u.Events, u.Expected = append(u.Events, e), append(u.Expected, expected)
				}
				for _, e := range u.Events {
					touched[e.About] = true
				}
				return u
			})
			units := rapid.SliceOfN(unit, 1, 12).Draw(rt, "units")
			want, got := m.append(units), l.Append(t.Context(), units)
			for i := range want {
				if want[i].First != got[i].First || want[i].Last != got[i].Last || !errors.Is(got[i].Err, want[i].Err) {
					rt.Fatalf("unit %d of %+v\nwant %+v\ngot  %+v", i, units, want, got)
				}
			}
		}
	})
	same(t, m.stored, All(t, l))
}
