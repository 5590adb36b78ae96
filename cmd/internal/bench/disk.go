package bench

import (
	"context"
	"io/fs"
	"path/filepath"
)

func diskRows() []Row {
	return []Row{{
		Name: "disk", What: "bytes on disk for each event",
		Figures: []Figure{
			{Name: "log", Unit: "B/event", Baseline: "PostgreSQL events table", Rival: "events_table_bytes", Target: ratioAtMost(1.5)},
			{Name: "all", Unit: "B/event", Baseline: "the log", Target: ratioAtMost(2.5)},
			{Name: "history", Unit: "B/event"},
			{Name: "views", Unit: "B/event"},
			{Name: "heads", Unit: "B/event"},
		},
		Run: disk,
	}}
}

func disk(ctx context.Context, e *Env) ([]Value, error) {
	if err := e.stop(ctx); err != nil {
		return nil, err
	}
	var perEvent [4]float64
	for i, part := range []string{"nats", "views/history", "views", "heads"} {
		bytes, err := used(filepath.Join(e.Data(), part))
		if err != nil {
			return nil, err
		}
		perEvent[i] = float64(bytes) / float64(e.Events)
	}
	log, history, views, heads := perEvent[0], perEvent[1], perEvent[2]-perEvent[1], perEvent[3]
	return []Value{{Value: log}, {log + history + views + heads, log}, {Value: history}, {Value: views}, {Value: heads}}, nil
}

// used is how many bytes a directory holds. Space that write-ahead logs have set
// aside and not used is not counted: it is the same however many events there are.
func used(dir string) (bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return err
	})
	return bytes, err
}
