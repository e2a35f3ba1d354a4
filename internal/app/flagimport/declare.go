// Package flagimport moves flags in from other systems: it reads what they
// hold, declares it as FeatureFlags, and proves that everybody who is known
// gets the same answers. But for reading a database it is pure.
package flagimport

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// Flag is one flag on its way to a FeatureFlag.
type Flag struct {
	// Source is the flag's name where it comes from.
	Source string
	// Key that the app will ask for.
	Key  string
	Type flagd.Type
	// Variants are none for a Boolean flag with enabled and disabled.
	Variants       []flagd.Variant
	DefaultVariant string
	Disabled       bool
	// Rules, or Targeting in flagd's terms.
	Rules     []flagd.Rule
	Targeting json.RawMessage
	Spread    flagd.Spread
	// Notes say what whoever applies it should know.
	Notes []string
}

// Problem is a flag that could not be moved, and why.
type Problem struct {
	// Flag is its name where it comes from.
	Flag string
	// What is wrong and what to do.
	What string
}

// Result is what an import makes.
type Result struct {
	// Flags in the order of their keys.
	Flags []Flag
	// Problems are flags that are left out.
	Problems []Problem
	Proof    Proof
}

// Names of the variants of a Boolean flag that declares none.
const (
	enabled  = "enabled"
	disabled = "disabled"
)

// Definition is the flag as the app will evaluate it.
func (f *Flag) Definition() (flagd.Definition, error) {
	d := flagd.Definition{
		Key: f.Key, Type: f.Type, Disabled: f.Disabled, DefaultVariant: f.DefaultVariant, Variants: f.Variants, Targeting: f.Targeting,
	}
	if len(d.Variants) == 0 {
		d.Variants = []flagd.Variant{{Name: enabled, Value: json.RawMessage("true")}, {Name: disabled, Value: json.RawMessage("false")}}
	}
	if len(f.Rules) > 0 {
		targeting, problems := flagd.Targeting(f.Key, f.Rules, f.Spread)
		if len(problems) > 0 {
			return d, problems
		}
		d.Targeting = targeting
	}
	return d, d.Validate()
}

// keyFor is the key under which a flag is declared: its name without a prefix
// that is refused, in lower_snake_case.
func keyFor(name, app string) (string, error) {
	key := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		default:
			return '_'
		}
	}, name)
	for strings.Contains(key, "__") {
		key = strings.ReplaceAll(key, "__", "_")
	}
	key = strings.Trim(key, "_")
	if reserved, ok := flagd.CheckPrefix(key, app, nil).(*flagd.Reserved); ok && reserved.Use != "" { //nolint:errorlint // it returns nothing else
		key = reserved.Use
	}
	if !flagd.ValidKey(key) {
		return "", fmt.Errorf("%q makes no key; a key is lower_snake_case of at most %d characters and begins with a letter: declare the flag by hand", name, flagd.MaxNameBytes)
	}
	return key, nil
}

// The FeatureFlag as YAML.
type manifest struct {
	APIVersion string   `yaml:"apiVersion"`
	Kind       string   `yaml:"kind"`
	Metadata   metadata `yaml:"metadata"`
	Spec       spec     `yaml:"spec"`
}

type metadata struct {
	Name string `yaml:"name"`
}

type spec struct {
	DeploymentRef  map[string]string `yaml:"deploymentRef,flow"`
	Type           string            `yaml:"type,omitempty"`
	Variants       []variant         `yaml:"variants,omitempty"`
	DefaultVariant string            `yaml:"defaultVariant"`
	State          string            `yaml:"state,omitempty"`
	Rules          []rule            `yaml:"rules,omitempty"`
	Targeting      *yaml.Node        `yaml:"targeting,omitempty"`
	Hash           string            `yaml:"hash,omitempty"`
	BucketKey      string            `yaml:"bucketKey,omitempty"`
}

type variant struct {
	Name  string     `yaml:"name"`
	Value *yaml.Node `yaml:"value"`
}

type rule struct {
	Variant string  `yaml:"variant,omitempty"`
	Rollout []share `yaml:"rollout,omitempty"`
	When    *when   `yaml:"when,omitempty"`
}

type share struct {
	Variant string `yaml:"variant"`
	Percent any    `yaml:"percent"`
}

type when struct {
	Actors []string `yaml:"actors,omitempty"`
	Groups []string `yaml:"groups,omitempty"`
}

// WriteYAML writes the FeatureFlags of an app, with the proof before them as
// comments, ready for kubectl apply.
func (r *Result) WriteYAML(w io.Writer, app string) error {
	if _, err := io.WriteString(w, r.comment()); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	for i := range r.Flags {
		flag := &r.Flags[i]
		text, err := flag.yaml(app)
		if err != nil {
			return fmt.Errorf("flag %q: %w", flag.Source, err)
		}
		if _, err := fmt.Fprintf(w, "---\n%s%s", comments(flag.Notes), text); err != nil {
			return fmt.Errorf("writing: %w", err)
		}
	}
	return nil
}

// comment is the proof, and what is left out, as comments.
func (r *Result) comment() string {
	lines := strings.Split(strings.TrimRight(r.Proof.Table(), "\n"), "\n")
	for _, problem := range r.Problems {
		lines = append(lines, fmt.Sprintf("NOT IMPORTED %s: %s", problem.Flag, problem.What))
	}
	return comments(lines)
}

func comments(lines []string) string {
	var text strings.Builder
	for _, line := range lines {
		// Names come from a database: none may end the comment.
		line = strings.NewReplacer("\n", " ", "\r", " ").Replace(line)
		text.WriteString(strings.TrimRight("# "+line, " ") + "\n")
	}
	return text.String()
}

func (f *Flag) yaml(app string) (string, error) {
	m := manifest{
		APIVersion: "rsolv.dev/v1alpha1", Kind: "FeatureFlag",
		Metadata: metadata{Name: strings.ReplaceAll(f.Key, "_", "-")},
		Spec: spec{
			DeploymentRef: map[string]string{"name": app}, DefaultVariant: f.DefaultVariant,
			Hash: f.Spread.Hash, BucketKey: f.Spread.BucketKey,
		},
	}
	if f.Type != flagd.Boolean {
		m.Spec.Type = string(f.Type)
	}
	if f.Disabled {
		m.Spec.State = "Disabled"
	}
	for _, v := range f.Variants {
		value, err := node(v.Value)
		if err != nil {
			return "", err
		}
		m.Spec.Variants = append(m.Spec.Variants, variant{v.Name, value})
	}
	for i := range f.Rules {
		m.Spec.Rules = append(m.Spec.Rules, ruleOf(&f.Rules[i]))
	}
	if len(f.Targeting) > 0 {
		targeting, err := node(f.Targeting)
		if err != nil {
			return "", err
		}
		m.Spec.Targeting = targeting
	}
	var text strings.Builder
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(m); err != nil {
		return "", fmt.Errorf("writing YAML: %w", err)
	}
	return text.String(), nil
}

func ruleOf(r *flagd.Rule) rule {
	out := rule{Variant: r.Variant}
	for _, s := range r.Rollout {
		part := share{Variant: s.Variant, Percent: s.Percent}
		var whole int
		if _, err := fmt.Sscanf(s.Percent, "%d", &whole); err == nil && fmt.Sprint(whole) == s.Percent {
			part.Percent = whole
		}
		out.Rollout = append(out.Rollout, part)
	}
	if len(r.Actors) > 0 || len(r.Groups) > 0 {
		out.When = &when{r.Actors, r.Groups}
	}
	return out
}

// node is JSON as YAML that reads as the same JSON: texts keep their quotes,
// numbers their digits.
func node(raw json.RawMessage) (*yaml.Node, error) {
	var document yaml.Node
	// JSON is YAML, but for escapes in texts, which the parser knows as well.
	if err := yaml.Unmarshal(raw, &document); err != nil || len(document.Content) != 1 {
		return nil, fmt.Errorf("writing a value as YAML: %w", err)
	}
	return document.Content[0], nil
}
