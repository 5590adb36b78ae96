package deletion

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tenantcatalogue/events"
)

const day = events.Seconds(24 * time.Hour / time.Second)

// DefaultPolicy is where a catalogue begins: strict enough that a wrong list of 883
// is far above what may go, and without anybody who could approve or tell whether all is
// well: roster and checks are to be filled in.
func DefaultPolicy(environment string) events.Policy {
	const minute, hour = 60, 3600
	return events.Policy{
		Environment: environment,
		Caps:        []uint32{50, 1000},
		Budget:      events.Budget{Minute: 50, Day: 100, Month: 500, Owners: 20},
		WaveTargets: maxWave,
		Bakes:       []events.Seconds{10 * minute, 30 * minute, 10 * minute},

		DeactivatedFor: day, PlanLife: day, ApprovalLife: 4 * hour, RehearsalLife: hour, Retention: 60 * day,
		Change: events.ChangeRule{Approvals: 2, Delay: 3 * day},
	}
}

const (
	maxWave     = 50 // targets of a wave, whatever the policy says
	maxTargets  = 1000
	maxLines    = 10 * maxTargets // that reasons are found for
	maxLife     = day             // of a plan or an approval, whatever the policy says
	leastRetain = 7 * day
	maxDelay    = 30 * day
	maxInactive = 3650 // days
)

// CheckPolicy lists every fault of a policy that is to be in force now.
func CheckPolicy(p events.Policy, now events.Time) error {
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	fault(p.Environment == "", "environment is missing; name the catalogue, e.g. production-eu")
	fault(len(p.Caps) == 0, "caps is empty; say how many targets a plan may have with one approval")
	fault(!slices.IsSorted(p.Caps), "caps is %v; more approvals must not allow less", p.Caps)
	for _, limit := range p.Caps {
		fault(limit > maxTargets, "caps has %d; a plan has at most %d targets", limit, maxTargets)
	}
	fault(p.WaveTargets == 0 || p.WaveTargets > maxWave, "wave_targets is %d; it is 1 to %d", p.WaveTargets, maxWave)
	fault(len(p.Bakes) == 0, "bakes is empty; say how long to wait after a wave")
	fault(p.PlanLife == 0 || p.PlanLife > maxLife, "plan_life is %s; it is at most %s", p.PlanLife.Duration(), maxLife.Duration())
	fault(p.ApprovalLife == 0 || p.ApprovalLife > maxLife, "approval_life is %s; it is at most %s", p.ApprovalLife.Duration(), maxLife.Duration())
	fault(p.RehearsalLife == 0, "rehearsal_life is 0; no rehearsal would ever be fresh")
	fault(p.Retention < leastRetain, "retention is %s; what is deleted is kept for %s at least", p.Retention.Duration(), leastRetain.Duration())
	fault(p.Change.Delay > maxDelay, "change.delay is %s; with more than %s the policy could hardly be changed again", p.Change.Delay.Duration(), maxDelay.Duration())
	fault(len(p.Checks) == 0, "checks is empty; name what tells around each wave whether the products are well")
	for _, check := range p.Checks {
		fault(!isCheck(check), "checks has %.80q; give an http or https URL, or nats:<subject>", check)
	}
	errs = append(errs, checkRoster(p, now)...)
	return errors.Join(errs...)
}

func isCheck(text string) bool {
	for _, scheme := range []string{"http://", "https://", "nats:"} {
		if rest, ok := strings.CutPrefix(text, scheme); ok && rest != "" {
			return true
		}
	}
	return false
}

// checkRoster lists what is wrong with a roster: who approves must be known, each key
// belongs to one person, and enough persons are left, with keys that live long enough, to
// change the policy again. Whoever asks for a change cannot approve it.
func checkRoster(p events.Policy, now events.Time) (errs []error) {
	seen := map[string]string{}
	persons := map[string]bool{}
	lives := now.Add(p.Change.Delay.Duration() + maxLife.Duration())
	for _, m := range p.Roster {
		id := KeyID(m.Key)
		switch {
		case !events.IsPerson(m.Person):
			errs = append(errs, fmt.Errorf("roster: person is %.40q; use lower-case letters, digits and any of - _ . in it", m.Person))
		case m.Role != events.RosterApprover && m.Role != events.RosterAuthor && m.Role != events.RosterPortal:
			errs = append(errs, fmt.Errorf("roster: the key of %s is for %.40q; say approver, author or portal", m.Person, string(m.Role)))
		case len(m.Key) != keySize:
			errs = append(errs, fmt.Errorf("roster: the key of %s has %d bytes, not %d", m.Person, len(m.Key), keySize))
		case m.Expires.IsZero():
			errs = append(errs, fmt.Errorf("roster: the key of %s does not expire; say when", m.Person))
		case seen[id] != "":
			errs = append(errs, fmt.Errorf("roster: key %s is that of %s and of %s; a key is one person's", id, seen[id], m.Person))
		}
		seen[id] = m.Person
		if m.Role == events.RosterApprover && m.Expires > lives {
			persons[m.Person] = true
		}
	}
	if p.Change.Approvals < 1 {
		errs = append(errs, errors.New("change.approvals is 0; somebody must approve"))
	}
	if want := int(p.Change.Approvals) + 1; len(persons) < want {
		errs = append(errs, fmt.Errorf("roster has %d approvers with a key that counts after %s; with fewer than %d the policy could never be changed again", len(persons), lives, want))
	}
	return errs
}

// Looser lists in which respects one policy is looser than another. Whatever is not
// known to be stricter counts as looser.
func Looser(than, p events.Policy) (respects []string) {
	note := func(looser bool, format string, args ...any) {
		if looser {
			respects = append(respects, fmt.Sprintf(format, args...))
		}
	}
	more := func(name string, was, is uint32) { note(is > was, "%s from %d to %d", name, was, is) }
	shorter := func(name string, was, is events.Seconds) {
		note(is < was, "%s from %s to %s", name, was.Duration(), is.Duration())
	}
	longer := func(name string, was, is events.Seconds) {
		note(is > was, "%s from %s to %s", name, was.Duration(), is.Duration())
	}
	note(p.Environment != than.Environment, "environment from %s to %s", than.Environment, p.Environment)
	for i := range max(len(p.Caps), len(than.Caps)) {
		more(fmt.Sprintf("targets with %d approvals", i+1), upTo(than.Caps, i), upTo(p.Caps, i))
	}
	more("targets a minute", than.Budget.Minute, p.Budget.Minute)
	more("targets a day", than.Budget.Day, p.Budget.Day)
	more("targets in 30 days", than.Budget.Month, p.Budget.Month)
	more("owners' requests a day", than.Budget.Owners, p.Budget.Owners)
	more("targets of a wave", than.WaveTargets, p.WaveTargets)
	for i := range max(len(p.Bakes), len(than.Bakes)) {
		shorter(fmt.Sprintf("wait after wave %d", i+1), bakeAfter(than, i+1), bakeAfter(p, i+1))
	}
	shorter("time out of service before deletion", than.DeactivatedFor, p.DeactivatedFor)
	longer("life of a plan", than.PlanLife, p.PlanLife)
	longer("life of an approval", than.ApprovalLife, p.ApprovalLife)
	longer("age of a rehearsal", than.RehearsalLife, p.RehearsalLife)
	shorter("retention", than.Retention, p.Retention)
	for _, check := range than.Checks {
		note(!slices.Contains(p.Checks, check), "without the health check %s", check)
	}
	note(p.Change.Approvals < than.Change.Approvals, "approvals of a change from %d to %d", than.Change.Approvals, p.Change.Approvals)
	shorter("delay of a change", than.Change.Delay, p.Change.Delay)
	for _, m := range p.Roster {
		known := slices.ContainsFunc(than.Roster, func(was events.RosterMember) bool {
			return was.Person == m.Person && was.Role == m.Role && bytes.Equal(was.Key, m.Key) && m.Expires <= was.Expires
		})
		note(!known, "key %s of %s, until %s", KeyID(m.Key), m.Person, m.Expires)
	}
	return respects
}

// upTo is the cap with i+1 approvals; more approvals than are listed allow no more.
func upTo(caps []uint32, i int) uint32 {
	if len(caps) == 0 {
		return 0
	}
	return caps[min(i, len(caps)-1)]
}

// Approvals is how many persons must approve a plan of so many targets; 0 when no
// number of them is enough.
func Approvals(p events.Policy, targets int) int {
	for i, limit := range p.Caps {
		if targets <= int(limit) {
			return i + 1
		}
	}
	return 0
}

// bakeAfter is how long to wait after a wave, from 1.
func bakeAfter(p events.Policy, wave int) events.Seconds {
	if len(p.Bakes) == 0 {
		return math.MaxUint32
	}
	return p.Bakes[min(wave, len(p.Bakes))-1]
}

// Waves is how many targets each wave of a plan takes: the vendor's own first, then
// one, then ten, then as many as the policy allows. Targets stand in that order.
func Waves(targets []events.DeletionTarget, policy events.Policy) []uint32 {
	most := int(max(1, min(policy.WaveTargets, policy.Budget.Minute))) // a larger wave would never be within the budget
	var waves []uint32
	take := func(n, limit int) int {
		n = min(n, limit)
		if n > 0 {
			waves = append(waves, uint32(n))
		}
		return n
	}
	internal := 0
	for internal < len(targets) && targets[internal].Internal {
		internal++
	}
	for left := internal; left > 0; {
		left -= take(left, most)
	}
	left := len(targets) - internal
	left -= take(left, min(1, most))
	left -= take(left, min(10, most))
	for left > 0 {
		left -= take(left, most)
	}
	return waves
}

// EffectOf is what the deletion of targets changes: what is deleted, what goes with it, and
// whom it concerns. A tenant's users are counted once, however many apps it loses.
func EffectOf(kind events.DeletionKind, targets []events.DeletionTarget) (e events.Effect) {
	concerned := map[events.TenantID]bool{}
	for _, t := range targets {
		if kind == events.DeletionOfApps {
			e.Apps--
		} else {
			e.Tenants--
			e.Apps -= int64(t.Cascade.Apps)
		}
		if !concerned[t.Tenant] {
			concerned[t.Tenant] = true
			e.Users += t.Users
		}
	}
	return e
}

// inOrder sorts targets as they are deleted: the vendor's own first, then by id.
func inOrder(a, b events.DeletionTarget) int {
	if a.Internal != b.Internal {
		if a.Internal {
			return -1
		}
		return 1
	}
	return cmp.Or(a.Tenant.Compare(b.Tenant), a.App.Compare(b.App))
}
