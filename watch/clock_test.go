package watch_test

import (
	"fmt"
	"testing"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
)

// TestClockJump tells a clock that was set from time that has passed.
func TestClockJump(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventtest.NewMemoryLog("clock"))
	ahead := func(n string, by time.Duration) events.Seq {
		return eventtest.MustAppend(t, r.log, r.unit(events.Event{
			ID: events.DeriveID[events.EventID](n), About: events.OfTenant(events.DeriveID[events.TenantID](n)),
			Payload: events.TenantDeactivated{}, RecordedTime: events.TimeOf(r.clock()).Add(by),
		}))[0].First
	}
	r.pass(60 * time.Hour) // a weekend, while the catalogue is down
	w := r.watch(r.head())
	ahead("monday", time.Minute)
	ahead("soon", 4*time.Minute)
	w.quiet(r)
	last := ahead("later", 40*24*time.Hour)
	if a := w.raises(events.AlarmClockJump, ""); a.From != last || a.To != last || a.Count != 1 {
		t.Errorf("%+v", a)
	}
	w.told()
	ahead("put right", 0)
	ahead("as late", 40*24*time.Hour)
	w.quiet(r)
	seen := w.Seen()
	w.stop()
	w = r.watch(seen)
	w.quiet(r) // the alarm stands in the future, too
	w.stop()
	last = ahead("unwatched", 100*24*time.Hour)
	r.pass(50 * 24 * time.Hour)
	w = r.watch(seen)
	if a := w.raises(events.AlarmClockJump, ""); a.To != last {
		t.Errorf("%+v", a)
	}
}

// TestBehindIsNoJump starts again and again while the clock is behind what was recorded,
// which goes on: that was told of once.
func TestBehindIsNoJump(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventtest.NewMemoryLog("behind"))
	w := r.watch(r.head())
	eventtest.MustAppend(t, r.log, r.unit(events.Event{
		ID: events.DeriveID[events.EventID]("ahead"), About: events.OfTenant(events.DeriveID[events.TenantID]("ahead")),
		Payload: events.TenantDeactivated{}, RecordedTime: events.TimeOf(r.clock()).Add(40 * 24 * time.Hour),
	}))
	w.raises(events.AlarmClockJump, "")
	w.told()
	for range 3 {
		for range 12 {
			r.pass(30 * time.Minute)
			r.tick()
		}
		w.settle(r)
		w.quiet(r)
		w.stop()
		w = r.watch(w.Seen())
		w.quiet(r)
	}
}

// TestLittleByLittle takes it for no jump that the time which has passed here is a little
// short, as after each pause of the machine; and for one that ticks which nobody can have
// made yet carry the time away.
func TestLittleByLittle(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		every time.Duration // there is a tick, half a minute further ahead than the one before
		jumps bool
	}{
		"pauses": {30 * time.Minute, false}, "forged": {time.Minute, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, eventtest.NewMemoryLog(name))
			w := r.watch(r.head())
			for n := range 40 {
				r.pass(c.every)
				e := r.unit(events.Event{
					ID: events.DeriveID[events.EventID](fmt.Sprint("tick", n)), About: events.TheOne(events.AggregateClock),
					Payload: events.ClockTicked{}, RecordedTime: events.TimeOf(r.clock()).Add(time.Duration(n) * 30 * time.Second),
				})
				last, _, err := r.log.LastOf(t.Context(), events.TheOne(events.AggregateClock))
				if err != nil {
					t.Fatal(err)
				}
				e.Expected = []events.Seq{last.Seq}
				eventtest.MustAppend(t, r.log, e)
				w.settle(r)
			}
			if c.jumps {
				w.raises(events.AlarmClockJump, "")
			} else {
				w.quiet(r)
			}
		})
	}
}

// TestClockJumpHaltsWhatIsOpen halts when a clock jumps while a plan is open: what it waits
// for, and what it expires by, is not to be trusted.
func TestClockJumpHaltsWhatIsOpen(t *testing.T) {
	t.Parallel()
	r := newRig(t, eventtest.NewMemoryLog("clock and plan"))
	r.adopt(events.Budget{Minute: 1, Day: 1, Month: 1})
	w := r.watch(r.head())
	e := events.Event{
		ID: events.DeriveID[events.EventID]("admitted"), Source: "/test", Actor: "user_1", Time: events.TimeOf(r.clock()), About: events.TheOne(events.AggregateDoor),
		Payload: events.DoorAdmitted{Plan: events.DeriveID[events.PlanID]("plan"), Kind: events.DeletionOfApps, Expires: events.TimeOf(r.clock()).Add(time.Hour)},
	}
	if v := r.service.Publish(t.Context(), catalogtest.Internal, catalogue.Request{Events: []events.Event{e}})[0]; v.Err != nil {
		t.Fatal(v.Err)
	}
	w.quiet(r)
	last := eventtest.MustAppend(t, r.log, r.unit(events.Event{
		ID: events.DeriveID[events.EventID]("later"), About: events.OfTenant(events.DeriveID[events.TenantID]("later")),
		Payload: events.TenantDeactivated{}, RecordedTime: events.TimeOf(r.clock()).Add(6 * time.Minute),
	}))[0].First
	if a := w.raises(events.AlarmClockJump, events.HaltClock); a.To != last {
		t.Errorf("%+v", a)
	}
}
