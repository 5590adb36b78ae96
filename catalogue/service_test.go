package catalogue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
)

func isErr(t testing.TB, v catalogue.Verdict, want error) {
	t.Helper()
	if !errors.Is(v.Err, want) {
		t.Errorf("got %v, want %v", v.Err, want)
	}
}

func about(n int) events.Aggregate { return events.OfTenant(tenantID(n)) }

// TestConfig names all that is missing.
func TestConfig(t *testing.T) {
	t.Parallel()
	_, err := catalogue.Open(t.Context(), catalogue.Config{})
	for _, field := range []string{"Log", "Store", "Seal", "Clock"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%v does not name %s", err, field)
		}
	}
}

// TestSameEventAgain gets the first answer, whatever has happened since.
func TestSameEventAgain(t *testing.T) {
	t.Parallel()
	s := begin(t, 1)
	e := event("configured", about(1), configure)
	first := s.must(e)
	gone := s.must(event("gone", about(1), remove))
	late := e
	late.Epoch = gone.Epoch // a retry may name the epoch it has learnt since
	for name, again := range map[string]events.Event{"as it was": e, "in its new epoch": late} {
		got := s.ask(one(again))
		want := first
		want.Duplicate, want.Epoch = true, gone.Epoch
		same(t, name, want, got)
	}
	expect := events.Seq(1)
	if got := s.ask(catalogue.Request{Events: []events.Event{e}, Expect: &expect}); got.Err != nil || got.Seq != first.Seq {
		t.Errorf("the expectation comes before the id: %+v", got)
	}
	for name, other := range map[string]func(*events.Event){
		"payload": func(e *events.Event) { e.Payload = deactivate },
		"about":   func(e *events.Event) { e.About = about(2) },
		"actor":   func(e *events.Event) { e.Actor = "user_2" },
		"time":    func(e *events.Event) { e.Time++ },
		"source":  func(e *events.Event) { e.Source = "/services/other" },
		"run":     func(e *events.Event) { e.Run = events.DeriveID[events.RunID]("x") },
	} {
		changed := e
		other(&changed)
		if v := s.ask(one(changed)); !errors.Is(v.Err, catalogue.ErrIDReused) || !strings.Contains(v.Err.Error(), "other content") {
			t.Errorf("other %s: %v", name, v.Err)
		}
	}
	restarted := open(t, s.log)
	if got := restarted.ask(one(e)); !got.Duplicate || got.Seq != first.Seq || got.Version != first.Version {
		t.Errorf("after a restart: %+v, first %+v", got, first)
	}
}

// TestOldVersionAgain says that an event is the same in its old and new form.
func TestOldVersionAgain(t *testing.T) {
	t.Parallel()
	s := begin(t, 1)
	s.must(event("activated", about(1), activated))
	old := event("licensed", about(1), licensedV1)
	first := s.must(old)
	if all := s.events(); all[len(all)-1].Type != licensedV1.EventType() {
		t.Errorf("stored as %s", all[len(all)-1].Type)
	}
	old.Payload, _ = events.Upcast(old.Payload)
	if v := s.must(old); !v.Duplicate || v.Seq != first.Seq {
		t.Errorf("%+v, first %+v", v, first)
	}
}

// TestSameEventAtOnce sends one event many times within a call and from many
// callers: it is stored once and each is told where.
func TestSameEventAtOnce(t *testing.T) {
	t.Parallel()
	s := begin(t, 1)
	e := event("configured", about(1), configure)
	other := e
	other.Payload = deactivate
	got := s.service.Publish(t.Context(), catalogtest.Internal, one(e), one(e), one(other), one(e))
	for i, v := range got {
		switch {
		case i == 2:
			isErr(t, v, catalogue.ErrIDReused)
		case v.Err != nil || v.Duplicate != (i > 0) || v.Seq != got[0].Seq || v.Version != got[0].Version:
			t.Errorf("answer %d: %+v, first %+v", i, v, got[0])
		}
	}
	e = event("more", about(1), usage)
	var wg sync.WaitGroup
	verdicts := make([]catalogue.Verdict, 64)
	for i := range verdicts {
		wg.Go(func() { verdicts[i] = s.ask(one(e)) })
	}
	wg.Wait()
	firsts := 0
	for _, v := range verdicts {
		if v.Err != nil || v.Seq != verdicts[0].Seq {
			t.Errorf("%+v, another %+v", v, verdicts[0])
		}
		if !v.Duplicate {
			firsts++
		}
	}
	if firsts != 1 {
		t.Errorf("%d were told to be the first", firsts)
	}
	noDoubles(t, s.events())
}

func noDoubles(t testing.TB, log []events.Stored) {
	t.Helper()
	seen := map[events.EventID]events.Seq{}
	for _, e := range log {
		if at := seen[e.ID]; at != 0 {
			t.Errorf("%s stands at %d and at %d", e.ID, at, e.Seq)
		}
		seen[e.ID] = e.Seq
	}
}

// TestUnits are atomic, repeat as a whole and name each event once.
func TestUnits(t *testing.T) {
	t.Parallel()
	s := begin(t, 1)
	a, b, c := event("a", about(1), activated), event("b", about(1), suspended), event("c", about(1), unsuspended)
	before := len(s.events())
	isErr(t, s.ask(one(a, b, event("x", about(1), reactivate))), catalogue.ErrIllegal)
	isErr(t, s.ask(one(a, a)), catalogue.ErrIDReused)
	isErr(t, s.service.Publish(t.Context(), catalogue.Credential{Via: "commerce"}, one(a, event("y", about(2), activated)))[0], events.ErrMalformed)
	isErr(t, s.ask(one()), events.ErrMalformed)
	if n := len(s.events()); n != before {
		t.Fatalf("%d events of refused units were written", n-before)
	}
	first := s.must(a, b, c)
	all := s.events()
	for i, stored := range all[before:] {
		if e, err := events.Decode(stored); err != nil || int(e.More) != 2-i {
			t.Errorf("event %d of the unit: %d more, %v", i, e.More, err)
		}
	}
	if v := s.must(a, b, c); !v.Duplicate || v.Seq != first.Seq || v.ID != c.ID {
		t.Errorf("%+v, first %+v", v, first)
	}
	isErr(t, s.ask(one(a, b, c, event("d", about(1), suspended))), catalogue.ErrIDReused)

	// The creation of a tenant and its claims are one unit of three.
	before = len(s.events())
	v := s.must(aTenant(2))
	types := ""
	for _, e := range s.events()[before:] {
		types += string(e.Type) + " "
	}
	if types != "claim.taken.v1 claim.taken.v1 tenant.created.v1 " || v.Version != 1 || v.Seq != events.Seq(before+3) {
		t.Errorf("%s, %+v", types, v)
	}
	s.must(event("there", about(2), events.TenantRenamed{URL: url(8)}), event("back", about(2), events.TenantRenamed{URL: url(2)}))
	isErr(t, s.ask(one(event("taken", about(1), events.TenantRenamed{URL: url(2)}))), catalogue.ErrClaimed)
	s.must(event("free", about(1), events.TenantRenamed{URL: url(8)}))
}

// TestUnitLimits refuses what no log takes, without asking it.
func TestUnitLimits(t *testing.T) {
	t.Parallel()
	s := begin(t, 1)
	s.log.(*hooked).before = func([]events.Unit) { t.Error("the log was asked") } //nolint:errcheck,forcetypeassert // it is one
	var many []events.Event
	for i := range events.MaxUnitEvents + 1 {
		many = append(many, event(fmt.Sprint("many", i), about(1), usage))
	}
	isErr(t, s.ask(one(many...)), events.ErrTooLarge)
	large := map[string]string{"a": strings.Repeat("x", events.MaxEventBytes-1000)}
	var bulky []events.Event
	for i := range events.MaxUnitBytes/events.MaxEventBytes + 1 {
		bulky = append(bulky, event(fmt.Sprint("bulky", i), about(1), events.TenantConfigured{Metadata: large}))
	}
	isErr(t, s.ask(one(bulky...)), events.ErrTooLarge)
	large["b"] = strings.Repeat("x", 1000)
	isErr(t, s.ask(one(bulky[0])), events.ErrTooLarge)
}

// TestEpochs fences a writer that does not know of a delete or a restore.
func TestEpochs(t *testing.T) {
	t.Parallel()
	s := begin(t, 1)
	refused := func(name string, want uint64, e events.Event) {
		t.Helper()
		v := s.ask(one(e))
		var err *catalogue.RefusedError
		if !errors.As(v.Err, &err) || !errors.Is(err, catalogue.ErrEpoch) || v.Epoch != want || err.Epoch != want || err.Hint == "" {
			t.Errorf("%s: %+v", name, v)
		}
	}
	refused("too new", 0, inEpoch(1, event("a", about(1), usage)))
	if v := s.must(event("gone", about(1), remove)); v.Epoch != 1 {
		t.Errorf("the epoch after a delete is %d", v.Epoch)
	}
	refused("missing", 1, event("b", about(1), usage))
	refused("too new", 1, inEpoch(2, event("c", about(1), usage)))
	refused("a stale plan", 1, event("d", about(1), back(1, url(1))))
	refused("a plan too far", 1, event("e", about(1), back(3, url(1))))
	if v := s.must(event("back", about(1), back(2, url(1)))); v.Epoch != 2 {
		t.Errorf("the epoch after a restore is %d", v.Epoch)
	}
	refused("old", 2, inEpoch(1, event("f", about(1), usage)))
	refused("missing", 2, event("g", about(1), usage))
	s.must(inEpoch(2, event("h", about(1), usage)))
	s.must(event("account", events.OfAccount(accountID(1)), contacts)) // has no epochs
	// Within a unit the epoch goes on from event to event.
	s.must(inEpoch(2, event("i", about(1), remove)), event("j", about(1), back(4, url(1))), inEpoch(4, event("k", about(1), usage)))
}

// TestExpect pins a request to the aggregate's last event.
func TestExpect(t *testing.T) {
	t.Parallel()
	s := begin(t, 1)
	last := s.must(event("a", about(1), usage)).Seq
	stale := last - 1
	v := s.ask(catalogue.Request{Events: []events.Event{event("b", about(1), usage)}, Expect: &stale})
	var conflict *events.ConflictError
	if !errors.As(v.Err, &conflict) || conflict.Actual != last || conflict.Expected != stale || conflict.About != about(1) {
		t.Errorf("got %v", v.Err)
	}
	r := catalogue.Request{Events: []events.Event{event("c", about(1), usage)}, Expect: &last}
	other := catalogue.Request{Events: []events.Event{event("d", about(1), usage)}, Expect: &last}
	got := s.service.Publish(t.Context(), catalogtest.Internal, r, other)
	if got[0].Err != nil || !errors.Is(got[1].Err, events.ErrConflict) {
		t.Errorf("two at one pin: %v, %v", got[0].Err, got[1].Err)
	}
	none := events.Seq(0)
	isErr(t, s.ask(catalogue.Request{Events: []events.Event{aTenant(2)}, Expect: &none}), nil)
}

// TestCredentials may write what their roles say, and are stamped on it.
func TestCredentials(t *testing.T) {
	t.Parallel()
	s := begin(t, 1)
	s.must(event("install", about(1), install))
	plain := catalogue.Credential{Via: "commerce"}
	operator := catalogue.Credential{Via: "ops", Roles: []catalogue.Role{catalogue.RoleOperator}}
	for i, c := range []struct {
		by      catalogue.Credential
		payload events.Payload
		about   events.Aggregate
		want    error
	}{
		{plain, usage, about(1), nil},
		{plain, remove, about(1), catalogue.ErrForbidden},
		{plain, uninstall, about(1), catalogue.ErrForbidden},
		{operator, remove, about(1), catalogue.ErrForbidden},
		{operator, back(1, url(1)), about(1), catalogue.ErrForbidden},
		{operator, back(1, url(1)), about(1), catalogue.ErrForbidden},
		{operator, reinstall, about(1), catalogue.ErrForbidden},
		{operator, planned, restoration(1), catalogue.ErrForbidden},
		{operator, events.ClaimReleased{Kind: events.ClaimURL, Value: url(1), Tenant: tenantID(1)}, events.OfClaim(events.ClaimURL, url(1)), catalogue.ErrForbidden},
		{operator, events.ClaimTaken{Kind: events.ClaimURL, Value: url(9), Tenant: tenantID(1)}, events.OfClaim(events.ClaimURL, url(9)), catalogue.ErrForbidden},
		{operator, uninstall, about(1), catalogue.ErrForbidden},
		{catalogtest.Internal, uninstall, about(1), nil},
		{catalogtest.Internal, remove, about(1), nil},
	} {
		v := s.service.Publish(t.Context(), c.by, one(event(fmt.Sprint("by", i), c.about, c.payload)))[0]
		if !errors.Is(v.Err, c.want) {
			t.Errorf("%s writes %s: %v", c.by.Via, c.payload.EventType(), v.Err)
		}
		if c.want != nil && (catalogue.Hint(v.Err) == "" || !strings.Contains(v.Err.Error(), "not allowed")) {
			t.Errorf("no help in %q", v.Err)
		}
	}
	all := s.events()
	if e, err := events.Decode(all[len(all)-1]); err != nil || e.Via != catalogtest.Internal.Via {
		t.Errorf("via %q, %v", e.Via, err)
	}
}

// TestProducersCannotForge what the gate and the log set.
func TestProducersCannotForge(t *testing.T) {
	t.Parallel()
	s := begin(t, 1)
	e := event("forged", about(1), usage)
	e.Seq, e.More, e.RecordedTime, e.Via = 99, 7, 1, "root"
	v := s.must(e)
	got, err := events.Decode(s.events()[v.Seq-1])
	if err != nil || got.Seq != v.Seq || got.More != 0 || got.Via != "test" || got.RecordedTime < events.TimeOf(catalogtest.Start) {
		t.Errorf("%+v, %v", got, err)
	}
	e.Actor = "Ada Lovelace"
	isErr(t, s.ask(one(e)), events.ErrMalformed)
}

// TestClaimedOnce lets 64 tenants claim one URL at once, some at their
// creation, some by a new name.
func TestClaimedOnce(t *testing.T) {
	t.Parallel()
	s := begin(t, 32)
	verdicts := make([]catalogue.Verdict, 64)
	var wg sync.WaitGroup
	for i := range verdicts {
		n := i + 1
		e := event(fmt.Sprint("claim", n), about(n), withURL(n, "wanted.example.net"))
		if n <= 32 {
			e.Payload = events.TenantRenamed{URL: "wanted.example.net"}
		}
		wg.Go(func() { verdicts[i] = s.ask(one(e)) })
	}
	wg.Wait()
	won := 0
	for _, v := range verdicts {
		if v.Err == nil {
			won++
		} else {
			isErr(t, v, catalogue.ErrClaimed)
		}
	}
	if won != 1 {
		t.Errorf("%d tenants have the URL", won)
	}
}

// TestRecordedTimes never run backwards, although the clock does, not even
// over a restart with the store that was there and one without.
func TestRecordedTimes(t *testing.T) {
	t.Parallel()
	log := eventtest.NewMemoryLog("times")
	n := 0
	store := catalogtest.NewStore()
	for i, start := range []time.Duration{0, -time.Hour, -time.Hour} {
		if i == 2 {
			store = catalogtest.NewStore()
		}
		now := catalogtest.Start.Add(start)
		service, err := catalogue.Open(t.Context(), catalogue.Config{
			Log: log, Store: store, Seal: catalogtest.Seal{}, Clock: func() time.Time { now = now.Add(-time.Minute); return now }, Guard: catalogtest.Unguarded{},
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			n++
			if v := service.Publish(t.Context(), catalogtest.Internal, one(anAccount(n)))[0]; v.Err != nil {
				t.Fatal(v.Err)
			}
		}
		if err := service.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var last events.Time
	for _, s := range catalogtest.Read(t, log) {
		e, err := events.Decode(s)
		if err != nil || e.RecordedTime < last {
			t.Errorf("event %d was recorded at %s, the one before at %s, %v", s.Seq, e.RecordedTime, last, err)
		}
		last = e.RecordedTime
	}
}

// TestSealedBeforeTheLog looks for plain personal text in all that was stored.
func TestSealedBeforeTheLog(t *testing.T) {
	t.Parallel()
	const canary = events.Personal("canary")
	s := begin(t, 1)
	s.must(event("account", events.OfAccount(accountID(2)), events.AccountCreated{Name: canary}))
	s.must(event("contacts", events.OfAccount(accountID(2)), events.AccountContactsUpdated{
		Contacts: []events.ContactInfo{{Kind: events.ContactAdmin, Name: canary, Email: canary + "@example.com", Phone: canary}},
	}))
	member := events.IdentityMemberGranted{User: "user_1", Name: canary, Email: canary + "@example.com"}
	first := s.must(event("member", about(1), member))
	restored := back(1, url(1))
	restored.Entities = append(restored.Entities, events.Member{User: "user_2", Name: canary, Email: canary})
	s.must(event("restored", about(1), restored))
	if v := s.must(event("member", about(1), member)); !v.Duplicate || v.Seq != first.Seq {
		t.Errorf("sealed again it is another event: %+v", v)
	}
	sealed := 0
	for _, e := range s.events() {
		if bytes.Contains(e.Data, []byte(canary)) {
			t.Errorf("%s at %d holds plain text", e.Type, e.Seq)
		}
		sealed += bytes.Count(e.Data, []byte(events.SealedPrefix))
	}
	if sealed < 8 {
		t.Errorf("only %d sealed fields are in the log", sealed)
	}
}

// TestClose answers what is queued and refuses what comes later.
func TestClose(t *testing.T) {
	t.Parallel()
	s := begin(t, 50)
	var wg sync.WaitGroup
	verdicts := make([]catalogue.Verdict, 50)
	for i := range verdicts {
		wg.Go(func() { verdicts[i] = s.ask(one(event(fmt.Sprint("last", i), about(i+1), usage))) })
	}
	if err := s.service.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	facts, err := catalogtest.Fold(s.events())
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range verdicts {
		_, stored := facts.Answers[events.DeriveID[events.EventID](fmt.Sprint("last", i))]
		if stored != (v.Err == nil) || v.Err != nil && !errors.Is(v.Err, catalogue.ErrStopped) {
			t.Errorf("stored: %v, answer: %v", stored, v.Err)
		}
	}
	isErr(t, s.ask(one(event("late", about(1), usage))), catalogue.ErrStopped)
	if err := s.service.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

// TestCancel answers a caller who gives up while his event is on its way; the
// same event again finds out what became of it.
func TestCancel(t *testing.T) {
	t.Parallel()
	s := begin(t, 1)
	reached, release := make(chan struct{}), make(chan struct{})
	log, _ := s.log.(*hooked)
	log.before = func([]events.Unit) { close(reached); <-release; log.before = nil }
	ctx, cancel := context.WithCancel(t.Context())
	e := event("given up", about(1), usage)
	answer := make(chan catalogue.Verdict, 1)
	go func() { answer <- s.service.Publish(ctx, catalogtest.Internal, one(e))[0] }()
	<-reached
	cancel()
	isErr(t, <-answer, context.Canceled)
	close(release)
	if v := s.must(e); !v.Duplicate {
		t.Errorf("it was not written: %+v", v)
	}
	noDoubles(t, s.events())
}
