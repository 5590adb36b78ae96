package restore_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/replaytest"
	"tenantcatalogue/replay/restore"
)

var (
	owner  = replaytest.Owner
	script = replaytest.Script
)

// incident begins n tenants; then the bad run deletes the first three, the second
// of which was changed by its owner since the run began; the owner of the
// fourth deletes it in the same minutes, and the fifth goes on.
func incident(t testing.TB, n int) (w *replaytest.World, cut events.Seq) {
	t.Helper()
	w = replaytest.New(t, replaytest.All())
	w.Begin(n)
	cut = w.Head()
	w.Do(script, replaytest.Tenant(1), replaytest.Deleted())
	w.Do(owner, replaytest.Tenant(2), replaytest.Configured("theme", "dark"))
	w.Do(owner, replaytest.Tenant(4), replaytest.Deleted())
	w.Do(script, replaytest.Tenant(2), replaytest.Deleted())
	w.Do(owner, replaytest.Tenant(5), replaytest.Configured("theme", "light"))
	w.Do(script, replaytest.Tenant(3), replaytest.Deleted())
	return w, cut
}

func TestRewind(t *testing.T) {
	t.Parallel()
	w, cut := incident(t, 6)
	p, c := carryOut(t, w, ask(events.Rewind))
	if p.Cut != cut || p.Restore != 3 || p.Lost != 1 || p.Waiting != 0 || p.Users != 60 || p.Accounts != 1 {
		t.Errorf("plan %+v", p)
	}
	for n := 1; n <= 3; n++ {
		mustEqual(t, fmt.Sprint("tenant ", n), w.Fold(replaytest.Tenant(n), w.Head()), w.Fold(replaytest.Tenant(n), cut))
	}
	if s := status(t, w, 4); s != events.TenantStatusDeleted {
		t.Errorf("what its owner deleted is %s", s)
	}
	type figures struct{ verified, neighbours, untouched, undone, kept, lost, accounts, users int }
	got := figures{
		c.TenantsVerified, c.NeighboursChecked, c.NeighboursUntouched,
		c.EventsUndone, c.EventsKept, c.EventsLost, c.Accounts, int(c.ActiveUsers),
	}
	if want := (figures{3, 3, 3, 3, 0, 1, 1, 60}); got != want {
		t.Errorf("the certificate has %+v, not %+v", got, want)
	}
	if c.RPOSeconds <= 0 || c.RTOSeconds <= 0 {
		t.Errorf("an RPO of %v and an RTO of %v: nothing was measured", c.RPOSeconds, c.RTOSeconds)
	}
}

func TestUndoKeepsWhatOthersDid(t *testing.T) {
	t.Parallel()
	w, cut := incident(t, 6)
	p, c := carryOut(t, w, ask(events.Undo))
	if p.Lost != 0 || c.EventsLost != 0 || c.EventsKept != 1 || c.RPOSeconds != 0 {
		t.Errorf("plan %+v, certificate %+v", p, c)
	}
	want := w.Fold(replaytest.Tenant(2), cut)
	record, _ := want.Tenant()
	record.Metadata = map[string]string{"theme": "dark"}
	want[record.EntityKey()] = record
	mustEqual(t, "tenant 2", w.Fold(replaytest.Tenant(2), w.Head()), want)
	if s := status(t, w, 4); s != events.TenantStatusDeleted {
		t.Errorf("what its owner deleted is %s", s)
	}
}

// TestChosenBy restores what a cause of each kind names.
func TestChosenBy(t *testing.T) {
	t.Parallel()
	ids := func(ns ...int) (out []events.TenantID) {
		for _, n := range ns {
			out = append(out, replaytest.TenantID(n))
		}
		return out
	}
	tombstone := events.TenantDeleted{}.EventType()
	for name, test := range map[string]struct {
		cause   func(since, until events.Time) events.Cause
		tenants []events.TenantID
		want    []events.TenantID
	}{
		"run":          {cause: func(_, _ events.Time) events.Cause { return bad() }, want: ids(1, 2, 3)},
		"actor":        {cause: func(_, _ events.Time) events.Cause { return events.Cause{Actors: []string{"script"}} }, want: ids(1, 2, 3)},
		"run and list": {cause: func(_, _ events.Time) events.Cause { return bad() }, tenants: ids(3, 1), want: ids(3, 1)},
		"list":         {cause: func(_, _ events.Time) events.Cause { return events.Cause{} }, tenants: ids(4, 2), want: ids(4, 2)},
		"types":        {cause: func(_, _ events.Time) events.Cause { return events.Cause{Types: []events.Type{tombstone}} }, want: ids(1, 4, 2, 3)},
		"types and time": {cause: func(s, u events.Time) events.Cause {
			return events.Cause{Types: []events.Type{tombstone}, Since: s, Until: u}
		}, want: ids(4, 2)},
		"time": {cause: func(s, u events.Time) events.Cause { return events.Cause{Since: s, Until: u} }, want: ids(2, 4)},
		"actor and type": {cause: func(_, _ events.Time) events.Cause {
			return events.Cause{Actors: []string{"owner"}, Types: []events.Type{tombstone}}
		}, want: ids(4)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, cut := incident(t, 6)
			all := w.Events()
			// From the owner's change of tenant 2 to its deletion.
			cause := test.cause(all[cut+1].RecordedTime, all[cut+4].RecordedTime)
			p, _ := carryOut(t, w, restore.Ask{
				Mode: events.Rewind, Point: fmt.Sprint("seq:", cut), Cause: cause, Tenants: test.tenants, Actor: "operator",
				Accept: []restore.ConflictKind{restore.ConflictChanged},
			})
			var got []events.TenantID
			for _, target := range p.Targets {
				got = append(got, target.Tenant)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("chosen %v, not %v", got, test.want)
			}
		})
	}
}

func TestEpochIsRaised(t *testing.T) {
	t.Parallel()
	w, _ := incident(t, 6)
	stale := w.Event(owner, replaytest.Tenant(1), replaytest.Configured("a", "b"))
	carryOut(t, w, ask(events.Rewind))
	if stale.Epoch != 1 {
		t.Fatalf("after its deletion a tenant is in epoch %d", stale.Epoch)
	}
	now := w.Event(owner, replaytest.Tenant(1), replaytest.Configured("a", "b"))
	if now.Epoch != 2 {
		t.Errorf("after its restoration a tenant is in epoch %d", now.Epoch)
	}
	w.Do(owner, replaytest.Tenant(1), replaytest.Configured("a", "b"))
}

// TestConflicts is every conflict that stands in the way of one listed tenant.
func TestConflicts(t *testing.T) {
	t.Parallel()
	w := replaytest.New(t, replaytest.All())
	w.Begin(6)
	cut := w.Head()
	w.Do(owner, replaytest.Tenant(7), replaytest.Created(7))
	w.Do(script, replaytest.Tenant(7), replaytest.Deleted())
	w.Do(script, replaytest.Tenant(1), replaytest.Deleted())
	w.Do(script, replaytest.Tenant(2), replaytest.Configured("theme", "dark"))
	w.Do(owner, replaytest.Tenant(2), replaytest.Configured("theme", "light"))
	w.Do(script, replaytest.Tenant(3), replaytest.Configured("a", "b"), events.TenantConfigured{Unset: []string{"a"}})
	w.Do(script, replaytest.Tenant(5), events.TenantDeactivated{})
	w.Do(owner, replaytest.Tenant(5), events.TenantReactivated{})
	all := []events.TenantID{}
	for n := 1; n <= 8; n++ {
		all = append(all, replaytest.TenantID(n))
	}
	e := w.Engine(nil)
	for _, test := range []struct {
		mode   events.RestoreMode
		accept []restore.ConflictKind
		want   map[int][]restore.ConflictKind
	}{
		{mode: events.Rewind, want: map[int][]restore.ConflictKind{
			2: {restore.ConflictChanged},
			3: {restore.ConflictSame},
			4: {restore.ConflictNotTouched, restore.ConflictSame},
			5: {restore.ConflictChanged, restore.ConflictSame},
			6: {restore.ConflictNotTouched, restore.ConflictSame},
			7: {restore.ConflictNotYet},
			8: {restore.ConflictUnknown},
		}},
		{mode: events.Undo, want: map[int][]restore.ConflictKind{
			2: {restore.ConflictSame},
			3: {restore.ConflictSame},
			4: {restore.ConflictNotTouched, restore.ConflictSame},
			5: {restore.ConflictIllegal, restore.ConflictSame},
			6: {restore.ConflictNotTouched, restore.ConflictSame},
			8: {restore.ConflictUnknown},
		}},
		{mode: events.Rewind, accept: []restore.ConflictKind{restore.ConflictChanged}, want: map[int][]restore.ConflictKind{
			3: {restore.ConflictSame},
			4: {restore.ConflictNotTouched, restore.ConflictSame},
			5: {restore.ConflictSame},
			6: {restore.ConflictNotTouched, restore.ConflictSame},
			7: {restore.ConflictNotYet},
			8: {restore.ConflictUnknown},
		}},
	} {
		w.Settle()
		p, err := e.Plan(t.Context(), restore.Ask{
			Mode: test.mode, Point: fmt.Sprint("seq:", cut), Cause: bad(), Tenants: all, Accept: test.accept, Actor: "operator", DryRun: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		want := map[events.TenantID][]restore.ConflictKind{}
		for n, kinds := range test.want {
			want[replaytest.TenantID(n)] = kinds
		}
		if d := cmp.Diff(want, conflicts(p)); d != "" {
			t.Errorf("%s, accepting %v (-want +got)\n%s", test.mode, test.accept, d)
		}
		if p.Restore+p.Waiting != len(all) || p.Waiting != len(want) {
			t.Errorf("%s: %d restored, %d waiting", test.mode, p.Restore, p.Waiting)
		}
	}
}

func TestIllegalIsAConflictUntilAccepted(t *testing.T) {
	t.Parallel()
	w := replaytest.New(t, replaytest.All())
	w.Begin(2)
	w.Do(script, replaytest.Tenant(1), events.AppUninstalled{App: replaytest.AppID(1)})
	illegal := w.Do(owner, replaytest.Tenant(1), events.AppRestored{App: replaytest.AppID(1), Name: "clock", Version: "2"})
	kept := w.Do(owner, replaytest.Tenant(1), replaytest.Configured("a", "b"))
	w.Do(script, replaytest.Tenant(1), replaytest.Deleted())
	e := w.Engine(nil)
	w.Settle()
	p, err := e.Plan(t.Context(), ask(events.Undo))
	if !errors.Is(err, restore.ErrNothing) {
		t.Fatalf("a plan with nothing but conflicts: %v", err)
	}
	target := targetOf(t, p, 1)
	if len(target.Conflicts) != 1 || target.Conflicts[0].Kind != restore.ConflictIllegal ||
		len(target.Conflicts[0].Illegal) != 1 || target.Conflicts[0].Illegal[0].Seq != illegal {
		t.Fatalf("target %+v, the illegal event is %d", target, illegal)
	}
	a := ask(events.Undo)
	a.Accept = []restore.ConflictKind{restore.ConflictIllegal}
	p, c := carryOut(t, w, a)
	if p.Lost != 1 || c.EventsLost != 1 || c.EventsKept != 1 || c.EventsUndone != 2 {
		t.Errorf("plan %+v, certificate %+v", p, c)
	}
	state := w.Fold(replaytest.Tenant(1), w.Head())
	record, _ := state.Tenant()
	app, _ := state[events.AppKey(replaytest.AppID(1))].(events.App)
	if record.Metadata["a"] != "b" || !app.Installed {
		t.Errorf("event %d was to be kept: %+v", kept, record)
	}
}

// TestAskIsRefused names what is missing.
func TestAskIsRefused(t *testing.T) {
	t.Parallel()
	w, cut := incident(t, 5)
	w.Settle()
	good := ask(events.Undo)
	for name, test := range map[string]struct {
		change func(a *restore.Ask)
		want   error
	}{
		"no mode":           {func(a *restore.Ask) { a.Mode = "" }, restore.ErrAsk},
		"another mode":      {func(a *restore.Ask) { a.Mode = "redo" }, restore.ErrAsk},
		"no point":          {func(a *restore.Ask) { a.Point = "" }, restore.ErrAsk},
		"no cause":          {func(a *restore.Ask) { a.Cause = events.Cause{} }, restore.ErrAsk},
		"undo without":      {func(a *restore.Ask) { a.Cause, a.Tenants = events.Cause{}, []events.TenantID{replaytest.TenantID(1)} }, restore.ErrAsk},
		"nobody":            {func(a *restore.Ask) { a.Actor = "" }, restore.ErrAsk},
		"accept the URL":    {func(a *restore.Ask) { a.Accept = []restore.ConflictKind{restore.ConflictURLTaken} }, restore.ErrAsk},
		"listed twice":      {func(a *restore.Ask) { a.Tenants = []events.TenantID{replaytest.TenantID(1), replaytest.TenantID(1)} }, restore.ErrAsk},
		"no such point":     {func(a *restore.Ask) { a.Point = "yesterday" }, replay.ErrPoint},
		"no such run":       {func(a *restore.Ask) { a.Point = "before " + replaytest.Run("none").String() }, replay.ErrNoRun},
		"a cause of naught": {func(a *restore.Ask) { a.Cause = events.Cause{Actors: []string{"nobody"}} }, restore.ErrNothing},
		"after the cause":   {func(a *restore.Ask) { a.Point = fmt.Sprint("seq:", cut+6) }, restore.ErrNothing},
	} {
		a := good
		test.change(&a)
		if _, err := w.Engine(nil).Plan(t.Context(), a); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, not %v", name, err, test.want)
		}
	}
	if w.Head() != cut+6 {
		t.Errorf("a refused plan wrote %d events", w.Head()-cut-6)
	}
}

func TestAmbiguousTimeIsRefused(t *testing.T) {
	t.Parallel()
	w := replaytest.New(t, replaytest.Few())
	w.Begin(1)
	at := w.Now()
	w.Pass(time.Hour)
	w.Do(owner, replaytest.Tenant(1), replaytest.Configured("a", "b"))
	// Another process, whose clock is behind, writes into the log.
	e := w.Event(owner, replaytest.Tenant(1), replaytest.Configured("a", "c"))
	e.RecordedTime = events.TimeOf(at.Add(-time.Minute))
	appendByHand(t, w, e)
	w.Settle()
	_, err := w.Engine(nil).Plan(t.Context(), restore.Ask{
		Mode: events.Rewind, Point: events.TimeOf(at).String(), Tenants: []events.TenantID{replaytest.TenantID(1)}, Actor: "operator",
	})
	if !errors.Is(err, restore.ErrAmbiguous) {
		t.Fatalf("the plan stands on an ambiguous time: %v", err)
	}
}

func TestUnknownRestoration(t *testing.T) {
	t.Parallel()
	w, _ := incident(t, 5)
	e := w.Engine(nil)
	none := events.DeriveID[events.RestoreID]("none")
	if _, err := e.Apply(t.Context(), none, nil); !errors.Is(err, restore.ErrNoPlan) {
		t.Errorf("apply: %v", err)
	}
	if _, err := e.Status(t.Context(), none); !errors.Is(err, restore.ErrNoPlan) {
		t.Errorf("status: %v", err)
	}
	if _, err := e.Certificate(t.Context(), none); !errors.Is(err, restore.ErrNoPlan) {
		t.Errorf("certificate: %v", err)
	}
	p := plan(t, w, e, ask(events.Undo))
	if _, err := e.Certificate(t.Context(), p.ID); !errors.Is(err, restore.ErrNotFinished) {
		t.Errorf("certificate of a plan: %v", err)
	}
	if s, err := e.Status(t.Context(), p.ID); err != nil || s.Targets != 3 || s.Restored != 0 || s.Actor != "operator" {
		t.Errorf("status of a plan: %+v, %v", s, err)
	}
	apply(t, w, e, p.ID)
	list, err := e.List(t.Context())
	if err != nil || len(list) != 1 || list[0].ID != p.ID || list[0].Restored != 3 || list[0].Finished.IsZero() {
		t.Errorf("list: %+v, %v", list, err)
	}
}

// TestChangedSincePlan fails a tenant that moved on, with the reason, and
// restores the others.
func TestChangedSincePlan(t *testing.T) {
	t.Parallel()
	w, _ := incident(t, 6)
	e := w.Engine(nil)
	first, second := plan(t, w, e, ask(events.Rewind)), plan(t, w, e, ask(events.Undo))
	apply(t, w, e, first.ID)
	w.Do(owner, replaytest.Tenant(5), replaytest.Configured("x", "y"))
	before := w.Head()
	s := apply(t, w, e, second.ID)
	if s.Restored != 0 || len(s.Failed) != 3 || s.Failed[0].Why == "" {
		t.Fatalf("a plan from before another restoration: %+v", s)
	}
	if w.Head() != before+1 {
		t.Errorf("it wrote %d events beside its end", w.Head()-before-1)
	}
	certificate(t, w, e, second.ID, false)
	certificate(t, w, e, first.ID, true)
	var fresh restore.Plan
	w.Read(func(*history.Reader) error {
		var err error
		fresh, err = e.Plan(t.Context(), restore.Ask{
			Mode: events.Undo, Point: beforeBad(), Cause: bad(), Actor: "operator", DryRun: true,
		})
		return err
	})
	if fresh.Recorded || fresh.Restore != 0 {
		t.Errorf("a dry run: %+v", fresh)
	}
}

// A point that is said from now on is in recorded time: after a clock was ahead and was put
// right, too.
func TestPointAfterAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	w := replaytest.New(t, replaytest.All())
	w.Begin(3)
	w.Pass(40 * 24 * time.Hour)
	w.Do(owner, replaytest.Tenant(1), replaytest.Configured("theme", "dark"))
	cut := w.Head()
	w.Pass(-40 * 24 * time.Hour)
	w.Service.Now() // it sees that the clock was put right
	w.Pass(time.Hour)
	w.Do(script, replaytest.Tenant(1), replaytest.Deleted())
	a := ask(events.Rewind)
	a.Point = "-10m"
	if p, _ := carryOut(t, w, a); p.Cut != cut {
		t.Errorf("it goes back to %d, want %d", p.Cut, cut)
	}
}
