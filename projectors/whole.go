package projectors

import (
	"bytes"
	"fmt"
	"sync"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/events/wire"
	"tenantcatalogue/projectors/viewdb"
)

// A view that keeps aggregates whole has one row of each, which begins where the
// rows of entities begin that other views have: its head, why it is not to be
// trusted, and its entities.

// WholeRow is the key of an aggregate's row in a view that keeps it whole.
func WholeRow(a events.Aggregate) []byte {
	return a.AppendKey(append(make([]byte, 0, wholeRowSize), rowEntity))
}

// wholeRowSize is the length of such a key: the prefix and the aggregate.
const wholeRowSize = 1 + 17

// Into is what a row is read into.
type Into interface {
	// Into says where an entity of a kind belongs; nil: it is not wanted.
	Into(kind events.EntityKind) wire.Fields
}

// DecodeWhole decodes what stands at a WholeRow. The error matches ErrQuarantined
// when it is not to be trusted, and viewdb.ErrCorrupt when it is nonsense.
func DecodeWhole(row, raw []byte, into Into) (a events.Aggregate, head catalogue.Head, err error) {
	a, _ = events.AggregateFromKey(row[1:])
	w, _ := wholeReaders.Get().(*wholeReader)
	defer func() {
		*w = wholeReader{}
		wholeReaders.Put(w)
	}()
	w.into = into
	c := wire.NewReader(raw)
	defer c.Release()
	c.ShareTexts()
	wire.Struct(c, w)
	switch err := c.End(); {
	case err != nil:
		return a, head, corrupt(a, err)
	case w.quarantine.Seq > 0:
		return a, head, w.quarantine.of(a)
	}
	return a, w.head, nil
}

// wholeReaders are lent: what a field list works on must have an address.
var wholeReaders = sync.Pool{New: func() any { return new(wholeReader) }}

// wholeReader reads a wholeRow with its entities.
type wholeReader struct {
	head       catalogue.Head
	quarantine Quarantine
	into       Into
	kind       events.EntityKind // of the entity that comes
	none       []struct{}
	unwanted   []byte
}

// Fields lists the fields in the order of the wire.
func (w *wholeReader) Fields(c *wire.Coder) {
	wire.Struct(c, &w.head)
	wire.Struct(c, &w.quarantine)
	wire.Pairs(c, &w.none, func(_ *struct{}, c *wire.Coder) {
		wire.Uint(c, &w.kind)
		if to := w.into.Into(w.kind); to != nil {
			wire.Struct(c, to)
		} else {
			wire.Raw(c, &w.unwanted)
		}
	})
}

// wholeRow is the row as it is folded. Most events change the head only: its
// entities are decoded when somebody needs them.
type wholeRow struct {
	head       catalogue.Head
	quarantine Quarantine // zero: there is none
	entities   []byte     // as events.Entities writes them; nil: the row is new
}

// Fields lists the fields in the order of the wire. The entities that are read are
// part of the input.
func (w *wholeRow) Fields(c *wire.Coder) {
	wire.Struct(c, &w.head)
	wire.Struct(c, &w.quarantine)
	wire.Raw(c, &w.entities)
}

func corrupt(a events.Aggregate, err error) error {
	return fmt.Errorf("%w: %s: %w", viewdb.ErrCorrupt, a, err)
}

func readWhole(a events.Aggregate, raw []byte) (w wholeRow, err error) {
	if err = wire.Unmarshal(raw, &w); err != nil {
		err = corrupt(a, err)
	}
	return w, err
}

// unpack decodes the entities.
func (w *wholeRow) unpack(a events.Aggregate) (list events.Entities, err error) {
	if w.entities == nil {
		return nil, nil
	}
	c := wire.NewReader(w.entities)
	defer c.Release()
	c.ShareTexts()
	list.Wire(c)
	if err = c.End(); err != nil {
		err = corrupt(a, err)
	}
	return list, err
}

// pack encodes entities, which are in key order.
func (w *wholeRow) pack(list events.Entities) error {
	c := wire.NewWriter()
	defer c.Release()
	list.Wire(c)
	written, err := c.Written()
	w.entities = bytes.Clone(written)
	return err
}
