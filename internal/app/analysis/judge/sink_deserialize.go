package judge

import (
	"regexp"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

var (
	harmlessLoads = regexp.MustCompile(`^(JSON\.parse|json\.loads?|yaml\.safe_load|yaml\.safe_load_all|YAML\.safe_load|Psych\.safe_load|json_decode|ujson\.loads|orjson\.loads|msgpack\.(unpackb|loads)|MessagePack\.unpack|json\.Unmarshal|yaml\.Unmarshal|xml\.Unmarshal|toml\.Unmarshal|proto\.Unmarshal|gob\.NewDecoder|Oj\.safe_load|igbinary_unserialize_safe|ast\.literal_eval|tomllib\.loads|JSON\.load)$`)
	loadCalls     = regexp.MustCompile(`(^|\.)(pickle\.loads?|cPickle\.loads?|_pickle\.loads?|dill\.loads?|cloudpickle\.loads?|jsonpickle\.decode|marshal\.loads?|shelve\.open|yaml\.(load|load_all|full_load|unsafe_load)|joblib\.load|torch\.load|pandas\.read_pickle|pd\.read_pickle|read_pickle|Marshal\.(load|restore)|YAML\.(load|unsafe_load|load_file)|Psych\.(load|unsafe_load)|Oj\.load|unserialize|serialize\.unserialize|deserialize|deepDeserialize|Cryo\.parse|cryo\.parse|fromXML|readObject|readUnshared|funcster\.deepDeserialize|SerializationUtils\.deserialize|load|readValue|loads|Unpickler)$`)
)

func deserializeRule(q *query, n *code.Node) (answer, bool) {
	if n.Op != code.Call && n.Op != code.New {
		return answer{}, false
	}
	chain := strings.TrimSuffix(q.original(n.Kids[0].Chain()), "()")
	method := n.Method()
	if harmlessLoads.MatchString(chain) || method == "Decode" && q.lang() == syntax.Go || method == "Unmarshal" {
		return safely("data alone: %s on line %d makes no objects of other classes", chain, n.Line), true
	}
	chained := n.Op == code.Call && chain == "" && (method == "readObject" || method == "load" || method == "fromXML")
	if q.lang() == syntax.Go || !loadCalls.MatchString(chain) && !chained {
		return answer{}, false
	}
	receiver := n.Receiver()
	switch q.lang() {
	case syntax.JavaScript:
		if method == "load" {
			if v := q.option(n, "schema"); v != nil && strings.Contains(v.Chain(), "FULL") || v != nil && strings.Contains(v.Chain(), "UNSAFE") {
				break
			}
			if receiver == nil || !strings.Contains(strings.ToLower(receiver.Chain()), "yaml") {
				return answer{}, false
			}
			return safely("data alone: js-yaml's load on line %d makes plain values", n.Line), true
		}
		if method == "loads" || method == "readValue" {
			return answer{}, false
		}
	case syntax.Python:
		if strings.HasPrefix(chain, "yaml.") {
			loader := n.Named("Loader")
			if loader == nil {
				loader = n.Arg(1)
			}
			if loader != nil && strings.Contains(loader.Chain(), "Safe") || loader != nil && strings.Contains(loader.Chain(), "BaseLoader") {
				return safely("data alone: %s on line %d makes plain values", loader.Chain(), n.Line), true
			}
		}
		if v := n.Named("weights_only"); v != nil && v.Text == "true" {
			return safely("data alone: weights_only on line %d makes plain values", n.Line), true
		}
		if method == "load" && chain == "load" || method == "loads" && (chain == "loads" || strings.HasPrefix(chain, "json")) || method == "deserialize" {
			return answer{}, false
		}
	case syntax.PHP:
		if v := q.option(n, "allowed_classes"); v != nil && v.Text == "false" {
			return safely("data alone: line %d allows no classes", n.Line), true
		}
	case syntax.Ruby:
		if v := n.Named("mode"); v != nil && (v.Text == "strict" || v.Text == "compat" || v.Text == "null") {
			return safely("data alone: mode %s on line %d makes plain values", v.Text, n.Line), true
		}
		if method == "load" && receiver != nil && receiver.Chain() == "JSON" {
			return answer{}, false
		}
	case syntax.Java:
		return q.javaObject(n, method, receiver)
	}
	arg := n.Arg(0)
	if arg == nil {
		arg = receiver
	}
	return q.judgeValue(arg, "constant value", "properly sanitized"), true
}

// option is a value of an options argument, wherever it stands.
func (q *query) option(n *code.Node, key string) *code.Node {
	for _, a := range n.Args() {
		if a.Op == code.Pair && a.Text == key {
			return a.Kids[0]
		}
		if r := q.flow.Resolve(a); r != nil && r.Op == code.Map {
			if v := r.Named(key); v != nil {
				return v
			}
		}
	}
	return nil
}

func (q *query) javaObject(n *code.Node, method string, receiver *code.Node) (answer, bool) {
	if receiver == nil {
		return answer{}, false
	}
	made := q.flow.Resolve(receiver)
	class := ""
	if made != nil && made.Op == code.New {
		class = made.Method()
	}
	switch method {
	case "readValue":
		if q.called(n, receiver.Chain(), "enableDefaultTyping", "activateDefaultTyping") {
			return q.judgeValue(n.Arg(0), "constant value", "properly sanitized"), true
		}
		return safely("data alone: Jackson on line %d makes the class that is named", n.Line), true
	case "load":
		if class == "Yaml" {
			if a := made.Arg(0); a != nil && strings.Contains(a.Method(), "Safe") {
				return safely("data alone: SafeConstructor makes plain values"), true
			}
			return q.judgeValue(n.Arg(0), "constant value", "properly sanitized"), true
		}
		return answer{}, false
	case "readObject", "readUnshared":
		if q.called(n, receiver.Chain(), "setObjectInputFilter") || class == "ValidatingObjectInputStream" || class == "LookAheadObjectInputStream" {
			return safely("data alone: a filter decides which classes %s may make", receiver.Chain()), true
		}
		return q.judgeValue(receiver, "constant value", "properly sanitized"), true
	case "fromXML":
		if q.called(n, receiver.Chain(), "allowTypes", "allowTypesByWildcard", "setupDefaultSecurity") {
			return safely("data alone: only allowed types are made"), true
		}
	}
	if n.Arg(0) == nil {
		return answer{}, false
	}
	return q.judgeValue(n.Arg(0), "constant value", "properly sanitized"), true
}

// called says whether one of the methods is called on an object before n.
func (q *query) called(n *code.Node, object string, methods ...string) bool {
	return q.callOn(n, object, methods...) != nil
}

func (q *query) callOn(n *code.Node, object string, methods ...string) *code.Node {
	for _, m := range methods {
		for _, c := range q.file.code.Calls[m] {
			if r := c.Receiver(); r != nil && r.Chain() == object && c.Start < n.Start && (c.Enclosing() == n.Enclosing() || c.Enclosing() == nil) {
				return c
			}
		}
	}
	return nil
}
