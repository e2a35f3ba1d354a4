// Package testenv gives tests a real API server with the operator's CRDs,
// the monitoring CRDs, the Gateway API's HTTPRoute and as much of CloudNativePG's
// Cluster as the operator uses installed. One server serves all tests of a package;
// each test works in a namespace of its own.
package testenv

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/rsolv-dev/rsolv-operator/controllers/scheme"
)

// EnvMonitoringCRDs names the folder with the monitoring CRDs. `make test`
// generates them from the prometheus-operator module and sets it.
const EnvMonitoringCRDs = "RSOLV_MONITORING_CRDS"

var (
	restConfig *rest.Config
	namespaces atomic.Int64
)

// Scheme knows every kind that the operator reads or writes.
func Scheme() *k8sruntime.Scheme { return scheme.New() }

// Main starts the API server, runs the package's tests, stops it and exits.
func Main(m *testing.M) {
	log.SetLogger(logr.Discard())
	runMore()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testenv:", err)
		code = 1
	}
	os.Exit(code)
}

// runMore lets more tests run at a time than there are processors, unless the
// command line says how many: most of their time they wait for the API server.
func runMore() {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0)))
	}
}

func run(m *testing.M) (code int, err error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return 1, errors.New("KUBEBUILDER_ASSETS is not set: run the tests by `make test`, or set it to the folder that `go run ./hack/cluster binaries --print-dir` prints")
	}
	if os.Getenv(EnvMonitoringCRDs) == "" {
		return 1, errors.New(EnvMonitoringCRDs + " is not set: run the tests by `make test`, or set it to the folder that `make monitoring-crds` prints")
	}
	gateway, err := routeCRD()
	if err != nil {
		return 1, err
	}
	environment := &envtest.Environment{
		CRDDirectoryPaths: []string{
			filepath.Join(Root(), "config", "crd", "bases"), os.Getenv(EnvMonitoringCRDs), gateway,
			filepath.Join(Root(), "internal", "testenv", "testdata"),
		},
		ErrorIfCRDPathMissing: true,
		CRDInstallOptions:     envtest.CRDInstallOptions{Scheme: Scheme()},
	}
	// One API server gives addresses to the Services of all tests of a
	// package; the usual 254 are not enough for those that begin anew for
	// every write of the manager.
	environment.ControlPlane.GetAPIServer().Configure().Set("service-cluster-ip-range", "10.0.0.0/16")
	if restConfig, err = environment.Start(); err != nil {
		// What did start, etcd for one, must not outlive a failed start.
		return 1, errors.Join(fmt.Errorf("starting the API server: %w", err), environment.Stop())
	}
	// The tests are clients like any other; they must not be slowed down by
	// the client-side limits meant for people.
	restConfig.QPS, restConfig.Burst = 1000, 2000
	defer func() { err = errors.Join(err, environment.Stop()) }()
	return m.Run(), nil
}

// routeCRD is the file with the CRD of HTTPRoutes, in the module that defines
// them.
func routeCRD() (string, error) {
	list := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api") //nolint:noctx // it ends by itself, at once
	list.Dir = Root()
	folder, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("finding the CRDs of the Gateway API: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(folder)), "config", "crd", "standard", "gateway.networking.k8s.io_httproutes.yaml"), nil
}

// Root is the folder of the module.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Config returns a copy of the API server's connection.
func Config() *rest.Config { return rest.CopyConfig(restConfig) }

// Client returns an uncached client.
func Client(tb testing.TB) client.Client {
	tb.Helper()
	c, err := client.New(Config(), client.Options{Scheme: Scheme()})
	if err != nil {
		tb.Fatalf("connecting to the API server: %v", err)
	}
	return c
}

// Namespace makes a namespace for one test and returns its name. It is not
// deleted: without a controller manager that would never finish, and the
// server goes away with the tests.
func Namespace(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("test-%d", namespaces.Add(1))
	err := Client(tb).Create(tb.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	if err != nil {
		tb.Fatalf("creating namespace %s: %v", name, err)
	}
	return name
}

// StartManager runs a manager that sees one namespace, with what setup adds to
// it, until the test ends or stop is called.
func StartManager(tb testing.TB, namespace string, setup func(ctrl.Manager) error) (stop func()) {
	tb.Helper()
	manager, err := ctrl.NewManager(Config(), ctrl.Options{
		Scheme:                  Scheme(),
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		Cache:                   cache.Options{DefaultNamespaces: map[string]cache.Config{namespace: {}}},
		Controller:              config.Controller{SkipNameValidation: new(true)},
		GracefulShutdownTimeout: new(5 * time.Second),
	})
	if err != nil {
		tb.Fatalf("making the manager: %v", err)
	}
	if err := setup(manager); err != nil {
		tb.Fatalf("setting up the manager: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- manager.Start(ctx) }()
	var stopped atomic.Bool
	stop = func() {
		if stopped.Swap(true) {
			return
		}
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("the manager stopped with an error: %v", err)
		}
	}
	tb.Cleanup(stop)
	if !manager.GetCache().WaitForCacheSync(ctx) {
		tb.Fatal("the manager's cache did not fill")
	}
	return stop
}

// Eventually polls check until it returns nil, and fails the test with its
// last error after a generous limit.
func Eventually(tb testing.TB, check func() error) {
	tb.Helper()
	const limit = 30 * time.Second
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("still not after %s: %v", limit, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
