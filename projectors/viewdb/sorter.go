package viewdb

import (
	"bufio"
	"bytes"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// sortBytes bounds what a part of a load holds in memory to sort; what is more
// goes to disk, in sorted pieces that are merged in the end.
const sortBytes = 16 << 20

// sorter takes rows in any order.
type sorter struct {
	load *Load
	rows []sortRow
	text []byte
}

// sortRow is where a row stands in the sorter's text: rank, key and value.
type sortRow struct {
	first      uint64 // the first bytes of the key, which nearly always decide
	at         uint32
	key, value uint32 // lengths
}

const (
	rankBytes    = 8
	sortRowBytes = 24
)

func (s *sorter) add(key, value []byte, rank uint64) error {
	if len(s.text)+sortRowBytes*len(s.rows) >= sortBytes {
		if err := s.spill(); err != nil {
			return err
		}
	}
	s.rows = doubled(s.rows, 1)
	s.text = doubled(s.text, rankBytes+len(key)+len(value))
	s.rows = append(s.rows, sortRow{first: firstBytes(key), at: uint32(len(s.text)), key: uint32(len(key)), value: uint32(len(value))})
	s.text = binary.BigEndian.AppendUint64(s.text, rank)
	s.text = append(append(s.text, key...), value...)
	return nil
}

// doubled makes room for n more; append grows large slices by a quarter only.
func doubled[T any](list []T, n int) []T {
	if cap(list)-len(list) >= n {
		return list
	}
	return slices.Grow(list, max(n, cap(list)))
}

func firstBytes(key []byte) uint64 {
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

func (s *sorter) keyOf(r sortRow) []byte {
	at := r.at + rankBytes
	return s.text[at : at+r.key]
}

// sort puts the rows in the order of their keys, the highest rank first.
func (s *sorter) sort() {
	slices.SortFunc(s.rows, func(a, b sortRow) int {
		switch {
		case a.first < b.first:
			return -1
		case a.first > b.first:
			return 1
		}
		if c := bytes.Compare(s.keyOf(a), s.keyOf(b)); c != 0 {
			return c
		}
		return bytes.Compare(s.text[b.at:b.at+rankBytes], s.text[a.at:a.at+rankBytes])
	})
}

// spill writes what is in memory to a file, sorted.
func (s *sorter) spill() error {
	s.sort()
	l := s.load
	name := l.file(".rows")
	f, err := l.db.fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	var head []byte
	for _, r := range s.rows {
		head = binary.AppendUvarint(head[:0], uint64(r.key))
		head = binary.AppendUvarint(head, uint64(r.value))
		_, _ = w.Write(head) // a Writer keeps its first error for Flush
		_, _ = w.Write(s.text[r.at : r.at+rankBytes+r.key+r.value])
	}
	s.rows, s.text = s.rows[:0], s.text[:0]
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		return err
	}
	if f, err = l.db.fs.Open(name, vfs.SequentialReadsOption); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sorted = append(l.sorted, &spilled{file: f, from: bufio.NewReaderSize(f, 256<<10)})
	return nil
}

// finish hands what is in memory to the load, sorted.
func (s *sorter) finish() error {
	if len(s.rows) == 0 {
		return nil
	}
	s.sort()
	l := s.load
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sorted = append(l.sorted, &kept{sorter: *s})
	*s = sorter{load: l}
	return nil
}

// sourceRow is a row in a source of sorted rows; valid until the next one.
type sourceRow struct {
	key, value []byte
	rank       uint64
}

// rowSource gives sorted rows, and io.EOF after the last one.
type rowSource interface {
	next() (sourceRow, error)
	close() error
}

// kept is a source in memory.
type kept struct {
	sorter
	at int
}

func (k *kept) next() (sourceRow, error) {
	if k.at == len(k.rows) {
		return sourceRow{}, io.EOF
	}
	r := k.rows[k.at]
	k.at++
	raw := k.text[r.at : r.at+rankBytes+r.key+r.value]
	return sourceRow{key: raw[rankBytes : rankBytes+r.key], value: raw[rankBytes+r.key:], rank: binary.BigEndian.Uint64(raw)}, nil
}

func (k *kept) close() error { return nil }

// spilled is a source on disk.
type spilled struct {
	file vfs.File
	from *bufio.Reader
	raw  []byte
}

func (s *spilled) next() (sourceRow, error) {
	key, err := binary.ReadUvarint(s.from)
	if err != nil {
		return sourceRow{}, err // io.EOF between two rows
	}
	value, err := binary.ReadUvarint(s.from)
	if err == nil {
		s.raw = slices.Grow(s.raw[:0], rankBytes+int(key+value))[:rankBytes+key+value]
		_, err = io.ReadFull(s.from, s.raw)
	}
	if err != nil {
		return sourceRow{}, fmt.Errorf("%w: a file of sorted rows ends early: %w", ErrCorrupt, err)
	}
	return sourceRow{key: s.raw[rankBytes : rankBytes+key], value: s.raw[rankBytes+key:], rank: binary.BigEndian.Uint64(s.raw)}, nil
}

func (s *spilled) close() error { return s.file.Close() }

// merge writes the rows of all sources into tables.
func (l *Load) merge() error {
	h := &mergeHeap{}
	for _, s := range l.sorted {
		if err := h.add(s); err != nil {
			return err
		}
	}
	heap.Init(h)
	out := run{load: l}
	for len(*h) > 0 {
		// The first of several rows with one key has the highest rank.
		row := (*h)[0].row
		if !bytes.Equal(row.key, out.last) {
			if len(out.last) > 0 && out.last[0] != row.key[0] {
				if err := out.finish(); err != nil {
					return err
				}
			}
			if err := out.set(row.key, row.value); err != nil {
				return err
			}
		}
		if err := h.next(); err != nil {
			return err
		}
	}
	return out.finish()
}

type merging struct {
	row    sourceRow
	source rowSource
}

type mergeHeap []merging

func (h mergeHeap) Len() int      { return len(h) }
func (h mergeHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h mergeHeap) Less(i, j int) bool {
	if c := bytes.Compare(h[i].row.key, h[j].row.key); c != 0 {
		return c < 0
	}
	return h[i].row.rank > h[j].row.rank
}

// Push and Pop make it a heap.Interface.
func (h *mergeHeap) Push(x any) { *h = append(*h, x.(merging)) } //nolint:forcetypeassert // ours

// Pop takes the last one.
func (h *mergeHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// add reads the first row of a source.
func (h *mergeHeap) add(s rowSource) error {
	row, err := s.next()
	if errors.Is(err, io.EOF) && !errors.Is(err, ErrCorrupt) {
		return nil
	}
	*h = append(*h, merging{row, s})
	return err
}

// next moves the source of the first row on.
func (h *mergeHeap) next() error {
	row, err := (*h)[0].source.next()
	switch {
	case err == nil:
		(*h)[0].row = row
		heap.Fix(h, 0)
	case errors.Is(err, io.EOF) && !errors.Is(err, ErrCorrupt):
		heap.Pop(h)
	default:
		return err
	}
	return nil
}
