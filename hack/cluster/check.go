package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"strings"
	"time"
)

//go:embed probe/main.go
var probeSource []byte

const (
	probeImage = "localhost/rsolv-cluster/probe:1"
	probeName  = "rsolv-cluster-check"
)

// checkCommand runs a pod that reaches the API server by its service address,
// PostgreSQL by the node's address, and itself through a service.
func checkCommand(ctx context.Context, c *cluster, _ []string) (err error) {
	if err := requireRoot(); err != nil {
		return err
	}
	if !c.exists() {
		return errors.New("the cluster is not up: run the command up first")
	}
	if err := c.ensureImage(ctx, probeImage, "probe", probeSource); err != nil {
		return err
	}
	if err := c.removeProbe(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.removeProbe(context.WithoutCancel(ctx))) }()
	// The pod learns its service's address from its environment, so the
	// service comes first.
	for _, object := range []map[string]any{probeService(), c.probePod()} {
		data, err := toJSON(object)
		if err != nil {
			return err
		}
		if _, err := c.kubectl(ctx, string(data), "create", "--filename=-"); err != nil {
			return fmt.Errorf("creating the check: %w", err)
		}
	}
	return c.awaitProbe(ctx)
}

func (c *cluster) awaitProbe(ctx context.Context) error {
	var phase string
	err := waitFor(ctx, "the check has not ended", time.Minute, func(ctx context.Context) error {
		answer, err := c.kubectl(ctx, "", "get", "pod", probeName, "--output=jsonpath={.status.phase}")
		if phase = answer; err == nil && phase != "Succeeded" && phase != "Failed" {
			err = fmt.Errorf("its pod is %s", phase)
		}
		return err
	})
	logs, logErr := c.kubectl(ctx, "", "logs", probeName)
	for line := range strings.Lines(logs) {
		c.out.say("%s", strings.TrimSpace(line))
	}
	switch {
	case err != nil:
		return err
	case phase != "Succeeded":
		return errors.New("the check failed")
	}
	return logErr
}

func (c *cluster) removeProbe(ctx context.Context) error {
	_, err := c.kubectl(ctx, "", "delete", "pod,service", "--selector=app="+probeName, "--now", "--wait")
	return err
}

// kubectl runs in the default namespace as the administrator, with text on
// standard input.
func (c *cluster) kubectl(ctx context.Context, input string, args ...string) (string, error) {
	common := []string{"--kubeconfig=" + c.adminKubeconfig(), "--namespace=default"}
	return runEnv(ctx, c.environment(), input, c.binary("kubectl"), append(common, args...)...)
}

func probeMeta() map[string]any {
	return map[string]any{"name": probeName, "labels": map[string]any{"app": probeName}}
}

func probeService() map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "Service", "metadata": probeMeta(),
		"spec": map[string]any{
			"selector": map[string]any{"app": probeName},
			"ports":    []any{map[string]any{"port": 80, "targetPort": 8080}},
		},
	}
}

func (c *cluster) probePod() map[string]any {
	variable := strings.ToUpper(strings.ReplaceAll(probeName, "-", "_")) + "_SERVICE_HOST"
	return map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": probeMeta(),
		"spec": map[string]any{
			"restartPolicy":   "Never",
			"securityContext": map[string]any{"runAsNonRoot": true},
			"containers": []any{map[string]any{
				"name": "probe", "image": probeImage, "imagePullPolicy": "Never",
				"securityContext": map[string]any{"readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false},
				"env": []any{
					map[string]any{
						"name":  "PROBE_POSTGRES",
						"value": net.JoinHostPort(c.settings.NodeIP, strconv.Itoa(c.settings.Ports.Postgres)),
					},
					map[string]any{"name": "PROBE_SERVICE", "value": "http://$(" + variable + ")/"},
				},
			}},
		},
	}
}

// architecture of the images made here: that of the machine.
const architecture = runtime.GOARCH
