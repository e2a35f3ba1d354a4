// Package flags decides what becomes of the FeatureFlags of one app and builds
// the ConfigMap that its pods mount. It is pure.
package flags

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
	"github.com/rsolv-dev/rsolv-operator/internal/render"
)

// MaxFileBytes bounds the published file. A ConfigMap holds 1 MiB; the rest is
// room for what else the object carries.
const MaxFileBytes = 900 << 10

// ConfigMapName is the name of the ConfigMap with the flags of the app called
// deployment. Its file is under contract.FlagsFile.
func ConfigMapName(deployment string) string { return render.FlagsName(deployment) }

// Input is what a plan is made of.
type Input struct {
	// App is the app that the flags belong to. Only its name, namespace, UID,
	// flags policy, and what its status says of its images' flags count.
	App *v1alpha1.RsolvDeployment
	// Flags that refer to the app, in any order. Those being deleted count as
	// gone.
	Flags []*v1alpha1.FeatureFlag
	// Published is the file as the operator published it last, or nil. It
	// holds the last good definitions. One that cannot be read counts as nil.
	Published []byte
	// MaxBytes bounds the file when it is more than 0; the default is
	// MaxFileBytes.
	MaxBytes int
}

// Plan is what is to be published, and what becomes of each flag.
type Plan struct {
	// File in flagd's format, and its digest.
	File   []byte
	Digest string
	// Verdicts in the order of Input.Flags, without those being deleted.
	Verdicts []Verdict
	// Entries are the flags in the file, as they stand there, by their keys.
	Entries map[string]string
	// Kept are the keys of the flags that nobody declares any more and that
	// images which run still need. Their last definitions stay in the file.
	Kept []string
	// ConfigMap with the file.
	ConfigMap *unstructured.Unstructured
}

// Verdict is what becomes of one flag.
type Verdict struct {
	Flag *v1alpha1.FeatureFlag
	// Key that the app asks for.
	Key string
	// Reason is empty when the definition is valid and its key is free.
	// Otherwise it is a reason of v1alpha1, and Message says what is wrong and
	// what to do.
	Reason  string
	Message string
	// TooLarge is true when the valid definition has no room in the file;
	// Message says so.
	TooLarge bool
	// Default is the variant in the file under the flag's name, empty when
	// there is none. It is the last good definition's unless Reason is empty
	// and TooLarge false.
	Default string
	// Match is what the app says about the flag.
	Match Match
}

// Current tells whether the flag's own definition is in the file.
func (v Verdict) Current() bool { return v.Reason == "" && !v.TooLarge }

// LastGood tells whether an earlier definition of the flag is in the file.
func (v Verdict) LastGood() bool { return !v.Current() && v.Default != "" }

// Make decides. The same input gives the same plan, and a plan made with the
// last one's file published gives the same file again.
func Make(in Input) Plan {
	published, needed := readPublished(in.Published), Needed(in.App)
	candidates := judge(in, published, needed)
	kept := keep(candidates, published, needed)
	entries := append(fit(candidates, kept, in.MaxBytes), kept...)
	plan := Plan{File: flagd.File(entries), Verdicts: make([]Verdict, len(candidates)), Entries: make(map[string]string, len(entries))}
	plan.Digest = contract.FlagsDigest(plan.File)
	catalog := CatalogOf(in.App)
	for i, c := range candidates {
		plan.Verdicts[i] = c.verdict
		plan.Verdicts[i].Match = catalog.Match(c.verdict.Key, c.verdict.Flag.Spec.Type)
	}
	for _, entry := range entries {
		plan.Entries[entry.Key] = string(entry.JSON)
	}
	for _, entry := range kept {
		plan.Kept = append(plan.Kept, entry.Key)
	}
	plan.ConfigMap = configMap(in.App, plan.File, plan.Digest)
	return plan
}

// configMap carries the digest as an annotation, so that whoever watches
// metadata alone knows the content, and so that content which was edited by
// hand is told from what was published.
func configMap(app *v1alpha1.RsolvDeployment, file []byte, digest string) *unstructured.Unstructured {
	configuration := corev1ac.ConfigMap(ConfigMapName(app.Name), app.Namespace).
		WithLabels(render.Labels(app.Name, contract.ComponentFlags)).
		WithAnnotations(map[string]string{contract.AnnotationFlagsDigest: digest}).
		WithData(map[string]string{contract.FlagsFile: string(file)})
	if owner := render.Owner(app, v1alpha1.KindRsolvDeployment); owner != nil {
		configuration.WithOwnerReferences(owner)
	}
	return render.Object(configuration)
}
