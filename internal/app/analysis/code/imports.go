package code

import (
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

func (l *lowerer) imports(n uint32, kind string) *Node {
	out := l.node(Block, n)
	add := func(c uint32, name, what string) {
		if name != "" {
			k := l.text(Import, c, name)
			k.Type = what
			out.Kids = append(out.Kids, k)
		}
	}
	from := l.childText(n, "module_name")
	var walk func(c uint32)
	walk = func(n uint32) {
		for c := range l.t.Children(n) {
			if !l.t.Is(c, syntax.Named) || l.t.Field(c) == "module_name" {
				continue
			}
			switch l.t.Kind(c) {
			case "aliased_import":
				add(c, l.childText(c, "alias"), strings.TrimPrefix(from+"."+l.childText(c, "name"), "."))
			case "dotted_name":
				name := l.t.Text(c)
				first, _, _ := strings.Cut(name, ".")
				if from != "" {
					add(c, name, from+"."+name)
				} else {
					add(c, first, first)
				}
			case "import_spec":
				path := strings.Trim(l.childText(c, "path"), "\"`")
				name := l.childText(c, "name")
				if name == "" {
					name = path[strings.LastIndexByte(path, '/')+1:]
				}
				add(c, name, path)
			case "import_specifier":
				name := l.childText(c, "name")
				alias := l.childText(c, "alias")
				if alias == "" {
					alias = name
				}
				add(c, alias, strings.Trim(l.childText(n2(l, c), "source"), "\"'")+"."+name)
			case "identifier":
				if l.t.Kind(n) == "import_clause" {
					add(c, l.t.Text(c), strings.Trim(l.childText(n2(l, c), "source"), "\"'"))
				}
			case "namespace_import":
				for _, k := range l.t.NamedChildren(c) {
					add(c, l.t.Text(k), strings.Trim(l.childText(n2(l, c), "source"), "\"'"))
				}
			case "scoped_identifier":
				if kind == "import_declaration" {
					name := l.t.Text(c)
					add(c, name[strings.LastIndexByte(name, '.')+1:], name)
				}
			case "import_spec_list", "import_clause", "named_imports", "namespace_use_clause", "namespace_use_group":
				walk(c)
			}
		}
	}
	walk(n)
	if len(out.Kids) == 0 {
		return nil
	}
	return out
}

// n2 climbs to the import that a specifier is in.
func n2(l *lowerer, c uint32) uint32 {
	for c != 0 && l.t.Kind(c) != "import_statement" {
		c = l.t.Nodes[c].Parent
	}
	return c
}
