package inorder_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"tenantcatalogue/replay/internal/inorder"
)

var errTest = errors.New("test")

// TestCount holds the order and the end: with the first error in order, whoever
// makes it, and after it nothing.
func TestCount(t *testing.T) {
	t.Parallel()
	const n = 500
	for _, test := range []struct {
		name           string
		workAt, eachAt int // fails; n: never
		panics         bool
		handed         int
	}{
		{"all", n, n, false, n},
		{"work fails", 77, n, false, 77},
		{"each fails", n, 77, false, 78},
		{"work fails first", 10, 20, false, 10},
		{"each fails first", 20, 10, false, 11},
		{"work panics", 77, n, true, 77},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var working atomic.Int64
			handed := 0
			err := inorder.Count(n, func(i int) (string, error) {
				working.Add(1)
				defer working.Add(-1)
				switch {
				case i >= test.workAt && test.panics:
					panic(errTest)
				case i >= test.workAt:
					return "", fmt.Errorf("%w: work %d", errTest, i)
				}
				return fmt.Sprint(i), nil
			}, func(i int, out string) error {
				if i != handed || out != fmt.Sprint(i) {
					t.Errorf("%d comes with %q after %d others", i, out, handed)
				}
				handed++
				if i == test.eachAt {
					return fmt.Errorf("%w: each %d", errTest, i)
				}
				return nil
			})
			if handed != test.handed || working.Load() != 0 {
				t.Errorf("%d are handed over, not %d; %d are still worked at", handed, test.handed, working.Load())
			}
			switch first := min(test.workAt, test.eachAt); {
			case first == n && err != nil:
				t.Error(err)
			case test.panics:
				if err == nil || !strings.Contains(err.Error(), "panic") {
					t.Error(err)
				}
			case first < n && (!errors.Is(err, errTest) || !strings.HasSuffix(err.Error(), fmt.Sprint(" ", first))):
				t.Error(err)
			}
		})
	}
}

// TestGiveFails hands over what was given before the error.
func TestGiveFails(t *testing.T) {
	t.Parallel()
	sum := 0
	err := inorder.Do(func(hand func(int) error) error {
		return errors.Join(hand(1), hand(2), errTest)
	}, func(i int) (int, error) { return 10 * i, nil }, func(i int) error { sum += i; return nil })
	if !errors.Is(err, errTest) || sum != 30 {
		t.Errorf("%d, %v", sum, err)
	}
}
