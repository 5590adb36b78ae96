package main

import "slices"

var parts = []part{
	{[]string{"./catalogue/deletion"}, slices.Concat(vouching, theDoor, plans, waves, policies, authors, approvals, lists, targets, clocks, restorations, readers, governed)},
	{[]string{"./catalogue", "./catalogue/deletion"}, folds},
	{[]string{"./catalogue"}, writing},
	{[]string{"./replay/restore"}, planners},
	{[]string{"./watch"}, watching},
	{[]string{"./cmd/internal/daemon"}, slices.Concat(conditions, appliers)},
}

const (
	rules       source = "catalogue/deletion/rules.go"
	rulesDoor   source = "catalogue/deletion/rules_door.go"
	rulesPlan   source = "catalogue/deletion/rules_plan.go"
	rulesWave   source = "catalogue/deletion/rules_wave.go"
	rulesPolicy source = "catalogue/deletion/rules_policy.go"
	rulesBack   source = "catalogue/deletion/rules_restore.go"
	author      source = "catalogue/deletion/author.go"
	approval    source = "catalogue/deletion/approval.go"
	policy      source = "catalogue/deletion/policy.go"
	lien        source = "catalogue/deletion/lien.go"
	genesis     source = "catalogue/deletion/genesis.go"
	resolver    source = "catalogue/deletion/plan.go"
	check       source = "catalogue/deletion/guard.go"
	engine      source = "catalogue/deletion/engine.go"
	execute     source = "catalogue/deletion/execute.go"
	clock       source = "catalogue/deletion/clock.go"
	keeping     source = "catalogue/deletion/keeping.go"
	register    source = "catalogue/deletion/register.go"
	watcher     source = "watch/watcher.go"
	windows     source = "watch/windows.go"
	condition   source = "watch/conditions.go"
	behind      source = "watch/behind.go"
	daemonWatch source = "cmd/internal/daemon/watch.go"
)

// vouching is what asks the rules, and what they ask of every event.
var vouching = []guard{
	rules.never("e.Type().About() != e.About.Kind", "an event in the place of another's"),
	rules.never("r.at.Time < known", "times that run backwards"),
	rules.instead("known := max(r.clock.Last, ", "known := max(", "times before the last tick"),
	rules.instead("r.door.Last.Time, ", "", "times before the last halt"),
	rules.instead(", r.policy.Since.Time)", ")", "times before the policy in force"),
	rules.instead("known = max(known, r.door.Recent[n-1].Mark.Time)", "_ = n", "times before the last wave"),
	rules.instead("known = max(known, open.Mark.Time)", "_ = open", "times before a plan that is open"),
	rules.never("head.Quarantined != 0", "what governs and cannot be read"),
	rules.passes("r.tombstone(events.DeletionOfTenants, events.AppID{})", "tombstones of tenants").quickly(),
	rules.passes("r.tombstone(events.DeletionOfApps, p.App)", "tombstones of apps"),
	rules.passes("r.admitted(p)", "plans that come"),
	rules.passes("r.passed(p)", "waves"),
	rules.passes("r.left(p)", "plans that leave"),
	rules.passes("r.reopened(p)", "halts that are lifted"),
	rules.passes("r.released(p)", "restorations that end"),
	rules.passes("r.proposed(p)", "policies that are proposed"),
	rules.passes("r.policyApproved(p)", "approvals of policies"),
	rules.passes("r.changed(p)", "policies that come into force"),
	rules.passes("r.lienLifted(p)", "liens that are lifted"),
	rules.passes("r.planned(p)", "plans"),
	rules.passes("r.listRefused(p)", "refusals of what is planned"),
	rules.passes("r.ofPlan()", "what is said of a plan"),
	rules.instead("return governed(w, restored(w, e, p))", "_ = p\n\t\treturn nil", "restorations"),
	rules.never("!r.door.Halted.IsZero()", "plans and waves while halted"),
	rules.never("len(r.door.Held) > 0", "plans and waves during a restoration"),
	rules.never("r.policy.Version == 0", "plans and waves without a policy"),
}

var theDoor = []guard{
	rulesDoor.ignores("r.open()", "plans while the door is shut"),
	rulesDoor.never("p.Kind != events.DeletionOfTenants && p.Kind != events.DeletionOfApps", "plans of no kind"),
	rulesDoor.never("p.Expires > r.at.Time.Add(maxLife.Duration())", "plans that hold the door for ever"),
	rulesDoor.never("other.Expires > r.at.Time && !other.Owners && other.Kind == p.Kind", "a second plan of a kind"),
	rulesDoor.never("!exists || d.Plan.Owner.IsZero()", "a place for what is no owner's request"),
	rulesDoor.never(`d.Confirmed.By != ""`, "a second place for a request"),
	rulesDoor.instead("return r.budget(places, true, r.longWindows())", "_ = places\n\treturn nil", "requests of owners over their budget"),
	rulesDoor.instead("places++", "_ = places", "the places of those that were let in"),
	rulesDoor.instead("} else if !gone {", "} else if true || !gone {", "the place of one that has gone counts once"),
	rulesDoor.never("i < 0 || r.door.Open[i] != want", "a plan that was not admitted as what it is"),
	rulesDoor.never("!slices.ContainsFunc(r.door.Open, func(a events.Admitted) bool { return a.Plan == p.Plan && a.Kind == p.Kind })", "plans that leave and are not there"),
	rulesDoor.never("r.door.Halted.IsZero()", "a halt that is lifted and is not there"),
	rulesDoor.never("r.policy.Version == 0", "a halt that is lifted without a policy"),
	rulesDoor.never("!slices.Contains(r.door.Held, id)", "letting go of what holds nothing"),
	rulesDoor.never(`p.Reason == ""`, "a halt that is lifted for no reason"),
	rulesDoor.never("same(p.Approval.Person, r.e.Actor)", "whoever lifts a halt approves it"),
	rulesDoor.instead("return verify(r.policy.Policy, ActionReopen, p.Approval, hash, sentence, r.at.Time)", "_, _ = hash, sentence\n\treturn nil", "the approval that lifts a halt"),
	rulesDoor.never("!done.Finished", "a release before the restoration is finished"),
}

var plans = []guard{
	rulesPlan.ignores("r.notPlanned()", "a plan that is changed"),
	rulesPlan.ignores("r.admittedAs(id, p)", "a plan that was not admitted"),
	rulesPlan.instead("} else if err := r.open(); err != nil {", "} else if err := r.open(); false && err != nil {", "an owner's request while the door is shut"),
	rulesPlan.ignores("CheckPlan(p, r.policy, r.at.Time)", "a plan that does not hold"),
	rulesPlan.ignores("CheckAuthor(id, p, r.policy.Policy, r.at.Time)", "a plan that its author has not signed").quickly(),
	rulesPlan.passes("r.budget(uint32(len(p.Targets)), false, r.longWindows())", "a plan over the budget"),
	rulesPlan.ignores("checkAsk(p)", "who wants what"),
	rulesPlan.never("p.Environment != limits.Environment", "a plan for another environment"),
	rulesPlan.never("p.Policy != policy.Version", "a plan of another policy"),
	rulesPlan.never("n == 0", "a plan of nothing"),
	rulesPlan.never("n != int(p.Expected)", "another number than expected"),
	rulesPlan.never("Approvals(limits, n) == 0", "more targets than any number may approve"),
	rulesPlan.never("p.Expires <= now || p.Expires > now.Add(limits.PlanLife.Duration())", "a plan that lives too long"),
	rulesPlan.never("!slices.Equal(p.Waves, Waves(p.Targets, limits))", "other waves than the policy's"),
	rulesPlan.never("p.Effect != effect", "another effect than the targets'"),
	policy.instead("if !concerned[t.Tenant] {", "if true {", "users of a tenant that loses two apps count twice"),
	policy.instead("\t\t\te.Apps--\n", "\t\t\te.Tenants--\n", "apps that count as tenants"),
	policy.without("\t\t\te.Tenants--\n", "tenants that do not count"),
	policy.without("\t\t\te.Apps -= int64(t.Cascade.Apps)\n", "apps that go with tenants"),
	rulesPlan.never("p.Action != string(ActionDelete)", "a plan to do something else"),
	rulesPlan.never("p.InactiveDays > maxInactive", "a claim of ever"),
	rulesPlan.never("p.InactiveDays > 0 && p.Kind == events.DeletionOfApps", "a claim of apps"),
	rulesPlan.never("!p.Owner.IsZero() && (n != 1 || p.Kind != events.DeletionOfTenants || p.Targets[0].Account != p.Owner)", "a request for what is not the owner's"),
	rulesPlan.never("p.Kind != events.DeletionOfTenants && p.Kind != events.DeletionOfApps", "a plan of no kind"),
	rulesPlan.never("!events.IsPerson(p.Author)", "an author who is nobody"),
	rulesPlan.never("!events.IsPerson(p.Supplier)", "a supplier who is nobody"),
	rulesPlan.never("!events.IsPerson(p.Submitter)", "a submitter who is nobody"),
	rulesPlan.never(`p.Reason == ""`, "a plan for no reason"),
	rulesPlan.never("t.Tenant.IsZero()", "a target that is none"),
	rulesPlan.never("t.App.IsZero() != (p.Kind == events.DeletionOfTenants)", "a target of the other kind"),
	rulesPlan.never("t.Pinned == 0", "a target that is not pinned"),
	rulesPlan.never("len(t.Digest) == 0", "a target without a digest"),
	rulesPlan.never("i > 0 && inOrder(p.Targets[i-1], t) >= 0", "a target that stands twice"),
	rulesPlan.never("err == nil && exists", "a plan that stands already"),
	rulesPlan.never("!exists", "what is said of no plan"),
	rulesPlan.ignores("r.alive(r.e.About.Plan(), d)", "what is said of a dead plan"),
	rulesPlan.instead("d events.Deletion) error {\n\tif err := r.open(); err != nil", "d events.Deletion) error {\n\tif err := r.open(); false && err != nil", "a plan that goes on while the door is shut"),
	rulesPlan.instead("case !d.Ended.IsZero():\n\t\treturn catalogue.Refuse(ErrDead, \"make a new one\"", "case false:\n\t\treturn catalogue.Refuse(ErrDead, \"make a new one\"", "a plan that has ended goes on"),
	rulesPlan.never("d.Planned.Seq < r.door.Last.Seq", "a plan from before a halt").quickly(),
	rulesPlan.never("!Unconfirmed(d) && !slices.ContainsFunc(r.door.Open, func(a events.Admitted) bool { return a.Plan == id })", "a plan that has left goes on"),
	rulesPlan.never("r.at.Time >= d.Plan.Expires", "a plan that has expired"),
	rulesPlan.never("d.Plan.Policy != r.policy.Version", "a plan from before another policy"),
	rulesPlan.passes("r.approved(d, p.Approval)", "approvals"),
	rulesPlan.passes("r.confirmed(d, p)", "owners' confirmations"),
	rulesPlan.passes("r.rehearsed(d, p)", "rehearsals"),
	rulesPlan.passes("r.started(d, p)", "starts"),
	rulesPlan.passes("r.finished(d, p)", "ends"),
	rulesPlan.passes("r.checked(d, p)", "counts after a wave"),
	rulesPlan.never("first < 1 || last < first || last > len(d.Plan.Waves)", "approvals of waves that are not there"),
	rulesPlan.instead("case !d.Plan.Owner.IsZero():\n\t\treturn catalogue.Refuse(ErrApproval, \"the owner confirms it\"", "case false:\n\t\treturn catalogue.Refuse(ErrApproval, \"the owner confirms it\"", "approvals of an owner's own request"),
	rulesPlan.instead("case same(a.Person, d.Plan.Author, ", "case same(a.Person, ", "the author approves"),
	rulesPlan.instead("d.Plan.Submitter, d.Plan.Supplier, d.Executor)", "d.Plan.Supplier, d.Executor)", "the submitter approves"),
	rulesPlan.instead("d.Plan.Supplier, d.Executor)", "d.Executor)", "the supplier of the list approves"),
	rulesPlan.instead("d.Plan.Supplier, d.Executor)", "d.Plan.Supplier)", "the executor approves"),
	rulesPlan.ignores("once(d.Approvals, a)", "an approval that counts twice"),
	rulesPlan.instead("return verify(r.policy.Policy, ActionDelete, a, d.Hash, Sentence(d.Plan, first, last), r.at.Time)", "return nil", "approvals that are not verified"),
	rulesPlan.instead("strings.EqualFold(person, other)", "strings.EqualFold(person, other) && person == other", "somebody in another spelling"),
	rulesPlan.never("d.Plan.Owner.IsZero() || d.Plan.Owner != p.Owner", "another owner's confirmation"),
	rulesPlan.never("!events.IsOpaque(p.By)", "a confirmation by nobody"),
	rulesPlan.ignores("r.admittedAs(r.e.About.Plan(), d.Plan)", "a confirmation that takes no place"),
	rulesPlan.never("current(d.Confirmed.Approval, r.at.Time) == nil", "a confirmation that counts twice"),
	rulesPlan.instead("return verify(r.policy.Policy, ActionOwner, p.Approval, d.Hash, OwnerSentence(d.Plan), r.at.Time)", "return nil", "confirmations that are not verified"),
	rulesPlan.never("!bytes.Equal(p.Hash, d.Hash)", "a rehearsal of another plan"),
	rulesPlan.never("int(p.Targets) != len(d.Plan.Targets)", "a rehearsal of some targets"),
	rulesPlan.never("!d.Started.IsZero()", "a second start"),
	rulesPlan.never(`p.Executor == ""`, "a start by nobody"),
	rulesPlan.never("!events.IsPerson(p.Executor)", "a start by somebody's name"),
	rulesPlan.never("err == nil && !events.IsPerson(author)", "a refusal of nobody's list"),
	rulesPlan.passes("r.fresh(d)", "a start without a rehearsal"),
	rulesPlan.ignores("r.enough(d, 1, p.Executor)", "a start without approvals"),
	rulesPlan.never("!d.Rehearsed.Passed", "no rehearsal, or one that has failed"),
	rulesPlan.never("r.at.Time > d.Rehearsal.Time.Add(life)", "a rehearsal that is not fresh"),
	rulesPlan.never(`d.Confirmed.By == ""`, "a request that needs no place before it is confirmed"),
	rulesPlan.instead("case Unconfirmed(d):\n\t\t\treturn", "case false:\n\t\t\treturn", "an owner who has not confirmed"),
	rulesPlan.never("same(executor, d.Confirmed.By, d.Confirmed.Approval.Person)", "whoever has confirmed executes"),
	rulesPlan.instead("return current(d.Confirmed.Approval, r.at.Time)", "return nil", "a confirmation that has expired"),
	rulesPlan.never("wave < int(a.FirstWave)", "an approval of later waves"),
	rulesPlan.never("wave > int(a.LastWave)", "an approval of earlier waves"),
	rulesPlan.never("same(a.Person, executor)", "an executor's approval"),
	rulesPlan.instead("if err := current(a, r.at.Time); err != nil", "if err := current(a, r.at.Time); false && err != nil", "an approval that has expired"),
	rulesPlan.instead("persons[a.Person] = true", "persons[a.Key] = true", "two keys of one person"),
	rulesPlan.never("need == 0", "a plan that nobody may approve"),
	rulesPlan.never("len(persons) < need", "too few approvals").quickly(),
	rulesPlan.instead("} else if passed {", "} else if false && passed {", "an end before the last wave is counted"),
	rulesPlan.instead("case !d.Ended.IsZero():\n\t\treturn catalogue.Refuse(ErrDead, \"\"", "case false:\n\t\treturn catalogue.Refuse(ErrDead, \"\"", "a second end"),
	rulesPlan.instead("case slices.ContainsFunc(r.door.Open,", "case false && slices.ContainsFunc(r.door.Open,", "an end of what has not left"),
	rulesPlan.never("p.Done && (len(d.Checked) != len(d.Plan.Waves) || asPlanned(d, d.Checked[len(d.Checked)-1]) != \"\")", "a success that is none"),
}

var waves = []guard{
	rulesWave.instead("if !exists {", "if false && !exists {", "a wave of no plan"),
	rulesWave.ignores("r.alive(p.Plan, d)", "a wave of a dead plan"),
	rulesWave.never("d.Started.IsZero()", "a wave of a plan that was not started"),
	rulesWave.instead("case int(p.Wave) != wave || ", "case ", "another wave than the next"),
	rulesWave.never("p.Targets != d.Plan.Waves[wave-1]", "a wave of another size"),
	rulesWave.never("p.Kind != d.Plan.Kind", "a wave of another kind"),
	rulesWave.never("p.Owners == d.Plan.Owner.IsZero()", "a wave that is no owner's"),
	rulesWave.instead("} else if gone {", "} else if false && gone {", "a wave that has passed already"),
	rulesWave.ignores("r.baked(d, wave)", "a wave before the one before is over"),
	rulesWave.ignores("r.enough(d, wave, d.Executor)", "a wave without approvals"),
	rulesWave.instead(`return r.budget(p.Targets, p.Owners, append(r.longWindows(), window{"minute", 60, r.policy.Policy.Budget.Minute, false}))`, "return nil", "a wave over the budget"),
	rulesWave.passes("r.fresh(d)", "a first wave without a fresh rehearsal"),
	rulesWave.instead(`if why := asPlanned(d, d.Checked[wave-2]); why != "" {`, `if why := asPlanned(d, d.Checked[wave-2]); false && why != "" {`, "a wave after one that was not as planned"),
	rulesWave.never("!r.clock.passed(d.LastCheck.Time, r.at.Time, bake)", "a wave that has not baked"),
	rulesWave.never("int(c.Gone) != gone", "too few are gone"),
	rulesWave.never("int(c.Kept) != kept", "too many are gone"),
	rulesWave.never("c.Strays != 0", "others are gone"),
	rulesWave.never("!c.Healthy", "a health check that is bad"),
	rulesWave.instead(`{"day", day, b.Day, false}, `, "", "the budget of a day"),
	rulesWave.instead(`{"30 days", 30 * day, b.Month, false}, `, "", "the budget of 30 days"),
	rulesWave.instead(`, {"day, of owners' requests", day, b.Owners, true}`, "", "the budget of owners"),
	rulesWave.instead(`window{"minute", 60, r.policy.Policy.Budget.Minute, false}`, `window{"minute", 0, 1 << 31, false}`, "the budget of a minute"),
	rulesWave.never("spent > uint64(w.limit)", "more than a budget"),
	rulesWave.never("inside == catalogue.RecentPassages", "more waves than are remembered"),
	rulesWave.never("len(r.door.Recent) == 0", "a tombstone before any wave"),
	rulesWave.never("r.at.Seq <= passage.Mark.Seq", "a tombstone before its wave"),
	rulesWave.never("n > events.Seq(passage.Targets)", "a tombstone behind its wave"),
	rulesWave.never("at >= to", "a tombstone behind its wave's targets"),
	rulesWave.never("d.Plan.Kind != kind", "a tombstone of another kind"),
	rulesWave.never("events.OfTenant(target.Tenant) != r.e.About", "a tombstone of another tenant").quickly(),
	rulesWave.never("target.App != app", "a tombstone of another app"),
	rulesWave.passes("unheld(r, target.Tenant)", "a tombstone of what a lien keeps"),
	rulesWave.never("!passed", "a count of what has not passed"),
	rulesWave.instead("|| int(p.Wave) != wave {\n\t\treturn catalogue.Refuse(ErrPlan, \"\", \"wave %d of %s is not", "{\n\t\treturn catalogue.Refuse(ErrPlan, \"\", \"wave %d of %s is not", "a count of another wave"),
}

var policies = []guard{
	rulesPolicy.instead("case p.Version != r.policy.Version+1:", "case false:", "a proposal of another version"),
	rulesPolicy.never("!events.IsPerson(p.Author)", "a proposal by nobody"),
	rulesPolicy.never(`p.Reason == ""`, "a proposal for no reason"),
	rulesPolicy.never("r.policy.Version > 0 && p.Policy.Environment != r.policy.Policy.Environment", "another environment"),
	rulesPolicy.ignores("CheckPolicy(p.Policy, r.at.Time)", "a policy that locks everybody out"),
	rulesPolicy.instead("return checkProposal(p, before.Proposed, r.policy.Policy, r.at.Time)", "_ = before\n\treturn nil", "a proposal that its author has not signed").quickly(),
	rulesPolicy.instead("err == nil && !found", "false && !found", "approvals of no proposal"),
	rulesPolicy.never("p.Approval.Person == o.Proposed.Author", "whoever proposes approves"),
	rulesPolicy.ignores("once(o.Approvals, p.Approval)", "an approval of a policy that counts twice"),
	rulesPolicy.instead("return verify(r.policy.Policy, ActionPolicy, p.Approval, hash, PolicySentence(o.Proposed), r.at.Time)", "_ = hash\n\treturn nil", "approvals of a policy that are not verified"),
	rulesPolicy.never("p.Version != o.Proposed.Version || p.Version != r.policy.Version+1", "another version than the proposed"),
	rulesPolicy.never("len(persons) < int(rule.Approvals)", "a looser policy without approvals").quickly(),
	rulesPolicy.never("!r.clock.passed(o.Mark.Time, r.at.Time, rule.Delay)", "a looser policy without the delay"),
	policy.never(`p.Environment == ""`, "a policy of no environment"),
	policy.instead(`fault(len(p.Caps) == 0,`, `fault(false,`, "a policy without caps"),
	policy.never("!slices.IsSorted(p.Caps)", "more approvals that allow less"),
	policy.never("limit > maxTargets", "larger plans than there may be"),
	policy.never("p.WaveTargets == 0", "waves of nothing"),
	policy.never("p.WaveTargets > maxWave", "larger waves than there may be"),
	policy.instead("fault(len(p.Bakes) == 0", "fault(false", "a policy without waits"),
	policy.never("p.PlanLife == 0", "plans without a life"),
	policy.never("p.PlanLife > maxLife", "plans that live for ever"),
	policy.never("p.ApprovalLife == 0", "approvals without a life"),
	policy.never("p.ApprovalLife > maxLife", "approvals that live for ever"),
	policy.never("p.RehearsalLife == 0", "rehearsals without a life"),
	policy.never("p.Retention < leastRetain", "next to no retention"),
	policy.never("p.Change.Delay > maxDelay", "a delay for ever"),
	policy.never("!isCheck(check)", "a health check that is none"),
	policy.never("!events.IsPerson(m.Person)", "a roster with nobody on it"),
	policy.never("m.Role != events.RosterApprover && m.Role != events.RosterAuthor && m.Role != events.RosterPortal", "a key for nothing"),
	policy.never("len(m.Key) != keySize", "a key that is none"),
	policy.never("m.Expires.IsZero()", "a key for ever"),
	policy.never(`seen[id] != ""`, "a key of two persons"),
	policy.instead(" && m.Expires > lives", "", "keys that are about to end"),
	policy.never("p.Change.Approvals < 1", "changes without approvals"),
	policy.never("len(persons) < want", "a roster of too few"),
	policy.instead("p.Environment != than.Environment", "false", "looser: environment"),
	policy.instead("more(fmt.Sprintf(\"targets with %d approvals\", i+1), upTo(than.Caps, i), upTo(p.Caps, i))", "_ = i", "looser: caps"),
	policy.without(`more("targets a minute", than.Budget.Minute, p.Budget.Minute)`, "looser: budget of a minute"),
	policy.without(`more("targets a day", than.Budget.Day, p.Budget.Day)`, "looser: budget of a day"),
	policy.without(`more("targets in 30 days", than.Budget.Month, p.Budget.Month)`, "looser: budget of 30 days"),
	policy.without(`more("owners' requests a day", than.Budget.Owners, p.Budget.Owners)`, "looser: budget of owners"),
	policy.without(`more("targets of a wave", than.WaveTargets, p.WaveTargets)`, "looser: waves"),
	policy.instead(`shorter(fmt.Sprintf("wait after wave %d", i+1), bakeAfter(than, i+1), bakeAfter(p, i+1))`, "_ = i", "looser: waits"),
	policy.without(`shorter("time out of service before deletion", than.DeactivatedFor, p.DeactivatedFor)`, "looser: time out of service"),
	policy.without(`longer("life of a plan", than.PlanLife, p.PlanLife)`, "looser: life of a plan"),
	policy.without(`longer("life of an approval", than.ApprovalLife, p.ApprovalLife)`, "looser: life of an approval"),
	policy.without(`longer("age of a rehearsal", than.RehearsalLife, p.RehearsalLife)`, "looser: age of a rehearsal"),
	policy.without(`shorter("retention", than.Retention, p.Retention)`, "looser: retention"),
	policy.never("!slices.Contains(p.Checks, check)", "looser: checks"),
	policy.never("len(p.Checks) == 0", "a policy without checks"),
	policy.never("p.Change.Approvals < than.Change.Approvals", "looser: approvals of a change"),
	policy.without(`shorter("delay of a change", than.Change.Delay, p.Change.Delay)`, "looser: delay of a change"),
	policy.instead("was.Person == m.Person && was.Role", "was.Role", "looser: a key of another person"),
	policy.instead("was.Role == m.Role && bytes", "bytes", "looser: a key for something else"),
	policy.instead("bytes.Equal(was.Key, m.Key) && ", "len(was.Key) == len(m.Key) && bytes.Equal(nil, nil) && ", "looser: another key"),
	policy.instead(" && m.Expires <= was.Expires", "", "looser: a key that lives longer"),
	policy.instead("\t\tif a.Internal {\n\t\t\treturn -1", "\t\tif !a.Internal {\n\t\t\treturn -1", "the vendor's own go first"),
	policy.instead("take(left, min(1, most))", "take(left, most)", "one goes alone"),
	policy.instead("take(left, min(10, most))", "take(left, most)", "ten go before the rest"),
	policy.instead("for left > 0 {\n\t\tleft -= take(left, most)", "for left > 0 {\n\t\tleft -= take(left, left)", "at most so many go at once"),
	genesis.instead(`g.Environment != "" && p.Environment != g.Environment`, "false", "another catalogue"),
	genesis.instead("!slices.Equal(slices.Sorted(slices.Values(keys)), want)", "false && len(want) > 0", "another first roster"),
	genesis.instead("return g.first(p.Policy)", "_ = p\n\t\treturn nil", "another first policy is proposed"),
	genesis.instead("return g.first(proposal.Proposed.Policy)", "_ = proposal\n\t\treturn nil", "another first policy comes into force"),
	genesis.passes("g.environment(policy.Policy)", "another catalogue is opened"),
	genesis.passes("g.first(policy.Policy)", "another first policy is opened"),
	genesis.instead("if len(g.Keys) > 0 {\n\t\t\treturn noPolicy()", "if false {\n\t\t\treturn noPolicy()", "a tombstone before the first policy"),
	genesis.instead("if len(g.Keys) > 0 {\n\t\t\treturn restored(w, e, p)", "if false {\n\t\t\treturn restored(w, e, p)", "what comes back before the first policy"),
}

var authors = []guard{
	author.without("\twire.String(w, &s.environment)\n", "what was asked for another environment"),
	author.without("\ts.ask.ID.Wire(w)\n", "what was signed for another plan"),
	author.without("\twire.String(w, &s.ask.Supplier)\n", "another supplier than signed"),
	author.without("\ts.ask.Run.Wire(w)\n", "another run than signed"),
	author.without("\twire.String(w, &s.ask.Reason)\n", "another reason than signed"),
	author.without("\twire.Int(w, &s.inactive)\n", "another claim than signed"),
	author.without("\twire.Int(w, &s.expected)\n", "another number than signed"),
	author.without("\twire.Structs(w, &s.ask.Targets)\n", "another list than signed"),
	author.without("\twire.Struct(w, &s.ask.Signed)\n", "another time than signed"),
	author.without("\twire.String(w, &a.ID)\n", "another target than signed"),
	author.without("\twire.String(w, &a.Parent)\n", "another parent than signed"),
	author.without("\twire.String(w, &a.Name)\n", "another name than signed"),
	author.never("!p.Signed.IsZero()", "an owner's request that somebody has signed"),
	author.instead("return signedBy(p.Author, p.Signed, message, policy, now, ErrPlan)", "_ = message\n\treturn nil", "the signature of a plan"),
	author.ignores("signedBy(p.Author, p.Signed, message, policy, now, ErrPolicy)", "the signature of a proposal"),
	author.never("p.Signed.Issued < last.Signed.Issued", "a proposal that was replaced"),
	author.never("bytes.Equal(p.Signed.Signature, last.Signed.Signature)", "a proposal that stands already"),
	author.never("len(s.Signature) == 0", "what nobody has signed"),
	author.never("!found", "an author who is not on the roster"),
	author.instead("events.RosterApprover, events.RosterAuthor)", "events.RosterApprover, events.RosterAuthor, events.RosterPortal)", "a portal that plans"),
	author.never("s.Issued > now.Add(skew)", "what was signed in the future"),
	author.never("now >= s.Issued.Add(life)", "what was signed long ago"),
	author.never("s.Issued >= member.Expires", "an author's key that has expired"),
	author.never("!ed25519.Verify(member.Key, message, s.Signature)", "an author's signature that is none").quickly(),
}

var approvals = []guard{
	approval.never("!found", "somebody who is not on the roster"),
	approval.never("!bytes.Equal(a.Hash, hash)", "an approval of something else"),
	approval.never("len(a.Nonce) != nonceSize", "an approval without a nonce"),
	approval.never("bytes.Equal(g.Approval.Nonce, a.Nonce)", "an approval that was recorded already"),
	approval.never("a.Issued > now.Add(skew)", "an approval from the future"),
	approval.never("a.Expires <= a.Issued", "an approval that ends before it begins"),
	approval.never("a.Expires > a.Issued.Add(policy.ApprovalLife.Duration())", "an approval that lives too long"),
	approval.never("a.Issued >= member.Expires", "a key that has expired"),
	approval.never("a.Sentence != sentence", "another sentence than the one to type"),
	approval.ignores("current(a, now)", "an approval that has expired when it comes"),
	approval.never("!ed25519.Verify(member.Key, message, a.Signature)", "a signature that is none").quickly(),
	approval.never("now >= a.Expires", "an approval that has expired"),
	approval.without("m.Person == person && ", "another person's key"),
	approval.instead("slices.Contains(roles, m.Role)", "slices.Contains(roles, roles[0])", "a key that is for something else"),
	approval.instead("role = events.RosterPortal", "role = events.RosterApprover", "an owner's confirmation by an approver"),
	approval.without("KeyID(m.Key) == key && ", "another key of the person"),
	approval.instead("\twire.String(w, &s.environment)\n", "", "an approval for another environment"),
	approval.instead("\twire.String(w, &s.action)\n", "", "an approval for another action"),
	approval.instead(`fmt.Appendf(nil, "catalogue/halt/v1\x00%d", halt.Seq)`, `fmt.Appendf(nil, "catalogue/halt/v1\x00")`, "an approval for another halt"),
	approval.instead(`text = fmt.Appendf(text, "\x00%s", id)`, "_ = id", "an approval that lets go of something else"),
	approval.instead("sentence, before = sentence+before+id.String(), \", \"", "_, _ = id, before", "a sentence that does not say what is let go of"),
	lien.never("err == nil && len(liens.Liens) > 0", "a lien"),
	lien.never("i < 0", "a lien that is lifted and is not there"),
	lien.never("same(p.Approval.Person, r.e.Actor)", "whoever lifts a lien approves it"),
	lien.instead("return verify(r.policy.Policy, ActionLien, p.Approval, LienHash(tenant, liens.Liens[i]), LienSentence(tenant, liens.Liens[i]), r.at.Time)", "return nil", "the approval that lifts a lien"),
	lien.instead(`\x00%s\x00%d\x00%s", tenant, lien.Since.Seq, lien.Matter)`, `\x00%s\x00%s", tenant, lien.Matter)`, "an approval for an earlier lien of the same matter"),
}

var lists = []guard{
	resolver.instead("return plan, r.refused(len(ask.Targets))", "_ = r", "one line at fault refuses the list"),
	resolver.never("ask.InactiveDays < 0", "negative claims"),
	resolver.never("ask.InactiveDays > maxInactive", "claims of ever"),
	resolver.never("ask.Expected < 0", "negative numbers"),
	resolver.never("ask.Expected > maxTargets", "numbers of any size"),
	resolver.ignores("checkAsk(plan)", "who asks is recorded whoever it is"),
	resolver.never("known && kind != string(r.plan.Kind)", "ids of another kind"),
	resolver.instead("if r.seen[asked.ID] {", "if false {", "ids that stand twice"),
	resolver.instead("switch err := r.check(r.look, r.plan, target); {", "switch err := error(nil); {", "the state of a target"),
	resolver.instead("\t\treturn target, because(\"ids are no tenant ids\")", "\t\terr = nil", "ids that are none, of tenants"),
	resolver.instead("\t\treturn target, because(\"ids are no app ids\")", "\t\terr = nil", "ids that are none, of apps"),
	resolver.instead("record, exists := state.Tenant()\n\tif !exists {", "record, exists := state.Tenant()\n\tif false && !exists {", "tenants that are not here"),
	resolver.never("head.Quarantined != 0", "tenants that cannot be read"),
	resolver.never("record.Account.String() != asked.Parent", "tenants of another account"),
	resolver.never("record.URL != asked.Name", "tenants of another URL"),
	resolver.never("!found", "apps that are not here"),
	resolver.never("holder.String() != asked.Parent", "apps of another tenant"),
	resolver.instead("case !exists:", "case false && !exists:", "apps that are gone"),
	resolver.never("!app.Installed", "apps that are uninstalled"),
	resolver.never("app.Name != asked.Name", "apps of another name"),
	resolver.instead("if events.IsID(id) {", "if true {", "what stands in a list is recorded whatever it is"),
}

var targets = []guard{
	check.instead("g.Vouch(f, e); err != nil || !e.Type().Tombstone()", "error(nil); err != nil || !e.Type().Tombstone()", "the write side asks the rules"),
	check.instead("return restored(f, e, p)\n", "_ = p\n\t\treturn nil\n", "the write side asks the rules of restorations"),
	check.never("policy.Version == 0", "tombstones without a policy"),
	check.instead("return CheckTarget(f, passage.Plan, d, from+int(e.Seq-passage.Mark.Seq)-1, e.RecordedTime)", "_ = from\n\treturn nil", "targets that have changed"),
	check.never("head.Quarantined != 0", "a target that cannot be read"),
	check.never("head.Seq != target.Pinned", "a target with another last event"),
	check.never("head.Epoch != target.Epoch", "a target of another epoch"),
	check.never("!own", "somebody else's event on a target"),
	check.ignores("unheld(w, target.Tenant)", "a target with a lien"),
	check.never("record.Internal != target.Internal", "a target that is the vendor's own"),
	check.never("record.ActiveUsers != target.Users", "a target with other users"),
	check.never("record.Account != target.Account", "a target of another account"),
	check.never("record.URL != target.Name", "a target of another URL"),
	check.never("!exists || app.Name != target.Name", "an app of another name"),
	check.never("record.Status != events.TenantStatusDeactivated", "a target in service"),
	check.never("!c.clock.passed(since, c.now, wait)", "a target that is not out of service for long enough"),
	check.never("record.LastActivity > unused", "a target that is in use"),
	check.never("record.LastActivity.IsZero()", "a target of whose use nobody knows"),
	engine.ignores("e.asDescribed(ctx, look, d, wave)", "an approval of what is not as described"),
	engine.ignores("e.unchanged(look, id, d, wave)", "an approval of what has changed"),
	engine.never("now.Users != target.Users", "an approval of other users"),
	engine.never("now.Internal != target.Internal", "an approval of what is another's"),
	engine.never("now.Cascade != target.Cascade", "an approval of another cascade"),
	engine.never("string(now.Digest) != string(target.Digest)", "an approval of another state"),
	execute.ignores("x.unchanged(x.look, x.id, x.d, wave)", "a wave while a later target has changed"),
	execute.instead(`a.add(theDoor(), events.DoorHalted{Cause: cmp.Or(cause, events.HaltMismatch), Detail: clipText(fmt.Sprintf("wave %d of %s: %s", passage.Wave, x.id, why))})`, "_ = cause", "the halt after a wave that was not as planned"),
	execute.instead("found.Wave, found.Healthy, found.Detail = passage.Wave, bad == \"\", bad", "found.Wave, found.Healthy, found.Detail = passage.Wave, true, bad", "a bad health check"),
	execute.never("!x.d.Rehearsal.IsZero() && !x.d.Rehearsed.Passed && left > 0", "rehearsals of a request one after the other"),
	execute.never("err != nil || bad != \"\"", "health that goes bad while a wave bakes"),
}

var clocks = []guard{
	clock.instead("out -= min(s.For, max(0, t-s.At))", "_ = s", "a clock that jumps"),
	clock.instead("until := min(now, c.Last+events.Time(catalogue.TickEvery))", "until := max(now, c.Last+events.Time(catalogue.TickEvery))", "a clock that jumps and does not tick"),
	clock.instead("return max(0, c.counted(until)-c.counted(then))", "return max(0, until-then)", "time that is skipped"),
	keeping.instead("k.Left == 0 && len(k.Liens) == 0", "k.Left == 0", "a lien beyond the retention"),
	keeping.instead("k.Left == 0 && ", "", "the retention"),
	keeping.never("c.policy.Version == 0", "a retention without a policy"),
}

var restorations = []guard{
	rulesBack.never("plan.Finished", "a restoration that is finished"),
	rulesBack.never("!planned", "a restoration that nobody has planned"),
	rulesBack.never("p.Mode != plan.Mode", "a restoration of another mode"),
	rulesBack.never("p.Cut != plan.Cut", "a restoration to another point"),
	rulesBack.never("p.AsOf != plan.AsOf", "a restoration as of another point"),
	rulesBack.never("p.Part < 1", "part 0"),
	rulesBack.never("p.Part > p.Parts", "a part too many"),
	rulesBack.never("p.Parts != target.Parts", "another number of parts"),
	rulesBack.never("p.Part == p.Parts && !bytes.Equal(p.Digest, target.Digest)", "another state"),
	rulesBack.ignores("inOnePiece(w, e, p)", "parts that do not follow each other"),
	rulesBack.never("head.Seq != e.Seq-1", "parts with something between them"),
	rulesBack.never("head.Restores[n-1].Restoration != p.Restoration", "parts of two restorations"),
	rulesBack.never("head.Restores[n-1].Seq != e.Seq-events.Seq(p.Part-1)", "a part that is left out"),
	rulesBack.never("record.Status != events.TenantStatusActive && record.Status != events.TenantStatusDeactivated", "a deletion by another name").quickly(),
	rulesBack.never("(p.Part == 1) != (records == 1) || records > 1", "a restoration that brings no tenant back"),
	rulesBack.never("policy.Version == 0", "a log from before there was a policy"),
	rulesBack.passes("holding(w, p.Restoration)", "a restoration that does not hold the door"),
}

var readers = []guard{
	register.instead("if err := r.genesis.vouch(r, e); err != nil {", "if err := r.genesis.vouch(r, e); false && err != nil {", "readers ask the rules").quickly(),
	register.instead("head.Quarantined = r.unreadable[about]", "", "readers know what they cannot read"),
	register.instead("slices.SortFunc(list, func(a, b events.Stored) int { return cmp.Compare(a.Seq, b.Seq) })", "_ = slices.Contains[[]int]", "what is loaded is taken in its order"),
	register.instead("\t\t\tr.Unreadable(s)\n", "", "what is loaded and cannot be read"),
}

const (
	governance source = "catalogue/evolve_governed.go"
	decision   source = "catalogue/decision.go"
	writer     source = "catalogue/writer.go"
	event      source = "events/event.go"
	restored   source = "replay/restore/target.go"
	applying   source = "replay/restore/apply.go"
)

// folds are those that the states hold which the rules are held against.
var folds = []guard{
	governance.instead("payload, err := events.ClonePayload(e.Payload)", "payload, err := e.Payload, error(nil)", "states that whoever holds an event can change"),
	governance.instead("door.Last, door.Open = at, nil", "door.Last = at", "a halt ends the plans that are open"),
	governance.instead("door.Last, door.Open = at, nil", "door.Open = nil", "a halt that was lifted has killed the plans before it"),
	governance.instead("if door.Halted.IsZero() {", "if true {", "another halt leaves what is to be lifted"),
	governance.never("gap > allowed", "time without ticks is skipped"),
	governance.never("found && gap <= 0", "ticks that run backwards"),
	governance.instead("out[0].At -= skips[0].For\n", "", "skips that are merged count for what they end before"),
	governance.instead("out[0].For += skips[0].For\n", "", "skips that are merged are counted"),
	governance.never("len(skips) < RecentSkips", "skips within their bound"),
	governance.instead("return slices.Contains(p.LetGo, id) })", "return true })", "a halt that is lifted lets go of what is named"),
	governance.instead("return slices.Contains(p.LetGo, id) })", "return false })", "what is let go of holds the door no more"),
	governance.instead("if list.Liens == nil", "if true", "a lien that is placed"),
}

// writing is what the write side does with all this.
var writing = []guard{
	decision.instead("expected = events.Follows\n", "expected = head.Seq\n", "what a unit's events expect"),
	decision.instead("if newest.Governed() {", "if false && newest.Governed() {", "the write side asks the guard"),
	writer.instead("if e.Governed() {", "if false && e.Governed() {", "the write side asks the guard of what others append"),
	writer.instead("if s.About.Kind == events.AggregateTenant {\n\t\treturn Quarantine(layer, s)\n\t}\n", "", "a forged tombstone puts its tenant out"),
}

var planners = []guard{
	restored.instead("if record.Status == events.TenantStatusDeleted {", "if false {", "a restoration that deletes"),
}

var appliers = []guard{
	applying.instead("!errors.Is(v.Err, deletion.ErrLetGo)", "(true || errors.Is(v.Err, deletion.ErrLetGo))", "a restoration that is let go of does not end"),
}

var governed = []guard{
	event.instead("case TenantDeleted, AppUninstalled, TenantRestored:", "case AppUninstalled, TenantRestored:", "tombstones of tenants are governed"),
	event.instead("case TenantDeleted, AppUninstalled, TenantRestored:", "case TenantDeleted, TenantRestored:", "tombstones of apps are governed"),
	event.instead("case TenantDeleted, AppUninstalled, TenantRestored:", "case TenantDeleted, AppUninstalled:", "restorations are governed"),
}

// watching is what sees tombstones, and halts.
var watching = []guard{
	windows.instead("f.halt = line.cause", "_ = line.cause", "the halt at the rate of tombstones"),
	windows.instead("{\"a minute\", minute, budget.Minute, events.HaltRate},", "{\"a minute\", minute, 1 << 30, events.HaltRate},", "the rate of a minute"),
	windows.instead("{\"a day\", day, budget.Day, events.HaltBudget},", "{\"a day\", day, 1 << 30, events.HaltBudget},", "the rate of a day"),
	windows.instead("{\"30 days\", month, budget.Month, events.HaltBudget},", "{\"30 days\", month, 1 << 30, events.HaltBudget},", "the rate of 30 days"),
	windows.instead("Alarm: events.AlarmUnvouched, From: t.seq, To: t.seq, Count: 1, Detail: what,\n\t}, halt: events.HaltMismatch}}", "Alarm: events.AlarmUnvouched, From: t.seq, To: t.seq, Count: 1, Detail: what,\n\t}}}", "the halt at an event that governs and is refused"),
	windows.never("!w.crosses(line, len(burst), mixBurst-1)", "the mix of tombstones"),
	watcher.instead("f.halt = events.HaltClock", "_ = events.HaltClock", "the halt at a clock that jumps"),
	watcher.instead("e.RecordedTime.Sub(can) <= jump", "true", "a clock that jumps"),
	watcher.instead("w.budget = policy.Policy.Budget", "_ = policy.Policy.Budget", "the budget of the policy in force"),
	condition.instead("open > o.halted && ", "open > 0 && o.halted == 0 && ", "a plan that was let in after a halt"),
	condition.instead("now.Sub(o.since) >= after", "now.Sub(o.since) > after+time.Hour", "what is wrong for long enough"),
	condition.instead("return errSilent", "return nil", "a condition that does not answer"),
	behind.instead("b.seen[0].head <= reader", "true", "readers that are behind"),
}

// conditions are what deletions must not go on without, in the daemon.
var conditions = []guard{
	daemonWatch.without("{Cause: events.HaltStreamConfig, Look: s.drifted},", "the stream's configuration"),
	daemonWatch.without("{Cause: events.HaltLag, Look: w.lagging},", "views that are behind"),
	daemonWatch.without("{Cause: events.HaltLag, Look: w.blind.Look},", "a log that nobody watches"),
	daemonWatch.without("{Cause: events.HaltUncounted, Look: w.uncounted, For: lagTime},", "waves that nobody counts"),
	daemonWatch.without("{Cause: events.HaltDigest, Look: w.verified.Look},", "what a verification has found"),
	daemonWatch.never("now.Fault != \"\"", "what a verification has found before a start"),
	daemonWatch.instead("case whole || !found.Whole:", "case true:", "what only a whole verification makes good"),
	daemonWatch.instead("late >= lagTime", "late >= 100*lagTime", "how far a view may be behind"),
}
