package insert

import (
	"regexp"
	"strings"
)

// python is pytest and unittest.
type python struct{ unittest bool }

func (p python) place(f *file) *spot {
	var last uint32
	for _, k := range f.NamedChildren(0) {
		class := k
		if f.Kind(k) == "decorated_definition" {
			class = f.Child(k, "definition")
		}
		switch f.Kind(class) {
		case "class_definition":
			if s := p.class(f, class); s != nil {
				return s
			}
		case "function_definition":
			if strings.HasPrefix(f.Text(f.Child(class, "name")), "test_") {
				last = k
			}
		}
	}
	if last == 0 || p.unittest {
		return nil
	}
	s := f.after(last)
	s.strategy, s.parent, s.indent = afterTest, parentModule, ""
	return s
}

func (python) class(f *file, class uint32) *spot {
	bases := ""
	if b := f.Child(class, "superclasses"); b != 0 {
		bases = f.Text(b)
	}
	if !strings.HasPrefix(f.Text(f.Child(class, "name")), "Test") && !strings.Contains(bases, "TestCase") {
		return nil
	}
	body := f.Child(class, "body")
	var last, first uint32
	for _, k := range f.NamedChildren(body) {
		def := k
		if f.Kind(k) == "decorated_definition" {
			def = f.Child(k, "definition")
		}
		if first == 0 {
			first = k
		}
		if f.Kind(def) == "function_definition" && strings.HasPrefix(f.Text(f.Child(def, "name")), "test") {
			last = k
		}
	}
	indent := f.indentOf(class) + f.unit
	if first != 0 && f.Nodes[first].Row > f.Nodes[class].Row {
		indent = f.indentOf(first)
	}
	if last == 0 {
		last = body
		s := f.after(last)
		s.strategy, s.parent, s.indent = insideClass, parentClass, indent
		return s
	}
	s := f.after(last)
	s.strategy, s.parent, s.indent = afterTest, parentClass, indent
	return s
}

var defPattern = regexp.MustCompile(`^(\s*(?:async\s+)?def\s+)(\w+)(\s*\()\s*(self\b\s*,?\s*)?`)

func (p python) block(f *file, s *spot, tests []prepared) []string {
	var lines []string
	indent := ""
	switch {
	case s != nil && s.parent == parentClass:
		indent = s.indent
	case p.unittest:
		if !strings.Contains(f.src, "import unittest") {
			lines = append(lines, "import unittest", "", "")
		}
		lines = append(lines, "", "class "+f.className("TestSecurity")+"(unittest.TestCase):", f.unit+`"""Security tests."""`, "")
		indent = f.unit
	default:
		lines = append(lines, "", "class "+f.className("TestSecurity")+":", f.unit+`"""Security tests."""`, "")
		indent = f.unit
	}
	if len(lines) > 0 && s == nil && strings.TrimSpace(f.src) == "" && lines[0] == "" {
		lines = lines[1:]
	}
	for i := range tests {
		t := &tests[i]
		if i > 0 {
			lines = append(lines, "")
		}
		if t.whole {
			if !strings.Contains(t.Code, t.Name) {
				lines = append(lines, indent+"# "+oneLine(t.Name))
			}
			lines = append(lines, indent+"# Security test. Attack vector: "+oneLine(t.AttackVector))
			t.methods(f)
			lines = append(lines, t.indented(indent)...)
			continue
		}
		def := "def "
		if regexp.MustCompile(`(?m)^\s*(await|async)\b|[=( ]await `).MatchString(t.Code) {
			def = "async def "
		}
		lines = append(lines, indent+def+f.identifier("test_", t.Name)+"(self):", indent+f.unit+`"""`+docText(t.Name)+".", "", indent+f.unit+"Security test. Attack vector: "+docText(t.AttackVector), indent+f.unit+`"""`)
		lines = append(lines, t.indented(indent+f.unit)...)
	}
	return lines
}

// methods gives the functions of a snippet a self, and names of their own.
func (p *prepared) methods(f *file) {
	static := false
	for i, l := range p.lines {
		if p.fixed[i] {
			continue
		}
		if strings.HasPrefix(l, "@staticmethod") {
			static = true
		}
		m := defPattern.FindStringSubmatchIndex(l)
		if m == nil || l[0] == ' ' || l[0] == '\t' {
			continue
		}
		name := f.unique(l[m[4]:m[5]])
		rest := l[m[1]:]
		self := ""
		if !static {
			self = "self"
			if !strings.HasPrefix(strings.TrimSpace(rest), ")") {
				self = "self, "
			}
		}
		p.lines[i] = l[m[2]:m[3]] + name + l[m[6]:m[7]] + self + rest
		static = false
	}
}

// docText keeps a text from ending its docstring.
func docText(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(oneLine(text), `\`, `\\`), `"`, `'`)
}

func (f *file) className(name string) string {
	for i := 2; regexp.MustCompile(`\b(class|defmodule)\s+` + name + `\b`).MatchString(f.src); i++ {
		name = strings.TrimRight(name, "0123456789") + string(rune('0'+i%10))
		if i > 9 {
			break
		}
	}
	return name
}
