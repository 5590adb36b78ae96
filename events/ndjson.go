package events

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ReadNDJSON reads events as WriteNDJSON writes them, one a line, and hands
// each to fn with its line, from 1. A line that is no event is handed over with
// its fault, which is a *FieldError, and reading goes on; an error of fn ends
// it and is returned. Lines end with a line feed only, none is blank, none
// longer than MaxCloudEventBytes; the last one may lack its end.
func ReadNDJSON(r io.Reader, fn func(line int, e CloudEvent, err error) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	for line := 1; ; line++ {
		text, fault, err := readLine(in)
		if errors.Is(err, io.EOF) && len(text) == 0 && fault == nil {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read line %d: %w", line, err)
		}
		var e CloudEvent
		if fault == nil {
			fault = lineFault(line, text)
		}
		if fault == nil {
			e, fault = ParseRecorded(text)
		}
		if err := fn(line, e, fault); err != nil {
			return err
		}
	}
}

// readLine reads up to a line feed, which it leaves out. Of a line that is too
// long it keeps nothing.
func readLine(in *bufio.Reader) (text []byte, fault, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if fault == nil {
			text = append(text, part...)
		}
		if len(text) > MaxCloudEventBytes+1 {
			text, fault = nil, &FieldError{Field: "line", Why: fmt.Sprintf("has more than %d bytes", MaxCloudEventBytes), Err: ErrTooLarge}
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimSuffix(text, []byte{'\n'}), fault, err
		}
	}
}

func lineFault(line int, text []byte) error {
	switch {
	case line == 1 && bytes.HasPrefix(text, []byte("\ufeff")):
		return malformed("line", "begins with a byte order mark; save the file as UTF-8 without one")
	case bytes.HasSuffix(text, []byte{'\r'}):
		return malformed("line", "ends with CR LF; save the file with LF")
	case len(bytes.TrimSpace(text)) == 0:
		return malformed("line", "is blank")
	}
	return nil
}

// WriteNDJSON writes one event and a line feed.
func WriteNDJSON(w io.Writer, e Event) error {
	raw, err := MarshalCloudEvent(e)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(raw, '\n')); err != nil {
		return fmt.Errorf("write %s: %w", e.ID, err)
	}
	return nil
}
