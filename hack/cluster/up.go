package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
)

// upCommand starts the cluster, or repairs the one that is there.
func upCommand(ctx context.Context, c *cluster, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("up takes no arguments, got %q", args[0])
	}
	if err := requireRoot(); err != nil {
		return err
	}
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if c.isWell(ctx) {
		c.out.say("the cluster is up and well: KUBECONFIG=%s", c.adminKubeconfig())
		return nil
	}
	if err := c.bringUp(ctx); err != nil {
		return err
	}
	c.out.say("the cluster is ready: KUBECONFIG=%s", c.adminKubeconfig())
	return nil
}

// isWell asks a cluster that exists whether there is anything to do.
func (c *cluster) isWell(ctx context.Context) bool {
	if !c.exists() {
		return false
	}
	t, missing := findTools()
	if len(missing) > 0 {
		return false
	}
	wrong := examine(ctx, c.checks(c.components(t)))
	if len(wrong) > 0 {
		names := make([]string, 0, len(wrong))
		for name := range wrong {
			names = append(names, name)
		}
		slices.Sort(names)
		c.out.say("repairing: %s", strings.Join(names, ", "))
	}
	return len(wrong) == 0
}

func (c *cluster) bringUp(ctx context.Context) error {
	if err := c.clearWay(ctx); err != nil {
		return err
	}
	t, err := c.ensureTools(ctx)
	if err != nil {
		return err
	}
	if err := c.checkNetworkFree(ctx); err != nil {
		return err
	}
	if err := buildPrograms(ctx, c.out, c.cache, programs); err != nil {
		return err
	}
	if err := c.prepare(ctx, t); err != nil {
		return err
	}
	return c.startAll(ctx, t, c.components(t))
}

// clearWay removes what a killed command left, and refuses what would fail
// later: before anything is installed, built or written.
func (c *cluster) clearWay(ctx context.Context) error {
	if err := c.refuseForeignDir(); err != nil {
		return err
	}
	// A state that misses its keys was half deleted, by hand or by a `down`
	// that was killed. Servers that still run would not accept new ones.
	complete := completePKI(c.path("pki"), identities(c.settings)) && c.exists()
	if c.hasRemains() && !complete {
		c.out.say("the state in %s is incomplete: starting over", c.dir)
		if err := c.takeDown(ctx); err != nil {
			return err
		}
	}
	if err := c.stopStrays(stopPatience); err != nil {
		return err
	}
	if others := c.foreignNodes(); len(others) > 0 {
		return fmt.Errorf("another Kubernetes node runs on this machine (pid %d) and would fight over the firewall rules: "+
			"stop it, or set KUBECONFIG to its cluster", others[0])
	}
	var wanted []listener
	for _, comp := range c.components(tools{}) {
		if _, ok := c.running(comp.name); !ok {
			wanted = append(wanted, comp.listens...)
		}
	}
	return checkPorts(ctx, c.proc, wanted)
}

// prepare writes everything that servers read before any of them starts.
func (c *cluster) prepare(ctx context.Context, t tools) error {
	if err := c.makeState(); err != nil {
		return err
	}
	if err := c.recordBefore(ctx); err != nil {
		return err
	}
	if err := c.forgetLastBoot(); err != nil {
		return err
	}
	if err := c.ensureNetwork(ctx); err != nil {
		return err
	}
	if !completePKI(c.path("pki"), identities(c.settings)) {
		if err := writePKI(c.path("pki"), identities(c.settings), c.out.now()); err != nil {
			return err
		}
	}
	if err := c.writeConfigs(t); err != nil {
		return err
	}
	return c.ensurePostgres(ctx, t)
}

// makeState makes the state directory and writes the settings down.
func (c *cluster) makeState() error {
	// Postgres, which is not root, must reach its folder below.
	if err := os.MkdirAll(c.dir, 0o711); err != nil { //nolint:gosec // see above
		return fmt.Errorf("creating the state directory: %w", err)
	}
	if err := os.Chmod(c.dir, 0o711); err != nil { //nolint:gosec // see above
		return fmt.Errorf("opening the state directory: %w", err)
	}
	for _, dir := range []string{"logs", "pids", "cni", "kubelet", "volume-plugins"} {
		if err := makeDir(c.path(dir)); err != nil {
			return err
		}
	}
	data, err := toJSON(c.settings)
	if err != nil {
		return err
	}
	return writeFile(c.path("settings.json"), data, 0o644)
}

// forgetLastBoot drops what does not survive a restart of the machine: process
// ids, containerd's record of running containers, pod addresses.
func (c *cluster) forgetLastBoot() error {
	current, err := bootID()
	if err != nil {
		return err
	}
	saved, err := readFile(c.path("boot-id"))
	if err == nil && strings.TrimSpace(string(saved)) != current {
		c.out.say("the machine was restarted since")
		for _, stale := range []string{"pids", "containerd-state", "ipam"} {
			if err := os.RemoveAll(c.path(stale)); err != nil {
				return fmt.Errorf("removing the state of the last boot: %w", err)
			}
		}
		if err := makeDir(c.path("pids")); err != nil {
			return err
		}
	}
	return writeFile(c.path("boot-id"), []byte(current+"\n"), 0o644)
}

// writeConfigs renders every file a server reads, and makes the control group
// that the kubelet's names.
func (c *cluster) writeConfigs(t tools) error {
	cgroup, err := machineCgroups()
	if err != nil {
		return err
	}
	if err := cgroup.create(); err != nil {
		return err
	}
	n := node{cgroup: cgroup, snapshotter: snapshotter(c.dir), pluginDir: t.pluginDir}
	if err := writeFile(c.path("containerd.toml"), []byte(c.containerdConfig(n)), 0o644); err != nil {
		return err
	}
	for name, value := range map[string]any{
		"cni/10-rsolv.conflist": c.cniConfig(), "kubelet.json": c.kubeletConfig(n), "proxy.json": c.proxyConfig(),
	} {
		data, err := toJSON(value)
		if err != nil {
			return err
		}
		if err := writeFile(c.path(name), data, 0o644); err != nil {
			return err
		}
	}
	ca, err := readFile(c.pki("ca.crt"))
	if err != nil {
		return err
	}
	for _, name := range []string{"admin", "kubelet", "controller-manager", "scheduler", "proxy"} {
		if err := c.writeKubeconfig(name, ca); err != nil {
			return fmt.Errorf("writing the kubeconfig of %s: %w", name, err)
		}
	}
	return nil
}

func (c *cluster) writeKubeconfig(name string, ca []byte) error {
	cert, err := readFile(c.pki(name + ".crt"))
	if err != nil {
		return err
	}
	key, err := readFile(c.pki(name + ".key"))
	if err != nil {
		return err
	}
	data, err := toJSON(kubeconfig(c.apiURL(), name, ca, cert, key))
	if err != nil {
		return err
	}
	return writeFile(c.path(name+".kubeconfig"), data, 0o600)
}

// snapshotter chooses how images are unpacked: overlayfs cannot lie on another
// overlay, which is what a container's own disk is.
func snapshotter(dir string) string {
	const overlayMagic = 0x794c7630
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err == nil && fs.Type == overlayMagic {
		return "native"
	}
	return "overlayfs"
}
