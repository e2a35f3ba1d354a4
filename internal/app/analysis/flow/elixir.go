package flow

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

func (f *Flow) elixir() bool { return f.File.Language == syntax.Elixir }

// branched is the value of a branch: in Elixir, of what its blocks end with.
// What is branched on does not come into it.
func (f *Flow) branched(n *code.Node, fr *frame) (Value, bool) {
	if !f.elixir() {
		return Value{}, false
	}
	var kids []*code.Node
	switch n.Op {
	case code.Block:
		kids = n.Kids[max(0, len(n.Kids)-1):]
	case code.If, code.Branches:
		kids = n.Kids[1:]
	case code.Try:
		kids = n.Kids
	case code.Loop:
		kids = n.Kids[len(n.Kids)-1:]
	case code.Return:
		kids = n.Kids
	default:
		return Value{}, false
	}
	v, first := Value{Text: true}, true
	for _, k := range kids {
		if k.Op == code.Throw || k.Op == code.Block && len(k.Kids) > 0 && k.Kids[len(k.Kids)-1].Op == code.Throw {
			continue
		}
		if kv := f.eval(k, fr); first {
			v, first = kv, false
		} else {
			v = join(v, kv)
		}
	}
	return v, true
}

var (
	elixirNumbers = regexp.MustCompile(`^(String\.(to_integer|to_float|length|valid\?)|Integer\.\w+!?|Float\.\w+|Decimal\.\w+|Ecto\.UUID\.\w+!?|UUID\.\w+!?|(Date|Time|DateTime|NaiveDateTime)\.from_iso8601!?|Date\.\w+|length|byte_size|bit_size|map_size|tuple_size|div|rem|round|trunc|Enum\.(count|member\?|any\?|all\?)|Base\.(encode16|encode32|encode64|url_encode64)|:erlang\.(phash2|system_time|unique_integer)|System\.(system_time|os_time|unique_integer|monotonic_time)|is_\w+)$`)
	// elixirCleaners make a value safe for one use, beside those of all languages.
	elixirCleaners = map[Use]*regexp.Regexp{
		XSS:      regexp.MustCompile(`(^|\.)(html_escape|html_escape_to_iodata|safe_to_string|javascript_escape|HtmlSanitizeEx\.\w+|content_tag|tag|encode_www_form)$`),
		Code:     regexp.MustCompile(`(^|\.)(Regex\.escape|String\.to_existing_atom)$`),
		Path:     regexp.MustCompile(`(^|\.)(Path\.safe_relative|Path\.safe_relative_to|Slug\.slugify|encode_www_form)$`),
		SSRF:     regexp.MustCompile(`(^|\.)URI\.(encode_www_form|encode_query)$`),
		LDAP:     regexp.MustCompile(`(^|\.)(equalityMatch|escape_filter)$`),
		NoSQL:    regexp.MustCompile(`(^|\.)(to_string|decode!|BSON\.ObjectId\.\w+!?)$`),
		Redirect: regexp.MustCompile(`(^|\.)URI\.(encode_www_form|encode_query)$`),
	}
)

// cleanseElixir evaluates a call that makes a value harmless, or that picks from
// a constant table; false when it is neither.
func (f *Flow) cleanseElixir(n *code.Node, fr *frame) (Value, bool) {
	chain := n.Kids[0].Chain()
	if f.File.Funcs[n.Method()] != nil && n.Receiver() == nil {
		return Value{}, false
	}
	if elixirNumbers.MatchString(chain) {
		return safe("a number or a text of fixed form since " + chain), true
	}
	switch chain {
	case "Map.get", "Map.fetch", "Map.fetch!", "Keyword.get", "Keyword.fetch!", "Access.get":
		if f.constantCollection(n.Arg(0)) {
			v := f.values(orSelf(f.Resolve(n.Arg(0))), fr)
			if d := n.Arg(2); d != nil {
				v = join(v, f.eval(d, fr))
			}
			if v.Kind == Constant {
				v.Why = "picked from a constant table"
			}
			return v, true
		}
	case "String.replace":
		if p, with := f.Resolve(n.Arg(1)), n.Arg(2); p != nil && p.Op == code.Regex && with != nil && with.Op == code.Str && keepsHarmless(p.Text, f.use) && harmlessText(with.Text) {
			return safe("everything but what " + p.Text + " leaves is taken out"), true
		}
	case "Regex.replace":
		if p, with := f.Resolve(n.Arg(0)), n.Arg(2); p != nil && p.Op == code.Regex && with != nil && with.Op == code.Str && keepsHarmless(p.Text, f.use) && harmlessText(with.Text) {
			return safe("everything but what " + p.Text + " leaves is taken out"), true
		}
	}
	if pattern := elixirCleaners[f.use]; pattern != nil && pattern.MatchString(chain) {
		return safe(phrase[f.use] + " by " + chain), true
	}
	return Value{}, false
}

// mapped is the function that a call gives the elements of its first argument,
// and whose results alone it returns; nil for other calls.
func (f *Flow) mapped(n *code.Node) *code.Node {
	if !f.elixir() {
		return nil
	}
	switch n.Kids[0].Chain() {
	case "Enum.map", "Enum.flat_map", "Enum.map_join", "Stream.map", "then":
		for _, a := range n.Args() {
			if a.Op == code.Func {
				return a
			}
		}
	}
	return nil
}

// module says whether a name is one of Elixir's or Erlang's modules.
func (f *Flow) module(n *code.Node) bool {
	return f.elixir() && n.Op == code.Name && n.Text != "" && (n.Text[0] == ':' || n.Text[0] >= 'A' && n.Text[0] <= 'Z' || n.Text == "__MODULE__")
}

// clauses are the definitions that a function consists of: in Elixir, all of the
// same name and number of parameters.
func (f *Flow) clauses(fn *code.Node) []*code.Node {
	if !f.elixir() || fn.Text == "" {
		return []*code.Node{fn}
	}
	var out []*code.Node
	f.spend(len(f.File.Funcs[fn.Text]) / 4)
	for _, other := range f.File.Funcs[fn.Text] {
		if len(other.Params()) == len(fn.Params()) {
			out = append(out, other)
		}
	}
	return out
}

// same says whether two definitions are of one function.
func (f *Flow) same(a, b *code.Node) bool {
	return a == b || f.elixir() && a != nil && a.Text == b.Text && len(a.Params()) == len(b.Params())
}

// clauseFor is the first definition that takes so many arguments, defaults
// counted; nil for none.
func (f *Flow) clauseFor(n *code.Node) *code.Node {
	if r := n.Receiver(); r != nil && r.Chain() != "__MODULE__" && !f.classNamed(r.Chain()) {
		return nil
	}
	count := len(n.Args())
	for _, fn := range f.File.Funcs[n.Method()] {
		least := 0
		for _, p := range fn.Params() {
			if p.Text == "" || len(p.Kids) == 0 || p.Kids[0].Op == code.Map || p.Kids[0].Op == code.List {
				least++
			}
		}
		if count >= least && count <= len(fn.Params()) {
			return fn
		}
	}
	return nil
}

var (
	inputNames  = []string{"params", "_params", "query_params", "body_params", "path_params", "req_cookies", "cookies", "req_headers"}
	paramsName  = regexp.MustCompile(`^(params|\w+_params|payload|unsigned_params)$`)
	liveActions = []string{"handle_event", "handle_params", "handle_in", "mount", "join"}
)

// actionParameter knows what Phoenix hands to actions, channels and live views.
func (f *Flow) actionParameter(fn, p *code.Node, i int, pattern *code.Node) bool {
	if strings.HasPrefix(f.File.Tree.Slice(fn.Start, fn.End), "defp") {
		return false
	}
	if pattern != nil { // %{params: %{"id" => id}} = conn
		first := pattern
		for len(first.Kids) > 0 && (first.Kids[0].Op != code.Name || first.Kids[0].Text != "\x00") {
			first = first.Kids[0]
		}
		if first.Op == code.Member && slices.Contains(inputNames, first.Text) && (p.Text == "conn" || p.Type == "Plug.Conn" || p.Type == "Conn") {
			return true
		}
	}
	params := fn.Params()
	named := paramsName.MatchString(strings.TrimPrefix(p.Text, "_")) || stringKeys(p)
	switch {
	case slices.Contains(liveActions, fn.Text) && len(params) == 3:
		return (i == 1 && fn.Text != "mount" || i == 0 && (fn.Text == "mount" || fn.Text == "handle_params")) && (named || p.Text != "")
	case len(params) == 2 && i == 1:
		return named && isConn(params[0])
	}
	return false
}

func isConn(p *code.Node) bool {
	return strings.TrimPrefix(p.Text, "_") == "conn" || p.Type == "Plug.Conn" || p.Type == "Conn" || p.Text == "socket"
}

// stringKeys says whether a parameter is a pattern with keys that are texts, as
// a request's are.
func stringKeys(p *code.Node) bool {
	for _, k := range p.Kids {
		if k.Op != code.Map || k.Type != "" {
			continue
		}
		for _, pair := range k.Kids {
			if pair.Op == code.Pair && pair.Text != "" && pair.Start < pair.Kids[0].Start {
				return true
			}
		}
	}
	return false
}

// testedElixir judges a call that is known to be true, or false: its subject is
// an argument.
func (f *Flow) testedElixir(n *code.Node, name string, truth bool) string {
	first, second := n.Arg(0), n.Arg(1)
	switch n.Kids[0].Chain() {
	case "is_integer", "is_float", "is_number", "is_boolean":
		if truth && f.subject(first, name) {
			return name + " is a number"
		}
	case "is_binary":
		if truth && f.use == NoSQL && f.subject(first, name) {
			return name + " is a string"
		}
	case "Enum.member?", "MapSet.member?", "Map.has_key?", "is_map_key", "Keyword.has_key?":
		if truth && f.subject(second, name) && f.constantCollection(first) {
			return name + " is one of an allow-list"
		}
	case "Regex.match?":
		if truth && f.subject(second, name) {
			return f.matches(first, "match?", name)
		}
	case "String.match?":
		if truth && f.subject(first, name) {
			return f.matches(second, "match?", name)
		}
	case "String.contains?":
		if !truth && f.use == Path && f.subject(first, name) && holdsDots(second) {
			return name + " has no .. in it"
		}
	case "String.starts_with?":
		if truth {
			return f.startsElixir(n, first, second, name)
		}
	}
	return ""
}

// holdsDots says whether a text, or one of several, is what leads upwards.
func holdsDots(n *code.Node) bool {
	if n == nil {
		return false
	}
	if n.Op == code.List {
		return slices.ContainsFunc(n.Kids, holdsDots)
	}
	return n.Op == code.Str && (n.Text == ".." || n.Text == "/" || n.Text == "../")
}

func (f *Flow) startsElixir(n, subject, prefix *code.Node, name string) string {
	if subject == nil || prefix == nil {
		return ""
	}
	switch f.use {
	case Path:
		if subject.Chain() != name {
			return ""
		}
		expanded := false
		if v := f.nearest(name, n); v != nil {
			v.Walk(func(k *code.Node) bool {
				expanded = expanded || k.Op == code.Call && k.Kids[0].Chain() == "Path.expand"
				return !expanded
			})
		}
		if expanded {
			return name + " is expanded and lies inside the base folder"
		}
	case SSRF, Redirect:
		if p := f.Resolve(prefix); subject.Ref() == name && p != nil && p.Op == code.Str && fixedOrigin(p.Text) {
			return name + " begins with " + p.Text
		}
	}
	return ""
}
