package restore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/identity"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/replaytest"
	"tenantcatalogue/replay/restore"
)

// hooked is a publisher that calls out around each call.
type hooked struct {
	restore.Publisher

	before func(call int) error // an error: the call never reaches the Service
	after  func(call int) error // an error: the Service has done it, and nobody hears of it
	calls  atomic.Int32
}

func (h *hooked) Publish(ctx context.Context, c catalogue.Credential, requests ...catalogue.Request) []catalogue.Verdict {
	call := int(h.calls.Add(1))
	lost := func(err error) []catalogue.Verdict {
		out := make([]catalogue.Verdict, len(requests))
		for i := range out {
			out[i].Err = fmt.Errorf("%w: %w", events.ErrUnavailable, err)
		}
		return out
	}
	if h.before != nil {
		if err := h.before(call); err != nil {
			return lost(err)
		}
	}
	verdicts := h.Publisher.Publish(ctx, c, requests...)
	if h.after != nil {
		if err := h.after(call); err != nil {
			return lost(err)
		}
	}
	return verdicts
}

const (
	many     = 900 // tenants, more than one portion of an application
	portions = 4   // of an application to as many
)

// manyDeleted is a catalogue in which the bad run deleted many tenants, and left
// one alone.
func manyDeleted(t testing.TB) *replaytest.World {
	t.Helper()
	w := replaytest.New(t, replaytest.Few())
	w.Do(owner, events.OfAccount(replaytest.AccountID(1)), events.AccountCreated{Name: "Example Ltd"})
	for i := 1; i <= many+1; i++ {
		w.Do(owner, replaytest.Tenant(i), replaytest.Created(i))
	}
	for i := 1; i <= many; i++ {
		w.Do(script, replaytest.Tenant(i), replaytest.Deleted())
	}
	return w
}

func TestApplyTwiceAddsNothing(t *testing.T) {
	t.Parallel()
	w, _ := incident(t, 6)
	e := w.Engine(nil)
	p := plan(t, w, e, ask(events.Undo))
	if s := apply(t, w, e, p.ID); s.Added != 4 {
		t.Errorf("%d events written for three tenants and the end", s.Added)
	}
	head := w.Head()
	first := certificate(t, w, e, p.ID, true)
	if s := apply(t, w, e, p.ID); s.Added != 0 || s.Restored != 3 || w.Head() != head {
		t.Errorf("applied again: %+v, the log went from %d to %d", s, head, w.Head())
	}
	if again := certificate(t, w, e, p.ID, true); again.Same != first.Same {
		t.Error("the certificate is another one")
	}
}

// TestApplyInterrupted stops an application at every call of the Service, before
// it and after it, and takes it up again: the same certificate, nothing twice.
func TestApplyInterrupted(t *testing.T) {
	t.Parallel()
	w := manyDeleted(t)
	planned := plan(t, w, w.Engine(nil), ask(events.Undo))
	if planned.Restore != many {
		t.Fatalf("%d planned", planned.Restore)
	}
	before := w.Head()
	e, crash := w.Engine(nil), errors.New("the process ended")
	interrupted := 0
	for call := 1; call <= portions+1; call++ {
		for _, after := range []bool{false, true} {
			if after && call == portions+1 {
				continue // the end is written: there is nothing more to take up
			}
			h := &hooked{Publisher: w.Service}
			stop := func(at int) error {
				if at == call {
					return crash
				}
				return nil
			}
			if after {
				h.after = stop
			} else {
				h.before = stop
			}
			s, err := w.Engine(h).Apply(t.Context(), planned.ID, nil)
			if !errors.Is(err, crash) {
				t.Fatalf("call %d, after %v: %+v, %v", call, after, s, err)
			}
			interrupted++
			if _, err := e.Certificate(t.Context(), planned.ID); !errors.Is(err, restore.ErrNotFinished) {
				t.Fatalf("a certificate of half a restoration: %v", err)
			}
		}
	}
	if interrupted != 2*portions+1 {
		t.Fatalf("interrupted %d times", interrupted)
	}
	heard := 0
	s, err := e.Apply(t.Context(), planned.ID, func(done, of int) {
		if done <= heard || of != many {
			t.Errorf("progress went from %d to %d of %d", heard, done, of)
		}
		heard = done
	})
	if err != nil || s.Restored != many || len(s.Failed) != 0 || heard != many {
		t.Fatalf("taken up again: %+v, %v, heard of %d", s, err, heard)
	}
	if wrote := int(w.Head() - before); wrote != many+1 || s.Added != 1 {
		t.Errorf("%d events for %d tenants and the end, %d by the last application", wrote, many, s.Added)
	}
	c := certificate(t, w, e, planned.ID, true)

	whole := manyDeleted(t) // the same events, ids and plan: the ids count up in both
	e = whole.Engine(nil)
	p := plan(t, whole, e, ask(events.Undo))
	if p.ID != planned.ID {
		t.Fatalf("the two worlds differ: %s and %s", p.ID, planned.ID)
	}
	apply(t, whole, e, p.ID)
	if w := certificate(t, whole, e, p.ID, true); w.Same != c.Same || c.Same == "" {
		t.Errorf("an interrupted restoration has another certificate\nwhole       %+v\ninterrupted %+v", w, c)
	}
}

// TestApplyCancelled cancels the context within each call.
func TestApplyCancelled(t *testing.T) {
	t.Parallel()
	w := manyDeleted(t)
	e := w.Engine(nil)
	p := plan(t, w, e, ask(events.Rewind))
	before := w.Head()
	for call := 1; call <= portions+1; call++ {
		ctx, cancel := context.WithCancel(t.Context())
		h := &hooked{Publisher: w.Service, before: func(at int) error {
			if at == call {
				cancel()
			}
			return nil
		}}
		_, err := w.Engine(h).Apply(ctx, p.ID, nil)
		// The Service may have answered the last call before it looked.
		if !errors.Is(err, context.Canceled) && (err != nil || call <= portions) {
			t.Fatalf("call %d: %v", call, err)
		}
		cancel()
	}
	if s := apply(t, w, e, p.ID); s.Restored != many || int(w.Head()-before) != many+1 {
		t.Errorf("status %+v, %d events", s, w.Head()-before)
	}
	certificate(t, w, e, p.ID, true)
}

// TestApplyAtOnce applies one plan from two processes, while traffic goes on and
// certificates are computed.
func TestApplyAtOnce(t *testing.T) {
	t.Parallel()
	w := manyDeleted(t)
	p := plan(t, w, w.Engine(nil), ask(events.Undo))
	before := w.Head()
	other, stopOther := w.OpenService()
	defer stopOther()
	stop, traffic := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				traffic <- n
				return
			default:
				if v := w.Try(owner, replaytest.Tenant(many+1), replaytest.Configured("n", fmt.Sprint(n))); v.Err != nil {
					t.Errorf("traffic: %v", v.Err)
				}
			}
		}
	}()
	var wg sync.WaitGroup
	for _, s := range []*catalogue.Service{w.Service, other} {
		wg.Go(func() {
			status, err := w.Engine(s).Apply(t.Context(), p.ID, nil)
			if err != nil || status.Restored != many || len(status.Failed) > 0 {
				t.Errorf("apply: %+v, %v", status, err)
			}
		})
	}
	wg.Wait()
	c, err := w.Engine(nil).Certificate(t.Context(), p.ID)
	if err != nil || !c.OK || c.TenantsVerified != many || c.NeighboursChecked != 1 || c.NeighboursUntouched != 0 {
		t.Errorf("certificate under traffic: %+v, %v", c, err)
	}
	close(stop)
	n := <-traffic
	if wrote := int(w.Head() - before); wrote != many+1+n {
		t.Errorf("%d events for %d tenants, the end and %d of traffic", wrote, many, n)
	}
	if again := certificate(t, w, w.Engine(nil), p.ID, true); again.Same != c.Same {
		t.Error("later the certificate is another one")
	}
}

// TestLaterCertificate recomputes a certificate after restored tenants and
// neighbours have lived on, and after they were restored once more.
func TestLaterCertificate(t *testing.T) {
	t.Parallel()
	w, cut := incident(t, 6)
	p, first := carryOut(t, w, ask(events.Undo))
	w.Do(owner, replaytest.Tenant(1), replaytest.Configured("a", "b"), replaytest.Deleted())
	w.Do(owner, replaytest.Tenant(2), events.TenantRenamed{URL: "new.example.net"})
	w.Do(owner, replaytest.Tenant(5), replaytest.Deleted())
	w.Do(owner, replaytest.Tenant(7), replaytest.Created(7))
	check := func(untouched int) {
		t.Helper()
		c := certificate(t, w, w.Engine(nil), p.ID, true)
		if c.Same != first.Same || c.Begin != first.Begin || c.End != first.End || c.NeighboursUntouched != untouched {
			t.Errorf("later\n%+v\nfirst\n%+v", c, first)
		}
	}
	check(2) // tenants 4 and 6
	carryOut(t, w, restore.Ask{
		Mode: events.Rewind, Point: fmt.Sprint("seq:", cut), Tenants: []events.TenantID{replaytest.TenantID(1), replaytest.TenantID(4)}, Actor: "operator",
	})
	check(1)
}

// TestLargeTenant restores 100,000 members in parts of one unit.
func TestLargeTenant(t *testing.T) {
	t.Parallel()
	const members = 100_000
	w := replaytest.New(t, append(replaytest.Few(), identity.New()))
	w.Begin(2)
	grant(t, w, 1, members, "m")
	cut := w.Head()
	w.Do(script, replaytest.Tenant(1), replaytest.Deleted())
	before := w.Head()
	p, c := carryOut(t, w, ask(events.Undo))
	target := targetOf(t, p, 1)
	parts := int(w.Head()-before) - 2 // the plan and the end
	if target.Entities < members || parts < 2 || c.TenantsVerified != 1 {
		t.Fatalf("%d entities in %d parts: %+v", target.Entities, parts, c)
	}
	if at := w.Head(); digest(t, w.Fold(replaytest.Tenant(1), at)) != digest(t, w.Fold(replaytest.Tenant(1), cut)) {
		t.Error("it came back as something else")
	}
	w.Read(func(r *history.Reader) error { // a point inside its unit moves before it
		point, err := replay.ResolvePoint(r, fmt.Sprint("seq:", before+3), 0)
		if err == nil && point.Seq != before+1 {
			t.Errorf("the point is %d, the unit begins after %d", point.Seq, before+1)
		}
		return err
	})
}

// TestTooLarge refuses at planning what no unit can carry.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	w := replaytest.New(t, replaytest.Few())
	w.Begin(2)
	var long string
	for len(long) < 900 {
		long += "abcdefghij"
	}
	grant(t, w, 1, 14_000, long) // 12 MiB and some
	w.Do(script, replaytest.Tenant(1), replaytest.Deleted())
	w.Do(script, replaytest.Tenant(2), replaytest.Deleted())
	p, _ := carryOut(t, w, ask(events.Undo))
	if got := conflicts(p); len(got) != 1 || len(got[replaytest.TenantID(1)]) != 1 || got[replaytest.TenantID(1)][0] != restore.ConflictTooLarge || p.Restore != 1 {
		t.Errorf("conflicts %v of %d restored", got, p.Restore)
	}
}

// grant gives a tenant so many members at once, as a restoration does.
func grant(t testing.TB, w *replaytest.World, tenant, n int, name string) {
	t.Helper()
	about := replaytest.Tenant(tenant)
	state := w.Fold(about, w.Head())
	for i := range n {
		m := events.Member{
			User: fmt.Sprint("user_m", i), Name: catalogtest.Sealed(events.Personal(name)), Email: catalogtest.Sealed("m@example.com"), Roles: []string{"user"},
		}
		state[m.EntityKey()] = m
	}
	sum := digest(t, state)
	parts := slices.Collect(slices.Chunk(state.Entities(), 700))
	unit := make([]events.Event, len(parts))
	for i, part := range parts {
		unit[i] = w.Event(owner, about, events.TenantRestored{
			Restoration: events.DeriveID[events.RestoreID]("earlier"), Mode: events.Rewind, Cut: w.Head(), AsOf: w.Head(), Epoch: 1,
			Part: uint32(i + 1), Parts: uint32(len(parts)), Entities: part, Digest: sum[:],
		})
	}
	v := w.Service.Publish(t.Context(), catalogtest.Internal, catalogue.Request{Events: unit})[0]
	if v.Err != nil {
		t.Fatal(v.Err)
	}
	w.Refresh()
}
