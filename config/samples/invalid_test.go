package samples

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

var update = flag.Bool("update", false, "rewrite the golden file")

const invalidGolden = "testdata/invalid.golden"

// TestInvalidSamples applies each wrong declaration and records what its
// author is told: by the API server where it refuses, by a condition where
// only the controllers can know.
func TestInvalidSamples(t *testing.T) {
	files, err := filepath.Glob("invalid/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Errorf("%d invalid samples, want at least 20", len(files))
	}
	var told strings.Builder
	for _, file := range files {
		fmt.Fprintf(&told, "== %s\n%s\n", filepath.Base(file), whatTheAuthorIsTold(t, file))
	}
	if *update {
		if err := os.WriteFile(invalidGolden, []byte(told.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(invalidGolden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), told.String()); diff != "" {
		t.Errorf("messages changed (-want +got); rewrite them with -update:\n%s", diff)
	}
}

func whatTheAuthorIsTold(t *testing.T, file string) string {
	t.Helper()
	namespace := testenv.Namespace(t)
	c := testenv.Client(t)
	objects := documents(t, file)
	// Thresholds and flags speak of an app; let it exist unless the file
	// brings its own.
	if objects[0].GetKind() != v1alpha1.KindRsolvDeployment && objects[0].GetKind() != "Secret" {
		objects = append(documents(t, "rsolv_v1alpha1_rsolvdeployment.yaml"), objects...)
	}
	for _, object := range objects {
		object.SetNamespace(namespace)
		err := c.Create(t.Context(), object, client.FieldValidation(metav1.FieldValidationStrict))
		if apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) {
			return "refused: " + refusal(err)
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	startControllers(t, namespace)
	return heldMessage(t, c, objects[len(objects)-1])
}

// refusal is the API server's message, a cause a line.
func refusal(err error) string {
	var status *apierrors.StatusError
	if !errors.As(err, &status) || status.ErrStatus.Details == nil || len(status.ErrStatus.Details.Causes) == 0 {
		return err.Error()
	}
	var lines []string
	for _, cause := range status.ErrStatus.Details.Causes {
		if cause.Field == "<nil>" { // a rule over the whole object
			cause.Field = "the object"
		}
		lines = append(lines, cause.Field+": "+cause.Message)
	}
	return strings.Join(lines, "\n         ")
}

// stable is how long a message must stay the same before it counts as what
// the author is told, where the controllers wait for what may yet come.
const stable = time.Second

// heldMessage waits until the object is not ready for a reason that waiting
// does not mend, or that nothing here is going to mend, and returns the
// conditions that say so: after "held" what somebody must change, after
// "waits" what may come by itself.
func heldMessage(t *testing.T, c client.Client, object *unstructured.Unstructured) string {
	t.Helper()
	var message, before, how string
	var since time.Time
	testenv.Eventually(t, func() error {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		message = ""
		held := map[string]bool{}
		for _, condition := range conditions(t, object) {
			held[condition.Type] = condition.Status == metav1.ConditionTrue
			if condition.Status == metav1.ConditionFalse && condition.Type != v1alpha1.ConditionReady {
				message += fmt.Sprintf("%s=%s %s: %s\n      ", condition.Type, condition.Status, condition.Reason, condition.Message)
			}
		}
		if message != before {
			before, since = message, time.Now()
		}
		how = "held: "
		if held[v1alpha1.ConditionReconciling] && time.Since(since) >= stable {
			how = "waits: "
		}
		if held[v1alpha1.ConditionReady] || message == "" || !held[v1alpha1.ConditionStalled] && how == "held: " {
			return fmt.Errorf("%s %s is not held yet: %v", object.GetKind(), object.GetName(), conditions(t, object))
		}
		return nil
	})
	want := map[string]testenv.Health{
		"held: ": {Kstatus: status.FailedStatus, Argo: "Degraded"}, "waits: ": {Kstatus: status.InProgressStatus, Argo: "Progressing"},
	}[how]
	if got := testenv.HealthOf(t, object); got.Kstatus != want.Kstatus || got.Argo != want.Argo {
		t.Errorf("%s %s %sa pipeline makes of it %+v", object.GetKind(), object.GetName(), how, got)
	}
	return how + strings.ReplaceAll(strings.TrimSpace(message), object.GetNamespace(), "<namespace>")
}

func conditions(t *testing.T, object *unstructured.Unstructured) []metav1.Condition {
	t.Helper()
	raw, err := yaml.Marshal(object.Object["status"])
	if err != nil {
		t.Fatal(err)
	}
	var status struct {
		Conditions []metav1.Condition `json:"conditions"`
	}
	if err := yaml.Unmarshal(raw, &status); err != nil {
		t.Fatal(err)
	}
	return status.Conditions
}

func documents(t *testing.T, file string) []*unstructured.Unstructured {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var objects []*unstructured.Unstructured
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(raw), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}
