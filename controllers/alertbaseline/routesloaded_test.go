package alertbaseline

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/routing"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

// alertmanager is a real one, on a free port.
type alertmanager struct {
	url, config string
	stop        func()
}

func newAlertmanager(t *testing.T) *alertmanager {
	t.Helper()
	binary, err := exec.LookPath("prometheus-alertmanager") // Debian's name
	if err != nil {
		if binary, err = exec.LookPath("alertmanager"); err != nil {
			t.Fatal("Alertmanager is not in PATH: run hack/deps.sh amtool")
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	a := &alertmanager{url: "http://" + address, config: filepath.Join(t.TempDir(), "alertmanager.yml")}
	a.write(t, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
	var output bytes.Buffer
	command := exec.Command(binary, "--config.file="+a.config, "--storage.path="+t.TempDir(), "--web.listen-address="+address, "--cluster.listen-address=") //nolint:noctx // stopped below
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = command.Wait(); close(ended) }()
	a.stop = func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		<-ended
	}
	t.Cleanup(a.stop)
	testenv.Eventually(t, func() error { return a.post("GET", "/-/ready") })
	return a
}

func (a *alertmanager) write(t *testing.T, config string) {
	t.Helper()
	if err := os.WriteFile(a.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (a *alertmanager) post(method, path string) error {
	request, err := http.NewRequest(method, a.url+path, http.NoBody) //nolint:noctx // a test's own server
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", path, response.Status)
	}
	return response.Body.Close()
}

// load gives the Alertmanager a configuration and has it read it.
func (a *alertmanager) load(t *testing.T, config string) {
	t.Helper()
	a.write(t, config)
	if err := a.post("POST", "/-/reload"); err != nil {
		t.Fatal(err)
	}
}

func TestRoutingLoadedIsAskedOfAlertmanager(t *testing.T) {
	t.Parallel()
	server := newAlertmanager(t)
	c := newCluster(t)
	c.pace = quickPace
	baseline := routed()
	baseline.Spec.Routing.Output = v1alpha1.RoutingOutputConfigMap
	baseline.Spec.Routing.Receivers[0].RepeatEvery = "24h" // which Alertmanager calls 1d
	baseline.Spec.Alertmanager = &v1alpha1.MonitoringEndpoint{URL: server.url}
	c.create(app(), baseline)
	c.start()
	c.waitReady("small")
	message := c.waitFor("small", v1alpha1.ConditionRoutingLoaded, metav1.ConditionFalse, v1alpha1.ReasonNotLoaded)
	if !strings.Contains(message, `give it alertmanager.yml of the ConfigMap "small-routing"`) {
		t.Errorf("RoutingLoaded says %q", message)
	}

	config := func() string {
		configMap, err := c.routesMap("small")
		if err != nil {
			t.Fatal(err)
		}
		return configMap.Data[routing.ConfigKey]
	}
	server.load(t, config())
	if message := c.waitFor("small", v1alpha1.ConditionRoutingLoaded, metav1.ConditionTrue, v1alpha1.ReasonSucceeded); message != "Alertmanager runs the routes to 2 receivers" {
		t.Errorf("RoutingLoaded says %q", message)
	}

	c.edit("small", func(b *v1alpha1.AlertBaseline) {
		b.Spec.Routing.Receivers[0].Email = []v1alpha1.EmailAddress{"night@example.com"}
		b.Spec.Routing.Receivers[1].GroupWait = "7s"
	})
	message = c.waitFor("small", v1alpha1.ConditionRoutingLoaded, metav1.ConditionFalse, v1alpha1.ReasonNotLoaded)
	if want := "not as declared are the route to mail, the addresses of phone"; !strings.Contains(message, want) {
		t.Errorf("RoutingLoaded says %q, want %q", message, want)
	}
	testenv.Eventually(t, func() error {
		if !strings.Contains(config(), "night@example.com") {
			return fmt.Errorf("the ConfigMap has %s", config())
		}
		return nil
	})
	server.load(t, config())
	c.waitFor("small", v1alpha1.ConditionRoutingLoaded, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)

	// Looks that find nothing new write nothing.
	c.settle("small")
	writes := len(c.writes.List())
	time.Sleep(5 * quickPace.steady)
	if got := c.writes.List(); len(got) != writes {
		t.Errorf("looking wrote %v", got[writes:])
	}

	// Away is unknown, and breaks nothing else.
	server.stop()
	message = c.waitFor("small", v1alpha1.ConditionRoutingLoaded, metav1.ConditionUnknown, v1alpha1.ReasonAlertmanagerUnreachable)
	if !strings.Contains(message, server.url) {
		t.Errorf("RoutingLoaded says %q", message)
	}
	c.waitReady("small")
}

func TestNobodyIsAskedAboutRoutes(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(app(), routed())
	c.start()
	c.waitFor("small", v1alpha1.ConditionRoutingLoaded, metav1.ConditionUnknown, v1alpha1.ReasonNotConfigured)
	c.waitReady("small")
}
