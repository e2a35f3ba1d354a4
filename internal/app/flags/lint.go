package flags

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// Finding is something about a declaration that does not fit the catalogue.
type Finding struct {
	// Flag is the key of the flag, or the name of its object.
	Flag string
	// Problem says what is wrong and what to write instead.
	Problem string
}

// Declared is what Lint saw.
type Declared struct {
	Findings []Finding
	// Keys of all flags that are declared, in the order of the file.
	Keys []string
}

// Missing are the flags of the catalogue that keys do not have. They answer
// with their defaults.
func Missing(keys []string) []Known {
	declared := make(map[string]bool, len(keys))
	for _, key := range keys {
		declared[key] = true
	}
	var missing []Known
	for _, known := range catalogue {
		if !declared[known.Key] {
			missing = append(missing, known)
		}
	}
	return missing
}

// Lint checks the flags in a file against the catalogue. The file is one of
// flagd's in JSON, or manifests in YAML, of which it looks at the FeatureFlags
// alone. It fails on a file that is neither.
func Lint(file []byte) (Declared, error) {
	if trimmed := bytes.TrimSpace(file); len(trimmed) > 0 && trimmed[0] == '{' && !bytes.Contains(trimmed, []byte(`"apiVersion"`)) {
		return lintFile(file)
	}
	return lintManifests(file)
}

func lintFile(file []byte) (Declared, error) {
	definitions, err := flagd.Decode(file)
	if err != nil {
		return Declared{}, err
	}
	var declared Declared
	for i := range definitions {
		declared.check(definitions[i].Key, definitions[i].Type)
	}
	return declared, nil
}

// check looks at one declaration.
func (d *Declared) check(key string, kind flagd.Type) {
	d.Keys = append(d.Keys, key)
	known, ok := find(key)
	switch {
	case !ok:
		d.add(key, "the app knows no flag of this name; "+nearest(key))
	case kind != flagd.Boolean:
		d.add(key, fmt.Sprintf("the flag is of type %s, and the app asks for a Boolean; its default is %v", kind, known.Default))
	}
}

func (d *Declared) add(flag, problem string) {
	d.Findings = append(d.Findings, Finding{Flag: flag, Problem: problem})
}

func nearest(key string) string {
	if near := flagd.Nearest(key, knownKeys()); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "app flags catalog lists those it knows"
}

// object is what Lint reads of a manifest.
type object struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec struct {
		Key  string `yaml:"key"`
		Type string `yaml:"type"`
	} `yaml:"spec"`
	Items []object `yaml:"items"`
}

func lintManifests(file []byte) (Declared, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(file))
	var declared Declared
	owners := map[string]string{}
	for {
		var o object
		err := decoder.Decode(&o)
		if errors.Is(err, io.EOF) {
			return declared, nil
		}
		if err != nil {
			return Declared{}, fmt.Errorf("the file is neither flagd's JSON nor YAML: %w", err)
		}
		for _, o := range append([]object{o}, o.Items...) {
			declared.manifest(&o, owners)
		}
	}
}

func (d *Declared) manifest(o *object, owners map[string]string) {
	if o.Kind != "FeatureFlag" || !strings.HasPrefix(o.APIVersion, "rsolv.dev/") {
		return
	}
	key := o.Spec.Key
	if key == "" {
		key = flagd.KeyFromName(o.Metadata.Name)
	}
	if other, twice := owners[key]; twice {
		d.add(key, fmt.Sprintf("the FeatureFlags %q and %q have the same key; remove one", other, o.Metadata.Name))
		return
	}
	owners[key] = o.Metadata.Name
	kind := flagd.Type(o.Spec.Type)
	if kind == "" {
		kind = flagd.Boolean
	}
	d.check(key, kind)
}
