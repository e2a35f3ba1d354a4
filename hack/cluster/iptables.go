package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// isKubeChain tells the chains that kube-proxy and the kubelet make.
func isKubeChain(chain string) bool { return strings.HasPrefix(chain, "KUBE-") }

// never is for rules that are left to another owner.
func never(string) bool { return false }

// deletions reads the output of iptables-save and returns input for
// `iptables-restore --noflush` that removes the chains of an owner, every rule
// that jumps to them, and the rules with our tag. Nothing else is mentioned,
// so nothing else changes, not even counters. Empty: nothing to remove.
func deletions(saved string, owned func(chain string) bool) string {
	var out, table strings.Builder
	var chains []string
	var name string
	for line := range strings.Lines(saved) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "*"):
			name, chains = line, nil
			table.Reset()
		case strings.HasPrefix(line, ":"):
			chain, _, _ := strings.Cut(line[1:], " ")
			if owned(chain) {
				chains = append(chains, chain)
			}
		case strings.HasPrefix(line, "-A "):
			from, target, tagged := ruleParts(line)
			if !owned(from) && (tagged || owned(target)) {
				table.WriteString("-D " + strings.TrimPrefix(line, "-A ") + "\n")
			}
		case line == "COMMIT":
			// All are emptied before any is deleted: they refer to each other.
			for _, chain := range chains {
				table.WriteString("-F " + chain + "\n")
			}
			for _, chain := range chains {
				table.WriteString("-X " + chain + "\n")
			}
			if table.Len() > 0 {
				out.WriteString(name + "\n" + table.String() + "COMMIT\n")
			}
		}
	}
	return out.String()
}

// ruleParts returns the chain of an "-A" line, where it jumps or goes to, and
// whether it carries our tag.
func ruleParts(line string) (from, target string, tagged bool) {
	fields := strings.Fields(line)
	from = fields[1]
	for i := 2; i+1 < len(fields); i++ {
		switch fields[i] {
		case "-j", "-g":
			target = fields[i+1]
		case "--comment":
			tagged = tagged || strings.Trim(fields[i+1], `"`) == ruleTag
		}
	}
	return from, target, tagged
}

// kubeChainsPresent says whether some Kubernetes node has rules here.
func kubeChainsPresent(ctx context.Context) bool {
	saved, err := run(ctx, "iptables-save")
	return err == nil && strings.Contains(saved, "\n:KUBE-")
}

// removeRules removes our rules, and the Kubernetes chains unless another node
// of this machine made them.
func removeRules(ctx context.Context, foreign bool) error {
	owned := isKubeChain
	if foreign {
		owned = never
	}
	var problems []error
	for _, family := range []string{"iptables", "ip6tables"} {
		if _, err := exec.LookPath(family + "-save"); err != nil {
			continue // never installed, so no rules
		}
		saved, err := run(ctx, family+"-save")
		if err != nil {
			if family == "iptables" {
				problems = append(problems, fmt.Errorf("listing the rules: %w", err))
			}
			continue // a kernel without IPv6
		}
		script := deletions(saved, owned)
		if script == "" {
			continue
		}
		if _, err := runInput(ctx, script, family+"-restore", "--noflush", "-w", "10"); err != nil {
			problems = append(problems, fmt.Errorf("removing the rules: %w", err))
		}
	}
	return errors.Join(problems...)
}
