package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/events"
)

func ExampleClient_Publish() {
	ctx := context.Background()
	catalogue, err := newStub(ctx) // stands for a running catalogue
	if err != nil {
		log.Fatal(err)
	}
	defer catalogue.close()

	c, err := client.Connect(client.Options{URL: catalogue.url, Name: "provisioning"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	event := deactivated("unpaid") // its id was made once, and is kept
	verdict, err := c.Publish(ctx, event)
	switch {
	case errors.Is(err, client.ErrIllegal):
		fmt.Println("it is deactivated already")
	case err != nil:
		log.Fatal(err)
	}
	fmt.Println(verdict.Seq, verdict.Duplicate)

	// The same event again gets the same answer.
	verdict, err = c.Publish(ctx, event)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(verdict.Seq, verdict.Duplicate)
	// Output:
	// 1 false
	// 1 true
}

func ExampleClient_Follow() {
	ctx := context.Background()
	catalogue, err := newStub(ctx) // stands for a running catalogue
	if err != nil {
		log.Fatal(err)
	}
	defer catalogue.close()
	c, err := client.Connect(client.Options{URL: catalogue.url, Name: "billing"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if _, err := c.PublishBatch(ctx, []events.Event{deactivated("one"), deactivated("two")}); err != nil {
		log.Fatal(err)
	}

	var last events.Seq // kept with what the follower makes of the events
	enough := errors.New("enough")
	err = c.Follow(ctx, last, func(s events.Stored) error {
		e, err := events.Decode(s)
		if err != nil {
			return err // of a newer catalogue: update this service
		}
		if p, ok := e.Payload.(events.TenantDeactivated); ok {
			fmt.Println(s.Seq, s.Type, p.Reason)
		}
		if last = s.Seq; last == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		log.Fatal(err)
	}
	// Output:
	// 1 tenant.deactivated.v1 one
	// 2 tenant.deactivated.v1 two
}

// The outbox pattern: a service writes the event into a table of its own
// database, in the transaction that makes it true, and publishes from there. A
// row is taken out when there is a verdict, and not before; whatever is sent
// twice for that reason is written once.
func Example_outbox() {
	ctx := context.Background()
	catalogue, err := newStub(ctx) // stands for a running catalogue
	if err != nil {
		log.Fatal(err)
	}
	defer catalogue.close()
	c, err := client.Connect(client.Options{URL: catalogue.url, Name: "billing"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	// SELECT event FROM outbox ORDER BY id LIMIT 1000
	outbox := []events.Event{deactivated("unpaid"), deactivated("unpaid, second reminder")}

	// The service was killed here once, after the first event had been sent and
	// before its row was taken out.
	if _, err := c.Publish(ctx, outbox[0]); err != nil {
		log.Fatal(err)
	}

	verdicts, err := c.PublishBatch(ctx, outbox)
	if err != nil {
		log.Print(err) // the rows without a verdict stay where they are
	}
	for i, v := range verdicts {
		if v.Err() != nil {
			fmt.Println("for a person to look at:", v.Err()) // it would be refused again
		}
		// DELETE FROM outbox WHERE id = outbox[i].ID
		fmt.Printf("row %d is done: it stands at %d\n", i, v.Seq)
	}
	// Output:
	// row 0 is done: it stands at 1
	// row 1 is done: it stands at 2
}
