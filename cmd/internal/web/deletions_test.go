package web_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/events"
)

// sign makes an approval of what a person is to sign, as the person's own program does.
func sign(t *testing.T, crew *people.Crew, person string, what api.ToSign) events.Approval {
	t.Helper()
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // it never fails
	now := events.TimeOf(crew.Clock())
	a, err := deletion.Sign(crew.Keys[person], what.Environment, what.Action, events.Approval{
		Hash: what.Hash, Person: person, Nonce: nonce, Issued: now, Expires: now.Add(time.Minute),
		FirstWave: what.FirstWave, LastWave: what.LastWave, Sentence: what.Sentence,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// governed puts a policy in force over HTTP, and tenants out of service.
func (r *running) governed(t *testing.T, list ...fixture) *people.Crew {
	t.Helper()
	crew := r.crew()
	answer := r.do(t, r.post("/v1/policies", proposal(crew, 1, people.QuickPolicy(crew.Roster()))))
	if out := read[api.PolicyProposeResponse](t, answer, 200); !out.Changed || out.InForce.Version != 1 {
		t.Fatalf("%+v", out)
	}
	for _, f := range list {
		r.publish(t, append(f.story(), f.event(0, events.TenantDeactivated{Reason: "closed"}))...)
	}
	return crew
}

func planOf(list ...fixture) api.DeletionPlanRequest {
	req := api.DeletionPlanRequest{Kind: events.DeletionOfTenants, Author: "ana", Supplier: "analyst", Reason: "closed", Expected: len(list)}
	for _, f := range list {
		req.Targets = append(req.Targets, f.line())
	}
	return req
}

// planned is a request for a plan that its author has signed.
func (r *running) planned(req api.DeletionPlanRequest) ask {
	req.ID, _ = events.NewID[events.PlanID](uuid.NewV7) // it never fails
	req.Signed = people.NewKeys(req.Author).Ask(people.Environment, req.Ask(""), r.Now()).Signed
	return r.post("/v1/deletions", req)
}

// proposal is signed by its author.
func proposal(crew *people.Crew, version uint32, p events.Policy) api.PolicyProposeRequest {
	return api.PolicyProposeRequest{PolicyProposed: crew.Keys.Propose(
		events.PolicyProposed{Version: version, Author: people.Author, Reason: "a test", Policy: p}, events.TimeOf(crew.Clock()),
	)}
}

func (r *running) step(t *testing.T, id events.PlanID) {
	t.Helper()
	for {
		step, err := r.Deletions().Step(t.Context(), id)
		if err != nil || step.Wait > 0 {
			t.Fatalf("%+v, %v", step, err)
		}
		if step.Done {
			return
		}
	}
}

// TestDeletion takes a deletion from its plan to its end over HTTP.
func TestDeletion(t *testing.T) {
	t.Parallel()
	r := start(t)
	crew := r.governed(t, "acme", "beta")
	dry := planOf("acme", "beta")
	dry.DryRun = true
	before := r.head(t)
	if d := read[api.Deletion](t, r.do(t, r.post("/v1/deletions", dry)), 200); d.State != api.StateNotRecorded || r.head(t) != before {
		t.Errorf("a dry run: %+v", d.Standing)
	}
	answer := r.do(t, r.planned(planOf("acme", "beta")))
	d := read[api.Deletion](t, answer, 201)
	where := "/v1/deletions/" + d.ID.String()
	if answer.Header.Get("Location") != where || d.Deletion.Submitter != r.Admin.User || d.Effect.Tenants != -2 || d.Needed != 1 || d.Cascade.Products != 2 ||
		d.ToSign.Sentence != "DELETE 2 TENANTS, 0 APPS WITH THEM IN TEST" || len(d.Largest) != 2 || d.Last != nil {
		t.Errorf("%s: %+v", answer.Header, d)
	}
	if !strings.Contains(d.Waits, "has 0 of 1 approvals") {
		t.Errorf("it waits for %q", d.Waits)
	}
	approve := func(person string) reply {
		return r.do(t, r.post(where+"/approvals", map[string]any{"approval": sign(t, crew, person, *d.ToSign)}))
	}
	problem(t, approve("ana"), 403, client.ErrNotApproved)
	read[api.Deletion](t, r.do(t, r.post(where+"/rehearse", nil)), 200)
	problem(t, r.do(t, r.post(where+"/run", nil)), 403, client.ErrNotApproved)
	if now := read[api.Deletion](t, approve("ben"), 200); len(now.Approvals) != 1 || now.Waits != "" || !now.Rehearsed.Passed {
		t.Errorf("%+v", now)
	}
	if now := read[api.Deletion](t, r.do(t, r.post(where+"/run", nil)), 200); now.State != api.StateRunning || now.Executor != r.Admin.User {
		t.Errorf("%+v", now.Standing)
	}
	r.step(t, d.ID)
	if now := get[api.Deletion](t, r, where, r.admin()); now.State != api.StateDone || now.Wave != 2 || now.ToSign != nil || len(now.Checked) != 2 {
		t.Errorf("%+v", now)
	}
	if now := get[api.TenantGetResponse](t, r, fixture("acme").path()); now.Tenant.Status != events.TenantStatusDeleted {
		t.Errorf("%+v", now.Tenant)
	}
	problem(t, r.do(t, r.post(where+"/withdraw", map[string]string{"why": "too late"})), 409, client.ErrDead)
	list := get[api.DeletionListResponse](t, r, "/v1/deletions?limit=1", r.admin())
	if len(list.Deletions) != 1 || list.Deletions[0].ID != d.ID || list.More {
		t.Errorf("%+v", list)
	}
}

// TestNextPlan says what differs from the author's last one; it is the newest in the list.
func TestNextPlan(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.governed(t, "acme", "beta")
	first := read[api.Deletion](t, r.do(t, r.planned(planOf("acme"))), 201)
	where := "/v1/deletions/" + first.ID.String()
	problem(t, r.do(t, r.planned(planOf("beta"))), 422, client.ErrBadPlan) // one of a kind at a time
	if now := read[api.Deletion](t, r.do(t, r.post(where+"/withdraw", map[string]string{"why": "another list"})), 200); now.State != api.StateDead || now.Why != "another list" {
		t.Errorf("%+v", now.Standing)
	}
	second := planOf("acme", "beta")
	second.Reason = "closed, all"
	d := read[api.Deletion](t, r.do(t, r.planned(second)), 201)
	want := &api.LastPlan{
		Plan: first.ID, Planned: first.Planned.Time, Kind: events.DeletionOfTenants, Targets: 1, Same: 1, Effect: events.Effect{Tenants: -1},
		Changed: []api.Changed{{What: "effect", Was: "apps 0, tenants -1", Is: "apps 0, tenants -2"}, {What: "reason", Was: "closed", Is: "closed, all"}, {What: "expected", Was: "1", Is: "2"}},
		New:     api.SomeTargets{Count: 1, First: []api.NamedTarget{{ID: fixture("beta").tenant().String(), Name: "beta-renamed.example.net"}}},
		Gone:    api.SomeTargets{First: []api.NamedTarget{}},
	}
	if diff := cmp.Diff(want, d.Last, cmpopts.EquateComparable(first.ID)); diff != "" || d.LastRun != nil || d.Warnings != nil {
		t.Errorf("%s, %+v, %q", diff, d.LastRun, d.Warnings)
	}
	list := get[api.DeletionListResponse](t, r, "/v1/deletions", r.admin()).Deletions
	if len(list) != 2 || list[0].ID != d.ID || list[1].State != api.StateDead {
		t.Errorf("%+v", list)
	}
}

// TestOtherKindThanLast is April 2022 again: the run before was right and about apps, the next
// is about tenants. That is said before anything else, and a plan that is withdrawn and made
// again does not hide it.
func TestOtherKindThanLast(t *testing.T) {
	t.Parallel()
	r := start(t)
	var all []fixture
	for i := range 12 {
		all = append(all, fixture(fmt.Sprintf("site-%02d", i)))
	}
	crew := r.governed(t, all...)
	right := planOf()
	right.Kind, right.Expected, right.Reason = events.DeletionOfApps, 2, "end of life"
	for _, f := range all[:2] {
		app := events.DeriveID[events.AppID](string(f))
		r.publish(t, f.event(0, events.AppInstalled{App: app, Name: "clock"}), f.used(7))
		right.Targets = append(right.Targets, deletion.Asked{ID: app.String(), Parent: f.tenant().String(), Name: "clock"})
	}
	ran := read[api.Deletion](t, r.do(t, r.planned(right)), 201)
	where := "/v1/deletions/" + ran.ID.String()
	read[api.Deletion](t, r.do(t, r.post(where+"/approvals", map[string]any{"approval": sign(t, crew, "ben", *ran.ToSign)})), 200)
	read[api.Deletion](t, r.do(t, r.post(where+"/rehearse", nil)), 200)
	read[api.Deletion](t, r.do(t, r.post(where+"/run", nil)), 200)
	r.step(t, ran.ID)

	const warning = "of ana was of 2 APPS, this one is of 12 TENANTS"
	wrong := planOf(all...)
	wrong.DryRun = true
	if d := read[api.Deletion](t, r.do(t, r.post("/v1/deletions", wrong)), 200); len(d.Warnings) != 1 || d.Last == nil {
		t.Errorf("a dry run: %q, %+v", d.Warnings, d.Last)
	}
	wrong.DryRun = false
	d := read[api.Deletion](t, r.do(t, r.planned(wrong)), 201)
	if !slices.Equal(d.Warnings, []string{"the last plan " + warning}) || d.LastRun != nil {
		t.Errorf("%q, %+v", d.Warnings, d.LastRun)
	}
	if last := d.Last; last.Plan != ran.ID || last.Same != 0 || last.New.Count != 12 || len(last.New.First) != 10 || last.Gone.Count != 2 || len(last.Gone.First) != 2 {
		t.Errorf("%+v", last)
	}
	wantFirst := []api.Changed{{What: "kind", Was: "app", Is: "tenant"}, {What: "effect", Was: "apps -2, tenants 0", Is: "apps 0, tenants -12"}}
	if got := d.Last.Changed; !slices.Equal(got[:2], wantFirst) {
		t.Errorf("%v", got)
	}
	gone := []api.NamedTarget{{ID: ran.Deletion.Targets[0].App.String(), Name: "clock"}, {ID: ran.Deletion.Targets[1].App.String(), Name: "clock"}}
	if !slices.Equal(d.Last.Gone.First, gone) {
		t.Errorf("%v", d.Last.Gone)
	}
	read[api.Deletion](t, r.do(t, r.post("/v1/deletions/"+d.ID.String()+"/withdraw", map[string]string{"why": "once more"})), 200)
	again := read[api.Deletion](t, r.do(t, r.planned(wrong)), 201)
	if !slices.Equal(again.Warnings, []string{"the last deletion " + warning}) || again.Last.Plan != d.ID || again.Last.Same != 12 || again.LastRun.Plan != ran.ID {
		t.Errorf("%q, %+v", again.Warnings, again.Last)
	}
}

// TestRefusedListsAreNoPlans keeps them out of the list and of what an author's last plan is,
// however many there are; both are as of the last event.
func TestRefusedListsAreNoPlans(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.governed(t, "acme", "beta")
	planned := read[api.Deletion](t, r.do(t, r.planned(planOf("acme"))), 201)
	for range 3 {
		problem(t, r.do(t, r.planned(planOf("acme", "gamma"))), 422, client.ErrBadPlan)
	}
	list := get[api.DeletionListResponse](t, r, "/v1/deletions?limit=1", r.admin())
	if len(list.Deletions) != 1 || list.Deletions[0].ID != planned.ID || list.Deletions[0].Waits == "" || list.More || list.Seq != r.head(t) {
		t.Errorf("%+v", list)
	}
	read[api.Deletion](t, r.do(t, r.post("/v1/deletions/"+planned.ID.String()+"/withdraw", map[string]string{"why": "enough"})), 200)
	if d := read[api.Deletion](t, r.do(t, r.planned(planOf("beta"))), 201); d.Last == nil || d.Last.Plan != planned.ID {
		t.Errorf("%+v", d.Last)
	}
}

// TestUnsigned refuses what its author has not signed, or not as it is sent.
func TestUnsigned(t *testing.T) {
	t.Parallel()
	r := start(t)
	crew := r.governed(t, "acme", "beta")
	p := problem(t, r.do(t, r.post("/v1/deletions", planOf("acme"))), 422, client.ErrBadPlan)
	if !strings.Contains(p.Detail, "ana has not signed it") || !strings.Contains(p.Hint, "--key FILE") {
		t.Errorf("%+v", p.Problem)
	}
	query := planOf()
	query.Query.Status = events.TenantStatusDeactivated
	problem(t, r.do(t, r.planned(query)), 400, client.ErrMalformed)
	looser := get[api.Policies](t, r, "/v1/policies", r.admin()).InForce.Policy
	looser.RehearsalLife *= 2
	req := proposal(crew, 2, looser)
	req.Reason = "another"
	if p := problem(t, r.do(t, r.post("/v1/policies", req)), 409, client.ErrPolicy); !strings.Contains(p.Detail, "the signature of ana is not for this") {
		t.Errorf("%+v", p.Problem)
	}
	req.Signed = events.Authorship{}
	if p := problem(t, r.do(t, r.post("/v1/policies", req)), 409, client.ErrPolicy); !strings.Contains(p.Detail, "ana has not signed it") {
		t.Errorf("%+v", p.Problem)
	}
}

// TestWrongKind refuses tenants in a plan for apps, with the count and the reason.
func TestWrongKind(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.governed(t, "acme", "beta")
	wrong := planOf("acme", "beta")
	wrong.Kind = events.DeletionOfApps
	p := problem(t, r.do(t, r.planned(wrong)), 422, client.ErrBadPlan)
	if len(p.Reasons) != 1 || p.Reasons[0].Count != 2 || p.Reasons[0].Why != "ids are those of tenants, the plan says app" || !strings.Contains(p.Detail, "2 of 2") {
		t.Errorf("%+v", p.Problem)
	}
}

// TestWhoMayDelete lets services with the delete role ask for owners, confirm and halt,
// and nobody else but operators do anything.
func TestWhoMayDelete(t *testing.T) {
	t.Parallel()
	r := start(t)
	crew := r.governed(t, "acme", "beta")
	portal, other := new(deleter()), new(writer())
	as := func(a ask, who ...string) ask {
		if a.who = portal; len(who) > 0 {
			a.who = other
		}
		return a
	}
	own := planOf("acme")
	own.Owner = fixture("acme").account()
	problem(t, r.do(t, as(r.post("/v1/deletions", own), "writer")), 403, client.ErrForbidden)
	problem(t, r.do(t, as(r.planned(planOf("acme")))), 403, client.ErrForbidden)
	foreign := own
	foreign.Owner = fixture("beta").account()
	problem(t, r.do(t, as(r.post("/v1/deletions", foreign))), 422, client.ErrBadPlan)
	d := read[api.Deletion](t, r.do(t, as(r.post("/v1/deletions", own))), 201)
	if d.Deletion.Submitter != portal.User || d.ToSign.Action != deletion.ActionOwner {
		t.Errorf("%+v", d)
	}
	where := "/v1/deletions/" + d.ID.String()
	for _, path := range []string{where + "/approvals", where + "/rehearse", where + "/run", where + "/withdraw", "/v1/halts/lift", "/v1/policies", "/v1/liens"} {
		problem(t, r.do(t, as(r.post(path, map[string]string{}))), 403, client.ErrForbidden)
	}
	confirm := map[string]any{"by": "user_owner", "approval": sign(t, crew, people.Portal, *d.ToSign)}
	problem(t, r.do(t, as(r.post(where+"/confirm", confirm), "writer")), 403, client.ErrForbidden)
	if now := read[api.Deletion](t, r.do(t, as(r.post(where+"/confirm", confirm))), 200); now.Confirmed != "user_owner" {
		t.Errorf("%+v", now)
	}
	problem(t, r.do(t, as(ask{method: http.MethodPost, path: "/v1/halts"}, "writer")), 403, client.ErrForbidden)
	if halt := read[api.HaltResponse](t, r.do(t, as(ask{method: http.MethodPost, path: "/v1/halts"})), 200); halt.By != portal.User {
		t.Errorf("%+v", halt)
	}
	if now := get[api.Deletion](t, r, where, r.admin()); now.State != api.StateDead {
		t.Errorf("after a halt: %+v", now.Standing)
	}
}

// TestHaltAndLift kills what is open, and is lifted with an approval.
func TestHaltAndLift(t *testing.T) {
	t.Parallel()
	r := start(t)
	crew := r.governed(t, "acme", "beta")
	if door := get[api.Door](t, r, "/v1/halts", r.admin()); door.Halt != nil || door.ToSign != nil {
		t.Errorf("%+v", door)
	}
	read[api.HaltResponse](t, r.do(t, r.post("/v1/halts", api.HaltRequest{Detail: "INC-1"})), 200)
	problem(t, r.do(t, r.planned(planOf("acme"))), 409, client.ErrHalted)
	door := get[api.Door](t, r, "/v1/halts", r.admin())
	if door.Halt == nil || door.Halt.Detail != "INC-1" || door.Halt.Cause != events.HaltByPerson {
		t.Fatalf("%+v", door)
	}
	lift := api.LiftRequest{Reason: "found it", Approval: sign(t, crew, "ben", *door.ToSign)}
	wrong := lift
	wrong.Approval.Sentence = "yes"
	problem(t, r.do(t, r.post("/v1/halts/lift", wrong)), 403, client.ErrNotApproved)
	problem(t, r.do(t, ask{method: "GET", path: "/v1/halts?let_go=" + events.DeriveID[events.PlanID]("p").String(), who: r.admin()}), 400, client.ErrMalformed)
	one, two := events.DeriveID[events.RestoreID]("one"), events.DeriveID[events.RestoreID]("two")
	for _, id := range []events.RestoreID{one, two} {
		if err := r.Deletions().Hold(t.Context(), "oncall", id); err != nil {
			t.Fatal(err)
		}
	}
	door = get[api.Door](t, r, "/v1/halts?let_go="+one.String()+"&let_go="+two.String(), r.admin())
	if !slices.Equal(door.Held, []events.RestoreID{one, two}) || !strings.HasSuffix(door.ToSign.Sentence, fmt.Sprintf("LET GO OF %s, %s", one, two)) {
		t.Errorf("%+v", door)
	}
	unsigned := lift
	unsigned.LetGo = []events.RestoreID{one, two}
	problem(t, r.do(t, r.post("/v1/halts/lift", unsigned)), 403, client.ErrNotApproved)
	lift = api.LiftRequest{Reason: "found it", Approval: sign(t, crew, "ben", *door.ToSign), LetGo: []events.RestoreID{one, two}}
	if door := read[api.Door](t, r.do(t, r.post("/v1/halts/lift", lift)), 200); door.Halt != nil || len(door.Held) > 0 {
		t.Errorf("%+v", door)
	}
	read[api.Deletion](t, r.do(t, r.planned(planOf("acme"))), 201)
}

// TestPolicies are proposed, approved and changed.
func TestPolicies(t *testing.T) {
	t.Parallel()
	r := start(t)
	crew := r.governed(t)
	looser := get[api.Policies](t, r, "/v1/policies", r.admin()).InForce.Policy
	looser.RehearsalLife *= 2
	out := read[api.PolicyProposeResponse](t, r.do(t, r.post("/v1/policies", proposal(crew, 2, looser))), 200)
	if out.Changed || len(out.Looser) != 1 || out.Proposed == nil || out.Proposed.Version != 2 {
		t.Fatalf("%+v", out)
	}
	problem(t, r.do(t, r.post("/v1/policies/2/change", nil)), 403, client.ErrNotApproved)
	approval := map[string]any{"approval": sign(t, crew, "ben", out.Proposed.ToSign)}
	problem(t, r.do(t, r.post("/v1/policies/3/approvals", approval)), 404, client.ErrNotFound)
	problem(t, r.do(t, r.post("/v1/policies/x/change", nil)), 400, client.ErrMalformed)
	problem(t, r.do(t, r.post("/v1/policies/2/approvals", map[string]any{"approval": sign(t, crew, "ana", out.Proposed.ToSign)})), 403, client.ErrNotApproved)
	read[api.Policies](t, r.do(t, r.post("/v1/policies/2/approvals", approval)), 200)
	if now := read[api.Policies](t, r.do(t, r.post("/v1/policies/2/change", nil)), 200); now.InForce.Version != 2 || now.Proposed != nil {
		t.Errorf("%+v", now)
	}
	stricter := looser
	stricter.Budget.Day = 1
	if out := read[api.PolicyProposeResponse](t, r.do(t, r.post("/v1/policies", proposal(crew, 3, stricter))), 200); !out.Changed {
		t.Errorf("%+v", out)
	}
	bad := stricter
	bad.WaveTargets = 0
	problem(t, r.do(t, r.post("/v1/policies", proposal(crew, 4, bad))), 409, client.ErrPolicy)
}

// TestLiens keep a tenant until they are lifted.
func TestLiens(t *testing.T) {
	t.Parallel()
	r := start(t)
	crew := r.governed(t, "acme")
	lien := api.LienPlaceRequest{Tenant: fixture("acme").tenant(), Matter: "legal/2022-17"}
	unknown := api.LienPlaceRequest{Tenant: fixture("none").tenant(), Matter: "legal/2022-17"}
	problem(t, r.do(t, r.post("/v1/liens", unknown)), 404, client.ErrNotFound)
	list := read[api.LienListResponse](t, r.do(t, r.post("/v1/liens", lien)), 200).Liens
	if len(list) != 1 || list[0].Tenant != lien.Tenant {
		t.Fatalf("%+v", list)
	}
	p := problem(t, r.do(t, r.planned(planOf("acme"))), 422, client.ErrBadPlan)
	if !strings.Contains(p.Detail, "legal/2022-17") {
		t.Errorf("%s", p.Detail)
	}
	lift := api.LienLiftRequest{LienPlaceRequest: lien, Approval: sign(t, crew, "ben", list[0].ToSign)}
	if list := read[api.LienListResponse](t, r.do(t, r.post("/v1/liens/lift", lift)), 200).Liens; len(list) != 0 {
		t.Errorf("%+v", list)
	}
	if list := get[api.LienListResponse](t, r, "/v1/liens", r.admin()).Liens; len(list) != 0 {
		t.Errorf("%+v", list)
	}
	read[api.Deletion](t, r.do(t, r.planned(planOf("acme"))), 201)
}

func TestAlarms(t *testing.T) {
	t.Parallel()
	r := start(t)
	for n := range 3 {
		raise(t, r, events.AlarmRaised{Alarm: events.AlarmRate, Detail: "too many", From: 1, To: 2, Count: uint32(n)})
	}
	list := get[api.AlarmsResponse](t, r, "/v1/alarms?limit=2", r.admin()).Alarms
	if len(list) != 2 || list[0].Count != 2 || list[1].Count != 1 {
		t.Errorf("%+v", list)
	}
}

// raise has the catalogue record an alarm.
func raise(t *testing.T, r *running, alarm events.AlarmRaised) {
	t.Helper()
	id, err := events.NewID[events.EventID](uuid.NewV7)
	if err != nil {
		t.Fatal(err)
	}
	e := events.Event{ID: id, Source: "/watcher", About: events.TheOne(events.AggregateAlarm), Time: r.Now(), Actor: "watcher", Payload: alarm}
	who := catalogue.Credential{Via: "watcher", Roles: []catalogue.Role{catalogue.RoleInternal}}
	if v := r.Service.Publish(t.Context(), who, catalogue.Request{Events: []events.Event{e}})[0]; v.Err != nil {
		t.Fatal(v.Err)
	}
}
