package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed monitoring/*.yaml
var monitoringManifests embed.FS

const (
	monitoringNamespace = "monitoring"
	// stackDigest is the annotation that says which manifests were applied.
	stackDigest = "rsolv-cluster/manifests"
	// smtpPort of the node is where Alertmanager hands mail in by default.
	smtpPort = "2525"
)

// monitoringPrograms are those of the monitoring stack. They run as pods.
var monitoringPrograms = []program{
	{"prometheus-operator", "github.com/prometheus-operator/prometheus-operator/cmd/operator", "prometheus-operator", "about 2 min"},
	{"admission-webhook", "github.com/prometheus-operator/prometheus-operator/cmd/admission-webhook", "prometheus-operator", "about 20 s"},
	{"prometheus-config-reloader", "github.com/prometheus-operator/prometheus-operator/cmd/prometheus-config-reloader", "prometheus-operator", "about 20 s"},
	{"alertmanager", "github.com/prometheus/alertmanager/cmd/alertmanager", "alertmanager", "about 1 min"},
	{"blackbox_exporter", "github.com/prometheus/blackbox_exporter", "blackbox", "about 30 s"},
	{"prometheus", "github.com/prometheus/prometheus/cmd/prometheus", "prometheus", "about 5 min"},
}

// monitoringRelease is the version that the programs of a module of the
// monitoring stack tell of themselves; empty for other modules.
func monitoringRelease(module string) string {
	if !slices.ContainsFunc(monitoringPrograms, func(p program) bool { return p.module == module }) {
		return ""
	}
	found, err := moduleNamed(module)
	if err != nil {
		return ""
	}
	release := strings.TrimPrefix(found.version, "v")
	if module != "prometheus" {
		return release
	}
	// Prometheus 3.10.0 is published as the Go module v0.310.0.
	parts := strings.SplitN(release, ".", 3)
	if len(parts) != 3 || len(parts[1]) < 3 {
		return release
	}
	return parts[1][:len(parts[1])-2] + "." + strings.TrimPrefix(parts[1][len(parts[1])-2:], "0") + "." + parts[2]
}

// monitoringCommand brings up the monitoring stack in the running cluster.
func monitoringCommand(ctx context.Context, c *cluster, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("monitoring takes no arguments, got %q", args[0])
	}
	if err := requireRoot(); err != nil {
		return err
	}
	if _, ok := c.running("containerd"); !ok {
		return errors.New("the cluster is not up: run the command up first")
	}
	if err := buildPrograms(ctx, c.out, c.cache, monitoringPrograms); err != nil {
		return err
	}
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.monitoringImages(ctx); err != nil {
		return err
	}
	if err := c.applyMonitoring(ctx); err != nil {
		return err
	}
	return c.awaitMonitoring(ctx)
}

// monitoringImage is the image of a program of the stack.
func monitoringImage(p program) string {
	return "localhost/rsolv-cluster/" + p.name + ":" + strings.TrimPrefix(filepath.Base(p.dir("")), p.module+"-")
}

// monitoringImages packs and imports the images that are not there yet.
func (c *cluster) monitoringImages(ctx context.Context) error {
	names, err := c.ctr(ctx, "images", "ls", "-q")
	if err != nil {
		return fmt.Errorf("listing the images: %w", err)
	}
	for _, p := range monitoringPrograms {
		if slices.Contains(strings.Fields(names), monitoringImage(p)) {
			continue
		}
		if err := c.out.during("packing "+p.name, func() error { return c.packImage(ctx, p) }); err != nil {
			return fmt.Errorf("the image of %s: %w", p.name, err)
		}
	}
	return nil
}

// packImage makes an image with the builder of hack/tools, with the program at
// /bin, where prometheus-operator looks for it.
func (c *cluster) packImage(ctx context.Context, p program) error {
	const builder = "hack/tools"
	if _, err := os.Stat(builder); err != nil {
		return errors.New("images are made by hack/tools/image: run this at the root of the repository")
	}
	archive := c.path(p.name + ".tar")
	if _, err := run(ctx, "go", "-C", builder, "run", "./image",
		"-binary", p.path(c.cache), "-entrypoint", "/bin/"+p.name, "-name", monitoringImage(p), "-o", archive); err != nil {
		return err
	}
	if _, err := c.ctr(ctx, "images", "import", archive); err != nil {
		return err
	}
	return os.Remove(archive)
}

// applyMonitoring applies the CRDs and the stack, unless what is there was
// made from the same manifests.
func (c *cluster) applyMonitoring(ctx context.Context) error {
	ca, err := readFile(c.pki("ca.crt"))
	if err != nil {
		return err
	}
	var manifests [3]string
	digest := sha256.New()
	for i, file := range []string{"operator.yaml", "webhook.yaml", "stack.yaml"} {
		if manifests[i], err = c.monitoringManifest(file, ca); err != nil {
			return err
		}
		digest.Write([]byte(manifests[i]))
	}
	want := fmt.Sprintf("%x", digest.Sum(nil)[:8])
	got, err := c.kubectl(ctx, "", "get", "namespace", monitoringNamespace, "--ignore-not-found",
		"--output=jsonpath={.metadata.annotations."+strings.ReplaceAll(stackDigest, ".", `\.`)+"}")
	if err != nil || got == want {
		return err
	}
	return c.out.during("applying the monitoring stack", func() error {
		if err := c.applyMonitoringCRDs(ctx); err != nil {
			return err
		}
		if err := c.apply(ctx, manifests[0]); err != nil {
			return err
		}
		if err := c.ensureWebhookSecret(ctx); err != nil {
			return err
		}
		if _, err := c.kubectl(ctx, "", "--namespace="+monitoringNamespace, "rollout", "status", "deployment/admission-webhook", "--timeout=120s"); err != nil {
			return fmt.Errorf("starting the admission webhook: %w", err)
		}
		for _, manifest := range manifests[1:] {
			if err := c.apply(ctx, manifest); err != nil {
				return err
			}
		}
		_, err := c.kubectl(ctx, "", "annotate", "--overwrite", "namespace", monitoringNamespace, stackDigest+"="+want)
		return err
	})
}

// monitoringManifest fills one file in.
func (c *cluster) monitoringManifest(file string, ca []byte) (string, error) {
	text, err := monitoringManifests.ReadFile("monitoring/" + file)
	if err != nil {
		return "", fmt.Errorf("reading the manifests: %w", err)
	}
	values := map[string]string{
		"NODE_IP":              c.settings.NodeIP,
		"SMTP_PORT":            smtpPort,
		"CA":                   base64.StdEncoding.EncodeToString(ca),
		"PROMETHEUS_RELEASE":   "v" + monitoringRelease("prometheus"),
		"ALERTMANAGER_RELEASE": "v" + monitoringRelease("alertmanager"),
	}
	for _, p := range monitoringPrograms {
		values["IMAGE_"+strings.ToUpper(strings.ReplaceAll(p.name, "-", "_"))] = monitoringImage(p)
	}
	var unknown []string
	filled := os.Expand(string(text), func(name string) string {
		value, known := values[name]
		if !known {
			unknown = append(unknown, name)
		}
		return value
	})
	if len(unknown) > 0 {
		return "", fmt.Errorf("monitoring/%s asks for %s, which nobody gives", file, strings.Join(unknown, ", "))
	}
	return filled, nil
}

// applyMonitoringCRDs applies the CustomResourceDefinitions that come with the
// operator.
func (c *cluster) applyMonitoringCRDs(ctx context.Context) error {
	module, err := moduleNamed("prometheus-operator")
	if err != nil {
		return err
	}
	found, err := download(ctx, module.path+"@"+module.version)
	if err != nil {
		return err
	}
	crds := filepath.Join(found.Dir, "example", "prometheus-operator-crd")
	if _, err := c.kubectl(ctx, "", "apply", "--server-side", "--force-conflicts", "--filename="+crds); err != nil {
		return fmt.Errorf("applying the CRDs of prometheus-operator: %w", err)
	}
	_, err = c.kubectl(ctx, "", "wait", "--for=condition=Established", "--timeout=60s",
		"crd/prometheuses.monitoring.coreos.com", "crd/alertmanagers.monitoring.coreos.com", "crd/podmonitors.monitoring.coreos.com")
	return err
}

func (c *cluster) apply(ctx context.Context, manifest string) error {
	_, err := c.kubectl(ctx, manifest, "--namespace="+monitoringNamespace, "apply", "--server-side", "--force-conflicts", "--filename=-")
	return err
}

// ensureWebhookSecret gives the admission webhook a certificate of the
// cluster's authority.
func (c *cluster) ensureWebhookSecret(ctx context.Context) error {
	const name = "admission-webhook"
	if _, err := os.Stat(c.pki(name + ".key")); err != nil {
		ca, err := loadAuthority(c.path("pki"))
		if err != nil {
			return err
		}
		service := name + "." + monitoringNamespace + ".svc"
		now := c.out.now()
		if err := ca.issue(c.path("pki"), identity{name: name, user: name, hosts: []string{service}}, now.Unix(), now); err != nil {
			return fmt.Errorf("issuing the certificate of the admission webhook: %w", err)
		}
	}
	secret, err := c.kubectl(ctx, "", "--namespace="+monitoringNamespace, "create", "secret", "tls", name,
		"--cert="+c.pki(name+".crt"), "--key="+c.pki(name+".key"), "--dry-run=client", "--output=json")
	if err != nil {
		return fmt.Errorf("writing the certificate of the admission webhook: %w", err)
	}
	return c.apply(ctx, secret)
}

// awaitMonitoring waits until every part of the stack does its work.
func (c *cluster) awaitMonitoring(ctx context.Context) error {
	if _, err := c.kubectl(ctx, "", "--namespace="+monitoringNamespace, "wait", "--for=condition=Available", "--timeout=180s",
		"deployment/prometheus-operator", "deployment/admission-webhook", "deployment/blackbox",
		"prometheus/main", "alertmanager/main"); err != nil {
		return fmt.Errorf("the monitoring stack is not ready (kubectl -n %s get pods,prometheus,alertmanager): %w", monitoringNamespace, err)
	}
	for _, service := range []struct {
		name string
		port int
	}{{"prometheus", 9090}, {"alertmanager", 9093}} {
		address, err := c.kubectl(ctx, "", "--namespace="+monitoringNamespace, "get", "service", service.name, "--output=jsonpath={.spec.clusterIP}")
		if err != nil {
			return err
		}
		c.out.say("%s is ready: http://%s:%d", service.name, address, service.port)
	}
	return nil
}
