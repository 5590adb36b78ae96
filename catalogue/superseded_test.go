package catalogue_test

import (
	"fmt"
	"testing"

	"tenantcatalogue/events"
)

// TestSuperseded sends events again after restorations: those that a
// restoration has undone are marked, all others are not.
func TestSuperseded(t *testing.T) {
	t.Parallel()
	s := begin(t, 1)
	sent := map[string]events.Event{}
	at := map[string]events.Seq{}
	epoch := uint64(0)
	publish := func(name, run string, p events.Payload) {
		t.Helper()
		e := inEpoch(epoch, event(name, about(1), p))
		if run != "" {
			e = inRun(run, e)
		}
		v := s.must(e)
		sent[name], at[name], epoch = e, v.Seq, v.Epoch
	}
	restore := func(n int, mode events.RestoreMode, cut events.Seq, cause events.Cause) {
		t.Helper()
		plan := events.RestorationPlanned{Mode: mode, Cut: cut, Part: 1, Parts: 1, Cause: cause}
		s.must(event(fmt.Sprint("plan", n), restoration(n), plan))
		r := back(epoch+1, url(1))
		r.Mode, r.Cut, r.Restoration = mode, cut, restoration(n).Restoration()
		publish(fmt.Sprint("restore", n), "", r)
	}
	check := func(when string, undone ...string) {
		t.Helper()
		want := map[string]bool{}
		for _, name := range undone {
			want[name] = true
		}
		for name, e := range sent {
			v := s.must(e)
			if !v.Duplicate || v.Seq != at[name] || v.Superseded != want[name] {
				t.Errorf("%s, %s: %+v, want superseded %v", when, name, v, want[name])
			}
		}
	}
	publish("kept", "", usage)
	publish("good", "", configure)
	publish("bad", "bad run", deactivate)
	publish("also good", "", usage)
	check("before")
	restore(1, events.Undo, at["kept"], events.Cause{Runs: []events.RunID{sent["bad"].Run}})
	check("after the undo", "bad")
	publish("after", "bad run", usage)
	check("what the run did after the undo is not undone", "bad")
	restore(2, events.Rewind, at["good"], events.Cause{})
	check("after the rewind", "bad", "also good", "restore1", "after")
	publish("later", "", usage)
	restore(3, events.Rewind, at["after"], events.Cause{})
	check("the rewind is itself rewound", "bad", "restore2", "later")
	publish("last", "", remove)
	restore(4, events.Undo, at["restore3"], events.Cause{
		Types: []events.Type{"tenant.deleted.v1"}, Since: events.Time(1),
	})
	check("undone by type and time", "bad", "restore2", "later", "last")

	restarted := open(t, s.log)
	if v := restarted.must(sent["last"]); !v.Superseded {
		t.Errorf("after a restart: %+v", v)
	}
}

// TestSupersededWithoutPlan takes an undo whose plan is not there for one that
// undid nothing that is known.
func TestSupersededWithoutPlan(t *testing.T) {
	t.Parallel()
	s := begin(t, 1)
	e := event("a", about(1), usage)
	v := s.must(e)
	r := back(1, url(1))
	r.Mode, r.Cut = events.Undo, v.Seq-1
	s.must(event("b", about(1), r))
	if v := s.must(e); v.Superseded || !v.Duplicate {
		t.Errorf("%+v", v)
	}
}
