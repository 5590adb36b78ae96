package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"tenantcatalogue/catalogue/deletion"
)

// The formats of a list of what is to be deleted.
const (
	formatCSV    = "csv"
	formatNDJSON = "ndjson"
)

const (
	maxListBytes = 4 << 20
	maxListLines = 1000 // of targets: no plan has more
	maxListField = 512  // bytes
	shownFaults  = 20   // lines
)

// listColumns are the header of a CSV and the fields of NDJSON.
func listColumns() []string { return []string{"id", "parent", "name"} }

// listFault is what is wrong with a line, from 1.
type listFault struct {
	line int
	why  string
}

// listError is the answer to a list that cannot be read. Nothing of it is sent.
type listError struct{ faults []listFault }

// Error names the lines.
func (e *listError) Error() string {
	lines := make([]string, 0, shownFaults)
	for _, f := range e.faults[:min(len(e.faults), shownFaults)] {
		lines = append(lines, fmt.Sprintf("line %d %s", f.line, f.why))
	}
	if more := len(e.faults) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return "the list is not taken, and nothing was sent: " + strings.Join(lines, "; ")
}

// readList reads a list of targets: NDJSON or CSV with a header, as its first line says
// unless format does. It is strict: what is not exactly as it must be is a fault of its
// line, and one faulty line is a fault of the list.
func readList(in io.Reader, format string) ([]deletion.Asked, error) {
	raw, err := io.ReadAll(io.LimitReader(in, maxListBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the list: %w", err)
	}
	if len(raw) > maxListBytes {
		return nil, &listError{[]listFault{{1, fmt.Sprintf("begins a list of more than %d bytes", maxListBytes)}}}
	}
	raw = bytes.TrimSuffix(bytes.TrimPrefix(raw, []byte("\ufeff")), []byte("\n"))
	lines := strings.Split(string(raw), "\n")
	if format == "" {
		format = formatCSV
		if strings.HasPrefix(lines[0], "{") {
			format = formatNDJSON
		}
	}
	var faults []listFault
	var out []deletion.Asked
	parse := parseObject
	first := 0
	if format == formatCSV {
		parse, first = parseRecord, 1
		if columns, err := recordOf(lines[0]); err != nil || !slices.Equal(columns, listColumns()) {
			return nil, &listError{[]listFault{{1, fmt.Sprintf("is %.80q; the header of a CSV is %s", lines[0], strings.Join(listColumns(), ","))}}}
		}
	}
	for n, line := range lines[first:] {
		asked, err := parse(strings.TrimSuffix(line, "\r"))
		if err == nil && len(out) == maxListLines {
			err = fmt.Errorf("is one too many; a plan has at most %d targets", maxListLines)
		}
		if err != nil {
			faults = append(faults, listFault{first + n + 1, err.Error()})
			continue
		}
		out = append(out, asked)
	}
	switch {
	case len(faults) > 0:
		return nil, &listError{faults}
	case len(out) == 0:
		return nil, &listError{[]listFault{{1, "is all there is; list what is to go"}}}
	}
	return out, nil
}

var errBlank = errors.New("is blank")

// recordOf takes a line of a CSV apart. No field spans lines.
func recordOf(line string) ([]string, error) {
	r := csv.NewReader(strings.NewReader(strings.TrimSuffix(line, "\r")))
	record, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, errBlank
	}
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		err = fmt.Errorf("is no CSV: %w", parse.Err)
	}
	return record, err
}

func parseRecord(line string) (deletion.Asked, error) {
	record, err := recordOf(line)
	if err != nil {
		return deletion.Asked{}, err
	}
	if want := listColumns(); len(record) != len(want) {
		return deletion.Asked{}, fmt.Errorf("has %d fields, not %d", len(record), len(want))
	}
	return checked(deletion.Asked{ID: record[0], Parent: record[1], Name: record[2]})
}

// parseObject reads a line of NDJSON. encoding/json by itself would take a field twice,
// or in another case.
func parseObject(line string) (asked deletion.Asked, err error) {
	if strings.TrimSpace(line) == "" {
		return asked, errBlank
	}
	if !utf8.ValidString(line) {
		return asked, errors.New("is not UTF-8")
	}
	dec := json.NewDecoder(strings.NewReader(line))
	if begin, err := dec.Token(); err != nil || begin != json.Delim('{') {
		return asked, errors.New("is no JSON object")
	}
	fields := map[string]*string{"id": &asked.ID, "parent": &asked.Parent, "name": &asked.Name}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return asked, errors.New("is no JSON object")
		}
		name, _ := key.(string)
		into := fields[name]
		if into == nil {
			return asked, fmt.Errorf("has a field %.40q that is unknown or comes twice; there are %s", name, strings.Join(listColumns(), ", "))
		}
		delete(fields, name)
		value, err := dec.Token()
		text, isText := value.(string)
		if err != nil || !isText {
			return asked, fmt.Errorf("has a field %q that is no text", name)
		}
		*into = text
	}
	if end, err := dec.Token(); err != nil || end != json.Delim('}') {
		return asked, errors.New("is no JSON object")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return asked, errors.New("is an object followed by something")
	}
	return checked(asked)
}

// checked holds the texts of a line against what ids and names can be.
func checked(asked deletion.Asked) (deletion.Asked, error) {
	for i, text := range []string{asked.ID, asked.Parent, asked.Name} {
		what := listColumns()[i]
		switch {
		case text == "":
			return asked, fmt.Errorf("has no %s", what)
		case len(text) > maxListField:
			return asked, fmt.Errorf("has a field %s of %d bytes", what, len(text))
		case text != strings.TrimSpace(text) || strings.ContainsFunc(text, unicode.IsControl) || !utf8.ValidString(text):
			return asked, fmt.Errorf("has blanks around %s, or characters in it that nothing is called by", what)
		}
	}
	return asked, nil
}
