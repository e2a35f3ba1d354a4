//go:build cgo

package syntax

// #include "treesitter.h"
import "C"

import (
	"bytes"
	"errors"
	"path"
	"strings"
	"sync"
	"time"
	"unsafe"

	ts "github.com/tree-sitter/go-tree-sitter"
	elixir "github.com/tree-sitter/tree-sitter-elixir/bindings/go"
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

// C writes nodes where Go reads them.
var (
	_ [unsafe.Sizeof(Node{}) - C.sizeof_rsolv_node]struct{}
	_ [C.sizeof_rsolv_node - unsafe.Sizeof(Node{})]struct{}
)

// engine is a language's grammar.
type engine struct {
	once     sync.Once
	load     func() unsafe.Pointer
	language unsafe.Pointer
	grammar  grammar
	named    []C.uint8_t // by kind
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
	"elixir":     {load: elixir.Language},
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

func (e *engine) init() {
	e.language = e.load()
	language := ts.NewLanguage(e.language)
	// Kind 0 is what the grammar could not read.
	e.grammar.kinds, e.named = []string{"ERROR"}, []C.uint8_t{1}
	for id := range uint16(language.NodeKindCount()) {
		e.grammar.kinds = append(e.grammar.kinds, language.NodeKindForId(id))
		var named C.uint8_t
		if language.NodeKindIsNamed(id) {
			named = 1
		}
		e.named = append(e.named, named)
	}
	e.grammar.fields = []string{""}
	for id := range language.FieldCount() {
		e.grammar.fields = append(e.grammar.fields, language.FieldNameForId(uint16(id+1)))
	}
}

// parsing is held while C has a parser: it has one, and one arena for it.
var (
	parsing sync.Mutex
	prepare = sync.OnceFunc(func() { C.rsolv_init() })
)

// Parse parses a file. Source that the grammar cannot read in places still has
// a tree, with Errors counted. The errors are the ones of this package.
func Parse(language Language, file string, source []byte) (*Tree, error) {
	return ParseWithin(ParseLimit, language, file, source)
}

// ParseWithin is Parse with less processor time.
func ParseWithin(limit time.Duration, language Language, file string, source []byte) (*Tree, error) {
	return parse(language, file, source, min(limit, ParseLimit), memoryLimit)
}

func parse(language Language, file string, source []byte, longest time.Duration, memory uint64) (*Tree, error) {
	e := engineOf(language, file, source)
	switch {
	case e == nil:
		return nil, ErrNoGrammar
	case len(source) > MaxBytes:
		return nil, ErrTooLarge
	}
	parsing.Lock()
	defer parsing.Unlock()
	prepare()
	e.once.Do(e.init)
	defer C.rsolv_release()
	var count, failures C.uint32_t
	text := (*C.char)(unsafe.Pointer(unsafe.SliceData(source)))
	switch C.rsolv_parse(e.language, text, C.uint32_t(len(source)), C.int64_t(longest), C.size_t(memory), &count) {
	case C.RSOLV_OK:
	case C.RSOLV_TOO_LONG:
		return nil, ErrTooLong
	case C.RSOLV_TOO_MUCH:
		return nil, ErrTooMuch
	default:
		return nil, errors.New("the parsers do not know this grammar's format")
	}
	if count > MaxNodes {
		return nil, ErrTooLarge
	}
	nodes := make([]Node, count+1)
	written := C.rsolv_flatten((*C.rsolv_node)(unsafe.Pointer(&nodes[0])), C.uint32_t(len(nodes)), MaxDepth, &e.named[0], &failures)
	if written == 0 {
		return nil, ErrTooDeep
	}
	return &Tree{Language: language, Source: source, Nodes: nodes[:written], Errors: int(failures), grammar: &e.grammar, text: string(source)}, nil
}
