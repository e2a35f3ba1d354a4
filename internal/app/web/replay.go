package web

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

const (
	// minIdempotencyKey is how short an idempotency key may be. Whoever knows
	// it and the body gets the answer, an API key included.
	minIdempotencyKey = 16
	maxIdempotencyKey = 255
)

// replay is a request that may be sent again.
type replay struct {
	keyHash, bodyHash string
	sealer            cipher.AEAD
}

// newReplay derives from an idempotency key what its answer is kept under: a
// name, and a key that nobody else can derive. Both hang on the key alone, the
// latter on the body as well.
func newReplay(key string, body []byte) (*replay, error) {
	if len(key) < minIdempotencyKey || len(key) > maxIdempotencyKey {
		return nil, app.Invalid(app.FieldError{
			Field: "Idempotency-Key", Message: "must have 16 to 255 characters that nobody can guess, such as a random UUID",
		})
	}
	hash := sha256.Sum256(body)
	r := &replay{keyHash: app.HashKey("idempotency:" + key), bodyHash: hex.EncodeToString(hash[:])}
	secret, err := hkdf.Key(sha256.New, []byte(key), hash[:], "rsolv onboarding answer", 32)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("making a cipher: %w", err)
	}
	if r.sealer, err = cipher.NewGCM(block); err != nil {
		return nil, fmt.Errorf("making a cipher: %w", err)
	}
	return r, nil
}

func (r *replay) seal(answer []byte) []byte {
	nonce := make([]byte, r.sealer.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return r.sealer.Seal(nonce, nonce, answer, []byte(r.keyHash))
}

// open returns a kept answer; CodeConflict says that it belongs to another
// body.
func (r *replay) open(kept *app.KeptAnswer) ([]byte, error) {
	if kept.BodyHash != r.bodyHash {
		return nil, &app.Error{Code: app.CodeConflict, Message: "This Idempotency-Key was used with another body: use a new one"}
	}
	size := r.sealer.NonceSize()
	if len(kept.Sealed) < size {
		return nil, errors.New("a kept answer is too short")
	}
	answer, err := r.sealer.Open(nil, kept.Sealed[:size], kept.Sealed[size:], []byte(r.keyHash))
	if err != nil {
		return nil, errors.New("a kept answer cannot be opened")
	}
	return answer, nil
}
