package seal_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tenantcatalogue/events/seal"
)

func TestIndex(t *testing.T) {
	t.Parallel()
	s, other := newSealer(t), newSealer(t)
	value := seal.NormalizeEmail("  Anna@Example.NET ")
	h := s.Index(seal.IndexEmail, value)
	if len(h) != seal.IndexSize {
		t.Errorf("%d bytes", len(h))
	}
	if !cmp.Equal(h, s.Index(seal.IndexEmail, "anna@example.net")) {
		t.Error("the same value has another hash")
	}
	for name, same := range map[string][]byte{
		"another kind":  s.Index(seal.IndexPhone, value),
		"another value": s.Index(seal.IndexEmail, "anna@example.ne"),
		"another ring":  other.Index(seal.IndexEmail, value),
	} {
		if cmp.Equal(h, same) {
			t.Errorf("%s has the same hash", name)
		}
	}
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{" +49 (30) 123-456 ": "+4930123456", "030/123": "030123", "+": "+", "٣1": "1", "": ""} {
		if got := seal.NormalizePhone(in); got != want {
			t.Errorf("phone %q: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{" A@B.example\t": "a@b.example", "ÄB@x.example": "äb@x.example", "": ""} {
		if got := seal.NormalizeEmail(in); got != want {
			t.Errorf("e-mail %q: %q, want %q", in, got, want)
		}
	}
}
