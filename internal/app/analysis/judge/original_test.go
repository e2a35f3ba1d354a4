package judge

import (
	"regexp"
	"slices"
	"strings"
)

// original is a port of the rules of the system that this one follows, to be
// measured against: regular expressions on the snippet and on its line, and a
// search backwards through the text. It says whether the finding is kept.
func original(in Finding, content string) bool {
	lines := strings.Split(content, "\n")
	if originalClass(in.File) != Application {
		return originalClass(in.File) == Config || false
	}
	if originalSafe(in) || originalComment(in, lines) || originalString(in, lines) {
		return false
	}
	return true // the taint analysis of applications only sets the confidence
}

// originalClass wants a slash on both sides of a directory's name.
func originalClass(path string) PathClass {
	has := func(parts ...string) bool { return containsAny(path, parts) }
	switch {
	case has("/vendor/", "/node_modules/", "/bower_components/", "/assets/vendor/", "/lib/third-party/", "/public/vendor/", "/static/vendor/", "/dist/", "/build/") ||
		strings.HasSuffix(path, ".min.js") || strings.HasSuffix(path, ".min.css") || strings.HasSuffix(path, "-min.js"):
		return Vendor
	case has("/test/", "/tests/", "/spec/", "/__tests__/", "/__test__/", "/e2e/", "/integration/", "/fixtures/", "/mocks/", "/stubs/", ".test.", ".spec.", "_test.", "_spec."):
		return Test
	case has("/config/", ".config.", "webpack.", "rollup.", "gulpfile", "Gruntfile", ".eslintrc", ".babelrc", "tsconfig.", "jest.config"):
		return Config
	}
	return Application
}

type originalRule struct {
	languages    string
	safe, unsafe []string
	// unsafeFirst: what makes it unsafe is looked at before what makes it safe.
	always []string
}

const (
	originalCaps = `[A-Z][A-Z0-9_]+\b`
)

var originalRules = map[string][]originalRule{
	"timing_attack": {{
		languages: "javascript python ruby php",
		safe:      []string{`[=!]==?\s*` + originalCaps, `[=!]==?\s*[A-Z]\w*\.[A-Z]\w*`, `DOMException\.\w+`, `[=!]==?\s*[1-5]\d\d\b`},
		unsafe:    []string{`(password|secret)\s*===?\s*[^A-Z\s]`, `token\s*===?\s*req\.`, `apiKey\s*===?\s*user`},
	}, {languages: "javascript", safe: []string{`[=!]==?\s*\d+`}, unsafe: []string{`(password|secret)\s*===?\s*[^A-Z\s]`}}},
	"sql_injection": {
		{
			languages: "javascript",
			unsafe:    []string{`(?i)(SELECT|WHERE|VALUES)[^;]*["'` + "`" + `]\s*\+\s*\w`, `(?i)FROM\s*["']\s*\+`, `query\([^)]*\w\s*\+\s*\w`, `password === \w+Password`, `apiKey ===`, `token ===`},
			safe:      []string{`\$\d`, `\?\s*[,)]`, `\?['"` + "`" + `]\s*,\s*\[`, `:\w+`, `query\([^,]+,\s*\[`, `prepare\(`},
		},
		{
			languages: "python", unsafe: []string{`(?i)(SELECT|WHERE)[^;]*["']\s*%\s*`, `f["'][^"']*(?i:SELECT|WHERE)[^"']*\{`},
			safe: []string{`execute(many)?\([^,]+,\s*[(\[]`, `\?`, `:\w+`, `objects\.(filter|get|all)`},
		},
		{languages: "ruby", unsafe: []string{`(?i)(SELECT|WHERE|VALUES)[^;]*#\{`, `exec\([^)]*\w\s*\+\s*\w`}, safe: []string{`\?`, `:\w+`, `where\([^,]+,\s*\[`, `where\(\{`}},
		{languages: "php", unsafe: []string{`(?i)(SELECT|WHERE|VALUES)[^;]*["']\s*\.\s*\$`, `query\([^)]*\.\s*\$`}, safe: []string{`\?`, `:\w+`, `->prepare`, `->bind_param`}},
	},
	"nosql_injection": {{
		languages: "javascript", unsafe: []string{`\$where`, `req\.(body|query|params)`},
		safe: []string{`(find|findOne|updateOne)\(\s*\{[^$]*\}`, `findById`},
	}, {languages: "python", unsafe: []string{`\$where`, `request\.(POST|GET)`, `json\.loads`}, safe: []string{`find(_one)?\(`}}},
	"xss": {
		{
			languages: "javascript", unsafe: []string{`insertAdjacentHTML`, `document\.write\(.*user`},
			safe: []string{`textContent\s*=`, `innerText\s*=`, `\.render\(`, `escape\(`, `sanitize\(`, `\.text\(`, `createTextNode`, `React\.createElement`, `(?i)escape|sanitize|dompurify|textcontent`},
		},
		{languages: "python", safe: []string{`escape`, `markup\.escape`, `render`, `(?i)escape|sanitize`}},
		{languages: "ruby", safe: []string{`html_safe`, `escape_html`, `\bh\(`, `(?i)escape|sanitize`}},
		{languages: "php", safe: []string{`htmlspecialchars`, `htmlentities`, `filter_var`, `(?i)escape|sanitize`}},
	},
	"code_injection": {{languages: "javascript", safe: []string{`eval\(\s*["'][\w\s+*/().-]*["']\s*\)`, `eval\(` + originalCaps + `\)`, `new Function\('return`}}},
	"command_injection": {{
		languages: "javascript python ruby php", unsafe: []string{`\+\s*user`, `\$\{user`, `\$\(`, "`[^`]*\\$", `req\.`, `params\[`, `shell:\s*true`, `shell=True`},
		safe: []string{`execFile\(`, `spawn\(['"]\w+['"],\s*\[`, `exec\(['"][^'"]*['"]\)\s*;?$`, `subprocess\.(run|call)\(\[`, `os\.execv`, `check=True`, `system\(['"][^'"#]*['"]\)`, `Open3\.`, `escapeshell(cmd|arg)`},
	}},
	"path_traversal": {{
		languages: "*", always: []string{`path\.normalize\(`, `path\.resolve\(`, `Path\([^)]*\)\.resolve\(`, `basename\(`, `realpath\(`},
		unsafe: []string{`req\.(query|body|params)`, `params\[`, `\$_(GET|POST)`, `\.\./`, `user_?[pP]ath`, `user_?[fF]ile`},
		safe:   []string{`path\.join\(__dirname`, `path\.join\([^)]*['"]`, `os\.path\.join\((` + originalCaps + `|['"])`, `Rails\.root\.join\(['"]`, `pathlib\.Path`},
	}},
	"ssrf": {{
		languages: "*", unsafe: []string{`req\.\w`, `params\[`, `body\.`, `query\.`, `user[A-Z]`, `user_`},
		safe: []string{`(fetch|axios\.get|urlopen)\(['"]`, `\$\{` + originalCaps + `\}`, `process\.env\.\w+`, `requests\.get\(f["']\{` + originalCaps, `localhost|127\.0\.0\.1`},
	}},
	"hardcoded_secret": {{
		languages: "*", unsafe: []string{`["'][A-Za-z0-9]{32,}["']`, `sk[-_]`, `AKIA`, `ghp_`, `glpat-`, `Bearer \w+`, `(?i)(password|passwd|pwd|api_key|apikey|token|secret)\w*['"]?\s*(:=|[:=])\s*['"][^'"]+['"]`},
		safe: []string{`process\.env`, `os\.environ|os\.getenv`, `\bENV\[|ENV\.fetch`, `getenv\(|\$_ENV`, `System\.getenv`, `os\.Getenv`, `(?i)config`, `(?i)credentials|vault|kms|keychain|dotenv`},
	}},
}

func originalLanguage(file string) string {
	for ext, language := range map[string]string{
		".js": "javascript", ".jsx": "javascript", ".ts": "javascript", ".tsx": "javascript", ".mjs": "javascript", ".py": "python",
		".rb": "ruby", ".erb": "ruby", ".php": "php", ".ex": "elixir", ".exs": "elixir", ".go": "go", ".java": "java", ".rs": "rust",
	} {
		if strings.HasSuffix(file, ext) {
			return language
		}
	}
	return "javascript"
}

var originalCompiled = map[string]*regexp.Regexp{}

func originalAny(patterns []string, text string) bool {
	for _, p := range patterns {
		if originalCompiled[p] == nil {
			originalCompiled[p] = regexp.MustCompile(p)
		}
		if originalCompiled[p].MatchString(text) {
			return true
		}
	}
	return false
}

func originalSafe(in Finding) bool {
	language := originalLanguage(in.File)
	for _, r := range originalRules[strings.ReplaceAll(strings.ToLower(in.Type), "-", "_")] {
		if r.languages != "*" && !slices.Contains(strings.Fields(r.languages), language) {
			continue
		}
		if originalAny(r.always, in.Code) {
			return true
		}
		if in.Type == "xss" && regexp.MustCompile(`(inner|outer)HTML\s*=`).MatchString(in.Code) && !originalAny([]string{`(?i)escape|sanitize|dompurify`}, in.Code) {
			return false
		}
		if originalAny(r.unsafe, in.Code) {
			return false
		}
		if originalAny(r.safe, in.Code) {
			return true
		}
	}
	return false
}

func originalComment(in Finding, lines []string) bool {
	n := max(in.Line, 1)
	line := ""
	if n <= len(lines) {
		line = lines[n-1]
	}
	snippet := in.Code
	trimmed := strings.TrimSpace(line)
	switch {
	case trimmed == snippet && strings.HasPrefix(snippet, "//"):
		return true
	case strings.Contains(line, "//"):
		_, after, _ := strings.Cut(line, "//")
		return strings.Contains("//"+after, snippet)
	case trimmed == snippet && strings.HasPrefix(snippet, "#"):
		return true
	case strings.HasPrefix(snippet, "/*") || strings.HasPrefix(snippet, "*/") || strings.HasPrefix(snippet, "=begin"):
		return true
	}
	block, begin := false, false
	quotes := 0
	for _, l := range lines[:min(n-1, len(lines))] {
		if strings.Contains(l, "/*") {
			block = true
		}
		if strings.Contains(l, "*/") {
			block = false
		}
		quotes += strings.Count(l, `"""`)
		begin = begin || strings.HasPrefix(strings.TrimSpace(l), "=begin")
		if strings.HasPrefix(strings.TrimSpace(l), "=end") {
			begin = false
		}
	}
	return block || quotes%2 == 1 || begin
}

func originalString(in Finding, lines []string) bool {
	line := ""
	if in.Line >= 1 && in.Line <= len(lines) {
		line = lines[in.Line-1]
	}
	trimmed := strings.TrimSpace(line)
	switch {
	case trimmed == in.Code && regexp.MustCompile(`=\s*["'`+"`"+`].*eval.*["'`+"`"+`]`).MatchString(trimmed),
		regexp.MustCompile(`["'` + "`" + `][^"'` + "`" + `]*eval[^"'` + "`" + `]*["'` + "`" + `]`).MatchString(in.Code),
		strings.Contains(line, "`") && regexp.MustCompile(`eval[^(]|eval$`).MatchString(line),
		regexp.MustCompile(`=\s*["'].*exec.*["']`).MatchString(line):
		return true
	}
	return false
}
