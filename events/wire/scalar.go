package wire

import (
	"bytes"
	"fmt"

	"github.com/tinylib/msgp/msgp"
)

// String codes a text. It need not be UTF-8.
func String[S ~string](c *Coder, s *S) {
	c.fields++
	if c.reading {
		*s = S(c.string())
	} else {
		c.buf = msgp.AppendString(c.buf, string(*s))
	}
}

// Name is String for a text that is one of not many, such as who brought an event:
// what is read shares its bytes with the same text met before.
func Name[S ~string](c *Coder, s *S) {
	if !c.reading {
		String(c, s)
		return
	}
	c.fields++
	raw, rest, err := msgp.ReadStringZC(c.left())
	if err != nil {
		c.Fail(err)
		return
	}
	c.leave(rest)
	if c.names == nil {
		c.names = new(names)
	}
	*s = S(c.names.of(raw))
}

// names are texts met lately, each in the place that it comes to.
type names [64]string

// maxName bounds the texts that are kept.
const maxName = 64

func (n *names) of(raw []byte) string {
	if len(raw) == 0 || len(raw) > maxName {
		return string(raw)
	}
	place := 7*len(raw) + 31*int(raw[len(raw)-1]) + 5*int(raw[len(raw)/2])
	known := &n[place%len(n)]
	if *known != string(raw) {
		*known = string(raw)
	}
	return *known
}

func (c *Coder) string() string {
	raw, rest, err := msgp.ReadStringZC(c.left())
	if err != nil {
		c.Fail(err)
		return ""
	}
	if c.shares && c.text == "" && len(raw) > 0 {
		c.text = string(c.left())
	}
	c.leave(rest)
	if end := len(c.text) - len(rest); c.shares && len(raw) > 0 {
		return c.text[end-len(raw) : end]
	}
	return string(raw)
}

// Uint codes an unsigned integer.
func Uint[U ~uint8 | ~uint16 | ~uint32 | ~uint64](c *Coder, u *U) {
	c.fields++
	if !c.reading {
		c.buf = msgp.AppendUint64(c.buf, uint64(*u))
		return
	}
	n, rest, err := msgp.ReadUint64Bytes(c.left())
	if err == nil && uint64(U(n)) != n {
		err = fmt.Errorf("%d does not fit", n)
	}
	if err != nil {
		c.Fail(err)
		return
	}
	*u = U(n)
	c.leave(rest)
}

// Int codes a signed integer.
func Int[I ~int64](c *Coder, i *I) {
	c.fields++
	switch n := int64(*i); {
	case c.reading:
		n, rest, err := msgp.ReadInt64Bytes(c.left())
		if err != nil {
			c.Fail(err)
			return
		}
		*i = I(n)
		c.leave(rest)
	case n < 0:
		c.buf = msgp.AppendInt64(c.buf, n)
	default:
		c.buf = msgp.AppendUint64(c.buf, uint64(n)) // which is a byte shorter for some
	}
}

// Bool codes a truth value.
func Bool(c *Coder, b *bool) {
	c.fields++
	if !c.reading {
		c.buf = msgp.AppendBool(c.buf, *b)
		return
	}
	set, rest, err := msgp.ReadBoolBytes(c.left())
	if err != nil {
		c.Fail(err)
		return
	}
	*b = set
	c.leave(rest)
}

// Bytes codes bytes of any number. What is read is a copy.
func Bytes(c *Coder, b *[]byte) {
	Borrowed(c, b)
	if c.reading {
		*b = bytes.Clone(*b)
	}
}

// Borrowed is Bytes without the copy: what is read is part of the input.
func Borrowed(c *Coder, b *[]byte) {
	c.fields++
	switch {
	case !c.reading && *b == nil:
		c.buf = msgp.AppendNil(c.buf)
	case !c.reading:
		c.buf = msgp.AppendBytes(c.buf, *b)
	case c.readNil():
		*b = nil
	default:
		*b = c.bytes()
	}
}

// Fixed codes bytes of a known number: it fills b.
func Fixed(c *Coder, b []byte) {
	c.fields++
	if c.reading {
		c.fill(b)
	} else {
		c.buf = msgp.AppendBytes(c.buf, b)
	}
}

// FixedOrNil is Fixed with nil for zeros.
func FixedOrNil(c *Coder, b []byte) {
	c.fields++
	switch {
	case c.reading && c.readNil():
		clear(b)
	case c.reading:
		c.fill(b)
	case zero(b):
		c.buf = msgp.AppendNil(c.buf)
	default:
		c.buf = msgp.AppendBytes(c.buf, b)
	}
}

// Raw codes a value of any kind as its bytes, which are part of the input.
func Raw(c *Coder, b *[]byte) {
	c.fields++
	if !c.reading {
		c.buf = append(c.buf, *b...)
		return
	}
	left := c.left()
	rest, err := msgp.Skip(left)
	if err != nil {
		c.Fail(err)
		return
	}
	*b = left[:len(left)-len(rest)]
	c.leave(rest)
}

func (c *Coder) fill(b []byte) {
	got := c.bytes()
	if c.err == nil && len(got) != len(b) {
		c.Fail(fmt.Errorf("has %d bytes, %d are wanted", len(got), len(b)))
	}
	copy(b, got)
}

func (c *Coder) bytes() []byte {
	got, rest, err := msgp.ReadBytesZC(c.left())
	if err != nil {
		c.Fail(err)
		return nil
	}
	c.leave(rest)
	return got
}

func zero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
