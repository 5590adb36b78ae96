// Package wire codes Go values as msgpack from hand-written field lists. A type
// lists its fields once, in the order of the wire, and the list serves both
// directions: a [Coder] either appends each field to bytes or reads it from
// them.
//
//	func (t *RestoreTarget) Fields(c *wire.Coder) {
//		t.Tenant.Wire(c)
//		wire.Uint(c, &t.Pinned)
//		wire.Bytes(c, &t.Digest)
//		wire.Uint(c, &t.Parts)
//	}
//
// The form is canonical: a struct is an array of its fields, integers take the
// shortest form, a map is sorted by key, a nil list, map or byte slice is nil.
// Reading takes any form of an integer or a length and any order of keys, and is
// strict otherwise: the type of every field, the number of fields, nothing after
// the end.
//
// A Coder keeps the first error and goes on without effect, so that a field list
// needs no error handling. A length is held against the bytes there are before
// anything is allocated: a few bytes that announce gigabytes cost nothing.
package wire
