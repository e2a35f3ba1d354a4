package child

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// seen remembers which request left an object in which state, so that the same
// request to an object in the same state is not sent again. It holds digests
// alone, never content: some of the objects are Secrets.
type seen struct {
	mu      sync.Mutex
	entries map[string]seenEntry
}

type seenEntry struct {
	request string
	state   string
}

// seenLimit bounds the memory; when it is reached all is forgotten, which
// costs each object one apply that changes nothing.
const seenLimit = 200_000

func newSeen() *seen { return &seen{entries: map[string]seenEntry{}} }

func (s *seen) same(owner types.UID, wanted *unstructured.Unstructured, existing client.Object, request string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry, ok := s.entries[seenKey(owner, wanted)]
	return ok && entry.request == request && entry.state == state(existing)
}

func (s *seen) remember(owner types.UID, applied *unstructured.Unstructured, request string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.entries) >= seenLimit {
		s.entries = map[string]seenEntry{}
	}
	s.entries[seenKey(owner, applied)] = seenEntry{request: request, state: state(applied)}
}

func seenKey(owner types.UID, object *unstructured.Unstructured) string {
	return fmt.Sprintf("%s/%s/%s/%s", owner, object.GroupVersionKind(), object.GetNamespace(), object.GetName())
}

// state names what could differ from the request. Kinds with a generation
// count changes of their spec there, so that status updates, which bump the
// resource version all the time, do not look like drift. Autoscalers have one
// in newer clusters only, and a status that changes every few seconds.
func state(object client.Object) string {
	version := fmt.Sprint(object.GetGeneration())
	if object.GetGeneration() == 0 {
		spec, ok := autoscalerSpec(object)
		if !ok {
			return string(object.GetUID()) + "@" + object.GetResourceVersion()
		}
		version = fingerprint(spec)
	}
	return fmt.Sprintf("%s@%s+%s", object.GetUID(), version, fingerprint([]any{
		object.GetLabels(), object.GetAnnotations(), object.GetOwnerReferences(),
	}))
}

// autoscalerSpec is what an autoscaler declares, whatever form it is read in.
func autoscalerSpec(object client.Object) (any, bool) {
	switch object := object.(type) {
	case *autoscalingv2.HorizontalPodAutoscaler:
		return object.Spec, true
	case *unstructured.Unstructured:
		typed := &autoscalingv2.HorizontalPodAutoscaler{}
		if object.GroupVersionKind() != autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler") ||
			runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed) != nil {
			return nil, false
		}
		return typed.Spec, true
	default:
		return nil, false
	}
}

func fingerprint(value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%x", sha256.Sum256(raw))
}
