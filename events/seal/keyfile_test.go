package seal

import (
	"bytes"
	"errors"
	"testing"

	"tenantcatalogue/events"
)

func FuzzKeyFile(f *testing.F) {
	synced := newRecord(recordKey, owner(0), 0)
	header := make([]byte, headerSize)
	two := newRecord(recordKey, owner(1), 1)
	gone := newRecord(recordDestroyed, owner(0), 2)
	f.Add([]byte{}, true)
	f.Add(two[:], false)
	f.Add(append(two[:], gone[:]...), true)
	f.Add(append(gone[:], newRecord(recordClosed, events.Aggregate{}, 2)[:60]...), false)
	f.Fuzz(func(t *testing.T, tail []byte, mendSums bool) {
		for at := 0; mendSums && at+recordSize <= len(tail); at += recordSize {
			(*record)(tail[at:]).sum()
		}
		raw := append(append(bytes.Clone(header), synced[:]...), tail...)
		table, err := readKeyTable(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Error(err)
			}
			return
		}
		if at, known := table.at[owner(0)]; !known || at != 0 && at != destroyed {
			t.Errorf("the record before the tail is lost: %d, %t", at, known)
		}
		if table.records < 1 || recordOffset(table.records) > int64(len(raw)) {
			t.Errorf("%d records in %d bytes", table.records, len(raw))
		}
		for o, at := range table.at {
			if at >= table.records {
				t.Errorf("the key of %s stands behind the end", o)
			}
		}
		for _, at := range table.scrub {
			if at < 0 || at >= table.records {
				t.Errorf("to be overwritten: %d of %d", at, table.records)
			}
		}
	})
}
