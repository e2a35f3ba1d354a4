package judge

import (
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
)

func (q *query) ssrfElixir(n *code.Node, chain string) (answer, bool) {
	if !fetchElixir.MatchString(chain) {
		return answer{}, false
	}
	for _, key := range []string{"url", "base_url"} {
		if v := n.Named(key); v != nil {
			return q.url(v, n), true
		}
	}
	args := positionalArgs(n)
	i := 0
	switch {
	case strings.HasPrefix(chain, "Tesla.") && len(args) > 1, strings.HasSuffix(strings.TrimSuffix(chain, "!"), ".build"), strings.HasPrefix(chain, "Mint."),
		strings.HasSuffix(strings.TrimSuffix(chain, "!"), ".request") && len(args) > 1:
		i = 1
	}
	if i >= len(args) {
		return answer{}, false
	}
	url := args[i]
	if r := q.flow.Resolve(url); r != nil && r.Op == code.Map {
		if url = r.Named("url"); url == nil {
			return answer{}, false
		}
	} else if r != nil && r.Op == code.List && len(r.Kids) > 0 { // {url, headers}
		url = r.Kids[0]
	}
	if strings.HasPrefix(chain, "Tesla.") && i == 1 && strings.HasPrefix(q.flowText(url), "/") && q.flow.LocalTarget(url) {
		return safely("%s: the path on line %d lies below the client's own address", constantURL, n.Line), true
	}
	if inner := q.flow.Resolve(url); inner != nil && inner.Op == code.Call && fetchElixir.MatchString(inner.Kids[0].Chain()) {
		return q.ssrfElixir(inner, inner.Kids[0].Chain())
	}
	return q.url(url, n), true
}

func (q *query) redirectElixir(n *code.Node, chain string) (answer, bool) {
	switch {
	case named(chain, "redirect"):
		if v := n.Named("external"); v != nil {
			return q.target(v), true
		}
		if n.Named("to") != nil {
			return safely("%s: redirect to: on line %d refuses what is no path of this site", constantURL, n.Line), true
		}
	case named(chain, "put_resp_header") && n.Arg(2) != nil:
		name, _ := q.flow.Literal(n.Arg(1))
		if !strings.EqualFold(name, "location") {
			return answer{}, false
		}
		return q.target(n.Arg(2)), true
	}
	return answer{}, false
}

func (q *query) xpathElixir(n *code.Node, chain string) (answer, bool) {
	i := 1
	switch {
	case named(chain, "xpath", "xmap"):
	case chain == ":xmerl_xpath.string":
		i = 0
	default:
		return answer{}, false
	}
	if n.Arg(i) == nil {
		return answer{}, false
	}
	return q.judgeValue(n.Arg(i), "constant value", "escaping"), true
}

// xxeElixir: Erlang's parser reads entities unless it is told not to.
func (q *query) xxeElixir(n *code.Node, chain string) (answer, bool) {
	switch {
	case named(chain, ":xmerl_scan.string", ":xmerl_scan.file"):
		if v := q.option(n, "allow_entities"); v != nil && v.Text == "false" {
			return safely("safe parser: line %d allows no entities", n.Line), true
		}
	case named(chain, "SweetXml.parse", "SweetXml.stream_tags"):
		if v := q.option(n, "dtd"); v != nil && v.Text == "none" {
			return safely("safe parser: line %d reads no document type", n.Line), true
		}
	case strings.HasPrefix(chain, "Saxy."):
		return safely("safe parser: Saxy on line %d resolves no external entities", n.Line), true
	default:
		return answer{}, false
	}
	if n.Arg(0) == nil {
		return answer{}, false
	}
	return q.judgeValue(n.Arg(0), "constant value", "properly sanitized"), true
}

func (q *query) termElixir(n *code.Node, chain string) (answer, bool) {
	switch {
	case dataElixir.MatchString(chain):
		return safely("data alone: %s on line %d makes no functions and no new atoms", chain, n.Line), true
	case chain != ":erlang.binary_to_term" || n.Arg(0) == nil:
		return answer{}, false
	}
	if options := q.flow.Resolve(n.Arg(1)); options != nil && options.Op == code.List {
		for _, o := range options.Kids {
			if o.Op == code.Str && o.Text == "safe" {
				return safely("data alone: :safe on line %d refuses what would make new atoms", n.Line), true
			}
		}
	}
	return q.judgeValue(n.Arg(0), "constant value", "properly sanitized"), true
}

func (q *query) hashElixir(n *code.Node, chain string) (answer, bool) {
	i := 0
	switch chain {
	case ":crypto.hash", ":crypto.hash_init":
	case ":crypto.hmac", ":crypto.mac":
		if n.Arg(0) != nil && n.Arg(0).Text == "hmac" {
			i = 1
		}
	case ":crypto.crypto_one_time", ":crypto.crypto_init", ":crypto.block_encrypt":
	case ":erlang.md5":
		return q.broken(n, chain), true
	default:
		if slowHash.MatchString(chain) || strings.HasPrefix(chain, "Pbkdf2.") {
			return safely("strong algorithm: %s on line %d", chain, n.Line), true
		}
		return answer{}, false
	}
	arg := n.Arg(i)
	if arg == nil {
		return answer{}, false
	}
	text, ok := q.flow.Literal(arg)
	if !ok {
		return q.anyAlgorithm(arg, n), true
	}
	algorithm := strings.ReplaceAll(text, "_", "-")
	if algorithm == "sha" {
		algorithm = "sha1"
	}
	switch {
	case strongDigest.MatchString(algorithm):
		return safely("strong algorithm: %s on line %d", text, n.Line), true
	case weakDigest.MatchString(algorithm) || strings.HasSuffix(algorithm, "-ecb") || strings.HasPrefix(algorithm, "des-"):
		return q.broken(n, ":"+text), true
	}
	return unknown(), true
}

func (q *query) randomElixir(n *code.Node, chain string) (answer, bool) {
	switch {
	case chain == ":crypto.strong_rand_bytes" || chain == ":crypto.rand_uniform" || strings.HasPrefix(chain, "Ecto.UUID.") || named(chain, "uuid4", "gen_secret", "Phoenix.Token.sign"):
		return safely("secure random numbers: %s on line %d", chain, n.Line), true
	case strings.HasPrefix(chain, ":rand.seed") || !randomElixir.MatchString(chain):
		return answer{}, false
	}
	return q.foretold(n, chain), true
}

// cookieElixir: Plug sets HttpOnly by itself, and Secure only where the
// connection to the app itself is HTTPS, which it is not behind a proxy.
func (q *query) cookieElixir(n *code.Node, chain string) (answer, bool) {
	var options *code.Node
	switch {
	case named(chain, "delete_resp_cookie"):
		return safely("secure flags are not needed: line %d deletes the cookie", n.Line), true
	case named(chain, "put_resp_cookie"):
		if why := q.harmlessCookieName(n.Arg(1)); why != "" {
			return safely("%s", why), true
		}
		options = n.Arg(3)
	case chain == "plug" && n.Arg(0) != nil && strings.HasSuffix(n.Arg(0).Chain(), "Plug.Session"):
		options = n.Arg(1)
	default:
		return answer{}, false
	}
	pairs := n.Args()
	if r := q.flow.Resolve(options); r != nil {
		if r.Op != code.Map {
			return answer{value: flow.Value{Kind: flow.Unknown}, why: "Whether the cookie on line " + itoa(n.Line) + " is Secure and HttpOnly is not in this file"}, true
		}
		pairs = r.Kids
	}
	return q.flagsDefault(pairs, "secure", "httponly", n.Line, true), true
}
