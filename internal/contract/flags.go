package contract

import (
	"crypto/sha256"
	"encoding/hex"
)

// FlagsDigest identifies a flags file by its bytes: "sha256:" and the first 16
// hexadecimal digits of the SHA-256.
func FlagsDigest(file []byte) string {
	sum := sha256.Sum256(file)
	return "sha256:" + hex.EncodeToString(sum[:8])
}
