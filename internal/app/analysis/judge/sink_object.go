package judge

import (
	"regexp"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
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

var (
	xmlCalls  = set(`parse parseXml parseXmlString parseString fromstring XML iterparse simplexml_load_string simplexml_load_file loadXML load xml_parse createXMLStreamReader createXMLEventReader unmarshal build transform newDocumentBuilder newSAXParser read Unmarshal Decode NewDecoder XMLReader parseXmlAsync strict_parse validate newXMLReader`)
	xmlObject = regexp.MustCompile(`(?i)xml|dom|sax|etree|lxml|nokogiri|rexml|document|builder|parser|factory|reader|libxml|\bdb\b|unmarshaller|ox$`)
	noEntity  = regexp.MustCompile(`(?i)noent|dtdload|substitute_entities|NOENT`)
)

// xxeRule: a parser that fetches entities is the fault, given input that is not
// constant.
func xxeRule(q *query, n *code.Node) (answer, bool) {
	if n.Op != code.Call && n.Op != code.New || !xmlCalls[n.Method()] && n.Method() != "XMLParser" {
		return answer{}, false
	}
	chain := q.original(n.Kids[0].Chain())
	if !xmlObject.MatchString(chain) && !xmlObject.MatchString(n.Method()) {
		return answer{}, false
	}
	method := n.Method()
	input := n.Arg(0)
	if input != nil {
		if v := q.flow.Value(input, flow.XML); v.Kind == flow.Constant && v.Why == "" && input.Op == code.Str && strings.Contains(input.Text, "<") {
			return safely("constant value: line %d parses a document that is written out", n.Line), true
		}
	}
	switch q.lang() {
	case syntax.Go:
		return safely("no external entities: encoding/xml on line %d does not fetch any", n.Line), true
	case syntax.JavaScript:
		if v := q.option(n, "noent"); v != nil && v.Text == "true" {
			return q.fetches(n, input, "noent: true")
		}
		if v := q.option(n, "dtdload"); v != nil && v.Text == "true" {
			return q.fetches(n, input, "dtdload: true")
		}
		return safely("no external entities: the parser on line %d does not fetch any by default", n.Line), true
	case syntax.Ruby:
		text := q.file.tree.Slice(n.Start, n.End)
		if noEntity.MatchString(text) {
			return q.fetches(n, input, "NOENT or DTDLOAD")
		}
		return safely("no external entities: the parser on line %d does not fetch any by default", n.Line), true
	case syntax.PHP:
		return q.phpXML(n, method, input)
	case syntax.Python:
		return q.pythonXML(n, chain, input)
	case syntax.Java:
		return q.javaXML(n, input)
	}
	return answer{}, false
}

func (q *query) fetches(n, input *code.Node, option string) (answer, bool) {
	if input != nil {
		if v := q.flow.Value(input, flow.XML); v.Kind >= flow.Suspicious {
			return answer{value: v}, true
		}
	}
	return surely("The parser on line %d fetches external entities (%s)", n.Line, option), true
}

func (q *query) phpXML(n *code.Node, method string, input *code.Node) (answer, bool) {
	text := q.file.tree.Slice(n.Start, n.End)
	if q.file.code.Calls["libxml_disable_entity_loader"] != nil {
		for _, c := range q.file.code.Calls["libxml_disable_entity_loader"] {
			if a := c.Arg(0); c.Start < n.Start && (a == nil || a.Text == "true") && c.Enclosing() == n.Enclosing() {
				return safely("no external entities: the loader is switched off on line %d", c.Line), true
			}
		}
	}
	option := strings.Contains(text, "LIBXML_NOENT") || strings.Contains(text, "LIBXML_DTDLOAD")
	for _, a := range n.Args() {
		if r := q.flow.Resolve(a); r != nil && r != a && strings.Contains(q.file.tree.Slice(r.Start, r.End), "LIBXML_NOENT") {
			option = true
		}
	}
	if r := n.Receiver(); r != nil && len(q.file.code.Assigns[r.Chain()+".substituteEntities"]) > 0 {
		option = true
	}
	if option {
		return q.fetches(n, input, "LIBXML_NOENT")
	}
	if method == "load" && n.Receiver() == nil {
		return answer{}, false
	}
	return safely("no external entities: libxml substitutes none without LIBXML_NOENT on line %d", n.Line), true
}

func (q *query) pythonXML(n *code.Node, chain string, input *code.Node) (answer, bool) {
	switch {
	case strings.Contains(chain, "defusedxml"):
		return safely("no external entities: defusedxml refuses them"), true
	case strings.Contains(chain, "lxml") || strings.HasPrefix(chain, "etree."):
		var parser *code.Node
		if n.Method() == "XMLParser" {
			parser = n
		} else if p := n.Named("parser"); p != nil {
			parser = q.flow.Resolve(p)
		} else if p := n.Arg(1); p != nil {
			parser = q.flow.Resolve(p)
		}
		if parser != nil && parser.Op == code.Call {
			if v := parser.Named("resolve_entities"); v != nil && v.Text == "false" {
				return safely("no external entities: resolve_entities is false on line %d", parser.Line), true
			}
		}
		return q.fetches(n, input, "lxml resolves entities unless told not to")
	case strings.Contains(chain, "sax") || strings.Contains(chain, "minidom") || strings.Contains(chain, "ElementTree") || strings.Contains(chain, "xml.etree"):
		for _, c := range q.file.code.Calls["setFeature"] {
			if a, b := c.Arg(0), c.Arg(1); a != nil && b != nil && strings.Contains(a.Chain(), "feature_external_ges") && b.Text == "true" && c.Start < n.Start {
				return q.fetches(n, input, "feature_external_ges")
			}
		}
		return safely("no external entities: expat on line %d fetches none by default", n.Line), true
	}
	return answer{}, false
}

var javaHardening = regexp.MustCompile(`disallow-doctype-decl|external-general-entities|ACCESS_EXTERNAL_DTD|SUPPORT_DTD|IS_SUPPORTING_EXTERNAL_ENTITIES|load-external-dtd`)

// javaXML looks for the settings that switch entities off, on the parser or on
// the factory that made it.
func (q *query) javaXML(n, input *code.Node) (answer, bool) {
	fn := n.Enclosing()
	scope := fn
	if scope == nil {
		scope = q.file.code.Root
	}
	objects := map[string]bool{}
	for cur, i := n.Receiver(), 0; cur != nil && i < 6; i++ {
		root := cur
		for root.Op == code.Member || root.Op == code.Call || root.Op == code.Index {
			root = root.Kids[0]
		}
		objects[root.Chain()] = true
		next := q.flow.Resolve(root)
		if next == root || next == nil {
			break
		}
		if helper := q.file.code.Funcs[next.Method()]; next.Op == code.Call && len(helper) == 1 {
			scope = q.file.code.Root
		}
		cur = next
	}
	hardened := ""
	scope.Walk(func(k *code.Node) bool {
		if k.Op == code.Call && (k.Method() == "setFeature" || k.Method() == "setProperty" || k.Method() == "setAttribute") && k.Arg(0) != nil && k.Arg(1) != nil {
			r := k.Receiver()
			name := k.Arg(0).Text
			if k.Arg(0).Op == code.Member {
				name = k.Arg(0).Text
			}
			value := k.Arg(1)
			off := value.Text == "false" || value.Op == code.Str && value.Text == "" || value.Chain() == "Boolean.FALSE"
			if strings.Contains(name, "disallow-doctype-decl") {
				off = value.Text == "true" || value.Chain() == "Boolean.TRUE"
			}
			if r != nil && (objects[r.Chain()] || scope == q.file.code.Root) && k.Start < n.End+1_000_000 && javaHardening.MatchString(name) && off && (k.Start < n.Start || scope == q.file.code.Root) {
				hardened = name
			}
		}
		return true
	})
	if hardened != "" {
		return safely("no external entities: %s is set before line %d", hardened, n.Line), true
	}
	if n.Method() == "newDocumentBuilder" || n.Method() == "newSAXParser" {
		return answer{value: flow.Value{Kind: flow.Unknown}, certain: true, why: "The parser made on line " + itoa(n.Line) + " fetches external entities: nothing switches them off"}, true
	}
	return q.fetches(n, input, "nothing switches them off")
}
