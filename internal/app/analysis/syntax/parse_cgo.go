//go:build cgo

package syntax

/*
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

// What is used of tree-sitter's public C API, which go-tree-sitter links in.
typedef struct { uint32_t row, column; } TSPoint;
typedef struct { uint32_t context[4]; const void *id; const void *tree; } TSNode;
typedef struct { const void *tree; const void *id; uint32_t context[3]; } TSTreeCursor;
extern TSTreeCursor ts_tree_cursor_new(TSNode node);
extern void ts_tree_cursor_delete(TSTreeCursor *cursor);
extern TSNode ts_tree_cursor_current_node(const TSTreeCursor *cursor);
extern uint16_t ts_tree_cursor_current_field_id(const TSTreeCursor *cursor);
extern bool ts_tree_cursor_goto_first_child(TSTreeCursor *cursor);
extern bool ts_tree_cursor_goto_next_sibling(TSTreeCursor *cursor);
extern bool ts_tree_cursor_goto_parent(TSTreeCursor *cursor);
extern uint16_t ts_node_symbol(TSNode node);
extern uint32_t ts_node_start_byte(TSNode node);
extern uint32_t ts_node_end_byte(TSNode node);
extern TSPoint ts_node_start_point(TSNode node);
extern TSPoint ts_node_end_point(TSNode node);
extern bool ts_node_is_named(TSNode node);
extern bool ts_node_is_missing(TSNode node);
extern bool ts_node_is_extra(TSNode node);
extern bool ts_node_is_error(TSNode node);
extern uint32_t ts_node_descendant_count(TSNode node);

extern void ts_set_allocator(void *(*malloc)(size_t), void *(*calloc)(size_t, size_t), void *(*realloc)(void *, size_t), void (*free)(void *));

// The binding has C call Go for each allocation, which only calls C again.
static void rsolv_plain_allocator(void) { ts_set_allocator(NULL, NULL, NULL, NULL); }

// The layout of Node in tree.go.
typedef struct {
	uint32_t start, end, row, end_row, parent, first, next;
	uint16_t kind, field, flags;
} rsolv_node;

static uint32_t rsolv_count(const void *root) { return ts_node_descendant_count(*(const TSNode *)root); }

// rsolv_flatten writes the nodes in the order of the source. It returns how many
// it wrote, or 0 when there are more than max or the tree is deeper than depth.
static uint32_t rsolv_flatten(const void *root, rsolv_node *out, uint32_t max, uint32_t max_depth) {
	TSTreeCursor cursor = ts_tree_cursor_new(*(const TSNode *)root);
	uint32_t *last = calloc(max_depth + 2, sizeof(uint32_t)); // the newest node of each depth
	uint32_t count = 0, depth = 0;
	bool done = last == NULL, ok = last != NULL;
	while (!done) {
		if (count >= max || depth > max_depth) { ok = false; break; }
		TSNode node = ts_tree_cursor_current_node(&cursor);
		rsolv_node *n = &out[count];
		uint32_t parent = depth > 0 ? last[depth - 1] : 0;
		TSPoint from = ts_node_start_point(node), to = ts_node_end_point(node);
		n->start = ts_node_start_byte(node);
		n->end = ts_node_end_byte(node);
		n->row = from.row;
		n->end_row = to.row;
		n->parent = parent;
		n->first = 0;
		n->next = 0;
		n->kind = ts_node_is_error(node) ? 0 : ts_node_symbol(node) + 1;
		n->field = ts_tree_cursor_current_field_id(&cursor);
		n->flags = (ts_node_is_named(node) ? 1 : 0) | (ts_node_is_error(node) ? 2 : 0) |
			(ts_node_is_missing(node) ? 4 : 0) | (ts_node_is_extra(node) ? 8 : 0);
		if (depth > 0) {
			if (out[parent].first == 0) out[parent].first = count;
			else out[last[depth]].next = count;
		}
		last[depth] = count;
		count++;
		if (ts_tree_cursor_goto_first_child(&cursor)) { depth++; continue; }
		while (!ts_tree_cursor_goto_next_sibling(&cursor)) {
			if (!ts_tree_cursor_goto_parent(&cursor)) { done = true; break; }
			depth--;
		}
	}
	free(last);
	ts_tree_cursor_delete(&cursor);
	return ok ? count : 0;
}
*/
import "C"

import (
	"bytes"
	"path"
	"strings"
	"sync"
	"unsafe"

	ts "github.com/tree-sitter/go-tree-sitter"
	golang "github.com/tree-sitter/tree-sitter-go/bindings/go"
	java "github.com/tree-sitter/tree-sitter-java/bindings/go"
	javascript "github.com/tree-sitter/tree-sitter-javascript/bindings/go"
	php "github.com/tree-sitter/tree-sitter-php/bindings/go"
	python "github.com/tree-sitter/tree-sitter-python/bindings/go"
	ruby "github.com/tree-sitter/tree-sitter-ruby/bindings/go"
	typescript "github.com/tree-sitter/tree-sitter-typescript/bindings/go"
)

// Available says whether this build can parse.
const Available = true

// engine is a language's grammar with a parser for it.
type engine struct {
	once    sync.Once
	load    func() unsafe.Pointer
	grammar grammar
	mu      sync.Mutex // a parser is one goroutine's
	parser  *ts.Parser
	err     error
}

var engines = map[string]*engine{
	"javascript": {load: javascript.Language},
	"typescript": {load: typescript.LanguageTypescript},
	"tsx":        {load: typescript.LanguageTSX},
	"python":     {load: python.Language},
	"ruby":       {load: ruby.Language},
	"php":        {load: php.LanguagePHP},
	"php_only":   {load: php.LanguagePHPOnly},
	"java":       {load: java.Language},
	"go":         {load: golang.Language},
}

// engineOf picks the dialect.
func engineOf(language Language, file string, source []byte) *engine {
	name := string(language)
	ext := strings.ToLower(path.Ext(file))
	switch {
	case language == TypeScript && (ext == ".tsx" || ext == ""):
		name = "tsx"
	case language == PHP && !bytes.Contains(source, []byte("<?")):
		name = "php_only"
	}
	return engines[name]
}

var plainAllocator sync.Once

func (e *engine) init() {
	plainAllocator.Do(func() { C.rsolv_plain_allocator() })
	language := ts.NewLanguage(e.load())
	// Kind 0 is what the grammar could not read.
	e.grammar.kinds = []string{"ERROR"}
	for id := range language.NodeKindCount() {
		e.grammar.kinds = append(e.grammar.kinds, language.NodeKindForId(uint16(id)))
	}
	e.grammar.fields = []string{""}
	for id := range language.FieldCount() {
		e.grammar.fields = append(e.grammar.fields, language.FieldNameForId(uint16(id+1)))
	}
	e.parser = ts.NewParser()
	e.err = e.parser.SetLanguage(language)
}

// Parse parses a file. Source that the grammar cannot read in places still has
// a tree, with Errors counted. The errors are the ones of this package.
func Parse(language Language, file string, source []byte) (*Tree, error) {
	e := engineOf(language, file, source)
	switch {
	case e == nil:
		return nil, ErrNoGrammar
	case len(source) > MaxBytes:
		return nil, ErrTooLarge
	}
	e.once.Do(e.init)
	if e.err != nil {
		return nil, e.err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	parsed, err := e.parse(source)
	if parsed == nil {
		e.parser.Reset()
		return nil, err
	}
	defer parsed.Close()
	root := parsed.RootNode()
	// A Node of the binding is exactly the C struct.
	pointer := unsafe.Pointer(root)
	count := uint32(C.rsolv_count(pointer))
	if count > MaxNodes {
		return nil, ErrTooLarge
	}
	nodes := make([]Node, count+1)
	written := C.rsolv_flatten(pointer, (*C.rsolv_node)(unsafe.Pointer(&nodes[0])), C.uint32_t(len(nodes)), MaxDepth)
	if written == 0 {
		return nil, ErrTooDeep
	}
	t := &Tree{Language: language, Source: source, Nodes: nodes[:written], grammar: &e.grammar}
	for i := range t.Nodes {
		if t.Nodes[i].Flags&(Error|Missing) != 0 {
			t.Errors++
		}
	}
	return t, nil
}

// memoryEvery is how many of the parser's steps pass between two looks at the
// memory, which cost more than looks at the clock.
const memoryEvery = 32

// parse gives up after parseLimit, or when the process has grown to
// memoryLimit: what a grammar keeps of source with many readings grows faster
// than any bound on the source tells. The error says which it was.
func (e *engine) parse(source []byte) (*ts.Tree, error) {
	started, steps, err := CPU(), 0, ErrTooLong
	tree := e.parser.ParseWithOptions(func(at int, _ ts.Point) []byte {
		if at >= len(source) {
			return nil
		}
		return source[at:]
	}, nil, &ts.ParseOptions{ProgressCallback: func(ts.ParseState) bool {
		if steps++; steps%memoryEvery == 0 && resident() > memoryLimit {
			err = ErrTooMuch
			return true
		}
		return CPU()-started > parseLimit
	}})
	return tree, err
}
