package deletion_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/events"
)

// TestVouch asks for each rule what it refuses.
func TestVouch(t *testing.T) {
	t.Parallel()
	asWell := func(*events.DeletionWaveChecked) {}
	for name, c := range map[string]struct {
		stricter func(p *events.Policy)
		ask      func(a *deletion.Ask)
		started  bool
		given    func(u *under)
		event    func(u *under) events.Event
		want     string // empty: it may stand
	}{
		"in the place of another's": {event: func(u *under) events.Event { return u.ofPolicy(events.DoorHalted{Cause: events.HaltByPerson}) }, want: "is not about"},

		"admitted": {event: func(u *under) events.Event {
			return u.atDoor(events.DoorAdmitted{Plan: u.p.ID, Kind: events.DeletionOfApps, Expires: u.now.Add(time.Hour)})
		}},
		"admitted while halted": {given: func(u *under) { u.halt() }, event: func(u *under) events.Event {
			return u.atDoor(events.DoorAdmitted{Plan: u.p.ID, Kind: events.DeletionOfApps, Expires: u.now.Add(time.Hour)})
		}, want: "deletions are halted"},
		"admitted without a policy": {given: func(u *under) {
			u.states[events.TheOne(events.AggregatePolicy)] = catalogue.MapState{}
		}, event: func(u *under) events.Event {
			return u.atDoor(events.DoorAdmitted{Plan: u.p.ID, Kind: events.DeletionOfApps, Expires: u.now.Add(time.Hour)})
		}, want: "there is no policy yet"},
		"admitted as nothing": {event: func(u *under) events.Event {
			return u.atDoor(events.DoorAdmitted{Plan: u.p.ID, Kind: "user", Expires: u.now.Add(time.Hour)})
		}, want: `a plan of "user"`},
		"admitted for ever": {event: func(u *under) events.Event {
			return u.atDoor(events.DoorAdmitted{Plan: u.p.ID, Kind: events.DeletionOfApps, Expires: u.now.Add(25 * time.Hour)})
		}, want: `a plan of "app" until`},
		"a second one": {event: func(u *under) events.Event {
			return u.atDoor(events.DoorAdmitted{Plan: u.p.ID, Kind: events.DeletionOfTenants, Expires: u.now.Add(time.Hour)})
		}, want: "one plan of a kind at a time"},
		"an owner's request too many": {stricter: func(p *events.Policy) { p.Budget.Owners = 1 }, given: func(u *under) {
			u.owners(func(*events.Deletion) {})
			door := u.door()
			door.Open = append(slices.Clone(door.Open), events.Admitted{Plan: events.DeriveID[events.PlanID]("o"), Kind: events.DeletionOfTenants, Expires: u.now.Add(time.Hour), Owners: true})
			u.put(events.TheOne(events.AggregateDoor), door)
		}, event: (*under).ownersAdmitted, want: "2 targets would go in a day, of owners' requests"},
		"an owner's request when another has expired": {stricter: func(p *events.Policy) { p.Budget.Owners = 1 }, given: func(u *under) {
			u.owners(func(*events.Deletion) {})
			door := u.door()
			door.Open = append(slices.Clone(door.Open), events.Admitted{Plan: events.DeriveID[events.PlanID]("o"), Kind: events.DeletionOfTenants, Expires: u.now, Owners: true})
			u.put(events.TheOne(events.AggregateDoor), door)
		}, event: (*under).ownersAdmitted},
		"an owner's request that is none": {event: (*under).ownersAdmitted, want: "is no owner's request"},
		"an owner's request that is not planned": {event: func(u *under) events.Event {
			return u.atDoor(events.DoorAdmitted{Plan: events.DeriveID[events.PlanID]("o"), Kind: events.DeletionOfTenants, Expires: u.now.Add(time.Hour), Owners: true})
		}, want: "is no owner's request"},
		"an owner's request again": {given: func(u *under) {
			u.owners(func(d *events.Deletion) { d.Confirmed.By = "user_1" })
		}, event: (*under).ownersAdmitted, want: "was confirmed already"},
		"confirmed and not admitted": {given: func(u *under) { u.owners(func(*events.Deletion) {}) }, event: func(u *under) events.Event {
			return u.ofPlan(events.DeletionConfirmed{Owner: accountID(1), By: "user_1"})
		}, want: "was not admitted as what it is"},
		"an owner's request while halted": {given: func(u *under) { u.halt() }, event: func(u *under) events.Event {
			plan := u.p.Deletion
			plan.Owner = accountID(1)
			return u.next(events.OfDeletion(events.DeriveID[events.PlanID]("o")), plan)
		}, want: "deletions are halted"},
		"an owner's request for too much": {event: func(u *under) events.Event {
			plan := u.p.Deletion
			plan.Owner = accountID(1)
			return u.next(events.OfDeletion(events.DeriveID[events.PlanID]("o")), plan)
		}, want: "may ask for one tenant of its own"},
		"left": {event: func(u *under) events.Event {
			return u.atDoor(events.DoorLeft{Plan: u.p.ID, Kind: events.DeletionOfTenants})
		}},
		"left as another kind": {event: func(u *under) events.Event {
			return u.atDoor(events.DoorLeft{Plan: u.p.ID, Kind: events.DeletionOfApps})
		}, want: "is not open"},
		"reopened for no reason": {given: func(u *under) { u.halt() }, event: func(u *under) events.Event { return u.atDoor(events.DoorReopened{}) }, want: "no reason is given"},
		"reopened without a policy": {given: func(u *under) {
			u.halt()
			u.states[events.TheOne(events.AggregatePolicy)] = catalogue.MapState{}
		}, event: func(u *under) events.Event { return u.atDoor(events.DoorReopened{Reason: "x"}) }, want: "there is no policy yet"},

		"planned again":        {event: func(u *under) events.Event { return u.ofPlan(u.p.Deletion) }, want: "never changes"},
		"refused, and planned": {event: func(u *under) events.Event { return u.ofPlan(events.DeletionRefused{}) }, want: "never changes"},
		"refused of an address": {event: func(u *under) events.Event {
			return u.next(events.OfDeletion(events.DeriveID[events.PlanID]("new")), events.DeletionRefused{Author: "jane.doe@example.com"})
		}, want: "is nobody whose list could be refused"},
		"not admitted": {event: func(u *under) events.Event {
			return u.next(events.OfDeletion(events.DeriveID[events.PlanID]("new")), u.p.Deletion)
		}, want: "was not admitted as what it is"},
		"planned without targets": {given: func(u *under) {
			u.must(u.event(events.TheOne(events.AggregateDoor), events.DoorAdmitted{
				Plan: events.DeriveID[events.PlanID]("new"), Kind: events.DeletionOfApps, Expires: u.p.Deletion.Expires,
			}))
		}, event: func(u *under) events.Event {
			plan := u.p.Deletion
			plan.Kind, plan.Targets, plan.Expected, plan.Waves = events.DeletionOfApps, nil, 0, nil
			return u.next(events.OfDeletion(events.DeriveID[events.PlanID]("new")), plan)
		}, want: "it has no targets"},
		"of no plan": {event: func(u *under) events.Event {
			return u.next(events.OfDeletion(events.DeriveID[events.PlanID]("new")), u.approval("ana"))
		}, want: "there is no plan_"},

		"approved": {event: func(u *under) events.Event { return u.ofPlan(u.approval("ana")) }},
		"approved when ended": {given: func(u *under) {
			if err := u.engine.Withdraw(context.Background(), u.p.ID, "author", "wrong"); err != nil {
				u.t.Fatal(err)
			}
		}, event: func(u *under) events.Event { return u.ofPlan(u.approval("ana")) }, want: ": wrong"},
		"approved when it has left": {given: func(u *under) {
			u.must(u.event(events.TheOne(events.AggregateDoor), events.DoorLeft{Plan: u.p.ID, Kind: events.DeletionOfTenants}))
		}, event: func(u *under) events.Event { return u.ofPlan(u.approval("ana")) }, want: "has left"},
		"approved when it has expired": {given: func(u *under) { u.now = u.p.Deletion.Expires }, event: func(u *under) events.Event { return u.ofPlan(u.approval("ana")) }, want: "has expired at"},
		"approved from before a halt": {given: func(u *under) {
			u.halt()
			u.lift()
			door := u.door()
			door.Open = []events.Admitted{{Plan: u.p.ID, Kind: events.DeletionOfTenants, Expires: u.p.Deletion.Expires}}
			u.put(events.TheOne(events.AggregateDoor), door)
		}, event: func(u *under) events.Event { return u.ofPlan(u.approval("ana")) }, want: "was planned before the halt"},
		"approved by the author":    {ask: func(a *deletion.Ask) { a.Author = "ana" }, event: func(u *under) events.Event { return u.ofPlan(u.approval("ana")) }, want: "ana is author"},
		"approved by the submitter": {ask: func(a *deletion.Ask) { a.Submitter = "ana" }, event: func(u *under) events.Event { return u.ofPlan(u.approval("ana")) }, want: "ana is author"},
		"approved by the supplier":  {ask: func(a *deletion.Ask) { a.Supplier = "ana" }, event: func(u *under) events.Event { return u.ofPlan(u.approval("ana")) }, want: "ana is author"},
		"approved by the executor": {started: true, given: func(u *under) {
			u.d.Executor = "Ben"
			u.put(events.OfDeletion(u.p.ID), u.d)
		}, event: func(u *under) events.Event { return u.ofPlan(u.approval("ben")) }, want: "ben is author"},
		"approved with an author's key": {ask: func(a *deletion.Ask) { a.Author = "dora" }, event: func(u *under) events.Event {
			return u.ofPlan(u.approval(people.Planner))
		}, want: "is not on the roster"},
		"approved by the portal": {event: func(u *under) events.Event { return u.ofPlan(u.approval(people.Portal)) }, want: "is not on the roster"},
		"approved twice with a nonce": {started: true, event: func(u *under) events.Event {
			again := u.approval("ben")
			again.Approval.Nonce = u.d.Approvals[0].Approval.Nonce
			return u.ofPlan(again)
		}, want: "counts once"},
		"approved though it is an owner's": {given: func(u *under) {
			u.d.Plan.Owner = accountID(1)
			u.put(events.OfDeletion(u.p.ID), u.d)
		}, event: func(u *under) events.Event { return u.ofPlan(u.approval("ana")) }, want: "is the owner's own request"},
		"confirmed though it is no owner's": {event: func(u *under) events.Event {
			return u.ofPlan(events.DeletionConfirmed{Owner: accountID(1), By: "user_1"})
		}, want: "is no request of"},
		"confirmed by nobody": {given: func(u *under) {
			u.d.Plan.Owner = accountID(1)
			u.put(events.OfDeletion(u.p.ID), u.d)
		}, event: func(u *under) events.Event { return u.ofPlan(events.DeletionConfirmed{Owner: accountID(1)}) }, want: `"" is nobody who could have confirmed`},
		"confirmed by an address": {given: func(u *under) {
			u.d.Plan.Owner = accountID(1)
			u.put(events.OfDeletion(u.p.ID), u.d)
		}, event: func(u *under) events.Event {
			return u.ofPlan(events.DeletionConfirmed{Owner: accountID(1), By: "jane.doe@example.com"})
		}, want: `"jane.doe@example.com" is nobody who could have confirmed`},
		"rehearsed": {event: func(u *under) events.Event {
			return u.ofPlan(events.DeletionRehearsed{Hash: u.d.Hash, Targets: 30, Passed: true})
		}},
		"rehearsed another": {event: func(u *under) events.Event {
			return u.ofPlan(events.DeletionRehearsed{Hash: []byte{1}, Targets: 30, Passed: true})
		}, want: "the rehearsal was of"},
		"rehearsed some": {event: func(u *under) events.Event {
			return u.ofPlan(events.DeletionRehearsed{Hash: u.d.Hash, Targets: 29, Passed: true})
		}, want: "with 29 targets"},
		"started again":     {started: true, event: func(u *under) events.Event { return u.ofPlan(events.DeletionStarted{Executor: "x"}) }, want: "was started at"},
		"started by nobody": {event: func(u *under) events.Event { return u.ofPlan(events.DeletionStarted{}) }, want: "nobody starts it"},
		"started when nobody may approve so many": {started: true, given: func(u *under) {
			u.d.Started = events.Mark{}
			u.d.Plan.Targets = slices.Repeat(u.d.Plan.Targets, 40)
			u.d.Approvals = nil
			u.put(events.OfDeletion(u.p.ID), u.d)
		}, event: func(u *under) events.Event { return u.ofPlan(events.DeletionStarted{Executor: "x"}) }, want: "0 of 0 approvals"},
		"started with an approval of later waves": {started: true, given: func(u *under) {
			u.d.Started, u.d.Approvals[0].Approval.FirstWave = events.Mark{}, 2
			u.put(events.OfDeletion(u.p.ID), u.d)
		}, event: func(u *under) events.Event { return u.ofPlan(events.DeletionStarted{Executor: "x"}) }, want: "0 of 1 approvals"},
		"started without the owner": {started: true, given: func(u *under) {
			u.d.Started, u.d.Plan.Owner = events.Mark{}, accountID(1)
			u.d.Confirmed.Approval.Expires = u.now.Add(time.Hour)
			u.put(events.OfDeletion(u.p.ID), u.d)
		}, event: func(u *under) events.Event { return u.ofPlan(events.DeletionStarted{Executor: "x"}) }, want: "the owner has not confirmed"},
		"started when the owner's word has expired": {started: true, given: func(u *under) {
			u.d.Started, u.d.Plan.Owner, u.d.Confirmed.By = events.Mark{}, accountID(1), "user_1"
			u.d.Confirmed.Approval.Expires = u.now
			u.put(events.OfDeletion(u.p.ID), u.d)
		}, event: func(u *under) events.Event { return u.ofPlan(events.DeletionStarted{Executor: "x"}) }, want: "has expired"},

		"counted before it has passed": {started: true, event: func(u *under) events.Event {
			return u.ofPlan(events.DeletionWaveChecked{Wave: 1})
		}, want: "is not the one to be checked"},
		"counted another": {started: true, given: (*under).passWave, event: func(u *under) events.Event {
			return u.ofPlan(events.DeletionWaveChecked{Wave: 2})
		}, want: "is not the one to be checked"},
		"finished before it is counted": {started: true, given: (*under).passWave, event: func(u *under) events.Event {
			return u.ofPlan(events.DeletionFinished{})
		}, want: "has passed and is not checked"},
		"finished within": {event: func(u *under) events.Event { return u.ofPlan(events.DeletionFinished{}) }, want: "has not left"},
		"finished, and done": {given: func(u *under) {
			u.must(u.event(events.TheOne(events.AggregateDoor), events.DoorLeft{Plan: u.p.ID, Kind: events.DeletionOfTenants}))
		}, event: func(u *under) events.Event { return u.ofPlan(events.DeletionFinished{Done: true}) }, want: "0 of 4 waves"},
		"finished again": {given: func(u *under) {
			if err := u.engine.Withdraw(context.Background(), u.p.ID, "author", "wrong"); err != nil {
				u.t.Fatal(err)
			}
		}, event: func(u *under) events.Event { return u.ofPlan(events.DeletionFinished{}) }, want: "ended at"},

		"a wave": {started: true, event: func(u *under) events.Event { return u.atDoor(u.wave(1)) }},
		"of no plan, a wave": {started: true, event: func(u *under) events.Event {
			p := u.wave(1)
			p.Plan = events.DeriveID[events.PlanID]("none")
			return u.atDoor(p)
		}, want: "there is no plan_"},
		"a wave not started": {event: func(u *under) events.Event { return u.atDoor(u.wave(1)) }, want: "was not started"},
		"a later wave":       {started: true, event: func(u *under) events.Event { return u.atDoor(u.wave(2)) }, want: "is not what comes next"},
		"a larger wave": {started: true, event: func(u *under) events.Event {
			p := u.wave(1)
			p.Targets++
			return u.atDoor(p)
		}, want: "is not what comes next"},
		"a wave of apps": {started: true, event: func(u *under) events.Event {
			p := u.wave(1)
			p.Kind = events.DeletionOfApps
			return u.atDoor(p)
		}, want: "is not what comes next"},
		"an owner's wave": {started: true, event: func(u *under) events.Event {
			p := u.wave(1)
			p.Owners = true
			return u.atDoor(p)
		}, want: "is not what comes next"},
		"a wave again":  {started: true, given: (*under).passWave, event: func(u *under) events.Event { return u.atDoor(u.wave(1)) }, want: "wave 1 of plan_"},
		"the next wave": {started: true, given: func(u *under) { u.passWave(); u.counted(asWell) }, event: func(u *under) events.Event { return u.atDoor(u.wave(2)) }},
		"the next wave, not baked": {stricter: func(p *events.Policy) { p.Bakes = []events.Seconds{600} }, started: true, given: func(u *under) {
			u.passWave()
			u.counted(asWell)
			u.now = u.now.Add(599 * time.Second)
		}, event: func(u *under) events.Event { return u.atDoor(u.wave(2)) }, want: "bakes for 10m"},
		"the next wave, after too few": {started: true, given: func(u *under) {
			u.passWave()
			u.counted(func(c *events.DeletionWaveChecked) { c.Gone = 0 })
		}, event: func(u *under) events.Event { return u.atDoor(u.wave(2)) }, want: "0 of 1 targets are gone"},
		"the next wave, after too many": {started: true, given: func(u *under) {
			u.passWave()
			u.counted(func(c *events.DeletionWaveChecked) { c.Kept = 28 })
		}, event: func(u *under) events.Event { return u.atDoor(u.wave(2)) }, want: "28 of 29 are kept"},
		"the next wave, after others": {started: true, given: func(u *under) {
			u.passWave()
			u.counted(func(c *events.DeletionWaveChecked) { c.Strays = 1 })
		}, event: func(u *under) events.Event { return u.atDoor(u.wave(2)) }, want: "1 others were deleted"},
		"the next wave, after a bad check": {started: true, given: func(u *under) {
			u.passWave()
			u.counted(func(c *events.DeletionWaveChecked) { c.Healthy, c.Detail = false, "404" })
		}, event: func(u *under) events.Event { return u.atDoor(u.wave(2)) }, want: "not healthy: 404"},
		"a wave over the minute": {started: true, given: func(u *under) { u.limit(func(b *events.Budget) { b.Minute = 0 }) }, event: func(u *under) events.Event { return u.atDoor(u.wave(1)) }, want: "would go in a minute"},
		"a wave over the day":    {started: true, given: func(u *under) { u.limit(func(b *events.Budget) { b.Day = 0 }) }, event: func(u *under) events.Event { return u.atDoor(u.wave(1)) }, want: "would go in a day"},
		"a wave over the month":  {started: true, given: func(u *under) { u.limit(func(b *events.Budget) { b.Month = 0 }) }, event: func(u *under) events.Event { return u.atDoor(u.wave(1)) }, want: "would go in a 30 days"},
		"a wave over what is remembered": {started: true, given: func(u *under) {
			door := u.door()
			door.Recent = make([]events.Passage, catalogue.RecentPassages)
			for i := range door.Recent {
				door.Recent[i].Mark = events.Mark{Seq: 1, Time: u.now}
			}
			u.put(events.TheOne(events.AggregateDoor), door)
		}, event: func(u *under) events.Event { return u.atDoor(u.wave(1)) }, want: "would go in a day"},

		"a tombstone":            {started: true, given: (*under).waveAlone, event: func(u *under) events.Event { return u.tombstone(0) }},
		"a tombstone before all": {event: func(u *under) events.Event { return u.tombstone(0) }, want: "no wave of a plan has passed"},
		"a tombstone of another": {started: true, given: (*under).waveAlone, event: func(u *under) events.Event { return u.tombstone(1) }, want: "target 1 of plan_"},
		"a tombstone of an app": {started: true, given: (*under).waveAlone, event: func(u *under) events.Event {
			return u.next(events.OfTenant(u.p.Deletion.Targets[0].Tenant), events.AppUninstalled{App: appID(1, 0)})
		}, want: "deletes no app there"},
		"a tombstone of another app": {
			ask: func(a *deletion.Ask) {
				a.Kind, a.Targets = events.DeletionOfApps, (*world)(nil).askApps(upTo(30)...).Targets
			}, started: true, given: (*under).waveAlone,
			event: func(u *under) events.Event {
				return u.next(events.OfTenant(tenantID(1)), events.AppUninstalled{App: appID(1, 1)})
			}, want: "target 1 of plan_",
		},
		"a tombstone at its wave": {started: true, given: (*under).waveAlone, event: func(u *under) events.Event {
			e := u.tombstone(0)
			e.Seq--
			return e
		}, want: "it stands in no wave"},
		"a tombstone behind its wave": {started: true, given: (*under).waveAlone, event: func(u *under) events.Event {
			e := u.tombstone(1)
			e.Seq++
			return e
		}, want: "it stands in no wave"},
		"a tombstone behind its wave's targets": {started: true, given: func(u *under) {
			u.waveAlone()
			u.passage(func(p *events.Passage) { p.Targets = 9; p.Wave = 4; p.Mark.Seq -= 18 })
		}, event: func(u *under) events.Event { return u.tombstone(29) }, want: "it stands in no wave"},
		"a tombstone behind its plan's targets": {started: true, given: func(u *under) {
			u.waveAlone()
			u.passage(func(p *events.Passage) { p.Targets = 99; p.Wave = 4; p.Mark.Seq -= 18 })
		}, event: func(u *under) events.Event { return u.tombstone(29) }, want: "deletes no tenant there"},
		"a tombstone of an app in a wave of apps": {started: true, given: func(u *under) {
			u.waveAlone()
			u.passage(func(p *events.Passage) { p.Kind = events.DeletionOfApps })
		}, event: func(u *under) events.Event {
			return u.next(events.OfTenant(u.p.Deletion.Targets[0].Tenant), events.AppUninstalled{})
		}, want: "deletes no app there"},
		"a tombstone in a wave of apps": {started: true, given: func(u *under) {
			u.waveAlone()
			u.passage(func(p *events.Passage) { p.Kind = events.DeletionOfApps })
		}, event: func(u *under) events.Event { return u.tombstone(0) }, want: "deletes no tenant there"},

		"proposed": {event: func(u *under) events.Event {
			return u.ofPolicy(u.proposal(people.Planner, u.policy))
		}},
		"proposed as another version": {event: func(u *under) events.Event {
			return u.ofPolicy(events.PolicyProposed{Version: 3, Author: people.Planner, Reason: "x", Policy: u.policy})
		}, want: "it would be policy 3"},
		"proposed by nobody": {event: func(u *under) events.Event {
			return u.ofPolicy(events.PolicyProposed{Version: 2, Author: "Boss", Reason: "x", Policy: u.policy})
		}, want: `author "Boss"`},
		"proposed for no reason": {event: func(u *under) events.Event {
			return u.ofPolicy(events.PolicyProposed{Version: 2, Author: people.Planner, Policy: u.policy})
		}, want: `reason ""`},
		"proposed for another environment": {event: func(u *under) events.Event {
			u.policy.Environment = "other"
			return u.ofPolicy(u.proposal(people.Planner, u.policy))
		}, want: "environment from test to other"},
		"approved no proposal": {event: func(u *under) events.Event { return u.ofPolicy(events.PolicyApproved{}) }, want: "no policy is proposed"},
		"changed to another version": {given: func(u *under) {
			u.must(u.event(events.TheOne(events.AggregatePolicy), u.proposal(people.Planner, u.policy)))
		}, event: func(u *under) events.Event { return u.ofPolicy(events.PolicyChanged{Version: 3}) }, want: "is proposed, not 3"},
		"approved a policy with no signature": {given: func(u *under) {
			u.must(u.event(events.TheOne(events.AggregatePolicy), u.proposal(people.Planner, u.policy)))
		}, event: func(u *under) events.Event { return u.ofPolicy(events.PolicyApproved{}) }, want: "is not on the roster"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t)
			policy := w.quick()
			if c.stricter != nil {
				c.stricter(&policy)
			}
			w.adopt(policy)
			w.people(30)
			a := w.ask(upTo(30)...)
			if c.ask != nil {
				a.Submitter, a.Supplier = "robot", "analyst"
				c.ask(&a)
			}
			u := &under{world: w, policy: policy, states: map[events.Aggregate]catalogue.MapState{}}
			if c.started {
				u.p = w.ready(a, "ana")
			} else {
				u.p = w.plan(a)
			}
			var err error
			if u.d, err = w.engine.Deletion(t.Context(), u.p.ID); err != nil {
				t.Fatal(err)
			}
			if c.given != nil {
				c.given(u)
			}
			err = deletion.Vouch(u, c.event(u))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
