package projectors_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
)

// Whatever is in the log, the views that are filled at once, the history from
// the log and the others from the history, have the rows and the checkpoint that
// event by event gives; the one that is rebuilt thereafter too.
func TestFilledViewsAreProjectedOnes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		all := withPoison(rt, catalogtest.History(t, catalogtest.Drawn(rt), rapid.IntRange(1, 40).Draw(rt, "requests")))
		if rapid.Bool().Draw(rt, "of nobody") {
			all = append(all, events.Stored{Seq: events.Seq(len(all) + 1), Type: "tenant.forgotten.v1", Data: []byte("?")})
		}
		log := &sliceLog{events: all}
		fs := vfs.NewMem()
		var views []projectors.View
		for _, p := range everyView() {
			views = append(views, projectors.View{Projector: p, Home: openHome(rt, p, fs)})
		}
		if err := projectors.Fill(t.Context(), log, views, deletion.Genesis{}, nil); err != nil {
			t.Fatal(err)
		}
		rebuilt := rapid.SampledFrom(views).Draw(rt, "rebuilt").Projector.Name()
		if err := projectors.NewRunner(log, views, projectors.Listener{}).Rebuild(t.Context(), rebuilt, nil); err != nil {
			t.Fatal(err)
		}
		for _, v := range views {
			want := openDB(t, v.Projector, vfs.NewMem())
			fold := projectors.Folder(want, v.Projector, log.Identity(), projectors.NewVoucher(deletion.Genesis{}))
			for rest := all; len(rest) > 0; {
				n := rapid.IntRange(1, len(rest)).Draw(rt, "batch")
				if err := fold(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			sameView(t, v, want)
			if err := want.Close(); err != nil {
				t.Fatal(err)
			}
		}
		for _, v := range views {
			if err := v.Home.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// sameView fails when a view has other rows or another checkpoint than it should.
func sameView(t testing.TB, v projectors.View, want *viewdb.DB) {
	t.Helper()
	got := v.Home.Current()
	if d := cmp.Diff(hexed(gotRows(t, want)), hexed(gotRows(t, got))); d != "" {
		t.Fatalf("view %s (-want +got)\n%s", v.Projector.Name(), d)
	}
	if got.Checkpoint() != want.Checkpoint() {
		t.Fatalf("view %s stands at %+v, not %+v", v.Projector.Name(), got.Checkpoint(), want.Checkpoint())
	}
}

// parted is a history that is cut wherever an aggregate begins.
type parted struct{ history.Projector }

func (parted) Split(s *viewdb.Snapshot, _ int) (bounds [][]byte, err error) {
	bounds = [][]byte{{'b'}}
	err = s.Scan([]byte{'b'}, []byte{'c'}, func(key, _ []byte) error {
		if about := key[:18]; !bytes.Equal(about, bounds[len(bounds)-1]) {
			bounds = append(bounds, bytes.Clone(about))
		}
		return nil
	})
	return append(bounds, []byte{'c'}), err
}

// The rows are the same in however many parts the history is read.
func TestFillInParts(t *testing.T) {
	t.Parallel()
	log := &sliceLog{events: someHistory(t, 7, 1000)}
	fs := vfs.NewMem()
	var views []projectors.View
	for _, p := range everyView() {
		views = append(views, projectors.View{Projector: p, Home: openHome(t, p, fs)})
	}
	views[0].Projector = parted{history.New()}
	if err := projectors.Fill(t.Context(), log, views, deletion.Genesis{}, nil); err != nil {
		t.Fatal(err)
	}
	for _, v := range views {
		want := openDB(t, v.Projector, vfs.NewMem())
		if err := log.Read(t.Context(), 0, events.Seq(len(log.events)), projectors.Folder(want, v.Projector, log.Identity(), projectors.NewVoucher(deletion.Genesis{}))); err != nil {
			t.Fatal(err)
		}
		sameView(t, v, want)
	}
}

// A view that is rebuilt while the log goes on, from a history that is behind,
// ends where the others are.
func TestRebuildFromAHistoryThatIsBehind(t *testing.T) {
	t.Parallel()
	all := someHistory(t, 8, 600)
	log := newLog(t, all[:400]...)
	fs := vfs.NewMem()
	tenantsView := projectors.View{Projector: tenants.New(), Home: openHome(t, tenants.New(), fs)}
	views := []projectors.View{{Projector: history.New(), Home: openHome(t, history.New(), fs)}, tenantsView}
	if err := projectors.Fill(t.Context(), log, views, deletion.Genesis{}, nil); err != nil {
		t.Fatal(err)
	}
	appendTo(t, log, all[400:]...)
	r := projectors.NewRunner(log, views, projectors.Listener{})
	var told events.Seq
	if err := r.Rebuild(t.Context(), tenants.Name, func(at, _ events.Seq) { told = at }); err != nil {
		t.Fatal(err)
	}
	if told != events.Seq(len(all)) {
		t.Errorf("the rebuild ended at %d of %d", told, len(all))
	}
	checkViews(t, views[1:], log)
	if err := r.Rebuild(t.Context(), history.Name, nil); err != nil {
		t.Fatal(err)
	}
	if at := views[0].Home.Current().Checkpoint().Seq; at != events.Seq(len(all)) {
		t.Errorf("the history stands at %d", at)
	}
}

// A history of another log is no source; nor does a rebuild go on that nobody
// waits for.
func TestFillRefuses(t *testing.T) {
	t.Parallel()
	all := someHistory(t, 9, 200)
	fs := vfs.NewMem()
	views := []projectors.View{
		{Projector: history.New(), Home: openHome(t, history.New(), fs)},
		{Projector: tenants.New(), Home: openHome(t, tenants.New(), fs)},
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := projectors.Fill(ctx, newLog(t, all...), views, deletion.Genesis{}, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := projectors.Fill(t.Context(), newLog(t, all...), views[:1], deletion.Genesis{}, nil); err != nil {
		t.Fatal(err)
	}
	other := eventtest.NewMemoryLog("other")
	appendTo(t, other, all...)
	if err := projectors.Fill(t.Context(), other, views, deletion.Genesis{}, nil); !errors.Is(err, projectors.ErrOtherLog) {
		t.Error(err)
	}
	if err := projectors.NewRunner(other, views, projectors.Listener{}).Rebuild(t.Context(), tenants.Name, nil); !errors.Is(err, projectors.ErrOtherLog) {
		t.Error(err)
	}
	if at := views[1].Home.Current().Checkpoint(); !at.IsZero() {
		t.Errorf("it stands at %d", at.Seq)
	}
}
