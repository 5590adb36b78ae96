package deletion_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
)

var aRestoration = events.DeriveID[events.RestoreID]("r")

// comeback is what a restoration has planned for tenant 2, in parts: the state that it is
// in, active.
func (w *world) comeback(parts int) (plan events.Event, unit []events.Event) {
	w.t.Helper()
	about := events.OfTenant(tenantID(2))
	held, _ := w.facts.State(about).(catalogue.MapState)
	state := held.Clone()
	record, _ := state.Tenant()
	record.Status = events.TenantStatusActive
	state[record.EntityKey()] = record
	digest, err := state.Digest()
	if err != nil {
		w.t.Fatal(err)
	}
	head, err := w.facts.Head(about)
	if err != nil {
		w.t.Fatal(err)
	}
	plan = w.event(events.OfRestoration(aRestoration), events.RestorationPlanned{
		Mode: events.Rewind, Cut: 5, AsOf: w.seq, Part: 1, Parts: 1,
		Targets: []events.RestoreTarget{{Tenant: tenantID(2), Pinned: head.Seq, Digest: digest[:], Parts: uint32(parts)}},
	})
	entities := state.Entities()
	for i := range parts {
		p := events.TenantRestored{
			Restoration: aRestoration, Mode: events.Rewind, Cut: 5, AsOf: w.seq, Epoch: head.Epoch + 1,
			Part: uint32(i + 1), Parts: uint32(parts), Entities: entities[i : i+1],
		}
		if i == parts-1 {
			p.Entities, p.Digest = entities[i:], digest[:]
		}
		unit = append(unit, w.event(about, p))
	}
	return plan, unit
}

// What comes back is what a restoration has planned, and never a deletion: the write side
// refuses anything else, and who reads the log finds it.
func TestRestoredAsPlanned(t *testing.T) {
	t.Parallel()
	change := func(e *events.Event, f func(p *events.TenantRestored)) {
		p, _ := e.Payload.(events.TenantRestored)
		f(&p)
		e.Payload = p
	}
	status := func(e *events.Event, to events.TenantStatus) {
		change(e, func(p *events.TenantRestored) {
			p.Entities = append(events.Entities(nil), p.Entities...)
			record, _ := p.Entities[0].(events.Tenant)
			record.Status = to
			p.Entities[0] = record
		})
	}
	for name, c := range map[string]struct {
		parts int
		spoil func(w *world, unit *[]events.Event)
		want  string // empty: it may stand
	}{
		"as planned":   {1, func(*world, *[]events.Event) {}, ""},
		"in parts":     {3, func(*world, *[]events.Event) {}, ""},
		"deactivated":  {1, func(_ *world, u *[]events.Event) { status(&(*u)[0], events.TenantStatusDeactivated) }, ""},
		"deleted":      {1, func(_ *world, u *[]events.Event) { status(&(*u)[0], events.TenantStatusDeleted) }, `come back as "deleted"`},
		"in no status": {1, func(_ *world, u *[]events.Event) { status(&(*u)[0], "gone") }, `come back as "gone"`},
		"without the tenant": {1, func(_ *world, u *[]events.Event) {
			change(&(*u)[0], func(p *events.TenantRestored) { p.Entities = p.Entities[1:] })
		}, "has 0 records"},
		"with nothing": {1, func(_ *world, u *[]events.Event) {
			change(&(*u)[0], func(p *events.TenantRestored) { p.Entities = nil })
		}, "has 0 records"},
		"deleted by a later part": {2, func(_ *world, u *[]events.Event) {
			first, _ := (*u)[0].Payload.(events.TenantRestored)
			change(&(*u)[1], func(p *events.TenantRestored) {
				p.Entities = append(events.Entities{first.Entities[0]}, p.Entities...)
			})
		}, "part 2 of tenant"},
		"a part left out":         {3, func(_ *world, u *[]events.Event) { *u = []events.Event{(*u)[0], (*u)[2]} }, "does not stand behind part 2"},
		"the first part left out": {2, func(_ *world, u *[]events.Event) { *u = (*u)[1:] }, "does not stand behind part 1"},
		"a part of another restoration before it": {2, func(w *world, u *[]events.Event) {
			w.restore(events.DeriveID[events.RestoreID]("other"))
			*u = (*u)[1:]
		}, "does not stand behind part 1"},
		"part 0":      {1, func(_ *world, u *[]events.Event) { change(&(*u)[0], func(p *events.TenantRestored) { p.Part = 0 }) }, "part 0 of 1"},
		"a part more": {1, func(_ *world, u *[]events.Event) { change(&(*u)[0], func(p *events.TenantRestored) { p.Part = 2 }) }, "part 2 of 1"},
		"fewer parts": {2, func(_ *world, u *[]events.Event) { change(&(*u)[0], func(p *events.TenantRestored) { p.Parts = 1 }) }, "which comes in 2"},
		"other digest": {1, func(_ *world, u *[]events.Event) {
			change(&(*u)[0], func(p *events.TenantRestored) { p.Digest = []byte{1} })
		}, "would come back as"},
		"other cut": {1, func(_ *world, u *[]events.Event) { change(&(*u)[0], func(p *events.TenantRestored) { p.Cut++ }) }, "is a rewind to 5"},
		"other mode": {1, func(_ *world, u *[]events.Event) {
			change(&(*u)[0], func(p *events.TenantRestored) { p.Mode = events.Undo })
		}, "is a rewind to 5"},
		"other as-of": {1, func(_ *world, u *[]events.Event) { change(&(*u)[0], func(p *events.TenantRestored) { p.AsOf++ }) }, "is a rewind to 5"},
		"no target":   {1, func(_ *world, u *[]events.Event) { (*u)[0].About = events.OfTenant(tenantID(3)) }, "is no target of"},
		"no restoration": {1, func(_ *world, u *[]events.Event) {
			change(&(*u)[0], func(p *events.TenantRestored) { p.Restoration = events.DeriveID[events.RestoreID]("none") })
		}, "is no target of"},
		"one that was let go of": {1, func(w *world, _ *[]events.Event) {
			w.halt()
			if err := w.reopenAndLetGo([]events.RestoreID{aRestoration}, "ana", "oncall", nil); err != nil {
				w.t.Fatal(err)
			}
		}, "does not hold the door"},
		"one that holds it again": {1, func(w *world, _ *[]events.Event) {
			w.halt()
			if err := w.reopenAndLetGo([]events.RestoreID{aRestoration}, "ana", "oncall", nil); err != nil {
				w.t.Fatal(err)
			}
			w.hold(aRestoration)
		}, ""},
		"a finished restoration": {1, func(w *world, _ *[]events.Event) {
			w.must(w.event(events.OfRestoration(aRestoration), events.RestorationFinished{}))
		}, "is finished"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := governed(t, 5)
			plan, unit := w.comeback(c.parts)
			w.must(plan)
			w.hold(aRestoration)
			c.spoil(w, &unit)
			f := w.follower(t)
			var found error
			for _, e := range unit {
				if found = f.take(e); found != nil {
					break
				}
			}
			err := w.append(unit...)
			if c.want == "" {
				if err != nil || found != nil {
					t.Errorf("refused with %v, found with %v", err, found)
				}
				return
			}
			for who, err := range map[string]error{"the write side": err, "a reader": found} {
				if !errors.Is(err, deletion.ErrRestoration) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: %v, want %q", who, err, c.want)
				}
			}
		})
	}
}

// restore brings tenant 2 back by another restoration.
func (w *world) restore(id events.RestoreID) {
	w.t.Helper()
	plan, unit := w.comeback(1)
	plan.About = events.OfRestoration(id)
	p, _ := unit[0].Payload.(events.TenantRestored)
	p.Restoration = id
	unit[0].Payload = p
	w.must(plan)
	w.hold(id)
	w.must(unit...)
}

// hold has a restoration hold the door.
func (w *world) hold(id events.RestoreID) {
	w.t.Helper()
	w.must(w.event(events.TheOne(events.AggregateDoor), events.DoorHeld{Restoration: id}))
}

// A reader that begins between two parts takes the rest.
func TestReaderBeginsBetweenParts(t *testing.T) {
	t.Parallel()
	w := governed(t, 5)
	plan, unit := w.comeback(3)
	w.must(plan)
	w.hold(aRestoration)
	for first := range unit {
		f := w.follower(t)
		var stored []events.Stored
		for _, e := range w.log {
			if slices.Contains([]events.AggregateKind{events.AggregateRestoration, events.AggregatePolicy, events.AggregateDoor}, e.About.Kind) {
				s, err := events.Encode(e)
				if err != nil {
					t.Fatal(err)
				}
				stored = append(stored, s)
			}
		}
		f.Register = deletion.NewRegister(deletion.Genesis{})
		if err := f.Load(stored); err != nil {
			t.Fatal(err)
		}
		f.seq += events.Seq(first)
		for i, e := range unit[first:] {
			if err := f.take(e); err != nil {
				t.Errorf("part %d of a reader that begins with part %d: %v", first+i+1, first+1, err)
			}
		}
		if err := f.take(unit[1]); !errors.Is(err, deletion.ErrRestoration) {
			t.Errorf("part 2 once more: %v", err)
		}
	}
}

// Something else in the place of a part is found.
func TestSomethingInThePlaceOfAPart(t *testing.T) {
	t.Parallel()
	w := governed(t, 5)
	plan, unit := w.comeback(3)
	w.must(plan)
	w.hold(aRestoration)
	f := w.follower(t)
	between := w.event(events.OfTenant(tenantID(2)), events.TenantUsageReported{ActiveUsers: 1})
	for _, e := range []events.Event{unit[0], between} {
		if err := f.take(e); err != nil {
			t.Fatal(err)
		}
	}
	mustSay(t, "the third part", f.take(unit[2]), "does not stand behind part 2")
}
