// Package setup wires the controllers to a manager, in the one way in which
// the product and the tests of the whole run them.
package setup

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/alertbaseline"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/controllers/featureflag"
	"github.com/rsolv-dev/rsolv-operator/controllers/rsolvdeployment"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/promclient"
)

// World is what the controllers need of the world around them.
type World struct {
	// Clock gives the time.
	Clock func() time.Time
	// Random fills a slice with random bytes, fit for a key.
	Random func([]byte) error
	// Logs reads what a pod printed.
	Logs rsolvdeployment.PodLogs
}

// Controllers adds the three controllers to a manager. They share one Applier:
// what one of them applied, the others need not apply again. And they share the
// clients of Prometheus servers, which the AlertBaseline controller ends with
// their baselines.
func Controllers(manager ctrl.Manager, world World) error {
	client, live := manager.GetClient(), manager.GetAPIReader()
	applier := child.NewApplier(client, live)
	recorder := manager.GetEventRecorder("rsolv-operator")
	prometheus := &promclient.Clients{}
	for _, each := range []struct {
		kind       string
		controller interface {
			SetupWithManager(manager ctrl.Manager) error
		}
	}{
		{v1alpha1.KindRsolvDeployment, &rsolvdeployment.Reconciler{
			Client: client, Live: live, Applier: applier, Recorder: recorder,
			Random: world.Random, Logs: world.Logs, Clock: world.Clock, Prometheus: asking(prometheus),
		}},
		{v1alpha1.KindFeatureFlag, &featureflag.Reconciler{
			Client: client, Live: live, Applier: applier, Recorder: recorder, Clock: world.Clock,
			Pods: featureflag.NewAsker(contract.AdminPort),
		}},
		{v1alpha1.KindAlertBaseline, &alertbaseline.Reconciler{
			Client: client, Live: live, Applier: applier, Recorder: recorder, Clock: world.Clock, Prometheus: prometheus,
		}},
	} {
		if err := each.controller.SetupWithManager(manager); err != nil {
			return fmt.Errorf("setting up the %s controller: %w", each.kind, err)
		}
	}
	return nil
}

// asking connects to Prometheus through clients that are kept.
func asking(clients *promclient.Clients) rsolvdeployment.Prometheus {
	return func(baseline types.NamespacedName, config promclient.Config) (rsolvdeployment.Querier, error) {
		return clients.For(baseline, config)
	}
}
