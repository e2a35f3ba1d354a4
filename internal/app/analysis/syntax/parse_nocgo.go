//go:build !cgo

package syntax

import "time"

// Available says whether this build can parse.
const Available = false

// Parse parses a file; without cgo it never can.
func Parse(Language, string, []byte) (*Tree, error) { return nil, ErrNoParser }

// ParseWithin is Parse with less processor time.
func ParseWithin(time.Duration, Language, string, []byte) (*Tree, error) { return nil, ErrNoParser }
