// Package manifest reads declarations from YAML files and writes the objects
// that they become, without a cluster.
package manifest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/admission"
)

// DefaultNamespace is where objects without a namespace go, as with kubectl.
const DefaultNamespace = "default"

// Set is what a number of files declare.
type Set struct {
	Deployments []*v1alpha1.RsolvDeployment
	Flags       []*v1alpha1.FeatureFlag
	Baselines   []*v1alpha1.AlertBaseline
}

// Load adds the documents of one file, given as its name and content, to the
// set. Every document is admitted as by an API server, defaults included;
// namespace is for those that name none. All that is wrong is returned at
// once, each error with the file and the document's number.
func (s *Set) Load(ctx context.Context, validator *admission.Validator, name, namespace string, content io.Reader) error {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(content))
	var errs []error
	for number := 1; ; number++ {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return errors.Join(errs...)
		}
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("%s: reading document %d: %w", name, number, err))...)
		}
		if err := s.add(ctx, validator, namespace, document); err != nil {
			errs = append(errs, fmt.Errorf("%s: document %d: %w", name, number, err))
		}
	}
}

func (s *Set) add(ctx context.Context, validator *admission.Validator, namespace string, document []byte) error {
	object, err := admission.Decode(document)
	if err != nil {
		return err
	}
	if len(object.Object) == 0 {
		return nil // comments alone
	}
	if err := validator.Admit(ctx, object); err != nil {
		return err
	}
	if object.GetNamespace() == "" {
		object.SetNamespace(namespace)
	}
	switch object.GetKind() {
	case v1alpha1.KindRsolvDeployment:
		return appendAs(&s.Deployments, object)
	case v1alpha1.KindFeatureFlag:
		return appendAs(&s.Flags, object)
	default:
		return appendAs(&s.Baselines, object)
	}
}

func appendAs[T any](list *[]*T, object *unstructured.Unstructured) error {
	typed := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed); err != nil {
		return fmt.Errorf("reading %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	*list = append(*list, typed)
	return nil
}

// Write prints objects as one YAML stream.
func Write(out io.Writer, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		raw, err := yaml.Marshal(object.Object)
		if err != nil {
			return fmt.Errorf("writing %s %s: %w", object.GetKind(), object.GetName(), err)
		}
		if _, err := fmt.Fprintf(out, "---\n%s", raw); err != nil {
			return fmt.Errorf("writing %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}
