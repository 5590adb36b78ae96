package catalogue_test

import (
	"testing"

	"tenantcatalogue/catalogue"
)

func BenchmarkContentHash(b *testing.B) {
	e := aTenant(1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := catalogue.ContentHash(e); err != nil {
			b.Fatal(err)
		}
	}
}
