package main

import (
	"strings"
	"testing"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestResolveSettings(t *testing.T) {
	t.Parallel()
	saved := testCluster(t, "/x/y").settings
	saved.Ports.API = 7443
	for label, test := range map[string]struct {
		saved *settings
		env   func(string) string
		want  string // part of the error; empty: accepted
		check func(settings) bool
	}{
		"defaults":        {nil, env(), "", func(s settings) bool { return s.Ports.API == 6443 && s.serviceIP() == "10.96.0.1" }},
		"a port":          {nil, env("RSOLV_CLUSTER_API_PORT", "7443"), "", func(s settings) bool { return s.Ports.API == 7443 }},
		"saved":           {&saved, env(), "", func(s settings) bool { return s.Ports.API == 7443 }},
		"saved and same":  {&saved, env("RSOLV_CLUSTER_API_PORT", "7443"), "", func(s settings) bool { return s.Ports.API == 7443 }},
		"contradiction":   {&saved, env("RSOLV_CLUSTER_API_PORT", "6443"), "take the cluster down first", nil},
		"not a number":    {nil, env("RSOLV_CLUSTER_API_PORT", "web"), "give a number from 1 to 65535", nil},
		"too big":         {nil, env("RSOLV_CLUSTER_ETCD_PORT", "70000"), "RSOLV_CLUSTER_ETCD_PORT", nil},
		"zero":            {nil, env("RSOLV_CLUSTER_ETCD_PORT", "0"), "RSOLV_CLUSTER_ETCD_PORT", nil},
		"same port twice": {nil, env("RSOLV_CLUSTER_ETCD_PORT", "6443"), "give each its own port", nil},
		"loopback node":   {nil, env("RSOLV_CLUSTER_NODE_IP", "127.0.0.2"), "outside 127.0.0.0/8", nil},
		"IPv6 node":       {nil, env("RSOLV_CLUSTER_NODE_IP", "fd00::1"), "give an IPv4 address", nil},
		"host in network": {nil, env("RSOLV_CLUSTER_POD_CIDR", "10.244.0.5/24"), "give an IPv4 network", nil},
		"tiny network":    {nil, env("RSOLV_CLUSTER_POD_CIDR", "10.244.0.0/30"), "of /26 or larger", nil},
		"overlap":         {nil, env("RSOLV_CLUSTER_POD_CIDR", "10.96.4.0/24"), "choose separate networks", nil},
		"node among pods": {nil, env("RSOLV_CLUSTER_NODE_IP", "10.244.0.9"), "choose separate networks", nil},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			got, err := resolveSettings(test.saved, test.env)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got error %v, want one with %q", err, test.want)
			case test.check != nil && !test.check(got):
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestStateDir(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"":                         "/var/lib/rsolv-cluster",
		"/srv/a/":                  "/srv/a",
		"/":                        "",
		"/srv":                     "",
		"relative/path":            "",
		"/srv/../etc":              "",
		"/srv/with blank":          "",
		"/srv/" + longName(60):     "",
		"/srv/" + longName(60-5):   "/srv/" + longName(60-5),
		"/srv/a\"; rm -rf / #/dir": "",
	} {
		got, err := stateDir(env(dirEnv, value))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("stateDir(%q) = %q, %v; want %q", value, got, err, want)
		}
	}
}

func longName(n int) string { return strings.Repeat("n", n) }

func TestServiceIP(t *testing.T) {
	t.Parallel()
	if got := (settings{ServiceCIDR: "10.100.128.0/20"}).serviceIP(); got != "10.100.128.1" {
		t.Errorf("got %s", got)
	}
}
