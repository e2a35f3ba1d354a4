// Package harness brings up what the demo and the end-to-end tests need: a
// cluster, the two images in it, the operator installed, and a database.
package harness

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Namespace is the one that dist/install.yaml watches.
const Namespace = "rsolv-production"

// shippedPrefix is where the images lie in the manifests as they are shipped.
const shippedPrefix = "docker.io/rsolv-dev"

// Cluster is a running cluster with the operator in it.
type Cluster struct {
	// Root of the module.
	Root string
	// DatabaseURL of an empty database that pods reach.
	DatabaseURL string
	// AppImage and ManagerImage are the images as pods pull them, known once
	// Images ran.
	AppImage     string
	ManagerImage string
	// Local tells that the cluster is this machine's own.
	Local bool

	kubeconfig  string
	kubectl     string
	imagePrefix string
}

// Find returns the cluster that KUBECONFIG names, or else starts the one of
// this machine. Progress of what it starts goes to log.
func Find(ctx context.Context, root string, log io.Writer) (*Cluster, error) {
	c := &Cluster{Root: root, imagePrefix: shippedPrefix}
	if given := Given(); given != "" {
		return c, c.useGiven(ctx, given, log)
	}
	c.Local = true
	if err := c.Tool(ctx, log, "go", "run", "./hack/cluster", "up"); err != nil {
		return nil, fmt.Errorf("starting the cluster: %w", err)
	}
	const ask = `eval "$(go run ./hack/cluster env)"; printf '%s\n' "$KUBECONFIG" "$(command -v kubectl)" "$RSOLV_DATABASE_URL"`
	out, err := c.output(ctx, "bash", "-c", ask)
	if err != nil {
		return nil, fmt.Errorf("asking for the cluster's addresses: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 3 {
		return nil, fmt.Errorf("the cluster's environment is incomplete: %q", lines)
	}
	c.kubeconfig, c.kubectl, c.DatabaseURL = lines[0], lines[1], lines[2]
	return c, nil
}

// Given is the KUBECONFIG of a cluster that is not this machine's own, or
// empty. A shell that looks around in the local cluster names that one, and
// must not be taken for somebody's own cluster.
func Given() string {
	given := os.Getenv("KUBECONFIG")
	state := os.Getenv("RSOLV_CLUSTER_DIR")
	if state == "" {
		state = "/var/lib/rsolv-cluster"
	}
	if given == filepath.Join(state, "admin.kubeconfig") {
		return ""
	}
	return given
}

// useGiven checks what a cluster that is not ours cannot do without.
func (c *Cluster) useGiven(ctx context.Context, kubeconfig string, log io.Writer) error {
	prefix, database := os.Getenv("IMAGE_PREFIX"), os.Getenv("DATABASE_URL")
	if prefix == "" || database == "" {
		return errors.New("a given cluster (KUBECONFIG) also needs IMAGE_PREFIX, a registry path to push the two images to, " +
			"and DATABASE_URL, an empty Postgres database that its pods reach; or unset KUBECONFIG to start a cluster on this machine")
	}
	c.kubeconfig, c.DatabaseURL, c.imagePrefix = kubeconfig, database, prefix
	return c.PrepareKubectl(ctx, log)
}

// Existing is a given cluster as it stands, for taking things down.
func Existing(root, kubeconfig string) *Cluster {
	return &Cluster{Root: root, kubeconfig: kubeconfig}
}

// PrepareKubectl builds kubectl where it is not yet there.
func (c *Cluster) PrepareKubectl(ctx context.Context, log io.Writer) error {
	if err := c.Tool(ctx, log, "go", "run", "./hack/cluster", "binaries", "kubectl"); err != nil {
		return fmt.Errorf("building kubectl: %w", err)
	}
	bin, err := c.output(ctx, "go", "run", "./hack/cluster", "binaries", "--print-dir")
	if err != nil {
		return err
	}
	c.kubectl = filepath.Join(strings.TrimSpace(bin), "kubectl")
	return nil
}

// Images builds both images and brings them into the cluster. Their tags are
// made from their content: pods that run another build are rolled, and pods
// that run this one are left alone.
func (c *Cluster) Images(ctx context.Context, log io.Writer) error {
	if err := c.make(ctx, log, "build"); err != nil {
		return fmt.Errorf("building the programs: %w", err)
	}
	appTag, err := c.contentTag("app")
	if err != nil {
		return err
	}
	managerTag, err := c.contentTag("manager")
	if err != nil {
		return err
	}
	c.AppImage = c.imagePrefix + "/rsolv:" + appTag
	c.ManagerImage = c.imagePrefix + "/rsolv-operator:" + managerTag
	target := "image"
	if !c.Local {
		target = "push"
	}
	if err := c.make(ctx, log, target, "APP_IMAGE="+c.AppImage, "MANAGER_IMAGE="+c.ManagerImage); err != nil {
		return fmt.Errorf("building the images: %w", err)
	}
	if !c.Local {
		return nil
	}
	if err := c.Tool(ctx, log, "go", "run", "./hack/cluster", "load", "dist/images/app.tar", "dist/images/manager.tar"); err != nil {
		return fmt.Errorf("loading the images: %w", err)
	}
	return nil
}

func (c *Cluster) contentTag(program string) (string, error) {
	content, err := os.ReadFile(filepath.Join(c.Root, "bin", program))
	if err != nil {
		return "", fmt.Errorf("reading the program: %w", err)
	}
	return fmt.Sprintf("dev-%x", sha256.Sum256(content))[:16], nil
}

// Install applies the monitoring CRDs, where they are missing, and
// dist/install.yaml, and waits for the manager.
func (c *Cluster) Install(ctx context.Context, log io.Writer) error {
	if _, err := c.Kubectl(ctx, nil, "get", "crd", "prometheusrules.monitoring.coreos.com", "alertmanagerconfigs.monitoring.coreos.com"); err != nil {
		if err := c.installMonitoringCRDs(ctx, log); err != nil {
			return err
		}
	}
	if err := c.ApplyInstall(ctx, "install.yaml"); err != nil {
		return err
	}
	_, err := c.Kubectl(ctx, nil, "-n", "rsolv-system", "rollout", "status", "deployment/rsolv-operator", "--timeout=120s")
	return err
}

// ApplyInstall applies a manifest of dist as it is shipped, but for the
// manager's image, which is the one just built.
func (c *Cluster) ApplyInstall(ctx context.Context, file string) error {
	manifest, err := os.ReadFile(filepath.Join(c.Root, "dist", file))
	if err != nil {
		return fmt.Errorf("reading the install: %w", err)
	}
	shipped := []byte(shippedPrefix + "/rsolv-operator:dev")
	if !bytes.Contains(manifest, shipped) {
		return fmt.Errorf("dist/%s does not name the image %s", file, shipped)
	}
	manifest = bytes.ReplaceAll(manifest, shipped, []byte(c.ManagerImage))
	_, err = c.Kubectl(ctx, bytes.NewReader(manifest), "apply", "--server-side", "--force-conflicts", "-f", "-")
	return err
}

func (c *Cluster) installMonitoringCRDs(ctx context.Context, log io.Writer) error {
	if err := c.make(ctx, log, "monitoring-crds"); err != nil {
		return fmt.Errorf("generating the monitoring CRDs: %w", err)
	}
	dir, err := c.output(ctx, "make", "--no-print-directory", "-s", "print-monitoring-crds")
	if err != nil {
		return err
	}
	// What the samples become.
	for _, kind := range []string{"prometheusrules", "alertmanagerconfigs"} {
		file := filepath.Join(strings.TrimSpace(dir), "monitoring.coreos.com_"+kind+".yaml")
		if _, err := c.Kubectl(ctx, nil, "apply", "--server-side", "--force-conflicts", "-f", file); err != nil {
			return err
		}
	}
	return nil
}

// Kubectl runs kubectl against the cluster and returns its output. An error
// carries what kubectl said.
func (c *Cluster) Kubectl(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	cmd := c.command(ctx, c.kubectl, args...)
	cmd.Stdin = stdin
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), &KubectlError{Args: args, Stderr: strings.TrimSpace(stderr.String()), Err: err}
	}
	return stdout.String(), nil
}

// KubectlError is kubectl's own word on why it failed.
type KubectlError struct {
	Args   []string
	Stderr string
	Err    error
}

func (e *KubectlError) Error() string {
	return fmt.Sprintf("kubectl %s: %v: %s", strings.Join(e.Args, " "), e.Err, e.Stderr)
}

func (e *KubectlError) Unwrap() error { return e.Err }

// Apply applies YAML in Namespace and returns kubectl's answer. It takes back
// what was patched since, as a pipeline does that owns its objects.
func (c *Cluster) Apply(ctx context.Context, yaml string) (string, error) {
	return c.Kubectl(ctx, strings.NewReader(yaml), "-n", Namespace, "apply", "--server-side", "--force-conflicts", "-f", "-")
}

// Psql runs one statement in the local cluster's database server.
func (c *Cluster) Psql(ctx context.Context, database, statement string) (string, error) {
	args := []string{"run", "./hack/cluster", "psql", "-qAt", "-v", "ON_ERROR_STOP=1"}
	if database != "" {
		args = append(args, "-d", database)
	}
	return c.output(ctx, "go", append(args, "-c", statement)...)
}

// Tool runs a program in the module's root with its output on log.
func (c *Cluster) Tool(ctx context.Context, log io.Writer, name string, args ...string) error {
	cmd := c.command(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}

func (c *Cluster) make(ctx context.Context, log io.Writer, args ...string) error {
	return c.Tool(ctx, log, "make", append([]string{"--no-print-directory"}, args...)...)
}

func (c *Cluster) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = c.Root
	cmd.Env = os.Environ()
	if c.kubeconfig != "" {
		cmd.Env = append(cmd.Env, "KUBECONFIG="+c.kubeconfig)
	}
	return cmd
}

func (c *Cluster) output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := c.command(ctx, name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}
