package sidecar_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"tenantcatalogue/catalogue/client"
	"tenantcatalogue/events"
	"tenantcatalogue/projectors"
	"tenantcatalogue/projectors/sidecar"
	"tenantcatalogue/projectors/tenants"
	"tenantcatalogue/projectors/viewdb"
)

// A service keeps the tenants view within its own process.
func Example() {
	ctx := context.Background()
	catalogue, acme, err := exampleCatalogue(ctx) // stands for a running catalogue with one tenant
	if err != nil {
		log.Fatal(err)
	}
	defer catalogue.close()
	c, err := client.Connect(client.Options{URL: catalogue.bus.URL(), Name: "billing"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	dir, err := os.MkdirTemp("", "views-") // a service keeps it
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()

	s, err := sidecar.Open(ctx, c, sidecar.Config{Dir: dir, Views: []projectors.Projector{tenants.New()}})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = s.Close() }()

	// A verdict says where an event stands: from there on it can be read here.
	if err := s.WaitFor(ctx, 1); err != nil {
		log.Fatal(err)
	}
	err = s.View(tenants.Name, func(v *viewdb.Snapshot) error {
		record, found, err := tenants.Get(v, acme)
		fmt.Println(found, record.URL, record.Region)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("behind by", s.Status().Lag())
	// Output:
	// true acme.example.net eu-west
	// behind by 0
}

func exampleCatalogue(ctx context.Context) (*stub, events.TenantID, error) {
	acme := events.DeriveID[events.TenantID]("acme")
	e, err := events.Encode(events.Event{
		ID: events.DeriveID[events.EventID]("created"), Seq: 1, Source: "/services/provisioning", Actor: "system:provisioning", Time: 1,
		RecordedTime: 1, About: events.OfTenant(acme), Payload: events.TenantCreated{
			URL: "acme.example.net", Account: events.DeriveID[events.AccountID]("acme"), Region: "eu-west", Shard: "shard-1", Tier: "standard",
		},
	})
	if err != nil {
		return nil, acme, err
	}
	catalogue, err := newStub(ctx, "log@1", []events.Stored{e})
	return catalogue, acme, err
}
