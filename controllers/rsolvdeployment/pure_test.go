package rsolvdeployment

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

func TestAvailability(t *testing.T) {
	t.Parallel()
	deployment := func(desired, replicas, updated, available int32, progressing string) *appsv1.Deployment {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "rsolv", Generation: 3}, Spec: appsv1.DeploymentSpec{Replicas: &desired}}
		d.Status = appsv1.DeploymentStatus{ObservedGeneration: 3, Replicas: replicas, UpdatedReplicas: updated, AvailableReplicas: available}
		if progressing != "" {
			d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Reason: progressing}}
		}
		return d
	}
	stale := deployment(2, 2, 2, 2, "NewReplicaSetAvailable")
	stale.Generation = 4
	for name, test := range map[string]struct {
		deployment *appsv1.Deployment
		reason     string
		status     metav1.ConditionStatus
		progress   status.Progress
		phase      string
		message    string
	}{
		"none":              {nil, v1alpha1.ReasonNotEvaluated, metav1.ConditionUnknown, status.Working, v1alpha1.PhasePending, "no pods yet"},
		"change not seen":   {stale, v1alpha1.ReasonRollingOut, metav1.ConditionFalse, status.Working, v1alpha1.PhaseRolling, "not taken up"},
		"first pods start":  {deployment(2, 2, 2, 0, "ReplicaSetUpdated"), v1alpha1.ReasonRollingOut, metav1.ConditionFalse, status.Working, v1alpha1.PhaseRolling, "0 of 2 pods answer"},
		"some are new":      {deployment(3, 4, 1, 3, "ReplicaSetUpdated"), v1alpha1.ReasonRollingOut, metav1.ConditionFalse, status.Working, v1alpha1.PhaseRolling, "1 of 3 pods are new"},
		"old ones to go":    {deployment(2, 3, 2, 3, "ReplicaSetUpdated"), v1alpha1.ReasonRollingOut, metav1.ConditionFalse, status.Working, v1alpha1.PhaseRolling, "1 old pods"},
		"stuck":             {deployment(2, 3, 1, 2, "ProgressDeadlineExceeded"), v1alpha1.ReasonDeadlineExceeded, metav1.ConditionFalse, status.Stuck, v1alpha1.PhaseFailed, "1 of 2 new pods answer"},
		"all answer":        {deployment(2, 2, 2, 2, "NewReplicaSetAvailable"), v1alpha1.ReasonSucceeded, metav1.ConditionTrue, status.Done, v1alpha1.PhaseReady, "2 of 2 pods answer"},
		"one lost":          {deployment(2, 2, 2, 1, "NewReplicaSetAvailable"), v1alpha1.ReasonPodsUnavailable, metav1.ConditionFalse, status.Working, v1alpha1.PhaseDegraded, "1 of 2 pods answer; see why"},
		"scaled to nothing": {deployment(0, 0, 0, 0, "NewReplicaSetAvailable"), v1alpha1.ReasonSucceeded, metav1.ConditionTrue, status.Done, v1alpha1.PhaseReady, "no pod runs, as declared"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verdict, progress, phase := availability(test.deployment, nil)
			if verdict.Status != test.status || verdict.Reason != test.reason || progress != test.progress || phase != test.phase {
				t.Errorf("got %s/%s %d %s", verdict.Status, verdict.Reason, progress, phase)
			}
			if !strings.Contains(verdict.Message, test.message) {
				t.Errorf("message %q lacks %q", verdict.Message, test.message)
			}
		})
	}
}

// TestScalingIsNoRollout: where nothing but the number of pods differs from
// what settled, those that answered go on answering.
func TestScalingIsNoRollout(t *testing.T) {
	t.Parallel()
	deployment := func(wanted, pods, answer int32) *appsv1.Deployment {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "rsolv", Generation: 3}, Spec: appsv1.DeploymentSpec{Replicas: &wanted}}
		d.Status = appsv1.DeploymentStatus{
			ObservedGeneration: 3, Replicas: pods, UpdatedReplicas: pods, AvailableReplicas: answer,
			Conditions: []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Reason: "NewReplicaSetAvailable"}},
		}
		return d
	}
	unseen := func(d *appsv1.Deployment) *appsv1.Deployment { d.Generation++; return d }
	template := workload.TemplateHash(&deployment(1, 1, 1).Spec.Template)
	at := func(replicas int32) *v1alpha1.SettledRecord {
		return &v1alpha1.SettledRecord{Template: template, Replicas: replicas}
	}
	other := deployment(6, 5, 5)
	other.Spec.Template.Labels = map[string]string{"a": "b"}
	for name, test := range map[string]struct {
		deployment *appsv1.Deployment
		settled    *v1alpha1.SettledRecord
		phase      string
		message    string
		after      *v1alpha1.SettledRecord
	}{
		"not taken up":              {unseen(deployment(6, 5, 5)), at(5), v1alpha1.PhaseReady, "scaling to 6, 5 answer", at(5)},
		"pods are made":             {deployment(6, 6, 5), at(5), v1alpha1.PhaseReady, "scaling to 6, 5 answer", at(5)},
		"more and more":             {deployment(10, 8, 6), at(5), v1alpha1.PhaseReady, "scaling to 10, 6 answer", at(5)},
		"one of the new is lost":    {deployment(10, 8, 5), at(5), v1alpha1.PhaseReady, "scaling to 10, 5 answer", at(5)},
		"one of the old is lost":    {deployment(6, 6, 4), at(5), v1alpha1.PhaseDegraded, "4 of 6 pods answer; see why", at(5)},
		"arrived":                   {deployment(6, 6, 6), at(5), v1alpha1.PhaseReady, "6 of 6 pods answer", at(6)},
		"down, not taken up":        {unseen(deployment(3, 6, 6)), at(6), v1alpha1.PhaseReady, "scaling to 3, 6 answer", at(6)},
		"down, to fewer than ever":  {deployment(3, 3, 2), at(6), v1alpha1.PhaseDegraded, "2 of 3 pods answer", at(6)},
		"down, arrived":             {deployment(3, 3, 3), at(6), v1alpha1.PhaseReady, "3 of 3 pods answer", at(3)},
		"to nothing, not taken up":  {unseen(deployment(0, 2, 2)), at(2), v1alpha1.PhaseReady, "scaling to 0, 2 answer", at(2)},
		"to nothing, arrived":       {deployment(0, 0, 0), at(2), v1alpha1.PhaseReady, "no pod runs, as declared", at(0)},
		"from nothing":              {deployment(2, 0, 0), at(0), v1alpha1.PhaseRolling, "0 of 2 pods are new", at(0)},
		"something else changed":    {unseen(deployment(5, 5, 5)), at(5), v1alpha1.PhaseReady, "5 of 5 pods answer", at(5)},
		"another template":          {unseen(other), at(5), v1alpha1.PhaseRolling, "not taken up", nil},
		"back, with pods of both":   {unseen(withOld(deployment(5, 5, 5))), at(5), v1alpha1.PhaseRolling, "not taken up", at(5)},
		"never settled":             {deployment(6, 6, 5), nil, v1alpha1.PhaseDegraded, "5 of 6 pods answer", nil},
		"never settled, new number": {deployment(6, 5, 5), nil, v1alpha1.PhaseRolling, "5 of 6 pods are new", nil},
	} {
		verdict, _, phase := availability(test.deployment, test.settled)
		if phase != test.phase || !strings.Contains(verdict.Message, test.message) || verdict.Is() != (phase == v1alpha1.PhaseReady) {
			t.Errorf("%s: %s %+v", name, phase, verdict)
		}
		if diff := cmp.Diff(test.after, settle(test.deployment, test.settled)); diff != "" {
			t.Errorf("%s: settled (-want +got):\n%s", name, diff)
		}
	}
}

func withOld(d *appsv1.Deployment) *appsv1.Deployment { d.Status.Replicas++; return d }

func TestDesiredReplicas(t *testing.T) {
	t.Parallel()
	live := func(n int32) *appsv1.Deployment {
		return &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: &n}}
	}
	scaling := &v1alpha1.Autoscaling{MinReplicas: 3, MaxReplicas: 9}
	for name, test := range map[string]struct {
		replicas    *int32
		autoscaling *v1alpha1.Autoscaling
		recorded    int32
		deployment  *appsv1.Deployment
		handOver    bool
		want        int32
	}{
		"new, nothing declared":            {want: 2},
		"new, declared":                    {replicas: ptr.To[int32](4), want: 4},
		"new, autoscaled":                  {autoscaling: scaling, want: 3},
		"declared zero":                    {replicas: ptr.To[int32](0), recorded: 4, deployment: live(4), want: 0},
		"edited by hand":                   {replicas: ptr.To[int32](4), recorded: 4, deployment: live(1), want: 4},
		"autoscaler in charge":             {autoscaling: scaling, recorded: 3, deployment: live(7), want: 7},
		"autoscaler cannot wake zero":      {autoscaling: scaling, deployment: live(0), want: 3},
		"autoscaler dismissed":             {recorded: 5, deployment: live(7), handOver: true, want: 7},
		"dismissed for a number":           {replicas: ptr.To[int32](4), recorded: 7, deployment: live(7), handOver: true, want: 4},
		"after the dismissal":              {recorded: 7, deployment: live(7), want: 7},
		"after it, edited by hand":         {recorded: 7, deployment: live(1), want: 7},
		"number removed":                   {recorded: 5, deployment: live(5), want: 5},
		"made, crashed before it was told": {deployment: live(1), want: 2},
		"declared zero removed":            {deployment: live(0), want: 2},
	} {
		rd := &v1alpha1.RsolvDeployment{
			Spec:   v1alpha1.RsolvDeploymentSpec{Replicas: test.replicas, Autoscaling: test.autoscaling},
			Status: v1alpha1.RsolvDeploymentStatus{Desired: test.recorded},
		}
		if got := desiredReplicas(rd, test.deployment, test.handOver); got != test.want {
			t.Errorf("%s: %d pods, want %d", name, got, test.want)
		}
	}
}

func TestConclude(t *testing.T) {
	t.Parallel()
	conflict := &child.OwnershipConflict{Kind: "Service", Name: "rsolv"}
	leaving := &child.OwnershipConflict{Kind: "Service", Name: "rsolv", OwnedBy: "RsolvDeployment rsolv", Leaving: true}
	good := &appsv1.Deployment{Status: appsv1.DeploymentStatus{Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1}}
	hold := &held{phase: v1alpha1.PhaseMigrating, verdict: status.False(v1alpha1.ReasonMigrationRunning, "it runs"), progress: status.Working}
	for name, test := range map[string]struct {
		scope    scope
		hold     *held
		reason   string
		progress status.Progress
		phase    string
		message  string
	}{
		"ready":            {scope{deployment: good}, nil, v1alpha1.ReasonSucceeded, status.Done, v1alpha1.PhaseReady, "1 of 1 pods answer"},
		"no pods":          {scope{}, nil, v1alpha1.ReasonNotEvaluated, status.Working, v1alpha1.PhasePending, "there are no pods yet"},
		"held":             {scope{deployment: good}, hold, v1alpha1.ReasonMigrationRunning, status.Working, v1alpha1.PhaseMigrating, "it runs"},
		"refused, passing": {scope{deployment: good, refused: []error{leaving}}, nil, v1alpha1.ReasonAwaitingDeletion, status.Working, v1alpha1.PhaseHeld, leaving.Error()},
		"refused, both":    {scope{deployment: good, refused: []error{leaving, conflict}}, nil, v1alpha1.ReasonOwnershipConflict, status.Stuck, v1alpha1.PhaseHeld, leaving.Error() + "; " + conflict.Error()},
		"refused":          {scope{deployment: good, refused: []error{conflict}}, nil, v1alpha1.ReasonOwnershipConflict, status.Stuck, v1alpha1.PhaseHeld, conflict.Error()},
		"held and refused": {scope{deployment: good, refused: []error{conflict}}, hold, v1alpha1.ReasonMigrationRunning, status.Working, v1alpha1.PhaseMigrating, "it runs; " + conflict.Error()},
	} {
		test.scope.rd = &v1alpha1.RsolvDeployment{}
		verdict, progress, phase := test.scope.conclude(test.hold)
		if verdict.Reason != test.reason || progress != test.progress || phase != test.phase || verdict.Message != test.message {
			t.Errorf("%s: %+v %d %s", name, verdict, progress, phase)
		}
		if verdict.Is() != (name == "ready") {
			t.Errorf("%s: Ready=%s", name, verdict.Status)
		}
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	env := map[string][]byte{
		"DATABASE_URL": []byte("postgres://app:p%40ss-w0rd@db/rsolv"),
		"KEY":          []byte("sk_live_abcdef"),
		"LONG":         []byte("sk_live_abcdef-and-more"),
		"PEM":          []byte("-----BEGIN-----\nMIIEvQIBADANBg\n-----END-----\n"),
		"SHORT":        []byte("no"),
	}
	for text, want := range map[string]string{
		"nothing to hide, no":                        "nothing to hide, no",
		"key sk_live_abcdef refused":                 "key *** refused",
		"key sk_live_abcdef-and-more refused":        "key *** refused",
		"postgres://app:p%40ss-w0rd@db/rsolv failed": "*** failed",
		"password p@ss-w0rd and p%40ss-w0rd":         "password *** and ***",
		"line MIIEvQIBADANBg is odd":                 "line *** is odd",
		"_abcdef-and-more: refused":                  "***: refused",
		"refused: sk_live_abcdef-a":                  "refused: ***-a",
		"refused: sk_live_abc":                       "refused: ***",
	} {
		if got := mask(text, env); got != want {
			t.Errorf("mask(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"short": "short", "0123456789": "0123456789", "xx0123456789": "…0123456789", "ä012345678x": "…012345678x"} {
		if got := tail(text, 10); got != want {
			t.Errorf("tail(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestFlagsRecord(t *testing.T) {
	t.Parallel()
	const file = `{"flags":{"a":{},"b":{}}}`
	want := &v1alpha1.FlagsRecord{Count: 2, Digest: contract.FlagsDigest([]byte(file))}
	if diff := cmp.Diff(want, publishedFlags(map[string]string{contract.FlagsFile: file}).record); diff != "" {
		t.Error(diff)
	}
	for name, data := range map[string]map[string]string{"no file": {"other": file}, "no JSON": {"flags.json": "{"}} {
		if record := publishedFlags(data).record; record != nil {
			t.Errorf("%s: %+v", name, record)
		}
	}
}

func TestOutdated(t *testing.T) {
	t.Parallel()
	copyOf := func(name string, second int64) metav1.PartialObjectMetadata {
		return metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
			Name: name, CreationTimestamp: metav1.Unix(second, 0),
		}}
	}
	copies := []metav1.PartialObjectMetadata{copyOf("a", 1), copyOf("d", 4), copyOf("b", 2), copyOf("c", 3)}
	for current, want := range map[string][]string{"d": {"b", "a"}, "a": {"c", "b"}} {
		if diff := cmp.Diff(want, outdated(copies, current)); diff != "" {
			t.Errorf("current %s (-want +got):\n%s", current, diff)
		}
	}
	if got := outdated(copies[:2], "a"); got != nil {
		t.Errorf("of two copies %v are outdated", got)
	}
}

// A ReplicaSet that another attempt at the same revision left behind has pods
// of its own, and metrics of the earlier ones.
func TestAnEarlierAttemptIsForgotten(t *testing.T) {
	t.Parallel()
	made := time.Date(2025, 11, 3, 18, 43, 15, 0, time.UTC)
	for name, test := range map[string]struct{ began, want time.Time }{
		"first attempt":  {made.Add(time.Second), time.Time{}},
		"second attempt": {made.Add(10 * time.Minute), made.Add(15 * time.Minute)},
	} {
		if got := forgotten(made, test.began, 5*time.Minute); !got.Equal(test.want) {
			t.Errorf("%s: judged from %s, want %s", name, got, test.want)
		}
	}
}
