package main

import (
	"bytes"
	"testing"
	"time"

	"tenantcatalogue/events"
)

// Persons sign in the catalogue's time, and are told when their own clock says another.
func TestSignedAtTheCataloguesTime(t *testing.T) {
	t.Parallel()
	own := time.Date(2022, 4, 5, 7, 38, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		ahead time.Duration // the catalogue's
		want  string
	}{
		"the same":      {0, ""},
		"about as late": {5 * time.Minute, ""},
		"about as soon": {-5 * time.Minute, ""},
		"later":         {6 * time.Minute, "the catalogue's time is 2022-04-05T07:44:00Z, this machine's is 2022-04-05T07:38:00Z; what is signed counts from the catalogue's\n"},
		"sooner":        {-6 * time.Minute, "the catalogue's time is 2022-04-05T07:32:00Z, this machine's is 2022-04-05T07:38:00Z; what is signed counts from the catalogue's\n"},
	} {
		var said bytes.Buffer
		a := &app{Streams: Streams{Err: &said}, clock: func() time.Time { return own }}
		recorded := events.TimeOf(own.Add(c.ahead))
		if got := a.signedAt(recorded); got != recorded || said.String() != c.want {
			t.Errorf("%s: signed at %s, said %q, want %q", name, got, said.String(), c.want)
		}
	}
}
