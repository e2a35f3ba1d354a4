package flagd

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Entry is one flag as it stands in the file.
type Entry struct {
	Key string
	// JSON is the flag's object, compact, with sorted names.
	JSON []byte
}

const (
	filePrefix = "{\"flags\":{"
	fileSuffix = "}}\n"
)

type flagJSON struct {
	DefaultVariant *string                    `json:"defaultVariant,omitempty"`
	Metadata       map[string]any             `json:"metadata,omitempty"`
	State          string                     `json:"state"`
	Targeting      json.RawMessage            `json:"targeting,omitempty"`
	Variants       map[string]json.RawMessage `json:"variants"`
}

const (
	stateEnabled  = "ENABLED"
	stateDisabled = "DISABLED"
)

// Entry returns the definition in canonical form: equal definitions give equal
// bytes, whatever the order of their variants and of the names in their
// values. It fails on a definition that Validate refuses.
func (d *Definition) Entry() (Entry, error) {
	if err := d.Validate(); err != nil {
		return Entry{}, fmt.Errorf("flag %q: %w", d.Key, err)
	}
	flag := flagJSON{Metadata: d.Metadata, State: stateEnabled, Variants: make(map[string]json.RawMessage, len(d.Variants))}
	if d.Disabled {
		flag.State = stateDisabled
	}
	if d.DefaultVariant != "" {
		flag.DefaultVariant = &d.DefaultVariant
	}
	if !noRule(d.Targeting) {
		targeting, err := canonical(d.Targeting)
		if err != nil {
			return Entry{}, fmt.Errorf("flag %q, targeting: %w", d.Key, err)
		}
		flag.Targeting = targeting
	}
	for _, variant := range d.Variants {
		value, err := canonical(variant.Value)
		if err != nil {
			return Entry{}, fmt.Errorf("flag %q, variant %q: %w", d.Key, variant.Name, err)
		}
		flag.Variants[variant.Name] = value
	}
	raw, err := marshal(flag)
	if err != nil {
		return Entry{}, fmt.Errorf("flag %q: %w", d.Key, err)
	}
	return Entry{Key: d.Key, JSON: raw}, nil
}

// File joins entries to the file, sorted by key and with one flag on a line,
// so that a diff of the file names the flags that changed. Keys must differ.
func File(entries []Entry) []byte {
	sorted := slices.SortedFunc(slices.Values(entries), func(a, b Entry) int { return cmp.Compare(a.Key, b.Key) })
	var file bytes.Buffer
	file.WriteString(filePrefix)
	for i, entry := range sorted {
		if i > 0 {
			file.WriteByte(',')
		}
		file.WriteByte('\n')
		file.Write(entry.keyJSON())
		file.WriteByte(':')
		file.Write(entry.JSON)
	}
	if len(sorted) > 0 {
		file.WriteByte('\n')
	}
	file.WriteString(fileSuffix)
	return file.Bytes()
}

// EmptyFileBytes is the size of a file without flags; each entry adds its
// Size, so that the size of a file is known before it is made.
const EmptyFileBytes = len(filePrefix) + len(fileSuffix)

// Size is what the entry adds to the file, in bytes. The comma that the last
// entry lacks stands for the line end that closes the list.
func (e Entry) Size() int { return len(e.keyJSON()) + len(e.JSON) + len(",\n:") }

func (e Entry) keyJSON() []byte {
	raw, err := marshal(e.Key)
	if err != nil { // no string fails to marshal
		panic(err)
	}
	return raw
}

// canonical rewrites a JSON value compactly with sorted names. Numbers keep
// their digits.
func canonical(value json.RawMessage) (json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	var decoded any
	if err := decoder.Decode(&decoded); err != nil {
		return nil, fmt.Errorf("reading the value: %w", err)
	}
	return marshal(decoded)
}

func marshal(value any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("writing JSON: %w", err)
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
