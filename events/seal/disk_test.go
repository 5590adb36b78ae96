package seal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestOneProcessAtATime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := open(t, dir)
	if _, err := OpenKeyRing(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	create(t, r, owner(1))
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := r.Create(owner(2)); !errors.Is(err, ErrClosed) {
		t.Errorf("create after close: %v", err)
	}
	if err := r.Destroy(owner(1)); !errors.Is(err, ErrClosed) {
		t.Errorf("destroy after close: %v", err)
	}
	keyOf(t, open(t, dir), owner(1))
}

func TestFilesAreTheirOwnersOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	r := open(t, dir)
	create(t, r, owner(1))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{"": 0o700, masterName: 0o600, keysName: 0o600, lockName: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v, %v", name, info.Mode(), err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, masterName), 0o640); err != nil {
		t.Fatal(err)
	}
	if r, err := OpenKeyRing(dir); err == nil {
		t.Errorf("opened with a master key that others may read: %v", r.Close())
	}
}

// TestTornEnd cuts the file at every byte: the keys before the cut are there.
func TestTornEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := open(t, dir)
	var keys []Key
	for _, o := range owners(3) {
		create(t, r, o)
		keys = append(keys, keyOf(t, r, o))
	}
	raw := keyBytes(t, dir)
	for n := range len(raw) + 1 {
		crashed := copyRing(t, dir, raw[:n])
		r, err := OpenKeyRing(crashed)
		if n < headerSize {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("cut to %d: %v", n, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut to %d: %v", n, err)
		}
		whole := (n - headerSize) / recordSize
		for i, o := range owners(3) {
			key, err := r.Key(o)
			if i < whole && (err != nil || key != keys[i]) || i >= whole && !errors.Is(err, ErrNoKey) {
				t.Fatalf("cut to %d: key %d: %v", n, i, err)
			}
		}
		create(t, r, owners(4)...)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		again := open(t, crashed)
		for i, o := range owners(4) {
			if key := keyOf(t, again, o); i < whole && key != keys[i] {
				t.Fatalf("cut to %d, written to and opened again: key %d has changed", n, i)
			}
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDamage flips bits and looks what is a torn end and what is damage.
func TestDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := open(t, dir)
	create(t, r, owner(0))
	create(t, r, owner(1))
	killed := keyBytes(t, dir)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	closed := keyBytes(t, dir)
	flip := func(raw []byte, at int) []byte {
		raw = bytes.Clone(raw)
		raw[at] ^= 0x10
		return raw
	}
	second := headerSize + recordSize
	tests := []struct {
		name  string
		keys  []byte
		err   error
		whole int
	}{
		{"killed", killed, nil, 2},
		{"closed", closed, nil, 2},
		{"torn end of zeros", append(bytes.Clone(killed), make([]byte, 3*recordSize+5)...), nil, 2},
		{"the last record before a kill", flip(killed, second+nonceAt), nil, 1},
		{"the last record before a close", flip(closed, second+nonceAt), ErrCorrupt, 0},
		{"no header", nil, ErrCorrupt, 0},
		{"magic", flip(killed, 3), ErrCorrupt, 0},
		{"master key", flip(killed, len(keyMagic)+3), ErrCorrupt, 0},
		{"a key twice", append(bytes.Clone(killed), killed[second:]...), ErrCorrupt, 0},
	}
	for at := headerSize; at < second; at++ {
		tests = append(tests, tests[3])
		last := &tests[len(tests)-1]
		last.name, last.keys, last.err = fmt.Sprint("a record that was built upon, byte ", at), flip(killed, at), ErrCorrupt
	}
	for _, tt := range tests {
		r, err := OpenKeyRing(copyRing(t, dir, tt.keys))
		if !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.err)
		}
		if err != nil {
			continue
		}
		for i, o := range owners(2) {
			if _, err := r.Key(o); (err == nil) != (i < tt.whole) {
				t.Errorf("%s: key %d: %v", tt.name, i, err)
			}
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAFileIsMissing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{masterName, keysName} {
		dir := t.TempDir()
		r := open(t, dir)
		create(t, r, owner(1))
		if err := errors.Join(r.Close(), os.Remove(filepath.Join(dir, name))); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenKeyRing(dir); !errors.Is(err, ErrCorrupt) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	dir := t.TempDir()
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, keysName), keyBytes(t, dir)[:headerSize], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, masterName)); err != nil {
		t.Fatal(err)
	}
	create(t, open(t, dir), owner(1)) // a crash while the ring was being begun
}

// TestDestroyedKeyLeavesTheFile also crashes at every byte of the overwriting.
func TestDestroyedKeyLeavesTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := open(t, dir)
	create(t, r, owner(0))
	create(t, r, owner(1))
	kept := keyOf(t, r, owner(1))
	before := keyBytes(t, dir)
	old := before[headerSize : headerSize+recordSize]
	if err := r.Destroy(owner(0), owner(2)); err != nil {
		t.Fatal(err)
	}
	after := keyBytes(t, dir)
	secret := old[wrappedAt:crcAt]
	if !bytes.Contains(before, secret) || bytes.Contains(after, secret) {
		t.Fatal("the wrapped key is still in the file")
	}
	for n := range recordSize + 1 {
		crashed := bytes.Clone(after)
		copy(crashed[headerSize+n:], old[n:])
		at := copyRing(t, dir, crashed)
		r := open(t, at)
		for i, want := range []error{ErrErased, nil, ErrErased, ErrNoKey} {
			if _, err := r.Key(owner(i)); !errors.Is(err, want) {
				t.Fatalf("crash at %d: key %d: %v, want %v", n, i, err, want)
			}
		}
		if keyOf(t, r, owner(1)) != kept {
			t.Fatalf("crash at %d: the neighbour's key has changed", n)
		}
		left := keyBytes(t, at)[headerSize:][nonceAt:crcAt]
		if !bytes.Equal(left, make([]byte, len(left))) {
			t.Fatalf("crash at %d: some of the key is still in the file", n)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
