package catalogue_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
	"tenantcatalogue/projectors/heads"
	"tenantcatalogue/projectors/viewdb"
)

// machine is a Service on its real store, which is flushed, closed and lost at
// any time, and the model of what it must know.
type machine struct {
	log  *eventtest.MemoryLog
	fs   *vfs.MemFS
	gen  *catalogtest.Generator
	sent []sent

	db      *viewdb.DB
	store   *heads.Store
	service *catalogue.Service
}

type sent struct {
	request catalogue.Request
	first   catalogue.Verdict
}

// TestMachine draws any order of requests, repeats, refusals, lost
// acknowledgments, flushes, restarts and losses of what was not flushed. The
// live state is always the fold of the log.
func TestMachine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{
			log: eventtest.NewMemoryLog("machine"), fs: vfs.NewMem(), gen: catalogtest.NewGenerator(catalogtest.Drawn(t)),
		}
		m.start(t)
		defer func() { _ = m.service.Close(); _ = m.db.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"publish":  m.publish,
			"repeat":   m.repeat,
			"refuse":   m.refuse,
			"lose ack": m.loseAck,
			"flush":    m.flush,
			"restart":  m.restart,
			"lose":     m.lose,
			"check":    m.check,
		})
		m.check(t)
	})
}

func (m *machine) start(t *rapid.T) {
	var err error
	m.db, err = viewdb.Open(viewdb.Config{Dir: "heads", Name: heads.Name, Format: heads.Format, FS: m.fs, MemTableBytes: 256 << 10})
	if err == nil {
		m.store, err = heads.Open(m.db, m.log.Identity(), heads.DefaultItems)
	}
	if err == nil {
		m.service, err = catalogue.Open(context.Background(), catalogue.Config{
			Log: m.log, Store: m.store, Seal: catalogtest.Seal{}, Clock: catalogtest.Ticking(), Guard: catalogtest.Unguarded{},
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (m *machine) ask(r catalogue.Request) catalogue.Verdict {
	return m.service.Publish(context.Background(), catalogtest.Internal, r)[0]
}

func (m *machine) publish(t *rapid.T) {
	for range rapid.IntRange(1, 10).Draw(t, "requests") {
		r := m.gen.Next()
		v := m.ask(r)
		if v.Err != nil || v.Duplicate {
			t.Fatalf("%s: %+v", r.Events[0].Type(), v)
		}
		m.gen.Took(r, v)
		m.sent = append(m.sent, sent{r, v})
	}
}

func (m *machine) repeat(t *rapid.T) {
	if len(m.sent) == 0 {
		t.Skip("nothing was sent")
	}
	s := rapid.SampledFrom(m.sent).Draw(t, "sent")
	v := m.ask(s.request)
	if v.Err != nil || !v.Duplicate || v.Seq != s.first.Seq || v.Version != s.first.Version {
		t.Fatalf("%+v, first %+v", v, s.first)
	}
}

func (m *machine) refuse(t *rapid.T) {
	head := m.store.Seq()
	e := event(fmt.Sprint("refused", len(m.sent)), about(1), usage) // there never is such a tenant
	if v := m.ask(one(e)); v.Err == nil {
		t.Fatalf("%+v", v)
	}
	if m.store.Seq() != head {
		t.Fatal("something was written")
	}
}

func (m *machine) loseAck(t *rapid.T) {
	r := m.gen.Next()
	m.log.LoseNextAck()
	if v := m.ask(r); v.Err == nil {
		t.Fatalf("%+v", v)
	}
	v := m.ask(r)
	if v.Err != nil || !v.Duplicate {
		t.Fatalf("%+v", v)
	}
	m.gen.Took(r, v)
	m.sent = append(m.sent, sent{r, v})
}

// flush writes what was folded, as the Service does now and then.
func (m *machine) flush(t *rapid.T) {
	if err := m.store.Flush(); err != nil {
		t.Fatal(err)
	}
}

// restart flushes what was folded.
func (m *machine) restart(t *rapid.T) {
	if err := m.service.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.db.Close(); err != nil {
		t.Fatal(err)
	}
	m.start(t)
}

// lose ends the Service without a flush, as a crash does: the store goes on
// from where it was flushed last.
func (m *machine) lose(t *rapid.T) {
	if err := m.db.Close(); err != nil {
		t.Fatal(err)
	}
	_ = m.service.Close() // its store is gone
	m.start(t)
}

func (m *machine) check(t *rapid.T) {
	all := m.readAll(t)
	want, err := catalogtest.Fold(all)
	if err != nil {
		t.Fatal(err)
	}
	if m.store.Seq() != events.Seq(len(all)) {
		t.Fatalf("the store stands at %d, the log at %d", m.store.Seq(), len(all))
	}
	facts := m.store.Begin()
	for a, head := range want.Heads {
		got, err := facts.Head(a)
		if err != nil {
			t.Fatal(err)
		}
		if head.Quarantined != 0 {
			t.Fatalf("%s is quarantined at %d", a, head.Quarantined)
		}
		same(t, "head", head, got)
		m.checkState(t, a, want.States[a], facts.State(a))
	}
	for id, answer := range want.Answers {
		got, found, err := facts.Answer(id)
		if err != nil || !found || got != answer {
			t.Fatalf("%s: %+v, %v, %v; want %+v", id, got, found, err, answer)
		}
	}
	for a, state := range m.gen.Facts().States { // the generator's own account
		if digest2(t, state) != digest2(t, want.States[a]) {
			t.Fatalf("%s: the log says %v, the requests %v", a, want.States[a], state)
		}
	}
}

// checkState compares the entities that should be there; those that should not
// are looked for among what the aggregate ever had.
func (m *machine) checkState(t *rapid.T, a events.Aggregate, want catalogue.MapState, got catalogue.State) {
	read := catalogue.MapState{}
	keys := map[events.EntityKey]bool{}
	for k := range want {
		keys[k] = true
	}
	for i := range 5 {
		keys[events.MemberKey(fmt.Sprint("user_", i))] = true
		keys[events.GroupKey(fmt.Sprint("group_", i))] = true
		keys[events.ResourceKey("media", events.ResourceDatabase, fmt.Sprint("db", i))] = true
	}
	for k := range keys {
		e, err := got.Get(k)
		if err != nil {
			t.Fatal(err)
		}
		if e != nil {
			read[k] = e
		}
	}
	if digest2(t, read) != digest2(t, want) {
		same(t, a.String(), want, read)
		t.Fatalf("%s is not the fold of the log", a)
	}
}

func (m *machine) readAll(t *rapid.T) (all []events.Stored) {
	ctx := context.Background()
	head, err := m.log.Head(ctx)
	if err == nil {
		err = m.log.Read(ctx, 0, head, func(some []events.Stored) error { all = append(all, some...); return nil })
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}
