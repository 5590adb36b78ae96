package eventlog

import (
	"context"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tenantcatalogue/events"
)

// Feed repeats every event after a Seq on the feed (see events.FeedPrefix), with its
// Seq in a header, until ctx ends or Tail fails, and tells how far it has come. What the
// feed loses, with a connection or with the process, is not sent again: whoever
// follows it sees by the Seq that something is missing and reads it from the log.
//
// conn is a connection to the log's account that nothing waits for: the server holds
// up who publishes to somebody who does not read.
func (l *Log) Feed(ctx context.Context, conn *nats.Conn, after events.Seq, fed func(events.Seq)) error {
	out := newOutgoing()
	seq := make([]string, 1)
	out.msg.Header[jetstream.SequenceHeader] = seq
	return l.Tail(ctx, after, func(list []events.Stored) error {
		for _, s := range list {
			if s.ID.IsZero() {
				continue // no event
			}
			msg := out.event(s)
			msg.Subject, seq[0] = s.About.FeedSubject(), s.Seq.String()
			_ = conn.PublishMsg(msg) // a connection that is down drops it
		}
		fed(list[len(list)-1].Seq)
		return nil
	})
}
