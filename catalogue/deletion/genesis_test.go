package deletion_test

import (
	"errors"
	"testing"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/catalogue/deletion/people"
	"tenantcatalogue/events"
)

// The first policy, which nobody can approve, is the one that the catalogue was set up for.
func TestGenesis(t *testing.T) {
	t.Parallel()
	keys := func(persons ...string) (ids []string) {
		for _, m := range people.NewKeys(persons...).Roster(1) {
			ids = append(ids, deletion.KeyID(m.Key))
		}
		return ids
	}
	everybody := keys("dora", "cleo", "ben", "ana", people.Planner, people.Portal)
	for name, c := range map[string]struct {
		genesis deletion.Genesis
		want    bool
	}{
		"none":                      {deletion.Genesis{}, true},
		"the environment":           {deletion.Genesis{Environment: environment}, true},
		"another environment":       {deletion.Genesis{Environment: "production-eu"}, false},
		"the keys":                  {deletion.Genesis{Environment: environment, Keys: everybody}, true},
		"a key more than expected":  {deletion.Genesis{Keys: keys("dora", "cleo", "ben", "ana", people.Planner)}, false},
		"a key less than expected":  {deletion.Genesis{Keys: append(keys("eve"), everybody...)}, false},
		"another key than expected": {deletion.Genesis{Keys: keys("eve", "cleo", "ben", "ana", people.Planner, people.Portal)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t)
			w.genesis = c.genesis
			f := w.follower(t)
			about := events.TheOne(events.AggregatePolicy)
			proposed := w.event(about, events.PolicyProposed{Version: 1, Author: people.Planner, Reason: "a test", Policy: w.quick()})
			changed := w.event(about, events.PolicyChanged{Version: 1})
			if err := f.take(proposed); (err == nil) != c.want || err != nil && !errors.Is(err, deletion.ErrPolicy) {
				t.Errorf("a reader: %v", err)
			}
			if err := f.take(changed); (err == nil) != c.want {
				t.Errorf("a reader, in force: %v", err)
			}
			if err := w.append(proposed, changed); (err == nil) != c.want || err != nil && !errors.Is(err, deletion.ErrPolicy) {
				t.Errorf("the write side: %v", err)
			}
			// What was proposed before it was known what to expect is not put in force either.
			w = begin(t)
			w.must(proposed)
			w.genesis = c.genesis
			if err := w.append(changed); (err == nil) != c.want {
				t.Errorf("in force: %v", err)
			}
		})
	}
}

// Where it is known whose the first policy is, nothing is deleted before it, and nothing
// comes back but by a restoration.
func TestBeforeTheFirstPolicy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		genesis deletion.Genesis
		stands  bool
	}{
		"nothing is known":         {deletion.Genesis{}, true},
		"the environment is known": {deletion.Genesis{Environment: environment}, true},
		"the keys are known":       {deletion.Genesis{Keys: []string{"0"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t)
			w.people(2)
			w.genesis = c.genesis
			f := w.follower(t)
			about := events.OfTenant(tenantID(2))
			for _, p := range []events.Payload{
				events.AppUninstalled{App: appID(2, 1)}, events.TenantDeleted{Reason: "raw"}, events.TenantRestored{Part: 1, Parts: 1},
			} {
				if err := f.take(w.event(about, p)); (err == nil) != c.stands {
					t.Errorf("%s: %v", p.EventType(), err)
				}
			}
		})
	}
}

// A catalogue is not opened as another one.
func TestGenesisAtTheStart(t *testing.T) {
	t.Parallel()
	w := begin(t)
	for _, at := range []string{"before", "after"} {
		for env, want := range map[string]bool{"": true, environment: true, "production-eu": at == "before"} {
			if err := (deletion.Genesis{Environment: env}).Check(w); (err == nil) != want {
				t.Errorf("%q, %s the first policy: %v", env, at, err)
			}
		}
		if at == "before" {
			w.adopt(w.quick())
		}
	}
	for key, want := range map[string]bool{deletion.KeyID(w.keys.Roster(1)[0].Key): true, "0": false} {
		var ids []string
		for _, m := range w.quick().Roster[1:] {
			ids = append(ids, deletion.KeyID(m.Key))
		}
		if err := (deletion.Genesis{Keys: append(ids, key)}).Check(w); (err == nil) != want {
			t.Errorf("with the key %s: %v", key, err)
		}
	}
	// Later policies have other keys.
	w.genesis = deletion.Genesis{Environment: environment, Keys: []string{"0"}}
	policy := w.quick()
	policy.Roster = policy.Roster[1:]
	if _, _, err := w.propose(people.Planner, policy); err != nil {
		t.Error(err)
	}
	for env, want := range map[string]bool{environment: true, "production-eu": false} {
		if err := (deletion.Genesis{Environment: env, Keys: []string{"0"}}).Check(w); (err == nil) != want {
			t.Errorf("%q, under a later policy: %v", env, err)
		}
	}
}
