package rsolvdeployment

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// PodLogs reads what a container has printed.
type PodLogs interface {
	// Read returns at most limit bytes of a container's output, from its
	// beginning.
	Read(ctx context.Context, pod types.NamespacedName, container string, limit int64) (string, error)
}

// clusterLogs reads logs through the API server.
type clusterLogs struct{ client kubernetes.Interface }

// NewPodLogs reads logs through the API server of config.
func NewPodLogs(config *rest.Config) (PodLogs, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for pod logs: %w", err)
	}
	return clusterLogs{client}, nil
}

// Read implements PodLogs.
func (l clusterLogs) Read(ctx context.Context, pod types.NamespacedName, container string, limit int64) (string, error) {
	raw, err := l.client.CoreV1().Pods(pod.Namespace).
		GetLogs(pod.Name, &corev1.PodLogOptions{Container: container, LimitBytes: &limit}).DoRaw(unlogged(ctx))
	if err != nil {
		return "", fmt.Errorf("reading the log of pod %s: %w", pod.Name, err)
	}
	return string(raw), nil
}
