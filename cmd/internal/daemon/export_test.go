package daemon

import (
	"context"
	"time"

	"tenantcatalogue/events"
	"tenantcatalogue/replay"
	"tenantcatalogue/watch"
)

// Conditions are the causes that deletions are halted for while something is wrong.
func Conditions(s *System) (causes []events.HaltCause) {
	for _, p := range s.watching.probes() {
		causes = append(causes, p.Cause)
	}
	return causes
}

// VerifiedAs takes note of what a verification, of everything or of the views, has found.
func VerifiedAs(s *System, report replay.Report, whole bool) { s.watching.verifiedAs(report, whole) }

// LateOn holds readers of a log against its head, by a clock.
func LateOn(clock func() time.Time) func(head events.Seq, readers map[string]events.Seq) error {
	w := &watching{sys: &System{Clock: clock}, behind: map[string]*watch.Behind{}}
	return w.late
}

// AskCheck asks a health check, which has so much time to answer.
func AskCheck(ctx context.Context, s *System, within time.Duration, check string, id events.PlanID, wave int) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return s.check(ctx, check, id, wave)
}

// Executor is what goes on with deletions and marks the time, each time that it is called.
func Executor(s *System, watched func() bool) (goOn func(context.Context)) {
	return (&executor{System: s, engine: s.Deletions(), watched: watched}).goOn
}

// Watched is the log as the Watcher reads it.
func Watched(s *System) watch.Log { return watchedLog{Log: s.Log, sys: s} }
