package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tenantcatalogue/catalogue/deletion"
)

// writeList writes a list as a careful program does.
func writeList(format string, list []deletion.Asked) []byte {
	var out bytes.Buffer
	if format == formatNDJSON {
		enc := json.NewEncoder(&out)
		for _, asked := range list {
			if err := enc.Encode(asked); err != nil {
				panic(err) // texts can always be encoded
			}
		}
		return out.Bytes()
	}
	w := csv.NewWriter(&out)
	_ = w.Write(listColumns()) // into memory it cannot fail
	for _, asked := range list {
		_ = w.Write([]string{asked.ID, asked.Parent, asked.Name})
	}
	w.Flush()
	return out.Bytes()
}

func drawList(t *rapid.T) []deletion.Asked {
	text := rapid.StringMatching(`[a-zäß0-9_"',;{}\\.-]( ?[a-zäß0-9_"',;{}\\.-]){0,20}`)
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) deletion.Asked {
		return deletion.Asked{ID: text.Draw(t, "id"), Parent: text.Draw(t, "parent"), Name: text.Draw(t, "name")}
	}), 1, 30).Draw(t, "list")
}

// TestListRoundTrip reads what was written, in both formats, with the format named and
// without.
func TestListRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list := drawList(t)
		for _, format := range []string{formatCSV, formatNDJSON} {
			raw := writeList(format, list)
			raw = bytes.ReplaceAll(raw, []byte("\n"), []byte(rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end of line")))
			for _, named := range []string{format, ""} {
				got, err := readList(bytes.NewReader(raw), named)
				if err != nil || !slices.Equal(got, list) {
					t.Fatalf("%s as %q: %v, %v\n%s", format, named, got, err, raw)
				}
			}
		}
	})
}

// faultyLines are lines that no list may have, by format.
func faultyLines(format string) []string {
	if format == formatNDJSON {
		return []string{
			``, ` `, `{}`, `[]`, `null`, `{"id":"a","parent":"b"}`, `{"id":"a","parent":"b","name":"c"`, `{"id":"a","parent":"b","name":"c"} {}`,
			`{"id":"a","parent":"b","name":"c","more":"d"}`, `{"id":"a","id":"a","parent":"b","name":"c"}`, `{"ID":"a","parent":"b","name":"c"}`,
			`{"id":1,"parent":"b","name":"c"}`, `{"id":null,"parent":"b","name":"c"}`, `{"id":{"id":"a"},"parent":"b","name":"c"}`,
			`{"id":"","parent":"b","name":"c"}`, `{"id":" a","parent":"b","name":"c"}`, `{"id":"a","parent":"b","name":"c\n"}`,
			"{\"id\":\"\xff\",\"parent\":\"b\",\"name\":\"c\"}", `a,b,c`, `{"id":"a","parent":"b","name":"` + strings.Repeat("c", maxListField+1) + `"}`,
		}
	}
	return []string{
		``, `a`, `a,b`, `a,b,c,d`, `,b,c`, `a,,c`, `a,b,`, `a,b, c`, `"a,b,c`, `a,"b"x,c`, `a,b,c"`, "a,b,\x00", "\xff,b,c", "\ufeff", `{"id":"a","parent":"b","name":"c"}`,
		`a,b,` + strings.Repeat("c", maxListField+1),
	}
}

// TestListFaults names every faulty line, whatever stands around it, and gives nothing.
func TestListFaults(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		format := rapid.SampledFrom([]string{formatCSV, formatNDJSON}).Draw(t, "format")
		lines := strings.Split(strings.TrimSuffix(string(writeList(format, drawList(t))), "\n"), "\n")
		lines = append(lines, lines[len(lines)-1]) // what is blank before the end of the file is no line
		want := map[int]bool{}
		for range rapid.IntRange(1, 3).Draw(t, "faults") {
			at := rapid.IntRange(1, len(lines)-1).Draw(t, "line")
			lines[at] = rapid.SampledFrom(faultyLines(format)).Draw(t, "fault")
			want[at+1] = true
		}
		if last := len(lines) - 1; lines[last] == "" {
			lines = append(lines, "") // its own end of line
		}
		got, err := readList(strings.NewReader(strings.Join(lines, "\n")), format)
		refused, ok := errors.AsType[*listError](err)
		if !ok || got != nil {
			t.Fatalf("%d faulty lines give %v, %v", len(want), got, err)
		}
		named := map[int]bool{}
		for _, f := range refused.faults {
			named[f.line] = true
		}
		if fmt.Sprint(named) != fmt.Sprint(want) {
			t.Fatalf("lines %v are named, %v are faulty", named, want)
		}
	})
}

// TestListHeaders takes a CSV by its one header only.
func TestListHeaders(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "\n", "id,parent,name\n", "parent,id,name\na,b,c\n", "id,parent\na,b\n", "ID,parent,name\na,b,c\n", "id, parent, name\na,b,c\n",
		"id;parent;name\na;b;c\n", "a,b,c\n", " {\"id\":\"a\",\"parent\":\"b\",\"name\":\"c\"}\n", "id,parent,name,\na,b,c,\n",
	} {
		if got, err := readList(strings.NewReader(text), ""); err == nil {
			t.Errorf("%q gives %v", text, got)
		}
	}
	marked := "\ufeffid,parent,name\r\na,b,c\r\n" // as spreadsheets write it
	if got, err := readList(strings.NewReader(marked), ""); err != nil || len(got) != 1 || got[0] != (deletion.Asked{ID: "a", Parent: "b", Name: "c"}) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestListIsBounded(t *testing.T) {
	t.Parallel()
	line := "a,b,c\n"
	if list, err := readList(strings.NewReader("id,parent,name\n"+strings.Repeat(line, maxListLines)), ""); err != nil || len(list) != maxListLines {
		t.Errorf("%d lines, %v", len(list), err)
	}
	_, err := readList(strings.NewReader("id,parent,name\n"+strings.Repeat(line, maxListLines+30)), "")
	if refused, ok := errors.AsType[*listError](err); !ok || len(refused.faults) != 30 || refused.faults[0].line != maxListLines+2 || !strings.Contains(err.Error(), "and 10 more") {
		t.Errorf("%v", err)
	}
	if _, err := readList(strings.NewReader(strings.Repeat("x", maxListBytes+1)), ""); err == nil {
		t.Error("a list without an end is read")
	}
}

// FuzzList reads anything without giving what no line says: what it takes, written again,
// is the same list.
func FuzzList(f *testing.F) {
	list := []deletion.Asked{{ID: "app_1", Parent: "tenant_1", Name: `a "name", with`}, {ID: "b", Parent: "c", Name: "d"}}
	for _, format := range []string{formatCSV, formatNDJSON} {
		f.Add(writeList(format, list))
		for _, line := range faultyLines(format) {
			f.Add([]byte(line))
			f.Add([]byte("id,parent,name\n" + line))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := readList(bytes.NewReader(raw), "")
		if err != nil {
			if got != nil {
				t.Fatalf("a list that is refused (%v) gives %v", err, got)
			}
			return
		}
		if lines := bytes.Count(bytes.TrimSuffix(raw, []byte("\n")), []byte("\n")) + 1; len(got) == 0 || len(got) > lines {
			t.Fatalf("%d lines give %d targets", lines, len(got))
		}
		for _, format := range []string{formatCSV, formatNDJSON} {
			again, err := readList(bytes.NewReader(writeList(format, got)), format)
			if err != nil || !slices.Equal(again, got) {
				t.Fatalf("%q is read as %v, and in %s as %v, %v", raw, got, format, again, err)
			}
		}
	})
}
