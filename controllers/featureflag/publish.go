package featureflag

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render/flags"
)

// publication is what the operator put into an app's ConfigMap.
type publication struct {
	// app is the UID of the app.
	app types.UID
	// file is empty when nothing is published yet.
	file []byte
	// since is when the ConfigMap got its content, by the API server's clock
	// and in whole seconds.
	since time.Time
}

// memory holds the last publication of each app. It spares reading the
// ConfigMap, and it knows what was published when somebody edits that. It is
// no state: without it the ConfigMap is read once.
type memory struct {
	mu    sync.Mutex
	known map[types.NamespacedName]publication
}

func (m *memory) get(key types.NamespacedName, app types.UID) (publication, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.known[key]
	return p, ok && p.app == app
}

func (m *memory) set(key types.NamespacedName, p publication) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[types.NamespacedName]publication{}
	}
	m.known[key] = p
}

func (m *memory) forget(key types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, key)
}

// publish plans the file and applies its ConfigMap. A failure that somebody
// must deal with is recorded as a hold too.
func (r *Reconciler) publish(ctx context.Context, s *scope) error {
	var err error
	if s.published, err = r.lastPublished(ctx, s); err != nil {
		return err
	}
	s.plan = flags.Make(flags.Input{App: s.app, Flags: s.flags, Published: s.published.file})
	err = r.Applier.Apply(ctx, s.app, s.plan.ConfigMap)
	var conflict *child.OwnershipConflict
	switch {
	case errors.As(err, &conflict):
		// Nothing of ours is published then, and the foreign object's end is
		// watched.
		r.memory.forget(s.key)
		s.hold = foreignConfigMap(conflict)
		return nil
	case child.Refused(err):
		s.hold = applyRejected(err)
		return err
	case err != nil:
		return err
	}
	if string(s.plan.File) != string(s.published.file) {
		if s.published.since, err = r.changeTime(ctx, s.key); err != nil {
			return err
		}
	}
	s.published.file = s.plan.File
	r.memory.set(s.key, s.published)
	return nil
}

// lastPublished knows what was published before. After a start it is the
// ConfigMap's content, unless that was edited by hand: its digest then differs
// from the one beside it.
func (r *Reconciler) lastPublished(ctx context.Context, s *scope) (publication, error) {
	if known, ok := r.memory.get(s.key, s.app.UID); ok {
		return known, nil
	}
	var found corev1.ConfigMap
	none := publication{app: s.app.UID}
	err := r.Live.Get(ctx, configMapOf(s.key), &found)
	if apierrors.IsNotFound(err) {
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("reading the published flags: %w", err)
	}
	file := []byte(found.Data[contract.FlagsFile])
	if !metav1.IsControlledBy(&found, s.app) || contract.FlagsDigest(file) != found.Annotations[contract.AnnotationFlagsDigest] {
		return none, nil
	}
	return publication{app: s.app.UID, file: file, since: changed(&found)}, nil
}

func (r *Reconciler) changeTime(ctx context.Context, key types.NamespacedName) (time.Time, error) {
	var found metav1.PartialObjectMetadata
	found.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	if err := r.Live.Get(ctx, configMapOf(key), &found); err != nil {
		return time.Time{}, fmt.Errorf("reading when the flags changed: %w", err)
	}
	return changed(&found), nil
}

// changed is when the operator last changed an object. Other than a time of
// our own it is measured by the same clock as the creation of pods.
func changed(object metav1.Object) time.Time {
	for _, entry := range object.GetManagedFields() {
		if entry.Manager == string(child.FieldOwner) && entry.Operation == metav1.ManagedFieldsOperationApply && entry.Time != nil {
			return entry.Time.Time
		}
	}
	return object.GetCreationTimestamp().Time
}

func configMapOf(app types.NamespacedName) client.ObjectKey {
	return client.ObjectKey{Namespace: app.Namespace, Name: flags.ConfigMapName(app.Name)}
}

// hold says why nothing of the app's flags can be published.
type hold struct {
	reason, message string
	// retried tells whether it is tried again, so that what is published is
	// still that of before.
	retried bool
	// awaited tells whether it ends by itself when something comes or goes.
	awaited bool
}

func missingApp(key types.NamespacedName) *hold {
	return &hold{reason: v1alpha1.ReasonDeploymentMissing, awaited: true, message: fmt.Sprintf(
		"there is no RsolvDeployment %q in namespace %q; create it, or make this flag anew with the right spec.deploymentRef.name", key.Name, key.Namespace)}
}

func foreignConfigMap(conflict *child.OwnershipConflict) *hold {
	if conflict.Leaving {
		return &hold{reason: v1alpha1.ReasonAwaitingDeletion, awaited: true, message: conflict.Error()}
	}
	return &hold{reason: v1alpha1.ReasonOwnershipConflict, message: conflict.Error()}
}

func applyRejected(err error) *hold {
	return &hold{reason: v1alpha1.ReasonApplyRejected, message: "the API server refused the flags ConfigMap: " + err.Error(), retried: true}
}
