package deletion_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
)

// The list of April 2022: tenant ids where app ids belong.
func TestWrongKindIsRefused(t *testing.T) {
	t.Parallel()
	const wrong = 883
	w := governed(t, wrong)
	a := w.ask(upTo(wrong)...)
	a.Kind = events.DeletionOfApps
	_, err := w.tryPlan(a)
	if err == nil || !strings.Contains(err.Error(), "883 of 883 ids are those of tenants, the plan says app") {
		t.Errorf("refused with %v", err)
	}
	refused, ok := w.log[len(w.log)-1].Payload.(events.DeletionRefused)
	if !ok || refused.Targets != wrong || len(refused.Reasons) != 1 || refused.Reasons[0].Count != wrong {
		t.Errorf("what was refused is recorded as %+v", refused)
	}
	if w.tombstones() != 0 {
		t.Error("something was deleted")
	}
}

// What is refused is kept for ever: of a list, ids are, and nothing else that stands there.
func TestWhatIsRecordedOfARefusal(t *testing.T) {
	t.Parallel()
	w := governed(t, 5)
	a := w.ask(1, 2, 3, 4)
	a.Targets[1].ID = "jane.doe@example.com"
	a.Targets[2].ID = "tenant_jane.doe@example.com"
	a.Targets[3].ID = tenantID(99).String()
	if _, err := w.tryPlan(a); err == nil || strings.Contains(err.Error(), "jane") {
		t.Errorf("refused with %v", err)
	}
	refused, _ := w.log[len(w.log)-1].Payload.(events.DeletionRefused)
	var examples []string
	for _, reason := range refused.Reasons {
		examples = append(examples, reason.Examples...)
	}
	if want := []string{"line 2", "line 3", tenantID(99).String()}; !slices.Equal(examples, want) {
		t.Errorf("the examples are %q, not %q", examples, want)
	}
	before := len(w.log)
	for _, spoil := range []func(*deletion.Ask){
		func(a *deletion.Ask) { a.Author = "jane.doe@example.com" },
		func(a *deletion.Ask) { a.Submitter = "Jane" },
		func(a *deletion.Ask) { a.Supplier = "" },
		func(a *deletion.Ask) { a.Kind = "jane.doe@example.com" },
	} {
		spoilt := a
		spoil(&spoilt)
		if _, err := w.tryPlan(spoilt); !errors.Is(err, deletion.ErrPlan) || len(w.log) != before {
			t.Errorf("%d events were appended, %v", len(w.log)-before, err)
		}
	}
}

// Each fault of one line refuses the whole list.
func TestOneFaultyLineRefusesTheList(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		apps  bool
		spoil func(w *world, a *deletion.Ask)
		want  string
	}{
		"a tenant among apps":       {true, func(_ *world, a *deletion.Ask) { a.Targets[3].ID = tenantID(4).String() }, "1 of 10 ids are those of tenants, the plan says app"},
		"an app among tenants":      {false, func(_ *world, a *deletion.Ask) { a.Targets[3].ID = appID(4, 0).String() }, "ids are those of apps, the plan says tenant"},
		"no id":                     {false, func(_ *world, a *deletion.Ask) { a.Targets[3].ID = "4" }, "are no tenant ids"},
		"unknown here":              {false, func(_ *world, a *deletion.Ask) { a.Targets[3].ID = tenantID(999).String() }, "not in this catalogue"},
		"an unknown app":            {true, func(_ *world, a *deletion.Ask) { a.Targets[3].ID = appID(999, 0).String() }, "not in this catalogue"},
		"another parent":            {false, func(_ *world, a *deletion.Ask) { a.Targets[3].Parent = accountID(5).String() }, "belong to another account"},
		"another tenant's app":      {true, func(_ *world, a *deletion.Ask) { a.Targets[3].ID = appID(5, 0).String() }, "belong to another tenant"},
		"another app of the tenant": {true, func(_ *world, a *deletion.Ask) { a.Targets[3].ID = appID(4, 1).String() }, "have another name"},
		"another name":              {false, func(_ *world, a *deletion.Ask) { a.Targets[3].Name = url(5) }, "have another URL"},
		"columns shifted":           {false, func(_ *world, a *deletion.Ask) { t := &a.Targets[3]; t.ID, t.Parent, t.Name = t.Parent, t.Name, t.ID }, "ids are those of accounts, the plan says tenant"},
		"twice":                     {false, func(_ *world, a *deletion.Ask) { a.Targets[3] = a.Targets[2] }, "stand in the list twice"},
		"in service": {false, func(w *world, _ *deletion.Ask) {
			w.must(w.event(events.OfTenant(tenantID(4)), events.TenantReactivated{}))
		}, "is active"},
		"a lien": {false, func(w *world, _ *deletion.Ask) {
			w.must(w.event(events.OfLiens(tenantID(4)), events.LienPlaced{Matter: "legal/22"}))
		}, "kept for legal/22"},
		"used lately, told late": {false, func(w *world, a *deletion.Ask) {
			a.InactiveDays = 1
			for _, ago := range []time.Duration{time.Hour, 300 * 24 * time.Hour} {
				w.must(w.event(events.OfTenant(tenantID(2)), events.TenantUsageReported{ActiveUsers: 2, LastActivity: w.now.Add(-ago)}))
			}
		}, "1 of 10 is said to be inactive for 1 days"},
		"used lately":                {false, func(_ *world, a *deletion.Ask) { a.InactiveDays = 4 }, "said to be inactive for 4 days"},
		"fewer than expected":        {false, func(_ *world, a *deletion.Ask) { a.Expected = 11 }, "10 targets, the author expects 11"},
		"nothing":                    {false, func(_ *world, a *deletion.Ask) { a.Targets, a.Expected = nil, 0 }, "no targets"},
		"no reason":                  {false, func(_ *world, a *deletion.Ask) { a.Reason = "" }, "no reason"},
		"another tenant of an owner": {false, func(_ *world, a *deletion.Ask) { a.Owner = accountID(1) }, "may ask for one tenant of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := governed(t, 20)
			a := w.ask(upTo(10)...)
			if c.apps {
				a = w.askApps(upTo(10)...)
			}
			c.spoil(w, &a)
			before := len(w.log)
			_, err := w.tryPlan(a)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("refused with %v, want %q", err, c.want)
			}
			for _, e := range w.log[before:] {
				if _, ok := e.Payload.(events.DeletionRefused); !ok {
					t.Errorf("%s was appended", e.Type())
				}
			}
		})
	}
}

func TestOnePlanOfAKind(t *testing.T) {
	t.Parallel()
	w := governed(t, 10)
	first := w.plan(w.ask(1, 2))
	if _, err := w.tryPlan(w.ask(3)); !errors.Is(err, deletion.ErrPlan) || !strings.Contains(err.Error(), first.ID.String()) {
		t.Errorf("a second plan: %v", err)
	}
	w.plan(w.askApps(4)) // of another kind
	if err := w.engine.Withdraw(t.Context(), first.ID, "author", "the list was wrong"); err != nil {
		t.Fatal(err)
	}
	if err := w.approve(first, "ana"); !errors.Is(err, deletion.ErrDead) {
		t.Errorf("a plan that was withdrawn is approved: %v", err)
	}
	third := w.plan(w.ask(3))
	w.pass(25 * time.Hour)
	if err := w.approve(third, "ana"); !errors.Is(err, deletion.ErrDead) {
		t.Errorf("a plan that has expired is approved: %v", err)
	}
	w.plan(w.ask(5))
}

// A target that changes after it was planned stops everything that is left.
func TestTargetChanges(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(w *world, n int){
		"another event": func(w *world, n int) {
			w.must(w.event(events.OfTenant(tenantID(n)), events.TenantUsageReported{ActiveUsers: 9, LastActivity: w.now}))
		},
		"a lien": func(w *world, n int) {
			w.must(w.event(events.OfLiens(tenantID(n)), events.LienPlaced{Matter: "legal/22"}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := governed(t, 30)
			p := w.plan(w.ask(upTo(30)...))
			change(w, 30)
			if err := w.approve(p, "ana"); err == nil {
				t.Error("it is approved")
			}
			if err := w.engine.Withdraw(t.Context(), p.ID, "author", "stale"); err != nil {
				t.Fatal(err)
			}
			if name == "a lien" {
				if err := w.liftLien(30, "oncall"); err != nil {
					t.Fatal(err)
				}
			}
			p = w.ready(w.ask(upTo(30)...), "ana")
			last := p.Deletion.Targets[len(p.Deletion.Targets)-1].Tenant
			for i := 1; i <= 30; i++ {
				if tenantID(i) == last {
					w.before = func([]events.Event) error {
						w.before = nil
						change(w, i)
						return nil
					}
				}
			}
			step := w.run(p.ID)
			if !step.Done || step.Why == "" {
				t.Errorf("it ended with %+v", step)
			}
			if n := w.tombstones(); n > 1 {
				t.Errorf("%d tombstones after a target of the last wave has changed in the first", n)
			}
		})
	}
}

// A target that changes between the last look at it and its wave stays: so says whoever
// appends the wave.
func TestTargetChangesUnderItsWave(t *testing.T) {
	t.Parallel()
	w := governed(t, 5)
	p := w.ready(w.ask(2), "ana")
	w.before = func([]events.Event) error {
		w.before = nil
		w.must(w.event(events.OfTenant(tenantID(2)), events.TenantReactivated{}))
		return nil
	}
	if _, err := w.engine.Step(t.Context(), p.ID); !errors.Is(err, deletion.ErrPlan) || !strings.Contains(err.Error(), "has changed since it was planned") {
		t.Errorf("it goes: %v", err)
	}
	if step := w.run(p.ID); !step.Done || step.Why == "" || w.tombstones() != 0 {
		t.Errorf("%d tombstones; it ended with %+v", w.tombstones(), step)
	}
}

// A plan says what it takes away, by kind, and whom it concerns; each tenant once.
func TestEffect(t *testing.T) {
	t.Parallel()
	w := governed(t, 5)
	for name, c := range map[string]struct {
		ask  deletion.Ask
		want events.Effect
	}{
		"tenants": {w.ask(2, 3, 4), events.Effect{Tenants: -3, Apps: -6, Users: 9}},
		"apps":    {w.askApps(2, 3, 4), events.Effect{Apps: -3, Users: 9}},
	} {
		p, err := deletion.Resolve(t.Context(), w, c.ask, w.now)
		if err != nil || p.Effect != c.want {
			t.Errorf("%s: %+v, %v, want %+v", name, p.Effect, err, c.want)
		}
	}
	two := []events.DeletionTarget{{Tenant: tenantID(2), App: appID(2, 0), Users: 7}, {Tenant: tenantID(2), App: appID(2, 1), Users: 7}}
	if is := deletion.EffectOf(events.DeletionOfApps, two); is != (events.Effect{Apps: -2, Users: 7}) {
		t.Errorf("two apps of one tenant: %+v", is)
	}
}
