// Package syntax parses source files with tree-sitter. A tree is copied out of
// C in one call and is plain Go from then on, so that nothing has to be freed
// and walking it costs no calls into C.
//
// Parsing is meant for the worker processes of ../worker: a grammar is C code,
// and a crash in one must not take the API with it.
package syntax

import (
	"errors"
	"slices"
	"time"
)

// Bounds of one file. What is beyond them is not parsed.
const (
	MaxBytes = 1 << 20
	MaxNodes = 700_000
	MaxDepth = 1_000
	// ParseLimit is of processor time.
	ParseLimit = 500 * time.Millisecond
	// memoryLimit is the parser's own memory: what it keeps of source with many
	// readings grows faster than any bound on the source tells.
	memoryLimit = 128 << 20
)

// Why a file has no tree.
var (
	ErrTooLarge  = errors.New("the file is too large to be parsed")
	ErrTooDeep   = errors.New("the file is nested too deeply to be parsed")
	ErrTooLong   = errors.New("parsing the file took too long")
	ErrTooMuch   = errors.New("parsing the file took too much memory")
	ErrNoGrammar = errors.New("there is no grammar for the language")
	// ErrNoParser is what a build without cgo answers.
	ErrNoParser = errors.New("this build has no parsers: build it with CGO_ENABLED=1 and a C compiler (make build does; hack/deps.sh gcc installs one)")
)

// Flags of a node.
const (
	Named uint16 = 1 << iota
	Error
	Missing
)

// Node is one node of a tree. Links are indexes into the tree; 0, the root,
// means none. Positions are bytes.
type Node struct {
	Start, End          uint32
	Row, EndRow         uint32
	Parent, First, Next uint32
	Kind                uint16
	Field, Flags        uint16
}

// Tree is a parsed file.
type Tree struct {
	Language Language
	Source   []byte
	Nodes    []Node
	// Errors are the places that the grammar could not read.
	Errors int

	grammar *grammar
	text    string // the source again, so that no text of a node is a copy
}

// grammar names the kinds and fields of one language.
type grammar struct {
	kinds  []string
	fields []string
}

// Kind is the name of a node's kind.
func (t *Tree) Kind(n uint32) string { return t.grammar.kinds[t.Nodes[n].Kind] }

// Field is the name under which the parent has the node; "" for none.
func (t *Tree) Field(n uint32) string { return t.grammar.fields[t.Nodes[n].Field] }

// Text is the source of a node.
func (t *Tree) Text(n uint32) string { return t.text[t.Nodes[n].Start:t.Nodes[n].End] }

// Slice is the source from one byte to another.
func (t *Tree) Slice(start, end uint32) string { return t.text[start:end] }

// Is says whether a flag is set.
func (t *Tree) Is(n uint32, flag uint16) bool { return t.Nodes[n].Flags&flag != 0 }

// Children yields the children of a node, anonymous ones included.
func (t *Tree) Children(n uint32) func(func(uint32) bool) {
	return func(yield func(uint32) bool) {
		for c := t.Nodes[n].First; c != 0; c = t.Nodes[c].Next {
			if !yield(c) {
				return
			}
		}
	}
}

// Child is the child under a field; 0 when there is none.
func (t *Tree) Child(n uint32, field string) uint32 {
	for c := range t.Children(n) {
		if t.Field(c) == field {
			return c
		}
	}
	return 0
}

// NamedChildren are the named children but comments.
func (t *Tree) NamedChildren(n uint32) []uint32 {
	var out []uint32
	for c := range t.Children(n) {
		if t.Is(c, Named) && !t.IsComment(c) {
			out = append(out, c)
		}
	}
	return out
}

// IsComment says whether a node is a comment.
func (t *Tree) IsComment(n uint32) bool {
	switch t.Kind(n) {
	case "comment", "line_comment", "block_comment", "html_comment":
		return true
	default:
		return false
	}
}

// At is the innermost node that covers the bytes from start to end.
func (t *Tree) At(start, end uint32) uint32 {
	n := uint32(0)
	for {
		inner := n
		for c := range t.Children(n) {
			if t.Nodes[c].Start <= start && end <= t.Nodes[c].End && t.Nodes[c].End > t.Nodes[c].Start {
				inner = c
				break
			}
		}
		if inner == n {
			return n
		}
		n = inner
	}
}

// Has says whether any of the kinds is a child's.
func (t *Tree) Has(n uint32, kinds ...string) bool {
	for c := range t.Children(n) {
		if slices.Contains(kinds, t.Kind(c)) {
			return true
		}
	}
	return false
}

// First is the text of the first named child; "" without one.
func (t *Tree) First(n uint32) string {
	for c := range t.Children(n) {
		if t.Is(c, Named) {
			return t.Text(c)
		}
	}
	return ""
}
