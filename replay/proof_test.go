package replay_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/events/eventtest"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/heads"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/pages"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/replaytest"
)

// ids are compared as they are.
var ids = cmpopts.EquateComparable(events.EventID{}, events.Aggregate{})

// since verifies views as they stand from a proof on.
func since(t testing.TB, log replay.Log, views []projectors.View, proof replay.Proof) replay.Report {
	t.Helper()
	subjects, release := standing(t, views)
	defer release()
	report, err := replay.VerifySince(t.Context(), log, subjects, proof, replay.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// filled is views in memory, at the end of a log.
func filled(t testing.TB, log projectors.Reader, all ...projectors.Projector) (views []projectors.View, closeViews func()) {
	t.Helper()
	views, closeViews = empty(t, all...)
	if err := projectors.Fill(t.Context(), log, views, deletion.Genesis{}, nil); err != nil {
		t.Fatal(err)
	}
	return views, closeViews
}

// empty is views in memory without anything.
func empty(t testing.TB, all ...projectors.Projector) (views []projectors.View, closeViews func()) {
	t.Helper()
	fs := vfs.NewMem()
	for _, p := range all {
		home, err := viewdb.OpenHome(viewdb.Config{Dir: "views", Name: p.Name(), Format: p.Format(), FS: fs, MemTableBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		views = append(views, projectors.View{Projector: p, Home: home})
	}
	return views, func() {
		for _, v := range views {
			if err := v.Home.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// follow applies what has come to a log since.
func follow(t testing.TB, log *eventtest.MemoryLog, views []projectors.View) {
	t.Helper()
	head, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range views {
		db := v.Home.Current()
		at := db.Checkpoint().Seq
		voucher, err := projectors.VoucherAt(t.Context(), deletion.Genesis{}, log, at)
		if err != nil {
			t.Fatal(err)
		}
		if err := log.Read(t.Context(), at, head, projectors.Folder(db, v.Projector, log.Identity(), voucher)); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever comes after a proof, going on from it finds what verifying everything
// finds: nothing in whole views, and the row that was spoiled, in any view and of
// whatever age.
func TestVerifySinceFindsWhatVerifyFinds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		all := catalogtest.History(t, catalogtest.Drawn(rt), rapid.IntRange(1, 30).Draw(rt, "requests"))
		log := eventtest.NewMemoryLog("log")
		cut := rapid.IntRange(1, len(all)).Draw(rt, "proven")
		appendAll(t, log, all[:cut])
		views, closeViews := filled(t, log, append(replaytest.All(), pages.New(), heads.Projector{})...)
		defer closeViews()
		first := verify(t, log, views)
		if !first.OK() || first.Proof.Seq != events.Seq(cut) || len(first.Proof.Views) != len(views) {
			rt.Fatalf("the proof: %+v", first)
		}
		appendAll(t, log, all[cut:])
		follow(t, log, views)
		whole, rest := verify(t, log, views), since(t, log, views, first.Proof)
		if !whole.OK() || !rest.OK() || rest.Since != first.Proof.Seq || whole.Since != 0 {
			rt.Fatalf("from %d on: %+v; all: %+v", cut, rest, whole)
		}
		if d := cmp.Diff(whole.Views, rest.Views); d != "" || whole.Hash != rest.Hash {
			rt.Fatalf("from %d on it finds other views (-all +rest)\n%s", cut, d)
		}
		if d := cmp.Diff(whole.Proof, rest.Proof, ids); d != "" {
			rt.Fatalf("from %d on it proves something else (-all +rest)\n%s", cut, d)
		}
		v := rapid.SampledFrom(views).Draw(rt, "spoiled view")
		spoil(t, rt, v.Home.Current())
		whole, rest = verify(t, log, views), since(t, log, views, first.Proof)
		if whole.OK() || rest.Since != 0 {
			rt.Fatalf("a spoiled row of view %s: %+v, from %d on %+v", v.Projector.Name(), whole, cut, rest)
		}
		if d := cmp.Diff(whole.Faults, rest.Faults, ids); d != "" || whole.Faults[0].View != v.Projector.Name() {
			rt.Fatalf("a spoiled row of view %s is told as %v (-all +rest)\n%s", v.Projector.Name(), whole.Faults, d)
		}
	})
}

// spoil changes, drops or adds a row.
func spoil(t testing.TB, rt *rapid.T, db *viewdb.DB) {
	t.Helper()
	var rows [][2][]byte
	err := db.Scan(nil, nil, func(key, value []byte) error {
		rows = append(rows, [2][]byte{slices.Clone(key), slices.Clone(value)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b := db.NewBatch()
	if len(rows) == 0 {
		err = b.Set([]byte("zzz"), nil)
	} else {
		row := rapid.SampledFrom(rows).Draw(rt, "row")
		switch rapid.SampledFrom([]string{"changed", "dropped", "added"}).Draw(rt, "how") {
		case "changed":
			err = b.Set(row[0], append(row[1], 0))
		case "dropped":
			err = b.Delete(row[0])
		case "added":
			err = b.Set(append(row[0], 0), row[1])
		}
	}
	if err == nil {
		err = b.Commit(db.Checkpoint())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The rows that many events share are whole wherever a proof ends and the next one
// begins.
func TestVerifySinceAcrossSharedRows(t *testing.T) {
	t.Parallel()
	const postings = 1 << 16 // events that share a row at the most
	log := eventtest.NewMemoryLog("log")
	life := longLife(t, postings+400)
	at := 0
	upTo := func(seq int) {
		appendAll(t, log, life[at:seq])
		at = seq
	}
	upTo(postings - 300)
	views, closeViews := filled(t, log, tenants.New(), history.New(), pages.New())
	defer closeViews()
	proof := verify(t, log, views).Proof
	for _, seq := range []int{
		postings - 257, postings - 256, postings - 255, postings - 65, postings - 64, postings - 63,
		postings - 1, postings, postings + 1, postings + 2, postings + 64, postings + 65, postings + 257, postings + 400,
	} {
		upTo(seq)
		follow(t, log, views)
		r := since(t, log, views, proof)
		if !r.OK() || r.Since != proof.Seq || r.Events != events.Seq(seq) {
			t.Fatalf("from %d to %d: %+v", proof.Seq, seq, r)
		}
		proof = r.Proof
	}
	if r := verify(t, log, views); !r.OK() || !cmp.Equal(r.Proof, proof, ids) {
		t.Errorf("all of it: %+v, in stretches: %+v", r, proof)
	}
}

// longLife is the events of a tenant that is used all the time; the clock once
// runs backwards.
func longLife(t testing.TB, n int) []events.Stored {
	t.Helper()
	tenant, account := events.DeriveID[events.TenantID]("t"), events.DeriveID[events.AccountID]("a")
	out := make([]events.Stored, n)
	for i := range n {
		e := events.Event{
			ID: events.DeriveID[events.EventID](fmt.Sprint(i)), Source: "/test", Seq: events.Seq(i + 1), About: events.OfTenant(tenant),
			RecordedTime: events.TimeOf(catalogtest.Start.Add(time.Duration(i) * time.Millisecond)), Actor: fmt.Sprint("user_", i%7),
			Payload: events.TenantUsageReported{ActiveUsers: uint64(i)},
		}
		e.Time = e.RecordedTime
		switch {
		case i == 0:
			e.Payload = events.TenantCreated{URL: "a.example.net", Account: account, Region: "eu", Tier: "standard"}
		case i%1000 == 999:
			e.RecordedTime -= events.Time(time.Second)
		}
		s, err := events.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		s.Seq = e.Seq
		out[i] = s
	}
	return out
}

// Whoever gives way all the time comes to an end all the same.
func TestVerifyGivesWay(t *testing.T) {
	t.Parallel()
	w := replaytest.New(t, replaytest.All())
	w.Begin(5)
	w.Settle()
	subjects, release := standing(t, w.Views)
	defer release()
	asked := atomic.Int64{}
	r, err := replay.Verify(t.Context(), w.Log, subjects, replay.Options{Spare: projectors.NewSpare(func() bool { asked.Add(1); return true }, time.Now)})
	if err != nil || !r.OK() || asked.Load() == 0 {
		t.Errorf("%+v, asked %d times: %v", r, asked.Load(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := replay.Verify(ctx, w.Log, subjects, replay.Options{Spare: projectors.NewSpare(func() bool { return true }, time.Now)}); !errors.Is(err, context.Canceled) {
		t.Errorf("a verification that nobody waits for: %v", err)
	}
}

// A proof of another log, of another time or of other views is no proof.
func TestVerifySinceRefusesOtherProofs(t *testing.T) {
	t.Parallel()
	w := replaytest.New(t, replaytest.All())
	w.Begin(3)
	w.Settle()
	good := verify(t, w.Log, w.Views).Proof
	w.Do(replaytest.Owner, replaytest.Tenant(1), replaytest.Configured("a", "b"))
	w.Settle()
	for name, change := range map[string]func(p *replay.Proof){
		"none":               func(p *replay.Proof) { *p = replay.Proof{} },
		"another log":        func(p *replay.Proof) { p.Stream = "other" },
		"beyond the views":   func(p *replay.Proof) { p.Seq += 1000 },
		"another event":      func(p *replay.Proof) { p.Event = events.DeriveID[events.EventID]("other") },
		"another hash":       func(p *replay.Proof) { p.Rolling = good.Views[0].Digest },
		"no hash":            func(p *replay.Proof) { p.Rolling = "" },
		"a view less":        func(p *replay.Proof) { p.Views = p.Views[1:] },
		"another format":     func(p *replay.Proof) { p.Views[0].Format++ },
		"another digest":     func(p *replay.Proof) { p.Views[0].Digest = p.Views[1].Digest },
		"no digest":          func(p *replay.Proof) { p.Views[0].Digest = "" },
		"more rows":          func(p *replay.Proof) { p.Views[0].Rows++ },
		"a log that goes on": func(p *replay.Proof) { p.Seq-- },
	} {
		proof := good
		proof.Views = slices.Clone(good.Views)
		change(&proof)
		if r := since(t, w.Log, w.Views, proof); !r.OK() || r.Since != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := since(t, w.Log, w.Views, good); !r.OK() || r.Since != good.Seq {
		t.Errorf("the good one: %+v", r)
	}
}

// appendAll appends events to a log as they are.
func appendAll(t testing.TB, log *eventtest.MemoryLog, all []events.Stored) {
	t.Helper()
	for _, s := range all {
		last, _, err := log.LastOf(t.Context(), s.About)
		if err != nil {
			t.Fatal(err)
		}
		eventtest.MustAppend(t, log, eventtest.One(s, last.Seq))
	}
}
