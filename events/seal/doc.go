// Package seal keeps personal fields unreadable without a key, so that erasing
// a person's data means destroying a key and never rewriting the log.
//
// Every tenant and every account owns one random 256-bit key. A [Sealer] turns
// the personal fields of an event (see [events.Personal]) into sealed text under
// the key of [events.Event.KeyOwner], and opens them again for those who may
// read them. The log, the views and the backups hold sealed text only.
//
//	ring, err := seal.OpenKeyRing(dir)     // one process at a time
//	sealer := seal.New(ring)
//	err = sealer.Prepare(batch...)         // all missing keys, one fsync
//	e, err = sealer.SealNew(e)             // what a producer sent
//	e, err = sealer.SealEvent(e)           // what the catalogue itself wrote
//	e, err = sealer.OpenEvent(e)           // for a reader who may see it
//	err = sealer.Erase(owner)              // for ever
//
// # The sealed form
//
// Sealed text is "sealed:1:" and the unpadded URL-safe base 64 of nonce (24
// bytes), ciphertext and tag (16 bytes): XChaCha20-Poly1305 with the owner's
// [events.Aggregate.Key] as additional data. The nonce is the first 24 bytes of
// HMAC-SHA-256 over the plain text under a second key of the same owner.
//
// Sealing is therefore deterministic: an event that is sent again seals to the
// same bytes, which is what makes a retry recognisable by its content. The price
// is that whoever holds the log sees which fields of one owner are equal, and
// about how long they are. Across owners nothing can be compared.
//
// # What is trusted
//
// A producer's plain text must not begin with "sealed:" ([ErrForged]): otherwise
// it could move another field's sealed text into its own event and have it
// opened for it. Only the catalogue's own events, such as a restored tenant's
// state, may carry sealed text, and it has to open under the event's owner
// ([ErrBadSeal]) unless that owner has been erased.
//
// # Keys are durable first
//
// An event whose key is lost is lost. So a key exists for the Sealer only once it
// is fsynced: SealNew and SealEvent wait for that, many callers share one fsync,
// and Prepare does a whole batch with one. See [DiskRing] for the files, and for
// what destroying a key can and cannot promise.
//
// # Looking up by what is sealed
//
// [Sealer.Index] gives a keyed hash of a normalised e-mail address or phone
// number, the same under every owner, for a view's index. It does not go away
// with an owner's key: a view drops its entries when the owner is erased.
package seal
