package seal

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"strings"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"

	"tenantcatalogue/events"
)

// What keys are derived for. A purpose is never used for anything else.
const (
	purposeSeal  = "tenantcatalogue seal 1"
	purposeNonce = "tenantcatalogue nonce 1"
	purposeIndex = "tenantcatalogue index 1"
	purposeWrap  = "tenantcatalogue wrap 1"
	purposeCheck = "tenantcatalogue check 1"
)

// sealedV1 begins the sealed text of this version of the form.
const sealedV1 = events.SealedPrefix + "1:"

// strictBase64 refuses bits that no encoder writes, so that a sealed text has
// one spelling. (It still skips line breaks: parseSealed refuses those.)
var strictBase64 = base64.RawURLEncoding.Strict()

// box seals and opens for one owner, its keys expanded once.
type box struct {
	aead  cipher.AEAD
	owner []byte // additional data

	mu    sync.Mutex // guards nonce
	nonce hash.Hash  // HMAC under the nonce key
}

func newBox(owner events.Aggregate, key Key) *box {
	sealKey, nonceKey := key.derive(purposeSeal), key.derive(purposeNonce)
	aead, err := chacha20poly1305.NewX(sealKey[:])
	if err != nil {
		panic(err) // a Key has the length that NewX wants
	}
	return &box{aead: aead, owner: owner.Key(), nonce: hmac.New(sha256.New, nonceKey[:])}
}

// seal gives the sealed text: the same for the same plain text.
func (b *box) seal(plain events.Personal) events.Personal {
	text := []byte(plain)
	raw := make([]byte, 0, sha256.Size+len(text)+chacha20poly1305.Overhead)
	raw = b.sumNonce(raw, text)[:chacha20poly1305.NonceSizeX]
	raw = b.aead.Seal(raw, raw, text, b.owner)
	out := make([]byte, len(sealedV1), len(sealedV1)+strictBase64.EncodedLen(len(raw)))
	copy(out, sealedV1)
	return events.Personal(strictBase64.AppendEncode(out, raw))
}

func (b *box) sumNonce(dst, text []byte) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nonce.Reset()
	b.nonce.Write(text)
	return b.nonce.Sum(dst)
}

// open gives the plain text, or ErrBadSeal.
func (b *box) open(sealed events.Personal) (events.Personal, error) {
	nonce, ciphertext, err := parseSealed(sealed)
	if err != nil {
		return "", err
	}
	plain, err := b.aead.Open(ciphertext[:0], nonce, ciphertext, b.owner)
	if err != nil {
		return "", ErrBadSeal
	}
	return events.Personal(plain), nil
}

// parseSealed takes a sealed text apart. The error matches ErrBadSeal.
func parseSealed(sealed events.Personal) (nonce, ciphertext []byte, err error) {
	text, ok := strings.CutPrefix(string(sealed), sealedV1)
	if !ok {
		return nil, nil, fmt.Errorf("%w: it is of another version than %q", ErrBadSeal, sealedV1)
	}
	if strings.ContainsAny(text, "\r\n") {
		return nil, nil, fmt.Errorf("%w: it has a line break", ErrBadSeal)
	}
	raw, err := strictBase64.DecodeString(text)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: it is not base 64", ErrBadSeal)
	}
	if len(raw) <= chacha20poly1305.NonceSizeX+chacha20poly1305.Overhead {
		return nil, nil, fmt.Errorf("%w: it is cut short", ErrBadSeal)
	}
	return raw[:chacha20poly1305.NonceSizeX], raw[chacha20poly1305.NonceSizeX:], nil
}
