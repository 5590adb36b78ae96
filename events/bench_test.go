package events_test

import (
	"testing"

	"tenantcatalogue/events"
)

// typical is what most of a log consists of.
var typical = []events.Type{
	"tenant.created.v1", "product.activated.v1", "product.license_updated.v2", "app.installed.v1",
	"identity.member_granted.v1", "tenant.usage_reported.v1",
}

func eachTypical(b *testing.B, bench func(b *testing.B, g golden)) {
	b.Helper()
	for _, eventType := range typical {
		g := readGolden(b, eventType)
		b.Run(string(eventType), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(g.stored.Data)))
			bench(b, g)
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	eachTypical(b, func(b *testing.B, g golden) {
		b.Helper()
		for b.Loop() {
			if _, err := events.Encode(g.event); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	eachTypical(b, func(b *testing.B, g golden) {
		b.Helper()
		for b.Loop() {
			if _, err := events.Decode(g.stored); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRolling(b *testing.B) {
	eachTypical(b, func(b *testing.B, g golden) {
		b.Helper()
		var r events.Rolling
		for b.Loop() {
			r = r.Add(g.stored)
		}
	})
}

func BenchmarkEntity(b *testing.B) {
	entity := events.Product{
		ID: events.DeriveID[events.ProductID]("p"), Name: "issue-tracker", Status: events.ProductStatusActive, Edition: "premium", Seats: 500, Licensed: true,
	}
	raw, err := events.EncodeEntity(entity)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := events.EncodeEntity(entity); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := events.DecodeEntity(events.EntityProduct, raw); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkParseID(b *testing.B) {
	text := aTenant().String()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := events.ParseID[events.TenantID](text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIDString(b *testing.B) {
	id := aTenant()
	b.ReportAllocs()
	for b.Loop() {
		_ = id.String()
	}
}

func BenchmarkParseSubject(b *testing.B) {
	subject := events.OfTenant(aTenant()).Subject()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := events.ParseSubject(subject); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSubject(b *testing.B) {
	about := events.OfTenant(aTenant())
	b.ReportAllocs()
	for b.Loop() {
		_ = about.Subject()
	}
}
