package judge

import (
	"regexp"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

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
