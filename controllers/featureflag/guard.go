package featureflag

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render/flags"
)

// GuardPath is where the guard listens.
const GuardPath = "/validate-featureflag"

// Guard is the optional admission webhook. It refuses a FeatureFlag for what
// the reconciler would say of it afterwards, by the same function, and the
// deletion of one that an image which runs cannot do without. What it cannot
// find out it lets pass: the reconciler says it later, and keeps the last good
// definition.
type Guard struct {
	// Reader reads from the API server.
	Reader client.Reader
}

// Handle implements admission.Handler.
func (g *Guard) Handle(ctx context.Context, request admission.Request) admission.Response {
	refusal, err := g.judge(ctx, &request.AdmissionRequest)
	switch {
	case err != nil:
		return admission.Allowed("").WithWarnings("the flag was not checked before it was admitted: " + err.Error())
	case refusal != "":
		return admission.Denied(refusal)
	default:
		return admission.Allowed("")
	}
}

func (g *Guard) judge(ctx context.Context, request *admissionv1.AdmissionRequest) (refusal string, err error) {
	var flag, old v1alpha1.FeatureFlag
	if len(request.OldObject.Raw) > 0 {
		if err := json.Unmarshal(request.OldObject.Raw, &old); err != nil {
			return "", fmt.Errorf("reading the FeatureFlag: %w", err)
		}
	}
	if request.Operation == admissionv1.Delete {
		return g.judgeDeletion(ctx, &old)
	}
	if err := json.Unmarshal(request.Object.Raw, &flag); err != nil {
		return "", fmt.Errorf("reading the FeatureFlag: %w", err)
	}
	// A flag that was admitted before must stay changeable in all but its
	// definition, and go away.
	if flag.DeletionTimestamp != nil || request.Operation == admissionv1.Update && equality.Semantic.DeepEqual(flag.Spec, old.Spec) {
		return "", nil
	}
	if flag.CreationTimestamp.IsZero() {
		flag.CreationTimestamp = metav1.Now() // the youngest
	}
	flag.Namespace = request.Namespace
	return g.judgeDefinition(ctx, &flag)
}

// judgeDefinition plans the app's file with the flag in it.
func (g *Guard) judgeDefinition(ctx context.Context, flag *v1alpha1.FeatureFlag) (refusal string, err error) {
	key := types.NamespacedName{Namespace: flag.Namespace, Name: flag.Spec.DeploymentRef.Name}
	app, err := g.app(ctx, key)
	if err != nil {
		return "", err
	}
	if app == nil {
		app = unknownApp(key) // flags and app may come in any order
	}
	others, err := g.others(ctx, flag)
	if err != nil {
		return "", err
	}
	var published corev1.ConfigMap
	if err := g.Reader.Get(ctx, configMapOf(key), &published); client.IgnoreNotFound(err) != nil {
		return "", fmt.Errorf("reading the published flags: %w", err)
	}
	plan := flags.Make(flags.Input{App: app, Flags: append(others, flag), Published: []byte(published.Data[contract.FlagsFile])})
	verdict := plan.Verdicts[len(plan.Verdicts)-1]
	if verdict.Current() {
		return "", nil
	}
	return verdict.Message, nil
}

// judgeDeletion refuses to take a flag from an image that needs it, unless the
// app or the namespace goes too.
func (g *Guard) judgeDeletion(ctx context.Context, flag *v1alpha1.FeatureFlag) (refusal string, err error) {
	key := types.NamespacedName{Namespace: flag.Namespace, Name: flag.Spec.DeploymentRef.Name}
	app, err := g.app(ctx, key)
	if err != nil || app == nil || app.DeletionTimestamp != nil || !slices.Contains(flags.Needed(app), flags.Key(flag)) {
		return "", err
	}
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if err := g.Reader.Get(ctx, client.ObjectKey{Name: flag.Namespace}, namespace); err != nil {
		return "", fmt.Errorf("reading namespace %s: %w", flag.Namespace, err)
	}
	if namespace.DeletionTimestamp != nil {
		return "", nil
	}
	others, err := g.others(ctx, flag)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(others, func(other *v1alpha1.FeatureFlag) bool { return flags.Key(other) == flags.Key(flag) }) {
		return "", nil // another one takes its place
	}
	return fmt.Sprintf("the image that runs needs flag %q: roll out an image that does not, or delete RsolvDeployment %q first", flags.Key(flag), app.Name), nil
}

// app is nil when there is none.
func (g *Guard) app(ctx context.Context, key types.NamespacedName) (*v1alpha1.RsolvDeployment, error) {
	var app v1alpha1.RsolvDeployment
	switch err := g.Reader.Get(ctx, key, &app); {
	case apierrors.IsNotFound(err):
		return nil, nil //nolint:nilnil // absence is an answer
	case err != nil:
		return nil, fmt.Errorf("reading RsolvDeployment %s: %w", key.Name, err)
	default:
		return &app, nil
	}
}

// others are the other flags of the same app that stay.
func (g *Guard) others(ctx context.Context, flag *v1alpha1.FeatureFlag) ([]*v1alpha1.FeatureFlag, error) {
	var list v1alpha1.FeatureFlagList
	if err := g.Reader.List(ctx, &list, client.InNamespace(flag.Namespace)); err != nil {
		return nil, fmt.Errorf("listing FeatureFlags: %w", err)
	}
	var others []*v1alpha1.FeatureFlag
	for i := range list.Items {
		other := &list.Items[i]
		if other.Name != flag.Name && other.DeletionTimestamp == nil && other.Spec.DeploymentRef.Name == flag.Spec.DeploymentRef.Name {
			others = append(others, other)
		}
	}
	return others, nil
}
