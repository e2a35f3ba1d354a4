package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// addressLabel marks the node's address on the loopback device as ours, so
// that it can be told from another cluster's and removed without any record.
const addressLabel = "lo:rsolv"

// rule is one firewall rule we add: table, chain and the rest.
type rule struct {
	table, chain string
	spec         []string
}

// rules let pods out: addresses are translated on the way to other machines,
// and forwarding holds even where the machine's policy is to drop.
func (c *cluster) rules() []rule {
	pods := c.settings.PodCIDR
	tag := []string{"-m", "comment", "--comment", ruleTag}
	return []rule{
		{"nat", "POSTROUTING", append([]string{"-s", pods, "!", "-d", pods, "-j", "MASQUERADE"}, tag...)},
		{"filter", "FORWARD", append([]string{"-s", pods, "-j", "ACCEPT"}, tag...)},
		{"filter", "FORWARD", append([]string{"-d", pods, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"}, tag...)},
	}
}

// ensureNetwork gives the node its address, routes service addresses into this
// machine and adds the rules. What is there already stays.
func (c *cluster) ensureNetwork(ctx context.Context) error {
	present, err := c.addressPresent(ctx)
	if err != nil {
		return err
	}
	if !present {
		if _, err := run(ctx, "ip", "address", "add", c.settings.NodeIP+"/32", "dev", "lo", "label", addressLabel); err != nil {
			return fmt.Errorf("adding the node's address: %w", err)
		}
	}
	// Without a route of its own a service address would leave by the default
	// route, or fail where there is none.
	if _, err := run(ctx, "ip", "route", "replace", c.settings.ServiceCIDR, "dev", "lo", "src", c.settings.NodeIP); err != nil {
		return fmt.Errorf("adding the route of the services: %w", err)
	}
	if err := writeSysctl("net.ipv4.ip_forward", "1"); err != nil {
		return err
	}
	for _, r := range c.rules() {
		if c.rulePresent(ctx, r) {
			continue
		}
		if _, err := run(ctx, "iptables", append([]string{"-w", "-t", r.table, "-I", r.chain}, r.spec...)...); err != nil {
			return fmt.Errorf("adding a rule to %s/%s: %w", r.table, r.chain, err)
		}
	}
	return nil
}

func (c *cluster) rulePresent(ctx context.Context, r rule) bool {
	_, err := run(ctx, "iptables", append([]string{"-w", "-t", r.table, "-C", r.chain}, r.spec...)...)
	return err == nil
}

// networkIntact says what of ensureNetwork is missing.
func (c *cluster) networkIntact(ctx context.Context) error {
	present, err := c.addressPresent(ctx)
	if err != nil {
		return err
	}
	if !present {
		return fmt.Errorf("the address %s is missing", c.settings.NodeIP)
	}
	route, err := run(ctx, "ip", "route", "show", c.settings.ServiceCIDR)
	if err != nil || !strings.Contains(route, "dev lo") {
		return errors.New("the route of the services is missing")
	}
	if value, err := readSysctl("net.ipv4.ip_forward"); err != nil || value != "1" {
		return errors.New("forwarding is off")
	}
	for _, r := range c.rules() {
		if present := c.rulePresent(ctx, r); ctx.Err() != nil {
			return fmt.Errorf("reading the rules: %w", ctx.Err())
		} else if !present {
			return fmt.Errorf("a rule of %s/%s is missing", r.table, r.chain)
		}
	}
	return nil
}

// address is one address of a device, as `ip -json` tells it.
type address struct {
	device, ip, label string
}

func (c *cluster) addresses(ctx context.Context) ([]address, error) {
	answer, err := run(ctx, "ip", "-json", "-4", "address", "show")
	if err != nil {
		return nil, fmt.Errorf("listing the addresses: %w", err)
	}
	return parseAddresses(answer)
}

func parseAddresses(answer string) ([]address, error) {
	var devices []struct {
		Name      string                          `json:"ifname"`
		Addresses []struct{ Local, Label string } `json:"addr_info"`
	}
	if err := json.Unmarshal([]byte(answer), &devices); err != nil {
		return nil, fmt.Errorf("reading the addresses: %w", err)
	}
	var all []address
	for _, device := range devices {
		for _, a := range device.Addresses {
			all = append(all, address{device.Name, a.Local, a.Label})
		}
	}
	return all, nil
}

// addressPresent says whether the node has its address from us. The address of
// somebody else is an error.
func (c *cluster) addressPresent(ctx context.Context) (bool, error) {
	all, err := c.addresses(ctx)
	if err != nil {
		return false, err
	}
	for _, a := range all {
		if a.ip != c.settings.NodeIP {
			continue
		}
		if a.label != addressLabel {
			return false, fmt.Errorf("the address %s is on %s already, and not by this tool: remove it with "+
				"`ip address del %s dev %s`, or set RSOLV_CLUSTER_NODE_IP to another address", a.ip, a.device, a.ip, a.device)
		}
		return true, nil
	}
	return false, nil
}

// podDevices returns the devices with a route to a pod address: our ends of
// the pods' cables.
func podDevices(routes, podCIDR string) []string {
	pods, err := netip.ParsePrefix(podCIDR)
	if err != nil {
		return nil // settings.check has refused it before
	}
	var devices []string
	for line := range strings.Lines(routes) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[1] != "dev" || !strings.HasPrefix(fields[2], "veth") {
			continue
		}
		to, err := netip.ParseAddr(fields[0])
		if err == nil && pods.Contains(to) {
			devices = append(devices, fields[2])
		}
	}
	return devices
}

// checkNetworkFree refuses when another tool has the node's address, or the
// networks lead elsewhere on this machine.
func (c *cluster) checkNetworkFree(ctx context.Context) error {
	if _, err := c.addressPresent(ctx); err != nil {
		return err
	}
	routes, err := run(ctx, "ip", "-4", "route", "show")
	if err != nil {
		return fmt.Errorf("listing the routes: %w", err)
	}
	return conflictingRoute(routes, c.settings)
}

func conflictingRoute(routes string, s settings) error {
	for line := range strings.Lines(routes) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		to, err := netip.ParsePrefix(fields[0])
		if err != nil {
			continue // a single address, or the default route
		}
		for env, cidr := range map[string]string{"RSOLV_CLUSTER_POD_CIDR": s.PodCIDR, "RSOLV_CLUSTER_SERVICE_CIDR": s.ServiceCIDR} {
			own, err := netip.ParsePrefix(cidr)
			ours := cidr == s.ServiceCIDR && strings.Contains(line, " dev lo ")
			if err == nil && !ours && own.Bits() <= to.Bits() && own.Overlaps(to) {
				return fmt.Errorf("this machine routes %s to %s, inside %s: another cluster or VPN uses it; set %s to a free network",
					to, strings.Join(fields[1:3], " "), cidr, env)
			}
		}
	}
	return nil
}

// removeNetwork takes back what ensureNetwork and the CNI plugin added.
func (c *cluster) removeNetwork(ctx context.Context) error {
	var problems []error
	routes, err := run(ctx, "ip", "-4", "route", "show")
	problems = append(problems, err)
	for _, device := range podDevices(routes, c.settings.PodCIDR) {
		_, _ = run(ctx, "ip", "link", "del", device) // gone already when its pod's namespace went
	}
	if strings.Contains(routes, c.settings.ServiceCIDR+" dev lo") {
		_, err := run(ctx, "ip", "route", "del", c.settings.ServiceCIDR, "dev", "lo")
		problems = append(problems, err)
	}
	all, err := c.addresses(ctx)
	problems = append(problems, err)
	for _, a := range all {
		if a.label == addressLabel {
			_, err := run(ctx, "ip", "address", "del", a.ip+"/32", "dev", "lo")
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}
