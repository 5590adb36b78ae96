// Package eventlog is the catalogue's log on a JetStream stream: the one place
// where events are kept, and the one order they have.
//
// # The stream
//
// There is one subject for each aggregate, catalogue.<kind>.<id>. The stream
// has no limits, refuses deletes and purges, and compresses with S2. [Open] never
// creates a stream unless it is told to, and refuses one that is configured
// otherwise: a log that comes back empty is a disaster, not a fresh start.
//
// # Writing
//
// [Log.Append] takes indivisible units (see events.Unit) and packs whole units
// into atomic batches, each made durable by one fsync. Only a subject's first
// message in a batch carries an expectation: the server refuses a second one.
// A single message is a plain publish, which is eight times quicker than a
// batch of one.
//
// To hold an expectation about a subject the server reads the last message of that
// subject, which may be anywhere: it unpacks a block of 8 MB for it. A writer that
// has seen the whole log needs none of that: [Log.Stage] has one expectation for
// all, that the log ends where the writer saw it end, and falls back to one for each
// subject when somebody else has written.
//
// A refused batch does not say which expectation failed. Append asks the
// server for the last event of each subject in it, answers the stale units
// with *events.ConflictError and commits the rest.
//
// [Log.Stage] sends all of a batch but its last message ahead; the server appends
// nothing before that one comes, and forgets the batch when it does not.
//
// When an acknowledgment is lost, Append reads the message that follows the
// expected Seq on the batch's first subject: it is ours, then the batch is
// stored; it is another's, then it is not and never will be; there is none,
// then the same batch is sent again. The two attempts cannot both be stored, since
// they carry the same expectations; or one expects the log to end where it did, and is
// refused once anything has been appended. Message ids of the server's own
// de-duplication are not used: one duplicate would refuse the whole batch.
//
// # Reading
//
// [Log.Read] and [Log.Tail] fetch a short stretch with direct gets, which need no
// consumer and so have none to lose: wherever a connection breaks, the next
// request names the Seq to go on from. A direct get never sees a part of a batch,
// nor a batch that is not yet on disk. A long stretch is pulled through a consumer
// made for it, which takes the server a third of the time; a consumer would
// deliver what is not on disk yet, so its last event is first got directly. When
// anything goes wrong with the consumer another one goes on behind the last event
// that came. Every Seq is checked to follow the one before; a gap is [events.ErrGap] and
// ends the reading.
//
// [Log.Tail] has what this process has just appended from memory, and asks the server
// only when somebody else may have written. [Log.Feed] is a Tail that repeats events
// on catalogue.feed.<kind>.<id>. The stream could republish by itself, but the server
// reads the last message of the subject for that as well.
//
// A message that is no event of this catalogue comes out with its Seq and Data
// but the zero ID, and the zero Aggregate unless the subject is well-formed:
// whoever decodes it gets an error and can set it aside.
package eventlog
