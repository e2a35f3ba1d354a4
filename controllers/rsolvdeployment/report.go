package rsolvdeployment

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// ending is how the newest pod of a Job ended.
type ending struct {
	pod     client.ObjectKey
	imageID string
	message string
	at      metav1.Time
}

// end reads how the newest of a Job's pods ended: one that left a message
// before one that left none. It is nil when none has, or when pods may not be
// read.
func (r *Reconciler) end(ctx context.Context, job *batchv1.Job) (*ending, error) {
	pods, err := r.jobPods(ctx, job)
	if err != nil {
		return nil, err
	}
	var newest *ending
	for i := range pods {
		pod := &pods[i]
		for _, container := range pod.Status.ContainerStatuses {
			ended := container.State.Terminated
			if ended == nil {
				continue
			}
			if newest != nil && (ended.FinishedAt.Before(&newest.at) || (ended.Message == "" && newest.message != "")) {
				continue
			}
			newest = &ending{client.ObjectKeyFromObject(pod), container.ImageID, ended.Message, ended.FinishedAt}
		}
	}
	return newest, nil
}

// obstacle is what keeps the pod of a Job from running, empty if nothing does.
// It is in words that do not change while the obstacle stays: the kubelet's
// own tell how long it waits until it tries again.
func (r *Reconciler) obstacle(ctx context.Context, job *batchv1.Job) (string, error) {
	pods, err := r.jobPods(ctx, job)
	if err != nil {
		return "", err
	}
	for i := range pods {
		for _, container := range pods[i].Status.ContainerStatuses {
			if waiting := container.State.Waiting; waiting != nil && unusual[waiting.Reason] != "" {
				return fmt.Sprintf(unusual[waiting.Reason], container.Image, pods[i].Name), nil
			}
		}
		for _, condition := range pods[i].Status.Conditions {
			if condition.Type == corev1.PodScheduled && condition.Reason == corev1.PodReasonUnschedulable {
				return "no node takes it: see kubectl describe pod " + pods[i].Name, nil
			}
		}
	}
	return "", nil
}

// jobPods lists the pods of a Job; none when pods may not be read.
func (r *Reconciler) jobPods(ctx context.Context, job *batchv1.Job) ([]corev1.Pod, error) {
	var pods corev1.PodList
	err := r.Live.List(unlogged(ctx), &pods, client.InNamespace(job.Namespace), client.MatchingLabels{batchv1.JobNameLabel: job.Name})
	if err != nil && !apierrors.IsForbidden(err) {
		return nil, fmt.Errorf("reading the pods of Job %s: %w", job.Name, err)
	}
	return pods.Items, nil
}

// unusual is what a container may wait for beyond its start, with the image and
// the pod in place of %[1]s and %[2]s.
var unusual = map[string]string{
	"ErrImagePull":               cannotPull,
	"ImagePullBackOff":           cannotPull,
	"ErrImageNeverPull":          "the node does not have the image %[1]s and may not pull it: see kubectl describe pod %[2]s",
	"InvalidImageName":           "%[1]s is no name of an image; correct spec.image (pod %[2]s)",
	"CreateContainerConfigError": "its container cannot be made, of %[1]s: see kubectl describe pod %[2]s",
	"CreateContainerError":       "its container cannot be made, of %[1]s: see kubectl describe pod %[2]s",
	"RunContainerError":          "its container cannot be started, of %[1]s: see kubectl describe pod %[2]s",
}

const cannotPull = "the node cannot pull %[1]s: does the tag exist, and does spec.imagePullSecrets let the node in? See kubectl describe pod %[2]s"

// said is what a Job's pod left as the reason of its failure: the problems of
// its report, or its last words if they are none. otherwise stands for a pod
// that said nothing.
func said(e *ending, otherwise string, env map[string][]byte) string {
	words := ""
	if e != nil {
		words = strings.TrimSpace(e.message)
	}
	if report := parseReport(words); report != nil && len(report.Problems) > 0 {
		words = problemsOf(report)
	}
	if words == "" {
		words = otherwise
	}
	// Masked before it is cut, for a cut would leave half a value behind.
	return strings.TrimRight(tail(mask(words, env), failureLimit), ".")
}

// parseReport is nil for a message that is no report.
func parseReport(message string) *contract.Report {
	var report contract.Report
	if err := json.Unmarshal([]byte(message), &report); err != nil || report.Command == "" {
		return nil
	}
	return &report
}

// problemsOf lists every problem of a report.
func problemsOf(report *contract.Report) string {
	list := make([]string, len(report.Problems), len(report.Problems)+1)
	for i, problem := range report.Problems {
		list[i] = strings.TrimRight(problem.Check+": "+problem.Message, ".")
	}
	if report.Truncated > 0 {
		list = append(list, fmt.Sprintf("and %d more", report.Truncated))
	}
	return strings.Join(list, "; ")
}

// only tells whether a report has problems, and all of one check.
func only(report *contract.Report, check string) bool {
	return report != nil && len(report.Problems) > 0 && report.Truncated == 0 &&
		!slices.ContainsFunc(report.Problems, func(p contract.Problem) bool { return p.Check != check })
}

const (
	// logLimit bounds what is read of a preflight's log, in bytes.
	logLimit = 1 << 20
	// requiredLimit bounds the required flags in the status.
	requiredLimit = 256
	// unmetLimit bounds the keys in the status that no flag can have.
	unmetLimit = 16
	// knownLimit bounds the known flags in the status.
	knownLimit = 1024
)

// flagKey is how a FeatureFlag's key may look. An image that asks for another
// one could never be given it.
var flagKey = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

const flagKeyLimit = 63

// catalog reads the catalogue that a preflight printed; nil when it is not
// there.
func (r *Reconciler) catalog(ctx context.Context, e *ending, container string) ([]contract.CatalogFlag, error) {
	if e == nil {
		return nil, nil
	}
	text, err := r.Logs.Read(ctx, e.pod, container, logLimit)
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return nil, nil // no more there, or not for us: the caller says so
	}
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, logLimit+1)
	for lines.Scan() {
		_, list, found := strings.Cut(lines.Text(), contract.CatalogLine)
		if !found {
			continue
		}
		known := []contract.CatalogFlag{}
		if err := json.Unmarshal([]byte(list), &known); err == nil {
			return known, nil
		}
	}
	return nil, nil
}

// catalogRecord keeps of a catalogue what later rollouts need.
func catalogRecord(hash string, report *contract.Report, known []contract.CatalogFlag) *v1alpha1.CatalogRecord {
	record := &v1alpha1.CatalogRecord{Hash: hash, Count: int32(len(known))} //nolint:gosec // read from at most 1 MiB
	if report != nil {
		record.Digest = cut(report.CatalogDigest, 128)
	}
	for _, flag := range known {
		if !flagKey.MatchString(flag.Key) || len(flag.Key) > flagKeyLimit {
			if flag.Required {
				record.Unmet = append(record.Unmet, cut(flag.Key, flagKeyLimit))
			}
			continue
		}
		record.Known = append(record.Known, v1alpha1.KnownFlag{Key: flag.Key, Type: cut(flag.Type, 16)})
		if flag.Required {
			record.Required = append(record.Required, v1alpha1.RequiredFlag{Key: flag.Key, Type: cut(flag.Type, 16)})
		}
	}
	slices.SortFunc(record.Required, func(a, b v1alpha1.RequiredFlag) int { return strings.Compare(a.Key, b.Key) })
	record.Required = slices.CompactFunc(record.Required, func(a, b v1alpha1.RequiredFlag) bool { return a.Key == b.Key })
	for _, flag := range record.Required[min(requiredLimit, len(record.Required)):] {
		record.Unmet = append(record.Unmet, flag.Key)
	}
	record.Unmet = record.Unmet[:min(unmetLimit, len(record.Unmet))]
	record.Required = record.Required[:min(requiredLimit, len(record.Required))]
	slices.SortFunc(record.Known, func(a, b v1alpha1.KnownFlag) int { return strings.Compare(a.Key, b.Key) })
	record.Known = slices.CompactFunc(record.Known, func(a, b v1alpha1.KnownFlag) bool { return a.Key == b.Key })
	record.Known = record.Known[:min(knownLimit, len(record.Known))]
	return record
}

func cut(text string, limit int) string { return strings.ToValidUTF8(text[:min(limit, len(text))], "") }
