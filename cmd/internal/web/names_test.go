package web_test

import (
	"slices"
	"testing"

	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/cmd/internal/api"
)

// TestNamesAreOpaque refuses names and addresses wherever a request names a person: what is
// appended stays for ever.
func TestNamesAreOpaque(t *testing.T) {
	t.Parallel()
	r := start(t)
	crew := r.governed(t, "acme", "beta")
	d := read[api.Deletion](t, r.do(t, r.planned(planOf("acme"))), 201)
	owners := planOf("beta")
	owners.Author, owners.Owner = "portal", fixture("beta").account()
	request := read[api.Deletion](t, r.do(t, r.post("/v1/deletions", owners)), 201)
	policy := get[api.Policies](t, r, "/v1/policies", r.admin()).InForce.Policy
	approved := func(person string) any {
		a := sign(t, crew, "ben", *d.ToSign)
		a.Person = person
		return map[string]any{"approval": a}
	}
	confirmed := func(by string) any {
		return map[string]any{"by": by, "approval": sign(t, crew, people.Portal, *request.ToSign)}
	}
	for _, bad := range []string{"jane.doe@example.com", "Jane Doe", "jane doe", "ana\n", "jané"} {
		author, supplier, proposed, member := planOf("beta"), planOf("beta"), proposal(crew, 2, policy), proposal(crew, 2, policy)
		author.Author, supplier.Supplier, proposed.Author = bad, bad, bad
		member.Policy.Roster = append(slices.Clone(policy.Roster), policy.Roster[0])
		member.Policy.Roster[0].Person = bad
		before := r.head(t)
		for what, request := range map[string]ask{
			"author":   r.post("/v1/deletions", author),
			"supplier": r.planned(supplier),
			"approver": r.post("/v1/deletions/"+d.ID.String()+"/approvals", approved(bad)),
			"by":       r.post("/v1/deletions/"+request.ID.String()+"/confirm", confirmed(bad)),
			"proposer": r.post("/v1/policies", proposed),
			"member":   r.post("/v1/policies", member),
		} {
			if answer := r.do(t, request); answer.StatusCode < 400 || answer.StatusCode >= 500 {
				t.Errorf("%s %q: %d %s", what, bad, answer.StatusCode, answer.raw)
			}
		}
		if now := r.head(t); now != before {
			t.Errorf("%q: the log went from %d to %d", bad, before, now)
		}
	}
	if now := read[api.Deletion](t, r.do(t, r.post("/v1/deletions/"+request.ID.String()+"/confirm", confirmed("auth0/User:17"))), 200); now.Confirmed != "auth0/User:17" {
		t.Errorf("%+v", now)
	}
}
