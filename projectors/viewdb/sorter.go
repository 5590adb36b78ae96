package viewdb

import (
	"bufio"
	"bytes"
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
	var m merger
	for _, s := range l.sorted {
		if err := m.add(s); err != nil {
			return err
		}
	}
	out := run{load: l}
	for len(m.heads) > 0 {
		// The first of several rows with one key has the highest rank.
		row := m.heads[0].row
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
		if err := m.next(); err != nil {
			return err
		}
	}
	return out.finish()
}

// merger is the first row of each source that has one, as a heap.
type merger struct{ heads []mergeHead }

type mergeHead struct {
	row    sourceRow
	source rowSource
}

// less puts the smallest key first, and of one key the highest rank.
func (m *merger) less(i, j int) bool {
	a, b := &m.heads[i].row, &m.heads[j].row
	if c := bytes.Compare(a.key, b.key); c != 0 {
		return c < 0
	}
	return a.rank > b.rank
}

func (m *merger) swap(i, j int) { m.heads[i], m.heads[j] = m.heads[j], m.heads[i] }

// add takes a source in.
func (m *merger) add(s rowSource) error {
	row, err := s.next()
	if errors.Is(err, io.EOF) && !errors.Is(err, ErrCorrupt) {
		return nil
	}
	m.heads = append(m.heads, mergeHead{row, s})
	for i := len(m.heads) - 1; i > 0 && m.less(i, (i-1)/2); i = (i - 1) / 2 {
		m.swap(i, (i-1)/2)
	}
	return err
}

// next moves the source of the first row on.
func (m *merger) next() error {
	row, err := m.heads[0].source.next()
	switch {
	case err == nil:
		m.heads[0].row = row
	case errors.Is(err, io.EOF) && !errors.Is(err, ErrCorrupt):
		last := len(m.heads) - 1
		m.heads[0] = m.heads[last]
		m.heads = m.heads[:last]
	default:
		return err
	}
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(m.heads); child++ {
			if m.less(child, least) {
				least = child
			}
		}
		if least == i {
			return nil
		}
		m.swap(i, least)
		i = least
	}
}
