package watch_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"tenantcatalogue/events"
	"tenantcatalogue/watch"
)

// TestBehind asks once a second.
func TestBehind(t *testing.T) {
	t.Parallel()
	var b watch.Behind
	now := time.Date(2022, 4, 5, 7, 38, 0, 0, time.UTC)
	for i, step := range []struct {
		head, reader events.Seq
		want         int // seconds
	}{
		{0, 0, 0},
		{5, 5, 0},
		{9, 5, 0},
		{9, 6, 1},
		{20, 8, 2},
		{30, 9, 1},  // the head of then is reached, the next is a second old
		{30, 29, 1}, // another, which was seen a second ago
		{30, 30, 0}, // all of it
		{30, 31, 0}, // further than was seen
		{40, 30, 0},
	} {
		if got := b.For(step.head, step.reader, now); got != time.Duration(step.want)*time.Second {
			t.Errorf("step %d: behind for %s, want %d s", i, got, step.want)
		}
		now = now.Add(time.Second)
	}
}

// A reader that keeps a constant distance in time is found to be that far behind, however
// fast the log grows; one that stands still is further behind with every second, for ever.
func TestBehindProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var b watch.Behind
		late, still := rapid.IntRange(0, 60).Draw(t, "late"), rapid.IntRange(0, 2000).Draw(t, "still")
		now := time.Date(2022, 4, 5, 7, 38, 0, 0, time.UTC)
		heads := []events.Seq{1}
		for range 100 {
			heads = append(heads, heads[len(heads)-1]+events.Seq(rapid.IntRange(1, 1000).Draw(t, "new")))
			now = now.Add(time.Second)
			reader := heads[max(0, len(heads)-1-late)]
			want := time.Duration(max(0, min(late-1, len(heads)-2))) * time.Second
			if got := b.For(heads[len(heads)-1], reader, now); got != want {
				t.Fatalf("%d s late, after %d s: %s, want %s", late, len(heads)-1, got, want)
			}
		}
		reader := heads[max(0, len(heads)-1-late)]
		was := b.For(heads[len(heads)-1]+1, reader, now)
		for range still {
			now = now.Add(time.Second)
			heads = append(heads, heads[len(heads)-1]+1)
			got := b.For(heads[len(heads)-1], reader, now)
			if was += time.Second; got != was {
				t.Fatalf("it stands still: %s, want %s", got, was)
			}
		}
	})
}
