// Package deletion is the one door through which tenants and apps are deleted, and what
// stands at it: plans, approvals, waves, budgets, halts.
//
// # The rules
//
// [Vouch] holds every event that leads to a tombstone, and tombstones themselves,
// against the states of the log before it. It is pure, and asked twice: by the write
// side before an event is appended ([Guard]), and by whoever folds the log ([Register]),
// so that what a stolen credential appends around the write side is quarantined wherever
// it is read. There is no other way to a tombstone: a tombstone counts as the n-th event
// after a wave that has passed the door, and is about the wave's n-th target.
// What a restoration brings back is never deleted.
//
// # A deletion
//
//	plan      a list, which its author signs ([SignAsk]), is resolved: every line looked up,
//	          checked, pinned ([Resolve]); the plan is stored and never changes. One faulty
//	          line refuses the whole list.
//	approve   persons on the roster sign the plan's hash ([Approval])
//	rehearse  the targets are deleted and restored on a scratch copy of their history
//	run       wave by wave: the vendor's own tenants, one, ten, at most fifty at a time.
//	          Each is one unit, counted afterwards by an independent reader, and baked.
//
// The door is one aggregate, and so one subject of the log: a plan is admitted there,
// each wave passes there, a halt shuts it. Every one of these expects the last event on
// that subject, so a wave whose executor has not seen a halt is refused by the log.
//
// An owner's own request is a plan of one target. Whoever asks for it takes no place; when
// the owner confirms it, with the portal's key, it is admitted under a budget of its own,
// and goes on by itself: nobody approves, rehearses or starts it.
//
// # Time
//
// What makes the rules laxer with time (a delay, a bake, the window of a budget) is
// measured in counted time, which a clock cannot jump over. What makes them stricter
// (the end of an approval or of a plan) is measured in recorded time.
package deletion
