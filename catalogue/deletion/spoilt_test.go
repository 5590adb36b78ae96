package deletion_test

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/events/wire"
)

// seen counts what a property was tried on.
type seen map[string]int

// all fails unless every one of these was tried, given that many were.
func (s seen) all(t *testing.T, names []string) {
	t.Helper()
	t.Log(map[string]int(s))
	total := 0
	for n := range maps.Values(s) {
		total += n
	}
	for _, name := range names {
		if s[name] == 0 && total > 20*len(names) {
			t.Errorf("%q was never tried", name)
		}
	}
}

// spoilers make a list wrong that is right, at one of its lines. In the environment of the
// list there are the tenants 1 to 60, each with the apps 0 and 1.
var spoilers = map[string]func(t *rapid.T, a *deletion.Ask, line *deletion.Asked){
	"kind": func(_ *rapid.T, a *deletion.Ask, _ *deletion.Asked) {
		a.Kind = map[events.DeletionKind]events.DeletionKind{events.DeletionOfApps: events.DeletionOfTenants, events.DeletionOfTenants: events.DeletionOfApps}[a.Kind]
	},
	"mixed": func(_ *rapid.T, a *deletion.Ask, line *deletion.Asked) {
		if a.Kind == events.DeletionOfApps {
			line.ID = line.Parent
		} else {
			line.ID = appID(1, 0).String()
		}
	},
	"object": func(t *rapid.T, a *deletion.Ask, line *deletion.Asked) { // of the right kind, and not what is meant
		n := rapid.IntRange(1, 60).Draw(t, "of")
		switch {
		case a.Kind == events.DeletionOfApps:
			line.ID = appID(n, 1).String()
		case tenantID(n).String() == line.ID:
			line.ID = tenantID(n%60 + 1).String()
		default:
			line.ID = tenantID(n).String()
		}
	},
	"shifted": func(_ *rapid.T, a *deletion.Ask, _ *deletion.Asked) {
		for i, l := range a.Targets {
			a.Targets[i] = deletion.Asked{ID: l.Parent, Parent: l.Name, Name: l.ID}
		}
	},
	"shifted line": func(_ *rapid.T, _ *deletion.Ask, line *deletion.Asked) {
		line.ID, line.Parent, line.Name = line.Name, line.ID, line.Parent
	},
	"rows shifted": func(_ *rapid.T, a *deletion.Ask, line *deletion.Asked) { // the names belong to the lines after
		if len(a.Targets) < 2 || a.Kind == events.DeletionOfApps { // their apps have the same name
			line.Parent = a.Targets[0].Name
			return
		}
		first := a.Targets[0].Name
		for i := range len(a.Targets) - 1 {
			a.Targets[i].Name = a.Targets[i+1].Name
		}
		a.Targets[len(a.Targets)-1].Name = first
	},
	"parent": func(_ *rapid.T, _ *deletion.Ask, line *deletion.Asked) {
		line.Parent = events.DeriveID[events.AccountID]("nobody").String()
	},
	"name": func(_ *rapid.T, _ *deletion.Ask, line *deletion.Asked) { line.Name += "x" },
	"twice": func(_ *rapid.T, a *deletion.Ask, line *deletion.Asked) {
		a.Targets = append(a.Targets, *line)
		a.Expected++
	},
	"count": func(t *rapid.T, a *deletion.Ask, _ *deletion.Asked) {
		a.Expected += rapid.SampledFrom([]int{-1, 1, 850}).Draw(t, "off")
	},
	"environment": func(t *rapid.T, a *deletion.Ask, line *deletion.Asked) {
		n := rapid.IntRange(61, 1000).Draw(t, "other")
		if a.Kind == events.DeletionOfApps {
			line.ID, line.Parent = appID(n, 0).String(), tenantID(n).String()
		} else {
			line.ID, line.Parent, line.Name = tenantID(n).String(), accountID(n).String(), url(n)
		}
	},
	"text": func(t *rapid.T, _ *deletion.Ask, line *deletion.Asked) {
		line.ID = rapid.StringN(0, 40, 80).Filter(func(s string) bool { return s != line.ID }).Draw(t, "id")
	},
	"in use": func(_ *rapid.T, a *deletion.Ask, line *deletion.Asked) {
		if a.Kind == events.DeletionOfTenants { // tenant n was used n days ago
			a.InactiveDays = 61
		} else {
			line.Name = ""
		}
	},
}

// staleness makes a plan stale that was resolved from a right list.
var staleness = map[string]func(target *events.DeletionTarget){
	"stale version":  func(target *events.DeletionTarget) { target.Pinned-- },
	"later version":  func(target *events.DeletionTarget) { target.Pinned += 1000 },
	"stale epoch":    func(target *events.DeletionTarget) { target.Epoch++ },
	"stale users":    func(target *events.DeletionTarget) { target.Users += 7 },
	"stale internal": func(target *events.DeletionTarget) { target.Internal = !target.Internal },
	"stale name":     func(target *events.DeletionTarget) { target.Name = "old-" + target.Name },
}

// TestWrongListsDeleteNothing spoils lists in every way a list goes wrong, each of which
// is taken as it is. Run it with -rapid.checks=1000000 for as many of them.
func TestWrongListsDeleteNothing(t *testing.T) {
	t.Parallel()
	w := governed(t, 60)
	before, tried := w.seq, seen{}
	faults := slices.Sorted(maps.Keys(spoilers))
	stale := slices.Sorted(maps.Keys(staleness))
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfNDistinct(rapid.IntRange(1, 60), 1, 12, rapid.ID[int]).Draw(t, "tenants")
		a := w.ask(numbers...)
		if rapid.Bool().Draw(t, "apps") {
			a = w.askApps(numbers...)
		}
		plan, err := deletion.Resolve(t.Context(), w, a, w.now)
		if err != nil {
			t.Fatalf("a list that is right is refused: %v", err)
		}
		tried["right"]++
		i := rapid.IntRange(0, len(numbers)-1).Draw(t, "line")
		fault := rapid.SampledFrom(slices.Concat(faults, stale)).Draw(t, "fault")
		tried[fault]++
		if spoil, ok := spoilers[fault]; ok {
			spoil(t, &a, &a.Targets[i])
			if plan, err := deletion.Resolve(t.Context(), w, a, w.now); err == nil {
				t.Fatalf("taken as %+v: %+v", plan, a)
			}
			return
		}
		staleness[fault](&plan.Targets[i])
		if err := deletion.CheckTarget(w, events.PlanID{}, events.Deletion{Plan: plan}, i, w.now); err == nil {
			t.Fatalf("what has changed since it was planned may go: %+v", plan.Targets[i])
		}
	})
	tried.all(t, slices.Concat(faults, stale))
	if w.seq != before || w.tombstones() != 0 {
		t.Errorf("the log went from %d to %d", before, w.seq)
	}
}

// edits change one field of a plan.
var edits = map[string]func(p *events.DeletionPlanned, target *events.DeletionTarget){
	"environment": func(p *events.DeletionPlanned, _ *events.DeletionTarget) { p.Environment += "x" },
	"kind":        func(p *events.DeletionPlanned, _ *events.DeletionTarget) { p.Kind = events.DeletionOfApps },
	"author":      func(p *events.DeletionPlanned, _ *events.DeletionTarget) { p.Author = "dora" },
	"submitter":   func(p *events.DeletionPlanned, _ *events.DeletionTarget) { p.Submitter = "dora" },
	"supplier":    func(p *events.DeletionPlanned, _ *events.DeletionTarget) { p.Supplier = "dora" },
	"owner":       func(p *events.DeletionPlanned, target *events.DeletionTarget) { p.Owner = target.Account },
	"run":         func(p *events.DeletionPlanned, _ *events.DeletionTarget) { p.Run = events.DeriveID[events.RunID]("x") },
	"reason":      func(p *events.DeletionPlanned, _ *events.DeletionTarget) { p.Reason += " " },
	"inactive":    func(p *events.DeletionPlanned, _ *events.DeletionTarget) { p.InactiveDays++ },
	"expected":    func(p *events.DeletionPlanned, _ *events.DeletionTarget) { p.Expected++ },
	"policy":      func(p *events.DeletionPlanned, _ *events.DeletionTarget) { p.Policy++ },
	"as of":       func(p *events.DeletionPlanned, _ *events.DeletionTarget) { p.AsOf++ },
	"expires":     func(p *events.DeletionPlanned, _ *events.DeletionTarget) { p.Expires++ },
	"waves": func(p *events.DeletionPlanned, _ *events.DeletionTarget) {
		p.Waves[0], p.Waves[3] = p.Waves[3], p.Waves[0]
	},
	"one less":     func(p *events.DeletionPlanned, _ *events.DeletionTarget) { p.Targets = p.Targets[1:] },
	"one more":     func(p *events.DeletionPlanned, target *events.DeletionTarget) { p.Targets = append(p.Targets, *target) },
	"action":       func(p *events.DeletionPlanned, _ *events.DeletionTarget) { p.Action = "purge" },
	"tenants gone": func(p *events.DeletionPlanned, _ *events.DeletionTarget) { p.Effect.Tenants++ },
	"apps gone":    func(p *events.DeletionPlanned, _ *events.DeletionTarget) { p.Effect.Apps-- },
	"concerned":    func(p *events.DeletionPlanned, _ *events.DeletionTarget) { p.Effect.Users = 0 },
	"order":        func(p *events.DeletionPlanned, _ *events.DeletionTarget) { slices.Reverse(p.Targets) },
	"target":       func(_ *events.DeletionPlanned, target *events.DeletionTarget) { target.Tenant = tenantID(31) },
	"target's app": func(_ *events.DeletionPlanned, target *events.DeletionTarget) { target.App = appID(1, 1) },
	"target's owner": func(_ *events.DeletionPlanned, target *events.DeletionTarget) {
		target.Account = events.DeriveID[events.AccountID]("x")
	},
	"target's name": func(_ *events.DeletionPlanned, target *events.DeletionTarget) { target.Name = "x.example.net" },
	"pinned":        func(_ *events.DeletionPlanned, target *events.DeletionTarget) { target.Pinned++ },
	"epoch":         func(_ *events.DeletionPlanned, target *events.DeletionTarget) { target.Epoch++ },
	"digest":        func(_ *events.DeletionPlanned, target *events.DeletionTarget) { target.Digest = []byte{1} },
	"users":         func(_ *events.DeletionPlanned, target *events.DeletionTarget) { target.Users++ },
	"internal":      func(_ *events.DeletionPlanned, target *events.DeletionTarget) { target.Internal = !target.Internal },
	"cascade":       func(_ *events.DeletionPlanned, target *events.DeletionTarget) { target.Cascade.Apps++ },
	"signer's key":  func(p *events.DeletionPlanned, _ *events.DeletionTarget) { p.Signed.Key = p.Signed.Key[1:] },
	"signed since":  func(p *events.DeletionPlanned, _ *events.DeletionTarget) { p.Signed.Issued++ },
	"signature": func(p *events.DeletionPlanned, _ *events.DeletionTarget) {
		p.Signed.Signature = flipped(p.Signed.Signature, 9)
	},
	"unsigned": func(p *events.DeletionPlanned, _ *events.DeletionTarget) { p.Signed = events.Authorship{} },
}

// unsigned are the edits of what the catalogue adds to what an author has asked for.
var unsigned = []string{
	"submitter", "policy", "as of", "expires", "waves", "action", "tenants gone", "apps gone", "concerned", "order", "target's app", "pinned", "epoch", "digest", "users", "internal", "cascade",
}

// forgeries change one field of an approval.
var forgeries = map[string]func(a *events.Approval, by int){
	"hash":           func(a *events.Approval, by int) { a.Hash = flipped(a.Hash, by) },
	"person":         func(a *events.Approval, _ int) { a.Person = "ben" },
	"another's name": func(a *events.Approval, _ int) { a.Person = "Ana" },
	"key":            func(a *events.Approval, by int) { a.Key = string(flipped([]byte(a.Key), by)) },
	"nonce":          func(a *events.Approval, by int) { a.Nonce = flipped(a.Nonce, by) },
	"issued":         func(a *events.Approval, by int) { a.Issued -= events.Time(by + 1) },
	"lives longer":   func(a *events.Approval, by int) { a.Expires += events.Time(by + 1) },
	"first wave":     func(a *events.Approval, by int) { a.FirstWave += uint32(by%3 + 1) },
	"last wave":      func(a *events.Approval, by int) { a.LastWave -= uint32(by%3 + 1) },
	"sentence":       func(a *events.Approval, by int) { a.Sentence = string(flipped([]byte(a.Sentence), by)) },
	"signature":      func(a *events.Approval, by int) { a.Signature = flipped(a.Signature, by) },
	"no signature":   func(a *events.Approval, _ int) { a.Signature = nil },
}

func flipped(raw []byte, by int) []byte {
	out := slices.Clone(raw)
	out[by%len(out)] ^= 1 << (by % 7)
	return out
}

// TestChangedPlansAreNotTheAuthors changes one bit or one field of a plan: whatever the
// author has said of it is under the signature, without any hash or approval.
func TestChangedPlansAreNotTheAuthors(t *testing.T) {
	t.Parallel()
	w := governed(t, 30)
	p := w.plan(w.ask(upTo(30)...))
	raw, err := events.Marshal(&p.Deletion)
	if err != nil {
		t.Fatal(err)
	}
	check := func(plan events.DeletionPlanned) error { return deletion.CheckAuthor(p.ID, plan, w.quick(), w.now) }
	if err := check(p.Deletion); err != nil {
		t.Fatalf("the plan as it is: %v", err)
	}
	names, tried := slices.Sorted(maps.Keys(edits)), seen{}
	rapid.Check(t, func(t *rapid.T) {
		var changed events.DeletionPlanned
		what := "a bit"
		if rapid.Bool().Draw(t, "field") {
			what = rapid.SampledFrom(names).Draw(t, "which")
			if err := events.Unmarshal(raw, &changed); err != nil {
				t.Fatal(err)
			}
			edits[what](&changed, &changed.Targets[rapid.IntRange(0, 29).Draw(t, "target")])
			if err := check(changed); (err == nil) != slices.Contains(unsigned, what) {
				t.Fatalf("%s: %v, %+v", what, err, changed)
			}
		} else if !flip(t, raw, &changed) {
			what = "a plan that cannot be read"
		} else if err := check(changed); err == nil && !reflect.DeepEqual(said(p.ID, changed), said(p.ID, p.Deletion)) {
			t.Fatalf("%+v", changed)
		}
		tried[what]++
	})
	tried.all(t, append(names, "a bit"))
}

// said is all that the author says in a plan, with its environment in the submitter's place.
func said(id events.PlanID, p events.DeletionPlanned) deletion.Ask {
	ask := deletion.AskOf(id, p)
	ask.Submitter = p.Environment
	slices.SortFunc(ask.Targets, func(a, b deletion.Asked) int { return strings.Compare(a.ID, b.ID) })
	return ask
}

// TestChangedPlansAndApprovalsCountForNothing changes one bit or one field of what stands
// behind a wave: the plan, or an approval.
func TestChangedPlansAndApprovalsCountForNothing(t *testing.T) {
	t.Parallel()
	w := governed(t, 30)
	p := w.plan(w.ask(upTo(30)...))
	approval := w.keys.ApprovePlan("ana", p.ID, p.Deletion, w.now, 1)
	plan, err := w.engine.Deletion(t.Context(), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	rawPlan, err := events.Marshal(&p.Deletion)
	if err != nil {
		t.Fatal(err)
	}
	rawApproval, err := events.Marshal(&approval)
	if err != nil {
		t.Fatal(err)
	}
	approved := func(w deletion.Heads, a events.Approval) error {
		return deletion.Vouch(w, events.Event{
			About: events.OfDeletion(p.ID), Payload: events.DeletionApproved{Approval: a}, Seq: plan.Planned.Seq + 1, RecordedTime: plan.Planned.Time,
		})
	}
	if err := approved(w, approval); err != nil {
		t.Fatalf("the approval as it is: %v", err)
	}
	ofPlan, ofApproval := slices.Sorted(maps.Keys(edits)), slices.Sorted(maps.Keys(forgeries))
	tried := seen{}
	rapid.Check(t, func(t *rapid.T) {
		if rapid.Bool().Draw(t, "plan") {
			changed := events.Deletion{Planned: plan.Planned}
			what := "a bit of the plan"
			if rapid.Bool().Draw(t, "field") {
				what = rapid.SampledFrom(ofPlan).Draw(t, "which")
				if err := events.Unmarshal(rawPlan, &changed.Plan); err != nil {
					t.Fatal(err)
				}
				edits[what](&changed.Plan, &changed.Plan.Targets[rapid.IntRange(0, 29).Draw(t, "target")])
				what = "plan: " + what
			} else if !flip(t, rawPlan, &changed.Plan) {
				tried["a plan that cannot be read"]++
				return
			}
			tried[what]++
			if changed.Hash, err = changed.Plan.Hash(p.ID); err != nil {
				t.Fatal(err)
			}
			if err := approved(instead{w, changed}, approval); err == nil {
				t.Fatalf("the approval of one plan counts for another: %s, %+v", what, changed.Plan)
			}
			return
		}
		var changed events.Approval
		what := "a bit of the approval"
		if rapid.Bool().Draw(t, "field") {
			changed = approval
			what = rapid.SampledFrom(ofApproval).Draw(t, "which")
			forgeries[what](&changed, rapid.IntRange(0, int(time.Minute)).Draw(t, "by"))
			what = "approval: " + what
		} else if !flip(t, rawApproval, &changed) {
			tried["an approval that cannot be read"]++
			return
		}
		tried[what]++
		if err := approved(w, changed); err == nil {
			t.Fatalf("an approval that was changed is taken: %s, %+v", what, changed)
		}
	})
	var names []string
	for _, name := range ofPlan {
		names = append(names, "plan: "+name)
	}
	for _, name := range ofApproval {
		names = append(names, "approval: "+name)
	}
	tried.all(t, append(names, "a bit of the plan", "a bit of the approval"))
}

// instead is a world with another plan in place of one.
type instead struct {
	*world

	d events.Deletion
}

func (i instead) State(about events.Aggregate) catalogue.State {
	if about.Kind == events.AggregateDeletion {
		return catalogue.MapState{i.d.EntityKey(): i.d}
	}
	return i.world.State(about)
}

// flip changes one bit of a stored form and reads it; false if it can be read no more,
// or says the same.
func flip(t *rapid.T, raw []byte, into wire.Fields) bool {
	changed := slices.Clone(raw)
	changed[rapid.IntRange(0, len(raw)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	if events.Unmarshal(changed, into) != nil {
		return false
	}
	again, err := events.Marshal(into)
	return err == nil && !bytes.Equal(again, raw)
}
