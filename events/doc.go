// Package events is the language of the catalogue: what can happen, to what,
// and how it is written down. It does no I/O, reads no clock and logs nothing.
//
// # Events, aggregates, subjects
//
// An [Event] is a fact about one [Aggregate]: a tenant, an account, a claim (of
// a URL or a cloud id), a restoration, a deletion (a plan and what became of it) or
// the liens on a tenant. A tenant's products, apps, members and resources belong to the
// tenant. Of four aggregates there is one each: the door, which everything deleted goes
// through, the policy, the clock, the alarms. In the log an event stands on the subject
//
//	catalogue.<kind>.<id>
//
// where kind is that of the aggregate and id its text form: tenant_…, account_…,
// restore_…, plan_…, lien_…, the kind itself where there is one only, or claim_ and 32
// hex digits of a hash, so that no URL gets into a subject. The live feed repeats each event
// on catalogue.feed.<kind>.<id>.
//
// An [ID] is a UUID; its text form is a TypeID: the kind, an underscore and 26
// characters of Crockford's base 32 in lower case. Each kind is a Go type of its
// own. [NewID] makes one of version 7, [DeriveID] the one that belongs to given
// names. Ids are never re-issued.
//
// [Seq], an event's place in the stream, is the only order. Of the two times,
// Time is when it happened, as the producer says; RecordedTime is when the gate
// took it, and never runs backwards along Seq for one appender.
//
// Events that stand or fall together are a [Unit]. They stand next to each
// other, and More counts how many of the unit still follow.
//
// # The stored form
//
// [Encode] and [Decode] convert between an Event and its [Stored] form, which
// is a message with these headers
//
//	ce-specversion  1.0
//	ce-id           the event's id, event_…
//	ce-type         the type with its version, e.g. tenant.created.v1
//	ce-source       who produced it, e.g. /services/commerce
//	Content-Type    application/msgpack
//
// and, as data, one msgpack array of ten:
//
//	0  time           int    Unix nanoseconds
//	1  recorded time  int    Unix nanoseconds
//	2  actor          str    opaque id
//	3  run            bin 16, or nil
//	4  causation      bin 16, or nil
//	5  correlation    str    empty: none
//	6  epoch          uint   the tenant's epoch the producer knew; 0 until a delete or restore
//	7  via            str    the credential that brought it
//	8  unit more      uint   how many events of its unit follow
//	9  payload        array  the fields of the payload's Go type, in their order
//
// Within a payload a struct is an array of its fields in order, a [Time] an int,
// an id or a UUID 16 bytes or (ids only) nil, an absent list or map nil, a map
// sorted by key; [Entities] are one array of kind, entity, kind, entity, ...
// where the kind is the byte of [EntityKind]. Integers take the shortest form.
// The form is canonical: equal events have equal bytes, and [Rolling] hashes
// them. It is at most [MaxEventBytes] long. The subject and Seq are the
// message's own and not repeated.
//
// Each type lists its fields in this order in its method Fields, from which
// package events/wire writes and reads it.
//
// testdata/golden holds one event of every type that ever was, in this form and
// in JSON. An array has no room for another field: to change a payload, give it
// the next version.
//
// # The outside form
//
// Producers, HTTP and files see CloudEvents 1.0 in JSON: [ParseCloudEvent],
// [ParseCloudEventBatch], [MarshalCloudEvent], and one a line [ReadNDJSON] and
// [WriteNDJSON]. Beyond the attributes of the specification there are
//
//	actor, run, causationid, correlationid, epoch     set by the producer
//	recordedtime, via, seq, unitmore                  set by the catalogue
//
// of which epoch and unitmore are integers and seq is a text of decimal digits:
// a CloudEvents integer has 32 bits only. What is absent or 0 is left out.
// A producer that sets one of the catalogue's own is refused; [ParseRecorded]
// takes them, for files and followers. Both forms say the same: going from one
// to the other and back loses nothing.
//
// This package checks the envelope and that data fits the Go type. What values
// the fields may have is said by the JSON Schema of the type, which whoever
// lets events in applies to CloudEvent.Data, or to [DataJSON] of what came as
// msgpack.
//
// # Versions
//
// A [Type] names its version, and a payload of a published type never changes.
// The next version is another Go type, and the older one gets an upcaster in
// the registry. Decode upcasts, so that nobody above meets an old version;
// Encode and the CloudEvents functions keep the version they are given.
//
// # Personal fields
//
// Names, e-mail addresses and telephone numbers have the Go type [Personal] and
// are marked x-personal in the schemas. Package events/seal replaces them by
// sealed texts (see MapPersonal) before an event is stored, under a key of the
// tenant or account the event is about: destroying the key erases them.
// Everything else, actors among it, is opaque ids and no personal data.
package events
