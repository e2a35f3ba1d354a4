package featureflag

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// askedAtOnce bounds how many pods of an app are asked at the same time.
const askedAtOnce = 32

// readPods reads the pods of the app that mount flags, in the order of their
// names.
func (r *Reconciler) readPods(ctx context.Context, s *scope) error {
	var pods corev1.PodList
	err := r.Client.List(ctx, &pods, client.InNamespace(s.key.Namespace), client.MatchingLabels{
		contract.LabelDeployment: s.key.Name, contract.LabelComponent: contract.ComponentServer,
	})
	if err != nil {
		return fmt.Errorf("listing the pods of %s: %w", s.key.Name, err)
	}
	slices.SortFunc(pods.Items, func(a, b corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	s.pods = pods.Items
	return nil
}

// serving are the pods that answer requests.
func serving(pods []corev1.Pod) []*corev1.Pod {
	var ready []*corev1.Pod
	for i := range pods {
		if _, ok := readySince(&pods[i]); ok {
			ready = append(ready, &pods[i])
		}
	}
	return ready
}

// readySince is when a pod became ready; ok is false for one that is not, or
// that is going away.
func readySince(pod *corev1.Pod) (since time.Time, ok bool) {
	if pod.DeletionTimestamp != nil || pod.Status.PodIP == "" {
		return time.Time{}, false
	}
	for i := range pod.Status.Conditions {
		if c := &pod.Status.Conditions[i]; c.Type == corev1.PodReady {
			return c.LastTransitionTime.Time, c.Status == corev1.ConditionTrue
		}
	}
	return time.Time{}, false
}

// ask asks every pod that serves which flags it runs.
func (r *Reconciler) ask(ctx context.Context, pods []corev1.Pod) answers {
	ready := serving(pods)
	all := make(answers, len(ready))
	now := r.Clock()
	var group errgroup.Group
	group.SetLimit(askedAtOnce)
	for i, pod := range ready {
		since, _ := readySince(pod)
		all[i] = answer{pod: pod.Name, young: now.Sub(since) < youngFor}
		group.Go(func() error {
			all[i].status, all[i].err = r.Pods.Status(ctx, pod.Status.PodIP)
			return nil // what a pod does not say is part of the answer
		})
	}
	_ = group.Wait() // it never fails
	return all
}

// membership names the pods that serve.
func membership(pods []corev1.Pod) string {
	var names []string
	for _, pod := range serving(pods) {
		names = append(names, pod.Name)
	}
	return strings.Join(names, " ")
}

// podChanged tells whether a pod came, went, or began or ceased to serve: what
// else happens to it changes nothing about its flags.
func podChanged(before, after *corev1.Pod) bool {
	_, was := readySince(before)
	_, is := readySince(after)
	return was != is || before.Status.PodIP != after.Status.PodIP ||
		(before.DeletionTimestamp == nil) != (after.DeletionTimestamp == nil)
}
