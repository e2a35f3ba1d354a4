// Package conditionmetrics exposes the conditions of every object of our kinds
// as Prometheus metrics. The collector reads the manager's cache at scrape
// time, so that deleted objects vanish and nothing has to be kept in step.
package conditionmetrics

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// scrapeTimeout bounds a scrape; the cache answers from memory.
const scrapeTimeout = 5 * time.Second

// Collector emits rsolv_operator_resource_condition{kind, namespace, name,
// condition}: 1 when the condition is true, 0 when false, -1 when unknown.
type Collector struct {
	cache client.Reader
	log   logr.Logger
	desc  *prometheus.Desc
}

// New returns a collector that reads from cache.
func New(cache client.Reader, log logr.Logger) *Collector {
	return &Collector{cache: cache, log: log, desc: prometheus.NewDesc(
		"rsolv_operator_resource_condition",
		"Condition of an object: 1 true, 0 false, -1 unknown.",
		[]string{"kind", "namespace", "name", "condition"}, nil,
	)}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	var deployments v1alpha1.RsolvDeploymentList
	if c.list(ctx, &deployments) {
		for i := range deployments.Items {
			c.emit(ch, v1alpha1.KindRsolvDeployment, &deployments.Items[i], deployments.Items[i].Status.Conditions)
		}
	}
	var flags v1alpha1.FeatureFlagList
	if c.list(ctx, &flags) {
		for i := range flags.Items {
			c.emit(ch, v1alpha1.KindFeatureFlag, &flags.Items[i], flags.Items[i].Status.Conditions)
		}
	}
	var baselines v1alpha1.AlertBaselineList
	if c.list(ctx, &baselines) {
		for i := range baselines.Items {
			c.emit(ch, v1alpha1.KindAlertBaseline, &baselines.Items[i], baselines.Items[i].Status.Conditions)
		}
	}
}

func (c *Collector) list(ctx context.Context, into client.ObjectList) bool {
	if err := c.cache.List(ctx, into, client.UnsafeDisableDeepCopy); err != nil {
		c.log.Error(err, "listing objects for the condition metrics")
		return false
	}
	return true
}

func (c *Collector) emit(ch chan<- prometheus.Metric, kind string, object client.Object, conditions []metav1.Condition) {
	for i := range conditions {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, value(conditions[i].Status),
			kind, object.GetNamespace(), object.GetName(), conditions[i].Type)
	}
}

func value(status metav1.ConditionStatus) float64 {
	switch status {
	case metav1.ConditionTrue:
		return 1
	case metav1.ConditionFalse:
		return 0
	default:
		return -1
	}
}
