package client

import (
	"encoding/binary"
	"fmt"

	"tenantcatalogue/events"
)

// Pages is the answer to a read of the log in bulk, and what it says of the log
// besides.
type Pages struct {
	Log     string         // which log this is; another one counts from 1 again
	Head    events.Seq     // the last event that can be read
	Rolling events.Rolling // hash over the log up to Head
	// Pages are pages (see events.ParsePage) that follow each other. The first
	// begins with what was asked for or somewhat before, the last may go beyond
	// it: pages are sent as they are kept.
	Pages [][]byte
}

// pagesVersion is the first byte of the binary form.
const pagesVersion = 1

// MarshalBinary is the form on the wire, all lengths and numbers as unsigned
// varints:
//
//	version 1 | length, log | head | rolling 32 | then each: length, page
func (p *Pages) MarshalBinary() ([]byte, error) {
	size := 1 + len(p.Log) + len(p.Rolling) + 2*binary.MaxVarintLen64
	for _, page := range p.Pages {
		size += len(page) + binary.MaxVarintLen32
	}
	out := append(make([]byte, 0, size), pagesVersion)
	out = append(binary.AppendUvarint(out, uint64(len(p.Log))), p.Log...)
	out = binary.AppendUvarint(out, uint64(p.Head))
	out = append(out, p.Rolling[:]...)
	for _, page := range p.Pages {
		out = append(binary.AppendUvarint(out, uint64(len(page))), page...)
	}
	return out, nil
}

// UnmarshalBinary reads the form on the wire; Pages are parts of raw. The error
// matches events.ErrMalformed.
func (p *Pages) UnmarshalBinary(raw []byte) error {
	*p = Pages{}
	if len(raw) == 0 || raw[0] != pagesVersion {
		return fmt.Errorf("%w: an answer of another version than %d", events.ErrMalformed, pagesVersion)
	}
	rest := raw[1:]
	log, rest, ok := cutBytes(rest)
	head, width := binary.Uvarint(rest)
	if !ok || width <= 0 || len(rest) < width+len(p.Rolling) {
		return cutOff(raw)
	}
	p.Log, p.Head = string(log), events.Seq(head)
	rest = rest[width+copy(p.Rolling[:], rest[width:]):]
	for len(rest) > 0 {
		var page []byte
		if page, rest, ok = cutBytes(rest); !ok {
			return cutOff(raw)
		}
		p.Pages = append(p.Pages, page)
	}
	return nil
}

func cutOff(raw []byte) error {
	return fmt.Errorf("%w: an answer of %d bytes is cut off", events.ErrMalformed, len(raw))
}

func cutBytes(raw []byte) (out, rest []byte, ok bool) {
	n, width := binary.Uvarint(raw)
	if width <= 0 || n > uint64(len(raw)-width) {
		return nil, nil, false
	}
	return raw[width : width+int(n)], raw[width+int(n):], true
}

// events gives the events after one Seq up to another, as far as the pages go.
// They share the memory of the answer.
func (p *Pages) events(after, upTo events.Seq) (out []events.Stored, err error) {
	for _, page := range p.Pages {
		if out, err = events.ParsePage(out, page); err != nil {
			return nil, err
		}
	}
	for i := 1; i < len(out); i++ {
		if out[i].Seq != out[i-1].Seq+1 {
			return nil, fmt.Errorf("%w: event %d follows %d", ErrInternal, out[i].Seq, out[i-1].Seq)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	first, last := out[0].Seq, out[len(out)-1].Seq
	if first > after+1 || last <= after {
		return nil, fmt.Errorf("%w: events %d to %d answer for those after %d", ErrInternal, first, last, after)
	}
	return out[after+1-first : min(last, upTo)+1-first], nil
}
