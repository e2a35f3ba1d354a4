package syntax

import (
	"path"
	"strings"
)

// Language is a programming language that findings are in.
type Language string

// The languages with a grammar, and one that has none here: its files are judged
// by what the text alone shows.
const (
	JavaScript Language = "javascript"
	TypeScript Language = "typescript"
	Python     Language = "python"
	Ruby       Language = "ruby"
	PHP        Language = "php"
	Java       Language = "java"
	Go         Language = "go"
	Elixir     Language = "elixir"
	Rust       Language = "rust"
)

var byExtension = map[string]Language{
	".js": JavaScript, ".jsx": JavaScript, ".mjs": JavaScript, ".cjs": JavaScript,
	".ts": TypeScript, ".tsx": TypeScript, ".mts": TypeScript, ".cts": TypeScript,
	".py": Python, ".pyi": Python, ".rb": Ruby, ".erb": Ruby, ".rake": Ruby, ".php": PHP, ".phtml": PHP,
	".ex": Elixir, ".exs": Elixir, ".go": Go, ".java": Java, ".rs": Rust,
}

// LanguageOf is the language of a file by its extension; JavaScript when that
// is unknown.
func LanguageOf(file string) Language {
	if language, ok := byExtension[strings.ToLower(path.Ext(file))]; ok {
		return language
	}
	return JavaScript
}

// Parsed says whether there is a grammar for a language.
func (l Language) Parsed() bool { return l != Rust }
