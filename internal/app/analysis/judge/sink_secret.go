package judge

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

func itoa(n int) string { return strconv.Itoa(n) }

var (
	knownSecrets = regexp.MustCompile(`(sk_live_|sk_test_|rk_live_|pk_live_|sk-[A-Za-z0-9]{16,}|AKIA[0-9A-Z]{12,}|ASIA[0-9A-Z]{12,}|gh[pousr]_[A-Za-z0-9]{20,}|glpat-|xox[baprs]-|AIza[0-9A-Za-z_-]{20,}|SG\.[A-Za-z0-9_-]{10,}|-----BEGIN [A-Z ]*PRIVATE KEY|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}|Bearer [A-Za-z0-9._-]{16,}|npm_[A-Za-z0-9]{20,})`)
	withPassword = regexp.MustCompile(`[a-z+]+://[^:/\s]+:([^@/\s]+)@`)
	placeholders = regexp.MustCompile(`(?i)^(|x+|\*+|\.+|-+|<[^>]*>|\{\{?[^}]*\}?\}|\$\{[^}]*\}|\[[^\]]*\]|change_?me|replace_?me|your[-_ ].*|todo|tbd|n/?a|none|null|example.*|dummy|placeholder|redacted|insert[-_ ].*|password|secret|token|undefined|%s|\?)$`)
	quotedName   = regexp.MustCompile(`^[a-zA-Z][\w. -]*$`)
)

// secretRule judges a value that is written out beside a secret's name.
func secretRule(q *query, n *code.Node) (answer, bool) {
	var name string
	var value *code.Node
	switch n.Op {
	case code.Assign:
		if n.Text == "declare" {
			return answer{}, false
		}
		name, value = lastName(n.Kids[0]), n.Kids[1]
		if value.Op == code.Map || value.Op == code.List || value.Op == code.Func || value.Op == code.New || value.Op == code.Call && len(value.Args()) > 0 && value.Named("password") != nil {
			return answer{}, false
		}
	case code.Pair:
		name, value = n.Text, n.Kids[0]
	case code.Param:
		if len(n.Kids) == 0 {
			return answer{}, false
		}
		name, value = n.Text, n.Kids[len(n.Kids)-1]
	case code.Bin:
		if !slices.Contains([]string{"==", "===", "||", "??"}, n.Text) || n.Parent != nil && (n.Parent.Op == code.Assign || n.Parent.Op == code.Pair) {
			return answer{}, false
		}
		name, value = lastName(n.Kids[0]), n.Kids[1]
	case code.Call, code.New:
		return q.secretCall(n)
	case code.Str, code.Interp:
		if n.Parent == nil || n.Parent.Op != code.Interp && knownSecrets.MatchString(q.flowText(n)) {
			return surely("Line %d holds what looks like a live credential", n.Line), true
		}
		return answer{}, false
	default:
		return answer{}, false
	}
	if value.Op == code.Map {
		return answer{}, false
	}
	return q.secretValue(name, value, n.Line)
}

func (q *query) flowText(n *code.Node) string {
	var b strings.Builder
	for _, p := range q.flow.Parts(n) {
		b.WriteString(p.Text)
	}
	return b.String()
}

func (q *query) secretValue(name string, value *code.Node, line int) (answer, bool) {
	switch value.Op {
	case code.Str:
		return q.secretText(name, value.Text, line)
	case code.Bin:
		if value.Text == "||" || value.Text == "??" || value.Text == "or" {
			if a, ok := q.secretValue(name, value.Kids[1], line); ok && a.certain {
				a.why = "Line " + itoa(line) + " falls back to a value that is written out for " + name
				return a, true
			}
			return q.secretValue(name, value.Kids[0], line)
		}
		if value.Text == "+" || value.Text == "." {
			if text := q.flowText(value); knownSecrets.MatchString(text) || len(text) > 12 && q.allText(value) {
				return q.secretText(name, text, line)
			}
			return answer{value: q.flow.Value(value, flow.Plain)}, true
		}
	case code.Interp:
		if text := q.flowText(value); knownSecrets.MatchString(text) {
			return surely("Line %d holds what looks like a live credential", line), true
		}
		return safely("environment variable or config: line %d puts the value together at run time", line), true
	case code.Call, code.Member, code.Index, code.Name:
		if value.Op == code.Call && fallbackCall(value) {
			if fall := value.Arg(1); fall != nil {
				if a, ok := q.secretValue(name, fall, line); ok && a.certain {
					a.why = "Line " + itoa(line) + " falls back to a value that is written out for " + name
					return a, true
				}
			}
		}
		if value.Op == code.Call {
			if decoded := q.decoded(value); decoded != "" {
				return q.secretText(name, decoded, line)
			}
		}
		if value.Op == code.Name || value.Op == code.Member {
			if r := q.flow.Resolve(value); r != nil && r.Op == code.Str {
				return q.secretText(name, r.Text, line)
			}
		}
		return safely("environment variable or config: line %d reads the value at run time", line), true
	case code.Const:
		return safely("environment variable or config: line %d sets no value", line), true
	case code.Cond:
		for _, k := range value.Kids[1:] {
			if a, ok := q.secretValue(name, k, line); ok && a.certain {
				return a, true
			}
		}
	}
	return answer{value: flow.Value{Kind: flow.Unknown}}, true
}

func fallbackCall(n *code.Node) bool {
	return slices.Contains([]string{"get", "getenv", "fetch", "env", "getOrDefault", "getProperty", "Getenv", "get_env"}, n.Method())
}

// decoded is a constant that is only written in another way.
func (q *query) decoded(n *code.Node) string {
	if slices.Contains([]string{"b64decode", "base64_decode", "atob", "decode64", "decode", "DecodeString", "from", "toString", "getBytes", "encode", "freeze", "trim", "toCharArray"}, n.Method()) {
		for _, k := range append(slices.Clone(n.Args()), n.Receiver()) {
			if k == nil {
				continue
			}
			if k.Op == code.Str && len(k.Text) >= 6 && !slices.Contains([]string{"base64", "utf-8", "utf8", "ascii", "UTF-8"}, k.Text) {
				return k.Text
			}
			if k.Op == code.Call {
				if text := q.decoded(k); text != "" {
					return text
				}
			}
		}
	}
	return ""
}

func (q *query) allText(n *code.Node) bool {
	for _, p := range q.flow.Parts(n) {
		if p.Node != nil {
			return false
		}
	}
	return true
}

func (q *query) secretText(name, text string, line int) (answer, bool) {
	switch {
	case knownSecrets.MatchString(text):
		return surely("Line %d holds what looks like a live credential", line), true
	case withPassword.MatchString(text):
		if m := withPassword.FindStringSubmatch(text); !placeholders.MatchString(m[1]) {
			return surely("The address on line %d holds a password", line), true
		}
		return safely("environment variable or config: the address on line %d holds a placeholder", line), true
	case placeholders.MatchString(text):
		return safely("environment variable or config: the value on line %d is a placeholder", line), true
	case strings.Contains(text, "://") || strings.Count(text, " ") > 1 || strings.HasPrefix(text, "/") || strings.HasPrefix(text, "#") || strings.HasPrefix(text, "."):
		return safely("constant value: the text on line %d is an address or a message, no secret", line), true
	}
	secretly := secretName.MatchString(name)
	switch {
	case secretly && publicName.MatchString(name) && entropy(text) < 3.6:
		return safely("constant value: %s on line %d names a field or a header, no secret", name, line), true
	case secretly && quotedName.MatchString(text) && secretName.MatchString(text) && !strings.ContainsAny(text, "0123456789") && entropy(text) < 3.6:
		return safely("constant value: the text on line %d names a secret and is none", line), true
	case secretly && len(text) >= 4:
		return surely("%s is written out on line %d", name, line), true
	case len(text) >= 20 && entropy(text) > 4 && !strings.ContainsAny(text, " <>"):
		return answer{value: flow.Value{Kind: flow.Suspicious, Name: orWord(name, "the text")}, why: "random text"}, true
	case !secretly && name != "":
		return safely("constant value: %s on line %d is not named like a secret", name, line), true
	}
	return unknown(), true
}

func orWord(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// entropy is in bits for each character.
func entropy(text string) float64 {
	counts := map[rune]float64{}
	for _, r := range text {
		counts[r]++
	}
	h := 0.0
	for _, c := range counts {
		p := c / float64(len([]rune(text)))
		h -= p * math.Log2(p)
	}
	return h
}

var secretTakers = regexp.MustCompile(`(?i)(^|\.)(sign|verify|createHmac|hash_hmac|new_?hmac|createCipheriv|setPassword|login|connect|getConnection|jwt|SecretKeySpec|hmac|authenticate|basic_auth|auth|HTTPBasicAuth|mysqli_connect|mysqli|PDO|mysql_connect|stripe|Stripe|setApiKey|SetBasicAuth|SignedString|signWith|encode|setSigningKey|init)$`)

// secretCall judges keys and passwords that are passed written out.
func (q *query) secretCall(n *code.Node) (answer, bool) {
	chain := n.Kids[0].Chain()
	if environmentCall.MatchString(chain) && (!fallbackCall(n) || n.Arg(1) == nil) {
		if n.Parent != nil && (n.Parent.Op == code.Assign || n.Parent.Op == code.Pair || n.Parent.Op == code.Bin) {
			return answer{}, false
		}
		return safely("environment variable or config: line %d reads the value at run time", n.Line), true
	}
	if n.Method() == "define" && q.lang() == syntax.PHP {
		if name, value := n.Arg(0), n.Arg(1); name != nil && value != nil {
			return q.secretValue(name.Text, value, n.Line)
		}
	}
	if !secretTakers.MatchString(chain) {
		return answer{}, false
	}
	position := 1
	method := n.Method()
	switch method {
	case "setPassword", "SecretKeySpec", "Stripe", "stripe", "setApiKey", "SignedString", "setSigningKey", "signWith":
		position = 0
	case "getConnection", "mysqli_connect", "mysqli", "PDO", "mysql_connect":
		position = 2
	case "login", "basic_auth", "HTTPBasicAuth", "SetBasicAuth":
		position = 1
	}
	arg := n.Arg(position)
	if arg == nil {
		return answer{}, false
	}
	if arg.Op == code.Call && len(arg.Args()) == 0 && arg.Receiver() != nil && arg.Receiver().Op == code.Str {
		arg = arg.Receiver()
	}
	if arg.Op == code.Cast {
		arg = arg.Kids[0]
	}
	r := q.flow.Resolve(arg)
	if r != nil && r.Op == code.Str && len(r.Text) >= 4 && !placeholders.MatchString(r.Text) && strings.Count(r.Text, " ") < 2 {
		return surely("%s on line %d is passed a secret that is written out", method, n.Line), true
	}
	if r != nil && r.Op != code.Str {
		if v := q.flow.Value(arg, flow.Plain); v.Kind != flow.Constant || v.Why != "" {
			return safely("environment variable or config: line %d reads the value at run time", n.Line), true
		}
	}
	return answer{}, false
}

var environmentCall = regexp.MustCompile(`(^|\.)(getenv|get_env|fetch_env!?|compile_env!?|Getenv|environ\.get|env|config|credentials|fetch|get_secret|getSecret|get_secret_value|LookupEnv|getProperty|dig|readSecret|System\.getenv|ENV\.fetch|secrets\.get|vault\.read|decrypt|getString|get_password)$`)
