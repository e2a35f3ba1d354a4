package testenv

import (
	"context"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
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
		if err := FinishJob(ctx, c, &jobs.Items[i], batchv1.JobComplete, ""); err != nil {
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
