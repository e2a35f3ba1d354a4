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

// FlagMetadataDeleted is the name in a flag's metadata under which the flags
// file says, by true, that nobody declares the flag any more and that it is
// there because the image that runs needs it.
const FlagMetadataDeleted = "deleted"
