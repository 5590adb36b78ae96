package events_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"tenantcatalogue/events"
)

// readAll gives what ReadNDJSON hands over, one text a line.
func readAll(t testing.TB, in io.Reader) []string {
	t.Helper()
	var out []string
	err := events.ReadNDJSON(in, func(line int, e events.CloudEvent, err error) error {
		verdict := "ok"
		if err != nil {
			verdict = err.Error()
		} else if e.ID.IsZero() {
			t.Errorf("line %d has neither event nor error", line)
		}
		out = append(out, fmt.Sprintf("%d: %s", line, verdict))
		return nil
	})
	if err != nil {
		t.Errorf("%v", err)
	}
	return out
}

func TestReadNDJSON(t *testing.T) {
	t.Parallel()
	long := `{"data":"` + strings.Repeat("a", events.MaxCloudEventBytes) + `"}`
	const blank = "line: is blank"
	for name, c := range map[string]struct {
		in   string
		want []string
	}{
		"nothing":           {"", nil},
		"two":               {renamed + "\n" + renamed + "\n", []string{"1: ok", "2: ok"}},
		"no last end":       {renamed + "\n" + renamed, []string{"1: ok", "2: ok"}},
		"a bad one between": {renamed + "\n{}\n" + renamed + "\n", []string{"1: ok", `2: specversion: is ""; "1.0" is wanted`, "3: ok"}},
		"blank":             {renamed + "\n\n" + renamed, []string{"1: ok", "2: " + blank, "3: ok"}},
		"blank first":       {"\n" + renamed, []string{"1: " + blank, "2: ok"}},
		"spaces":            {renamed + "\n \t\n", []string{"1: ok", "2: " + blank}},
		"CRLF":              {renamed + "\r\n" + renamed + "\n", []string{"1: line: ends with CR LF; save the file with LF", "2: ok"}},
		"BOM":               {"\ufeff" + renamed + "\n" + renamed, []string{"1: line: begins with a byte order mark; save the file as UTF-8 without one", "2: ok"}},
		"BOM inside":        {renamed + "\n\ufeff" + renamed, []string{"1: ok", "2: event: is not JSON, or more than one JSON value"}},
		"too long":          {renamed + "\n" + long + "\n" + renamed, []string{"1: ok", fmt.Sprintf("2: line: has more than %d bytes", events.MaxCloudEventBytes), "3: ok"}},
		"too long at last":  {long, []string{fmt.Sprintf("1: line: has more than %d bytes", events.MaxCloudEventBytes)}},
		"truncated":         {renamed[:50], []string{"1: event: is not JSON, or more than one JSON value"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			same(t, c.want, readAll(t, strings.NewReader(c.in)))
			if len(c.in) < 1<<20 {
				same(t, c.want, readAll(t, iotest.OneByteReader(strings.NewReader(c.in))))
			}
		})
	}
}

func TestReadNDJSONStops(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	calls := 0
	err := events.ReadNDJSON(strings.NewReader(renamed+"\n"+renamed), func(int, events.CloudEvent, error) error { calls++; return enough })
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	broken := errors.New("broken")
	in := io.MultiReader(strings.NewReader(renamed+"\n"+renamed[:9]), iotest.ErrReader(broken))
	calls = 0
	err = events.ReadNDJSON(in, func(int, events.CloudEvent, error) error { calls++; return nil })
	if !errors.Is(err, broken) || calls != 1 || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("%v after %d calls", err, calls)
	}
}

// All golden events as one file, there and back.
func TestNDJSONThereAndBack(t *testing.T) {
	t.Parallel()
	var file, again bytes.Buffer
	for _, eventType := range events.Types() {
		file.Write(readGolden(t, eventType).json)
	}
	err := events.ReadNDJSON(bytes.NewReader(file.Bytes()), func(_ int, e events.CloudEvent, err error) error {
		if err != nil {
			return err
		}
		return events.WriteNDJSON(&again, e.Event)
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, file.String(), again.String())
	full := errors.New("full")
	if err := events.WriteNDJSON(failing{full}, anEvent()); !errors.Is(err, full) {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func FuzzReadNDJSON(f *testing.F) {
	f.Add([]byte(renamed + "\n" + renamed))
	f.Add([]byte("\ufeff" + renamed + "\r\n\n{}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		lines := 0
		err := events.ReadNDJSON(bytes.NewReader(raw), func(line int, e events.CloudEvent, err error) error {
			lines++
			var fault *events.FieldError
			if line != lines || err != nil && !errors.As(err, &fault) || err == nil && e.Payload == nil {
				t.Errorf("line %d after %d: %+v, %v", line, lines-1, e, err)
			}
			return nil
		})
		want := bytes.Count(raw, []byte("\n"))
		if len(raw) > 0 && raw[len(raw)-1] != '\n' {
			want++
		}
		if err != nil || lines != want {
			t.Errorf("%d lines of %d, %v", lines, want, err)
		}
	})
}
