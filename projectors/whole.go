package projectors

import (
	"bytes"
	"fmt"

	"tenantcatalogue/catalogue"
	"tenantcatalogue/events"
	"tenantcatalogue/events/wire"
	"tenantcatalogue/projectors/viewdb"
)

// Whole is all that a view keeps of an aggregate, where that is one row (see
// EntityView.Whole).
type Whole struct {
	About    events.Aggregate
	Head     catalogue.Head
	Entities events.Entities // in key order
}

// WholeRow is the key of an aggregate's row in a view that keeps it whole.
func WholeRow(a events.Aggregate) []byte {
	return a.AppendKey(append(make([]byte, 0, wholeRowSize), rowEntity))
}

// DecodeWhole decodes what stands at a WholeRow. The error matches ErrQuarantined
// when it is not to be trusted, and viewdb.ErrCorrupt when it is nonsense.
func DecodeWhole(row, raw []byte) (w Whole, err error) {
	w.About, _ = events.AggregateFromKey(row[1:])
	in, err := readWhole(w.About, raw)
	if err != nil {
		return Whole{}, err
	}
	if in.quarantine.Seq > 0 {
		return Whole{}, in.quarantine.of(w.About)
	}
	w.Head = in.head
	w.Entities, err = in.unpack(w.About)
	return w, err
}

// wholeRow is the row itself. It begins where the rows of entities begin that
// other views have.
type wholeRow struct {
	head       catalogue.Head
	quarantine Quarantine // zero: there is none
	entities   []byte     // as events.Entities writes them; nil: there are none
}

// wholeRowSize is the length of such a row's key: the prefix and the aggregate.
const wholeRowSize = 1 + 17

// Fields lists the fields in the order of the wire. The entities that are read
// are part of the input, to be decoded when somebody needs them: most events
// change the head only.
func (w *wholeRow) Fields(c *wire.Coder) {
	wire.Struct(c, &w.head)
	wire.Struct(c, &w.quarantine)
	wire.Borrowed(c, &w.entities)
}

func readWhole(a events.Aggregate, raw []byte) (w wholeRow, err error) {
	if err = wire.Unmarshal(raw, &w); err != nil {
		err = fmt.Errorf("%w: %s: %w", viewdb.ErrCorrupt, a, err)
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
		err = fmt.Errorf("%w: %s: %w", viewdb.ErrCorrupt, a, err)
	}
	return list, err
}

// pack encodes entities, which are in key order.
func (w *wholeRow) pack(list events.Entities) error {
	w.entities = nil
	if len(list) == 0 {
		return nil
	}
	c := wire.NewWriter()
	defer c.Release()
	list.Wire(c)
	written, err := c.Written()
	w.entities = bytes.Clone(written)
	return err
}
