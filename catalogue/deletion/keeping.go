package deletion

import (
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// Keeping is how long a deleted tenant is kept still: its events, ids, claims and
// contacts. Nothing is ever purged yet; this is what there is to ask before.
type Keeping struct {
	Since     events.Time    // its tombstone was recorded
	Counted   time.Duration  // time that is known to have passed since
	Retention events.Seconds // as the policy in force says
	Left      time.Duration  // of it; none: it is over
	Liens     []events.Lien  // they keep it beyond the retention
}

// Over tells whether nothing keeps the tenant any more.
func (k Keeping) Over() bool { return k.Left == 0 && len(k.Liens) == 0 }

// KeepingOf tells how long a deleted tenant is kept under the policy in force. The retention is
// counted time: a clock that jumps ends none.
func KeepingOf(w Heads, id events.TenantID, now events.Time) (k Keeping, err error) {
	about := events.OfTenant(id)
	record, err := readable[events.Tenant](w, about)
	if err != nil {
		return k, err
	}
	switch {
	case record.Status == "":
		return k, catalogue.Refuse(catalogue.ErrNotFound, "look it up: catalogue lookup", "there is no %s", about)
	case record.Status != events.TenantStatusDeleted:
		return k, catalogue.Refuse(catalogue.ErrIllegal, "", "%s is %s, not deleted", about, record.Status)
	}
	c, err := conditionOf(w, now)
	if err != nil {
		return k, err
	}
	if c.policy.Version == 0 {
		return k, catalogue.Refuse(ErrPolicy, "set one: catalogue policy propose", "there is no policy that says how long %s is kept", about)
	}
	gone, _, err := catalogue.Get[events.Deactivation](w.State(about), events.Deactivation{}.EntityKey())
	if err != nil {
		return k, err
	}
	liens, err := readable[events.Liens](w, events.OfLiens(id))
	if err != nil {
		return k, err
	}
	k.Since, k.Liens = gone.Since, liens.Liens
	k.Counted = time.Duration(c.clock.since(gone.Since, now))
	k.Retention = c.policy.Policy.Retention
	k.Left = max(0, k.Retention.Duration()-k.Counted)
	return k, nil
}
