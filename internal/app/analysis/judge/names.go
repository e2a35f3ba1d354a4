package judge

import (
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
)

// targetName is the name that a value is given: a variable, a key, or the
// function that returns it.
func (q *query) targetName(n *code.Node) string {
	for p := n.Parent; p != nil; p = p.Parent {
		switch p.Op {
		case code.Assign:
			return lastName(p.Kids[0])
		case code.Pair:
			return p.Text
		case code.Func:
			return p.Text
		case code.Call:
			if m := p.Method(); (secretUse.MatchString(m) || checksumName.MatchString(m) || harmlessUse.MatchString(m) || m == "setTimeout" || m == "sleep") && p.Kids[0] != n {
				return m
			}
		case code.Return:
			if fn := p.Enclosing(); fn != nil {
				return fn.Text
			}
		}
	}
	return ""
}

func (q *query) mentionsSecret(n *code.Node) bool {
	top := n
	for p := n.Parent; p != nil && (p.Op == code.Member || p.Op == code.Call || p.Op == code.Index); p = p.Parent {
		top = p
	}
	found := false
	top.Walk(func(k *code.Node) bool {
		if (k.Op == code.Name || k.Op == code.Member || k.Op == code.Str) && secretUse.MatchString(k.Text) {
			found = true
		}
		return !found
	})
	return found
}

// original undoes an import's alias.
func (q *query) original(chain string) string {
	first, rest, more := strings.Cut(chain, ".")
	if what := q.file.code.Imports[first]; what != "" {
		first = what
	}
	if more {
		return first + "." + rest
	}
	return first
}

// set makes a set of words.
func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}
