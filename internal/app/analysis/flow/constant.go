package flow

import (
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

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
