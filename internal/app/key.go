package app

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Permissions of an API key. Full access means everything a customer may do:
// every permission here but admin, which nothing implies.
const (
	PermissionFullAccess = "full_access"
	// PermissionCredentials is to trade the key for those of AI providers, and
	// to report what was used.
	PermissionCredentials = "credentials"
	// PermissionAnalysis is to have code and tests analysed.
	PermissionAnalysis = "analysis"
	// PermissionAccount is to read the account and its usage, PermissionKeys to
	// make, rotate and revoke its keys.
	PermissionAccount = "account"
	PermissionKeys    = "keys"
	PermissionAdmin   = "admin"
)

// CustomerPermissions are those that a customer may give to a key.
func CustomerPermissions() []string {
	return []string{PermissionFullAccess, PermissionCredentials, PermissionAnalysis, PermissionAccount, PermissionKeys}
}

const (
	// DefaultKeyName is the name of the key that onboarding makes.
	DefaultKeyName = "Default API Key"
	// MaxKeys is the most usable keys that a customer may have.
	MaxKeys = 50
	// MaxKeyNameLength is in characters.
	MaxKeyNameLength = 100
	// MaxRotationGrace is the longest that a rotated key goes on working.
	MaxRotationGrace = 7 * 24 * time.Hour
)

const keyPrefix = "rsolv_"

// Principal is who a key belongs to.
type Principal struct {
	KeyID       int64
	CustomerID  int64
	Permissions []string
	// Internal customers are our own; no figure counts them.
	Internal bool
	// ExpiresAt is zero for a key that does not expire.
	ExpiresAt time.Time
}

// May says whether the key holds a permission.
func (p Principal) May(permission string) bool {
	if slices.Contains(p.Permissions, permission) {
		return true
	}
	return permission != PermissionAdmin && slices.Contains(p.Permissions, PermissionFullAccess)
}

// Expired says whether the key has expired.
func (p Principal) Expired(now time.Time) bool {
	return !p.ExpiresAt.IsZero() && !now.Before(p.ExpiresAt)
}

// Key is what is known of an API key; the key itself is not. Zero times mean
// never.
type Key struct {
	ID          int64
	Name        string
	Permissions []string
	Active      bool
	CreatedAt   time.Time
	ExpiresAt   time.Time
	RevokedAt   time.Time
	LastUsedAt  time.Time
}

// KeyDraft is a key to be stored.
type KeyDraft struct {
	CustomerID  int64
	Name        string
	Hash        string
	Permissions []string
	// ExpiresAt is zero for a key that does not expire.
	ExpiresAt time.Time
	At        time.Time
}

// NewKeyDraft cleans and checks what a customer asked for. No permissions mean
// full access; holder is whose key asks, and gives no more than it has.
func NewKeyDraft(holder Principal, name string, permissions []string, expiresAt, now time.Time) (KeyDraft, error) {
	d := KeyDraft{
		CustomerID: holder.CustomerID, Name: strings.TrimSpace(name), Permissions: permissions, ExpiresAt: expiresAt, At: now,
	}
	if len(d.Permissions) == 0 {
		d.Permissions = []string{PermissionFullAccess}
	}
	d.Permissions = slices.Compact(slices.Sorted(slices.Values(d.Permissions)))
	var bad []FieldError
	switch {
	case d.Name == "":
		bad = append(bad, FieldError{"name", "is required: say what the key is for, such as CI"})
	case utf8.RuneCountInString(d.Name) > MaxKeyNameLength || strings.ContainsFunc(d.Name, unicode.IsControl):
		bad = append(bad, FieldError{"name", "must be plain text of at most 100 characters"})
	}
	for _, p := range d.Permissions {
		switch {
		case p == PermissionAdmin && holder.May(p): // an administrator makes another
		case !slices.Contains(CustomerPermissions(), p):
			bad = append(bad, FieldError{"permissions", "may contain " + strings.Join(CustomerPermissions(), ", ") + " only"})
		case !holder.May(p):
			bad = append(bad, FieldError{"permissions", "must not contain " + p + ": the key that asks does not have it"})
		}
	}
	if !expiresAt.IsZero() && !expiresAt.After(now) {
		bad = append(bad, FieldError{"expires_at", "must be in the future"})
	}
	if len(bad) > 0 {
		return KeyDraft{}, Invalid(bad...)
	}
	return d, nil
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
