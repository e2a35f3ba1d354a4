package judge

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
)

// elixirRules are Elixir's own: its functions belong to modules and take what
// they work on first. The other kinds are judged as everywhere.
var elixirRules = map[Type]rule{
	SQLInjection: elixirCall((*query).sqlElixir), NoSQLInjection: elixirCall((*query).nosqlElixir), XSS: xssElixir, CodeInjection: elixirCall((*query).codeElixir),
	CommandInjection: elixirCall((*query).commandElixir), PathTraversal: elixirCall((*query).pathElixir), SSRF: elixirCall((*query).ssrfElixir),
	OpenRedirect: elixirCall((*query).redirectElixir), XPathInjection: elixirCall((*query).xpathElixir), XXE: elixirCall((*query).xxeElixir),
	Deserialization: elixirCall((*query).termElixir), WeakHash: elixirCall((*query).hashElixir), WeakRandomness: elixirCall((*query).randomElixir),
	InsecureCookie: elixirCall((*query).cookieElixir),
}

// elixirCall makes a rule of one about calls, which gets the whole name of what
// is called.
func elixirCall(judge func(*query, *code.Node, string) (answer, bool)) rule {
	return func(q *query, n *code.Node) (answer, bool) {
		if n.Op != code.Call {
			return answer{}, false
		}
		return judge(q, n, n.Kids[0].Chain())
	}
}

// named says whether one of the functions is called, by its name alone where it
// is imported, or behind its module.
func named(chain string, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return chain == name || strings.HasSuffix(chain, "."+name) })
}

var (
	sqlModules   = regexp.MustCompile(`(^|\.)(Ecto\.Adapters\.SQL|SQL|Postgrex|MyXQL|Tds|Exqlite\.Sqlite3|Exqlite)\.(query|query!|query_many|query_many!|stream|execute|prepare|prepare!|prepare_execute|prepare_execute!)$`)
	repoRaw      = regexp.MustCompile(`Repo\.(query|query!|query_many|query_many!)$`)
	repoBound    = regexp.MustCompile(`Repo\.(all|one|one!|get|get!|get_by|get_by!|insert|insert!|insert_all|update|update!|update_all|delete|delete!|delete_all|exists\?|aggregate|stream|preload)$`)
	queryMacros  = regexp.MustCompile(`^(Ecto\.Query\.)?(from|where|or_where|select|order_by|join|having|dynamic)$`)
	shellElixir  = regexp.MustCompile(`^(System\.shell|:os\.cmd)$`)
	fileCalls    = regexp.MustCompile(`^(File\.(read|write|rm|rm_rf|open|stream|stat|lstat|ls|mkdir|mkdir_p|rmdir|touch|cp|cp_r|copy|rename|ln_s|cd|exists|dir|regular|read_link)[!?]?|Path\.(join|expand|absname|wildcard)|EEx\.eval_file|Code\.(eval_file|require_file|compile_file)|:file\.(read_file|write_file|open|consult|list_dir|delete)|:filename\.join)$`)
	twoPaths     = regexp.MustCompile(`(join|cp|cp_r|copy|rename|ln_s|expand)[!]?$`)
	fetchElixir  = regexp.MustCompile(`^(HTTPoison|Req|Tesla|Finch|HTTPotion|:httpc|:hackney|Mojito|Mint\.HTTP|Neuron|Download)\.(get|post|put|patch|delete|head|options|request|build|new|connect|from)!?$`)
	dataElixir   = regexp.MustCompile(`^(Jason|Poison|JSON|Msgpax|Jiffy|:jiffy|:json|Toml|YamlElixir|CSV|Plug\.Crypto)\.(decode|decode!|unpack|unpack!|parse|read_from_string|read_from_string!|non_executable_binary_to_term)$`)
	evalElixir   = regexp.MustCompile(`^(Code\.(eval_string|eval_quoted|compile_string|compile_quoted)|EEx\.(eval_string|compile_string)|Module\.(create|concat)|String\.to_atom|:erlang\.(binary_to_atom|list_to_atom)|List\.to_atom|Regex\.(compile|compile!)|:re\.(compile|run)|apply|Kernel\.apply|:erlang\.apply)$`)
	randomElixir = regexp.MustCompile(`^(:rand\.\w+|:random\.\w+|Enum\.(random|shuffle|take_random))$`)
)

func (q *query) sqlElixir(n *code.Node, chain string) (answer, bool) {
	i := 0
	switch {
	case sqlModules.MatchString(chain):
		i = 1
	case repoRaw.MatchString(chain), chain == "unsafe_fragment":
	case chain == "fragment" || chain == "Ecto.Query.API.fragment":
		if text := n.Arg(0); text != nil && text.Op == code.Str {
			return safely("parameterized query: the fragment on line %d is written out and its values are bound", n.Line), true
		}
	case chain == "execute" && n.Arg(0) != nil && q.readsLikeSQL(n.Arg(0)):
	case repoBound.MatchString(chain), queryMacros.MatchString(chain):
		return safely("parameterized query: Ecto binds the values of %s on line %d", chain, n.Line), true
	default:
		return answer{}, false
	}
	if n.Arg(i) == nil {
		return answer{}, false
	}
	return q.statement(n, n.Arg(i), n.Arg(i+1) != nil), true
}

func (q *query) nosqlElixir(n *code.Node, chain string) (answer, bool) {
	if !strings.HasPrefix(chain, "Mongo.") || n.Arg(2) == nil {
		return answer{}, false
	}
	return q.filter(n.Arg(2), 0), true
}

func xssElixir(q *query, n *code.Node) (answer, bool) {
	if n.Op == code.List && len(n.Kids) == 2 && n.Kids[0].Op == code.Str && n.Kids[0].Text == "safe" {
		return q.judgeValue(n.Kids[1], "constant value", escaping), true
	}
	if n.Op != code.Call {
		return answer{}, false
	}
	chain, i := n.Kids[0].Chain(), 0
	switch {
	case named(chain, "raw") && (chain == "raw" || strings.HasSuffix(chain, "HTML.raw")):
	case chain == "html" || chain == "Phoenix.Controller.html" || chain == "chunk" || chain == "Plug.Conn.chunk":
		i = 1
	case named(chain, "Plug.Conn.send_resp", "Plug.Conn.resp") || chain == "send_resp" || chain == "resp":
		i = 2
	case chain == "json" || chain == "text" || chain == "render" || strings.HasPrefix(chain, "Phoenix.Controller.") || named(chain, "html_escape", "content_tag"):
		return safely("%s: %s on line %d makes no HTML of what it is given, or escapes it", escaping, chain, n.Line), true
	default:
		return answer{}, false
	}
	if n.Arg(i) == nil {
		return answer{}, false
	}
	if i > 0 && chain != "html" && q.plainText(n) {
		return safely("%s: the content type of the answer is not HTML", escaping), true
	}
	return q.judgeValue(n.Arg(i), "constant value", escaping), true
}

func (q *query) codeElixir(n *code.Node, chain string) (answer, bool) {
	switch {
	case chain == "String.to_existing_atom" || chain == "Code.string_to_quoted":
		return safely("literal or constant: %s on line %d makes nothing that is not there, and runs nothing", chain, n.Line), true
	case !evalElixir.MatchString(chain) || n.Arg(0) == nil:
		return answer{}, false
	case strings.HasSuffix(chain, "apply") && n.Arg(1) != nil:
		if len(n.Args()) < 3 { // a function and its arguments
			return answer{}, false
		}
		return q.worstOf(n.Args()[:2], "literal or constant", "properly sanitized"), true
	}
	return q.judgeValue(n.Arg(0), "literal or constant", "properly sanitized"), true
}

func (q *query) commandElixir(n *code.Node, chain string) (answer, bool) {
	first := n.Arg(0)
	switch {
	case first == nil:
		return answer{}, false
	case shellElixir.MatchString(chain):
		return q.judgeValue(first, safeCommand, "properly sanitized"), true
	case chain == "System.cmd" || chain == "MuonTrap.cmd":
		words := []*code.Node{first}
		if list := q.flow.Resolve(n.Arg(1)); list != nil && list.Op == code.List {
			words = append(words, list.Kids...)
		} else if n.Arg(1) != nil {
			if name, ok := q.flow.Literal(first); ok && slices.Contains(shells, path.Base(name)) {
				return q.judgeValue(n.Arg(1), safeCommand, "properly sanitized"), true
			}
			words = append(words, n.Arg(1))
		}
		return q.words(words), true
	case chain == "Port.open":
		if tuple := q.flow.Resolve(first); tuple != nil && tuple.Op == code.List && len(tuple.Kids) == 2 {
			return q.judgeValue(tuple.Kids[1], safeCommand, "properly sanitized"), true
		}
	}
	return answer{}, false
}

func (q *query) pathElixir(n *code.Node, chain string) (answer, bool) {
	switch {
	case strings.HasPrefix(chain, "Path.safe_relative"):
		return safely("properly sanitized: %s on line %d refuses paths that leave its folder", chain, n.Line), true
	case named(chain, "send_file") && n.Arg(2) != nil:
		return q.judgeValue(n.Arg(2), "literal or constant path", "properly sanitized"), true
	case named(chain, "send_download") && n.Arg(1) != nil:
		if tuple := q.flow.Resolve(n.Arg(1)); tuple != nil && tuple.Op == code.List && len(tuple.Kids) > 1 && tuple.Kids[0].Text == "file" {
			return q.judgeValue(tuple.Kids[1], "literal or constant path", "properly sanitized"), true
		}
		return answer{}, false
	case !fileCalls.MatchString(chain) || n.Arg(0) == nil:
		return answer{}, false
	}
	args := positionalArgs(n)
	if !twoPaths.MatchString(chain) {
		args = args[:1]
	}
	return q.worstOf(args, "literal or constant path", "properly sanitized"), true
}

func positionalArgs(n *code.Node) []*code.Node {
	var out []*code.Node
	for _, a := range n.Args() {
		if a.Op != code.Pair {
			out = append(out, a)
		}
	}
	return out
}
