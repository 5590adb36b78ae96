package gate_test

import (
	"strings"
	"testing"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/cmd/internal/api"
	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/events"
)

// TestOwnersRequest is asked and confirmed by a service with the delete role, which can
// do nothing else of it; operators run it.
func TestOwnersRequest(t *testing.T) {
	t.Parallel()
	r := start(t, daemon.Config{})
	f := fixture("acme")
	publish(t, r.connect(t), append(f.story(), f.event(0, events.TenantDeactivated{}))...)
	crew := people.NewCrew(r.Deletions(), r.Clock)
	if _, err := crew.Propose(t.Context(), people.QuickPolicy(crew.Roster()), "begin"); err != nil {
		t.Fatal(err)
	}
	req := api.DeletionPlanRequest{
		Kind: events.DeletionOfTenants, Author: "portal", Supplier: "portal", Owner: f.account(), Reason: "closed by its owner", Expected: 1,
		Targets: []deletion.Asked{{ID: f.tenant().String(), Parent: f.account().String(), Name: "acme-renamed.example.net"}},
	}
	if p := ask(t, r.connect(t, writer()), "catalogue.v1.deletion.plan", req, nil); p == nil || p.Code != client.ErrForbidden {
		t.Errorf("a writer: %+v", p)
	}
	portal, admin := r.connect(t, deleter()), r.connect(t, r.Admin.Credential())
	unsigned := req
	unsigned.Owner = events.AccountID{}
	if p := ask(t, admin, "catalogue.v1.deletion.plan", unsigned, nil); p == nil || p.Code != client.ErrBadPlan || !strings.Contains(p.Hint, "--key FILE") {
		t.Errorf("a plan that nobody has signed: %+v", p)
	}
	var d api.Deletion
	if p := ask(t, portal, "catalogue.v1.deletion.plan", req, &d); p != nil {
		t.Fatalf("%+v", p)
	}
	approval := crew.Keys.Approve(people.Consent{
		Person: people.Portal, Action: d.ToSign.Action, Environment: d.ToSign.Environment, Hash: d.ToSign.Hash,
		Sentence: d.ToSign.Sentence, Now: r.Now(), N: 1,
	})
	confirm := api.DeletionConfirmRequest{DeletionRequest: api.DeletionRequest{Plan: d.ID}, By: "user_owner", Approval: approval}
	if p := ask(t, portal, "catalogue.v1.deletion.confirm", confirm, &d); p != nil || d.Confirmed != "user_owner" {
		t.Fatalf("%+v, %+v", d, p)
	}
	for _, step := range []string{"rehearse", "run"} {
		if p := ask(t, admin, "catalogue.admin.v1.deletion."+step, api.DeletionRequest{Plan: d.ID}, &d); p != nil {
			t.Fatalf("%s: %+v", step, p)
		}
	}
	for done := false; !done; {
		step, err := r.Deletions().Step(t.Context(), d.ID)
		if err != nil || step.Wait > 0 {
			t.Fatalf("%+v, %v", step, err)
		}
		done = step.Done
	}
	if p := ask(t, admin, "catalogue.admin.v1.deletion.show", api.DeletionRequest{Plan: d.ID}, &d); p != nil || d.State != api.StateDone {
		t.Errorf("%+v, %+v", d.Standing, p)
	}
}

// TestHaltWhileBusy is acknowledged while as many requests are worked on as may be.
func TestHaltWhileBusy(t *testing.T) {
	t.Parallel()
	r := start(t, daemon.Config{})
	portal := r.connect(t, deleter())
	if p := ask(t, r.connect(t, writer()), "catalogue.v1.halt", api.HaltRequest{}, nil); p == nil || p.Code != client.ErrForbidden {
		t.Errorf("a writer: %+v", p)
	}
	release := r.gate.Fill()
	defer release()
	var out api.HaltResponse
	if p := ask(t, portal, "catalogue.v1.halt", api.HaltRequest{Detail: "INC-1"}, &out); p != nil || out.By != deleter().User || out.Cause != events.HaltByPerson {
		t.Errorf("%+v, %+v", out, p)
	}
	door, err := r.Deletions().Door(t.Context())
	if err != nil || door.Halted.IsZero() || door.Halt.Detail != "INC-1" {
		t.Errorf("%+v, %v", door, err)
	}
}
