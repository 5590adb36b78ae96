package viewdb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"tenantcatalogue/events"
)

// MetaPrefix is the prefix byte of the store's own rows; every other one is
// the view's to use.
const MetaPrefix = 0x00

// firstKey is the smallest key a view can use.
var firstKey = []byte{MetaPrefix + 1}

var (
	checkpointKey = []byte{MetaPrefix, 'c'}
	formatKey     = []byte{MetaPrefix, 'f'}
)

func checkKey(key []byte) error {
	if len(key) == 0 {
		return fmt.Errorf("%w: it is empty", ErrKey)
	}
	if key[0] == MetaPrefix {
		return fmt.Errorf("%w: %x starts with the store's own prefix byte 0", ErrKey, key)
	}
	return nil
}

// PrefixEnd is the smallest key above all keys that start with prefix, for use
// as the upper bound of a scan. It is nil, which means no bound, when there is
// no such key (the prefix is empty or all 0xff).
func PrefixEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			end := bytes.Clone(prefix[:i+1])
			end[i]++
			return end
		}
	}
	return nil
}

// AppendSeq appends a Seq as 8 bytes that sort as the number does.
func AppendSeq(key []byte, seq events.Seq) []byte {
	return binary.BigEndian.AppendUint64(key, uint64(seq))
}

// CutSeq reads a Seq from the front of a key and gives what follows; the error
// matches ErrCorrupt.
func CutSeq(key []byte) (seq events.Seq, rest []byte, err error) {
	if len(key) < 8 {
		return 0, nil, fmt.Errorf("%w: %d bytes of a key where 8 of a seq are wanted", ErrCorrupt, len(key))
	}
	return events.Seq(binary.BigEndian.Uint64(key)), key[8:], nil
}

// Strings in keys: a NUL becomes 0x00 0xff and the end is 0x00 0x01, so that a
// string sorts before its extensions whatever follows it.
const (
	escape     = 0x00
	escapedNUL = 0xff
	terminator = 0x01
)

// AppendString appends a string of any bytes so that composite keys sort field
// by field and two different lists of fields never make the same key.
func AppendString[S ~string | ~[]byte](key []byte, s S) []byte {
	key = slices.Grow(key, len(s)+2)
	for i := range len(s) {
		if s[i] == escape {
			key = append(key, escape, escapedNUL)
			continue
		}
		key = append(key, s[i])
	}
	return append(key, escape, terminator)
}

// CutString reads a string AppendString wrote from the front of a key and
// gives what follows; the error matches ErrCorrupt.
func CutString(key []byte) (s string, rest []byte, err error) {
	var out []byte
	for {
		i := bytes.IndexByte(key, escape)
		if i < 0 || i+1 == len(key) {
			return "", nil, fmt.Errorf("%w: a string in a key has no end", ErrCorrupt)
		}
		out = append(out, key[:i]...)
		mark := key[i+1]
		key = key[i+2:]
		switch mark {
		case terminator:
			return string(out), key, nil
		case escapedNUL:
			out = append(out, escape)
		default:
			return "", nil, fmt.Errorf("%w: a string in a key has the escape %#x", ErrCorrupt, mark)
		}
	}
}
