package watch

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

func TestDeclarationChanged(t *testing.T) {
	t.Parallel()
	object := func(generation int64, version, annotation, value string) *metav1.PartialObjectMetadata {
		return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
			Generation: generation, ResourceVersion: version, Annotations: map[string]string{annotation: value},
		}}
	}
	before := object(1, "1", contract.AnnotationReconcile, "a")
	for name, test := range map[string]struct {
		after *metav1.PartialObjectMetadata
		want  bool
	}{
		"status":            {object(1, "2", contract.AnnotationReconcile, "a"), false},
		"spec":              {object(2, "2", contract.AnnotationReconcile, "a"), true},
		"asked to look":     {object(1, "2", contract.AnnotationReconcile, "b"), true},
		"asked no more":     {object(1, "2", "other", "a"), true},
		"nothing but order": {object(1, "1", contract.AnnotationReconcile, "a"), false},
	} {
		if got := DeclarationChanged().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: test.after}); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if !DeclarationChanged().Create(event.CreateEvent{Object: before}) || !DeclarationChanged().Delete(event.DeleteEvent{Object: before}) {
		t.Error("coming and going passes unseen")
	}
}
