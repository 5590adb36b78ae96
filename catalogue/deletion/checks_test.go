package deletion_test

import (
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/events"
)

// mustSay fails unless an error says something; nothing: unless there is none.
func mustSay(t *testing.T, what string, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(fullText(err), want)) {
		t.Errorf("%s: %v, want %q", what, err, want)
	}
}

func TestCheckPlan(t *testing.T) {
	t.Parallel()
	w := governed(t, 10)
	policy, err := deletion.PolicyOf(w)
	if err != nil {
		t.Fatal(err)
	}
	policy.Policy.Caps = []uint32{10}
	policy.Policy.PlanLife = 3600
	for name, c := range map[string]struct {
		spoil func(p *events.DeletionPlanned)
		want  string
	}{
		"as it is":             {func(*events.DeletionPlanned) {}, ""},
		"environment":          {func(p *events.DeletionPlanned) { p.Environment = "other" }, `it is for "other"`},
		"policy":               {func(p *events.DeletionPlanned) { p.Policy = 9 }, "checked against policy 9"},
		"kind":                 {func(p *events.DeletionPlanned) { p.Kind = "user" }, `no deletions of "user"`},
		"author":               {func(p *events.DeletionPlanned) { p.Author = "Ana" }, `author "Ana"`},
		"supplier":             {func(p *events.DeletionPlanned) { p.Supplier = "" }, `supplier ""`},
		"submitter":            {func(p *events.DeletionPlanned) { p.Submitter = "a b" }, `submitter "a b"`},
		"reason":               {func(p *events.DeletionPlanned) { p.Reason = "" }, "no reason"},
		"nothing":              {func(p *events.DeletionPlanned) { p.Targets, p.Waves, p.Expected = nil, nil, 0 }, "no targets"},
		"expected":             {func(p *events.DeletionPlanned) { p.Expected = 11 }, "the author expects 11"},
		"too many":             {func(p *events.DeletionPlanned) { p.Targets = append(p.Targets, p.Targets...); p.Expected = 20 }, "a plan has at most 10"},
		"expired":              {func(p *events.DeletionPlanned) { p.Expires = w.now }, "it expires at"},
		"lives too long":       {func(p *events.DeletionPlanned) { p.Expires = w.now.Add(time.Hour + 1) }, "lives for 1h0m0s at most"},
		"another action":       {func(p *events.DeletionPlanned) { p.Action = "purge" }, `no plan to "purge"`},
		"fewer tenants":        {func(p *events.DeletionPlanned) { p.Effect.Tenants++ }, "its effect would be"},
		"fewer apps":           {func(p *events.DeletionPlanned) { p.Effect.Apps++ }, "its effect would be"},
		"fewer users":          {func(p *events.DeletionPlanned) { p.Effect.Users-- }, "its effect would be"},
		"waves":                {func(p *events.DeletionPlanned) { p.Waves = []uint32{10} }, "its waves are [10]"},
		"inactive for ever":    {func(p *events.DeletionPlanned) { p.InactiveDays = 3651 }, "are inactive for 3651 days"},
		"inactive apps":        {func(p *events.DeletionPlanned) { p.Kind, p.InactiveDays = events.DeletionOfApps, 1 }, "apps are inactive"},
		"an owner's ten":       {func(p *events.DeletionPlanned) { p.Owner = accountID(1) }, "may ask for one tenant"},
		"an owner's apps":      {one(func(p *events.DeletionPlanned) { p.Owner, p.Kind = p.Targets[0].Account, events.DeletionOfApps }), "may ask for one tenant"},
		"another owner's":      {one(func(p *events.DeletionPlanned) { p.Owner = events.DeriveID[events.AccountID]("x") }), "may ask for one tenant"},
		"an owner's":           {one(func(p *events.DeletionPlanned) { p.Owner = p.Targets[0].Account }), ""},
		"no tenant":            {one(func(p *events.DeletionPlanned) { p.Targets[0].Tenant = events.TenantID{} }), "is no tenant that was looked up"},
		"an app":               {one(func(p *events.DeletionPlanned) { p.Targets[0].App = appID(1, 1) }), "is no tenant that was looked up"},
		"no app":               {one(func(p *events.DeletionPlanned) { p.Kind = events.DeletionOfApps }), "is no app that was looked up"},
		"not pinned":           {one(func(p *events.DeletionPlanned) { p.Targets[0].Pinned = 0 }), "is no tenant that was looked up"},
		"no digest":            {one(func(p *events.DeletionPlanned) { p.Targets[0].Digest = nil }), "is no tenant that was looked up"},
		"twice":                {func(p *events.DeletionPlanned) { p.Targets[5] = p.Targets[4] }, "stands twice or out of order"},
		"out of order":         {func(p *events.DeletionPlanned) { p.Targets[5], p.Targets[4] = p.Targets[4], p.Targets[5] }, "stands twice or out of order"},
		"internal ones behind": {func(p *events.DeletionPlanned) { p.Targets[9].Internal = true }, "stands twice or out of order"},
	} {
		p, err := deletion.Resolve(t.Context(), w, w.ask(upTo(10)...), w.now)
		if err != nil {
			t.Fatal(err)
		}
		p.Expires = w.now.Add(time.Hour)
		c.spoil(&p)
		mustSay(t, name, deletion.CheckPlan(p, policy, w.now), c.want)
	}
}

// one is a plan of one target.
func one(spoil func(p *events.DeletionPlanned)) func(p *events.DeletionPlanned) {
	return func(p *events.DeletionPlanned) {
		p.Targets, p.Waves, p.Expected = slices.Clone(p.Targets[:1]), []uint32{1}, 1
		p.Effect = deletion.EffectOf(p.Kind, p.Targets)
		spoil(p)
	}
}

func TestCheckPolicy(t *testing.T) {
	t.Parallel()
	w := begin(t)
	const day = 24 * 3600
	for name, c := range map[string]struct {
		spoil func(p *events.Policy)
		want  string
	}{
		"as it is":         {func(*events.Policy) {}, ""},
		"environment":      {func(p *events.Policy) { p.Environment = "" }, "environment is missing"},
		"no caps":          {func(p *events.Policy) { p.Caps = nil }, "caps is empty"},
		"caps fall":        {func(p *events.Policy) { p.Caps = []uint32{5, 1} }, "must not allow less"},
		"caps":             {func(p *events.Policy) { p.Caps = []uint32{1001} }, "caps has 1001"},
		"no waves":         {func(p *events.Policy) { p.WaveTargets = 0 }, "wave_targets is 0"},
		"waves":            {func(p *events.Policy) { p.WaveTargets = 51 }, "wave_targets is 51"},
		"bakes":            {func(p *events.Policy) { p.Bakes = nil }, "bakes is empty"},
		"no plan's life":   {func(p *events.Policy) { p.PlanLife = 0 }, "plan_life is 0s"},
		"a plan's life":    {func(p *events.Policy) { p.PlanLife = day + 1 }, "plan_life is 24h0m1s"},
		"no approval":      {func(p *events.Policy) { p.ApprovalLife = 0 }, "approval_life is 0s"},
		"an approval":      {func(p *events.Policy) { p.ApprovalLife = day + 1 }, "approval_life is 24h0m1s"},
		"rehearsal":        {func(p *events.Policy) { p.RehearsalLife = 0 }, "rehearsal_life is 0"},
		"retention":        {func(p *events.Policy) { p.Retention = 7*day - 1 }, "retention is 167h59m59s"},
		"delay":            {func(p *events.Policy) { p.Change.Delay = 30*day + 1 }, "change.delay is 720h0m1s"},
		"no check":         {func(p *events.Policy) { p.Checks = nil }, "checks is empty"},
		"check":            {func(p *events.Policy) { p.Checks = []string{"ftp://x"} }, `checks has "ftp://x"`},
		"empty check":      {func(p *events.Policy) { p.Checks = []string{"nats:"} }, `checks has "nats:"`},
		"person":           {func(p *events.Policy) { p.Roster[0].Person = "" }, `person is ""`},
		"role":             {func(p *events.Policy) { p.Roster[0].Role = "boss" }, `is for "boss"`},
		"short key":        {func(p *events.Policy) { p.Roster[0].Key = p.Roster[0].Key[1:] }, "has 31 bytes"},
		"key for ever":     {func(p *events.Policy) { p.Roster[0].Expires = 0 }, "does not expire"},
		"key of two":       {func(p *events.Policy) { p.Roster[0].Key = p.Roster[1].Key }, "a key is one person's"},
		"no approvals":     {func(p *events.Policy) { p.Change.Approvals = 0 }, "change.approvals is 0"},
		"too few":          {func(p *events.Policy) { p.Change.Approvals = 4 }, "roster has 4 approvers"},
		"keys about to go": {func(p *events.Policy) { p.Roster[0].Expires = w.now.Add(time.Hour); p.Change.Approvals = 3 }, "roster has 3 approvers"},
	} {
		p := w.quick()
		c.spoil(&p)
		mustSay(t, name, deletion.CheckPolicy(p, w.now), c.want)
	}
}

// What an approval says of itself is part of what is signed, and holds.
func TestApprovalsThatHoldOnlyInPart(t *testing.T) {
	t.Parallel()
	w := governed(t, 10)
	p := w.plan(w.ask(upTo(10)...))
	for name, c := range map[string]struct {
		change func(a *events.Approval)
		want   string
	}{
		"ends as it begins": {func(a *events.Approval) { a.Expires = a.Issued }, "is the most"},
		"another key's":     {func(a *events.Approval) { a.Key = "feedfeedfeedfeed" }, "key feedfeedfeedfeed of ana is not"},
		"another person's":  {func(a *events.Approval) { a.Person = "ben" }, "of ben is not on the roster"},
		"of later waves":    {func(a *events.Approval) { a.FirstWave = 0 }, "waves 0 to"},
		"of no waves":       {func(a *events.Approval) { a.FirstWave, a.LastWave = 2, 1 }, "waves 2 to 1"},
	} {
		a := w.keys.ApprovePlan("ana", p.ID, p.Deletion, w.now, 1)
		c.change(&a)
		message, err := deletion.Message(environment, deletion.ActionDelete, a)
		if err != nil {
			t.Fatal(err)
		}
		a.Signature = ed25519.Sign(w.keys["ana"], message)
		mustSay(t, name, w.engine.Approve(t.Context(), p.ID, a), c.want)
	}
}

// An approver on the roster is no portal, and confirms nothing for an owner.
func TestApproverConfirmsNothing(t *testing.T) {
	t.Parallel()
	w := governed(t, 3)
	a := w.ask(2)
	a.Owner = accountID(2)
	p := w.plan(a)
	err := w.engine.Confirm(t.Context(), p.ID, events.DeletionConfirmed{Owner: a.Owner, By: "user_9", Approval: w.keys.Approve(people.Consent{
		Person: "ana", Action: deletion.ActionOwner, Environment: environment, Hash: p.Hash, Sentence: deletion.OwnerSentence(p.Deletion), Now: w.now, N: 1,
	})})
	mustSay(t, "by an approver", err, "of ana is not on the roster")
	if err := w.confirm(p, a.Owner); err != nil {
		t.Error(err)
	}
}

func TestLienIsLiftedWithApproval(t *testing.T) {
	t.Parallel()
	w := governed(t, 3)
	about := events.OfLiens(tenantID(2))
	place := func() { w.must(w.event(about, events.LienPlaced{Matter: "legal/22"})) }
	place()
	mustSay(t, "whoever asks", w.liftLien(2, "Ana"), "ana asks for it")
	mustSay(t, "not there", w.append(w.event(about, events.LienLifted{Matter: "legal/23"})), "is not kept for legal/23")
	mustSay(t, "not approved", w.append(w.event(about, events.LienLifted{Matter: "legal/22"})), "is not on the roster")
	if err := w.liftLien(2, "oncall"); err != nil {
		t.Fatal(err)
	}
	lifted, _ := w.log[len(w.log)-1].Payload.(events.LienLifted)
	place()
	mustSay(t, "with the approval of the one before", w.append(w.event(about, lifted)), "is for")
}

// What is asked for is bounded before anything is looked up.
func TestAskIsBounded(t *testing.T) {
	t.Parallel()
	w := governed(t, 3)
	for name, spoil := range map[string]func(a *deletion.Ask){
		"inactive for less than nothing": func(a *deletion.Ask) { a.InactiveDays = -1 },
		"inactive for ever":              func(a *deletion.Ask) { a.InactiveDays = 1 << 33 },
		"less than nothing":              func(a *deletion.Ask) { a.Expected = -1 },
		"more than there are":            func(a *deletion.Ask) { a.Expected = 1 << 33 },
	} {
		a := w.ask(2)
		spoil(&a)
		_, err := w.tryPlan(a)
		mustSay(t, name, err, "targets, inactive for")
	}
	w.looked = 0
	a := w.ask(2)
	a.Targets = slices.Repeat(a.Targets, 10_001)
	_, err := w.tryPlan(a)
	mustSay(t, "a list without end", err, "not more than 10000 are looked up")
	a.Owner, a.Targets = accountID(2), a.Targets[:2]
	_, err = w.tryPlan(a)
	mustSay(t, "an owner's list", err, "may ask for one tenant of its own")
	if w.looked > 0 {
		t.Errorf("%d tenants were looked up", w.looked)
	}
}

// Lines that are at fault in ways that only the catalogue knows of.
func TestLinesThatTheCatalogueKnowsBetter(t *testing.T) {
	t.Parallel()
	w := governed(t, 6)
	w.must(w.event(events.OfTenant(tenantID(7)), events.TenantCreated{URL: url(7), Account: accountID(7), Region: "eu"}),
		w.event(events.OfTenant(tenantID(7)), events.TenantDeactivated{}))
	if step := w.run(w.ready(w.askApps(2), "ana").ID); !step.Done {
		t.Fatalf("%+v", step)
	}
	if err := catalogue.Quarantine(w.facts, events.Stored{About: events.OfTenant(tenantID(3)), Seq: w.seq}); err != nil {
		t.Fatal(err)
	}
	unknown := appID(99, 0)
	if err := w.facts.PutIssued(unknown.UUID(), events.OfTenant(tenantID(4))); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		ask  func() deletion.Ask
		want string
	}{
		"cannot be read": {func() deletion.Ask { return w.ask(3) }, "hold an event that cannot be read"},
		"nobody knows of its use": {func() deletion.Ask {
			a := w.ask(7)
			a.InactiveDays = 1
			return a
		}, "nobody has ever reported its use"},
		"uninstalled": {func() deletion.Ask { return w.askApps(2) }, "are uninstalled already"},
		"no app id": {func() deletion.Ask {
			a := w.askApps(4)
			a.Targets[0].ID = "4"
			return a
		}, "ids are no app ids"},
		"undone": {func() deletion.Ask {
			a := w.askApps(4)
			a.Targets[0].ID = unknown.String()
			return a
		}, "apps are not in this catalogue"},
	} {
		_, err := w.tryPlan(c.ask())
		mustSay(t, name, err, c.want)
	}
}

// seenAs is a world in which a tenant is seen as something else.
type seenAs struct {
	*world

	head  func(*catalogue.Head)
	state func(catalogue.MapState)
}

// State is as in Heads.
func (s seenAs) State(about events.Aggregate) catalogue.State {
	state, ok := s.world.State(about).(catalogue.MapState)
	if ok && about.Kind == events.AggregateTenant && s.state != nil {
		state = state.Clone()
		s.state(state)
	}
	return state
}

// Head is as in Heads.
func (s seenAs) Head(about events.Aggregate) (catalogue.Head, error) {
	head, err := s.world.Head(about)
	if about.Kind == events.AggregateTenant && s.head != nil {
		s.head(&head)
	}
	return head, err
}

func TestCheckTarget(t *testing.T) {
	t.Parallel()
	record := func(change func(*events.Tenant)) func(catalogue.MapState) {
		return func(s catalogue.MapState) {
			tenant, _ := s.Tenant()
			change(&tenant)
			s[tenant.EntityKey()] = tenant
		}
	}
	for name, c := range map[string]struct {
		apps  bool
		head  func(*catalogue.Head)
		state func(catalogue.MapState)
		want  string
	}{
		"a tenant":       {},
		"an app":         {apps: true},
		"another event":  {head: func(h *catalogue.Head) { h.Seq++ }, want: "has changed since it was planned"},
		"another epoch":  {head: func(h *catalogue.Head) { h.Epoch++ }, want: "has changed since it was planned"},
		"cannot be read": {head: func(h *catalogue.Head) { h.Quarantined = 1 }, want: "cannot be read"},
		"internal":       {state: record(func(t *events.Tenant) { t.Internal = true }), want: "is not as the plan says"},
		"users":          {state: record(func(t *events.Tenant) { t.ActiveUsers++ }), want: "is not as the plan says"},
		"account":        {state: record(func(t *events.Tenant) { t.Account = accountID(5) }), want: "belongs to"},
		"URL":            {state: record(func(t *events.Tenant) { t.URL = url(5) }), want: "is called t5"},
		"status":         {state: record(func(t *events.Tenant) { t.Status = events.TenantStatusActive }), want: "is active"},
		"in use":         {state: record(func(t *events.Tenant) { t.LastActivity = events.TimeOf(time.Unix(1<<33, 0)) }), want: "is said to be inactive for 1 days"},
		"out of service since when": {state: func(s catalogue.MapState) {
			delete(s, events.Deactivation{}.EntityKey())
		}, want: "must have been out of service"},
		"nothing":        {state: func(s catalogue.MapState) { clear(s) }, want: "there is no tenant_"},
		"no app":         {apps: true, state: func(s catalogue.MapState) { delete(s, events.AppKey(appID(2, 0))) }, want: "has no app_"},
		"another's name": {apps: true, state: func(s catalogue.MapState) { s[events.AppKey(appID(2, 0))] = events.App{ID: appID(2, 0), Name: "other"} }, want: "has no app_"},
	} {
		w := governed(t, 3)
		a := w.ask(2)
		a.InactiveDays = 1
		if c.apps {
			a = w.askApps(2)
		}
		p := w.plan(a)
		err := deletion.CheckTarget(seenAs{w, c.head, c.state}, p.ID, events.Deletion{Plan: p.Deletion}, 0, w.now)
		mustSay(t, name, err, c.want)
	}
}

// A plan that tells its approvers something else than what is there is not approved.
func TestPlanThatDescribesSomethingElse(t *testing.T) {
	t.Parallel()
	for name, lie := range map[string]func(target *events.DeletionTarget){
		"users":    func(target *events.DeletionTarget) { target.Users = 0 },
		"internal": func(target *events.DeletionTarget) { target.Internal = true },
		"cascade":  func(target *events.DeletionTarget) { target.Cascade.Apps = 0 },
		"digest":   func(target *events.DeletionTarget) { target.Digest = []byte{1} },
	} {
		w := governed(t, 3)
		a := w.signed(w.ask(2))
		plan, err := deletion.Resolve(t.Context(), w, a, w.now)
		if err != nil {
			t.Fatal(err)
		}
		lie(&plan.Targets[0])
		plan.Effect = deletion.EffectOf(plan.Kind, plan.Targets)
		id := a.ID
		w.must(w.event(events.TheOne(events.AggregateDoor), events.DoorAdmitted{Plan: id, Kind: plan.Kind, Expires: plan.Expires}), w.event(events.OfDeletion(id), plan))
		err = w.engine.Approve(t.Context(), id, w.keys.ApprovePlan("ana", id, plan, w.now, 1))
		mustSay(t, name, err, "is not as the plan describes it")
	}
}

func TestTombstoneWithoutAPolicy(t *testing.T) {
	t.Parallel()
	w := begin(t)
	w.people(2)
	e := w.event(events.OfTenant(tenantID(2)), events.TenantDeleted{})
	if err := w.append(e); !errors.Is(err, deletion.ErrPolicy) {
		t.Errorf("the write side: %v", err)
	}
	if err := w.follower(t).take(e); err != nil {
		t.Errorf("a log from before there was a policy: %v", err)
	}
	plan, unit := w.comeback(1)
	if err := w.append(unit...); !errors.Is(err, deletion.ErrRestoration) {
		t.Errorf("the write side: %v", err)
	}
	if err := w.follower(t).take(unit[0]); err != nil {
		t.Errorf("a log from before there was a policy: %v", err)
	}
	w.must(plan)
	w.must(unit...)
	if _, err := deletion.KeepingOf(states{events.OfTenant(tenantID(2)): deletedSince(w.now)}, tenantID(2), w.now); !errors.Is(err, deletion.ErrPolicy) {
		t.Errorf("a retention without a policy: %v", err)
	}
	if _, _, err := w.propose(people.Planner, w.quick()); err != nil {
		t.Error(err)
	}
}
