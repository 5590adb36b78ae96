package deletion

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

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
	case same(p.Approval.Person, r.e.Actor):
		return catalogue.Refuse(ErrApproval, "somebody else must approve", "%s asks for it", p.Approval.Person)
	}
	return verify(r.policy.Policy, ActionLien, p.Approval, LienHash(tenant, liens.Liens[i]), LienSentence(tenant, liens.Liens[i]), r.at.Time)
}

// LienSentence is what somebody has to type to lift a lien.
func LienSentence(tenant events.TenantID, lien events.Lien) string {
	return fmt.Sprintf("LIFT LIEN %s ON %s", lien.Matter, tenant)
}

// LienHash is what an approval that lifts a lien is given for.
func LienHash(tenant events.TenantID, lien events.Lien) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "catalogue/lien/v1\x00%s\x00%d\x00%s", tenant, lien.Since.Seq, lien.Matter))
	return sum[:]
}
