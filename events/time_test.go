package events_test

import (
	"errors"
	"testing"
	"time"

	"tenantcatalogue/events"
)

func TestParseTime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		"2022-04-05T07:38:00Z":           time.Date(2022, 4, 5, 7, 38, 0, 0, time.UTC),
		"2022-04-05T07:38:00.5Z":         time.Date(2022, 4, 5, 7, 38, 0, 5e8, time.UTC),
		"2022-04-05T07:38:00.000000001Z": time.Date(2022, 4, 5, 7, 38, 0, 1, time.UTC),
		"1969-12-31T23:59:59.999999999Z": time.Unix(0, -1).UTC(),
		"1678-01-01T00:00:00Z":           time.Date(1678, 1, 1, 0, 0, 0, 0, time.UTC),
		"2261-12-31T23:59:59Z":           time.Date(2261, 12, 31, 23, 59, 59, 0, time.UTC),
		"2024-02-29T00:00:00Z":           time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC),
	} {
		got, err := events.ParseTime(text)
		if err != nil || !got.Time().Equal(want) || got.String() != text || events.TimeOf(want) != got {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
}

func TestMalformedTimes(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "now", "2022-04-05", "2022-04-05T07:38:00", "2022-04-05T07:38Z",
		"2022-04-05T07:38:00+00:00", "2022-04-05T09:38:00+02:00", "2022-04-05T07:38:00-00:00", "2022-04-05T07:38:00z", "2022-04-05t07:38:00Z",
		"2022-04-05 07:38:00Z", "2022-04-05T24:00:00Z", "2022-04-05T23:60:00Z", "2016-12-31T23:59:60Z",
		"2022-02-29T00:00:00Z", "2022-13-01T00:00:00Z", "2022-00-01T00:00:00Z",
		"1677-12-31T23:59:59Z", "2262-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z",
		"1970-01-01T00:00:00Z",                                     // stands for none
		"2022-04-05T7:38:00.5Z",                                    // an hour of one digit
		"2022-04-05T07:38:00,5Z",                                   // a comma
		"2022-04-05T07:38:00.Z", "2022-04-05T07:38:00.1234567891Z", // too few and too many decimals
		" 2022-04-05T07:38:00Z", "2022-04-05T07:38:00Z ", "٢٠٢٢-04-05T07:38:00Z",
	} {
		if got, err := events.ParseTime(text); !errors.Is(err, events.ErrMalformed) {
			t.Errorf("%q is %s, %v", text, got, err)
		}
	}
}

func TestNoTime(t *testing.T) {
	t.Parallel()
	var none events.Time
	if !none.IsZero() || none.String() != "" || !none.Time().IsZero() || events.TimeOf(time.Time{}) != 0 {
		t.Error("the zero Time is a time")
	}
	if later := none.Add(time.Second); later.Sub(none) != time.Second {
		t.Errorf("%d", later)
	}
}

func FuzzParseTime(f *testing.F) {
	for _, text := range []string{"2022-04-05T07:38:00Z", "2022-04-05T07:38:00.123456789Z", "2022-04-05T7:38:00.5Z", "2016-12-31T23:59:60Z", "2022-04-05T07:38:00,5Z"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := events.ParseTime(text)
		if err != nil {
			return
		}
		back, err := events.ParseTime(got.String())
		if err != nil || back != got || got.IsZero() || len(got.String()) > len(text) {
			t.Errorf("%q is %s and again %s, %v", text, got, back, err)
		}
	})
}
