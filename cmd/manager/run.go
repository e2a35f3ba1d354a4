package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"strings"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/alertbaseline"
	"github.com/rsolv-dev/rsolv-operator/controllers/child"
	"github.com/rsolv-dev/rsolv-operator/controllers/conditionmetrics"
	"github.com/rsolv-dev/rsolv-operator/controllers/featureflag"
	"github.com/rsolv-dev/rsolv-operator/controllers/rsolvdeployment"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// runOptions are the flags of `manager run`.
type runOptions struct {
	namespaces  string
	leaderElect bool
	leaderNS    string
	metricsAddr string
	healthAddr  string
	log         zap.Options
}

func parseRun(args []string) (runOptions, error) {
	var o runOptions
	flags := flag.NewFlagSet("manager run", flag.ContinueOnError)
	flags.StringVar(&o.namespaces, "namespaces", "", "comma-separated namespaces to reconcile in; empty for all")
	flags.BoolVar(&o.leaderElect, "leader-elect", true, "let only one of several managers reconcile")
	flags.StringVar(&o.leaderNS, "leader-election-namespace", "", "namespace of the Lease; the manager's own when empty")
	flags.StringVar(&o.metricsAddr, "metrics-bind-address", ":8080", "address of /metrics; 0 for none")
	flags.StringVar(&o.healthAddr, "health-probe-bind-address", ":8081", "address of /healthz and /readyz")
	o.log.BindFlags(flags)
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: flags begin with --", flags.Arg(0))
	}
	return o, nil
}

func run(ctx context.Context, args []string) error {
	options, err := parseRun(args)
	if err != nil {
		return err
	}
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&options.log)))
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	// The API server's own fairness protects it better than a client-side
	// limit, whose default would make hundreds of statuses wait in line.
	config.QPS, config.Burst = 200, 400
	manager, err := ctrl.NewManager(config, managerOptions(options))
	if err != nil {
		return fmt.Errorf("making the manager: %w", err)
	}
	if err := setup(manager); err != nil {
		return err
	}
	if err := manager.Start(ctx); err != nil {
		return fmt.Errorf("running the manager: %w", err)
	}
	return nil
}

func managerOptions(o runOptions) ctrl.Options {
	ours := labels.SelectorFromSet(labels.Set{contract.LabelManagedBy: contract.ManagedBy})
	options := ctrl.Options{
		Scheme:                        newScheme(),
		Metrics:                       metricsserver.Options{BindAddress: o.metricsAddr},
		HealthProbeBindAddress:        o.healthAddr,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              "rsolv-operator.rsolv.dev",
		LeaderElectionNamespace:       o.leaderNS,
		LeaderElectionReleaseOnCancel: true,
		Cache: cache.Options{
			DefaultTransform: cache.TransformStripManagedFields(),
			// Pods of others would fill the memory and are never looked at.
			// Other kinds have no such filter: a Secret that an app refers to
			// carries no label of ours, nor does a stranger's object that
			// stands in the way of a child.
			ByObject: map[client.Object]cache.ByObject{&corev1.Pod{}: {Label: ours}},
		},
	}
	for namespace := range strings.SplitSeq(o.namespaces, ",") {
		if namespace = strings.TrimSpace(namespace); namespace == "" {
			continue
		}
		if options.Cache.DefaultNamespaces == nil {
			options.Cache.DefaultNamespaces = map[string]cache.Config{}
		}
		options.Cache.DefaultNamespaces[namespace] = cache.Config{}
	}
	return options
}

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, monitoringv1.AddToScheme, v1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			panic(err) // two types under one name: a fault in the program
		}
	}
	return scheme
}

// setup adds the three controllers, the metrics and the health checks.
func setup(manager ctrl.Manager) error {
	applier := child.NewApplier(manager.GetClient(), manager.GetAPIReader())
	recorder := manager.GetEventRecorder("rsolv-operator")
	logs, err := rsolvdeployment.NewPodLogs(manager.GetConfig())
	if err != nil {
		return err
	}
	controllers := map[string]interface {
		SetupWithManager(manager ctrl.Manager) error
	}{
		v1alpha1.KindRsolvDeployment: &rsolvdeployment.Reconciler{
			Client: manager.GetClient(), Live: manager.GetAPIReader(), Applier: applier, Recorder: recorder,
			Logs: logs, Clock: time.Now, Random: readRandom,
		},
		v1alpha1.KindFeatureFlag: &featureflag.Reconciler{
			Client: manager.GetClient(), Live: manager.GetAPIReader(), Applier: applier, Recorder: recorder, Clock: time.Now,
		},
		v1alpha1.KindAlertBaseline: &alertbaseline.Reconciler{
			Client: manager.GetClient(), Live: manager.GetAPIReader(), Applier: applier, Recorder: recorder, Clock: time.Now,
		},
	}
	for kind, controller := range controllers {
		if err := controller.SetupWithManager(manager); err != nil {
			return fmt.Errorf("setting up the %s controller: %w", kind, err)
		}
	}
	collector := conditionmetrics.New(manager.GetClient(), manager.GetLogger())
	if err := metrics.Registry.Register(collector); err != nil {
		return fmt.Errorf("registering the condition metrics: %w", err)
	}
	if err := manager.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding the liveness check: %w", err)
	}
	if err := manager.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding the readiness check: %w", err)
	}
	return nil
}

func readRandom(into []byte) error {
	_, err := rand.Read(into)
	return err
}
