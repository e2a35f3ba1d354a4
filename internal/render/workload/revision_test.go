package workload

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

func TestARevisionComesBackAsItWas(t *testing.T) {
	t.Parallel()
	rd := full()
	was := Deployment(rd, environment)
	revision := RevisionOf(was)
	kept := &appsv1.ControllerRevision{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(ControllerRevision(rd, revision).Object, kept); err != nil {
		t.Fatal(err)
	}
	read, err := ReadRevision(kept)
	if err != nil {
		t.Fatal(err)
	}
	if read.Hash != revision.Hash {
		t.Errorf("the hash was %s and is %s", revision.Hash, read.Hash)
	}
	if diff := cmp.Diff(was.Object, Restored(rd, read).Object); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
	// Another declaration changes what is no part of a revision, and no more.
	newer := minimal()
	newer.Spec.Image = "ghcr.io/rsolv-dev/rsolv:v2"
	restored := Restored(newer, read)
	if RevisionOf(restored).Hash != revision.Hash {
		t.Error("a newer declaration changed the revision that was brought back")
	}
	references, err := read.References()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{environment.ConfigMap, environment.Secret}, references); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
	for name, raw := range map[string]string{"no JSON": "{", "no template": `{"spec":{}}`} {
		if _, err := ReadRevision(&appsv1.ControllerRevision{Data: runtime.RawExtension{Raw: []byte(raw)}}); err == nil {
			t.Errorf("%s was read as a revision", name)
		}
	}
}

func TestWhatIsPartOfARevision(t *testing.T) {
	t.Parallel()
	hash := func(change func(*v1alpha1.RsolvDeployment), env Environment) string {
		rd := full()
		change(rd)
		return RevisionOf(Deployment(rd, env)).Hash
	}
	same := func(*v1alpha1.RsolvDeployment) {}
	base := hash(same, environment)
	for name, other := range map[string]string{
		"image":       hash(func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Image += "x" }, environment),
		"resources":   hash(func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Resources = nil }, environment),
		"secrets":     hash(same, Environment{ConfigMap: environment.ConfigMap, Secret: "rsolv-env-000000000000"}),
		"settings":    hash(same, Environment{ConfigMap: "rsolv-config-000000000000", Secret: environment.Secret}),
		"pull secret": hash(func(rd *v1alpha1.RsolvDeployment) { rd.Spec.ImagePullSecrets = nil }, environment),
	} {
		if other == base {
			t.Errorf("another %s is the same revision", name)
		}
	}
	for name, change := range map[string]func(*v1alpha1.RsolvDeployment){
		"replicas":  func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Autoscaling, rd.Spec.Replicas = nil, new(int32(7)) },
		"ingress":   func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Ingress = nil },
		"rollout":   func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Rollout = nil },
		"flags":     func(rd *v1alpha1.RsolvDeployment) { rd.Spec.Flags = &v1alpha1.FlagsPolicy{Policy: v1alpha1.FlagsWarn} },
		"the owner": func(rd *v1alpha1.RsolvDeployment) { rd.UID = "other" },
	} {
		if hash(change, environment) != base {
			t.Errorf("%s: another revision, so new pods", name)
		}
	}
}
