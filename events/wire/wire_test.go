package wire_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tenantcatalogue/events/wire"
)

type colour string

// everything has a field of every sort.
type everything struct {
	Text   colour
	Byte   uint8
	Short  uint16
	Word   uint32
	Long   uint64
	Signed int64
	Yes    bool
	Bytes  []byte
	Lent   []byte
	Fixed  [4]byte
	None   [4]byte
	Inner  inner
	Inners []inner
	Texts  []colour
	Map    map[string]bool
}

type inner struct{ Name string }

func (e *everything) Fields(c *wire.Coder) {
	wire.String(c, &e.Text)
	wire.Uint(c, &e.Byte)
	wire.Uint(c, &e.Short)
	wire.Uint(c, &e.Word)
	wire.Uint(c, &e.Long)
	wire.Int(c, &e.Signed)
	wire.Bool(c, &e.Yes)
	wire.Bytes(c, &e.Bytes)
	wire.Borrowed(c, &e.Lent)
	wire.Fixed(c, e.Fixed[:])
	wire.FixedOrNil(c, e.None[:])
	wire.Struct(c, &e.Inner)
	wire.Structs(c, &e.Inners)
	wire.Strings(c, &e.Texts)
	wire.Map(c, &e.Map, wire.Bool)
}

func (i *inner) Fields(c *wire.Coder) { wire.Name(c, &i.Name) }

func drawEverything(t *rapid.T) everything {
	var e everything
	e.Text = colour(rapid.String().Draw(t, "text"))
	e.Byte, e.Short = rapid.Uint8().Draw(t, "byte"), rapid.Uint16().Draw(t, "short")
	e.Word, e.Long = rapid.Uint32().Draw(t, "word"), rapid.Uint64().Draw(t, "long")
	e.Signed, e.Yes = rapid.Int64().Draw(t, "signed"), rapid.Bool().Draw(t, "yes")
	some := func(label string) []byte {
		if rapid.Bool().Draw(t, label+" is nil") {
			return nil
		}
		return rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, label)
	}
	e.Bytes, e.Lent = some("bytes"), some("lent")
	copy(e.Fixed[:], some("fixed"))
	copy(e.None[:], some("none"))
	e.Inner.Name = rapid.String().Draw(t, "inner")
	for _, name := range some("inners") {
		e.Inners = append(e.Inners, inner{strings.Repeat("x", int(name))})
	}
	for _, text := range some("texts") {
		e.Texts = append(e.Texts, colour(text))
	}
	if rapid.Bool().Draw(t, "map") {
		e.Map = rapid.MapOfN(rapid.String(), rapid.Bool(), 0, 20).Draw(t, "items")
	}
	return e
}

// What is written is read, from bytes of exactly its length, and written again
// the same; no part of it can be read.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawEverything(t)
		raw, err := wire.Marshal(&want)
		if err != nil {
			t.Fatal(err)
		}
		for _, shared := range []bool{false, true} {
			var got everything
			c := wire.NewReader(raw)
			if shared {
				c.ShareTexts()
			}
			wire.Struct(c, &got)
			if err := c.End(); err != nil {
				t.Fatal(err)
			}
			c.Release()
			if d := cmp.Diff(want, got); d != "" {
				t.Fatal(d)
			}
			if again, err := wire.Marshal(&got); err != nil || !bytes.Equal(raw, again) {
				t.Fatalf("%x, %x, %v", raw, again, err)
			}
		}
		cut := rapid.IntRange(0, len(raw)-1).Draw(t, "cut")
		if err := wire.Unmarshal(raw[:cut], new(everything)); err == nil {
			t.Fatalf("%d bytes of %x can be read", cut, raw)
		}
		if err := wire.Unmarshal(append(raw, 0xc0), new(everything)); err == nil {
			t.Fatalf("bytes after the end of %x are taken", raw)
		}
	})
}

type one[T any] struct {
	value T
	code  func(*wire.Coder, *T)
}

func (o *one[T]) Fields(c *wire.Coder) { o.code(c, &o.value) }

func TestIntegersAreShortest(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]int{
		0: 1, 127: 1, 128: 2, 255: 2, 256: 3, 65535: 3, 65536: 5, math.MaxUint32: 5, math.MaxUint32 + 1: 9, math.MaxInt64: 9,
		-1: 1, -32: 1, -33: 2, -128: 2, -129: 3, -32768: 3, -32769: 5, math.MinInt32: 5, math.MinInt32 - 1: 9, math.MinInt64: 9,
	} {
		raw, err := wire.Marshal(&one[int64]{n, wire.Int[int64]})
		if err != nil || len(raw) != 1+want {
			t.Errorf("%d takes %x, %v", n, raw, err)
		}
	}
}

func TestReadingIsStrict(t *testing.T) {
	t.Parallel()
	text, number := &one[string]{code: wire.String[string]}, &one[uint16]{code: wire.Uint[uint16]}
	list, truths := &one[[]string]{code: wire.Strings[string]}, &one[map[string]bool]{code: func(c *wire.Coder, m *map[string]bool) { wire.Map(c, m, wire.Bool) }}
	fixed := &one[[4]byte]{code: func(c *wire.Coder, b *[4]byte) { wire.Fixed(c, b[:]) }}
	pairs := &one[[]string]{code: func(c *wire.Coder, l *[]string) {
		wire.Pairs(c, l, func(s *string, c *wire.Coder) { wire.String(c, s); wire.String(c, s) })
	}}
	for _, bad := range []struct {
		name string
		raw  string
		v    wire.Fields
		says string
	}{
		{"no array", "\xa1a", text, "array"},
		{"nil for a struct", "\xc0", text, "array"},
		{"a field too few", "\x90", text, "few bytes"},
		{"a field too many", "\x92\xa1a\xa1b", text, "the array has 2"},
		{"nil for a text", "\x91\xc0", text, "str"},
		{"bytes for a text", "\x91\xc4\x01a", text, "str"},
		{"a text that ends early", "\x91\xa2a", text, "few bytes"},
		{"a text of 4 GiB", "\x91\xdb\xff\xff\xff\xff", text, "few bytes"},
		{"too large a number", "\x91\xce\x00\x01\x00\x00", number, "65536 does not fit"},
		{"less than nothing", "\x91\xff", number, "-1"},
		{"a list of 4 Gi", "\x91\xdd\xff\xff\xff\xff", list, "4294967295 items in 0 bytes"},
		{"another type in a list", "\x91\x92\xa1a\x05", list, "field 1"},
		{"a map of 4 Gi", "\x91\xdf\xff\xff\xff\xff", truths, "items in 0 bytes"},
		{"a map that ends early", "\x91\x81\xa1a", truths, "few bytes"},
		{"three bytes of four", "\x91\xc4\x03abc", fixed, "has 3 bytes, 4 are wanted"},
		{"four bytes that end early", "\x91\xc4\x04abc", fixed, "few bytes"},
		{"half a pair", "\x91\x91\xa1a", pairs, "has 1 values"},
	} {
		if err := wire.Unmarshal([]byte(bad.raw), bad.v); err == nil || !strings.Contains(err.Error(), bad.says) {
			t.Errorf("%s: %v", bad.name, err)
		}
	}
}

// Longer forms than the shortest are read: other writers may use them.
func TestReadingTakesLongForms(t *testing.T) {
	t.Parallel()
	got := &one[uint64]{code: wire.Uint[uint64]}
	if err := wire.Unmarshal([]byte("\xdc\x00\x01\xcf\x00\x00\x00\x00\x00\x00\x00\x05"), got); err != nil || got.value != 5 {
		t.Errorf("%d, %v", got.value, err)
	}
}

type tooMany struct{}

func (tooMany) Fields(c *wire.Coder) {
	for range 16 {
		wire.Bool(c, new(bool))
	}
}

func TestWritingRefusesTooManyFields(t *testing.T) {
	t.Parallel()
	if raw, err := wire.Marshal(tooMany{}); err == nil {
		t.Errorf("%x", raw)
	}
}

// A text that is read does not change with the bytes it was read from.
func TestTextsAreCopies(t *testing.T) {
	t.Parallel()
	raw := []byte("\x92\xa1a\xa1b")
	c := wire.NewReader(raw)
	defer c.Release()
	c.ShareTexts()
	f := c.Open()
	var a, b string
	wire.String(c, &a)
	wire.String(c, &b)
	c.Close(f)
	clear(raw)
	if err := c.End(); err != nil || a != "a" || b != "b" {
		t.Errorf("%q, %q, %v", a, b, err)
	}
}

func TestRawIsAnyValue(t *testing.T) {
	t.Parallel()
	values := &one[[][]byte]{code: func(c *wire.Coder, list *[][]byte) {
		wire.List(c, list, func(b *[]byte, c *wire.Coder) { wire.Raw(c, b) })
	}}
	raw := "\x91\x93\x05\x92\xa1a\xc0\x81\xa1k\xc3"
	if err := wire.Unmarshal([]byte(raw), values); err != nil {
		t.Fatal(err)
	}
	want := [][]byte{[]byte("\x05"), []byte("\x92\xa1a\xc0"), []byte("\x81\xa1k\xc3")}
	if d := cmp.Diff(want, values.value); d != "" {
		t.Error(d)
	}
	if again, err := wire.Marshal(values); err != nil || string(again) != raw {
		t.Errorf("%x, %v", again, err)
	}
	if err := wire.Unmarshal([]byte("\x91"+strings.Repeat("\x91", 1<<20)), values); err == nil {
		t.Error("values without an end are taken")
	}
}

func FuzzUnmarshal(f *testing.F) {
	raw, err := wire.Marshal(&everything{Text: "a", Inners: []inner{{"b"}}, Texts: []colour{"c"}, Map: map[string]bool{"d": true}, Bytes: []byte{1}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var e, again everything
		if wire.Unmarshal(raw, &e) != nil {
			return
		}
		canonical, err := wire.Marshal(&e)
		if err != nil {
			t.Fatal(err)
		}
		if err := wire.Unmarshal(canonical, &again); err != nil {
			t.Fatalf("%x is written as %x, which cannot be read: %v", raw, canonical, err)
		}
		if d := cmp.Diff(e, again); d != "" {
			t.Error(d)
		}
	})
}
