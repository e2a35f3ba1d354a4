package featureflag

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rsolv-dev/rsolv-operator/internal/app/flags"
	"github.com/rsolv-dev/rsolv-operator/internal/app/web"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/testenv"
)

// running is a pod whose admin listener is the app's own, on an address of this
// machine. Its kubelet is the test: refresh brings it the published file.
type running struct {
	c     *cluster
	name  string
	dir   string
	store *flags.Store
	// hang up ends the listener.
	hangUp func()
}

// run starts a pod that serves and has the file that is published now, if any.
func (c *cluster) run(name string) *running {
	c.tb.Helper()
	p := &running{c: c, name: name, dir: c.tb.TempDir()}
	var published corev1.ConfigMap
	if err := c.Get(c.tb.Context(), c.at("shop-flags"), &published); err == nil {
		p.write([]byte(published.Data[contract.FlagsFile]))
	} else {
		p.write([]byte(`{"flags":{}}`))
	}
	var err error
	if p.store, err = flags.Open(p.dir, slog.New(slog.DiscardHandler)); err != nil {
		c.tb.Fatal(err)
	}
	admin, err := web.NewAdmin(web.AdminDeps{
		Ready: func() error { return nil }, Metrics: http.NotFoundHandler(),
		FlagsStatus: p.store.Status, FlagsUsage: p.store.Usage, FlagsContexts: p.store.Contexts,
	})
	if err != nil {
		c.tb.Fatal(err)
	}
	ip := p.listen(admin)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.store.Run(ctx) }()
	c.tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			c.tb.Error(err)
		}
	})
	pod := c.pod(name, contract.ComponentServer)
	c.create(pod)
	pod.Status.Phase, pod.Status.PodIP, pod.Status.PodIPs = corev1.PodRunning, ip, []corev1.PodIP{{IP: ip}}
	pod.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(time.Now().Add(-time.Hour)),
	}}
	if err := c.Status().Update(c.tb.Context(), pod); err != nil {
		c.tb.Fatal(err)
	}
	return p
}

// loopback is the last of the addresses that are in use.
var loopback = make(chan int, 1)

func init() { loopback <- 1 }

// listen serves on an address of its own and the port that all pods share.
func (p *running) listen(handler http.Handler) (ip string) {
	p.c.tb.Helper()
	last := <-loopback + 1
	loopback <- last
	ip = fmt.Sprintf("127.0.%d.%d", 1+last/250, 1+last%250)
	listener, err := new(net.ListenConfig).Listen(p.c.tb.Context(), "tcp", fmt.Sprintf("%s:%d", ip, p.c.port))
	if err != nil {
		p.c.tb.Fatal(err)
	}
	p.c.port = listener.Addr().(*net.TCPAddr).Port
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }()
	p.hangUp = func() { _ = server.Close() }
	p.c.tb.Cleanup(p.hangUp)
	return ip
}

func (p *running) write(file []byte) {
	p.c.tb.Helper()
	// As the kubelet does it: nobody sees half a file.
	fresh := filepath.Join(p.dir, "..data_tmp")
	if err := os.WriteFile(fresh, file, 0o600); err != nil {
		p.c.tb.Fatal(err)
	}
	if err := os.Rename(fresh, filepath.Join(p.dir, contract.FlagsFile)); err != nil {
		p.c.tb.Fatal(err)
	}
}

// refresh brings the published file.
func (p *running) refresh() { p.c.tb.Helper(); p.write(p.c.file()) }

// acked waits until the flag says which pods have it.
func (c *cluster) acked(name, want string) {
	c.tb.Helper()
	testenv.Eventually(c.tb, func() error {
		flag := c.awaits(name, "Ready", "True")
		if flag.Status.Acked != want {
			return fmt.Errorf("acked is %q, want %q: %+v", flag.Status.Acked, want, flag.Status.Conditions)
		}
		return nil
	})
}

func TestPodsAcknowledge(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(c.app())
	a, b := c.run("a"), c.run("b")
	c.create(c.flag("blog"), c.flag("other"))
	c.start()
	c.serves(map[string]string{"blog": "disabled", "other": "disabled"})
	c.awaits("blog", "Propagated", "False/WaitingForPods")
	a.refresh()
	c.acked("blog", "1/2")
	says(t, c.awaits("blog", "Propagated", "False/WaitingForPods"), "Propagated", "1/2 pods run what is published of this flag; not yet b")
	b.refresh()
	c.acked("blog", "2/2")
	c.acked("other", "2/2")
	c.awaits("blog", "Propagated", "True")
	c.quiet()

	// One flag changes: the other is where it was, and is not written.
	other := c.awaits("other", "Propagated", "True").ResourceVersion
	c.editBlog(byDefault("enabled"))
	c.serves(map[string]string{"blog": "enabled", "other": "disabled"})
	c.acked("blog", "0/2")
	b.refresh()
	c.acked("blog", "1/2")
	a.refresh()
	c.acked("blog", "2/2")
	if now := c.awaits("other", "Propagated", "True").ResourceVersion; now != other {
		t.Error("another flag was written while one was on its way")
	}
	c.quiet()

	// A pod that cannot be asked is said so, and takes nothing from Ready.
	a.hangUp()
	c.editBlog(byDefault("disabled"))
	c.serves(map[string]string{"blog": "disabled", "other": "disabled"})
	b.refresh()
	says(t, c.awaits("blog", "Propagated", "Unknown/PodsUnreachable"), "Propagated",
		fmt.Sprintf("1/2 pods run what is published of this flag; cannot be asked: a (%s", c.ipOf("a")))
	c.awaits("blog", "Ready", "True")
}

func (c *cluster) ipOf(name string) string {
	c.tb.Helper()
	var pod corev1.Pod
	if err := c.Get(c.tb.Context(), c.at(name), &pod); err != nil {
		c.tb.Fatal(err)
	}
	return pod.Status.PodIP
}

func TestPodsThatHaveAcknowledgedAreNudgedOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(c.app(), c.flag("blog"))
	quick, slow := c.run("quick"), c.run("slow")
	c.start()
	c.serves(map[string]string{"blog": "disabled"})
	quick.refresh()
	c.nudges("slow") // the second one, after a second
	slow.refresh()
	c.acked("blog", "2/2")
	c.quiet()
	var pod corev1.Pod
	if err := c.Get(t.Context(), c.at("quick"), &pod); err != nil {
		t.Fatal(err)
	}
	if pod.Annotations[contract.AnnotationFlagsDigest] == "" || pod.Annotations[contract.AnnotationFlagsSettled] != "" {
		t.Errorf("a pod that acknowledged in time was nudged again: %v", pod.Annotations)
	}
}

func TestUseIsRememberedAndUnknownFlagsAreTold(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.create(c.app(), c.flag("blog"), c.flag("quiet"))
	p := c.run("a")
	p.store.Evaluate("blog_enabled", nil)
	c.start()
	c.serves(map[string]string{"blog": "disabled", "quiet": "disabled"})
	p.refresh()
	c.acked("blog", "1/1")
	testenv.Eventually(t, func() error {
		var list corev1.EventList
		if err := c.List(t.Context(), &list); err != nil {
			return err
		}
		for _, e := range list.Items {
			if e.Namespace == c.namespace && e.Reason == "UnknownFlag" && e.InvolvedObject.Name == "shop" &&
				e.Message == `the pods of "shop" are asked for the flag "blog_enabled"; no FeatureFlag declares it; did they mean "blog"?` {
				return nil
			}
		}
		return fmt.Errorf("no event tells of the unknown flag")
	})
	// The next sample is due in a minute; a manager that starts takes one.
	c.stop()
	p.store.Blog()
	c.start()
	testenv.Eventually(t, func() error {
		flag := c.awaits("blog", "Ready", "True")
		if use := flag.Status.Use; use == nil || use.FirstEvaluatedAt == nil || use.OnlyVariant != "disabled" || use.OnlySince == nil {
			return fmt.Errorf("use is %+v", use)
		}
		return nil
	})
	if flag := c.awaits("quiet", "Ready", "True"); flag.Status.Use != nil {
		t.Errorf("a flag that nobody asked for has use %+v", flag.Status.Use)
	}
	c.quiet()
}
