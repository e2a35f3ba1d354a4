package app

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
)

// Permissions of an API key. Full access means everything a customer may do;
// it never implies admin.
const (
	PermissionFullAccess = "full_access"
	PermissionAdmin      = "admin"
)

// DefaultKeyName is the name of the key that onboarding makes.
const DefaultKeyName = "Default API Key"

const keyPrefix = "rsolv_"

// Principal is who a key belongs to.
type Principal struct {
	KeyID       int64
	CustomerID  int64
	Permissions []string
}

// May says whether the key holds a permission.
func (p Principal) May(permission string) bool {
	return slices.Contains(p.Permissions, permission)
}

// NewKey makes an API key of 49 characters from 32 random bytes.
func NewKey(random io.Reader) (string, error) {
	var raw [32]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return "", fmt.Errorf("reading random bytes for an API key: %w", err)
	}
	return keyPrefix + base64.RawURLEncoding.EncodeToString(raw[:]), nil
}

// HashKey returns the lower-case hexadecimal SHA-256 of a whole key: the only
// form of it that is stored.
func HashKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
