package events_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tenantcatalogue/events"
)

func TestPage(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.Uint64Range(1, 1<<60).Draw(t, "first")
		list := make([]events.Stored, rapid.IntRange(0, 20).Draw(t, "events"))
		for i := range list {
			list[i] = events.Stored{
				Seq: events.Seq(first) + events.Seq(i), ID: events.DeriveID[events.EventID](fmt.Sprint(i)),
				Type: events.Type(rapid.String().Draw(t, "type")), Source: rapid.String().Draw(t, "source"),
				Data: rapid.SliceOf(rapid.Byte()).Draw(t, "data"),
			}
			if rapid.Bool().Draw(t, "ours") {
				list[i].About = events.OfTenant(events.DeriveID[events.TenantID](fmt.Sprint(i % 3)))
			}
		}
		raw := events.AppendPage([]byte("before"), list)
		got, err := events.ParsePage(nil, raw[len("before"):])
		if d := cmp.Diff(text(list), text(got)); err != nil || d != "" {
			t.Fatalf("%v (-want +got)\n%s", err, d)
		}
		cut := rapid.IntRange(len("before"), len(raw)-1).Draw(t, "cut")
		if got, err := events.ParsePage(list[:0:0], raw[len("before"):cut]); !errors.Is(err, events.ErrMalformed) || len(got) != 0 {
			t.Fatalf("cut at %d of %d: %d events, %v", cut, len(raw), len(got), err)
		}
	})
}

func text(list []events.Stored) (out []string) {
	for _, s := range list {
		out = append(out, fmt.Sprintf("%d %s %s %q %q %x", s.Seq, s.About, s.ID, s.Type, s.Source, s.Data))
	}
	return out
}

func FuzzParsePage(f *testing.F) {
	f.Add(events.AppendPage(nil, nil))
	f.Add(events.AppendPage(nil, []events.Stored{{Seq: 7, Type: "t", Source: "s", Data: []byte("data")}, {Seq: 8}}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, err := events.ParsePage(nil, raw)
		if err != nil {
			return
		}
		again, err := events.ParsePage(nil, events.AppendPage(nil, list))
		if err != nil || !cmp.Equal(text(list), text(again)) {
			t.Fatalf("%x: %v", raw, err)
		}
	})
}
