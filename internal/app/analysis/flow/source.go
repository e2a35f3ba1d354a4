package flow

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// sourceRule tells request input by its chain. text says which of it is a
// string whatever is sent.
type sourceRule struct{ pattern, text *regexp.Regexp }

var sourceRules = map[syntax.Language]sourceRule{
	syntax.JavaScript: {
		regexp.MustCompile(`^((this\.)?(req|request|ctx\.request|ctx\.req|context\.request|event\.request)\.(body|query|params|param\(\)|headers|header\(\)|get\(\)|cookies|signedCookies|files?|url|originalUrl|hostname|rawBody|json\(\)|text\(\)|formData\(\)|nextUrl|on\(\))|(ctx|context)\.(query|params|request|querystring|cookies\.get\(\))|(event|evt)\.(queryStringParameters|pathParameters|body|headers|multiValueQueryStringParameters)|(window\.|document\.|self\.)?location\.(search|hash|href|pathname)|document\.(cookie|URL|referrer|documentURI)|window\.name)`),
		regexp.MustCompile(`(\.params\b|\.headers|\.get\(\)|\.header\(\)|\.url|\.originalUrl|\.hostname|location|document|window\.name|\.text\(\)|pathParameters|queryStringParameters|cookies)`),
	},
	syntax.Python: {
		regexp.MustCompile(`^((self\.)?(request|req|flask\.request)\.(args|form|values|json|data|GET|POST|files|FILES|cookies|COOKIES|headers|META|body|query_params|path_params|get_json\(\)|get_data\(\)|query_string|params|stream|url|full_path|matchdict|match_info|query|rel_url|path|get_full_path\(\)|DATA)|self\.get_(query_|body_)?arguments?\(\)|bottle\.request)`),
		regexp.MustCompile(`\.(args|form|values|GET|POST|cookies|COOKIES|headers|META|query_params|path_params|query_string|url|path|full_path|matchdict|match_info)|get_argument`),
	},
	syntax.Ruby: {
		regexp.MustCompile(`^(params(\b|\[\])|request\.(params|body|headers|query_string|path|referer|referrer|env|GET|POST|query_parameters|request_parameters|original_url|url|fullpath|user_agent|raw_post|cookies)|cookies\[\]|session_params|controller\.params|@?params\b|request\[\])`),
		regexp.MustCompile(`\.(query_string|path|referer|url|fullpath|raw_post|user_agent|headers)|cookies`),
	},
	syntax.PHP: {
		regexp.MustCompile(`^(_(GET|POST|REQUEST|COOKIE|SERVER|FILES)\b|(this\.)?request\.(input|get|query|post|all|json|cookie|header|file|route|request|getContent|getParam|getParsedBody|getQueryParams|getQuery|getPost|getBody|only|string|headers|cookies)\b|request\(\)|Input\.(get|all)|Request\.(input|get|query)|filter_input\(\)|getallheaders\(\)|apache_request_headers\(\))`),
		regexp.MustCompile(`_SERVER|_COOKIE|header|getContent|getBody`),
	},
	syntax.Java: {
		regexp.MustCompile(`\.(getParameter|getParameterValues|getParameterMap|getHeader|getHeaders|getQueryString|getCookies|getInputStream|getReader|getRequestURI|getRequestURL|getPathInfo|getServletPath|getPart|queryParams|pathParam|queryParam|formParam|getQueryParams)\(\)$`),
		regexp.MustCompile(`.`),
	},
	syntax.Elixir: {
		regexp.MustCompile(`^((conn|(Plug\.Conn\.)?fetch_(query_params|cookies)\(\))\.(params|query_params|body_params|path_params|req_headers|req_cookies|cookies|query_string|request_path|path_info|host)\b|(Plug\.Conn\.)?(get_req_header|read_body|request_url)\(\))`),
		regexp.MustCompile(`query_string|request_path|host|req_headers|get_req_header|read_body|request_url|cookies`),
	},
	syntax.Go: {
		regexp.MustCompile(`^((r|req|request|c\.Request|ctx\.Request|c\.Request\(\))\.(URL\.(Query\(\)|Path|RawQuery|RawPath|Fragment|String\(\))|FormValue\(\)|PostFormValue\(\)|Form|PostForm|MultipartForm|Header|Body|RequestURI|PathValue\(\)|Cookie\(\)|Cookies\(\)|Referer\(\)|UserAgent\(\)|Host|FormFile\(\))|mux\.Vars\(\)|chi\.URLParam\(\)|(c|ctx|e)\.(Query|Param|PostForm|DefaultQuery|QueryParam|FormValue|GetHeader|GetQuery|Params|Cookie|GetRawData|Bind|BindJSON|ShouldBindJSON|ShouldBind|BodyParser|FormParams|QueryArray|PostFormArray|ShouldBindQuery|Body)\(\))`),
		regexp.MustCompile(`.`),
	},
}

// source says whether a node is request input, and whether it is a string
// whatever is sent. It is the smallest part of a chain that is.
func (f *Flow) source(n *code.Node) (is, text bool) {
	language := f.File.Language
	if language == syntax.TypeScript {
		language = syntax.JavaScript
	}
	rule, ok := sourceRules[language]
	if !ok {
		return false, false
	}
	chain := n.Chain()
	if chain == "" {
		return f.oddSource(n)
	}
	root := rootOf(n)
	if root != nil && language == syntax.Python {
		if what := f.File.Imports[root.Text]; what != "" && strings.HasSuffix(what, ".request") {
			chain = "request" + strings.TrimPrefix(chain, root.Text)
		}
	}
	if root != nil && (language == syntax.JavaScript) && root.Text != "req" && root.Text != "request" && f.isRequest(root) {
		chain = "req" + strings.TrimPrefix(chain, root.Text)
	}
	if root != nil && language == syntax.Go && f.goRequest(root) {
		chain = "r" + strings.TrimPrefix(chain, root.Text)
	}
	if !rule.pattern.MatchString(chain) || n.Op == code.Call && f.after(n, rule) {
		return f.oddSource(n)
	}
	if root != nil && f.shadowed(root) {
		return false, false
	}
	if language == syntax.PHP && strings.HasPrefix(chain, "filter_input()") && f.filtered(n) {
		return false, false
	}
	// A request's body in Go or Java may be decoded to anything.
	text = rule.text.MatchString(chain) && !strings.Contains(chain, ".Body") && !strings.Contains(chain, "getInputStream") && !strings.Contains(chain, "getReader")
	if language == syntax.JavaScript && strings.Contains(chain, ".query") && !strings.Contains(chain, "location") {
		text = false // a query may hold objects
	}
	return true, text
}

var getters = []string{"get", "Get", "getlist", "getAll", "fetch", "input", "dig", "require", "permit", "to_h", "to_unsafe_h", "json", "text", "slice", "pop", "Query", "Values", "values", "items", "read", "all", "except"}

// after says whether a call is made on what is a source already: then it is
// judged as any call.
func (f *Flow) after(n *code.Node, rule sourceRule) bool {
	r := n.Receiver()
	if r == nil || slices.Contains(getters, n.Method()) {
		return false
	}
	chain := r.Chain()
	return chain != "" && rule.pattern.MatchString(chain)
}

func rootOf(n *code.Node) *code.Node {
	for n.Op == code.Member || n.Op == code.Index || n.Op == code.Call {
		n = n.Kids[0]
	}
	if n.Op != code.Name {
		return nil
	}
	return n
}

// oddSource knows what has no plain chain.
func (f *Flow) oddSource(n *code.Node) (is, text bool) {
	if f.File.Language == syntax.PHP && n.Op == code.Call && n.Method() == "file_get_contents" {
		if a := n.Arg(0); a != nil && a.Op == code.Str && a.Text == "php://input" {
			return true, true
		}
	}
	return false, false
}

// shadowed says whether a name like params is set by this file to something of
// its own before it is used.
func (f *Flow) shadowed(root *code.Node) bool {
	switch root.Text {
	case "params", "cookies", "event", "context", "c", "ctx", "e":
	default:
		return false
	}
	for _, a := range f.File.Assigns[root.Text] {
		if a.Enclosing() == root.Enclosing() && a.Start < root.Start && (a.Kids[1].Op == code.Map || a.Kids[1].Op == code.Str || a.Kids[1].Op == code.List) {
			return true
		}
	}
	return false
}

var routeMethods = []string{"get", "post", "put", "delete", "patch", "use", "all", "createServer", "route", "head", "options"}

// isRequest says whether a name is the first parameter of a route's handler.
func (f *Flow) isRequest(root *code.Node) bool {
	fn := root.Enclosing()
	for fn != nil {
		for i, p := range fn.Params() {
			if p.Text != root.Text {
				continue
			}
			if i == 0 && len(fn.Params()) >= 2 && fn.Parent != nil && fn.Parent.Op == code.Call && slices.Contains(routeMethods, fn.Parent.Method()) {
				return true
			}
			return strings.Contains(p.Type, "Request") && !strings.Contains(p.Type, "RequestInit")
		}
		fn = fn.Enclosing()
	}
	return false
}

// goRequest says whether a name is a parameter of the type *http.Request.
func (f *Flow) goRequest(root *code.Node) bool {
	for fn := root.Enclosing(); fn != nil; fn = fn.Enclosing() {
		for _, p := range fn.Params() {
			if p.Text == root.Text {
				return p.Type == "*http.Request"
			}
		}
	}
	return false
}

// filtered says whether PHP's filter_input is told to accept numbers alone.
func (f *Flow) filtered(n *code.Node) bool {
	for n.Op != code.Call && len(n.Kids) > 0 {
		n = n.Kids[0]
	}
	a := n.Arg(2)
	return a != nil && harmlessFilter(a.Chain())
}

func harmlessFilter(name string) bool {
	return strings.HasPrefix(name, "FILTER_VALIDATE_INT") || strings.HasPrefix(name, "FILTER_VALIDATE_FLOAT") || strings.HasPrefix(name, "FILTER_VALIDATE_BOOL") || name == "FILTER_SANITIZE_NUMBER_INT"
}

var (
	javaSources   = []string{"RequestParam", "PathVariable", "RequestBody", "RequestHeader", "CookieValue", "QueryParam", "PathParam", "FormParam", "HeaderParam", "ModelAttribute", "MatrixVariable", "RequestPart"}
	pythonRoutes  = []string{"route", "get", "post", "put", "delete", "patch", "api_route", "websocket"}
	handlerParams = []string{"body", "query", "params", "headers", "cookies"}
	nestSources   = []string{"Body", "Query", "Param", "Headers", "Req"}
)

// parameterSource knows parameters that a framework fills from the request.
func (f *Flow) parameterSource(fn, p *code.Node, i int, pattern *code.Node) (Value, bool) {
	tainted := Value{Kind: Tainted, Source: p, Name: p.Text}
	switch f.File.Language {
	case syntax.Java, syntax.TypeScript, syntax.JavaScript:
		for _, d := range p.Deco {
			name := d.Text
			if d.Op == code.Call {
				name = d.Method()
			}
			if slices.Contains(javaSources, name) || slices.Contains(nestSources, name) {
				tainted.Text = p.Type == "String" || p.Type == "string"
				return tainted, true
			}
		}
		if pattern != nil && f.File.Language != syntax.Java && i == 0 && len(fn.Params()) >= 1 {
			// ({ body }, res) => …
			first := pattern
			for len(first.Kids) > 0 && (first.Kids[0].Op != code.Name || first.Kids[0].Text != "\x00") {
				first = first.Kids[0]
			}
			if first.Op == code.Member && slices.Contains(handlerParams, first.Text) && len(fn.Params()) >= 2 {
				return tainted, true
			}
		}
	case syntax.Elixir:
		if f.actionParameter(fn, p, i, pattern) {
			return tainted, true
		}
	case syntax.Python:
		for _, d := range fn.Deco {
			if d.Op == code.Call && slices.Contains(pythonRoutes, d.Method()) && d.Receiver() != nil && p.Text != "self" && p.Text != "request" {
				if strings.Contains(routeText(d), "int:"+p.Text) || strings.Contains(routeText(d), "uuid:"+p.Text) {
					return safe("the route takes numbers alone for " + p.Text), true
				}
				tainted.Text = p.Type == "str" || p.Type == ""
				return tainted, true
			}
		}
	}
	return Value{}, false
}

func routeText(d *code.Node) string {
	if a := d.Arg(0); a != nil {
		return a.Text
	}
	return ""
}
