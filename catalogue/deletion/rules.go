package deletion

import (
	"bytes"
	"fmt"
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// States gives the states that the rules are held against: those of the log before the
// event that is asked about.
type States interface {
	State(about events.Aggregate) catalogue.State
}

// Heads are States with the heads of aggregates.
type Heads interface {
	States
	Head(about events.Aggregate) (catalogue.Head, error)
}

// Vouch tells whether an event that the rules govern may stand where it stands: nil, or
// a *catalogue.ReasonError. The write side asks before an event is appended, and whoever folds
// the log asks again, on the states before the event: so that what was forged, be it a
// tombstone, an approval or a policy, counts for nothing wherever it is read. The event's
// Seq and recorded time must be set. Events that are not governed are vouched for.
func Vouch(w Heads, e events.Event) error {
	if !e.Governed() {
		return nil
	}
	if e.Type().About() != e.About.Kind {
		return catalogue.Refuse(ErrPlan, "", "%s is not about a %s", e.Type(), e.About.Kind)
	}
	r := rules{Heads: w, e: e, at: events.Mark{Seq: e.Seq, Time: e.RecordedTime}}
	if err := r.read(); err != nil {
		return err
	}
	if known := r.known(); r.at.Time < known {
		return catalogue.Refuse(ErrPlan, "look who writes to the log", "it was recorded at %s, and others before it at %s", r.at.Time, known)
	}
	switch p := e.Payload.(type) {
	case events.TenantDeleted:
		return r.tombstone(events.DeletionOfTenants, events.AppID{})
	case events.AppUninstalled:
		return r.tombstone(events.DeletionOfApps, p.App)
	case events.DoorAdmitted:
		return r.admitted(p)
	case events.DoorPassed:
		return r.passed(p)
	case events.DoorLeft:
		return r.left(p)
	case events.DoorReopened:
		return r.reopened(p)
	case events.DoorReleased:
		return r.released(p)
	case events.PolicyProposed:
		return r.proposed(p)
	case events.PolicyApproved:
		return r.policyApproved(p)
	case events.PolicyChanged:
		return r.changed(p)
	case events.LienLifted:
		return r.lienLifted(p)
	case events.DeletionPlanned:
		return r.planned(p)
	case events.DeletionRefused:
		return r.notPlanned()
	case events.DeletionApproved, events.DeletionConfirmed, events.DeletionRehearsed, events.DeletionStarted,
		events.DeletionWaveChecked, events.DeletionFinished:
		return r.ofPlan()
	}
	return nil // halts, ticks, alarms, holds and liens only ever make it stricter, whoever asks
}

// rules are held against one event.
type rules struct {
	Heads
	e      events.Event
	at     events.Mark // of the event
	door   events.Door
	policy events.InForce
	clock  clock
}

// read reads what every rule looks at.
func (r *rules) read() (err error) {
	if r.door, err = readable[events.Door](r, events.TheOne(events.AggregateDoor)); err != nil {
		return err
	}
	if r.policy, err = readable[events.InForce](r, events.TheOne(events.AggregatePolicy)); err != nil {
		return err
	}
	r.clock, err = clockOf(r)
	return err
}

// known is the last recorded time there is. That of an event is what whoever has appended
// it says: it must not run backwards, or what has expired would count again.
func (r *rules) known() events.Time {
	known := max(r.clock.Last, r.door.Last.Time, r.policy.Since.Time)
	if n := len(r.door.Recent); n > 0 {
		known = max(known, r.door.Recent[n-1].Mark.Time)
	}
	for _, open := range r.door.Open {
		known = max(known, open.Mark.Time)
	}
	return known
}

// readable reads the entity of an aggregate that has one, unless an event about it
// could not be read: then what is known of it may be what it no longer is.
func readable[E events.Entity](w Heads, about events.Aggregate) (entity E, err error) {
	head, err := w.Head(about)
	if err != nil {
		return entity, err
	}
	if head.Quarantined != 0 {
		return entity, catalogue.Refuse(catalogue.ErrQuarantined, "run verify, and mend the log's reader first", "%s holds an event at %d that cannot be read", about, head.Quarantined)
	}
	entity, _, err = catalogue.Get[E](w.State(about), entity.EntityKey())
	return entity, err
}

// deletionOf reads a plan; its hash tells whether there is one.
func deletionOf(w Heads, id events.PlanID) (d events.Deletion, exists bool, err error) {
	d, err = readable[events.Deletion](w, events.OfDeletion(id))
	return d, len(d.Hash) > 0, err
}

// open is nil while plans may be admitted and waves may pass.
func (r *rules) open() error {
	switch {
	case !r.door.Halted.IsZero():
		return catalogue.Refuse(ErrHalted, "find out why, then have the halt lifted: catalogue halt --lift", "since %s, event %d: %s %s",
			r.door.Halted.Time, r.door.Halted.Seq, r.door.Halt.Cause, r.door.Halt.Detail)
	case len(r.door.Held) > 0:
		return catalogue.Refuse(ErrHeld, "wait until it is finished", "%s is not finished", r.door.Held[0])
	case r.policy.Version == 0:
		return catalogue.Refuse(ErrPolicy, "set one: catalogue policy propose", "there is no policy yet, and nobody who could approve")
	}
	return nil
}

// admitted holds a plan that comes against those that are open. Owners' own requests have
// no turn to wait for, and are bounded by their budget.
func (r *rules) admitted(p events.DoorAdmitted) error {
	if err := r.open(); err != nil {
		return err
	}
	if p.Kind != events.DeletionOfTenants && p.Kind != events.DeletionOfApps || p.Expires > r.at.Time.Add(maxLife.Duration()) {
		return catalogue.Refuse(ErrPlan, "plan it anew", "a plan of %.40q until %s", string(p.Kind), p.Expires)
	}
	owners := uint32(0)
	for _, other := range r.door.Open {
		switch {
		case other.Expires <= r.at.Time:
		case other.Owners:
			owners++
		case other.Kind == p.Kind && !p.Owners:
			return catalogue.Refuse(ErrPlan, "let it finish, or withdraw it", "%s is open until %s: one plan of a kind at a time", other.Plan, other.Expires)
		}
	}
	if p.Owners && owners >= r.policy.Policy.Budget.Owners {
		return catalogue.Refuse(ErrBudget, "wait", "%d requests of owners are open; the budget is %d a day", owners, r.policy.Policy.Budget.Owners)
	}
	return nil
}

// planned holds a plan against the policy. Its unit begins with its admission.
func (r *rules) planned(p events.DeletionPlanned) error {
	if err := r.notPlanned(); err != nil {
		return err
	}
	id := r.e.About.Plan()
	i := slices.IndexFunc(r.door.Open, func(a events.Admitted) bool { return a.Plan == id })
	want := events.Admitted{
		Plan: id, Kind: p.Kind, Expires: p.Expires, Owners: !p.Owner.IsZero(), Mark: events.Mark{Seq: r.at.Seq - 1, Time: r.at.Time},
	}
	if i < 0 || r.door.Open[i] != want {
		return catalogue.Refuse(ErrPlan, "plan it anew", "%s was not admitted as what it is", id)
	}
	if err := CheckPlan(p, r.policy, r.at.Time); err != nil {
		return err
	}
	// What is over the budget now is not begun. Within a minute goes what a wave takes.
	return r.budget(uint32(len(p.Targets)), !p.Owner.IsZero(), r.longWindows())
}

// CheckPlan holds what a plan says of itself against a policy.
func CheckPlan(p events.DeletionPlanned, policy events.InForce, now events.Time) error {
	limits := policy.Policy
	n := len(p.Targets)
	switch {
	case p.Environment != limits.Environment:
		return catalogue.Refuse(ErrPlan, "make the plan where it is for", "it is for %q, this is %q", p.Environment, limits.Environment)
	case p.Policy != policy.Version:
		return catalogue.Refuse(ErrPlan, "plan it anew", "it was checked against policy %d, policy %d is in force", p.Policy, policy.Version)
	case p.Kind != events.DeletionOfTenants && p.Kind != events.DeletionOfApps:
		return catalogue.Refuse(ErrPlan, "say tenant or app", "there are no deletions of %.40q", string(p.Kind))
	case !isPerson(p.Author), !isPerson(p.Supplier), !isPerson(p.Submitter):
		return catalogue.Refuse(ErrPlan, "name them", "author %.40q, submitter %.40q and supplier %.40q of the list must be known", p.Author, p.Submitter, p.Supplier)
	case p.Reason == "":
		return catalogue.Refuse(ErrPlan, "say why", "it has no reason")
	case n == 0:
		return catalogue.Refuse(ErrPlan, "list what is to go", "it has no targets")
	case n != int(p.Expected):
		return catalogue.Refuse(ErrPlan, "find out which of the two is wrong", "%d targets, the author expects %d", n, p.Expected)
	case Approvals(limits, n) == 0:
		return catalogue.Refuse(ErrBudget, "make smaller plans, or have the policy changed", "%d targets; a plan has at most %d", n, upTo(limits.Caps, len(limits.Caps)))
	case p.Expires <= now || p.Expires > now.Add(limits.PlanLife.Duration()):
		return catalogue.Refuse(ErrPlan, "plan it anew", "it expires at %s, it is %s and a plan lives for %s at most", p.Expires, now, limits.PlanLife.Duration())
	case !slices.Equal(p.Waves, Waves(p.Targets, limits)):
		return catalogue.Refuse(ErrPlan, "plan it anew", "its waves are %v, not %v", p.Waves, Waves(p.Targets, limits))
	case p.InactiveDays > maxInactive, p.InactiveDays > 0 && p.Kind == events.DeletionOfApps:
		return catalogue.Refuse(ErrPlan, "claim what can be checked", "that %ss are inactive for %d days", p.Kind, p.InactiveDays)
	case !p.Owner.IsZero() && (n != 1 || p.Kind != events.DeletionOfTenants || p.Targets[0].Account != p.Owner):
		return catalogue.Refuse(ErrPlan, "plan one tenant of its owner", "%s may ask for one tenant of its own", p.Owner)
	}
	return checkTargets(p)
}

func checkTargets(p events.DeletionPlanned) error {
	for i, t := range p.Targets {
		switch {
		case t.Tenant.IsZero(), t.App.IsZero() != (p.Kind == events.DeletionOfTenants), t.Pinned == 0, len(t.Digest) == 0:
			return catalogue.Refuse(ErrPlan, "plan it anew", "target %d is no %s that was looked up", i+1, p.Kind)
		case i > 0 && inOrder(p.Targets[i-1], t) >= 0:
			return catalogue.Refuse(ErrPlan, "plan it anew", "target %d, %s, stands twice or out of order", i+1, targetID(p.Kind, t))
		}
	}
	return nil
}

func targetID(kind events.DeletionKind, t events.DeletionTarget) string {
	if kind == events.DeletionOfApps {
		return t.App.String()
	}
	return t.Tenant.String()
}

func (r *rules) notPlanned() error {
	_, exists, err := deletionOf(r, r.e.About.Plan())
	if err == nil && exists {
		err = catalogue.Refuse(ErrPlan, "another list is another plan", "%s stands already and never changes", r.e.About)
	}
	return err
}

// ofPlan holds what is said of a plan against the plan.
func (r *rules) ofPlan() error {
	d, exists, err := deletionOf(r, r.e.About.Plan())
	if err != nil {
		return err
	}
	if !exists {
		return catalogue.Refuse(ErrNoPlan, "plan it first", "there is no %s", r.e.About)
	}
	switch p := r.e.Payload.(type) {
	case events.DeletionFinished:
		return r.finished(d, p)
	case events.DeletionWaveChecked:
		return r.checked(d, p)
	}
	if err := r.alive(r.e.About.Plan(), d); err != nil {
		return err
	}
	switch p := r.e.Payload.(type) {
	case events.DeletionApproved:
		return r.approved(d, p.Approval)
	case events.DeletionConfirmed:
		return r.confirmed(d, p)
	case events.DeletionRehearsed:
		return r.rehearsed(d, p)
	case events.DeletionStarted:
		return r.started(d, p)
	}
	return nil
}

// alive is nil while a plan may go on.
func (r *rules) alive(id events.PlanID, d events.Deletion) error {
	if err := r.open(); err != nil {
		return err
	}
	switch {
	case !d.Ended.IsZero():
		return catalogue.Refuse(ErrDead, "make a new one", "%s ended at %s: %s", id, d.Ended.Time, d.Finished.Why)
	case d.Planned.Seq < r.door.Last.Seq:
		return catalogue.Refuse(ErrDead, "make a new one", "%s was planned before the halt at event %d", id, r.door.Last.Seq)
	case !slices.ContainsFunc(r.door.Open, func(a events.Admitted) bool { return a.Plan == id }):
		return catalogue.Refuse(ErrDead, "make a new one", "%s has left", id)
	case r.at.Time >= d.Plan.Expires:
		return catalogue.Refuse(ErrDead, "make a new one", "%s has expired at %s", id, d.Plan.Expires)
	case d.Plan.Policy != r.policy.Version:
		return catalogue.Refuse(ErrDead, "make a new one", "%s was checked against policy %d, policy %d is in force", id, d.Plan.Policy, r.policy.Version)
	}
	return nil
}

func (r *rules) approved(d events.Deletion, a events.Approval) error {
	first, last := int(a.FirstWave), int(a.LastWave)
	switch {
	case first < 1 || last < first || last > len(d.Plan.Waves):
		return catalogue.Refuse(ErrApproval, "approve waves that the plan has", "waves %d to %d of %d", first, last, len(d.Plan.Waves))
	case !d.Plan.Owner.IsZero():
		return catalogue.Refuse(ErrApproval, "the owner confirms it", "%s is the owner's own request", r.e.About)
	case slices.Contains([]string{d.Plan.Author, d.Plan.Submitter, d.Plan.Supplier, d.Executor}, a.Person):
		return catalogue.Refuse(ErrApproval, "somebody else must approve", "%s is author, submitter, supplier of the list or executor", a.Person)
	}
	for _, given := range d.Approvals {
		if bytes.Equal(given.Approval.Nonce, a.Nonce) {
			return catalogue.Refuse(ErrApproval, "sign a new one", "the approval of %s counts once, it was recorded at event %d", a.Person, given.Mark.Seq)
		}
	}
	return verify(r.policy.Policy, ActionDelete, a, d.Hash, Sentence(d.Plan, first, last), r.at.Time)
}

func (r *rules) confirmed(d events.Deletion, p events.DeletionConfirmed) error {
	switch {
	case d.Plan.Owner.IsZero() || d.Plan.Owner != p.Owner:
		return catalogue.Refuse(ErrApproval, "it takes approvals from the roster", "%s is no request of %s", r.e.About, p.Owner)
	case p.By == "":
		return catalogue.Refuse(ErrApproval, "name who confirmed", "nobody confirmed")
	}
	return verify(r.policy.Policy, ActionOwner, p.Approval, d.Hash, OwnerSentence(d.Plan), r.at.Time)
}

func (r *rules) rehearsed(d events.Deletion, p events.DeletionRehearsed) error {
	if !bytes.Equal(p.Hash, d.Hash) || int(p.Targets) != len(d.Plan.Targets) {
		return catalogue.Refuse(ErrPlan, "rehearse it again", "the rehearsal was of %.16x with %d targets", p.Hash, p.Targets)
	}
	return nil
}

func (r *rules) started(d events.Deletion, p events.DeletionStarted) error {
	switch {
	case !d.Started.IsZero():
		return catalogue.Refuse(ErrPlan, "it goes on by itself", "%s was started at event %d", r.e.About, d.Started.Seq)
	case p.Executor == "":
		return catalogue.Refuse(ErrPlan, "name who", "nobody starts it")
	}
	if err := r.fresh(d); err != nil {
		return err
	}
	return r.enough(d, 1, p.Executor)
}

// fresh is nil when the last rehearsal has passed and is not too old.
func (r *rules) fresh(d events.Deletion) error {
	life := r.policy.Policy.RehearsalLife.Duration()
	switch {
	case d.Rehearsal.IsZero() || !d.Rehearsed.Passed:
		return catalogue.Refuse(ErrRehearsal, "rehearse it: catalogue delete rehearse", "%s has no rehearsal that passed %s", r.e.About, d.Rehearsed.Why)
	case r.at.Time > d.Rehearsal.Time.Add(life):
		return catalogue.Refuse(ErrRehearsal, "rehearse it again: catalogue delete rehearse", "the rehearsal is from %s, it counts for %s", d.Rehearsal.Time, life)
	}
	return nil
}

// enough is nil when so many persons have approved a wave as the plan needs, their
// approvals count still, and none of them is the executor.
func (r *rules) enough(d events.Deletion, wave int, executor string) error {
	if !d.Plan.Owner.IsZero() {
		if d.Confirmed.By == "" {
			return catalogue.Refuse(ErrApproval, "the owner confirms it", "the owner has not confirmed")
		}
		return current(d.Confirmed.Approval, r.at.Time)
	}
	persons := map[string]bool{}
	var void error
	for _, given := range d.Approvals {
		a := given.Approval
		if wave < int(a.FirstWave) || wave > int(a.LastWave) || a.Person == executor {
			continue
		}
		if err := current(a, r.at.Time); err != nil {
			void = err
			continue
		}
		persons[a.Person] = true
	}
	need := Approvals(r.policy.Policy, len(d.Plan.Targets))
	if need == 0 || len(persons) < need {
		return catalogue.Refuse(ErrApproval, "catalogue delete approve", "wave %d has %d of %d approvals%s", wave, len(persons), need, reason(void))
	}
	return nil
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprintf(" (%v)", err)
}

// passed holds a wave against its plan, the policy and the budgets.
func (r *rules) passed(p events.DoorPassed) error {
	d, exists, err := deletionOf(r, p.Plan)
	if err != nil {
		return err
	}
	if !exists {
		return catalogue.Refuse(ErrNoPlan, "plan it first", "there is no %s", p.Plan)
	}
	if err := r.alive(p.Plan, d); err != nil {
		return err
	}
	wave := len(d.Checked) + 1
	switch {
	case d.Started.IsZero():
		return catalogue.Refuse(ErrPlan, "catalogue delete run", "%s was not started", p.Plan)
	case int(p.Wave) != wave || wave > len(d.Plan.Waves) || p.Targets != d.Plan.Waves[wave-1] || p.Kind != d.Plan.Kind || p.Owners == d.Plan.Owner.IsZero():
		return catalogue.Refuse(ErrPlan, "look where it stands: catalogue delete status", "wave %d of %d %ss is not what comes next of %s", p.Wave, p.Targets, p.Kind, p.Plan)
	}
	if _, gone, err := r.passage(p.Plan, wave); err != nil {
		return err
	} else if gone {
		return catalogue.Refuse(ErrPlan, "check it first", "wave %d of %s has passed", wave, p.Plan)
	}
	if err := r.baked(d, wave); err != nil {
		return err
	}
	if err := r.enough(d, wave, d.Executor); err != nil {
		return err
	}
	return r.budget(p.Targets, p.Owners, append(r.longWindows(), window{"minute", 60, r.policy.Policy.Budget.Minute, false}))
}

// baked is nil when the wave before was as planned and has been waited for, or, before
// the first, when the rehearsal is fresh.
func (r *rules) baked(d events.Deletion, wave int) error {
	if wave == 1 {
		return r.fresh(d)
	}
	if why := asPlanned(d, d.Checked[wave-2]); why != "" {
		return catalogue.Refuse(ErrDead, "make a new one", "wave %d: %s", wave-1, why)
	}
	bake := bakeAfter(r.policy.Policy, wave-1)
	if !r.clock.passed(d.LastCheck.Time, r.at.Time, bake) {
		return catalogue.Refuse(ErrTooSoon, "wait", "wave %d bakes for %s, since %s", wave-1, bake.Duration(), d.LastCheck.Time)
	}
	return nil
}

// asPlanned is empty if a wave did what it was planned to do, or says what not.
func asPlanned(d events.Deletion, c events.DeletionWaveChecked) string {
	_, done := span(d.Plan, 1, int(c.Wave))
	from, _ := span(d.Plan, int(c.Wave), int(c.Wave))
	gone, kept := done-from, len(d.Plan.Targets)-done
	switch {
	case int(c.Gone) != gone || int(c.Kept) != kept || c.Strays != 0:
		return fmt.Sprintf("%d of %d targets are gone, %d of %d are kept, %d others were deleted", c.Gone, gone, c.Kept, kept, c.Strays)
	case !c.Healthy:
		return "not healthy: " + c.Detail
	}
	return ""
}

// window is a stretch of time with what may go in it.
type window struct {
	name   string
	length events.Seconds
	limit  uint32
	owners bool // of owners' requests only
}

// longWindows lists those of a day and more.
func (r *rules) longWindows() []window {
	b := r.policy.Policy.Budget
	return []window{{"day", day, b.Day, false}, {"30 days", 30 * day, b.Month, false}, {"day, of owners' requests", day, b.Owners, true}}
}

// budget counts what has passed lately, over all plans, and so many more.
func (r *rules) budget(targets uint32, owners bool, windows []window) error {
	for _, w := range windows {
		if w.owners && !owners {
			continue
		}
		spent, inside := uint64(targets), 0
		for _, was := range r.door.Recent {
			if r.clock.passed(was.Mark.Time, r.at.Time, w.length) {
				continue
			}
			inside++
			if was.Owners || !w.owners {
				spent += uint64(was.Targets)
			}
		}
		if spent > uint64(w.limit) || inside == catalogue.RecentPassages {
			return catalogue.Refuse(ErrBudget, "wait, or have the policy changed",
				"%d targets would go in a %s, with these %d; the budget is %d", spent, w.name, targets, w.limit)
		}
	}
	return nil
}

func (r *rules) passage(plan events.PlanID, wave int) (events.Passage, bool, error) {
	return catalogue.Get[events.Passage](r.State(events.TheOne(events.AggregateDoor)), events.PassageKey(plan, uint32(wave)))
}

// tombstone holds a tombstone against the wave whose unit it stands in: the wave's n-th
// event is about the wave's n-th target.
//
// A log from before there was a policy may hold tombstones: they stand, and the Guard
// lets no new ones in.
func (r *rules) tombstone(kind events.DeletionKind, app events.AppID) error {
	if r.policy.Version == 0 {
		return nil
	}
	if len(r.door.Recent) == 0 {
		return catalogue.Refuse(ErrNoPlan, "make a plan: catalogue delete plan", "no wave of a plan has passed")
	}
	passage := r.door.Recent[len(r.door.Recent)-1]
	n := r.at.Seq - passage.Mark.Seq
	if r.at.Seq <= passage.Mark.Seq || n > events.Seq(passage.Targets) {
		return catalogue.Refuse(ErrNoPlan, "make a plan: catalogue delete plan", "it stands in no wave of a plan")
	}
	d, exists, err := deletionOf(r, passage.Plan)
	if err != nil {
		return err
	}
	from, to := span(d.Plan, int(passage.Wave), int(passage.Wave))
	at := from + int(n) - 1
	if !exists || at >= to || d.Plan.Kind != kind || passage.Kind != kind {
		return catalogue.Refuse(ErrNoPlan, "", "wave %d of %s deletes no %s there", passage.Wave, passage.Plan, kind)
	}
	target := d.Plan.Targets[at]
	if events.OfTenant(target.Tenant) != r.e.About || target.App != app {
		return catalogue.Refuse(ErrNoPlan, "", "target %d of %s is %s", at+1, passage.Plan, targetID(kind, target))
	}
	return unheld(r, target.Tenant)
}

// unheld is nil unless a lien keeps a tenant.
func unheld(w Heads, id events.TenantID) error {
	liens, err := readable[events.Liens](w, events.OfLiens(id))
	if err == nil && len(liens.Liens) > 0 {
		err = catalogue.Refuse(ErrPlan, "leave it out until the lien is lifted", "%s is kept for %s", id, liens.Liens[0].Matter)
	}
	return err
}

// lienLifted takes somebody's approval.
func (r *rules) lienLifted(p events.LienLifted) error {
	tenant := events.IDFromUUID[events.TenantID](r.e.About.ID)
	liens, err := readable[events.Liens](r, r.e.About)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(liens.Liens, func(l events.Lien) bool { return l.Matter == p.Matter })
	switch {
	case i < 0:
		return catalogue.Refuse(ErrPlan, "", "%s is not kept for %s", tenant, p.Matter)
	case r.e.Actor == p.Approval.Person:
		return catalogue.Refuse(ErrApproval, "somebody else must approve", "%s asks for it", p.Approval.Person)
	}
	return verify(r.policy.Policy, ActionLien, p.Approval, LienHash(tenant, liens.Liens[i]), LienSentence(tenant, liens.Liens[i]), r.at.Time)
}

func (r *rules) checked(d events.Deletion, p events.DeletionWaveChecked) error {
	wave := len(d.Checked) + 1
	_, passed, err := r.passage(r.e.About.Plan(), wave)
	if err != nil {
		return err
	}
	if !passed || int(p.Wave) != wave {
		return catalogue.Refuse(ErrPlan, "", "wave %d of %s is not the one to be checked", p.Wave, r.e.About)
	}
	return nil
}

// left ends a plan's stay: another of its kind may be admitted.
func (r *rules) left(p events.DoorLeft) error {
	if !slices.ContainsFunc(r.door.Open, func(a events.Admitted) bool { return a.Plan == p.Plan && a.Kind == p.Kind }) {
		return catalogue.Refuse(ErrDead, "", "%s is not open", p.Plan)
	}
	return nil
}

// finished ends a plan, which has left before, in the same unit or by a halt, and whose
// waves have all been checked.
func (r *rules) finished(d events.Deletion, p events.DeletionFinished) error {
	id := r.e.About.Plan()
	if _, passed, err := r.passage(id, len(d.Checked)+1); err != nil {
		return err
	} else if passed {
		return catalogue.Refuse(ErrPlan, "it is about to be counted", "wave %d of %s has passed and is not checked", len(d.Checked)+1, id)
	}
	switch {
	case !d.Ended.IsZero():
		return catalogue.Refuse(ErrDead, "", "%s ended at %s", id, d.Ended.Time)
	case slices.ContainsFunc(r.door.Open, func(a events.Admitted) bool { return a.Plan == id }):
		return catalogue.Refuse(ErrPlan, "", "%s has not left", id)
	case p.Done && (len(d.Checked) != len(d.Plan.Waves) || asPlanned(d, d.Checked[len(d.Checked)-1]) != ""):
		return catalogue.Refuse(ErrPlan, "", "%d of %d waves of %s are done", len(d.Checked), len(d.Plan.Waves), id)
	}
	return nil
}

func (r *rules) reopened(p events.DoorReopened) error {
	switch {
	case r.door.Halted.IsZero():
		return catalogue.Refuse(ErrHalted, "", "deletions are not halted")
	case r.policy.Version == 0:
		return catalogue.Refuse(ErrPolicy, "set one: catalogue policy propose", "there is no policy yet, and nobody who could approve")
	case p.Reason == "":
		return catalogue.Refuse(ErrApproval, "say why", "no reason is given")
	case r.e.Actor == p.Approval.Person:
		return catalogue.Refuse(ErrApproval, "somebody else must approve", "%s asks for it", p.Approval.Person)
	}
	return verify(r.policy.Policy, ActionReopen, p.Approval, HaltHash(r.door.Halted), ReopenSentence(r.policy.Policy, r.door.Halted), r.at.Time)
}

// released ends the hold of a restoration that is finished.
func (r *rules) released(p events.DoorReleased) error {
	done, err := readable[events.Restoration](r, events.OfRestoration(p.Restoration))
	if err == nil && !done.Finished {
		err = catalogue.Refuse(ErrHeld, "apply it to its end", "%s is not finished", p.Restoration)
	}
	return err
}

func (r *rules) proposed(p events.PolicyProposed) error {
	switch {
	case p.Version != r.policy.Version+1:
		return catalogue.Refuse(ErrPolicy, "propose it anew", "it would be policy %d, policy %d is in force", p.Version, r.policy.Version)
	case !isPerson(p.Author) || p.Reason == "":
		return catalogue.Refuse(ErrPolicy, "say who asks for it and why", "author %.40q, reason %.40q", p.Author, p.Reason)
	case r.policy.Version > 0 && p.Policy.Environment != r.policy.Policy.Environment:
		return catalogue.Refuse(ErrPolicy, "an environment keeps its name", "environment from %s to %s", r.policy.Policy.Environment, p.Policy.Environment)
	}
	if err := CheckPolicy(p.Policy, r.at.Time); err != nil {
		return catalogue.Refuse(ErrPolicy, "put it right", "%v", err)
	}
	return nil
}

func (r *rules) proposal() (events.Proposal, error) {
	o, found, err := catalogue.Get[events.Proposal](r.State(events.TheOne(events.AggregatePolicy)), events.Proposal{}.EntityKey())
	if err == nil && !found {
		err = catalogue.Refuse(ErrPolicy, "catalogue policy propose", "no policy is proposed")
	}
	return o, err
}

func (r *rules) policyApproved(p events.PolicyApproved) error {
	o, err := r.proposal()
	if err != nil {
		return err
	}
	hash, err := o.Proposed.Hash(o.Mark.Seq)
	if err != nil {
		return err
	}
	if p.Approval.Person == o.Proposed.Author {
		return catalogue.Refuse(ErrApproval, "somebody else must approve", "%s asks for it", p.Approval.Person)
	}
	return verify(r.policy.Policy, ActionPolicy, p.Approval, hash, PolicySentence(o.Proposed), r.at.Time)
}

// changed puts a proposal in force: the first policy there is and a stricter one at
// once, a looser one when it is approved and has waited.
func (r *rules) changed(p events.PolicyChanged) error {
	o, err := r.proposal()
	if err != nil {
		return err
	}
	if p.Version != o.Proposed.Version || p.Version != r.policy.Version+1 {
		return catalogue.Refuse(ErrPolicy, "", "policy %d is proposed, not %d", o.Proposed.Version, p.Version)
	}
	looser := Looser(r.policy.Policy, o.Proposed.Policy)
	if r.policy.Version == 0 || len(looser) == 0 {
		return nil
	}
	persons := map[string]bool{} // each was verified under the policy in force
	for _, given := range o.Approvals {
		persons[given.Approval.Person] = true
	}
	rule := r.policy.Policy.Change
	if len(persons) < int(rule.Approvals) {
		return catalogue.Refuse(ErrApproval, "catalogue policy approve", "%d of %d approvals; it is looser: %s", len(persons), rule.Approvals, looser[0])
	}
	if !r.clock.passed(o.Mark.Time, r.at.Time, rule.Delay) {
		return catalogue.Refuse(ErrTooSoon, "wait", "it is looser (%s) and waits for %s, since %s", looser[0], rule.Delay.Duration(), o.Mark.Time)
	}
	return nil
}
