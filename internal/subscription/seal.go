package subscription

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// KeySize is the length of an encryption key in bytes.
const KeySize = 32

// sealVersion is the first byte of everything sealed: format 1, AES-256-GCM.
const sealVersion = 1

// A sealed text is sealVersion, the key's id, a random nonce, the ciphertext and its tag. Nonces of 96 random bits are
// safe for 2^32 texts under one key.
const (
	keyIDSize  = 8
	sealHeader = 1 + keyIDSize
)

// Keyring seals with its newest key and opens with all of them. It never prints a key. It is safe for concurrent use.
type Keyring struct {
	newest *sealKey
	keys   []*sealKey
}

type sealKey struct {
	id   [keyIDSize]byte // from the key's hash, so that the order of keys may change
	aead cipher.AEAD
	mac  []byte // key of the marks
}

// NewKeyring takes keys of KeySize bytes, newest first.
func NewKeyring(keys ...[]byte) (*Keyring, error) {
	if len(keys) == 0 {
		return nil, errors.New("no encryption key")
	}
	ring := &Keyring{}
	for i, key := range keys {
		if len(key) != KeySize {
			return nil, fmt.Errorf("encryption key %d of %d: %d bytes, want %d", i+1, len(keys), len(key), KeySize)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("encryption key %d of %d: %w", i+1, len(keys), err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("encryption key %d of %d: %w", i+1, len(keys), err)
		}
		k := &sealKey{aead: aead}
		if k.mac, err = hkdf.Key(sha256.New, key, nil, "mark of a snapshot", sha256.Size); err != nil {
			return nil, fmt.Errorf("encryption key %d of %d: %w", i+1, len(keys), err)
		}
		sum := sha256.Sum256(append([]byte("voxagent key id\x00"), key...))
		copy(k.id[:], sum[:])
		ring.keys = append(ring.keys, k)
	}
	ring.newest = ring.keys[0]
	return ring, nil
}

// ParseKeys reads keys as configuration has them: standard base64 of 32 bytes each, separated by commas, newest first.
// No error repeats any of it.
func ParseKeys(list string) (*Keyring, error) {
	var keys [][]byte
	for i, text := range strings.Split(list, ",") {
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("encryption key %d is not base64 of %d bytes", i+1, KeySize)
		}
		keys = append(keys, key)
	}
	return NewKeyring(keys...)
}

// newestID names the key that seals.
func (r *Keyring) newestID() string { return hex.EncodeToString(r.newest.id[:]) }

// has tells whether texts of that key can be opened.
func (r *Keyring) has(id string) bool {
	return slices.ContainsFunc(r.keys, func(k *sealKey) bool { return hex.EncodeToString(k.id[:]) == id })
}

// seal encrypts plain; it can only be opened for the same workspace and webhook.
func (r *Keyring) seal(workspace, id string, plain []byte) []byte {
	out := make([]byte, sealHeader, sealHeader+len(plain)+r.newest.aead.Overhead())
	out[0] = sealVersion
	copy(out[1:], r.newest.id[:])
	return r.newest.aead.Seal(out, nil, plain, sealedFor(workspace, id))
}

// open is the inverse of seal; every failure is ErrSealed.
func (r *Keyring) open(workspace, id string, sealed []byte) ([]byte, error) {
	if k := r.sealerOf(sealed); k != nil {
		if plain, err := k.aead.Open(nil, nil, sealed[sealHeader:], sealedFor(workspace, id)); err == nil {
			return plain, nil
		}
	}
	return nil, fmt.Errorf("webhook %s: %w", id, ErrSealed)
}

// sealerOf returns the key that sealed a text, nil when this ring does not have it.
func (r *Keyring) sealerOf(sealed []byte) *sealKey {
	if len(sealed) < sealHeader || sealed[0] != sealVersion {
		return nil
	}
	return r.key(sealed[1:sealHeader])
}

func (r *Keyring) key(id []byte) *sealKey {
	for _, k := range r.keys {
		if string(k.id[:]) == string(id) {
			return k
		}
	}
	return nil
}

// mark appends to b, which belongs to a workspace and a position, a mark that only a holder of the newest key can make:
// whoever may write to Redis cannot change what it says there.
func (r *Keyring) mark(workspace string, pos int64, b []byte) []byte {
	sum := r.newest.sum(workspace, pos, b)
	return append(append(b, r.newest.id[:]...), sum...)
}

// unmark returns what was marked; false: the mark is another one's, or of a key that this ring does not have.
func (r *Keyring) unmark(workspace string, pos int64, marked []byte) ([]byte, bool) {
	cut := len(marked) - sha256.Size - keyIDSize
	if cut < 0 {
		return nil, false
	}
	k := r.key(marked[cut : cut+keyIDSize])
	if k == nil || !hmac.Equal(k.sum(workspace, pos, marked[:cut]), marked[cut+keyIDSize:]) {
		return nil, false
	}
	return marked[:cut], true
}

func (k *sealKey) sum(workspace string, pos int64, b []byte) []byte {
	h := hmac.New(sha256.New, k.mac)
	h.Write(binary.BigEndian.AppendUint64(append([]byte(workspace), 0), uint64(pos))) // a workspace's id holds no zero
	h.Write(b)
	return h.Sum(nil)
}

// sealedFor is the associated data: neither part may hold the separator.
func sealedFor(workspace, id string) []byte {
	b := make([]byte, 0, 128)
	b = append(append(b, "webhook\x00"...), workspace...)
	return append(append(b, 0), id...)
}
