package events

import (
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"
)

// pageVersion is the first byte of a page.
const pageVersion = 1

// AppendPage appends a page: consecutive events of the log in the form they are
// kept and sent in by the many. Its bytes, all lengths and numbers as unsigned
// varints:
//
//	version 1 | number of events | Seq of the first
//	then each: aggregate 17 | id 16 | length, type | length, source | length, data
func AppendPage(dst []byte, list []Stored) []byte {
	dst = append(dst, pageVersion)
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	if len(list) == 0 {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(list[0].Seq))
	for _, s := range list {
		id := s.ID.UUID()
		dst = append(s.About.AppendKey(dst), id[:]...)
		dst = append(binary.AppendUvarint(dst, uint64(len(s.Type))), s.Type...)
		dst = append(binary.AppendUvarint(dst, uint64(len(s.Source))), s.Source...)
		dst = append(binary.AppendUvarint(dst, uint64(len(s.Data))), s.Data...)
	}
	return dst
}

// PageLen is how many events a page holds, 0 if it is none.
func PageLen(raw []byte) int {
	p := pageParser{rest: raw}
	if version := p.take(1); p.short || version[0] != pageVersion {
		return 0
	}
	if n := p.number(); n <= uint64(len(raw)/pageEventBytes) {
		return int(n)
	}
	return 0
}

// ParsePage reads a page and appends its events to dst. Their Data are parts of
// raw. The error matches ErrMalformed; dst is as it was then.
func ParsePage(dst []Stored, raw []byte) ([]Stored, error) {
	p := pageParser{rest: raw}
	if version := p.take(1); p.short || version[0] != pageVersion {
		return dst, fmt.Errorf("%w: a page of another version than %d", ErrMalformed, pageVersion)
	}
	count := p.number()
	if count > uint64(len(raw)/pageEventBytes) {
		p.short = true
	}
	out := dst
	for i, first := uint64(0), p.firstOf(count); i < count && !p.short; i++ {
		s := Stored{Seq: Seq(first + i)}
		if key := p.take(aggregateKeyLen + 16); !p.short {
			s.About, _ = AggregateFromKey(key[:aggregateKeyLen]) // zero: an event of none of ours
			s.ID = IDFromUUID[EventID](uuid.UUID(key[aggregateKeyLen:]))
		}
		s.Type, s.Source, s.Data = Type(p.text()), p.text(), p.take(p.number())
		out = append(out, s)
	}
	if p.short || len(p.rest) > 0 {
		return dst, fmt.Errorf("%w: a page of %d bytes is cut off, or goes on beyond its end", ErrMalformed, len(raw))
	}
	return out, nil
}

// pageEventBytes is what an event takes in a page at least.
const pageEventBytes = aggregateKeyLen + 16 + 3

// pageParser takes a page apart; once it is short it gives nothing more.
type pageParser struct {
	rest  []byte
	short bool
	texts map[string]string // each type and source once
}

func (p *pageParser) firstOf(count uint64) uint64 {
	if count == 0 {
		return 0
	}
	return p.number()
}

func (p *pageParser) number() uint64 {
	n, width := binary.Uvarint(p.rest)
	if width <= 0 {
		p.short = true
		return 0
	}
	p.rest = p.rest[width:]
	return n
}

func (p *pageParser) take(n uint64) []byte {
	if p.short || n > uint64(len(p.rest)) {
		p.short = true
		return nil
	}
	out := p.rest[:n:n]
	p.rest = p.rest[n:]
	return out
}

// text is a type or a source, which there are few of.
func (p *pageParser) text() string {
	raw := p.take(p.number())
	if p.texts == nil {
		p.texts = map[string]string{}
	}
	if known, ok := p.texts[string(raw)]; ok {
		return known
	}
	text := string(raw)
	p.texts[text] = text
	return text
}
