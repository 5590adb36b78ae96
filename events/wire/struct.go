package wire

import (
	"fmt"
	"slices"

	"github.com/tinylib/msgp/msgp"
)

// maxFields is how many fields a struct may have, so that its head takes one
// byte.
const maxFields = 15

// fixArray is the head of an array of none. A count up to maxFields is added to it.
const fixArray = 0x90

// Frame is a struct that is open.
type Frame struct {
	before int // fields coded of the struct around it, this one among them
	head   int // writing: the place of its head; reading: how many fields it has
}

// Struct codes v as an array of its fields.
func Struct(c *Coder, v Fields) {
	f := c.Open()
	v.Fields(c)
	c.Close(f)
}

// Open begins a struct; its fields follow until Close.
func (c *Coder) Open() Frame {
	c.fields++
	f := Frame{before: c.fields, head: len(c.buf)}
	if c.reading {
		f.head = c.length(msgp.ReadArrayHeaderBytes(c.left()))
	} else {
		c.buf = append(c.buf, fixArray)
	}
	c.fields = 0
	return f
}

// Close ends the struct that Open began.
func (c *Coder) Close(f Frame) {
	switch n := c.fields; {
	case c.err != nil:
	case c.reading && n != f.head:
		c.Fail(fmt.Errorf("is the last of %d, the array has %d", n, f.head))
	case !c.reading && n > maxFields:
		c.Fail(fmt.Errorf("at most %d can be written", maxFields))
	case !c.reading:
		c.buf[f.head] = fixArray | byte(n)
	}
	c.fields = f.before
}

// Structs codes a list of structs.
func Structs[E any, P interface {
	*E
	Fields
}](c *Coder, list *[]E) {
	List(c, list, func(e *E, c *Coder) { Struct(c, P(e)) })
}

// Strings codes a list of texts.
func Strings[S ~string](c *Coder, list *[]S) {
	List(c, list, func(s *S, c *Coder) { String(c, s) })
}

// List codes a list; item codes one of it.
func List[E any](c *Coder, list *[]E, item func(*E, *Coder)) { items(c, list, 1, item) }

// Pairs codes a list whose items are two values each, in one array of twice its
// length. An array of none is read as nil.
func Pairs[E any](c *Coder, list *[]E, item func(*E, *Coder)) {
	if items(c, list, 2, item); c.reading && len(*list) == 0 {
		*list = nil
	}
}

// items codes a list whose items are so many values each.
func items[E any](c *Coder, list *[]E, values int, item func(*E, *Coder)) {
	c.fields++
	at := c.fields
	switch {
	case c.reading && c.readNil():
		*list = nil
	case c.reading:
		*list = readItems(c, values, item)
	case *list == nil:
		c.buf = msgp.AppendNil(c.buf)
	default:
		c.buf = msgp.AppendArrayHeader(c.buf, uint32(values*len(*list)))
		for i := range *list {
			item(&(*list)[i], c)
		}
	}
	c.fields = at
}

// maxAhead is how many items are allocated before any of them was read: an item
// may take far more memory than the byte that is known to be there.
const maxAhead = 256

func readItems[E any](c *Coder, values int, item func(*E, *Coder)) []E {
	at := c.fields
	n := c.length(msgp.ReadArrayHeaderBytes(c.left()))
	if n%values != 0 {
		c.Fail(fmt.Errorf("has %d values, %d make an item", n, values))
		return nil
	}
	n /= values
	out := make([]E, 0, min(n, maxAhead))
	for i := 0; i < n && c.err == nil; i++ {
		c.fields = at - 1 // a fault names the list
		var e E
		out = append(out, e)
		item(&out[i], c)
	}
	return out
}

// Map codes a map, sorted by key; value codes one value of it.
func Map[V any](c *Coder, m *map[string]V, value func(*Coder, *V)) {
	c.fields++
	at := c.fields
	switch {
	case c.reading && c.readNil():
		*m = nil
	case c.reading:
		*m = readMap(c, value)
	case *m == nil:
		c.buf = msgp.AppendNil(c.buf)
	default:
		writeMap(c, *m, value)
	}
	c.fields = at
}

func writeMap[V any](c *Coder, m map[string]V, value func(*Coder, *V)) {
	var few [16]string
	keys := few[:0]
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	c.buf = msgp.AppendMapHeader(c.buf, uint32(len(keys)))
	var v V
	for _, key := range keys {
		c.buf = msgp.AppendString(c.buf, key)
		v = m[key]
		value(c, &v)
	}
}

func readMap[V any](c *Coder, value func(*Coder, *V)) map[string]V {
	at := c.fields
	n := c.length(msgp.ReadMapHeaderBytes(c.left()))
	out := make(map[string]V, min(n, maxAhead))
	var v V
	for i := 0; i < n && c.err == nil; i++ {
		c.fields = at - 1 // a fault names the map
		key := c.string()
		value(c, &v)
		out[key] = v
	}
	return out
}

// readNil takes a nil, if that is what comes next.
func (c *Coder) readNil() bool {
	if !msgp.IsNil(c.left()) {
		return false
	}
	c.at++
	return true
}

// length takes the head of an array or a map. As each item has a byte at least,
// a length beyond the bytes that are left is no length.
func (c *Coder) length(n uint32, rest []byte, err error) int {
	switch {
	case err != nil:
		c.Fail(err)
		return 0
	case uint64(n) > uint64(len(rest)):
		c.Fail(fmt.Errorf("announces %d items in %d bytes", n, len(rest)))
		return 0
	}
	c.leave(rest)
	return int(n)
}
