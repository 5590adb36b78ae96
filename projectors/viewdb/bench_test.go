package viewdb_test

import (
	"testing"

	"tenantcatalogue/events"
	"tenantcatalogue/projectors/viewdb"
)

const benchRows = 100_000

var benchValue = make([]byte, 200)

func benchView(b *testing.B) *viewdb.DB {
	b.Helper()
	cfg := config(b.TempDir(), nil)
	cfg.MemTableBytes = 0
	cfg.Shared = viewdb.NewShared(128 << 20)
	b.Cleanup(cfg.Shared.Close)
	db := open(b, cfg)
	batch := db.NewBatch()
	for i := range benchRows {
		if err := batch.Set(rowKey(i), benchValue); err != nil {
			b.Fatal(err)
		}
	}
	if err := batch.Commit(at(1)); err != nil {
		b.Fatal(err)
	}
	if err := db.Flush(); err != nil {
		b.Fatal(err)
	}
	return db
}

func BenchmarkCommit1000Rows(b *testing.B) {
	cfg := config(b.TempDir(), nil)
	cfg.MemTableBytes = 0
	db := open(b, cfg)
	batch := db.NewBatch()
	var seq events.Seq
	for b.Loop() {
		for range 1000 {
			seq++
			if err := batch.Set(viewdb.AppendSeq([]byte{1}, seq), benchValue); err != nil {
				b.Fatal(err)
			}
		}
		if err := batch.Commit(at(seq)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(seq)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkGet(b *testing.B) {
	db := benchView(b)
	i := 0
	for b.Loop() {
		i = (i + 7919) % benchRows
		if _, ok, err := db.Get(rowKey(i)); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkGetThroughBatch(b *testing.B) {
	db := benchView(b)
	batch := db.NewBatch()
	for i := range 1000 {
		if err := batch.Set(rowKey(i), benchValue); err != nil {
			b.Fatal(err)
		}
	}
	i := 0
	for b.Loop() {
		i = (i + 7919) % benchRows
		if _, ok, err := batch.Get(rowKey(i)); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	db := benchView(b)
	rows := 0
	for b.Loop() {
		err := db.Scan(nil, nil, func(_, _ []byte) error { rows++; return nil })
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkLoad(b *testing.B) {
	rows := 0
	for b.Loop() {
		db := open(b, config(b.TempDir(), nil))
		err := load(db, at(1), func(l *viewdb.Load) error {
			p := l.Part()
			for i := range benchRows {
				if err := p.Set(rowKey(i), benchValue); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		rows += benchRows
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}
