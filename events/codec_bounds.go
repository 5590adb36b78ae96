package events

import (
	"encoding/binary"
	"fmt"
)

// maxDepth is how deep values may nest in msgpack: twice what any payload needs.
const maxDepth = 12

// bounded checks that a msgpack value has the bytes it announces and nests no
// deeper than maxDepth. The decoder allocates what is announced: a length of
// 4 GiB in a message of ten bytes would take seconds and gigabytes.
func bounded(raw []byte) error {
	var lacks [maxDepth]int // how many values each open array or map still lacks
	depth := 0
	lacks[0] = 1
	for at := 0; ; {
		for lacks[depth] == 0 {
			if depth == 0 {
				return nil
			}
			depth--
		}
		lacks[depth]--
		size, values, ok := announced(raw[at:])
		if !ok || size > len(raw)-at || values > len(raw)-at-size {
			return fmt.Errorf("%w: the value at byte %d has no known type, or fewer bytes than it announces", ErrMalformed, at)
		}
		at += size
		if values == 0 {
			continue
		}
		if depth++; depth == maxDepth {
			return fmt.Errorf("%w: values nest deeper than %d", ErrMalformed, maxDepth)
		}
		lacks[depth] = values
	}
}

// announced reads the head of a msgpack value: how many bytes it takes itself,
// and how many values follow within it. The table is that of the msgpack
// specification.
func announced(raw []byte) (size, values int, ok bool) {
	if len(raw) == 0 {
		return 0, 0, false
	}
	switch code := raw[0]; {
	case code < 0x80, code >= 0xe0, code == 0xc0, code == 0xc2, code == 0xc3: // fixint, nil, false, true
		return 1, 0, true
	case code < 0x90: // fixmap
		return 1, 2 * int(code&0x0f), true
	case code < 0xa0: // fixarray
		return 1, int(code & 0x0f), true
	case code < 0xc0: // fixstr
		return 1 + int(code&0x1f), 0, true
	case code >= 0xc4 && code <= 0xc6: // bin 8, 16, 32
		n, head, ok := length(raw, 1<<(code-0xc4))
		return head + n, 0, ok
	case code >= 0xc7 && code <= 0xc9: // ext 8, 16, 32
		n, head, ok := length(raw, 1<<(code-0xc7))
		return head + 1 + n, 0, ok
	case code == 0xca, code == 0xcb: // float 32, 64
		return 1 + 4<<(code-0xca), 0, true
	case code >= 0xcc && code <= 0xcf: // uint 8, 16, 32, 64
		return 1 + 1<<(code-0xcc), 0, true
	case code >= 0xd0 && code <= 0xd3: // int 8, 16, 32, 64
		return 1 + 1<<(code-0xd0), 0, true
	case code >= 0xd4 && code <= 0xd8: // fixext 1, 2, 4, 8, 16
		return 2 + 1<<(code-0xd4), 0, true
	case code >= 0xd9 && code <= 0xdb: // str 8, 16, 32
		n, head, ok := length(raw, 1<<(code-0xd9))
		return head + n, 0, ok
	case code == 0xdc, code == 0xdd: // array 16, 32
		n, head, ok := length(raw, 2<<(code-0xdc))
		return head, n, ok
	case code == 0xde, code == 0xdf: // map 16, 32
		n, head, ok := length(raw, 2<<(code-0xde))
		return head, 2 * n, ok
	}
	return 0, 0, false
}

// length reads the length of so many bytes behind the first byte.
func length(raw []byte, width int) (n, head int, ok bool) {
	head = 1 + width
	if len(raw) < head {
		return 0, 0, false
	}
	switch width {
	case 1:
		return int(raw[1]), head, true
	case 2:
		return int(binary.BigEndian.Uint16(raw[1:])), head, true
	}
	return int(binary.BigEndian.Uint32(raw[1:])), head, true
}
