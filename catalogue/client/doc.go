// Package client is what a service imports to publish events to the catalogue
// and to follow them.
//
//	c, err := client.Connect(client.Options{URL: "nats://127.0.0.1:4222", Name: "provisioning"})
//	verdict, err := c.Publish(ctx, event)
//	err = c.Follow(ctx, lastSeq, func(s events.Stored) error { … })
//
// # Publishing
//
// An event has an id that its producer gives it once, for ever. Publish sends it
// until there is an answer: however often it arrives, it is written once, and
// each time answered as the first time. So the safe pattern for a service with a
// database is the outbox: write the event, with its id, in the transaction that
// makes it true, and publish from there until there is a verdict (see the
// example). A verdict with an error is final; errors match the codes of this
// package.
//
// # Following
//
// Follow hands over every event after a Seq, in order, none twice and none left
// out, until its context ends: what was before is read, what comes is taken from
// the live feed. Whatever does not follow what came before, after a lost
// connection or a buffer that ran over, is filled by reading; the head of the
// log, told every second, shows when the last event was missed. A message on the
// feed that does not carry an event's id and Seq is nobody's event and is
// passed over.
//
// A follower keeps the Seq of the last event it has dealt with together with
// what it made of it, and goes on from there.
package client
