package main

var lists = []guard{
	resolver.instead("return plan, r.refused(len(ask.Targets))", "_ = r", "one line at fault refuses the list"),
	resolver.never("ask.InactiveDays < 0", "negative claims"),
	resolver.never("ask.InactiveDays > maxInactive", "claims of ever"),
	resolver.never("ask.Expected < 0", "negative numbers"),
	resolver.never("ask.Expected > maxTargets", "numbers of any size"),
	resolver.never("lines > maxLines", "lists without end"),
	resolver.never("lines > 1 && !ask.Owner.IsZero()", "lists of an owner"),
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
	check.never("!c.clock.passed(record.LastActivity, c.now, claimed)", "a target that is in use"),
	check.instead("!c.clock.passed(record.LastActivity, c.now, claimed)", "c.now.Sub(record.LastActivity) < claimed.Duration()", "a clock makes nobody inactive"),
	check.instead("record.LastActivity.IsZero() || ", "", "a target of whose use nobody knows"),
	engine.ignores("e.asDescribed(ctx, look, d, wave)", "an approval of what is not as described"),
	engine.ignores("e.unchanged(look, id, d, wave)", "an approval of what has changed"),
	engine.never("now.Users != target.Users", "an approval of other users"),
	engine.never("now.Internal != target.Internal", "an approval of what is another's"),
	engine.never("now.Cascade != target.Cascade", "an approval of another cascade"),
	engine.never("string(now.Digest) != string(target.Digest)", "an approval of another state"),
	execute.ignores("x.unchanged(x.look, x.id, x.d, wave)", "a wave while a later target has changed"),
	execute.instead(`a.add(theDoor(), events.DoorHalted{Cause: cmp.Or(cause, events.HaltMismatch), Detail: events.OneLine(fmt.Sprintf("wave %d of %s: %s", passage.Wave, x.id, why))})`, "_ = cause", "the halt after a wave that was not as planned"),
	execute.instead("found.Wave, found.Healthy, found.Detail = passage.Wave, bad == \"\", bad", "found.Wave, found.Healthy, found.Detail = passage.Wave, true, bad", "a bad health check"),
	execute.never("!x.d.Rehearsal.IsZero() && !x.d.Rehearsed.Passed && left > 0", "rehearsals of a request one after the other"),
	execute.instead("case bad != \"\":", "case bad != \"\" && wave == 1:", "health that goes bad while a wave bakes"),
	execute.instead("case bad != \"\":", "case bad != \"\" && wave > 1:", "health that is bad before the first wave"),
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
	governance.without("door.Open = nil\n", "a halt ends the plans that are open"),
	governance.instead("door.Last = events.Mark{Seq: at.Seq, ", "_ = events.Mark{Seq: at.Seq, ", "a halt that was lifted has killed the plans before it"),
	governance.instead("max(at.Time, door.Last.Time)", "at.Time", "a halt that is backdated does not turn the time back"),
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
	watcher.instead("[]events.Seq{w.clockTo, min(w.cfg.After, head)}", "[]events.Seq{w.clockTo}", "a clock that is behind after a start"),
	watcher.instead("e.RecordedTime > can && e.About.Kind == events.AggregateClock", "false", "pauses of the machine that add up"),
	watcher.instead(" && at.Sub(w.anchored) >= forgiveEvery", "", "ticks that carry the time away"),
	watcher.instead("w.register.Unreadable(s)", "w.register.Unreadable(s)\n\t\terr = nil", "what governs and cannot be read"),
	watcher.without(" && t != events.TenantRestored{}.EventType()", "what comes back by nobody's plan"),
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
	daemonWatch.instead("r.Gather(kinds, types, ", "r.Gather(kinds, types[:0], ", "the tombstones of a long past"),
	daemonWatch.instead("r.Gather(kinds, types, ", "r.Gather(kinds[:0], types, ", "what governs in a long past"),
	daemonWatch.without("{Cause: events.HaltUncounted, Look: w.uncounted, For: lagTime},", "waves that nobody counts"),
	daemonWatch.without("{Cause: events.HaltDigest, Look: w.verified.Look},", "what a verification has found"),
	daemonWatch.never("now.Fault != \"\"", "what a verification has found before a start"),
	daemonWatch.instead("case whole || !found.Whole:", "case true:", "what only a whole verification makes good"),
	executor.never("!x.watched()", "waves that nobody watches"),
	executor.instead("tick && time.Since(x.ticked) >= tickEvery", "tick", "a clock that is hurried"),
	daemonWatch.instead("late >= lagTime", "late >= 100*lagTime", "how far a view may be behind"),
}
