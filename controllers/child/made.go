package child

import (
	"encoding/json"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// An object must be created, for applying would change one that somebody made a
// moment ago. Its fields belong to the creation then, and are handed over to
// applying, which by itself takes another request. Where nothing was filled in,
// it is known without asking what that request would come to.

// asDeclared tells whether a new object holds what is declared and no more.
func asDeclared(declared, live *unstructured.Unstructured) bool {
	bare := live.DeepCopy()
	for _, given := range [...]string{"creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"} {
		unstructured.RemoveNestedField(bare.Object, "metadata", given)
	}
	return equality.Semantic.DeepEqual(declared.Object, bare.Object)
}

// asApplied writes down our ownership as applying does: a creation owns the
// structs and lists that hold its fields as well.
func asApplied(live *unstructured.Unstructured) {
	entries := live.GetManagedFields()
	for i := range entries {
		if entries[i].Manager != string(FieldOwner) || entries[i].Operation != metav1.ManagedFieldsOperationApply || entries[i].FieldsV1 == nil {
			continue
		}
		var fields map[string]any
		if json.Unmarshal(entries[i].FieldsV1.GetRawBytes(), &fields) != nil {
			continue // as it was is right, too: applying will mend it
		}
		disown(fields)
		if raw, err := json.Marshal(fields); err == nil {
			entries[i].FieldsV1.SetRawBytes(raw)
		}
	}
	live.SetManagedFields(entries)
}

// disown removes what stands for the fields that hold others. An element of a
// list that has a key stands for itself.
func disown(fields map[string]any) {
	for name, value := range fields {
		held, ok := value.(map[string]any)
		if !ok {
			continue
		}
		if strings.HasPrefix(name, "f:") {
			delete(held, ".")
		}
		disown(held)
	}
}
