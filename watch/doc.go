// Package watch sees from outside what goes wrong with deletions, and halts them.
//
// # The Watcher
//
// A [Watcher] follows the log and knows nothing of how tombstones come to be: what goes
// through the door, around it, or through a door that is broken is counted alike.
//
//	rate        more tombstones within a minute, a day or 30 days of recorded time than the
//	            budget in force allows; before there is a policy, than the default one. It
//	            halts, with the tombstone that crosses the line.
//	unvouched   a tombstone, what brings a tenant back, or an event that governs them, that
//	            the rules refuse ([deletion.Register]) or that cannot be read: somebody has
//	            written past the catalogue. It halts. The next ones are told of after a minute
//	            without any.
//	mix         five tombstones of a kind within a minute, when no day of the 30 before had as
//	            many. What came within the last day makes nothing usual: it may be the same run.
//	clock_jump  a recorded time more than five minutes ahead of the time that has passed since
//	            the Watcher began, by a clock that cannot be set; what is less is forgiven at each
//	            tick. It halts what is open. How long a log was quiet does not matter. A log that
//	            ends in the future when the Watcher begins, beyond what the one before has seen,
//	            is told of, too; one that a wrong clock agrees with then is not.
//	halt        deletions are halted, and no person has done it: what has is told of. The
//	            halts that go with an alarm above are not told of twice.
//
// A line is crossed once: it is told of again after there were fewer than it allows. What
// is found is published in its order, the halt first, and tried again until it stands in
// the log or is refused. A halt does not queue behind other writers (catalogue.Service).
//
// # After a restart
//
// The Watcher reads the log from its first event, of which it decodes tombstones and what
// governs them, so that its windows, the policy and the plans are what they were. What
// it finds depends on these events alone: behind Config.After it raises what it finds and
// the log holds no alarm for. Give it what [Watcher.Seen] said, kept every few seconds, and
// nothing is lost and nothing told twice, wherever it stopped; the head of the log where
// nothing was kept, and it says nothing of the past. Nor does it of a log that is copied
// into one that was empty.
//
// # Conditions
//
// [Conditions] asks probes every second and halts while a plan is open and one of them
// finds something wrong. To wire both:
//
//	pen := watch.Pen{Service: service, Clock: time.Now, NewID: uuid.NewV7}
//	hear := watch.Listener{Alarm: func(a events.AlarmRaised) { hooks.Send(a); count(a.Alarm) }}
//	w := watch.New(watch.Config{Pen: pen, Log: log, After: kept, Listener: hear})
//	c := watch.Conditions{Pen: pen, Open: w.Open, Listener: hear, Probes: []watch.Probe{
//		{Cause: events.HaltStreamConfig, Look: onlyDrift(log.CheckConfig)},
//		{Cause: events.HaltQuorum, Look: log.CheckQuorum, For: 10 * time.Second},
//		{Cause: events.HaltLag, Look: lag, For: 30 * time.Second},
//		{Cause: events.HaltDigest, Look: verified.Look}, // verified.Set after each verification
//	}}
//	// and run w.Run, c.Run, hooks.Run
//
// Clock must be time.Now or keep its monotonic reading: it is the clock that cannot be set.
package watch
