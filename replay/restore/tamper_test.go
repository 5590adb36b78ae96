package restore_test

import (
	"context"
	"slices"
	"testing"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
	"tenantcatalogue/replay/replaytest"
	"tenantcatalogue/replay/restore"
)

// appendByHand puts an event into the log past every rule.
func appendByHand(t testing.TB, w *replaytest.World, e events.Event) {
	t.Helper()
	s, err := events.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	last, _, err := w.Log.LastOf(t.Context(), e.About)
	if err != nil {
		t.Fatal(err)
	}
	eventtest.MustAppend(t, w.Log, eventtest.One(s, last.Seq))
}

// TestCertificateFinds is what a certificate must not pass.
func TestCertificateFinds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil      func(t *testing.T, w *replaytest.World, id events.RestoreID)
		mismatches int
		changed    int
	}{
		"nothing wrong": {spoil: func(*testing.T, *replaytest.World, events.RestoreID) {}},
		"a restored tenant's row": {
			spoil: func(t *testing.T, w *replaytest.World, _ events.RestoreID) {
				t.Helper()
				plantRow(t, w, replaytest.Tenant(1))
			}, mismatches: 1,
		},
		"a neighbour's row": {
			spoil: func(t *testing.T, w *replaytest.World, _ events.RestoreID) {
				t.Helper()
				plantRow(t, w, replaytest.Tenant(5))
			}, changed: 1,
		},
		"a row of nobody": {
			spoil: func(t *testing.T, w *replaytest.World, _ events.RestoreID) {
				t.Helper()
				plantRow(t, w, replaytest.Tenant(99))
			},
		},
		"a neighbour touched by the restoration": {
			spoil: func(t *testing.T, w *replaytest.World, id events.RestoreID) {
				t.Helper()
				e := w.Event(owner, replaytest.Tenant(5), replaytest.Configured("a", "b"))
				e.Run = restore.RunOf(id)
				appendByHand(t, w, e)
			}, changed: 1,
		},
		"an account touched by the restoration": {
			spoil: func(t *testing.T, w *replaytest.World, id events.RestoreID) {
				t.Helper()
				e := w.Event(owner, events.OfAccount(replaytest.AccountID(1)), events.AccountContactsUpdated{})
				e.Run = restore.RunOf(id)
				appendByHand(t, w, e)
			},
		},
		"a neighbour's claim touched by the restoration": {
			spoil: func(t *testing.T, w *replaytest.World, id events.RestoreID) {
				t.Helper()
				e := w.Event(owner, events.OfClaim(events.ClaimURL, replaytest.URL(5)), events.ClaimReleased{
					Kind: events.ClaimURL, Value: replaytest.URL(5), Tenant: replaytest.TenantID(5),
				})
				e.Run = restore.RunOf(id)
				appendByHand(t, w, e)
			},
		},
		"an event of the restoration that carries another state": {
			spoil: func(t *testing.T, w *replaytest.World, id events.RestoreID) {
				t.Helper()
				state := w.Fold(replaytest.Tenant(1), w.Head())
				record, _ := state.Tenant()
				record.Tier = "premium"
				state[record.EntityKey()] = record
				sum, err := state.Digest()
				if err != nil {
					t.Fatal(err)
				}
				e := w.Event(owner, replaytest.Tenant(1), events.TenantRestored{
					Restoration: id, Mode: events.Undo, Cut: 1, AsOf: 2, Epoch: 3, Part: 1, Parts: 1, Entities: state.Entities(), Digest: sum[:],
				})
				e.Run = restore.RunOf(id)
				appendByHand(t, w, e)
			}, mismatches: 1,
		},
		"an event that cannot be read": {
			spoil: func(t *testing.T, w *replaytest.World, _ events.RestoreID) {
				t.Helper()
				last, _, err := w.Log.LastOf(t.Context(), replaytest.Tenant(6))
				if err != nil {
					t.Fatal(err)
				}
				eventtest.MustAppend(t, w.Log, eventtest.One(events.Stored{
					About: replaytest.Tenant(6), ID: events.DeriveID[events.EventID]("poison"), Type: "tenant.configured.v1",
					Source: "/services/test", Data: []byte("garbage"),
				}, last.Seq))
			},
		},
		"an event id that comes twice": {
			spoil: func(t *testing.T, w *replaytest.World, _ events.RestoreID) {
				t.Helper()
				e := w.Event(owner, replaytest.Tenant(6), replaytest.Configured("a", "b"))
				appendByHand(t, w, e)
				appendByHand(t, w, e)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := incident(t, 6)
			p, before := carryOut(t, w, ask(events.Undo))
			w.Settle()
			test.spoil(t, w, p.ID)
			for _, since := range []events.Seq{before.Pinned, 0} {
				if since == 0 {
					w.Forget()
				}
				c := certificate(t, w, w.Engine(nil), p.ID, name == "nothing wrong")
				if c.DigestMismatches != test.mismatches || c.NeighboursChanged != test.changed {
					t.Errorf("%d mismatches, %d neighbours changed: %+v", c.DigestMismatches, c.NeighboursChanged, c)
				}
				if !c.OK && len(c.Faults) == 0 {
					t.Error("it does not say what is wrong")
				}
				if c.OK && c.ProvenTo != since {
					t.Errorf("it goes on from event %d, not %d", c.ProvenTo, since)
				}
			}
		})
	}
}

// TestRestoredToAnotherState is a restoration that did not do what it planned:
// the Service wrote another state than it was asked to.
func TestRestoredToAnotherState(t *testing.T) {
	t.Parallel()
	w, _ := incident(t, 6)
	p := plan(t, w, w.Engine(nil), ask(events.Undo))
	apply(t, w, w.Engine(forger{w.Service}), p.ID)
	c := certificate(t, w, w.Engine(nil), p.ID, false)
	if c.DigestMismatches != 1 || c.TenantsVerified != 2 || c.Faults[0].About != replaytest.Tenant(1) {
		t.Errorf("certificate %+v", c)
	}
}

// forger changes the state that tenant 1 comes back to.
type forger struct{ restore.Publisher }

func (f forger) Publish(ctx context.Context, c catalogue.Credential, requests ...catalogue.Request) []catalogue.Verdict {
	for _, r := range requests {
		for i, e := range r.Events {
			p, ok := e.Payload.(events.TenantRestored)
			if !ok || e.About != replaytest.Tenant(1) {
				continue
			}
			p.Entities = p.Entities[:len(p.Entities)-1]
			r.Events[i].Payload = p
		}
	}
	return f.Publisher.Publish(ctx, c, requests...)
}

// gappy is a log that leaves an event out.
type gappy struct {
	restore.Log

	without events.Seq
}

func (g gappy) Read(ctx context.Context, after, upTo events.Seq, fn func([]events.Stored) error) error {
	return g.Log.Read(ctx, after, upTo, func(stored []events.Stored) error {
		return fn(slices.DeleteFunc(slices.Clone(stored), func(s events.Stored) bool { return s.Seq == g.without }))
	})
}

func TestCertificateFindsAGap(t *testing.T) {
	t.Parallel()
	w, _ := incident(t, 6)
	p, c := carryOut(t, w, ask(events.Undo))
	for _, seq := range []events.Seq{1, 3, c.Pinned} {
		e := restore.New(restore.Config{
			History: w.History, Service: w.Service, Views: w.Runner, Log: gappy{w.Log, seq}, Proofs: &replaytest.Proofs{}, Now: w.Service.Now,
		})
		c := certificate(t, w, e, p.ID, false)
		if len(c.Faults) == 0 {
			t.Errorf("without event %d: %+v", seq, c)
		}
	}
}

// plantRow spoils the first entity of an aggregate in the view of tenants, or
// plants one where there is none.
func plantRow(t testing.TB, w *replaytest.World, about events.Aggregate) {
	t.Helper()
	db := w.Homes["tenants"].Current()
	raw, err := events.EncodeEntity(events.Tenant{URL: "wrong.example.net", Status: events.TenantStatusActive})
	if err != nil {
		t.Fatal(err)
	}
	b := db.NewBatch()
	if err := b.Set(events.Tenant{}.EntityKey().Append(about.AppendKey([]byte{'e'})), raw); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(db.Checkpoint()); err != nil {
		t.Fatal(err)
	}
}
