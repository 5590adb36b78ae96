package restore

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
)

// taker takes every request that fits the log, and keeps it.
type taker struct {
	Views
	t     *testing.T
	taken []events.Event
}

func (k *taker) Publish(_ context.Context, _ catalogue.Credential, requests ...catalogue.Request) []catalogue.Verdict {
	for _, r := range requests {
		if len(r.Events) > events.MaxUnitEvents {
			k.t.Errorf("a unit of %d events", len(r.Events))
		}
		for _, e := range r.Events {
			s, err := events.Encode(e)
			if err != nil || len(s.Data) > events.MaxEventBytes {
				k.t.Errorf("a %s of %d bytes: %v", e.Type(), len(s.Data), err)
			}
		}
		k.taken = append(k.taken, r.Events...)
	}
	return make([]catalogue.Verdict, len(requests))
}

func (*taker) WaitFor(context.Context, events.Seq) error { return nil }

func (*taker) Pin() (*projectors.Pinned, error) { return nil, projectors.ErrBehind }

func tenant(n int) events.TenantID { return events.DeriveID[events.TenantID](fmt.Sprint(n)) }

// TestEveryReasonFits records a plan and an end with more and longer reasons
// than events could hold.
func TestEveryReasonFits(t *testing.T) {
	t.Parallel()
	const n = 20_000
	why := strings.Repeat("é", 1000)
	k := &taker{t: t}
	e := New(Config{Service: k, Views: k, Now: func() events.Time { return events.TimeOf(time.Unix(1, 0)) }})
	p := Plan{ID: events.DeriveID[events.RestoreID]("plan"), Ask: Ask{Mode: events.Rewind, Actor: "operator"}}
	for i := range n {
		p.Targets = append(p.Targets,
			Target{Tenant: tenant(i), digest: make([]byte, 32)},
			Target{Tenant: tenant(n + i), Conflicts: []Conflict{{Kind: ConflictIllegal, Detail: why}}},
		)
	}
	if err := e.record(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	var rec recorded
	for _, event := range k.taken {
		rec.add(event)
	}
	if len(rec.plan.Targets) != n || len(rec.plan.Waiting) != n {
		t.Fatalf("%d targets and %d that wait are recorded", len(rec.plan.Targets), len(rec.plan.Waiting))
	}
	for i, target := range rec.plan.Targets {
		if w := rec.plan.Waiting[i]; target.Tenant != tenant(i) || w.Tenant != tenant(n+i) || !strings.HasPrefix(why, w.Why) || len(w.Why) < 250 {
			t.Fatalf("target %d is recorded as %s, %+v", i, target.Tenant, w)
		}
	}
	k.taken = nil
	a := application{engine: e, rec: rec}
	for i := range n {
		a.failed = append(a.failed, events.RestoreFailure{Tenant: tenant(i), Why: why})
	}
	if err := a.finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	end, ok := k.taken[0].Payload.(events.RestorationFinished)
	if !ok || len(end.Failed) != n || end.Failed[n-1].Why == "" {
		t.Errorf("the end has %d failures", len(end.Failed))
	}
}
