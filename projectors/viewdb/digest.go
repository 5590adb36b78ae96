package viewdb

import (
	"crypto/sha256"
	"encoding/binary"
)

// Digest is SHA-256 over all rows in key order, each as the length and bytes
// of its key and of its value (lengths as 8 bytes, big-endian). Equal digests
// mean equal views, however they came about. Take it of a Snapshot: a DB may
// move on meanwhile, though a scan sees one commit.
func Digest(r Reader) (sum [sha256.Size]byte, rows int, err error) {
	return DigestRange(r, nil, nil)
}

// DigestRange is Digest over the rows from lower (inclusive) to upper
// (exclusive); nil means no bound.
func DigestRange(r Reader, lower, upper []byte) (sum [sha256.Size]byte, rows int, err error) {
	h := sha256.New()
	var n [8]byte
	err = r.Scan(lower, upper, func(key, value []byte) error {
		for _, part := range [2][]byte{key, value} {
			binary.BigEndian.PutUint64(n[:], uint64(len(part)))
			h.Write(n[:])
			h.Write(part)
		}
		rows++
		return nil
	})
	if err != nil {
		return sum, 0, err
	}
	h.Sum(sum[:0])
	return sum, rows, nil
}
