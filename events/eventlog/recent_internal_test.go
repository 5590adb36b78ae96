package eventlog

import (
	"testing"

	"tenantcatalogue/events"
)

func stretchOf(first events.Seq, n, size int) (out []events.Stored) {
	for i := range n {
		out = append(out, events.Stored{Seq: first + events.Seq(i), Data: make([]byte, size)})
	}
	return out
}

func TestRecent(t *testing.T) {
	t.Parallel()
	var r recent
	check := func(what string, after events.Seq, limit int, first events.Seq, n int, last bool) {
		t.Helper()
		got, atEnd := r.after(after, limit)
		if len(got) != n || atEnd != last || n > 0 && got[0].Seq != first {
			t.Errorf("%s: after %d: %d events, %v", what, after, len(got), atEnd)
		}
		for i, s := range got {
			if s.Seq != first+events.Seq(i) {
				t.Fatalf("%s: after %d: event %d is %d", what, after, i, s.Seq)
			}
		}
	}
	check("nothing", 0, 10, 0, 0, false)
	r.add(stretchOf(5, 3, 1))
	check("before it", 3, 10, 0, 0, false)
	check("all", 4, 10, 5, 3, false)
	check("some", 4, 2, 5, 2, false)
	check("the rest", 6, 10, 7, 1, false)
	check("the end", 7, 10, 0, 0, true)
	check("beyond it", 8, 10, 0, 0, false)
	r.add(stretchOf(8, 2, 1))
	check("more", 4, 10, 5, 5, false)
	r.add(stretchOf(2, 2, 1))
	check("overtaken", 4, 10, 5, 5, false)
	r.add(stretchOf(20, 2, 1))
	check("a gap", 8, 10, 0, 0, false)
	check("behind the gap", 19, 10, 20, 2, false)

	r.add(stretchOf(22, recentEvents, 1))
	check("too many", 21, 1, 22, 1, false)
	check("dropped", 20, 1, 0, 0, false)
	next := events.Seq(22 + recentEvents)
	for range 20 {
		r.add(stretchOf(next, 1, recentBytes/8))
		next++
	}
	if len(r.events) > 8 || r.bytes > recentBytes {
		t.Errorf("%d events of %d bytes are kept", len(r.events), r.bytes)
	}
	check("large ones", next-9, 10, next-8, 8, false)
	r.add(stretchOf(next, 1, 2*recentBytes))
	check("one that is too large", next-1, 10, 0, 0, false)
	r.add(stretchOf(next+1, 1, 1))
	check("after that", next, 10, next+1, 1, false)
}
