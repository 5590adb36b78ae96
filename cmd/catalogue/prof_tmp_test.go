package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"tenantcatalogue/cmd/internal/daemon"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/replay/drill"
)

func TestProfTmp(t *testing.T) {
	clock := drill.NewClock(drill.Begins, time.Now)
	sys, err := daemon.Open(context.Background(), daemon.Config{Clock: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	line := func(format string, args ...any) {
		s := fmt.Sprintf(format, args...)
		fmt.Println(s)
		if strings.HasPrefix(s, "a month") || strings.HasPrefix(s, "restore,") || strings.HasPrefix(s, "rebuild") || strings.Contains(s, "are back in every") {
			pprof.StopCPUProfile()
			n++
			f, _ := os.Create(fmt.Sprintf("/tmp/phase%d.prof", n))
			_ = pprof.StartCPUProfile(f)
		}
	}
	rep, err := drill.Run(context.Background(), drill.System{
		Service: sys.Service, Runner: sys.Runner, Engine: newEngine(sys, clock.Now), Log: sys.Log, Identity: sys.Identity,
		Clock: clock, Tenants: sys.Homes[tenants.Name], Scratch: scratchViews(filepath.Join(sys.Dir, "scratch")),
	}, drill.Config{Tenants: 6000, Deleted: 883, Seed: 1, Mode: "rewind"}, drill.Tell{Line: line})
	pprof.StopCPUProfile()
	fmt.Println(err, rep.Phases, rep.Restore.Plan, rep.Restore.Seconds, rep.Restore.Proof)
	_ = sys.Close(context.Background())
}
