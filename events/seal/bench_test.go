package seal

import (
	"fmt"
	"sync"
	"testing"

	"tenantcatalogue/events"
)

func BenchmarkSeal(b *testing.B) {
	for _, owners := range []int{1, 100_000} {
		b.Run(fmt.Sprint("owners=", owners), func(b *testing.B) {
			s := benchSealer(b, owners)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				if _, err := s.SealNew(granted(owner(i % owners))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	s := benchSealer(b, 1)
	e, err := s.SealNew(granted(owner(0)))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.OpenEvent(e); err != nil {
			b.Fatal(err)
		}
	}
}

func benchSealer(b *testing.B, n int) *Sealer {
	b.Helper()
	r := open(b, b.TempDir())
	create(b, r, owners(n)...)
	return New(r)
}

func granted(o events.Aggregate) events.Event {
	return events.Event{About: o, Payload: events.IdentityMemberGranted{User: "u", Name: "Anna Example", Email: "anna@example.net"}}
}

// BenchmarkCreate makes durable keys, one a call, from many callers.
func BenchmarkCreate(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprint("callers=", callers), func(b *testing.B) {
			r := open(b, b.TempDir())
			all := make(chan events.Aggregate)
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for o := range all {
						if err := r.Create(o); err != nil {
							b.Error(err)
						}
					}
				})
			}
			i := 0
			for b.Loop() {
				i++
				all <- owner(i)
			}
			close(all)
			wg.Wait()
		})
	}
}

// BenchmarkOpenKeyRing opens a ring of 100,000 keys.
func BenchmarkOpenKeyRing(b *testing.B) {
	dir := b.TempDir()
	r := open(b, dir)
	create(b, r, owners(100_000)...)
	if err := r.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		r, err := OpenKeyRing(dir)
		if err != nil {
			b.Fatal(err)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
