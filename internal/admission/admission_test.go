package admission

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rsolv-dev/rsolv-operator/config/crd"
)

func TestAdmit(t *testing.T) {
	t.Parallel()
	validator, err := New(crd.Bases)
	if err != nil {
		t.Fatal(err)
	}
	const flag = `{apiVersion: rsolv.dev/v1alpha1, kind: FeatureFlag, metadata: {name: blog}, spec: {deploymentRef: {name: rsolv}, defaultVariant: disabled}}`
	tests := []struct {
		name    string
		object  string
		wantErr []string
	}{
		{name: "a good flag", object: flag},
		{
			name:   "whole numbers where a field takes numbers and texts",
			object: strings.Replace(flag, "spec: {", "spec: {rules: [{rollout: [{variant: enabled, percent: 25}]}], ", 1),
		},
		{
			name:    "a CEL rule refuses",
			object:  strings.Replace(flag, "name: blog", "name: rsolv-blog", 1),
			wantErr: []string{`use "blog"`},
		},
		{
			name:   "a number where a text may be too",
			object: strings.Replace(flag, "defaultVariant: disabled", "defaultVariant: disabled, rules: [{rollout: [{variant: enabled, percent: 25}, {variant: disabled, percent: \"12.5\"}]}]", 1),
		},
		{
			name:    "such a number beyond its bounds",
			object:  strings.Replace(flag, "defaultVariant: disabled", "defaultVariant: disabled, rules: [{rollout: [{variant: enabled, percent: 101}]}]", 1),
			wantErr: []string{"spec.rules[0].rollout[0].percent", "percent is 0 to 100, for example 25"},
		},
		{
			name:    "an unknown field is named",
			object:  strings.Replace(flag, "defaultVariant", "defaultVariants", 1),
			wantErr: []string{"spec.defaultVariants: Forbidden: unknown field", "spec.defaultVariant: Required"},
		},
		{
			name:    "a nameless object",
			object:  strings.Replace(flag, "name: blog", "namespace: here", 1),
			wantErr: []string{"metadata.name: Required"},
		},
		{
			name:    "another API",
			object:  `{apiVersion: v1, kind: Pod, metadata: {name: p}}`,
			wantErr: []string{"not a kind of rsolv.dev/v1alpha1"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			object, err := Decode([]byte(test.object))
			if err != nil {
				t.Fatal(err)
			}
			err = validator.Admit(t.Context(), object)
			if (err == nil) != (len(test.wantErr) == 0) {
				t.Fatalf("Admit() = %v, want an error: %t", err, len(test.wantErr) > 0)
			}
			for _, want := range test.wantErr {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Admit() = %v, want it to contain %q", err, want)
				}
			}
		})
	}
}

func TestAdmitFillsInDefaults(t *testing.T) {
	t.Parallel()
	validator, err := New(crd.Bases)
	if err != nil {
		t.Fatal(err)
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "rsolv.dev/v1alpha1", "kind": "FeatureFlag", "metadata": map[string]any{"name": "blog"},
		"spec": map[string]any{"deploymentRef": map[string]any{"name": "rsolv"}, "defaultVariant": "disabled"},
	}}
	if err := validator.Admit(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if got, _, _ := unstructured.NestedString(object.Object, "spec", "type"); got != "Boolean" {
		t.Errorf("spec.type = %q, want the default Boolean", got)
	}
	if err := validator.Admit(t.Context(), &unstructured.Unstructured{}); !errors.Is(err, ErrUnknownKind) {
		t.Errorf("Admit(empty) = %v, want ErrUnknownKind", err)
	}
}
