package seal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"tenantcatalogue/events"
)

func owner(n int) events.Aggregate {
	return events.OfTenant(events.DeriveID[events.TenantID](fmt.Sprint(n)))
}

func owners(n int) (out []events.Aggregate) {
	for i := range n {
		out = append(out, owner(i))
	}
	return out
}

func open(tb testing.TB, dir string) *DiskRing {
	tb.Helper()
	r, err := OpenKeyRing(dir)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = r.Close() })
	return r
}

func create(tb testing.TB, r KeyRing, of ...events.Aggregate) {
	tb.Helper()
	if err := r.Create(of...); err != nil {
		tb.Fatal(err)
	}
}

func keyOf(tb testing.TB, r KeyRing, of events.Aggregate) Key {
	tb.Helper()
	key, err := r.Key(of)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func keyBytes(tb testing.TB, dir string) []byte {
	tb.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, keysName))
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

// copyRing makes a directory with the same master key and the given key file,
// as a crash or a bad disk would leave them.
func copyRing(tb testing.TB, from string, keys []byte) string {
	tb.Helper()
	to := tb.TempDir()
	master, err := os.ReadFile(filepath.Join(from, masterName))
	if err != nil {
		tb.Fatal(err)
	}
	for name, content := range map[string][]byte{masterName: master, keysName: keys} {
		if err := os.WriteFile(filepath.Join(to, name), content, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return to
}

// TestRings holds both rings against a model.
func TestRings(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(*rapid.T) (KeyRing, func() KeyRing){
		"memory": func(t *rapid.T) (KeyRing, func() KeyRing) {
			r, err := NewMemoryRing(bytes.NewReader(make([]byte, 32)))
			if err != nil {
				t.Fatal(err)
			}
			return r, func() KeyRing { return r }
		},
		"disk": func(rt *rapid.T) (KeyRing, func() KeyRing) {
			dir := t.TempDir()
			r := open(t, dir)
			return r, func() KeyRing {
				if err := r.Close(); err != nil {
					rt.Fatal(err)
				}
				r = open(t, dir)
				return r
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { holdAgainstModel(t, begin) })
		})
	}
}

func holdAgainstModel(t *rapid.T, begin func(*rapid.T) (KeyRing, func() KeyRing)) {
	ring, reopen := begin(t)
	index := ring.IndexKey()
	live, gone := map[events.Aggregate]Key{}, map[events.Aggregate]bool{}
	some := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) events.Aggregate { return owner(rapid.IntRange(0, 5).Draw(t, "owner")) }), 0, 4)
	t.Repeat(map[string]func(*rapid.T){
		"create": func(t *rapid.T) {
			of := some.Draw(t, "of")
			err := ring.Create(of...)
			for _, o := range of {
				if gone[o] {
					if !errors.Is(err, ErrErased) {
						t.Fatalf("create for an erased owner: %v", err)
					}
					return
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range of {
				if _, known := live[o]; known {
					continue
				}
				key, err := ring.Key(o)
				if err != nil {
					t.Fatal(err)
				}
				live[o] = key
			}
		},
		"destroy": func(t *rapid.T) {
			of := some.Draw(t, "of")
			if err := ring.Destroy(of...); err != nil {
				t.Fatal(err)
			}
			for _, o := range of {
				delete(live, o)
				gone[o] = true
			}
		},
		"reopen": func(*rapid.T) { ring = reopen() },
		"": func(t *rapid.T) {
			if ring.IndexKey() != index {
				t.Fatal("the index key has changed")
			}
			for _, o := range owners(6) {
				key, err := ring.Key(o)
				want, known := live[o]
				switch {
				case known && (err != nil || key != want):
					t.Fatalf("key of a live owner has changed: %v", err)
				case gone[o] && !errors.Is(err, ErrErased), !known && !gone[o] && !errors.Is(err, ErrNoKey):
					t.Fatalf("gone %t: %v", gone[o], err)
				}
			}
		},
	})
}

func TestOnlyTenantsAndAccountsHaveKeys(t *testing.T) {
	t.Parallel()
	memory, err := NewMemoryRing(bytes.NewReader(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []KeyRing{memory, open(t, t.TempDir())} {
		for _, bad := range []events.Aggregate{{}, events.OfClaim(events.ClaimURL, "a.example.net")} {
			if err := r.Create(owner(1), bad); !errors.Is(err, ErrOwner) {
				t.Errorf("%T, create: %v", r, err)
			}
			if err := r.Destroy(bad); !errors.Is(err, ErrOwner) {
				t.Errorf("%T, destroy: %v", r, err)
			}
		}
		if _, err := r.Key(owner(1)); !errors.Is(err, ErrNoKey) {
			t.Errorf("%T: a refused call made a key: %v", r, err)
		}
	}
	if _, err := NewMemoryRing(bytes.NewReader(nil)); err == nil {
		t.Error("a ring without a seed")
	}
}
