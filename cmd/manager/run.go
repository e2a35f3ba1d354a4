package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/rsolv-dev/rsolv-operator/controllers/conditionmetrics"
	"github.com/rsolv-dev/rsolv-operator/controllers/rsolvdeployment"
	"github.com/rsolv-dev/rsolv-operator/controllers/scheme"
	"github.com/rsolv-dev/rsolv-operator/controllers/setup"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// runOptions are the flags of `manager run`.
type runOptions struct {
	namespaces  string
	leaderElect bool
	leaderNS    string
	metricsAddr string
	healthAddr  string
	webhookAddr string
	webhookCert string
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
	flags.StringVar(&o.webhookAddr, "webhook-bind-address", "", "address of the admission webhook for FeatureFlags, for example :9443; empty for none")
	flags.StringVar(&o.webhookCert, "webhook-cert-dir", "", "folder with tls.crt and tls.key of the webhook; when empty, the manager makes a certificate at its start\n"+
		"and writes its authority into the ValidatingWebhookConfiguration "+webhookConfiguration)
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
	if err := serve(manager); err != nil {
		return err
	}
	if err := addWebhook(manager, options); err != nil {
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
		Scheme:                        scheme.New(),
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

// serve adds the three controllers, the metrics and the health checks.
func serve(manager ctrl.Manager) error {
	logs, err := rsolvdeployment.NewPodLogs(manager.GetConfig())
	if err != nil {
		return err
	}
	if err := setup.Controllers(manager, setup.World{Clock: time.Now, Random: readRandom, Logs: logs}); err != nil {
		return err
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
