package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"tenantcatalogue/catalogue/deletion"
	"tenantcatalogue/events"
	"tenantcatalogue/replay/drill"
)

// TestDrillNotices plays drills in which the wrong list is refused for another reason than
// that it is wrong, or the right one is refused, too.
func TestDrillNotices(t *testing.T) {
	t.Parallel()
	const byCommand, byRequest = 0, 1
	for name, c := range map[string]struct {
		door   int
		spoil  func(ctx context.Context, who *operator, dir string)
		always bool // for the right list, too
		want   string
	}{
		"no key": {
			door: byCommand, spoil: func(_ context.Context, who *operator, dir string) { who.key = filepath.Join(dir, "lost.key") },
			want: "by command: a plan for apps that lists tenants: the answer is exit 2, not exit 4: catalogue: --key",
		},
		"no daemon": {
			door: byCommand, spoil: func(_ context.Context, who *operator, dir string) { who.data = dir },
			want: "by command: a plan for one app each: the answer is exit 1, not exit 4: catalogue: no daemon answers",
		},
		"nobody is there": {
			door: byRequest, spoil: func(_ context.Context, who *operator, _ string) { who.url += "/elsewhere" },
			want: "by request: a plan for apps that lists tenants: the answer is 404, not 422",
		},
		"a key that is on no roster": {
			door: byCommand, always: true,
			spoil: func(ctx context.Context, who *operator, dir string) {
				who.key = filepath.Join(dir, "other.key")
				who.run(ctx, "keygen", "--person", "eve", "--out", who.key)
			},
			want: "a plan that is as it must be, by command: catalogue: the plan does not hold: key",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := openStage(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.close(context.Background()); err != nil {
					t.Error(err)
				}
			})
			spoilt := *s.who
			c.spoil(t.Context(), &spoilt, t.TempDir())
			well, bad := s.Doors[c.door], spoilt.doors()[c.door]
			s.Doors[c.door].Plan = func(ctx context.Context, ask deletion.Ask) (drill.Answer, error) {
				if c.always || ask.Kind == events.DeletionOfApps && strings.HasPrefix(ask.Targets[0].ID, "tenant_") {
					return bad.Plan(ctx, ask)
				}
				return well.Plan(ctx, ask)
			}
			report, err := drill.Run(t.Context(), s.System, drill.Config{Tenants: 80, Deleted: 5, Seed: 1, Mode: events.Rewind}, drill.Tell{})
			if err == nil || report.OK || errors.Is(err, drill.ErrFailed) == c.always || !strings.Contains(err.Error(), c.want) {
				t.Errorf("it says %v, not %q", err, c.want)
			}
		})
	}
}
