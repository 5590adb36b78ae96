package deletion

import (
	"errors"
	"slices"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
)

// Genesis is what is known of a catalogue before its log begins. Nobody can approve the
// first policy of a log: it is held against this instead, and a policy that was appended
// by somebody else is passed over by whoever knows it. The zero Genesis knows nothing.
//
// With Keys it is known, too, that the log was never without rules: what is deleted before
// the first policy, and what comes back by no restoration, counts for nothing. Without
// them it stands, as it must in a log from before there was a policy.
type Genesis struct {
	Environment string   // which catalogue this is; empty: any
	Keys        []string // ids of the keys on the first policy's roster, all of them; empty: any
}

// Check holds the policy in force against it, when a catalogue starts: what belongs to
// staging is not used as production, and nobody's first policy stands who is not expected.
func (g Genesis) Check(w Heads) error {
	policy, err := PolicyOf(w)
	switch {
	case errors.Is(err, catalogue.ErrQuarantined): // nothing is deleted then
		return nil
	case err != nil || policy.Version == 0:
		return err
	case policy.Version == 1:
		return g.first(policy.Policy)
	}
	return g.environment(policy.Policy)
}

func (g Genesis) environment(p events.Policy) error {
	if g.Environment != "" && p.Environment != g.Environment {
		return catalogue.Refuse(ErrPolicy, "look whether this is the right data directory", "it is for %q, this catalogue is %q", p.Environment, g.Environment)
	}
	return nil
}

// vouch is Vouch, which takes what stands before the first policy and that policy as they
// come, and that they are as expected.
func (g Genesis) vouch(w Heads, e events.Event) error {
	if err := Vouch(w, e); err != nil || !e.Governed() {
		return err
	}
	policy, err := PolicyOf(w)
	if errors.Is(err, catalogue.ErrQuarantined) {
		return nil // what needs a policy Vouch has refused
	}
	if err != nil || policy.Version > 0 {
		return err
	}
	switch p := e.Payload.(type) {
	case events.TenantDeleted, events.AppUninstalled:
		if len(g.Keys) > 0 {
			return noPolicy()
		}
	case events.TenantRestored:
		if len(g.Keys) > 0 {
			return restored(w, e, p)
		}
	case events.PolicyProposed:
		return g.first(p.Policy)
	case events.PolicyChanged: // of what was proposed before anybody knew what to expect
		proposal, err := proposalOf(w)
		if err != nil {
			return err
		}
		return g.first(proposal.Proposed.Policy)
	}
	return nil
}

func (g Genesis) first(p events.Policy) error {
	if err := g.environment(p); err != nil {
		return err
	}
	if len(g.Keys) == 0 {
		return nil
	}
	keys := make([]string, len(p.Roster))
	for i, m := range p.Roster {
		keys[i] = KeyID(m.Key)
	}
	if want := slices.Sorted(slices.Values(g.Keys)); !slices.Equal(slices.Sorted(slices.Values(keys)), want) {
		return catalogue.Refuse(ErrPolicy, "propose the roster that this catalogue was set up with", "the first roster has the keys %v, not %v", keys, want)
	}
	return nil
}
