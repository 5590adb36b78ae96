package projectors_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
	"tenantcatalogue/events/seal"
	"tenantcatalogue/events/wire"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/apps"
	"tenantcatalogue/projectors/commerce"
	"tenantcatalogue/projectors/contacts"
	"tenantcatalogue/projectors/identity"
	"tenantcatalogue/projectors/placement"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
)

// allViews is a projector of each kind there is.
func allViews() []*projectors.EntityView {
	return []*projectors.EntityView{
		tenants.New(), commerce.New(), identity.New(), placement.New(), apps.New(), contacts.New(openSeal{}),
	}
}

// openSeal opens what catalogtest.Seal sealed.
type openSeal struct{}

func (openSeal) OpenPersonal(_ events.Aggregate, p events.Personal) (events.Personal, error) {
	text := []byte(strings.TrimPrefix(string(p), events.SealedPrefix))
	slices.Reverse(text)
	return events.Personal(text), nil
}

func (openSeal) Index(kind seal.IndexKind, normalized string) []byte {
	sum := sha256.Sum256([]byte(string(kind) + normalized))
	return sum[:seal.IndexSize]
}

// config is that of a test's view: a small memtable, so that few events flush.
func config(p projectors.Projector, fs vfs.FS) viewdb.Config {
	return viewdb.Config{Dir: "views", Name: p.Name(), Format: p.Format(), FS: fs, MemTableBytes: 256 << 10}
}

func openDB(t testing.TB, p projectors.Projector, fs vfs.FS) *viewdb.DB {
	t.Helper()
	db, err := viewdb.Open(config(p, fs))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// tester is what *testing.T and *rapid.T have in common: what a check opens is closed when
// the check is over, not when all are.
type tester interface {
	Helper()
	Fatal(args ...any)
	Cleanup(f func())
}

func openHome(t tester, p projectors.Projector, fs vfs.FS) *viewdb.Home {
	t.Helper()
	home, err := viewdb.OpenHome(config(p, fs))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = home.Close() })
	return home
}

// openViews opens a home in memory for every view.
func openViews(t testing.TB, fs vfs.FS) []projectors.View {
	t.Helper()
	var out []projectors.View
	for _, p := range allViews() {
		out = append(out, projectors.View{Projector: p, Home: openHome(t, p, fs)})
	}
	return out
}

// newLog is a log in memory with these events.
func newLog(t testing.TB, stored ...events.Stored) *eventtest.MemoryLog {
	t.Helper()
	log := eventtest.NewMemoryLog("test")
	appendTo(t, log, stored...)
	return log
}

// appendTo appends events as they are, whatever they are.
func appendTo(t testing.TB, log eventtest.Log, stored ...events.Stored) {
	t.Helper()
	for _, s := range stored {
		last, _, err := log.LastOf(t.Context(), s.About)
		if err != nil {
			t.Fatal(err)
		}
		eventtest.MustAppend(t, log, eventtest.One(s, last.Seq))
	}
}

// run runs a Runner until stop is called, which gives Run's error; it is
// stopped at the end of the test at the latest.
func run(t testing.TB, r *projectors.Runner) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		err := <-done
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

func waitFor(t testing.TB, r *projectors.Runner, seq events.Seq) {
	t.Helper()
	if err := r.WaitFor(t.Context(), seq); err != nil {
		t.Fatal(err)
	}
}

// poison is an event of the aggregate that cannot be read.
func poison(about events.Aggregate, name string) events.Stored {
	return events.Stored{
		About: about, ID: events.DeriveID[events.EventID]("poison", name), Type: "tenant.configured.v1",
		Source: "/services/test", Data: []byte("garbage"),
	}
}

// wantRows is every row a view should have after a log, by the rows' grammar
// and the fold of whole states.
func wantRows(t testing.TB, v *projectors.EntityView, log []events.Stored) map[string]string {
	t.Helper()
	want := map[string]string{}
	states := map[events.Aggregate]catalogue.MapState{}
	heads := map[events.Aggregate]catalogue.Head{}
	quarantined := map[events.Aggregate]projectors.Quarantine{}
	for i, s := range log {
		s.Seq = events.Seq(i + 1)
		if _, out := quarantined[s.About]; out {
			continue
		}
		e, err := events.Decode(s)
		if err != nil {
			q := projectors.Quarantine{Seq: s.Seq, Why: err.Error()}
			quarantined[s.About] = q
			want["q"+string(s.About.Key())] = encode(t, &q)
			continue
		}
		if states[s.About] == nil {
			states[s.About] = catalogue.MapState{}
		}
		if err := catalogue.Evolve(states[s.About], e); err != nil {
			t.Fatal(err)
		}
		heads[s.About] = heads[s.About].Advance(e)
		if v.Lasting != nil {
			for _, key := range v.Lasting(e) {
				want["x"+string(key)] = ""
			}
		}
	}
	for a, state := range states {
		for key, entity := range state {
			if !slices.Contains(v.Kinds, key.Kind) {
				continue
			}
			if !v.Whole {
				want["e"+string(key.Append(a.Key()))] = encodeEntity(t, entity)
			}
			keys, err := v.Index(a, entity)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range keys {
				want["x"+string(k)] = ""
			}
		}
	}
	if v.Whole {
		wantWholeRows(t, v, want, states, heads, quarantined)
	}
	return want
}

// wantWholeRows adds the rows of a view that keeps aggregates whole.
func wantWholeRows(t testing.TB, v *projectors.EntityView, want map[string]string, states map[events.Aggregate]catalogue.MapState,
	heads map[events.Aggregate]catalogue.Head, quarantined map[events.Aggregate]projectors.Quarantine,
) {
	t.Helper()
	for a, state := range states {
		if slices.ContainsFunc(v.Kinds, func(k events.EntityKind) bool { return k.Of() == a.Kind }) {
			row := wholeRow{head: heads[a], quarantine: quarantined[a]}
			for _, e := range state.Entities() {
				if v.Keeps(e.EntityKey().Kind) {
					row.entities = append(row.entities, e)
				}
			}
			want["e"+string(a.Key())] = encode(t, &row)
		}
	}
	for a, q := range quarantined {
		if _, has := want["e"+string(a.Key())]; !has {
			want["e"+string(a.Key())] = encode(t, &wholeRow{quarantine: q})
		}
	}
}

// wholeRow is the row of a view that keeps aggregates whole.
type wholeRow struct {
	head       catalogue.Head
	quarantine projectors.Quarantine
	entities   events.Entities
}

func (w *wholeRow) Fields(c *wire.Coder) {
	wire.Struct(c, &w.head)
	wire.Struct(c, &w.quarantine)
	w.entities.Wire(c)
}

func encodeEntity(t testing.TB, e events.Entity) string {
	t.Helper()
	raw, err := events.EncodeEntity(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func encode(t testing.TB, v wire.Fields) string {
	t.Helper()
	raw, err := events.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func gotRows(t testing.TB, r viewdb.Reader) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := r.Scan(nil, nil, func(key, value []byte) error {
		got[string(key)] = string(value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// checkRows fails when a view has any other row than the log makes.
func checkRows(t testing.TB, v *projectors.EntityView, r viewdb.Reader, log []events.Stored) {
	t.Helper()
	got, want := gotRows(t, r), wantRows(t, v, log)
	if len(log) > 100 && len(want) < 10 {
		t.Fatalf("view %s: %d events make %d rows only: the test means nothing", v.Name(), len(log), len(want))
	}
	if d := cmp.Diff(hexed(want), hexed(got)); d != "" {
		t.Fatalf("view %s (-want +got)\n%s", v.Name(), d)
	}
}

func hexed(rows map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range rows {
		out[fmt.Sprintf("%q", k)] = fmt.Sprintf("%q", v)
	}
	return out
}

// checkViews is checkRows for every view of a Runner.
func checkViews(t testing.TB, views []projectors.View, log eventtest.Log) {
	t.Helper()
	all := eventtest.All(t, log)
	for _, v := range views {
		ev, ok := v.Projector.(*projectors.EntityView)
		if !ok {
			t.Fatalf("%T is no EntityView", v.Projector)
		}
		if at := v.Home.Current().Checkpoint().Seq; at != events.Seq(len(all)) {
			t.Errorf("view %s stands at %d of %d", ev.Name(), at, len(all))
		}
		checkRows(t, ev, v.Home.Current(), all)
	}
}

// someHistory is a log that a seed's requests lead to.
func someHistory(t testing.TB, seed uint64, requests int) []events.Stored {
	t.Helper()
	return catalogtest.History(t, catalogtest.Seeded(seed), requests)
}
