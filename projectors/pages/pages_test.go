package pages_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/pages"
	"tenantcatalogue/projectors/viewdb"
)

// view makes the view of events, in batches of the sizes that batch gives.
func view(t testing.TB, log []events.Stored, batch func() int) *viewdb.DB {
	t.Helper()
	p := pages.New()
	db, err := viewdb.Open(viewdb.Config{Dir: "pages", Name: p.Name(), Format: p.Format(), FS: vfs.NewMem(), MemTableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	fold := projectors.Folder(db, p, "test", projectors.NewVoucher(deletion.Genesis{}))
	for rest := log; len(rest) > 0; {
		n := min(batch(), len(rest))
		if err := fold(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	return db
}

// logOf has n events, those whose Seq large names of 2 KiB.
func logOf(n int, large func(int) bool) []events.Stored {
	log := make([]events.Stored, n)
	for i := range log {
		log[i] = events.Stored{
			Seq: events.Seq(i + 1), About: events.OfTenant(events.DeriveID[events.TenantID](fmt.Sprint(i % 7))),
			ID: events.DeriveID[events.EventID](fmt.Sprint(i)), Type: "tenant.renamed.v1", Source: "/test", Data: fmt.Append(nil, "data of ", i),
		}
		if large(i + 1) {
			log[i].Data = []byte(strings.Repeat("large", 400))
		}
	}
	return log
}

// TestRows reads any range, and has the same rows however the events came.
func TestRows(t *testing.T) {
	t.Parallel()
	// The second page is too large for one.
	log := logOf(5*pages.Size/2, func(seq int) bool { return seq > pages.Size && seq%2 == 0 })
	at := view(t, log, func() int { return len(log) })
	defer func() { _ = at.Close() }()
	want, err := viewdb.SumOf(at)
	if err != nil || want.Rows != 1+pages.Size+pages.Size/2 {
		t.Fatalf("%d rows, %v", want.Rows, err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		largest := rapid.SampledFrom([]int{1, 10, 2 * pages.Size}).Draw(rt, "largest batch")
		db := view(t, log, func() int { return rapid.IntRange(1, largest).Draw(rt, "batch") })
		defer func() { _ = db.Close() }()
		if got, err := viewdb.SumOf(db); err != nil || got != want {
			rt.Fatalf("the rows differ: %v", err)
		}
		after := events.Seq(rapid.IntRange(0, len(log)).Draw(rt, "after"))
		upTo := events.Seq(rapid.IntRange(0, len(log)).Draw(rt, "up to"))
		var got []events.Stored
		err := pages.Read(db, after, upTo, func(page []byte) (err error) {
			got, err = events.ParsePage(got, append([]byte(nil), page...))
			return err
		})
		switch {
		case err != nil:
			rt.Fatal(err)
		case after >= upTo && len(got) > 0:
			rt.Fatalf("%d events after %d up to %d", len(got), after, upTo)
		case after >= upTo:
			return
		}
		if first, last := got[0].Seq, got[len(got)-1].Seq; first > after+1 || last < upTo || last >= upTo+pages.Size || first+pages.Size <= after+1 {
			rt.Fatalf("events %d to %d for those after %d up to %d", first, last, after, upTo)
		}
		for i, s := range got {
			if want := log[int(got[0].Seq)-1+i]; s.Seq != want.Seq || s.ID != want.ID || string(s.Data) != string(want.Data) {
				rt.Fatalf("event %d: %v", want.Seq, s)
			}
		}
	})
}
