package events

import (
	"sync"

	"tenantcatalogue/events/wire"
)

// form codes a Go type that stands behind an interface. What a field list works
// on must have an address: values are lent for that, so that coding one
// allocates no more than the value that is kept.
type form[T any, P interface {
	*T
	wire.Fields
}] struct{ lent sync.Pool }

func (f *form[T, P]) lend() P {
	if p, ok := f.lent.Get().(P); ok {
		return p
	}
	return new(T)
}

func (f *form[T, P]) giveBack(p P) {
	var zero T
	*p = zero
	f.lent.Put(p)
}

func (f *form[T, P]) write(c *wire.Coder, v T) {
	p := f.lend()
	defer f.giveBack(p)
	*p = v
	wire.Struct(c, p)
}

func (f *form[T, P]) read(c *wire.Coder) T {
	p := f.lend()
	defer f.giveBack(p)
	wire.Struct(c, p)
	return *p
}
