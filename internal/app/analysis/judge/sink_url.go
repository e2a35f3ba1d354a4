package judge

import (
	"regexp"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

var (
	fetchCalls = set(`fetch axios get post put delete head patch request got needle urlopen urlretrieve Request open URI parse start curl_init curl_setopt file_get_contents fsockopen
		getForObject getForEntity postForObject postForEntity exchange uri url openStream openConnection HttpGet HttpPost newBuilder Get Post Head PostForm NewRequest NewRequestWithContext getJSON ajax get_response post_form stream goto create URL getContent getInputStream retrieve`)
	fetchObjects = regexp.MustCompile(`(?i)(^|\.)(https?|axios|got|needle|superagent|request|requests|httpx|session|client|httpclient|urllib|urllib2|request\(\)|aiohttp|net::http|http|httparty|faraday|restclient|uri|open-uri|openuri|typhoeus|excon|guzzle|resttemplate|webclient|rest|api|page|\$|window|undici|curl|mechanize|agent|httpRequest|ky)(\(\))?$`)
)

const constantURL = "constant URL"

func ssrfRule(q *query, n *code.Node) (answer, bool) {
	if n.Op != code.Call && n.Op != code.New || !fetchCalls[n.Method()] {
		return answer{}, false
	}
	method, lang := n.Method(), q.lang()
	receiver := n.Receiver()
	i := 0
	switch method {
	case "get", "post", "put", "delete", "head", "patch", "request", "start", "open", "parse", "Get", "Post", "Head", "exchange", "url", "uri", "create", "stream", "getJSON", "goto", "Request", "get_response", "post_form", "getContent", "retrieve":
		if receiver == nil && method != "request" && method != "open" && method != "Request" && method != "get" || receiver != nil && !fetchObjects.MatchString(strings.TrimSuffix(receiver.Chain(), "()")) && !fetchObjects.MatchString(receiver.Chain()) && (receiver.Op != code.Call || receiver.Method() != "newBuilder") {
			return answer{}, false
		}
		if receiver == nil && method == "get" && q.file.code.Imports["get"] == "" {
			return answer{}, false
		}
		if receiver != nil && (method == "open" && lang != syntax.Ruby || method == "parse" && lang == syntax.JavaScript) {
			return answer{}, false
		}
	case "URI", "URL":
		if n.Op == code.Call && lang != syntax.Ruby {
			return answer{}, false
		}
	case "openStream", "openConnection", "getInputStream":
		if receiver == nil {
			return answer{}, false
		}
		return q.url(receiver, n), true
	case "curl_setopt":
		if text, _ := q.flow.Literal(n.Arg(1)); text != "CURLOPT_URL" && (n.Arg(1) == nil || n.Arg(1).Chain() != "CURLOPT_URL") {
			return answer{}, false
		}
		i = 2
	case "NewRequest":
		i = 1
	case "NewRequestWithContext":
		i = 2
	}
	if method == "request" && (lang == syntax.PHP || lang == syntax.Python) && len(n.Args()) > 1 {
		i = 1
	}
	arg := n.Arg(i)
	if arg == nil {
		for _, key := range []string{"url", "uri", "URL"} {
			if v := n.Named(key); v != nil {
				return q.url(v, n), true
			}
		}
		return answer{}, false
	}
	if r := q.flow.Resolve(arg); r != nil && r.Op == code.Map {
		out, any := answer{}, false
		for _, key := range []string{"url", "uri", "baseURL", "hostname", "host"} {
			if v := r.Named(key); v != nil {
				if a := q.url(v, n); !any || worse(a, out) {
					out, any = a, true
				}
			}
		}
		if any {
			return out, true
		}
	}
	return q.url(arg, n), true
}

func (q *query) url(n, sink *code.Node) answer {
	a := q.judgeValue(n, constantURL, "properly sanitized")
	if a.safe {
		if a.value.Kind == flow.Safe && strings.Contains(a.value.Why, "encoded as a part") && !q.flow.FixedOrigin(n) {
			v := q.flow.Value(n, flow.Plain)
			v.Cleaned = true
			return answer{value: v}
		}
		return a
	}
	if q.flow.FixedOrigin(n) {
		return safely("%s: scheme and host are written out on line %d, and a request decides what follows alone", constantURL, sink.Line)
	}
	return a
}
