package judge

import (
	"regexp"
	"slices"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

var (
	secretName  = regexp.MustCompile(`(?i)(passw(or)?d|passwd|pwd|secret|api_?key|apikey|token|credential|private_?key|access_?key|auth_?key|encryption_?key|signing_?key|client_?secret|jwt|signature|hmac|digest|\bmac\b|otp|csrf|nonce|\bpin\b|session_?id|passphrase|\bhash\b|signing|webhook_?key|license_?key|_key$|Key$|^key$|mac$|Mac$|\bsig\b|sig$)`)
	publicName  = regexp.MustCompile(`(?i)(header|field|param|name|label|placeholder|url|path|endpoint|type|length|regex|pattern|prefix|suffix|id$|column|selector|hint|message|error|title|text|count|limit|ttl|expir|algo|format|public_?key|primary_?key|foreign_?key|cache_?key|sort_?key|key_?name|i18n|translation|event|route|status|kind|policy|env)`)
	comparesNot = regexp.MustCompile(`(?i)(^|\.|_)(id|role|status|type|kind|name|state|code|method|length|size|count|index|email|username|user_?id|level|version|mode|env|action|event|platform|path|url|host|page|format|category|locale|lang|content_?type)$`)
	// comparers take as long whatever they are given.
	comparers = regexp.MustCompile(`(^|\.)(timingSafeEqual|compare_digest|secure_compare|fixed_length_secure_compare|hash_equals|ConstantTimeCompare|constant_time_compare|isEqual|password_verify|check_password_hash|checkpw|verify_password|verify_pass|compare|compareSync|check_password|verify|safeCompare|safe_str_cmp|constantTimeEquals|constantTimeAreEqual|CompareHashAndPassword|Equal|authenticate|scmp|tsscmp)$`)
)

// timingRule: comparing a secret must take as long whatever is sent.
func timingRule(q *query, n *code.Node) (answer, bool) {
	var left, right *code.Node
	switch {
	case n.Op == code.Bin && slices.Contains([]string{"==", "===", "!=", "!==", "eql?", "is", "is not"}, n.Text):
		left, right = n.Kids[0], n.Kids[1]
	case n.Op == code.Call:
		chain := n.Kids[0].Chain()
		switch m := n.Method(); {
		case m == "equals" || m == "equalsIgnoreCase" || m == "eql?" || m == "localeCompare" || m == "contentEquals" || m == "compareTo":
			left, right = n.Receiver(), n.Arg(0)
		case m == "strcmp" || chain == "bytes.Equal" || chain == "bytes.Compare" || chain == "strings.Compare" || chain == "strings.EqualFold" || chain == "Arrays.equals" || chain == "reflect.DeepEqual":
			left, right = n.Arg(0), n.Arg(1)
		case comparers.MatchString(chain) && chain != "bytes.Equal":
			return safely("constant time: %s on line %d takes as long whatever is sent", chain, n.Line), true
		default:
			return answer{}, false
		}
	default:
		return answer{}, false
	}
	if left == nil || right == nil {
		return answer{}, false
	}
	for _, side := range []*code.Node{left, right} {
		if why := q.comparedConstant(side); why != "" {
			return safely("constant value: line %d compares with %s", n.Line, why), true
		}
	}
	if q.secret(left) || q.secret(right) {
		v := flow.Value{Kind: flow.Unknown}
		for _, side := range []*code.Node{left, right} {
			if sv := q.flow.Value(side, flow.Plain); sv.Kind > v.Kind {
				v = sv
			}
		}
		return answer{value: v, why: "Line " + itoa(n.Line) + " compares a secret byte by byte, which takes longer the more of it is right"}, true
	}
	if comparesNot.MatchString(lastName(left)) && comparesNot.MatchString(lastName(right)) || comparesNot.MatchString(lastName(left)) && right.Op == code.Call || left.Op == code.Unary || right.Op == code.Unary {
		return safely("constant value: neither side of the comparison on line %d is a secret", n.Line), true
	}
	v := q.flow.Value(left, flow.Plain)
	if r := q.flow.Value(right, flow.Plain); r.Kind > v.Kind {
		v = r
	}
	return answer{value: v}, true
}

// comparedConstant says which constant a side is; "" for none.
func (q *query) comparedConstant(n *code.Node) string {
	switch {
	case n.Op == code.Num || n.Op == code.Const:
		return n.Text
	case n.Op == code.Str:
		return "a literal"
	case n.Op == code.Unary && n.Text == "typeof":
		return "a type"
	case n.Op == code.Unary && n.Text == "-":
		return "a number"
	case n.Op == code.Member && (n.Text == "length" || n.Text == "size"):
		return "a length"
	case n.Op == code.Call && slices.Contains([]string{"len", "count", "strlen", "typeof", "gettype", "length", "size", "getClass", "type", "hashCode"}, n.Method()):
		return "a " + n.Method()
	case (n.Op == code.Name || n.Op == code.Member) && capsName.MatchString(n.Text) && !secretName.MatchString(n.Text):
		return "the constant " + n.Chain()
	case n.Op == code.Member && n.Kids[0].Op == code.Name && upperCamel.MatchString(n.Kids[0].Text) && upperCamel.MatchString(n.Text) && q.lang() != syntax.Go:
		return "the constant " + n.Chain()
	}
	return ""
}

var (
	capsName   = regexp.MustCompile(`^[A-Z][A-Z0-9_]+$`)
	upperCamel = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)
)

func lastName(n *code.Node) string {
	switch n.Op {
	case code.Name, code.Member:
		return n.Text
	case code.Index:
		if n.Kids[1].Op == code.Str {
			return n.Kids[1].Text
		}
		return lastName(n.Kids[0])
	case code.Call:
		if a := n.Arg(0); a != nil && a.Op == code.Str {
			return a.Text
		}
		return n.Method()
	}
	return ""
}

// secret says whether an expression holds a secret, by its name or by what it
// was made from.
func (q *query) secret(n *code.Node) bool {
	if secretName.MatchString(lastName(n)) && !regexp.MustCompile(`(?i)(id|name|type|length|count|status)$`).MatchString(lastName(n)) {
		return true
	}
	r := q.flow.Resolve(n)
	if r == nil {
		return false
	}
	found := false
	r.Walk(func(k *code.Node) bool {
		if k.Op == code.Call && slices.Contains([]string{"createHmac", "hash_hmac", "hexdigest", "digest", "doFinal", "Sum", "createHash"}, k.Method()) {
			found = true
		}
		return !found && k.Op != code.Func
	})
	return found || r != n && secretName.MatchString(lastName(r))
}
