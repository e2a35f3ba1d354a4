package flow

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// condition says why a name is harmless in cur, for the condition of p that
// holds there; "" when it is not.
func (f *Flow) condition(name string, cur, p *code.Node) string {
	switch {
	case (p.Op == code.If || p.Op == code.Cond) && len(p.Kids) > 1 && cur == p.Kids[1]:
		return f.holds(p.Kids[0], name, true)
	case (p.Op == code.If || p.Op == code.Cond) && len(p.Kids) > 2 && cur == p.Kids[2]:
		return f.holds(p.Kids[0], name, false)
	case p.Op == code.Bin && cur == p.Kids[1] && (p.Text == "&&" || p.Text == "and"):
		return f.holds(p.Kids[0], name, true)
	case p.Op == code.Bin && cur == p.Kids[1] && (p.Text == "||" || p.Text == "or"):
		return f.holds(p.Kids[0], name, false)
	case p.Op == code.Branches && cur != p.Kids[0] && p.Kids[0].Ref() == name && cur.Op == code.Block && len(cur.Kids) > 1:
		if k := cur.Kids[0]; k.Op == code.Str || k.Op == code.Num {
			return "line " + strconv.Itoa(k.Line) + " is reached for constants alone"
		}
	}
	return ""
}

// guarded looks for a guard of a chain such as req.query.sort itself.
func (f *Flow) guarded(chain string, at *code.Node) string {
	if chain == "" {
		return ""
	}
	if why := f.active[chain]; why != "" {
		return why
	}
	cur := at
	for p := cur.Parent; p != nil && cur.Op != code.Func; cur, p = p, p.Parent {
		f.steps++
		if why := f.condition(chain, cur, p); why != "" {
			return why
		}
		if p.Op != code.Block {
			continue
		}
		for _, k := range p.Kids {
			if k == cur {
				break
			}
			if k.Op == code.If || k.Op == code.Block || k.Op == code.Call || k.Op == code.Bin {
				if why := f.exitGuard(chain, k); why != "" {
					return why
				}
			}
		}
	}
	return ""
}

// exitGuard says why a name is harmless after a statement that leaves the
// function otherwise. Guards of other names are remembered, for the name may
// have been made of them before.
func (f *Flow) exitGuard(name string, n *code.Node) string {
	var cond *code.Node
	truth := false
	switch {
	case n.Op == code.Block && len(n.Kids) > 0:
		return f.exitGuard(name, n.Kids[len(n.Kids)-1])
	case n.Op == code.If && exits(n.Kids[1]):
		cond = n.Kids[0]
		if len(n.Kids) == 3 && n.Kids[2].Op == code.If && !exits(n.Kids[2]) {
			if why := f.exitGuard(name, n.Kids[2]); why != "" {
				return why
			}
		}
	case n.Op == code.If && len(n.Kids) == 3 && exits(n.Kids[2]):
		cond, truth = n.Kids[0], true
	case n.Op == code.Bin && (n.Text == "or" || n.Text == "||") && exits(n.Kids[1]):
		cond, truth = n.Kids[0], true
	case n.Op == code.Call:
		return f.throwingHelper(name, n)
	default:
		return ""
	}
	found := ""
	for _, other := range chains(cond) {
		if why := f.holds(cond, other, truth); why != "" {
			if other == name {
				found = why
			} else if f.active != nil {
				f.active[other] = why
			}
		}
	}
	if found == "" {
		found = f.holds(cond, name, truth)
	}
	return found
}

// chains are all names and members in a condition.
func chains(n *code.Node) []string {
	var out []string
	n.Walk(func(k *code.Node) bool {
		if k.Op == code.Name || k.Op == code.Member || k.Op == code.Index || k.Op == code.Call {
			if c := k.Ref(); c != "" && len(out) < 20 {
				out = append(out, c)
			}
		}
		return k.Op != code.Func
	})
	return out
}

// throwingHelper looks into a function that throws unless its argument is
// allowed.
func (f *Flow) throwingHelper(name string, call *code.Node) string {
	fn := f.helper(call)
	if fn == nil || f.busy[fn] > 0 {
		return ""
	}
	for i, p := range fn.Params() {
		if a := argument(call.Args(), p, i); a == nil || a.Chain() != name {
			continue
		}
		for _, k := range fn.Body().Kids {
			if k.Op == code.If && len(k.Kids) >= 2 && throws(k.Kids[1]) {
				if why := f.holds(k.Kids[0], p.Text, false); why != "" {
					return why + " (in " + fn.Text + ")"
				}
			}
		}
	}
	return ""
}

func throws(n *code.Node) bool {
	return n.Op == code.Throw || n.Op == code.Block && slices.ContainsFunc(n.Kids, throws) ||
		n.Op == code.Call && slices.Contains([]string{"abort", "wp_die", "panic", "halt"}, n.Kids[0].Chain())
}

// fact is an expression that is known to be true, or false.
type fact struct {
	expr  *code.Node
	truth bool
}

// facts takes a condition apart.
func facts(n *code.Node, truth bool) []fact {
	switch {
	case n.Op == code.Unary && n.Text == "!":
		return facts(n.Kids[0], !truth)
	case n.Op == code.Bin && (n.Text == "&&" || n.Text == "and") && truth,
		n.Op == code.Bin && (n.Text == "||" || n.Text == "or") && !truth:
		return append(facts(n.Kids[0], truth), facts(n.Kids[1], truth)...)
	case n.Op == code.Call && n.Method() == "Boolean" && len(n.Args()) == 1:
		return facts(n.Args()[0], truth)
	}
	return []fact{{n, truth}}
}

// holds says why a name is harmless where a condition has a truth.
func (f *Flow) holds(cond *code.Node, name string, truth bool) string {
	f.steps++
	if f.steps > maxSteps {
		return ""
	}
	all := facts(cond, truth)
	for _, k := range all {
		if k.expr.Op == code.Bin && (k.expr.Text == "&&" || k.expr.Text == "||" || k.expr.Text == "and" || k.expr.Text == "or") {
			// Both of the alternatives have to do.
			if a := f.holds(k.expr.Kids[0], name, k.truth); a != "" && f.holds(k.expr.Kids[1], name, k.truth) != "" {
				return a
			}
			continue
		}
		if why := f.atom(k.expr, name, k.truth); why != "" {
			return "line " + strconv.Itoa(cond.Line) + ": " + why
		}
	}
	if f.use == Redirect && relative(all, name) {
		return "line " + strconv.Itoa(cond.Line) + ": only paths of this site pass"
	}
	return ""
}

// relative says whether the facts let pass paths on the same site alone.
func relative(all []fact, name string) bool {
	slash, double := false, false
	for _, k := range all {
		m := k.expr.Method()
		if m != "startsWith" && m != "startswith" && m != "start_with?" && m != "str_starts_with" && m != "HasPrefix" {
			continue
		}
		subject, arg := k.expr.Receiver(), k.expr.Arg(0)
		if m == "str_starts_with" || m == "HasPrefix" {
			subject, arg = k.expr.Arg(0), k.expr.Arg(1)
		}
		if subject == nil || arg == nil || subject.Chain() != name {
			continue
		}
		slash = slash || arg.Text == "/" && k.truth
		double = double || arg.Text == "//" && !k.truth
	}
	return slash && double
}

func (f *Flow) atom(n *code.Node, name string, truth bool) string {
	switch n.Op {
	case code.Assign:
		return f.atom(n.Kids[1], name, truth)
	case code.Bin:
		return f.compared(n, name, truth)
	case code.Index:
		if truth && f.subject(n.Kids[1], name) && f.constantCollection(n.Kids[0]) {
			return name + " is a key of a constant table"
		}
	case code.Call:
		return f.tested(n, name, truth)
	case code.Name:
		return f.flagged(n, name, truth)
	}
	return ""
}

// flagged follows a boolean to the test that it holds.
func (f *Flow) flagged(n *code.Node, name string, truth bool) string {
	if n.Text == name {
		return ""
	}
	var nearest *code.Node
	for _, a := range f.File.Assigns[n.Text] {
		if a.Start < n.Start && a.Enclosing() == n.Enclosing() {
			nearest = a
		}
	}
	if nearest == nil || nearest.Op != code.Assign || f.busy[nearest] > 0 {
		return ""
	}
	f.busy[nearest]++
	defer func() { f.busy[nearest]-- }()
	for _, k := range facts(nearest.Kids[1], truth) {
		if why := f.atom(k.expr, name, k.truth); why != "" {
			return why
		}
	}
	return ""
}

// subject says whether an expression is the name, or the host of a URL made of
// it where that is what counts.
func (f *Flow) subject(n *code.Node, name string) bool {
	if n == nil {
		return false
	}
	if n.Ref() == name {
		return true
	}
	if n.Op == code.Call {
		if r := n.Receiver(); r != nil && slices.Contains([]string{"toLowerCase", "lower", "downcase", "trim", "toString", "to_s", "strip", "to_sym", "toUpperCase", "upper"}, n.Method()) {
			return f.subject(r, name)
		}
		if m := n.Method(); (m == "String" || m == "str" || m == "strtolower" || m == "ToLower") && n.Arg(0) != nil {
			return f.subject(n.Arg(0), name)
		}
	}
	return (f.use == SSRF || f.use == Redirect) && f.hostOf(n, name)
}

var hostNames = []string{"hostname", "host", "netloc", "origin", "Host", "Hostname", "getHost", "getAuthority"}

// hostOf says whether an expression is the host of the URL in a name.
func (f *Flow) hostOf(n *code.Node, name string) bool {
	if n.Op == code.Call && n.Method() == "parse_url" && n.Arg(0) != nil && n.Arg(1) != nil {
		return n.Arg(0).Ref() == name && n.Arg(1).Chain() == "PHP_URL_HOST"
	}
	if n.Op == code.Name {
		v := f.nearest(n.Text, n)
		return v != nil && v.Op != code.Name && f.hostOf(v, name)
	}
	key := n.Text
	object := n
	if n.Op == code.Call && n.Receiver() != nil {
		key, object = n.Method(), n.Callee()
	}
	if n.Op == code.Index && n.Kids[1].Op == code.Str {
		key = n.Kids[1].Text
	}
	if !slices.Contains(hostNames, key) || len(object.Kids) == 0 {
		return false
	}
	url := object.Kids[0]
	if url.Ref() == name {
		return true
	}
	return f.madeOf(url, name)
}

// madeOf says whether an expression parses the URL in a name.
func (f *Flow) madeOf(n *code.Node, name string) bool {
	if n.Op == code.Name {
		v := f.nearest(n.Text, n)
		return v != nil && v.Op != code.Name && f.madeOf(v, name)
	}
	if n.Op != code.Call && n.Op != code.New || n.Arg(0) == nil {
		return false
	}
	switch n.Method() {
	case "URL", "URI", "urlparse", "urlsplit", "parse", "parse_url", "Parse", "create", "new", "ParseRequestURI", "toURL":
		return n.Arg(0).Ref() == name || n.Arg(0).Op == code.Call && f.subject(n.Arg(0), name)
	}
	return false
}

func (f *Flow) compared(n *code.Node, name string, truth bool) string {
	left, right := n.Kids[0], n.Kids[1]
	switch n.Text {
	case "in", "not in":
		if (n.Text == "in") == truth && f.subject(left, name) && f.constantCollection(right) {
			return name + " is one of an allow-list"
		}
		if (n.Text == "in") != truth && f.use == Path && left.Op == code.Str && left.Text == ".." && f.subject(right, name) {
			return name + " has no .. in it"
		}
		return ""
	case "=~":
		if truth && f.subject(left, name) {
			return f.matches(right, "", name)
		}
		return ""
	case "instanceof":
		return ""
	}
	equal := n.Text == "==" || n.Text == "===" || n.Text == "is"
	if n.Text == "!=" || n.Text == "!==" || n.Text == "is not" {
		truth = !truth
		equal = true
	}
	switch {
	case equal && right.Op == code.Unary && right.Text == "-", n.Text == ">" && right.Op == code.Unary && right.Text == "-":
		// indexOf(x) === -1, > -1
		if left.Op == code.Call && slices.Contains([]string{"indexOf", "find", "index", "search"}, left.Method()) {
			return f.tested(left, name, truth != equal)
		}
	case (n.Text == ">=" || n.Text == "<") && right.Op == code.Num && right.Text == "0" && left.Op == code.Call && left.Method() == "indexOf":
		return f.tested(left, name, truth == (n.Text == ">="))
	case equal && right.Op == code.Const && (right.Text == "null" || right.Text == "none" || right.Text == "nil" || right.Text == "false"):
		if left.Op == code.Name && left.Text == "err" && right.Text == "nil" && truth {
			return f.parsed(left, name)
		}
		return f.atomIf(left, name, !truth)
	case equal && right.Op == code.Const && right.Text == "true":
		return f.atomIf(left, name, truth)
	case equal && right.Op == code.Num && right.Text == "0" && left.Op == code.Call && slices.Contains([]string{"strpos", "stripos", "indexOf"}, left.Method()):
		if truth {
			return f.prefixTest(left, left.Method(), name)
		}
		return ""
	case equal && right.Op == code.Num && (right.Text == "1" || right.Text == "0") && left.Op == code.Call:
		return f.atomIf(left, name, truth == (right.Text == "1"))
	}
	if !equal || !truth {
		return ""
	}
	if left.Op == code.Unary && left.Text == "typeof" && left.Kids[0].Ref() == name && right.Op == code.Str {
		if right.Text == "number" || right.Text == "boolean" || right.Text == "string" && f.use == NoSQL {
			return name + " is a " + right.Text
		}
		return ""
	}
	if f.use == Path && left.Op == code.Call && left.Method() == "commonpath" {
		return name + " lies inside the base folder"
	}
	for _, pair := range [][2]*code.Node{{left, right}, {right, left}} {
		if f.subject(pair[0], name) && (pair[1].Op == code.Str || pair[1].Op == code.Num || f.plainConstant(pair[1])) {
			return name + " equals a constant"
		}
	}
	return ""
}

func (f *Flow) plainConstant(n *code.Node) bool {
	if n.Op != code.Name && n.Op != code.Member {
		return false
	}
	r := f.Resolve(n)
	return r != nil && r.Op == code.Str || allCaps(n.Text)
}

// atomIf is atom, but not for a bare name.
func (f *Flow) atomIf(n *code.Node, name string, truth bool) string {
	if n.Op == code.Name {
		return f.flagged(n, name, truth)
	}
	return f.atom(n, name, truth)
}

var parsers = []string{"Atoi", "ParseInt", "ParseUint", "ParseFloat", "Parse", "ParseBool", "ParseAddr"}

// parsed follows Go's err to a parser that refused everything but a number.
func (f *Flow) parsed(err *code.Node, name string) string {
	var nearest *code.Node
	for _, a := range f.File.Assigns[err.Text] {
		if a.Start < err.Start && a.Enclosing() == err.Enclosing() {
			nearest = a
		}
	}
	if nearest == nil {
		return ""
	}
	call := nearest.Kids[1]
	if call.Op == code.Call && slices.Contains(parsers, call.Method()) && !strings.HasPrefix(call.Kids[0].Chain(), "url.") && call.Arg(0) != nil && call.Arg(0).Ref() == name {
		return name + " passed " + call.Kids[0].Chain()
	}
	return ""
}

// constantCollection says whether a collection holds constants alone.
func (f *Flow) constantCollection(n *code.Node) bool {
	if n == nil {
		return false
	}
	if n.Op == code.Name && allCaps(n.Text) && len(f.File.Assigns[n.Text]) == 0 && f.File.Language != syntax.Ruby {
		return true
	}
	r := f.Resolve(n)
	if r == nil {
		return false
	}
	switch r.Op {
	case code.List, code.Map:
		return f.allConstant(r)
	case code.New, code.Call:
		switch r.Method() {
		case "Set", "Map", "of", "asList", "set", "frozenset", "List", "freeze", "array_keys", "keys", "keySet", "HashSet", "unmodifiableList", "unmodifiableSet", "new", "tuple", "list", "ofEntries", "array_flip", "to_set":
			if r.Receiver() != nil && len(r.Args()) == 0 {
				return f.constantCollection(r.Receiver())
			}
			for _, a := range r.Args() {
				if a.Op == code.Str || a.Op == code.Num || f.constantCollection(a) {
					continue
				}
				return false
			}
			return len(r.Args()) > 0 || r.Receiver() != nil
		}
	case code.Name:
		return allCaps(r.Text) && len(f.File.Assigns[r.Text]) == 0
	case code.Member:
		return allCaps(r.Text) && len(f.File.Assigns[r.Chain()]) == 0
	}
	return false
}

func (f *Flow) allConstant(n *code.Node) bool {
	for _, k := range n.Kids {
		if k.Op == code.Pair && len(k.Kids) > 0 {
			if len(k.Kids) == 1 {
				continue // its key is written out
			}
			k = k.Kids[1]
		}
		switch {
		case k.Op == code.Str, k.Op == code.Num, k.Op == code.Const, k.Op == code.Regex:
		case (k.Op == code.Name || k.Op == code.Member) && allCaps(k.Text):
		case k.Op == code.List && f.allConstant(k):
		default:
			return false
		}
	}
	return len(n.Kids) > 0
}

var memberTests = []string{"includes", "has", "contains", "include?", "containsKey", "key?", "has_key?", "member?", "indexOf", "in_array", "array_key_exists", "isset", "Contains", "hasOwnProperty", "hasOwn", "exists", "value?", "containsValue"}

// tested judges a call that is known to be true, or false.
func (f *Flow) tested(n *code.Node, name string, truth bool) string {
	method := n.Method()
	if slices.Contains(memberTests, method) {
		if why := f.memberTest(n, method, name, truth); why != "" {
			return why
		}
	}
	if fn := f.helper(n); fn != nil {
		return f.predicate(fn, n, name, truth)
	}
	subject := n.Receiver()
	if subject == nil || subject.Chain() != name {
		subject = n.Arg(0)
	}
	switch method {
	case "isInteger", "isSafeInteger", "is_numeric", "ctype_digit", "ctype_alnum", "ctype_alpha", "is_int", "isdigit", "isdecimal", "isnumeric", "isalnum", "isalpha", "isNumeric", "isAlphanumeric", "isInt", "isUUID", "validate", "isidentifier":
		if truth && f.subject(subject, name) && (method != "validate" || strings.HasPrefix(n.Kids[0].Chain(), "uuid")) {
			return name + " passed " + method
		}
	case "isNaN":
		if !truth && f.subject(n.Arg(0), name) {
			return name + " is a number"
		}
	case "isinstance", "is_a?", "is_string", "kind_of?":
		return f.typed(n, name, truth)
	case "test", "match", "match?", "matches", "fullmatch", "preg_match", "MatchString", "matcher", "search", "find":
		if truth {
			return f.regexTest(n, method, name)
		}
	case "startsWith", "startswith", "start_with?", "str_starts_with", "HasPrefix", "is_relative_to", "strpos":
		if truth {
			return f.prefixTest(n, method, name)
		}
		if f.use == Path && (method == "startsWith" || method == "HasPrefix") {
			return f.relativeTest(n, name)
		}
	case "IsLocal":
		if truth && f.use == Path && f.subject(n.Arg(0), name) {
			return name + " is a local path"
		}
	case "compare_digest", "timingSafeEqual", "hash_equals", "secure_compare", "Equal", "isEqual", "verify":
		if truth && f.use == Deserialize && mentions(n, name) {
			return "the signature of " + name + " is checked"
		}
	case "url_has_allowed_host_and_scheme", "is_safe_url", "url_from":
		if truth && f.use == Redirect && f.subject(n.Arg(0), name) {
			return name + " passed " + method
		}
	}
	return ""
}

// mentions says whether a name occurs in an expression, or in what a name of it
// was made from.
func mentions(n *code.Node, name string) bool {
	found := false
	n.Walk(func(k *code.Node) bool {
		found = found || k.Ref() == name
		return !found
	})
	return found
}

func (f *Flow) memberTest(n *code.Node, method, name string, truth bool) string {
	collection, subject := n.Receiver(), n.Arg(0)
	chain := n.Kids[0].Chain()
	switch {
	case method == "in_array" || method == "array_key_exists":
		collection = n.Arg(1)
	case method == "isset":
		if a := n.Arg(0); a != nil && a.Op == code.Index {
			collection, subject = a.Kids[0], a.Kids[1]
		}
	case chain == "slices.Contains" || chain == "Object.hasOwn" || strings.HasSuffix(chain, "hasOwnProperty.call") || chain == "strings.Contains" || chain == "lo.Contains":
		collection, subject = n.Arg(0), n.Arg(1)
	}
	if truth && f.subject(subject, name) && f.constantCollection(collection) && !f.isText(collection) {
		return name + " is one of an allow-list"
	}
	if !truth && f.use == Path && collection != nil && f.subject(collection, name) && subject != nil && subject.Op == code.Str && (subject.Text == ".." || subject.Text == "/") {
		return name + " has no " + subject.Text + " in it"
	}
	return ""
}

func (f *Flow) isText(n *code.Node) bool {
	r := f.Resolve(n)
	return r != nil && (r.Op == code.Str || r.Op == code.Interp)
}

func (f *Flow) typed(n *code.Node, name string, truth bool) string {
	if !truth {
		return ""
	}
	subject, kind := n.Arg(0), n.Arg(1)
	if n.Method() == "is_a?" || n.Method() == "kind_of?" {
		subject, kind = n.Receiver(), n.Arg(0)
	}
	text := n.Method() == "is_string"
	if kind != nil {
		switch kind.Chain() {
		case "int", "float", "bool", "Integer", "Numeric":
			if f.subject(subject, name) {
				return name + " is a number"
			}
		case "str", "String":
			text = true
		}
	}
	if text && f.use == NoSQL && f.subject(subject, name) {
		return name + " is a string"
	}
	return ""
}

func (f *Flow) regexTest(n *code.Node, method, name string) string {
	receiver, first := n.Receiver(), n.Arg(0)
	switch {
	case f.subject(receiver, name): // x.match(/…/), x.matches("…")
		return f.matches(first, method, name)
	case receiver != nil && receiver.Chain() == "re" || method == "preg_match" || receiver != nil && (receiver.Chain() == "Pattern" || receiver.Chain() == "regexp"):
		if f.subject(n.Arg(1), name) {
			return f.matches(first, method, name)
		}
	case method == "matches" && receiver != nil && receiver.Op == code.Call && receiver.Method() == "matcher":
		if f.subject(receiver.Arg(0), name) {
			return f.matches(receiver.Receiver(), method, name)
		}
	case f.subject(first, name):
		return f.matches(receiver, method, name)
	}
	return ""
}

// matches says whether a pattern lets harmless text pass alone.
func (f *Flow) matches(n *code.Node, method, name string) string {
	p := f.compiled(n)
	if p == nil || p.Op != code.Regex && p.Op != code.Str {
		return ""
	}
	text, flags := p.Text, p.Type
	if method == "preg_match" {
		if len(text) < 2 {
			return ""
		}
		if i := strings.LastIndexByte(text, text[0]); i > 0 {
			text, flags = text[1:i], text[i+1:]
		}
	}
	if strictPattern(text, flags, method, f.File.Language, f.use) {
		return name + " matches " + p.Text
	}
	return ""
}

var fixedHost = regexp.MustCompile(`^\^https?:(\\?/){2}([a-zA-Z0-9-]+\\\.)+[a-zA-Z]+(\\?/|\$)`)

// strictPattern says whether a regular expression is anchored at both ends and
// lets only harmless characters pass.
func strictPattern(text, flags, method string, language syntax.Language, use Use) bool {
	if (use == SSRF || use == Redirect) && fixedHost.MatchString(text) && language != syntax.Ruby {
		return true
	}
	body := text
	whole := method == "fullmatch" || method == "matches"
	start, end := false, false
	for _, anchor := range []string{`\A`, "^"} {
		if b, ok := strings.CutPrefix(body, anchor); ok && (anchor != "^" || language != syntax.Ruby && !strings.Contains(flags, "m")) {
			body, start = b, true
			break
		}
	}
	for _, anchor := range []string{`\z`, `\Z`, "$"} {
		if b, ok := strings.CutSuffix(body, anchor); ok && !strings.HasSuffix(b, `\`) && (anchor != "$" || language != syntax.Ruby && !strings.Contains(flags, "m")) {
			body, end = b, true
			break
		}
	}
	start = start || method == "match" && language == syntax.Python
	if !whole && (!start || !end) {
		return false
	}
	return harmlessPattern(body, use)
}

var classPattern = regexp.MustCompile(`\[(\^?)((?:\\.|[^\]\\])*)\]`)

func harmlessPattern(body string, use Use) bool {
	rest := body
	for _, m := range classPattern.FindAllStringSubmatch(body, -1) {
		if m[1] != "" || !harmlessClass(m[2], use) {
			return false
		}
	}
	rest = classPattern.ReplaceAllString(rest, "")
	depth := 0
	for i := 0; i < len(rest); i++ {
		c := rest[i]
		switch {
		case c == '\\' && i+1 < len(rest):
			i++
			if !strings.ContainsRune(`wdbt.-_@`, rune(rest[i])) {
				return false
			}
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == '|':
			if depth == 0 {
				return false
			}
		case c == '.', c == '^', c == '$':
			return false
		case c == '{' || c == '}' || c == '+' || c == '*' || c == '?' || c == ',' || c == ':' || c == '-' || c == '_' || c == '@':
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		default:
			return false
		}
	}
	return depth == 0
}

var resolvers = []string{"resolve", "realpath", "abspath", "normalize", "getCanonicalPath", "toRealPath", "Clean", "Abs", "EvalSymlinks", "expand_path", "realpathSync", "getCanonicalFile", "Join", "toAbsolutePath"}

// prefixTest judges x.startsWith(y).
func (f *Flow) prefixTest(n *code.Node, method, name string) string {
	subject, prefix := n.Receiver(), n.Arg(0)
	if method == "str_starts_with" || method == "HasPrefix" || method == "strpos" {
		subject, prefix = n.Arg(0), n.Arg(1)
	}
	if subject == nil || prefix == nil {
		return ""
	}
	if s := subject; s.Op == code.Call && s.Receiver() != nil && (s.Method() == "toString" || s.Method() == "getPath" || s.Method() == "getCanonicalPath" || s.Method() == "to_s") && f.use == Path {
		if s.Receiver().Ref() == name && s.Method() == "getCanonicalPath" {
			return name + " lies inside the base folder"
		}
		subject = s.Receiver()
	}
	switch f.use {
	case Path:
		if subject.Chain() != name && (subject.Op != code.Call || subject.Method() != "str") {
			return ""
		}
		resolved := false
		if v := f.nearest(name, n); v != nil {
			v.Walk(func(k *code.Node) bool {
				resolved = resolved || k.Op == code.Call && slices.Contains(resolvers, k.Method())
				return !resolved
			})
		}
		if resolved {
			return name + " is resolved and lies inside the base folder"
		}
	case SSRF, Redirect:
		p := f.Resolve(prefix)
		if subject.Ref() == name && p != nil && p.Op == code.Str && fixedOrigin(p.Text) {
			return name + " begins with " + p.Text
		}
	}
	return ""
}

// relativeTest judges path.relative(base, x).startsWith('..') being false.
func (f *Flow) relativeTest(n *code.Node, name string) string {
	subject, prefix := n.Receiver(), n.Arg(0)
	if n.Method() == "HasPrefix" {
		subject, prefix = n.Arg(0), n.Arg(1)
	}
	if subject == nil || prefix == nil || !strings.HasPrefix(prefix.Text, "..") {
		return ""
	}
	if v := f.nearest(subject.Chain(), n); v != nil {
		subject = v
	}
	if m := subject.Method(); subject.Op == code.Call && (m == "relative" || m == "Rel") && subject.Arg(1) != nil && subject.Arg(1).Ref() == name {
		return name + " lies inside the base folder"
	}
	return ""
}

// nearest is the value of the last assignment to a name before a node, in the
// same function.
func (f *Flow) nearest(name string, n *code.Node) *code.Node {
	var found *code.Node
	for _, a := range f.File.Assigns[name] {
		if a.Start < n.Start && a.Enclosing() == n.Enclosing() {
			if v := f.bound(name, a.Kids[0], a.Kids[1]); v != nil {
				found = v
			}
		}
	}
	return found
}

// fixedOrigin says whether a text fixes scheme and host of a URL.
func fixedOrigin(text string) bool {
	rest, ok := strings.CutPrefix(text, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(text, "http://")
	}
	i := strings.IndexAny(rest, "/?#")
	return ok && i > 0
}

// predicate looks into a function that tells whether its argument is allowed.
func (f *Flow) predicate(fn, call *code.Node, name string, truth bool) string {
	if !truth || f.busy[fn] > 0 {
		return ""
	}
	f.busy[fn]++
	defer func() { f.busy[fn]-- }()
	for i, p := range fn.Params() {
		if a := argument(call.Args(), p, i); a == nil || !f.subject(a, name) {
			continue
		}
		found, bad := "", false
		fn.Body().Walk(func(n *code.Node) bool {
			if n.Op == code.Return && len(n.Kids) > 0 {
				v := n.Kids[0]
				if v.Op == code.Const && (v.Text == "false" || v.Text == "null" || v.Text == "nil") {
					return false
				}
				why := ""
				for _, k := range facts(v, true) {
					if why == "" {
						why = f.atom(k.expr, p.Text, k.truth)
					}
				}
				if why == "" && f.use == Redirect && relative(facts(v, true), p.Text) {
					why = "only paths of this site pass"
				}
				if why == "" && v.Op == code.Const && v.Text == "true" {
					why = f.passed(n, p.Text)
				}
				if why == "" {
					bad = true
				} else {
					found = why
				}
				return false
			}
			return n.Op != code.Func
		})
		if found != "" && !bad {
			return found + " (in " + fn.Text + ")"
		}
	}
	return ""
}

// passed is the guard before a return true.
func (f *Flow) passed(n *code.Node, name string) string {
	cur := n
	for p := cur.Parent; p != nil && cur.Op != code.Func; cur, p = p, p.Parent {
		if why := f.condition(name, cur, p); why != "" {
			return why
		}
		if p.Op != code.Block {
			continue
		}
		for _, k := range p.Kids {
			if k == cur {
				break
			}
			if why := f.exitGuard(name, k); why != "" {
				return why
			}
		}
	}
	return ""
}
