package catalogue_test

import (
	"fmt"
	"slices"
	"testing"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
)

// parts splits a state into restored events of at most n entities.
func parts(t testing.TB, about events.Aggregate, epoch uint64, state catalogue.MapState, n int) []events.Event {
	t.Helper()
	sum := digest(t, state)
	chunks := slices.Collect(slices.Chunk(state.Entities(), n))
	out := make([]events.Event, len(chunks))
	for i, entities := range chunks {
		p := back(epoch, url(1))
		p.Part, p.Parts, p.Entities = uint32(i+1), uint32(len(chunks)), entities
		if i == len(chunks)-1 {
			p.Digest = sum[:]
		}
		out[i] = event(fmt.Sprint("part", i, "of", len(chunks), "in", epoch), about, p)
	}
	return out
}

// TestLargeState restores a tenant with 100,000 members: one unit of many
// parts, through the real log.
func TestLargeState(t *testing.T) {
	t.Parallel()
	log, _ := eventtest.NewLog(t)
	s := open(t, log)
	s.must(anAccount(1))
	s.must(aTenant(1))
	state := s.store.States[about(1)].Clone()
	for i := range 100_000 {
		_ = state.Put(events.Member{User: fmt.Sprintf("user_%06d", i), Name: "sealed:1:x", Roles: []string{"developer"}})
	}
	s.must(event("gone", about(1), remove))
	before := len(s.events())
	isErr(t, s.ask(one(parts(t, about(1), 2, state, 50)...)), events.ErrTooLarge)     // 2,001 events
	isErr(t, s.ask(one(parts(t, about(1), 2, state, 60_000)...)), events.ErrTooLarge) // of more than 768 KiB
	if n := len(s.events()); n != before {
		t.Fatalf("%d events of refused units were written", n-before)
	}
	restored := parts(t, about(1), 2, state, 1000)
	v := s.must(restored...)
	if v.Epoch != 2 || v.Seq != events.Seq(before+len(restored)) {
		t.Errorf("%+v", v)
	}
	want := digest(t, state)
	if digest(t, s.store.States[about(1)]) != want {
		t.Error("the state is not what was restored")
	}
	again := open(t, log)
	if digest(t, again.store.States[about(1)]) != want {
		t.Error("after a restart the state is not what was restored")
	}
	if v := again.must(restored...); !v.Duplicate || v.Superseded {
		t.Errorf("the same unit again: %+v", v)
	}
	head := again.store.Heads[about(1)]
	if len(head.Restores) != 1 || head.Restores[0].Seq != events.Seq(before+1) {
		t.Errorf("restores: %+v", head.Restores)
	}
}
