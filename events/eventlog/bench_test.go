package eventlog_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"tenantcatalogue/events"
	"tenantcatalogue/events/bus"
	"tenantcatalogue/events/eventlog"
	"tenantcatalogue/events/eventtest"
)

// BenchmarkAppend compares 1,000 units of one event of 300 bytes with the same
// bytes as a raw batch, fsync always.
func BenchmarkAppend(b *testing.B) {
	for _, network := range []string{"pipe", "tcp"} {
		srv := eventtest.StartWith(b, bus.Config{Listen: bus.Listen{On: network == "tcp"}})
		nc := eventtest.Conn(b, srv)
		log, err := eventlog.Open(b.Context(), nc, eventlog.Config{Create: true})
		if err != nil {
			b.Fatal(err)
		}
		payload := make([]byte, 300)
		rnd := rand.NewChaCha8([32]byte{})
		_, _ = rnd.Read(payload[:150])
		n := uint64(0)
		b.Run(network+"/units", func(b *testing.B) {
			for b.Loop() {
				units := make([]events.Unit, 1000)
				for i := range units {
					n++
					units[i] = unit(event(n, payload), 0)
				}
				for _, a := range log.Append(b.Context(), units) {
					if a.Err != nil {
						b.Fatal(a.Err)
					}
				}
			}
			b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "events/s")
		})
		b.Run(network+"/one", func(b *testing.B) {
			for b.Loop() {
				n++
				if a := log.Append(b.Context(), []events.Unit{unit(event(n, payload), 0)}); a[0].Err != nil {
					b.Fatal(a[0].Err)
				}
			}
		})
		b.Run(network+"/raw", func(b *testing.B) {
			for b.Loop() {
				if err := rawBatch(b.Context(), nc, &n, payload); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "events/s")
		})
		b.Run(network+"/read", func(b *testing.B) {
			head, err := log.Head(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			head = min(head, 100_000)
			for b.Loop() {
				if err := log.Read(b.Context(), 0, head, func([]events.Stored) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*float64(head)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// rawBatch is what Append is held against: the same bytes without any of its
// rules.
func rawBatch(ctx context.Context, nc *nats.Conn, n *uint64, payload []byte) error {
	id := fmt.Sprint("raw", *n)
	for i := 1; ; i++ {
		*n++
		e := event(*n, payload)
		msg := &nats.Msg{Subject: e.About.Subject(), Data: e.Data, Header: nats.Header{
			"ce-specversion": {"1.0"}, "ce-id": {e.ID.String()}, "ce-type": {string(e.Type)}, "ce-source": {e.Source},
			"Content-Type": {events.ContentType}, "Nats-Batch-Id": {id}, "Nats-Batch-Sequence": {fmt.Sprint(i)},
		}}
		if i < 1000 {
			if err := nc.PublishMsg(msg); err != nil {
				return err
			}
			continue
		}
		msg.Header["Nats-Batch-Commit"] = []string{"1"}
		ack, err := nc.RequestMsgWithContext(ctx, msg)
		if err == nil && !strings.Contains(string(ack.Data), `"count":1000`) {
			err = errors.New(string(ack.Data))
		}
		return err
	}
}

func event(n uint64, data []byte) events.Stored {
	var u uuid.UUID
	u[6], u[8] = 0x70, 0x80
	binary.BigEndian.PutUint64(u[8:], n|1<<63)
	return events.Stored{
		About: events.OfTenant(events.IDFromUUID[events.TenantID](u)), ID: events.IDFromUUID[events.EventID](u),
		Type: "tenant.configured.v1", Source: "/services/commerce", Data: data,
	}
}

func unit(e events.Stored, expected events.Seq) events.Unit {
	return events.Unit{Events: []events.Stored{e}, Expected: []events.Seq{expected}}
}
