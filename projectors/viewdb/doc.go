// Package viewdb keeps one view in one Pebble database: rows, and the
// checkpoint they stand at, committed together. It is the only importer of
// Pebble.
//
// # Use
//
// A projector opens a [DB] (or a [Home], which also swaps generations), fills
// a [Batch] and commits it with the [Checkpoint] of the last event it holds.
// Rows and checkpoint are one Pebble batch, so a crash leaves a view that is
// behind, never one that is torn. Commits are not synced: what a crash takes
// is read again from the log, from DB.Checkpoint on. DB.Sync, called now and
// then, bounds how much that is.
//
// A row can also be appended to (Batch.Append), which reads nothing. An empty view
// is filled fastest by a [Load]: tables written beside the store, from several
// goroutines, and ingested with their checkpoint.
//
// Readers get a [Reader]: a DB (the latest commit, moving), a [Snapshot] (one
// commit, standing still, with its checkpoint) or a Batch (the DB with the
// batch's own writes over it).
//
// [Decoded] is a Get that decodes, and keeps what is asked for again and again.
//
// # Keys
//
// A key is a prefix byte, which names the kind of row, and fields appended
// with [AppendSeq], [AppendString] or, for fixed-width ids, as they are. Keys
// built so sort field by field and never collide. The prefix byte 0 is the
// store's own: the checkpoint and the view's name and format.
//
// # Faults
//
// A view is disposable, so there is one answer to every fault, whether a
// write that fails, a full disk or a checksum that does not fit: the DB is
// quarantined. Its directory is sealed that instant (nothing is written or
// removed any more), every call returns a [FaultError], Pebble is closed in
// the background and Config.OnFault hears of it. The process lives. DB.Close
// waits until the directory is free. What to do next is in the error:
//
//   - [ErrNoSpace]: free some space, then open again. The directory holds a
//     prefix of the commits; projecting goes on from its checkpoint.
//   - [ErrCorrupt]: the view must be rebuilt. Home.Recover moves the
//     directory aside (<generation>.corrupt) and begins an empty one.
//   - [ErrFormat]: the directory was written by another version of the view;
//     rebuild it. A Home begins an empty generation by itself.
//   - anything else, such as an I/O error: open again once the cause is gone.
package viewdb
