package flagd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Decode reads a file of flags in flagd's format and returns its definitions,
// sorted by key. A file that holds anything which could not be evaluated as it
// is meant (an unknown default, mixed types, broken rules) is refused as a whole,
// with an error that names the flag: whoever reads it has a last good one.
func Decode(file []byte) ([]Definition, error) {
	if len(file) > MaxFileBytes {
		return nil, fmt.Errorf("the flags file is %d bytes long; at most %d are read", len(file), MaxFileBytes)
	}
	var document struct {
		Flags      *map[string]flagJSON `json:"flags"`
		Evaluators Evaluators           `json:"$evaluators"`
	}
	decoder := json.NewDecoder(bytes.NewReader(file))
	decoder.UseNumber()
	if err := decoder.Decode(&document); err != nil {
		return nil, fmt.Errorf("the flags file is no valid JSON of flags: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the flags file goes on after its end")
	}
	if document.Flags == nil {
		return nil, errors.New(`the flags file has no "flags"`)
	}
	if err := document.Evaluators.Validate(); err != nil {
		return nil, fmt.Errorf("the flags file: $%w", err)
	}
	definitions := make([]Definition, 0, len(*document.Flags))
	for _, key := range sortedKeys(*document.Flags) {
		definition, err := (*document.Flags)[key].definition(key, document.Evaluators)
		if err != nil {
			return nil, fmt.Errorf("flag %q: %w", clip(key), err)
		}
		definitions = append(definitions, definition)
	}
	return definitions, nil
}

func (f flagJSON) definition(key string, evaluators Evaluators) (Definition, error) {
	if key == "" {
		return Definition{}, Problem{"key", "is empty", "give the flag a key"}
	}
	definition := Definition{Key: key, Metadata: f.Metadata}
	switch f.State {
	case stateEnabled:
	case stateDisabled:
		definition.Disabled = true
	default:
		return Definition{}, Problem{"state", fmt.Sprintf("is %q", clip(f.State)), "use ENABLED or DISABLED"}
	}
	if !noRule(f.Targeting) {
		targeting, err := evaluators.Inline(f.Targeting)
		if err != nil {
			return Definition{}, err
		}
		definition.Targeting = targeting
	}
	for _, name := range sortedKeys(f.Variants) {
		definition.Variants = append(definition.Variants, Variant{Name: name, Value: f.Variants[name]})
	}
	if len(definition.Variants) > 0 {
		definition.Type = typeOf(definition.Variants[0].Value)
		if definition.Type == "" {
			return Definition{}, Problem{
				"variants[" + clip(definition.Variants[0].Name) + "]",
				"is " + describe("", definition.Variants[0].Value),
				"use a boolean, a text, a number or a mapping",
			}
		}
	}
	if f.DefaultVariant != nil {
		if *f.DefaultVariant == "" {
			return Definition{}, Problem{"defaultVariant", "is empty", "name a variant or remove it"}
		}
		definition.DefaultVariant = *f.DefaultVariant
	}
	if len(definition.Variants) == 0 {
		return Definition{}, Problem{"variants", "is empty", "list the flag's possible values by name"}
	}
	if err := definition.Validate(); err != nil {
		return Definition{}, err
	}
	return definition, nil
}

// Parse reads a file of flags, as Decode does, and compiles it.
func Parse(file []byte) (*Set, error) {
	definitions, err := Decode(file)
	if err != nil {
		return nil, err
	}
	return Compile(definitions)
}
