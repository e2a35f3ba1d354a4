package testenv

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// SimulateKubelet plays the parts that an API server alone lacks, for as long
// as the test runs: Jobs of the namespace succeed, and Deployments roll out at
// once.
func SimulateKubelet(tb testing.TB, namespace string) {
	tb.Helper()
	c := Client(tb)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := play(ctx, c, namespace); err != nil && ctx.Err() == nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
				tb.Errorf("simulating the kubelet: %v", err)
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	tb.Cleanup(func() { cancel(); <-done })
}

func play(ctx context.Context, c client.Client, namespace string) error {
	var jobs batchv1.JobList
	if err := c.List(ctx, &jobs, client.InNamespace(namespace)); err != nil {
		return err
	}
	for i := range jobs.Items {
		if len(jobs.Items[i].Status.Conditions) > 0 {
			continue
		}
		if err := PassJob(ctx, c, &jobs.Items[i]); err != nil {
			return err
		}
	}
	var deployments appsv1.DeploymentList
	if err := c.List(ctx, &deployments, client.InNamespace(namespace)); err != nil {
		return err
	}
	for i := range deployments.Items {
		if err := RollOut(ctx, c, &deployments.Items[i]); err != nil {
			return err
		}
	}
	return nil
}

// ImageID is what the simulated node calls every image: it has no digest of a
// repository, like an image that was imported.
const ImageID = "sha256:8a1b0e8f6c8e3d9c6f0f3e2d1c0b9a8f7e6d5c4b3a291807f6e5d4c3b2a19080"

// EndPod makes a pod of a Job that has run, with the termination message that
// it left.
func EndPod(ctx context.Context, c client.Client, job *batchv1.Job, imageID, message string) error {
	labels := map[string]string{batchv1.JobNameLabel: job.Name}
	maps.Copy(labels, job.Spec.Template.Labels)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: job.Namespace, GenerateName: job.Name + "-", Labels: labels},
		Spec:       job.Spec.Template.Spec,
	}
	if err := c.Create(ctx, pod); err != nil {
		return fmt.Errorf("making a pod of Job %s: %w", job.Name, err)
	}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: pod.Spec.Containers[0].Name, Image: pod.Spec.Containers[0].Image, ImageID: imageID,
		State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: message, FinishedAt: metav1.Now()}},
	}}
	return c.Status().Update(ctx, pod)
}

// Logs stands for the logs of pods, which an API server alone does not have:
// every pod of an image prints the catalogue given for it, or else one without
// flags. It is safe for concurrent use.
type Logs struct {
	client   client.Reader
	mu       sync.Mutex
	catalogs map[string]string
}

// NewLogs returns the logs of the pods that c finds.
func NewLogs(c client.Reader) *Logs { return &Logs{client: c, catalogs: map[string]string{}} }

// Print sets what pods of an image print from now on.
func (l *Logs) Print(image, output string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.catalogs[image] = output
}

// Read returns the output of a pod; see rsolvdeployment.PodLogs.
func (l *Logs) Read(ctx context.Context, key types.NamespacedName, container string, _ int64) (string, error) {
	var pod corev1.Pod
	if err := l.client.Get(ctx, key, &pod); err != nil {
		return "", err
	}
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].Name != container {
			continue
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if output, ok := l.catalogs[pod.Spec.Containers[i].Image]; ok {
			return output, nil
		}
		return "starting\n" + contract.CatalogLine + "[]\n", nil
	}
	return "", fmt.Errorf("pod %s has no container %s", key.Name, container)
}

// PassJob ends a Job well: its pod leaves a report without problems, as those
// of the app do.
func PassJob(ctx context.Context, c client.Client, job *batchv1.Job) error {
	report := contract.Report{Command: job.Spec.Template.Labels[contract.LabelComponent], Version: "test", CatalogDigest: "sha256:0123"}
	if err := EndPod(ctx, c, job, ImageID, string(contract.EncodeReport(report, contract.TerminationLogLimit))); err != nil {
		return err
	}
	return FinishJob(ctx, c, job, batchv1.JobComplete, "")
}

// FinishJob ends a Job as the Job controller would, with JobComplete or
// JobFailed.
func FinishJob(ctx context.Context, c client.Client, job *batchv1.Job, as batchv1.JobConditionType, message string) error {
	now := metav1.Now()
	criteria := batchv1.JobSuccessCriteriaMet
	if as == batchv1.JobFailed {
		criteria = batchv1.JobFailureTarget
	} else {
		job.Status.CompletionTime = &now
		job.Status.Succeeded = 1
	}
	job.Status.StartTime = &now
	for _, condition := range []batchv1.JobConditionType{criteria, as} {
		job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{
			Type: condition, Status: corev1.ConditionTrue, LastTransitionTime: now, Reason: "Simulated", Message: message,
		})
	}
	return c.Status().Update(ctx, job)
}

// RollOut writes the status of a Deployment whose every pod runs the newest
// template and answers. It writes nothing when that is so already.
func RollOut(ctx context.Context, c client.Client, deployment *appsv1.Deployment) error {
	replicas := int32(1)
	if deployment.Spec.Replicas != nil {
		replicas = *deployment.Spec.Replicas
	}
	status := deployment.Status
	if status.ObservedGeneration == deployment.Generation && status.AvailableReplicas == replicas {
		return nil
	}
	now := metav1.Now()
	deployment.Status = appsv1.DeploymentStatus{
		ObservedGeneration: deployment.Generation, Replicas: replicas, UpdatedReplicas: replicas,
		ReadyReplicas: replicas, AvailableReplicas: replicas,
		Conditions: []appsv1.DeploymentCondition{
			{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue, Reason: "MinimumReplicasAvailable", LastUpdateTime: now, LastTransitionTime: now},
			{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable", LastUpdateTime: now, LastTransitionTime: now},
		},
	}
	return c.Status().Update(ctx, deployment)
}
