// Package admission does offline what an API server does with an object of our
// kinds before it stores it: unknown fields are refused, defaults filled in,
// and the schema with its CEL rules enforced. It runs the API server's own
// code over the same CRDs.
package admission

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// ErrUnknownKind is returned for objects of other APIs.
var ErrUnknownKind = errors.New("not a kind of rsolv.dev/v1alpha1")

// Validator admits objects of the kinds whose CRDs it was given. It is safe
// for concurrent use.
type Validator struct {
	kinds map[schema.GroupVersionKind]kind
}

type kind struct {
	structural *structuralschema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

// New reads every CRD file below bases.
func New(crds fs.FS) (*Validator, error) {
	files, err := fs.Glob(crds, "bases/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("listing the CRDs: %w", err)
	}
	v := &Validator{kinds: map[schema.GroupVersionKind]kind{}}
	for _, file := range files {
		raw, err := fs.ReadFile(crds, file)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(raw, &crd); err != nil {
			return nil, fmt.Errorf("parsing %s: %w", file, err)
		}
		if err := v.add(&crd); err != nil {
			return nil, fmt.Errorf("compiling %s: %w", file, err)
		}
	}
	return v, nil
}

func (v *Validator) add(crd *apiextensionsv1.CustomResourceDefinition) error {
	for i := range crd.Spec.Versions {
		version := &crd.Spec.Versions[i]
		internal := &apiextensions.JSONSchemaProps{}
		err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
			version.Schema.OpenAPIV3Schema, internal, nil)
		if err != nil {
			return err
		}
		structural, err := structuralschema.NewStructural(internal)
		if err != nil {
			return err
		}
		validator, _, err := validation.NewSchemaValidator(internal)
		if err != nil {
			return err
		}
		gvk := schema.GroupVersionKind{Group: crd.Spec.Group, Version: version.Name, Kind: crd.Spec.Names.Kind}
		v.kinds[gvk] = kind{
			structural: structural,
			schema:     validator,
			rules:      cel.NewValidator(structural, true, celconfig.PerCallLimit),
		}
	}
	return nil
}

// Decode reads one YAML document as an API server reads it: duplicate fields
// are refused, and whole numbers told from others, which the standard JSON
// reader makes fractions of. A document of comments alone has no fields.
func Decode(document []byte) (*unstructured.Unstructured, error) {
	raw, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, fmt.Errorf("no valid YAML: %w", err)
	}
	object := &unstructured.Unstructured{}
	if err := utiljson.Unmarshal(raw, &object.Object); err != nil {
		return nil, fmt.Errorf("no mapping of fields to values: %w", err)
	}
	return object, nil
}

// Admit fills in the defaults of object, in place, and returns every reason
// for which an API server would refuse it, joined.
func (v *Validator) Admit(ctx context.Context, object *unstructured.Unstructured) error {
	k, ok := v.kinds[object.GroupVersionKind()]
	if !ok {
		return fmt.Errorf("%s: %w", object.GroupVersionKind(), ErrUnknownKind)
	}
	var problems field.ErrorList
	if object.GetName() == "" {
		problems = append(problems, field.Required(field.NewPath("metadata", "name"), "every object needs a name"))
	}
	unknown := pruning.PruneWithOptions(object.Object, k.structural, true,
		structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	for _, path := range unknown {
		problems = append(problems, field.Forbidden(field.NewPath(path), "unknown field: check its spelling and indentation"))
	}
	defaulting.Default(object.Object, k.structural)
	bad := validation.ValidateCustomResource(nil, object.Object, k.schema)
	bad = append(bad, listtype.ValidateListSetsAndMaps(nil, k.structural, object.Object)...)
	if len(bad) == 0 {
		// Rules assume an object of the right shape; over any other they
		// report nonsense.
		bad, _ = k.rules.Validate(ctx, nil, k.structural, object.Object, nil, celconfig.RuntimeCELCostBudget)
	}
	problems = append(problems, bad...)
	if len(problems) > 0 {
		return fmt.Errorf("%s %q is invalid: %w", object.GetKind(), object.GetName(), problems.ToAggregate())
	}
	return nil
}
