package eventlog

import (
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tenantcatalogue/events"
)

// The headers of an atomic batch (NATS ADR-50). nats.go has no client for it.
const (
	headerBatchID     = "Nats-Batch-Id"
	headerBatchSeq    = "Nats-Batch-Sequence"
	headerBatchCommit = "Nats-Batch-Commit"

	headerExpected     = jetstream.ExpectedLastSubjSeqHeader
	headerExpectedLast = jetstream.ExpectedLastSeqHeader
)

// outgoing builds one message after the other in the same memory: a publish
// copies what it sends, and a header map for each of 1,000 messages costs more
// than the messages.
type outgoing struct {
	msg    nats.Msg
	values [6][1]string // id, type, source, batch sequence, expectation, batch
}

func newOutgoing() *outgoing {
	o := &outgoing{}
	o.msg.Header = nats.Header{
		events.HeaderSpecVersion: {events.SpecVersion},
		events.HeaderContentType: {events.ContentType},
		events.HeaderID:          o.values[0][:],
		events.HeaderType:        o.values[1][:],
		events.HeaderSource:      o.values[2][:],
	}
	return o
}

// set makes the i-th message of a batch, which is valid until the next set.
func (o *outgoing) set(b *batch, i int) *nats.Msg {
	e := b.messages[i].event
	o.event(e)
	o.msg.Subject = e.About.Subject()
	delete(o.msg.Header, headerExpected)
	delete(o.msg.Header, headerExpectedLast)
	if header, seq := b.expectation(i); header != "" {
		o.values[4][0] = strconv.FormatUint(uint64(seq), 10)
		o.msg.Header[header] = o.values[4][:]
	}
	return &o.msg
}

// event makes a message of what every message of an event has.
func (o *outgoing) event(e events.Stored) *nats.Msg {
	o.msg.Data = e.Data
	o.values[0][0] = e.ID.String()
	o.values[1][0] = string(e.Type)
	o.values[2][0] = e.Source
	return &o.msg
}

// place marks the message as the n-th of a batch, from 1.
func (o *outgoing) place(batch string, n int, last bool) {
	o.values[3][0] = strconv.Itoa(n)
	o.msg.Header[headerBatchSeq] = o.values[3][:]
	o.values[5][0] = batch
	o.msg.Header[headerBatchID] = o.values[5][:]
	if last {
		o.msg.Header[headerBatchCommit] = []string{"1"}
	}
}

// incoming reads a message of a direct get. A message that is no event of this
// catalogue keeps only its Seq, Data and, if it is well-formed, About.
func incoming(m *nats.Msg) (events.Stored, error) {
	// The server adds its headers behind the message's own, so the last one is
	// the server's whatever the message carried.
	seq, err := strconv.ParseUint(last(m.Header[jetstream.SequenceHeader]), 10, 64)
	if err != nil {
		return events.Stored{}, err
	}
	return stored(events.Seq(seq), last(m.Header[jetstream.SubjectHeader]), m.Header, m.Data), nil
}

func stored(seq events.Seq, subject string, h nats.Header, data []byte) events.Stored {
	s := events.Stored{Seq: seq, Data: data}
	about, err := events.ParseSubject(subject)
	if err != nil {
		return s
	}
	s.About = about
	id, err := events.ParseID[events.EventID](only(h[events.HeaderID]))
	typ, source := only(h[events.HeaderType]), only(h[events.HeaderSource])
	if err != nil || typ == "" || source == "" ||
		only(h[events.HeaderSpecVersion]) != events.SpecVersion || only(h[events.HeaderContentType]) != events.ContentType {
		return s
	}
	s.ID, s.Type, s.Source = id, events.Type(typ), source
	return s
}

// only is the value of a header that stands once.
func only(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

func last(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}
