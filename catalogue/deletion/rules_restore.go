package deletion

import (
	"bytes"
	"errors"
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// restored holds what comes back to a tenant against the restoration that brings it: it
// is planned and not finished, holds the door, has the tenant among its targets, and what
// comes back is a tenant that is not deleted. Without that a restoration could be a deletion by another name.
//
// That the state is the planned one, byte by byte, is what the restoration's certificate
// proves.
func restored(w Heads, e events.Event, p events.TenantRestored) error {
	about, tenant := events.OfRestoration(p.Restoration), e.About.Tenant()
	plan, err := readable[events.Restoration](w, about)
	if err != nil {
		return err
	}
	target, planned, err := catalogue.Get[events.RestoreTarget](w.State(about), events.RestoreTargetKey(tenant))
	switch {
	case err != nil:
		return err
	case plan.Finished:
		return catalogue.Refuse(ErrRestoration, "plan another", "%s is finished", about)
	case !planned:
		return catalogue.Refuse(ErrRestoration, "plan it: catalogue restore plan", "%s is no target of %s", tenant, about)
	case p.Mode != plan.Mode || p.Cut != plan.Cut || p.AsOf != plan.AsOf:
		return catalogue.Refuse(ErrRestoration, "plan it again", "%s is a %s to %d, planned at %d", about, plan.Mode, plan.Cut, plan.AsOf)
	case p.Part < 1 || p.Part > p.Parts || p.Parts != target.Parts:
		return catalogue.Refuse(ErrRestoration, "plan it again", "part %d of %d of %s, which comes in %d", p.Part, p.Parts, tenant, target.Parts)
	case p.Part == p.Parts && !bytes.Equal(p.Digest, target.Digest):
		return catalogue.Refuse(ErrRestoration, "plan it again", "%s would come back as %.16x, not as %.16x", tenant, p.Digest, target.Digest)
	}
	if err := inOnePiece(w, e, p); err != nil {
		return err
	}
	if err := comesAlive(tenant, p); err != nil {
		return err
	}
	return holding(w, p.Restoration)
}

// holding is nil if a restoration holds the door: nothing is deleted beside it. Nothing is
// while there is no policy, nor while the door or the policy cannot be read, which keeps
// nobody from restoring.
func holding(w Heads, id events.RestoreID) error {
	policy, err := PolicyOf(w)
	if err == nil && policy.Version > 0 {
		var door events.Door
		if door, err = DoorOf(w); err == nil && !slices.Contains(door.Held, id) {
			err = catalogue.Refuse(ErrLetGo, "apply it again", "%s does not hold the door, a halt was lifted and it was let go of", id)
		}
	}
	if errors.Is(err, catalogue.ErrQuarantined) {
		return nil
	}
	return err
}

// governed is a refusal, or nil while there is no policy: a log from before there was one may
// hold what nobody had planned. It stands, and the Guard lets no new such event in.
func governed(w Heads, refusal error) error {
	if _, refused := errors.AsType[*catalogue.ReasonError](refusal); !refused {
		return refusal
	}
	policy, err := PolicyOf(w)
	if err != nil {
		return err
	}
	if policy.Version == 0 {
		return nil
	}
	return refusal
}

// inOnePiece is nil if the part before stands right before this one.
func inOnePiece(w Heads, e events.Event, p events.TenantRestored) error {
	if p.Part == 1 {
		return nil
	}
	head, err := w.Head(e.About)
	if err != nil {
		return err
	}
	n := len(head.Restores)
	if n == 0 || head.Seq != e.Seq-1 || head.Restores[n-1].Restoration != p.Restoration || head.Restores[n-1].Seq != e.Seq-events.Seq(p.Part-1) {
		return catalogue.Refuse(ErrRestoration, "plan it again", "part %d of %s does not stand behind part %d", p.Part, e.About, p.Part-1)
	}
	return nil
}

// comesAlive is nil if the first part, and no other, has the record of a tenant, which is not
// deleted.
func comesAlive(tenant events.TenantID, p events.TenantRestored) error {
	records := 0
	for _, entity := range p.Entities {
		record, ok := entity.(events.Tenant)
		if !ok {
			continue
		}
		records++
		if record.Status != events.TenantStatusActive && record.Status != events.TenantStatusDeactivated {
			return catalogue.Refuse(ErrRestoration, "nothing is deleted but by a wave of an approved plan", "%s would come back as %.40q", tenant, string(record.Status))
		}
	}
	if (p.Part == 1) != (records == 1) || records > 1 {
		return catalogue.Refuse(ErrRestoration, "plan it again", "part %d of %s has %d records of a tenant", p.Part, tenant, records)
	}
	return nil
}
