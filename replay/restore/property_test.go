package restore_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/replaytest"
	"tenantcatalogue/replay/restore"
)

// TestAgainstReference restores random causes of random histories, up to three
// times one after the other, and holds plan, log and certificate against a
// reference that works on lists of events.
func TestAgainstReference(t *testing.T) {
	t.Parallel()
	restored, illegal := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		w, stop := replaytest.Start(t, replaytest.Few())
		defer stop()
		g := catalogtest.NewGenerator(catalogtest.Drawn(rt))
		for range rapid.IntRange(1, 3).Draw(rt, "restorations") {
			for range rapid.IntRange(5, 40).Draw(rt, "requests") {
				r := g.Next()
				v := w.Service.Publish(t.Context(), catalogtest.Internal, r)[0]
				if v.Err != nil {
					rt.Fatalf("a generated request was refused: %v", v.Err)
				}
				g.Took(r, v)
			}
			a := restore.Ask{
				Mode:  rapid.SampledFrom([]events.RestoreMode{events.Rewind, events.Undo}).Draw(rt, "mode"),
				Point: fmt.Sprint("seq:", rapid.IntRange(1, int(w.Head())).Draw(rt, "point")),
				Cause: drawCause(rt), Actor: "operator",
				Accept: []restore.ConflictKind{restore.ConflictChanged, restore.ConflictNotDeleted, restore.ConflictIllegal},
			}
			p := check(t, rt, w, a)
			restored += p.Restore
			for _, target := range p.Targets {
				if slices.Contains(target.Accepted, restore.ConflictIllegal) {
					illegal++
				}
			}
			for _, e := range w.Events()[p.AsOf:] {
				if e.About.Kind == events.AggregateTenant {
					g.Took(catalogue.Request{Events: []events.Event{e}}, catalogue.Verdict{Seq: e.Seq, Recorded: e.RecordedTime})
				}
			}
		}
	})
	least := 20
	if testing.Short() {
		least = 5
	}
	if restored < least {
		t.Errorf("only %d tenants restored: the test means little", restored)
	}
	t.Logf("%d tenants restored, %d with illegal events", restored, illegal) // ten on average, none now and then
}

func drawCause(rt *rapid.T) events.Cause {
	run := events.DeriveID[events.RunID](fmt.Sprint("run", rapid.IntRange(1, 3).Draw(rt, "run")))
	actor := fmt.Sprint("user_", rapid.IntRange(0, 2).Draw(rt, "actor"))
	switch rapid.IntRange(0, 3).Draw(rt, "cause") {
	case 0:
		return events.Cause{Actors: []string{actor}}
	case 1:
		return events.Cause{Runs: []events.RunID{run}, Actors: []string{actor}}
	case 2:
		return events.Cause{Runs: []events.RunID{run}, Types: []events.Type{
			events.TenantDeleted{}.EventType(), events.ProductActivated{}.EventType(), events.AppInstalled{}.EventType(),
		}}
	}
	return events.Cause{Runs: []events.RunID{run}}
}

// check plans, applies and certifies, and holds each step against the reference.
func check(t *testing.T, rt *rapid.T, w *replaytest.World, a restore.Ask) restore.Plan {
	t.Helper()
	w.Settle()
	e := w.Engine(nil)
	p, err := e.Plan(t.Context(), a)
	if errors.Is(err, restore.ErrNothing) {
		return restore.Plan{AsOf: w.Head()}
	}
	if err != nil {
		rt.Fatal(err)
	}
	ref := reference{w.Events()}
	wants := map[events.TenantID]outcome{}
	var kept, lost, undone int
	for _, target := range p.Targets {
		want := ref.outcome(target.Tenant, p.Cut, p.AsOf, a)
		wants[target.Tenant] = want
		if slices.Contains(conflicts(p)[target.Tenant], restore.ConflictNotYet) {
			continue
		}
		if target.Kept != len(want.kept) || target.Lost != len(want.lost) || target.Undone != want.undone {
			rt.Fatalf("%s: planned to keep %d, lose %d, undo %d; should be %v, %v, %d",
				target.Tenant, target.Kept, target.Lost, target.Undone, want.kept, want.lost, want.undone)
		}
		if !target.Waits() {
			kept, lost, undone = kept+len(want.kept), lost+len(want.lost), undone+want.undone
		}
	}
	s, err := e.Apply(t.Context(), p.ID, nil)
	if err != nil {
		rt.Fatal(err)
	}
	failed := len(s.Failed)
	if s.Restored+failed != p.Restore {
		rt.Fatalf("%d restored and %d failed of %d", s.Restored, failed, p.Restore)
	}
	if failed > 0 {
		rt.Fatalf("nobody else wrote, and still: %v", s.Failed)
	}
	for _, target := range p.Targets {
		about := events.OfTenant(target.Tenant)
		got := w.Fold(about, w.Head())
		want := wants[target.Tenant].state
		if target.Waits() {
			want = w.Fold(about, p.AsOf)
		}
		if digest(t, got) != digest(t, want) {
			rt.Fatalf("%s\ngot  %+v\nwant %+v", target.Tenant, got, want)
		}
		if a.Mode == events.Rewind && !target.Waits() && digest(t, got) != digest(t, w.Fold(about, p.Cut)) {
			rt.Fatalf("%s was rewound to something else", target.Tenant)
		}
	}
	c, err := e.Certificate(t.Context(), p.ID)
	if err != nil || c.DigestMismatches+c.NeighboursChanged+len(c.Faults) > 0 || c.TenantsVerified != p.Restore {
		rt.Fatalf("certificate %+v, %v", c, err)
	}
	if c.EventsKept != kept || c.EventsLost != lost || c.EventsUndone != undone {
		rt.Fatalf("certified kept %d, lost %d, undone %d; should be %d, %d, %d", c.EventsKept, c.EventsLost, c.EventsUndone, kept, lost, undone)
	}
	return p
}

// reference tells what a restoration leads to, from the whole log.
type reference struct{ log []events.Event }

type outcome struct {
	state      catalogue.MapState
	kept, lost []events.Seq
	undone     int
}

// outcome is what becomes of one tenant.
func (r reference) outcome(tenant events.TenantID, cut, asOf events.Seq, a restore.Ask) outcome {
	cause := after(cut, a.Cause)
	_, stands, refusedBefore := replayed(r.lineage(tenant, asOf, nil))
	var out outcome
	var refused []events.Seq
	if a.Mode == events.Rewind {
		out.state, out.kept, _ = replayed(r.lineage(tenant, cut, nil))
	} else {
		out.state, out.kept, refused = replayed(r.lineage(tenant, asOf, []func(events.Event) bool{cause}))
	}
	for _, e := range r.log {
		if e.About.Tenant() != tenant || e.Seq <= cut || e.Seq > asOf {
			continue
		}
		newlyRefused := slices.Contains(refused, e.Seq) && !slices.Contains(refusedBefore, e.Seq)
		switch {
		case cause(e):
			out.undone++
		case newlyRefused, slices.Contains(stands, e.Seq) && !slices.Contains(out.kept, e.Seq):
			out.lost = append(out.lost, e.Seq)
		}
	}
	out.kept = slices.DeleteFunc(out.kept, func(s events.Seq) bool { return s <= cut })
	return out
}

// lineage lists the events that make up a tenant's state at a Seq: a
// restoration puts another list in the place of the one before it.
func (r reference) lineage(tenant events.TenantID, upTo events.Seq, skip []func(events.Event) bool) (list []events.Event) {
	for _, e := range r.log {
		if e.About.Tenant() != tenant || e.Seq > upTo || slices.ContainsFunc(skip, func(s func(events.Event) bool) bool { return s(e) }) {
			continue
		}
		restored, ok := e.Payload.(events.TenantRestored)
		switch {
		case !ok:
			list = append(list, e)
		case restored.Part > 1:
		case restored.Mode == events.Rewind:
			list = r.lineage(tenant, restored.Cut, skip)
		default:
			list = r.lineage(tenant, restored.AsOf, append(slices.Clone(skip), after(restored.Cut, r.causeOf(restored.Restoration))))
		}
	}
	return list
}

func (r reference) causeOf(id events.RestoreID) events.Cause {
	for _, e := range r.log {
		if p, ok := e.Payload.(events.RestorationPlanned); ok && e.About.Restoration() == id {
			return p.Cause
		}
	}
	panic("a restoration without a plan")
}

// after selects the events of a cause after a cut.
func after(cut events.Seq, c events.Cause) func(events.Event) bool {
	return func(e events.Event) bool {
		return e.Seq > cut && (len(c.Types) == 0 || slices.Contains(c.Types, e.Type())) &&
			(!e.Run.IsZero() && slices.Contains(c.Runs, e.Run) || slices.Contains(c.Actors, e.Actor))
	}
}

// replayed decides a list of events one after the other.
func replayed(list []events.Event) (state catalogue.MapState, taken, refused []events.Seq) {
	state = catalogue.MapState{}
	for _, e := range list {
		if catalogue.Decide(free{}, state, e) != nil {
			refused = append(refused, e.Seq)
			continue
		}
		if err := catalogue.Evolve(state, e); err != nil {
			panic(err)
		}
		taken = append(taken, e.Seq)
	}
	return state, taken, refused
}

// free is a world in which every id is new and every account exists.
type free struct{}

func (free) Exists(events.Aggregate) (bool, error) { return true, nil }

func (free) Claimed(events.Aggregate) (events.TenantID, error) { return events.TenantID{}, nil }

func (free) Issued(uuid.UUID) (events.Aggregate, bool, error) { return events.Aggregate{}, false, nil }
