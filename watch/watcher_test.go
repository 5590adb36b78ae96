package watch_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
	"tenantcatalogue/watch"
)

// TestMassDeletion deletes on a real log: the first tombstone above the budget raises an
// alarm and halts. How soon, the drill tells.
func TestMassDeletion(t *testing.T) {
	t.Parallel()
	log, _ := eventtest.NewLog(t)
	r := newRig(t, log)
	w := r.watch(r.head())
	first := r.gone(1)
	r.gone(48)
	a := w.raises(events.AlarmMix, "")
	if a.From != first || a.To != first+4 || a.Count != 5 {
		t.Errorf("%+v", a)
	}
	r.gone(834) // with the budget of the default policy
	a = w.raises(events.AlarmRate, events.HaltRate)
	if a.From != first || a.Count != 51 {
		t.Errorf("%+v", a)
	}
	if a = w.raises(events.AlarmRate, events.HaltBudget); a.Count != 101 {
		t.Errorf("%+v", a)
	}
	if a = w.raises(events.AlarmRate, events.HaltBudget); a.Count != 501 {
		t.Errorf("%+v", a)
	}
	w.told()
	w.quiet(r)
}

// TestUnderTheLine says nothing.
func TestUnderTheLine(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventtest.NewMemoryLog("under"))
	w := r.watch(r.head())
	for range 20 {
		r.gone(4)
		r.pass(30 * time.Minute)
		r.tick()
	}
	w.quiet(r)
	if _, halts := r.inLog(); halts != 0 {
		t.Errorf("%d halts", halts)
	}
}

// TestPolicyInForce follows the policy, and the rules that it puts in force.
func TestPolicyInForce(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventtest.NewMemoryLog("policy"))
	r.gone(2)
	r.adopt(events.Budget{Minute: 3, Day: 100, Month: 100, Owners: 1})
	w := r.watch(r.head())
	first := r.gone(1)
	if a := w.raises(events.AlarmUnvouched, events.HaltMismatch); a.From != first || a.To != first || a.Count != 1 {
		t.Errorf("%+v", a)
	}
	last := r.gone(1) // the fourth within a minute
	if a := w.raises(events.AlarmRate, events.HaltRate); a.To != last || a.Count != 4 {
		t.Errorf("%+v", a)
	}
	w.told()
	r.gone(3)
	w.raises(events.AlarmMix, "")
	w.told()
	w.quiet(r)
	r.pass(2 * time.Minute)
	last = r.gone(1)
	if a := w.raises(events.AlarmUnvouched, events.HaltMismatch); a.To != last {
		t.Errorf("after a minute without any: %+v", a)
	}
}

// TestForgedRule tells of what the rules pass over: nobody comes to believe it, and
// somebody has tried.
func TestForgedRule(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventtest.NewMemoryLog("rule"))
	r.adopt(events.Budget{Minute: 3, Day: 100, Month: 100, Owners: 1})
	w := r.watch(r.head())
	forge := func(v uint32) events.Seq {
		e := events.Event{ID: events.DeriveID[events.EventID](fmt.Sprint(v)), About: events.TheOne(events.AggregatePolicy), Payload: events.PolicyChanged{Version: v}}
		unit := r.unit(e)
		last, _, err := r.log.LastOf(t.Context(), e.About)
		if err != nil {
			t.Fatal(err)
		}
		unit.Expected = []events.Seq{last.Seq}
		return eventtest.MustAppend(t, r.log, unit)[0].First
	}
	first := forge(2)
	if a := w.raises(events.AlarmUnvouched, events.HaltMismatch); a.From != first || a.To != first {
		t.Errorf("%+v", a)
	}
	forge(3)
	w.told()
	w.quiet(r)
	r.pass(2 * time.Minute)
	last := forge(4)
	if a := w.raises(events.AlarmUnvouched, events.HaltMismatch); a.From != last {
		t.Errorf("after a minute without any: %+v", a)
	}
}

// TestUnreadableTombstone counts what cannot be read, too.
func TestUnreadableTombstone(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventtest.NewMemoryLog("unreadable"))
	w := r.watch(r.head())
	raw := eventtest.Event("x", 1)
	raw.Type = (events.TenantDeleted{}).EventType()
	at := eventtest.MustAppend(t, r.log, eventtest.One(raw, 0))[0].First
	if a := w.raises(events.AlarmUnvouched, events.HaltMismatch); a.To != at {
		t.Errorf("%+v", a)
	}
}

// TestThePastIsPast says nothing of what stood in the log when it was first watched, and
// counts it.
func TestThePastIsPast(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventtest.NewMemoryLog("past"))
	r.gone(883)
	w := r.watch(r.head())
	w.quiet(r)
	r.gone(3)
	w.quiet(r) // the line is crossed already
	r.pass(31 * 24 * time.Hour)
	r.gone(51)
	w.raises(events.AlarmMix, "")
	w.raises(events.AlarmRate, events.HaltRate)
}

// TestCopiedLog says nothing of the past of a log that is copied into an empty one.
func TestCopiedLog(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventtest.NewMemoryLog("other"))
	r.log = eventtest.NewMemoryLog("empty")
	w := r.watch(0)
	r.pass(-48 * time.Hour)
	r.gone(883)
	w.quiet(r)
	r.pass(48*time.Hour + time.Minute)
	if last := r.gone(1); last != 884 {
		t.Fatal(last)
	}
	r.gone(50)
	if a := next(t, "alarm", w.alarms); a.Alarm != events.AlarmRate || a.To != 884+50 {
		t.Errorf("%+v", a)
	}
}

// TestRestart tells nothing twice and loses nothing, wherever it stopped.
func TestRestart(t *testing.T) {
	t.Parallel()
	log, _ := eventtest.NewLog(t)
	r := newRig(t, log)
	start := r.head()
	w := r.watch(start)
	r.gone(51)
	w.raises(events.AlarmMix, "")
	w.raises(events.AlarmRate, events.HaltRate)
	w.told()
	w.quiet(r)
	seen := w.Seen()
	w.stop()
	for _, after := range []events.Seq{seen, start} { // also when nothing was kept since
		again := r.watch(after)
		again.quiet(r)
		again.stop()
	}
	last := r.gone(50) // while nobody watches
	w = r.watch(seen)
	if a := w.raises(events.AlarmRate, events.HaltBudget); a.To != last || a.Count != 101 {
		t.Errorf("%+v", a)
	}
	w.told()
	w.quiet(r)
	w.stop()
	alarms, halts := r.inLog()
	if len(alarms) != 3 || halts != 2 {
		t.Errorf("%d alarms and %d halts in the log", len(alarms), halts)
	}
	w = r.watch(start)
	w.quiet(r)
}

// TestRestartsAnywhere stops and starts a Watcher between any tombstones, with publishing
// that fails now and then: every alarm stands in the log once.
func TestRestartsAnywhere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(t, eventtest.NewMemoryLog("anywhere"))
		start := r.head()
		w := r.watch(start)
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0, 1:
				r.gone(rapid.SampledFrom([]int{1, 4, 5, 51, 120}).Draw(rt, "tombstones"))
			case 2:
				r.pass(rapid.SampledFrom([]time.Duration{time.Minute, time.Hour, 25 * time.Hour}).Draw(rt, "time"))
			case 3:
				fails := map[bool]error{true: errors.New("away")}
				r.breakWith(fails[rapid.Bool().Draw(rt, "fails")])
			case 4:
				w.stop()
				kept := w.Seen()
				if rapid.Bool().Draw(rt, "crashes") {
					kept = start
				}
				w = r.watch(kept)
			}
		}
		r.breakWith(nil)
		w.told()
		w.settle(r)
		w.stop()
		again := r.watch(start)
		again.quiet(r) // nothing was lost
		again.stop()
		seen := map[events.AlarmRaised]bool{}
		alarms, _ := r.inLog()
		for _, a := range alarms {
			if a.Detail = ""; seen[a] {
				rt.Errorf("twice: %+v", a)
			}
			seen[a] = true
		}
	})
}

// TestPublishFails goes on to watch, and publishes once it can: nothing is lost, not even
// when it is stopped meanwhile.
func TestPublishFails(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventtest.NewMemoryLog("fails"))
	start := r.head()
	w := r.watch(start)
	away := errors.New("the log is away")
	r.breakWith(away)
	last := r.gone(51)
	for range 3 {
		if err := next(t, "failure", w.failed); !errors.Is(err, away) {
			t.Error(err)
		}
	}
	for _, want := range []events.AlarmKind{events.AlarmMix, events.AlarmRate} {
		if a := next(t, "alarm", w.alarms); a.Alarm != want {
			t.Errorf("%+v", a)
		}
	}
	if seen := w.Seen(); seen >= last {
		t.Errorf("it has seen %d, and what stands at %d is not told", seen, last)
	}
	w.stop()
	again := r.watch(w.Seen())
	_ = next(t, "failure", again.failed)
	r.breakWith(nil)
	again.raises(events.AlarmMix, "")
	again.raises(events.AlarmRate, events.HaltRate)
	again.told()
	again.quiet(r)
	if alarms, halts := r.inLog(); len(alarms) != 2 || halts != 1 {
		t.Errorf("%v, %d halts", alarms, halts)
	}
}

// TestLostAnswer publishes once, however often it has to ask.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventtest.NewMemoryLog("lost"))
	w := r.watch(r.head())
	r.breakWith(errLost)
	r.gone(5)
	for range 3 {
		if err := next(t, "failure", w.failed); !errors.Is(err, errLost) {
			t.Error(err)
		}
	}
	r.breakWith(nil)
	w.raises(events.AlarmMix, "")
	if alarms, _ := r.inLog(); len(alarms) != 1 {
		t.Errorf("%v", alarms)
	}
}

// TestRefusedHalt raises the alarm all the same.
func TestRefusedHalt(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventtest.NewMemoryLog("refused"))
	w := r.watch(r.head())
	r.breakWith(&catalogue.RefusedError{Err: catalogue.ErrQuarantined})
	r.gone(51)
	for range 3 { // the alarm of the mix, the halt, the other alarm
		_ = next(t, "refusal", w.failed)
	}
	if got := w.told(); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

// TestUnreadable tells of what governs and cannot be read: it shuts the door, and nobody
// else says so. Alarms are raised on, whatever is written in their place.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	for _, kind := range []events.AggregateKind{events.AggregateDoor, events.AggregatePolicy, events.AggregateClock, events.AggregateAlarm} {
		r := newRig(t, eventtest.NewMemoryLog("unreadable "+kind.String()))
		r.adopt(events.Budget{Minute: 3, Day: 100, Month: 100, Owners: 1})
		w := r.watch(r.head())
		about := events.TheOne(kind)
		last, _, err := r.log.LastOf(t.Context(), about)
		if err != nil {
			t.Fatal(err)
		}
		s := r.unit(events.Event{ID: events.DeriveID[events.EventID]("garbage"), About: about, Payload: events.ClockTicked{}}).Events[0]
		s.Data = []byte("garbage")
		unit := eventtest.One(s, last.Seq)
		first := eventtest.MustAppend(t, r.log, unit)[0].First
		halt := events.HaltMismatch
		if kind == events.AggregateDoor {
			halt = "" // what cannot be read is shut
		}
		if a := w.raises(events.AlarmUnvouched, halt); a.To != first || !strings.Contains(a.Detail, "about "+about.String()) {
			t.Errorf("%s: %+v", kind, a)
		}
		w.told()
		w.quiet(r)
		if alarms, _ := r.inLog(); kind != events.AggregateAlarm && len(alarms) != 1 {
			t.Errorf("%s: %d alarms are in the log", kind, len(alarms))
		}
	}
}

// TestForgedRestoration tells of a tenant that was brought back by nobody's plan.
func TestForgedRestoration(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventtest.NewMemoryLog("restored"))
	r.adopt(events.Budget{Minute: 3, Day: 100, Month: 100, Owners: 1})
	w := r.watch(r.head())
	first := eventtest.MustAppend(t, r.log, r.unit(events.Event{
		ID: events.DeriveID[events.EventID]("back"), About: events.OfTenant(events.DeriveID[events.TenantID]("back")),
		Payload: events.TenantRestored{Restoration: events.DeriveID[events.RestoreID]("nobody's"), Mode: events.Rewind, Cut: 1, AsOf: 1, Epoch: 1, Part: 1, Parts: 1, Digest: make([]byte, 32)},
	}))[0].First
	if a := w.raises(events.AlarmUnvouched, events.HaltMismatch); a.To != first {
		t.Errorf("%+v", a)
	}
}

// TestOpen follows the door.
func TestOpen(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventtest.NewMemoryLog("open"))
	r.adopt(events.Budget{Minute: 1, Day: 1, Month: 1})
	w := r.watch(r.head())
	door := func(p events.Payload) {
		t.Helper()
		id, err := events.NewID[events.EventID](uuid.NewV7)
		if err != nil {
			t.Fatal(err)
		}
		e := events.Event{ID: id, Source: "/test", Actor: "user_1", Time: events.TimeOf(r.clock()), About: events.TheOne(events.AggregateDoor), Payload: p}
		if v := r.service.Publish(t.Context(), catalogtest.Internal, catalogue.Request{Events: []events.Event{e}})[0]; v.Err != nil {
			t.Fatal(v.Err)
		}
		w.quiet(r)
	}
	w.quiet(r)
	if w.Open() != 0 {
		t.Error("there is no plan")
	}
	admitted := events.DoorAdmitted{
		Plan: events.DeriveID[events.PlanID]("plan"), Kind: events.DeletionOfApps, Expires: events.TimeOf(r.clock()).Add(time.Hour),
	}
	door(admitted)
	if w.Open() != r.head() {
		t.Error("a plan was admitted")
	}
	r.pass(2 * time.Hour)
	if w.Open() != 0 {
		t.Error("it has expired")
	}
	admitted.Expires = admitted.Expires.Add(2 * time.Hour)
	door(admitted)
	if w.Open() != r.head() {
		t.Error("another plan was admitted")
	}
	door(events.DoorHalted{Cause: events.HaltByPerson})
	if w.Open() != 0 {
		t.Error("it was halted")
	}
}

// TestHaltIsTold tells of a halt that a health check or a condition has made, and of none
// that a person has made.
func TestHaltIsTold(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventtest.NewMemoryLog("halt"))
	w := r.watch(r.head())
	for i, c := range []struct {
		source string
		cause  events.HaltCause
		told   bool
	}{
		{deletion.Source, events.HaltByPerson, false},
		{deletion.Source, events.HaltHealth, true},
		{deletion.Source, events.HaltMismatch, true},
		{watch.Source, events.HaltStreamConfig, true},
		{watch.Source, events.HaltMismatch, false}, // goes with an alarm of its own
	} {
		e := events.Event{
			ID: events.DeriveID[events.EventID]("halt", fmt.Sprint(i)), Source: c.source, Actor: "somebody", Time: events.TimeOf(r.clock()),
			About: events.TheOne(events.AggregateDoor), Payload: events.DoorHalted{Cause: c.cause},
		}
		v := r.service.Publish(t.Context(), catalogtest.Internal, catalogue.Request{Events: []events.Event{e}})[0]
		if v.Err != nil {
			t.Fatal(v.Err)
		}
		if c.told {
			if a := w.raises(events.AlarmHalt, ""); a.From != v.Seq || a.To != v.Seq {
				t.Errorf("%s: %+v", c.cause, a)
			}
			w.told()
		}
		w.quiet(r)
	}
}
