package viewdb_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

// config is that of a test's view: small tables, so that few rows make some.
func config(dir string, fs vfs.FS) viewdb.Config {
	return viewdb.Config{Dir: dir, Name: "test", Format: 1, FS: fs, MemTableBytes: 256 << 10}
}

func open(tb testing.TB, cfg viewdb.Config) *viewdb.DB {
	tb.Helper()
	db, err := viewdb.Open(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

func at(seq events.Seq) viewdb.Checkpoint {
	return viewdb.Checkpoint{
		Stream: "stream", Seq: seq,
		Event:   events.DeriveID[events.EventID](seq.String()),
		Rolling: events.Rolling{}.Add(events.Stored{Seq: seq}),
	}
}

func rowKey(i int) []byte { return fmt.Appendf(nil, "r%06d", i) }

// rowValue is 2 KiB, so that commits leave Pebble's buffers now and then.
func rowValue(seq events.Seq) []byte { return bytes.Repeat(viewdb.AppendSeq(nil, seq), 256) }

// commitRows commits one row saying the Seq, and a row that every commit
// overwrites, so that rows and checkpoint can be compared.
func commitRows(b *viewdb.Batch, seq events.Seq) error {
	if err := b.Set(rowKey(int(seq)), rowValue(seq)); err != nil {
		return err
	}
	if err := b.Set([]byte("last"), viewdb.AppendSeq(nil, seq)); err != nil {
		return err
	}
	return b.Commit(at(seq))
}

// checkRows fails when the rows are not exactly those of the checkpoint.
func checkRows(tb testing.TB, db *viewdb.DB) {
	tb.Helper()
	cp := db.Checkpoint()
	var n events.Seq
	err := db.Scan([]byte("r"), viewdb.PrefixEnd([]byte("r")), func(key, value []byte) error {
		n++
		if string(key) != string(rowKey(int(n))) || !bytes.Equal(value, rowValue(n)) {
			tb.Errorf("row %d is %q = %.8x...", n, key, value)
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	if n != cp.Seq || (!cp.IsZero() && cp != at(cp.Seq)) {
		tb.Fatalf("%d rows at checkpoint %+v", n, cp)
	}
	last, ok, err := db.Get([]byte("last"))
	if err != nil || ok == cp.IsZero() || ok && string(last) != string(viewdb.AppendSeq(nil, cp.Seq)) {
		tb.Fatalf("last is %x, %v, %v at checkpoint %d", last, ok, err, cp.Seq)
	}
}

func mustSet(tb testing.TB, b *viewdb.Batch, pairs ...string) {
	tb.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if err := b.Set([]byte(pairs[i]), []byte(pairs[i+1])); err != nil {
			tb.Fatal(err)
		}
	}
}

func list(tb testing.TB, r viewdb.Reader) (out []string) {
	tb.Helper()
	err := r.Scan(nil, nil, func(key, value []byte) error {
		out = append(out, string(key)+"="+string(value))
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return out
}
