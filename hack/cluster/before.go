package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// before is what the machine looked like before the first `up`, so that `down`
// can leave it so.
type before struct {
	Sysctls    map[string]string `json:"sysctls"`
	KubeChains bool              `json:"kubeChains"` // another node's rules were there
	Dirs       []string          `json:"dirs"`       // folders that did not exist
}

// touchedSysctls are the kernel settings that we, the kubelet and kube-proxy change.
var touchedSysctls = []string{
	"net.ipv4.ip_forward", "net.ipv4.conf.all.route_localnet", "net.bridge.bridge-nf-call-iptables",
	"net.netfilter.nf_conntrack_max",
	"vm.overcommit_memory", "vm.panic_on_oom", "kernel.panic", "kernel.panic_on_oops",
	"kernel.keys.root_maxkeys", "kernel.keys.root_maxbytes",
}

const devicePlugins = "/var/lib/kubelet/device-plugins"

// sharedDirs are folders outside the state that containerd, the CNI plugins
// and the kubelet insist on. Parents come first.
var sharedDirs = []string{
	"/run/containerd", "/run/containerd/s",
	"/run/mount",
	"/var/lib/cni", "/var/lib/cni/results", "/var/lib/cni/cache",
	"/var/lib/kubelet", devicePlugins,
	"/var/log/containers",
}

func sysctlPath(name string) string { return "/proc/sys/" + strings.ReplaceAll(name, ".", "/") }

func readSysctl(name string) (string, error) {
	data, err := readFile(sysctlPath(name))
	return strings.TrimSpace(string(data)), err
}

func writeSysctl(name, value string) error {
	if current, err := readSysctl(name); err == nil && current == value {
		return nil
	}
	if err := os.WriteFile(sysctlPath(name), []byte(value), 0o600); err != nil {
		return fmt.Errorf("setting %s=%s: %w", name, value, err)
	}
	return nil
}

// recordBefore writes down the machine's state, once.
func (c *cluster) recordBefore(ctx context.Context) error {
	path := c.path("before.json")
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	state := before{Sysctls: map[string]string{}}
	for _, name := range touchedSysctls {
		if value, err := readSysctl(name); err == nil {
			state.Sysctls[name] = value
		}
	}
	for _, dir := range sharedDirs {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			state.Dirs = append(state.Dirs, dir)
		}
	}
	if kubeChainsPresent(ctx) {
		// Chains without a node are what a killed cluster left: those may go.
		state.KubeChains = len(c.foreignNodes()) > 0
	}
	data, err := toJSON(state)
	if err != nil {
		return err
	}
	return writeFile(path, data, 0o600)
}

// foreignNodes lists kubelets and proxies on this network that are not ours.
func (c *cluster) foreignNodes() []int {
	return c.proc.foreign(map[string]bool{"kubelet": true, "kube-proxy": true}, c.proc.ours(c.dir, componentNames))
}

func (c *cluster) loadBefore() (before, error) {
	data, err := readFile(c.path("before.json"))
	if errors.Is(err, fs.ErrNotExist) {
		// The record is lost: be careful with what may be another's.
		return before{KubeChains: len(c.foreignNodes()) > 0, Dirs: sharedDirs}, nil
	}
	if err != nil {
		return before{}, err
	}
	var state before
	if err := json.Unmarshal(data, &state); err != nil {
		return before{}, fmt.Errorf("reading what the machine looked like before: %w", err)
	}
	return state, nil
}

// restore sets the kernel back and removes what lies outside the state. Shared
// folders go only when they are empty and were not there before.
func (b before) restore(c *cluster) error {
	var problems []error
	for name, value := range b.Sysctls {
		problems = append(problems, writeSysctl(name, value))
	}
	problems = append(problems,
		removeMatching("/var/lib/cni/results/*", func(path string) bool {
			data, err := readFile(path)
			return err == nil && bytes.Contains(data, []byte(c.dir+"/"))
		}),
		removeMatching("/var/log/containers/*", func(path string) bool {
			target, err := os.Readlink(path)
			return err == nil && strings.HasPrefix(target, c.dir+"/")
		}),
		removeMatching(devicePlugins+"/kubelet.sock", func(string) bool {
			return slices.Contains(b.Dirs, devicePlugins) && len(c.foreignNodes()) == 0
		}),
	)
	for _, dir := range slices.Backward(b.Dirs) {
		_ = os.Remove(dir) // a folder somebody else uses by now is not empty, and stays
	}
	return errors.Join(problems...)
}

func removeMatching(pattern string, ours func(path string) bool) error {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	var problems []error
	for _, path := range paths {
		if ours(path) {
			problems = append(problems, os.Remove(path))
		}
	}
	return errors.Join(problems...)
}
