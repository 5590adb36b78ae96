package events

import (
	"strconv"
	"time"
)

// Time is an instant in Unix nanoseconds (UTC); zero means "none". It covers
// the years 1678 to 2262; times outside do not parse.
type Time int64

// TimeOf converts a time.Time; its zero value gives the zero Time.
func TimeOf(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.UnixNano())
}

// ParseTime reads RFC 3339 in UTC, spelled with a Z. Any other zone, a leap
// second, 24:00 or a year that nanoseconds cannot hold is an error.
func ParseTime(text string) (Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	// time.Parse also takes hours of one digit, a comma for the point and more
	// decimals than it keeps.
	if err != nil || len(text) < len("2022-04-05T07:38:00Z") || len(text) > len("2022-04-05T07:38:00.123456789Z") ||
		text[10] != 'T' || text[13] != ':' || text[19] != '.' && text[19] != 'Z' || text[len(text)-1] != 'Z' {
		return 0, malformed("time", "%.40q is not an RFC 3339 time in UTC, e.g. 2022-04-05T07:38:00Z", text)
	}
	if y := t.Year(); y < 1678 || y > 2261 {
		return 0, malformed("time", "the year of %.40q is outside 1678 to 2261", text)
	}
	if t.UnixNano() == 0 {
		return 0, malformed("time", "the Unix epoch itself is not a time of this catalogue")
	}
	return Time(t.UnixNano()), nil
}

// Time is the instant as a time.Time in UTC; the zero Time gives the zero one.
func (t Time) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(t)).UTC()
}

// Add moves the instant.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Sub is the duration from u to t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// IsZero tells whether there is no time.
func (t Time) IsZero() bool { return t == 0 }

// String is RFC 3339 in UTC with as many decimals as needed; empty for none.
func (t Time) String() string {
	if t == 0 {
		return ""
	}
	return t.Time().Format(time.RFC3339Nano)
}

// MarshalText is String.
func (t Time) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText is ParseTime.
func (t *Time) UnmarshalText(text []byte) error {
	parsed, err := ParseTime(string(text))
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}

// Seq is an event's place in the stream: 1, 2, 3, ... without a gap. It is
// the only order there is.
type Seq uint64

// String is the decimal form.
func (s Seq) String() string { return strconv.FormatUint(uint64(s), 10) }
