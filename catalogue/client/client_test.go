package client_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/events"
)

func dial(t *testing.T, s *stub, o client.Options) *client.Client {
	t.Helper()
	o.URL = s.url
	c, err := client.Connect(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestSentAgainInOrder has the second of three events meet a log that is not
// available: it is sent again with the third, and the first keeps its answer.
func TestSentAgainInOrder(t *testing.T) {
	t.Parallel()
	s := start(t)
	var mu sync.Mutex
	var sent [][]events.EventID
	s.refuse = func(ask int64, stored []events.Stored) ([]client.Verdict, bool) {
		mu.Lock()
		defer mu.Unlock()
		var ids []events.EventID
		for _, e := range stored {
			ids = append(ids, e.ID)
		}
		sent = append(sent, ids)
		if ask > 1 {
			return nil, false
		}
		return []client.Verdict{
			{ID: stored[0].ID, Seq: 7},
			{ID: stored[1].ID, Error: &client.Error{Code: client.ErrUnavailable, Message: "not now"}},
			{ID: stored[2].ID, Error: &client.Error{Code: client.ErrIllegal, Message: "without the second"}},
		}, false
	}
	list := []events.Event{deactivated("one"), deactivated("two"), deactivated("three")}
	verdicts, err := dial(t, s, client.Options{}).PublishBatch(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []events.Seq{7, 1, 2} {
		if v := verdicts[i]; v.Seq != want || v.Error != nil || v.ID != list[i].ID {
			t.Errorf("event %d: %+v", i, v)
		}
	}
	if len(sent) != 2 || len(sent[1]) != 2 || sent[1][0] != list[1].ID {
		t.Errorf("sent %v", sent)
	}
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.refuse = func(ask int64, _ []events.Stored) ([]client.Verdict, bool) { return nil, ask < 3 }
	troubles := 0
	c := dial(t, s, client.Options{Attempt: 50 * time.Millisecond, OnTrouble: func(error) { troubles++ }})
	v, err := c.Publish(t.Context(), deactivated("one"))
	if err != nil || v.Seq != 1 || s.asks.Load() < 3 || troubles < 2 {
		t.Errorf("%+v, %v after %d asks and %d troubles", v, err, s.asks.Load(), troubles)
	}
}

func TestContextEnds(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.refuse = func(int64, []events.Stored) ([]client.Verdict, bool) { return nil, true }
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := dial(t, s, client.Options{Attempt: 20 * time.Millisecond}).Publish(ctx, deactivated("one")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestRefusedBeforeItIsSent(t *testing.T) {
	t.Parallel()
	s := start(t)
	e := deactivated("one")
	e.Actor = "someone@example.com"
	if _, err := dial(t, s, client.Options{}).Publish(t.Context(), e); !errors.Is(err, events.ErrMalformed) || s.asks.Load() != 0 {
		t.Errorf("%v", err)
	}
}

// TestForgedFeed puts messages on the feed that are no events among those that
// are.
func TestForgedFeed(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := dial(t, s, client.Options{})
	if _, err := c.Publish(t.Context(), deactivated("one")); err != nil {
		t.Fatal(err)
	}
	seen := make(chan events.Seq, 8)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- c.Follow(ctx, 0, func(got events.Stored) error {
			seen <- got.Seq
			return nil
		})
	}()
	<-seen
	feed, err := s.bus.LogConn()
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	// What carries a Seq and no id is nobody's event; a head that is made up
	// makes the follower read, and find nothing.
	for _, m := range forged(t) {
		if err := feed.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Publish(t.Context(), deactivated("two")); err != nil {
		t.Fatal(err)
	}
	if got := <-seen; got != 2 {
		t.Errorf("event %d after 1", got)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if len(seen) != 0 {
		t.Errorf("event %d has been made up", <-seen)
	}
}
