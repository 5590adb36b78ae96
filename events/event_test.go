package events_test

import (
	"errors"
	"strings"
	"testing"

	"tenantcatalogue/events"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		edit  func(*events.Event)
		field string // at fault; empty: valid
	}{
		{"valid", func(*events.Event) {}, ""},
		{"everything", func(e *events.Event) {
			e.Correlation, e.Via, e.Epoch, e.Seq = "flow:1~2+3", "svc/commerce", 3, 9
		}, ""},
		{"longest source", func(e *events.Event) { e.Source = strings.Repeat("s", events.MaxSource) }, ""},
		{"no id", func(e *events.Event) { e.ID = events.EventID{} }, "id"},
		{"no subject", func(e *events.Event) { e.About = events.Aggregate{} }, "subject"},
		{"no time", func(e *events.Event) { e.Time = 0 }, "time"},
		{"no payload", func(e *events.Event) { e.Payload = nil }, "data"},
		{"no source", func(e *events.Event) { e.Source = "" }, "source"},
		{"long source", func(e *events.Event) { e.Source = strings.Repeat("s", events.MaxSource+1) }, "source"},
		{"source with a line end", func(e *events.Event) { e.Source = "a\r\nNats-Rollup: all" }, "source"},
		{"no actor", func(e *events.Event) { e.Actor = "" }, "actor"},
		{"actor is an address", func(e *events.Event) { e.Actor = "jo@example.net" }, "actor"},
		{"actor is a name", func(e *events.Event) { e.Actor = "Jo Doe" }, "actor"},
		{"actor beyond ASCII", func(e *events.Event) { e.Actor = "jö" }, "actor"},
		{"long actor", func(e *events.Event) { e.Actor = strings.Repeat("a", events.MaxActor+1) }, "actor"},
		{"correlation with a space", func(e *events.Event) { e.Correlation = "a b" }, "correlationid"},
		{"long via", func(e *events.Event) { e.Via = strings.Repeat("a", events.MaxVia+1) }, "via"},
		{"about another kind", func(e *events.Event) { e.About = events.OfAccount(events.DeriveID[events.AccountID]("a")) }, "subject"},
		{"type of nobody", func(e *events.Event) { e.Payload = strange{} }, "type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := anEvent()
			c.edit(&e)
			err := e.Validate()
			if c.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var fault *events.FieldError
			if !errors.As(err, &fault) || fault.Field != c.field || !strings.HasPrefix(err.Error(), c.field+": ") {
				t.Errorf("got %v, want a fault of %s", err, c.field)
			}
		})
	}
}

// strange is a payload that the registry does not know.
type strange struct{}

func (strange) EventType() events.Type { return "tenant.vanished.v1" }

func TestAnUnknownTypeIsUnknownEverywhere(t *testing.T) {
	t.Parallel()
	e := anEvent()
	e.Payload = strange{}
	if err := e.Validate(); !errors.Is(err, events.ErrUnknownType) {
		t.Errorf("Validate: %v", err)
	}
	if _, err := events.Upcast(strange{}); !errors.Is(err, events.ErrUnknownType) {
		t.Errorf("Upcast: %v", err)
	}
	if _, err := events.Decode(events.Stored{About: e.About, ID: e.ID, Type: "tenant.vanished.v1", Data: []byte{0x90}}); !errors.Is(err, events.ErrUnknownType) {
		t.Errorf("Decode: %v", err)
	}
	if events.Type("tenant.vanished.v1").Known() || !events.Type("tenant.deleted.v1").Known() {
		t.Error("Known is wrong")
	}
}

func TestUpcastLicense(t *testing.T) {
	t.Parallel()
	product := events.DeriveID[events.ProductID]("p")
	for _, c := range []struct {
		license string
		users   int64
		want    events.ProductLicenseUpdated
	}{
		{"standard", 10, events.ProductLicenseUpdated{Product: product, Edition: "standard", Seats: 10, Active: true}},
		{"standard/active", 0, events.ProductLicenseUpdated{Product: product, Edition: "standard", Active: true}},
		{"premium/inactive", -1, events.ProductLicenseUpdated{Product: product, Edition: "premium", Seats: events.UnlimitedSeats}},
	} {
		got, err := events.Upcast(events.ProductLicenseUpdatedV1{Product: product, License: c.license, Users: c.users})
		if err != nil {
			t.Fatal(err)
		}
		same(t, events.Payload(c.want), got)
	}
}

func TestRolling(t *testing.T) {
	t.Parallel()
	stored := func(edit func(*events.Stored)) events.Stored {
		s, err := events.Encode(anEvent())
		if err != nil {
			t.Fatal(err)
		}
		s.Seq = 7
		edit(&s)
		return s
	}
	plain := stored(func(*events.Stored) {})
	base := events.Rolling{}.Add(plain)
	for name, edit := range map[string]func(*events.Stored){
		"seq":     func(s *events.Stored) { s.Seq++ },
		"subject": func(s *events.Stored) { s.About.ID[0]++ },
		"kind":    func(s *events.Stored) { s.About.Kind = events.AggregateAccount },
		"id":      func(s *events.Stored) { s.ID = events.DeriveID[events.EventID]("another") },
		"type":    func(s *events.Stored) { s.Type = "tenant.renamed.v2" },
		"source":  func(s *events.Stored) { s.Source += "x" },
		"data":    func(s *events.Stored) { s.Data = append(s.Data, 0) },
		"a byte from one field to the next": func(s *events.Stored) {
			s.Source, s.Type = s.Source[1:], s.Type+events.Type(s.Source[:1])
		},
	} {
		if (events.Rolling{}).Add(stored(edit)) == base {
			t.Errorf("the hash does not cover %s", name)
		}
	}
	if base.Add(plain) == base || (events.Rolling{1}).Add(plain) == base {
		t.Error("the hash does not cover the one before")
	}
	if (events.Rolling{}).Add(plain) != base {
		t.Error("equal histories have different hashes")
	}
	e, err := events.Decode(plain)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := (events.Rolling{}).AddEvent(e); err != nil || got != base {
		t.Errorf("AddEvent differs from Add, %v", err)
	}
}

func TestErrorsNameIDAndWayOut(t *testing.T) {
	t.Parallel()
	about := events.OfTenant(aTenant())
	conflict := &events.ConflictError{About: about, Expected: 3, Actual: 5}
	follows := &events.ConflictError{About: about, Expected: events.Follows}
	for _, err := range []error{conflict, follows} {
		if !errors.Is(err, events.ErrConflict) || !strings.Contains(err.Error(), about.String()) || !strings.Contains(err.Error(), "again") {
			t.Errorf("%v", err)
		}
	}
	if !strings.Contains(conflict.Error(), "is 5, 3 was expected") {
		t.Errorf("%v", conflict)
	}
}
