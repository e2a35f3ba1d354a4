package flags

import (
	"crypto/sha256"
	_ "embed" // for the catalogue
	"encoding/hex"
	"strconv"

	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

//go:generate go run ./gen catalogue.json catalogue_gen.go

// manifest is the one list of the flags that the app knows, in the form of an
// OpenFeature manifest. The defaults are those of a fresh installation, and
// metadata.groups are whom a flag is meant for first.
//
//go:embed catalogue.json
var manifest []byte

// flag names one entry of the catalogue.
type flag int

// Known is a flag that the app knows. All of them are boolean.
type Known struct {
	// Key is the flag's name in the flags file.
	Key string
	// Default is the value when the flags file does not say.
	Default bool
	// Description says in a sentence what the flag switches.
	Description string
	// Groups are those that have the flag first while it is off for everybody
	// else; a rule in its FeatureFlag gives it to them.
	Groups []string
}

// Catalogue returns the flags that the app knows, in their order of
// declaration.
func Catalogue() []Known { return append([]Known(nil), catalogue[:]...) }

// Manifest is the catalogue as an OpenFeature manifest.
func Manifest() []byte { return append([]byte(nil), manifest...) }

// CatalogueDigest identifies the catalogue by its manifest: "sha256:" and 64
// hexadecimal digits.
func CatalogueDigest() string {
	sum := sha256.Sum256(manifest)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func find(key string) (Known, bool) {
	for _, known := range catalogue {
		if known.Key == key {
			return known, true
		}
	}
	return Known{}, false
}

func knownKeys() []string {
	keys := make([]string, len(catalogue))
	for i, known := range catalogue {
		keys[i] = known.Key
	}
	return keys
}

// result is the outcome where no file declares the flag.
func (k Known) result() flagd.Result {
	return flagd.Result{Key: k.Key, Type: flagd.Boolean, Value: k.Default, JSON: strconv.AppendBool(nil, k.Default), Reason: flagd.Default}
}

// View asks for flags on behalf of one subject. The zero View is of no use;
// make one by Store.For.
type View struct {
	store   *Store
	context *flagd.Context
}

// For returns a view for a subject. The context must not change while the view
// is in use.
func (s *Store) For(context *flagd.Context) View { return View{store: s, context: context} }

func (v View) value(f flag) bool {
	now := v.store.current.Load()
	if !now.targeted[f] {
		return now.value(f, nil, v.store)
	}
	return now.value(f, v.store.timed(v.context), v.store)
}
