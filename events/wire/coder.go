package wire

import (
	"bytes"
	"fmt"
	"sync"
)

// Fields is a struct that lists its fields: each through a function of this
// package or a method of its own, always the same ones in the same order.
type Fields interface {
	Fields(c *Coder)
}

// Coder writes or reads values. It is for one goroutine, and of no use after
// Release.
type Coder struct {
	buf     []byte // writing: what was written; reading: the input
	reading bool
	at      int    // reading: how much was read
	err     error  // the first
	fields  int    // how many fields of the innermost open struct have been coded
	shares  bool   // texts are cut from text
	text    string // a copy of the end of the input
	scratch []byte // what the next writer writes into
	names   *names // lives as long as scratch
}

// coders lends Coders and the memory they write into.
var coders = sync.Pool{New: func() any { return new(Coder) }}

// maxScratch is how much of that memory a Coder keeps: more than nearly every
// event takes.
const maxScratch = 64 << 10

// NewWriter begins to write.
func NewWriter() *Coder {
	c, _ := coders.Get().(*Coder)
	c.buf = c.scratch[:0]
	return c
}

// NewReader begins to read raw, which must not change until Release.
func NewReader(raw []byte) *Coder {
	c, _ := coders.Get().(*Coder)
	c.buf, c.reading = raw, true
	return c
}

// Release gives the Coder back, and with it the bytes of Written.
func (c *Coder) Release() {
	if !c.reading && cap(c.buf) <= maxScratch {
		c.scratch = c.buf
	}
	*c = Coder{scratch: c.scratch, names: c.names}
	coders.Put(c)
}

// Written is what was written so far; it is valid until Release.
func (c *Coder) Written() ([]byte, error) { return c.buf, c.err }

// End is the first error of reading, bytes after the last value among them.
func (c *Coder) End() error {
	if left := len(c.left()); left > 0 && c.err == nil {
		return fmt.Errorf("%d bytes follow the last value", left)
	}
	return c.err
}

// Reading tells the direction.
func (c *Coder) Reading() bool { return c.reading }

// Fail makes err the error of the Coder, unless it has one.
func (c *Coder) Fail(err error) {
	if c.err == nil {
		c.err = fmt.Errorf("field %d: %w", c.fields, err)
	}
	if c.reading {
		c.at = len(c.buf) // whatever is read from here on fails at once
	}
}

// ShareTexts lets the texts read from here on be cut from one copy of what is
// left, rather than copied one by one, unless that is so much that a single
// text should not hold on to it.
func (c *Coder) ShareTexts() { c.shares, c.text = len(c.left()) <= maxShared, "" }

// maxShared is how many bytes a text may hold on to.
const maxShared = 1 << 10

// left is what was not read yet.
func (c *Coder) left() []byte { return c.buf[c.at:] }

// leave goes on reading with rest, the end of what was left.
func (c *Coder) leave(rest []byte) { c.at = len(c.buf) - len(rest) }

// Marshal is the form of v, in bytes of exactly its length.
func Marshal(v Fields) ([]byte, error) {
	c := NewWriter()
	defer c.Release()
	Struct(c, v)
	written, err := c.Written()
	return bytes.Clone(written), err
}

// Unmarshal reads v and refuses bytes after it. On an error, v holds what was
// read so far.
func Unmarshal(raw []byte, v Fields) error {
	c := NewReader(raw)
	defer c.Release()
	Struct(c, v)
	return c.End()
}
