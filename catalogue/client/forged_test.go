package client_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/events"
)

// forged are messages on the feed that are no events.
func forged(t *testing.T) []*nats.Msg {
	t.Helper()
	e := deactivated("forged")
	s, err := events.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	whole := func() *nats.Msg {
		m := nats.NewMsg(events.FeedPrefix + "tenant." + e.About.String())
		m.Data = s.Data
		for k, v := range map[string]string{
			events.HeaderID: e.ID.String(), events.HeaderType: string(e.Type()), events.HeaderSource: e.Source, "Nats-Sequence": "2",
		} {
			m.Header.Set(k, v)
		}
		return m
	}
	var out []*nats.Msg
	for _, missing := range []string{events.HeaderID, events.HeaderType, events.HeaderSource, "Nats-Sequence"} {
		m := whole()
		m.Header.Del(missing)
		out = append(out, m)
	}
	twice := whole()
	twice.Header.Add("Nats-Sequence", "3")
	elsewhere := whole()
	elsewhere.Subject = events.FeedPrefix + "tenant.x"
	head := nats.NewMsg(client.HeadSubject)
	head.Data = []byte(`{"seq":99}`)
	nonsense := nats.NewMsg(client.HeadSubject)
	nonsense.Data = []byte("?")
	return append(out, twice, elsewhere, head, nonsense)
}
