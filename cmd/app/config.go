package main

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/app/web"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// databaseURL is DATABASE_URL; its value never appears in an error.
func (p *program) databaseURL() (string, error) {
	url := p.getenv(contract.EnvDatabaseURL)
	if url == "" {
		return "", usagef("%s is not set: it names the database, as postgres://user:password@host:5432/database",
			contract.EnvDatabaseURL)
	}
	return url, nil
}

// poolSize is POOL_SIZE, or the default when that is unset.
func (p *program) poolSize() (int, error) {
	text := p.getenv(contract.EnvPoolSize)
	if text == "" {
		return postgres.DefaultPoolSize, nil
	}
	size, err := strconv.Atoi(text)
	if err != nil || size < 1 || size > 1000 {
		return 0, usagef("%s is %q: use a whole number from 1 to 1000", contract.EnvPoolSize, text)
	}
	return size, nil
}

// requestsPerMinute is REQUESTS_PER_MINUTE.
func (p *program) requestsPerMinute() (int, error) {
	return p.number(contract.EnvRequestsPerMinute, web.DefaultRequestsPerMinute, 1, 1_000_000)
}

// trustedProxies is TRUSTED_PROXIES; single addresses count as themselves.
func (p *program) trustedProxies() ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for part := range strings.SplitSeq(p.getenv(contract.EnvTrustedProxies), ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if addr, err := netip.ParseAddr(part); err == nil {
			prefixes = append(prefixes, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(part)
		if err != nil {
			return nil, usagef("%s contains %q: use CIDRs separated by commas, such as 10.0.0.0/8",
				contract.EnvTrustedProxies, part)
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	return prefixes, nil
}

// publicHost is PUBLIC_HOST, a bare host name.
func (p *program) publicHost() (string, error) {
	host := p.getenv(contract.EnvPublicHost)
	if strings.ContainsAny(host, "/ \t\r\n@?#") {
		return "", usagef("%s is %q: use a bare host name, such as rsolv.dev", contract.EnvPublicHost, host)
	}
	return host, nil
}

// visitorMode is VISITOR_IDS.
func (p *program) visitorMode() (app.VisitorMode, error) {
	switch mode := app.VisitorMode(p.getenv(contract.EnvVisitorIDs)); mode {
	case "":
		return app.VisitorsDaily, nil
	case app.VisitorsDaily, app.VisitorsLocal, app.VisitorsCookie:
		return mode, nil
	default:
		return "", usagef("%s is %q: use %s (nothing is kept in browsers), %s (an id in the local storage) or %s",
			contract.EnvVisitorIDs, mode, app.VisitorsDaily, app.VisitorsLocal, app.VisitorsCookie)
	}
}

// corsOrigins is CORS_ORIGINS: origins such as https://app.rsolv.dev.
func (p *program) corsOrigins() ([]string, error) {
	var origins []string
	for part := range strings.SplitSeq(p.getenv(contract.EnvCORSOrigins), ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		u, err := url.Parse(part)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Scheme+"://"+u.Host != part {
			return nil, usagef("%s contains %q: use origins separated by commas, such as https://app.rsolv.dev",
				contract.EnvCORSOrigins, part)
		}
		origins = append(origins, part)
	}
	return origins, nil
}
