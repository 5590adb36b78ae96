package replay_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"tenantcatalogue/catalogue/catalogtest"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/heads"
	"tenantcatalogue/projectors/history"
	"tenantcatalogue/projectors/viewdb"
	"tenantcatalogue/replay"
	"tenantcatalogue/replay/replaytest"
)

// verify verifies views as they stand.
func verify(t testing.TB, log replay.Log, views []projectors.View) replay.Report {
	t.Helper()
	subjects, release := standing(t, views)
	defer release()
	report, err := replay.Verify(t.Context(), log, subjects, replay.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// standing takes a snapshot of each view.
func standing(t testing.TB, views []projectors.View) (subjects []replay.Subject, release func()) {
	t.Helper()
	for _, v := range views {
		s, err := v.Home.Current().Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		subjects = append(subjects, replay.Subject{Projector: v.Projector, Snapshot: s})
	}
	return subjects, func() {
		for _, s := range subjects {
			if err := s.Snapshot.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestVerifyUnderTraffic finds nothing wrong with a healthy catalogue.
func TestVerifyUnderTraffic(t *testing.T) {
	t.Parallel()
	w := replaytest.New(t, replaytest.All())
	w.Begin(5)
	w.Do(replaytest.Owner, replaytest.Tenant(1), replaytest.Deleted())
	w.Settle() // so that no view is empty
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				w.Try(replaytest.Owner, replaytest.Tenant(2), replaytest.Configured("a", "b"))
			}
		}
	}()
	for range 3 {
		pinned, err := w.Runner.Pin()
		if err != nil {
			t.Fatal(err)
		}
		r, err := replay.Verify(t.Context(), w.Log, replay.Subjects(pinned), replay.Options{})
		if err != nil || pinned.Close() != nil {
			t.Fatal(err)
		}
		if !r.OK() {
			t.Errorf("faults of a healthy catalogue: %v", r.Faults)
		}
		for _, v := range r.Views {
			if v.Digest != v.RebuiltDigest || v.Rows == 0 {
				t.Errorf("view %+v", v)
			}
		}
	}
	close(stop)
	<-done
}

// spoiled is a log that shows other events than it holds.
type spoiled struct {
	replay.Log

	change func([]events.Stored) []events.Stored
}

func (s spoiled) Read(ctx context.Context, after, upTo events.Seq, fn func([]events.Stored) error) error {
	return s.Log.Read(ctx, after, upTo, func(stored []events.Stored) error {
		if stored = s.change(slices.Clone(stored)); len(stored) == 0 {
			return nil
		}
		return fn(stored)
	})
}

// TestVerifyNamesFaultsOfTheLog plants one fault after the other.
func TestVerifyNamesFaultsOfTheLog(t *testing.T) {
	t.Parallel()
	w := replaytest.New(t, replaytest.All())
	w.Begin(3)
	w.Settle()
	head := w.Head()
	without := func(seq events.Seq) func([]events.Stored) []events.Stored {
		return func(stored []events.Stored) []events.Stored {
			return slices.DeleteFunc(stored, func(s events.Stored) bool { return s.Seq == seq })
		}
	}
	at := func(seq events.Seq, change func(s *events.Stored)) func([]events.Stored) []events.Stored {
		return func(stored []events.Stored) []events.Stored {
			for i := range stored {
				if stored[i].Seq == seq {
					change(&stored[i])
				}
			}
			return stored
		}
	}
	for name, test := range map[string]struct {
		change func([]events.Stored) []events.Stored
		seq    events.Seq
		says   string
	}{
		"the first event missing":  {without(1), 2, "gap"},
		"an event missing":         {without(7), 8, "gap"},
		"the last event missing":   {without(head), head, "ends at"},
		"an event id twice":        {at(9, func(s *events.Stored) { s.ID = w.Stored()[4].ID }), 9, "stands at 5 already"},
		"an event unreadable":      {at(9, func(s *events.Stored) { s.Data = []byte{0xc1} }), 9, ""},
		"an event of another type": {at(9, func(s *events.Stored) { s.Type = "tenant.unheard.v1" }), 9, ""},
		"other content":            {at(6, func(s *events.Stored) { s.Source = "/services/other" }), head, "rolling hash"},
	} {
		r := verify(t, spoiled{w.Log, test.change}, w.Views)
		found := slices.ContainsFunc(r.Faults, func(f replay.Fault) bool {
			return f.Seq == test.seq && strings.Contains(f.What, test.says) && strings.Contains(f.String(), test.says)
		})
		if r.OK() || !found {
			t.Errorf("%s: no fault at %d that says %q: %v", name, test.seq, test.says, r.Faults)
		}
	}
}

// TestVerifyNamesFaultsOfViews changes, drops and adds a row in every view and
// in the heads.
func TestVerifyNamesFaultsOfViews(t *testing.T) {
	t.Parallel()
	w := replaytest.New(t, replaytest.All())
	w.Begin(3)
	w.Do(replaytest.Owner, events.OfAccount(replaytest.AccountID(1)), events.AccountContactsUpdated{
		Contacts: []events.ContactInfo{{Kind: events.ContactBilling, Name: "C", Email: "c@example.com"}},
	})
	w.Do(replaytest.Owner, replaytest.Tenant(1), events.ResourceProvisioned{Service: "media", Kind: events.ResourceDatabase, Name: "db", Region: "eu"})
	w.Settle()
	views, release := w.WithHeads()
	defer release()
	if r := verify(t, w.Log, views); !r.OK() || len(r.Views) != 8 {
		t.Fatalf("before anything is spoiled: %+v", r)
	}
	for _, v := range views {
		for name, plant := range map[string]func(b *viewdb.Batch, key, value []byte) error{
			"the row is missing":                   func(b *viewdb.Batch, key, _ []byte) error { return b.Delete(key) },
			"the row is not what the log makes of": func(b *viewdb.Batch, key, value []byte) error { return b.Set(key, append(slices.Clone(value), 0)) },
			"the row should not be there":          func(b *viewdb.Batch, key, value []byte) error { return b.Set(append(slices.Clone(key), 0), value) },
		} {
			db := v.Home.Current()
			var rows [][2][]byte
			err := db.Scan(nil, nil, func(key, value []byte) error {
				rows = append(rows, [2][]byte{slices.Clone(key), slices.Clone(value)})
				return nil
			})
			if err != nil || len(rows) == 0 {
				t.Fatalf("view %s has %d rows: %v", v.Projector.Name(), len(rows), err)
			}
			row := rows[len(rows)/2]
			change := func(f func(b *viewdb.Batch) error) {
				b := db.NewBatch()
				if err := f(b); err != nil {
					t.Fatal(err)
				}
				if err := b.Commit(db.Checkpoint()); err != nil {
					t.Fatal(err)
				}
			}
			change(func(b *viewdb.Batch) error { return plant(b, row[0], row[1]) })
			r := verify(t, w.Log, views)
			if len(r.Faults) != 1 || r.Faults[0].View != v.Projector.Name() || !strings.Contains(r.Faults[0].What, name) {
				t.Errorf("view %s, %s: %v", v.Projector.Name(), name, r.Faults)
			}
			change(func(b *viewdb.Batch) error {
				return firstError(b.Set(row[0], row[1]), b.Delete(append(slices.Clone(row[0]), 0)))
			})
		}
	}
	if r := verify(t, w.Log, views); !r.OK() {
		t.Fatalf("mended: %v", r.Faults)
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestVerifyNamesAWrongCheckpoint finds a rolling hash that is not the log's.
func TestVerifyNamesAWrongCheckpoint(t *testing.T) {
	t.Parallel()
	w := replaytest.New(t, only())
	w.Begin(1)
	w.Settle()
	db := w.Homes[history.Name].Current()
	at := db.Checkpoint()
	at.Rolling[0]++
	if err := db.NewBatch().Commit(at); err != nil {
		t.Fatal(err)
	}
	r := verify(t, w.Log, w.Views)
	if len(r.Faults) != 1 || r.Faults[0].View != history.Name || r.Faults[0].Seq != at.Seq {
		t.Errorf("faults %v", r.Faults)
	}
}

// TestVerifyGenerated folds a history of everything there is.
func TestVerifyGenerated(t *testing.T) {
	t.Parallel()
	w, stop := generated(t, catalogtest.Seeded(5), 1500)
	defer stop()
	w.Settle()
	views, release := w.WithHeads()
	defer release()
	r := verify(t, w.Log, views)
	if !r.OK() || r.Events != w.Head() || r.Views[len(r.Views)-1].Name != heads.Name {
		t.Errorf("report %+v", r)
	}
}
